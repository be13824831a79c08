"""The benchmark of clones: sound patients, a perfect answer scores perfectly, and its questions can be missed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import clones
from suite.case import Case
from suite.clone_cases import BY_DEPTH, DEPTHS, KINDS, donors, five_of, patients
from suite.expect import OURS
from suite.jobs import ORACLE
from suite.run import checked


def test_patients_are_sound_and_follow_from_the_seed() -> None:
    drawn = patients(3)
    assert len(drawn) == len(KINDS) + len(BY_DEPTH) * (len(DEPTHS) - 1)
    checked({"name": "c", "seed": 3, "patients": drawn | donors() | {"large": five_of(3000, 3)}})
    assert drawn == patients(3)
    assert drawn["random_2000"] != patients(4)["random_2000"]
    assert patients(3, ["small"])["small"] == drawn["small"], "alone or with others"


@pytest.fixture
def case() -> Case:
    n = 40
    obs = pd.DataFrame(
        {"cell": [f"s{i % 2}:{i:02d}" for i in range(n)], "sample": [f"s{i % 2}" for i in range(n)], "patient": "P",
         "timepoint": np.where(np.arange(n) % 2, "mrd", "diagnosis"), "cell_type": "plasma", "malignant": True,
         "doublet": [i == 0 for i in range(n)], "clone": np.repeat(["A", "B"], n // 2), "quality": "good"}
    )  # fmt: skip
    return Case("P", "P", None, obs, {}, ())


def answer(case: Case, name: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"cell": case.obs["cell"], "clone": name, "best_clone": name, "posterior": 0.99})


def test_truth_as_an_answer_is_perfect(case: Case) -> None:
    row = clones.judged(answer(case, case.obs["clone"]), case)
    assert (row["ARI"], row["ARI sure"], row["found"], row["invented"]) == (1.0, 1.0, 2, 0)
    assert row["n"] == 39, "the doublet is not judged"
    assert (row["MRD cells"], row["MRD sure"], row["MRD right"]) == (20, 20, 20)
    assert len(clones.true_cells(case)) == 39


def test_merged_clones_are_worth_nothing(case: Case) -> None:
    row = clones.judged(answer(case, case.obs["clone"].mask(case.obs["clone"] == "B", "A")), case)
    assert row["ARI"] == 0.0
    assert row["MRD right"] == 10


def rows(**ours: float) -> pd.DataFrame:
    common = {"case": "five_4800", "seed": 1, "found": 5, "invented": 0}
    oracle = {"ARI": 0.8, "ARI sure": 1.0, "share sure": 0.6, "ECE": 0.0}
    return pd.DataFrame([{**common, "tool": OURS, **oracle, **ours}, {**common, "tool": ORACLE, **oracle}])


@pytest.mark.parametrize(
    "worse", [{"ARI": 0.71}, {"ARI sure": 0.94}, {"share sure": 0.53}, {"ECE": 0.06}, {"invented": 1}]
)
def test_each_question_can_be_missed(worse: dict[str, float]) -> None:
    assert all(met for _, _, met in clones.verdicts(rows()))
    assert [met for _, _, met in clones.verdicts(rows(**worse))].count(False) == 1
