"""Patches of the marrow: what a puncture holds beside the truth, who shares it, and what does not see it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from marrowclone.errors import UserError
from marrowclone.simulate import simulate
from marrowclone.simulate.dynamics import CAPACITY
from marrowclone.simulate.punctures import patch
from unit.simulate.simulate_cases import one_patient

SD = 0.3
#: UMIs of all captures, events of the MRD tests and the aspirates' plasma cells (%), before the key was there.
BEFORE = (816570, [533070, 544992], [5.0, 7.7, 8.7])


def cohort(*, days=(0, 100, 200), seed=3, burden=0.05, patchiness=SD, mrd=(), cells=100):
    """One patient at rest, unsorted captures on ``days``."""
    samples = [
        {
            "timepoint": "diagnosis" if not i else f"follow_up_{i + 1}", "day": d, "cells": cells,
            "capture": {"empty": 0, "dying": 0, "doublet_rate": 0, "normal_plasma": 0.01},
        }
        for i, d in enumerate(days)
    ]  # fmt: skip
    clones = {
        "A": {"fraction": 0.7, "growth": {"off": 0.0}}, "B": {"parent": "A", "fraction": 0.3, "growth": {"off": 0.0}},
    }  # fmt: skip
    spec = one_patient(clones=clones, samples=samples, burden=burden, clinical={"mrd": list(mrd)})
    return simulate({**spec, "seed": seed, "patchiness": patchiness})


def factor(made, day):
    patient = made.spec["patients"]["P"]
    return patch(patient, made.courses["P"], day, name="P", seed=made.spec["seed"])


def test_days_have_lognormal_factors_of_their_own():
    made = cohort(days=(0, 2000), burden=0.001)
    draws = np.log10([factor(made, day) for day in range(2000)])
    assert stats.kstest(draws, stats.norm(0, SD).cdf).pvalue > 0.01
    # neighbouring days share nothing: the correlation of 2,000 pairs has an SE of .022
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.1
    assert factor(made, 7) == factor(made, 7)


def test_no_puncture_holds_more_than_a_marrow_can():
    made = cohort(days=(0, 500), burden=0.6)
    held = np.array([factor(made, day) * made.courses["P"].total()[day] for day in range(500)])
    assert held.max() == pytest.approx(CAPACITY)
    assert 0.15 < (held > CAPACITY - 1e-9).mean() < 0.35  # P(z > log10(.95 / .6) / .3) = .253; SE .019


def test_assays_of_one_puncture_share_it_and_those_of_another_do_not():
    """1e8 cells leave the assay's own error of .15 log10; two assays of a day differ by that alone."""
    days = tuple(range(0, 4000, 100))
    tests = [{"day": d, "assay": a, "cells": 100_000_000} for d in days for a in ("NGF", "NGS")]
    made = cohort(days=days, mrd=tests, burden=0.01)
    mrd = made.clinical()["mrd"].assign(level=lambda t: np.log10(t["events"] / t["cells_analysed"]))
    level = mrd.pivot(index="day", columns="assay", values="level")
    truth = np.log10(made.courses["P"].total()[list(days)])
    site = np.log10([factor(made, d) for d in days])
    own = level.sub(truth + site, axis=0)
    # 80 errors: the SD of a sample of them is within .15 +- 4 x .15 / sqrt(160)
    assert 0.10 < own.to_numpy().std() < 0.20
    assert np.corrcoef(level["NGF"] - truth, level["NGS"] - truth)[0, 1] > 0.5  # expected .09 / .1125 = .8
    # the aspirate of the day, too: 1% normal plasma cells above it, error .25 (ln)
    response = made.clinical()["response"].set_index("day").loc[list(days), "bm_pc_percent"]
    aspirate = np.log((response - 1.0).clip(lower=0.05) / 100) / np.log(10) - truth
    assert np.corrcoef(aspirate, site)[0, 1] > 0.5


def test_captures_hold_what_the_puncture_holds():
    made = cohort(days=(0, 100, 200, 300), cells=4000)
    expected = made.truth()["labels"].drop_duplicates(["clone", "day"]).set_index(["day", "clone"])["expected_cells"]
    for sample, capture in made.captures():
        day = int(made.sheet.set_index("sample").loc[sample, "day"])
        held = made.courses["P"].at(day) * factor(made, day)
        counts = capture.cells["clone"].value_counts()
        for clone, share in zip(("A", "B"), held, strict=True):
            assert expected[(day, clone)] == pytest.approx(4000 * share)
            assert abs(counts.get(clone, 0) - 4000 * share) < 4 * np.sqrt(4000 * share)  # binomial: within 4 SD


def test_truth_blood_and_imaging_do_not_see_it():
    mrd = [{"day": 100, "assay": "NGF"}]
    smooth, patchy = (cohort(patchiness=sd, mrd=mrd) for sd in (0.0, SD))
    one, two = smooth.truth(), patchy.truth()
    assert not one["labels"]["expected_cells"].equals(two["labels"]["expected_cells"])
    seen = [c for c in one["labels"].columns if not c.startswith(("expected", "most"))]
    pd.testing.assert_frame_equal(one["labels"][seen], two["labels"][seen])
    for name in ("fractions", "growth", "tiers", "clones", "arms", "patients"):
        pd.testing.assert_frame_equal(one[name], two[name])
    one, two = smooth.clinical(), patchy.clinical()
    blood = ["day", "m_protein", "kappa_flc", "lambda_flc", "b2m", "albumin", "ldh", "creatinine"]
    pd.testing.assert_frame_equal(one["response"][blood], two["response"][blood])
    assert not one["response"]["bm_pc_percent"].equals(two["response"]["bm_pc_percent"])
    assert not one["mrd"]["events"].equals(two["mrd"]["events"])
    for name in ("imaging", "pro", "therapy", "cytogenetics"):
        pd.testing.assert_frame_equal(one[name], two[name])


def test_none_is_the_default_and_changes_nothing():
    """An explicit 0 and no key at all are one cohort, to the last count; the factor is exactly 1."""
    spec = one_patient()
    bare, zero = simulate(spec), simulate({**spec, "patchiness": 0})
    assert bare.spec == zero.spec and bare.spec["patients"]["P"]["patchiness"] == 0
    assert factor(bare, 0) == 1.0
    (_, one), (_, two) = next(bare.captures()), next(zero.captures())
    assert (one.counts != two.counts).nnz == 0
    pd.testing.assert_frame_equal(one.cells, two.cells)


def test_a_patient_may_differ_from_the_cohort():
    spec = one_patient(patchiness=0.1)
    spec["patients"]["Q"] = one_patient()["patients"]["P"]
    made = simulate({**spec, "patchiness": 0.5})
    assert {n: p["patchiness"] for n, p in made.spec["patients"].items()} == {"P": 0.1, "Q": 0.5}
    assert simulate(made.spec).spec == made.spec
    with pytest.raises(UserError, match="patchiness"):
        simulate({**spec, "patchiness": -0.1})


def test_a_cohort_without_patches_is_what_it_was_before_there_were_any():
    made = cohort(patchiness=0.0, mrd=[{"day": 100, "assay": "NGF"}, {"day": 200, "assay": "NGS"}], cells=60)
    total = sum(int(c.counts.sum()) for _, c in made.captures())
    mrd, response = made.clinical()["mrd"], made.clinical()["response"]
    assert (total, mrd["events"].tolist(), response["bm_pc_percent"].dropna().tolist()) == BEFORE
