from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from marrowclone.errors import UserError
from marrowclone.keys import MALIGNANT, NORMAL, TIMEPOINTS
from marrowclone.score.permute import permute_answer
from marrowclone.simulate.cohort import Cohort
from suite import judge, summary
from suite.case import QUERY, case_of, draw, usable_cells, write_case
from suite.expect import MET, NOT_BUILT, NOT_MEASURED, NOT_MET, OURS
from suite.expect import judge as judge_expectation
from suite.jobs import read_answer
from suite.judge_road import pooled
from suite.methods import Answer
from suite.oracle import dosage_oracle
from suite.plan import FULL, QUICK
from suite.road import expected_tables, write_run
from suite.run import _jobs, _road, checked, members_of
from suite.scenarios import DONORS, ROAD, cohort_spec, donors_of, read_scenario, read_scenarios

#: Metrics that expectations name and that the workflow's judge gives.
ROAD_METRICS = {"tree ancestor recall", "empty droplets kept", "burden coverage", "growth coverage"}


@pytest.fixture(scope="module")
def cells():
    """Two clones with six arms between them, normal cells, three donors; some 400 cells."""
    donor = {"group": "healthy", "samples": [
        {"timepoint": "healthy", "day": 0, "cells": 70, "plasma_fraction": 1.0, "sort": "CD138+"}]}  # fmt: skip
    patient = {
        "group": "refractory", "burden": 0.4,
        "clones": {
            "A": {"events": ["-13q", "+1q"], "fraction": 0.5, "growth": {"off": 0.0}},
            "B": {"parent": "A", "events": ["-14q", "-6q", "+11q", "-1p"], "fraction": 0.5, "growth": {"off": 0.0}},
        },
        "samples": [{"timepoint": "diagnosis", "day": 0, "cells": 260, "plasma_fraction": 0.8,
                     "capture": {"normal_plasma": 0.15}}],
    }  # fmt: skip
    spec = {"name": "s", "seed": 4, "patients": {"P": patient, **{f"H{i}": donor for i in (1, 2, 3)}}}
    return usable_cells(draw(Cohort(checked(spec))))


@pytest.fixture(scope="module")
def case(cells):
    return case_of(cells, "P", name="two clones")


def perfect(case) -> Answer:
    """The truth as an answer."""
    query = case.obs[case.obs["role"] == QUERY]
    malignant = query["malignant"].to_numpy(bool)
    table = pd.DataFrame(
        {
            "cell": query["cell"], "score": malignant.astype(float), "p_malignant": malignant.astype(float),
            "call": np.where(malignant, MALIGNANT, NORMAL), "clone": query["clone"], "best_clone": query["clone"],
            "posterior": 1.0,
        }
    )  # fmt: skip
    arms = case.truth["arms"].assign(call=lambda t: np.sign(t["state"] - 2).map({1: "gain", -1: "loss", 0: "neutral"}))
    return Answer(table, arms[["clone", "chromosome", "arm", "call", "state"]].assign(value=np.nan))


def metrics(case, answer) -> dict[str, float]:
    rows, _, _ = judge.judge_case(case, answer, seed=1, tool="t")
    return {r["metric"]: r["value"] for r in rows}


def test_every_scenario_is_a_sound_specification_and_expects_what_is_measured(case):
    scenarios = read_scenarios()
    assert len(scenarios) >= 25 and next(iter(scenarios)) == DONORS
    spec = checked(cohort_spec(scenarios, seed=1, expression={}))  # raises with every problem
    assert donors_of(spec) == list(scenarios[DONORS].patients)
    members = members_of(scenarios, spec["patients"])
    assert sorted(p for names in members.values() for p in names) == sorted(spec["patients"])
    known = set(metrics(case, perfect(case))) | set(summary.TABLED) | ROAD_METRICS
    known |= {f"malignant {m} at {t}" for m in ("recall", "precision") for t in TIMEPOINTS}
    named = [e["metric"] for s in scenarios.values() for e in s.expect if "metric" in e]
    assert named and set(named) <= known
    assert all(s.expect and s.title for s in scenarios.values())


def test_plans_name_scenarios_that_are_there():
    names = set(read_scenarios()) | {"imposed_t_cells", "imposed_nothing"}
    assert set(QUICK.scenarios) <= names and set(FULL.thorough_on) <= names
    with pytest.raises(UserError, match=r"no scenario is called 'hyperdiploit'\. Hint: did you mean 'hyperdiploid'"):
        read_scenarios(["hyperdiploit"])


def test_a_table_that_no_run_of_the_scenario_makes_is_refused(tmp_path):
    path = tmp_path / "s.yaml"
    head, tail = "title: t\nlayers: [{}]\nexpect:\n  - {{says: x, table: ", ", column: call, some: a}}\n"
    text = head + '"embedding/{{patient}}.{}.tsv"' + tail
    path.write_text(text.format("cells", "identity"))
    # given cells have no tables: the answer would be "not built" for ever
    with pytest.raises(
        UserError, match=r"s\.yaml: .*identity\.tsv, but layers are cells; .*Hint: layers: \[cells, road\]"
    ):
        read_scenario(path)
    path.write_text(text.format("cells, road", "identity"))
    assert read_scenario(path).expect[0]["table"] == "embedding/{patient}.identity.tsv"
    path.write_text(text.format("road", "identiy"))
    # Snakemake would refuse the whole run for a target without a rule
    with pytest.raises(UserError, match=r"identiy\.tsv, expected .*Hint: did you mean 'embedding\.identity'"):
        read_scenario(path)


def test_the_workflow_is_asked_for_every_table_that_an_expectation_names():
    expect = [
        {"table": "embedding/{patient}.drivers.tsv"}, {"metric": "malignant F1"}, {"table": "cure/landmarks.tsv"},
    ]  # fmt: skip
    assert expected_tables(expect, ["A", "B"]) == [
        "embedding/A.drivers.tsv", "embedding/B.drivers.tsv", "cure/landmarks.tsv",
    ]  # fmt: skip


def test_the_roads_targets_hold_the_expected_tables_of_its_scenarios(monkeypatch, tmp_path):
    """What Snakemake is not asked for is never made."""
    seen: list[str] = []

    class Started(Exception):
        pass

    def popen(command, **_):
        seen.extend(command[command.index("--") + 1 :])
        raise Started

    scenarios = read_scenarios(["swapped", "fgfr3_negative"])
    members = members_of(scenarios, {})
    monkeypatch.setattr("suite.road.subprocess.Popen", popen)
    monkeypatch.setattr("suite.run.write_run", lambda cohort, folder, settings: folder.mkdir())
    with pytest.raises(Started):
        _road(FULL, SimpleNamespace(part=lambda names: None), scenarios, members, tmp_path, print)
    wanted = {f"results/embedding/{p}.identity.tsv" for p in ("SWAPA", "SWAPB")} | {
        "results/embedding/FGFR3NEG.drivers.tsv"
    }
    assert wanted <= set(seen) and len(seen) == len(set(seen))


def test_burden_and_growth_are_pooled_apart_where_the_marrow_is_patchy():
    burden = pd.DataFrame({
        "patient": ["A", "A", "B"], "truth": [0.1, 0.1, 0.1], "estimate": [0.1, 0.1, 0.3], "lower": [0.05, 0.05, 0.2],
        "upper": [0.2, 0.2, 0.4],
    })  # fmt: skip
    rows = pooled({"burden": burden}, seed=1, tool="t", patchy=["B"])
    value = {r[4]: r[5] for r in pd.DataFrame(rows, columns=list(judge.COLUMNS)).itertuples(index=False, name=None)}
    assert value["burden coverage"] == pytest.approx(2 / 3) and value["burden coverage, patchy marrow"] == 0
    assert value["burden log10 error, patchy marrow"] == pytest.approx(np.log10(3))
    none = pooled({"burden": burden}, seed=1, tool="t")
    assert not any("patchy" in str(r) for r in none)


def test_a_sample_says_how_it_was_sorted_where_its_share_of_plasma_cells_is_given():
    """A given share in an unsorted marrow would be a burden that is not the truth's."""
    road = [s for s in read_scenarios().values() if ROAD in s.layers]
    samples = [x for s in road for p in s.patients.values() for x in p["samples"]]
    assert samples and all(x.get("sort", "none") != "none" for x in samples if "plasma_fraction" in x)


def test_the_road_alone_judges_no_method_on_given_cells():
    plan = replace(FULL, cells=False)
    scenarios = read_scenarios(["hyperdiploid"])
    assert not _jobs(plan, "k", {"hyperdiploid": ["HD"]}, scenarios, [OURS], 20261, Path("x"))
    assert _jobs(FULL, "k", {"hyperdiploid": ["HD"]}, scenarios, [OURS], 20261, Path("x"))


def test_truth_as_an_answer_is_perfect_and_dealt_at_random_it_is_chance(case):
    """The suite can fail: the same labels on other cells score as one who knows nothing."""
    best = metrics(case, perfect(case))
    for name in (
        "malignant F1",
        "malignant AUC",
        "arm event F1",
        "clone ARI",
        "integer state accuracy",
        "integer state right",
    ):
        assert best[name] == pytest.approx(1.0), name
    assert best["malignant false-positive rate"] == 0 and best["clones invented"] == 0 and best["malignant ECE"] == 0
    answer = perfect(case)
    query = case.obs[(case.obs["role"] == QUERY) & ~case.obs["doublet"].astype(bool)]
    share = query["malignant"].mean()
    deals = []
    for seed in range(20):
        dealt = permute_answer({"cells": answer.cells, "arms": answer.arms}, {"cells": case.truth["cells"]}, seed)
        deals.append(metrics(case, Answer(dealt["cells"], dealt["arms"])))
    mean = pd.DataFrame(deals).mean()
    spread = pd.DataFrame(deals).std() / np.sqrt(len(deals))
    # chance: F1 = share of malignant cells, AUC .5, ARI 0, false-positive rate = share called malignant
    for name, chance in (
        ("malignant F1", share), ("malignant AUC", 0.5), ("clone ARI", 0.0), ("malignant false-positive rate", share),
    ):  # fmt: skip
        assert mean[name] == pytest.approx(chance, abs=4 * spread[name] + 0.01), name
    assert mean["arm event F1"] < 0.5


def test_who_can_answer_and_says_nothing_has_missed_everything(case):
    """Without a row, a tool that finds no tumour would drop out of its own mean."""
    silent = perfect(case)
    cells = silent.cells.assign(call=NORMAL, clone="", best_clone="", p_malignant=0.0, posterior=np.nan)
    found = metrics(case, Answer(cells, silent.arms.iloc[:0]))
    assert found["arm event F1"] == 0 and found["arm event recall"] == 0 and found["clone ARI"] == 0
    assert found["malignant F1"] == 0
    only_calls = metrics(case, Answer(cells, silent.arms.iloc[:0], answers=frozenset(("calls",))))
    assert "arm event F1" not in only_calls and "clone ARI" not in only_calls  # it was not asked


def test_a_clone_of_doublets_is_seen_though_doublets_are_not_judged(case):
    answer = perfect(case).cells
    query = case.obs[case.obs["role"] == QUERY].assign(doublet=False)
    some = query.index[:30]
    query.loc[some, "doublet"] = True
    named = answer.assign(clone=np.where(answer["cell"].isin(query.loc[some, "cell"]), "d", "c"))
    assert judge.doublet_clones(named, query) == 1
    assert judge.doublet_clones(named.assign(clone="c"), query) == 0


def test_a_peers_normal_clusters_are_no_clones_of_its_tumour(tmp_path):
    cells = pd.DataFrame(
        {"cell": ["a", "b"], "score": [1, 0], "p_malignant": "", "call": [MALIGNANT, NORMAL], "clone": ["1", "2"]}
    )
    cells.to_csv(tmp_path / "cells.tsv.gz", sep="\t", index=False)
    arms = pd.DataFrame(
        {
            "clone": ["1", "2", "all"],
            "chromosome": "chr1",
            "arm": "q",
            "value": [0.3, 0.0, 0.1],
            "call": "",
            "state": "",
        }
    )
    arms.to_csv(tmp_path / "arms.tsv", sep="\t", index=False)
    (tmp_path / "info.json").write_text('{"tool": "x", "version": "1"}')
    answer = read_answer(tmp_path, answers=frozenset(("calls", "clones", "arms")))
    assert list(answer.cells["clone"]) == ["1", ""] and list(answer.cells["best_clone"]) == ["1", "2"]
    assert list(answer.arms["clone"]) == ["1"] and answer.note == "x 1"


def test_tools_are_compared_on_the_patients_that_all_were_given():
    rows = pd.DataFrame(
        [(1, "s", p, t, "m", v) for p, t, v in
         (("A", "x", 1.0), ("B", "x", 0.0), ("A", "y", 0.5), ("A", "z", 0.9))],
        columns=["seed", "scenario", "patient", "tool", "metric", "value"],
    )  # fmt: skip
    status = pd.DataFrame(
        [(1, "s", "A", "x", "ok"), (1, "s", "B", "x", "ok"), (1, "s", "A", "y", "ok"), (1, "s", "A", "z", "ok"),
         (1, "s", "A", "gone", "missing")],
        columns=["seed", "scenario", "patient", "tool", "status"],
    )  # fmt: skip
    table = summary.by_scenario(rows, "m", tools=["x", "y", "z"], scenarios=["s"], status=status)
    assert table.loc["s"].to_dict() == {"x": 1.0, "y": 0.5, "z": 0.9}  # B was x's alone
    status.loc[3, "status"] = "failed"
    assert "z" not in summary.by_scenario(rows, "m", tools=["x", "y", "z"], scenarios=["s"], status=status)


def test_a_case_for_a_peer_holds_no_truth(case, tmp_path):
    import anndata

    write_case(case, tmp_path / "case.h5ad")
    data = anndata.read_h5ad(tmp_path / "case.h5ad")
    assert set(data.obs.columns) == {"sample", "patient", "timepoint", "batch", "cell_type", "role"}
    assert set(data.obs["role"]) == {"query", "plasma_reference", "immune"}
    assert data.X.max() == data.X.max().round() and set(data.var.columns) >= {"chromosome", "start", "end", "arm"}


def test_the_oracle_tells_clones_with_six_arms_between_them_and_is_not_told_their_cells(case):
    answer = dosage_oracle(case)
    found = metrics(case, answer)
    assert found["clone ARI"] > 0.8  # d' of four arms at 5,000 UMI is over 5 (science 2.3)
    # the same counts with the true profiles of the clones exchanged must be worse than a coin
    arms = case.truth["arms"]
    other = case.truth | {"arms": arms.assign(clone=arms["clone"].map({"A": "B", "B": "A"}))}
    wrong = dosage_oracle(type(case)(case.name, case.patient, case.counts, case.obs, other, case.donors))
    right = case.obs.set_index("cell")["clone"]
    share = (wrong.cells.set_index("cell")["clone"] == right.reindex(wrong.cells["cell"])).mean()
    assert share < 0.5


def test_one_clone_is_no_question_for_the_oracle(cells):
    assert dosage_oracle(case_of(cells, "H1", name="donor")) is None


def test_part_of_a_cohort_has_the_same_cells(tmp_path):
    scenarios = read_scenarios(["swapped"])
    small = cohort_spec(scenarios, seed=2, expression={})
    for patient in small["patients"].values():
        for sample in patient["samples"]:
            sample["cells"] = 30
    whole = draw(Cohort(checked(small)))
    part = whole.part(["SWAPA", "H1"])
    assert set(part.sheet["patient"]) == {"SWAPA", "H1"}
    assert part.spec["swaps"] == []  # the other half of the pair is not here
    kept = dict(part.captures())
    assert all(kept[s] is c for s, c in whole.captures() if s in kept)
    write_run(part, tmp_path / "run", settings={})  # what was drawn is what the workflow gets
    sheet = pd.read_csv(tmp_path / "run" / "config" / "samples.tsv", sep="\t")
    assert set(sheet["sample"]) == set(kept) and all((tmp_path / "run" / p).exists() for p in sheet["path"])


def verdict(expectation, *, values=None, tables=None, run=True):
    def metric(name, tool):
        return (values or {}).get((name, tool))

    return judge_expectation(
        "s", {"says": "x"} | expectation, patients=["P"], metric=metric, table=(tables or {}).get if run else None
    )


@pytest.mark.parametrize(
    ("expectation", "value", "expected"),
    [
        ({"metric": "m", "at_least": 0.9}, 0.9, MET),
        ({"metric": "m", "at_least": 0.9}, 0.89, NOT_MET),
        ({"metric": "m", "at_most": 0.01}, 0.02, NOT_MET),
        ({"metric": "m", "at_most": 0.01}, None, NOT_MEASURED),
        ({"metric": "m", "at_least_of": {"tool": "o", "share": 0.5}}, 0.39, NOT_MET),  # .5 x .8
        ({"metric": "m", "at_least_of": {"tool": "o", "share": 0.5}}, 0.40, MET),
    ],
)
def test_metrics_against_bounds(expectation, value, expected):
    assert verdict(expectation, values={("m", "marrowclone"): value, ("m", "o"): 0.8}).verdict == expected


def test_tables_against_rules():
    table = pd.DataFrame({"day": [1, 2], "tier": ["T1", "T2"], "Q": [np.nan, 0.5]})
    tables = {"t.tsv": table, "x/P.tsv": table}
    base = {"table": "t.tsv", "column": "tier"}
    assert verdict(base | {"where": {"day": 1}, "always": "T1"}, tables=tables).verdict == MET
    assert verdict(base | {"always": "T1"}, tables=tables).verdict == NOT_MET
    assert verdict(base | {"some": "T2"}, tables=tables).verdict == MET
    assert verdict(base | {"never": ["T3", "T4"]}, tables=tables).verdict == MET
    assert verdict(base | {"where": {"day": 7}, "always": "T1"}, tables=tables).verdict == NOT_MET  # no such row
    assert verdict({"table": "t.tsv", "where": {"day": 1}, "column": "Q", "always": ""}, tables=tables).verdict == MET
    assert verdict({"table": "x/{patient}.tsv", "column": "tier", "some": "T1"}, tables=tables).verdict == MET
    assert verdict({"table": "none.tsv", "column": "tier", "some": "T1"}, tables=tables).verdict == NOT_BUILT
    assert verdict(base | {"some": "T2"}, run=False).verdict == NOT_MEASURED
    with pytest.raises(UserError, match="no rule"):
        verdict(base, tables=tables)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cores", "0"], "--cores: found 0"),
        (["--seeds", "3", "3"], "--seeds: found 3 3"),
        (["--data", "/no/such/folder"], "is no folder"),
        (["hyperdiploit"], "no scenario is called 'hyperdiploit'"),
        (["--tools", "infercnv"], "no peer is called 'infercnv'"),
    ],
)
def test_a_users_mistake_is_a_message_before_anything_is_drawn(arguments, message, capsys, tmp_path):
    import accuracy

    assert accuracy.main([*arguments, "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
