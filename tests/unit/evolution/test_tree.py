"""The clones' tree: events where they happened, support that can fail, answers without clones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from skbio import TreeNode

from marrowclone.clones.profiles import PROFILE_COLUMNS
from marrowclone.evolution.tree import TREE_COLUMNS, build_tree

SCHEMAS = Path(__file__).parents[3] / "workflow" / "schemas"
SECTION = yaml.safe_load((SCHEMAS / "evolution.schema.yaml").read_text())["properties"]["build_tree"]
SETTINGS = {k: v["default"] for k, v in SECTION["properties"].items()} | {"n_bootstrap": 20}
ARMS = ["1q", "2p", "2q", "6q", "8p", "9p", "9q", "13q", "14q", "16q", "17p"]
#: log2 ratio of 0 to 5 copies at a response of .8: log2(1 + .8 (c/2 - 1)).
LOG2 = np.log2(1 + 0.8 * (np.arange(6) / 2 - 1))
DAYS = {"dx": 0, "rel": 700}
TRUNK = {"13q": 1, "9q": 3}
NO_PROFILES = pd.DataFrame(columns=list(PROFILE_COLUMNS))


def arms(profiles: dict[str, dict[str, float]], *, noise: float = 0.03) -> pd.DataFrame:
    """Ratios of whole copies, measured with this counting noise."""
    rows = []
    for clone, changed in profiles.items():
        for name in ARMS:
            ratio = np.interp(changed.get(name, 2), np.arange(6), LOG2)
            rows.append((clone, f"chr{name[:-1]}", name[-1], ratio, np.hypot(np.hypot(noise, 0.02), 0.05), noise))
    table = pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "log2_ratio", "se", "se_counts"])
    return table.assign(tau=0.05, n_genes=300, n_cells=50, dosage_response=0.8, reference_rung="R2")


def cells(counts: dict[tuple[str, str], int]) -> pd.DataFrame:
    rows = [(f"{s}:{c}{i}", s, c) for (c, s), n in counts.items() for i in range(n)]
    return pd.DataFrame(rows, columns=["cell", "sample", "clone"])


def seen(*clones: str) -> pd.DataFrame:
    return cells({(c, "dx"): 10 for c in clones})


def tree(table: pd.DataFrame, who: pd.DataFrame, **settings: float) -> tuple[pd.DataFrame, str]:
    return build_tree(table, NO_PROFILES, who, DAYS, settings={**SETTINGS, **settings}, seed=1)


def parents(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["branch"], table["parent"], strict=True))


def events(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["branch"], table["events"], strict=True))


BRANCHED = {
    "c1": {**TRUNK, "1q": 3, "16q": 1},
    "c2": TRUNK,
    "c3": {**TRUNK, "1q": 4, "16q": 1, "17p": 1},
    "c4": {**TRUNK, "14q": 1, "6q": 1},
}


def test_ancestor_clone_linear_and_branching() -> None:
    table, newick = tree(arms({**BRANCHED, "all": TRUNK}), seen(*BRANCHED))
    # c2 has the trunk's events and none else: it is the ancestor
    assert parents(table) == {"c2": "normal", "c1": "c2", "c3": "c1", "c4": "c2"}
    assert events(table) == {"c2": "+9q -13q", "c1": "+1q -16q", "c3": "+1q -17p", "c4": "-6q -14q"}
    read = TreeNode.read(io.StringIO(newick), convert_underscores=False)
    assert read.name == "normal" and {n.name for n in read.traverse(include_self=False)} == set(BRANCHED)
    assert read.find("c3").length == 2  # branch length is the number of events
    assert (table["note"] == "").all() and (table["conflict"] == "").all()


def test_nothing_depends_on_the_order_of_rows_or_the_names_of_clones() -> None:
    table = arms(BRANCHED)
    want, newick = tree(table, seen(*BRANCHED))
    again, same = tree(table.sample(frac=1, random_state=3), seen(*reversed(BRANCHED)))
    pd.testing.assert_frame_equal(again, want)
    assert same == newick
    names = {"c1": "c3", "c2": "c4", "c3": "c1", "c4": "c2"}
    other, _ = tree(table.replace({"clone": names}), seen(*BRANCHED))
    assert parents(other) == {names[c]: names.get(p, p) for c, p in parents(want).items()}
    assert events(other) == {names[c]: e for c, e in events(want).items()}


def test_unseen_ancestor_is_inferred() -> None:
    table, _ = tree(arms({"c1": {**TRUNK, "1q": 3}, "c2": {**TRUNK, "14q": 1}}), seen("c1", "c2"))
    assert parents(table) == {"trunk": "normal", "c1": "trunk", "c2": "trunk"}
    assert table.set_index("branch").loc["trunk", "n_cells"] == 0


def test_a_whole_chromosome_is_one_event() -> None:
    table, newick = tree(arms({"c1": TRUNK, "c2": {**TRUNK, "2p": 3, "2q": 3}}), seen("c1", "c2"))
    assert events(table) == {"c1": "+9q -13q", "c2": "+2"}
    assert table.set_index("branch").loc["c2", "n_events"] == 1 and newick == "((c2:1)c1:2)normal;\n"


def test_two_copies_at_once_are_two_signs() -> None:
    table, _ = tree(arms({"c1": TRUNK, "c2": {**TRUNK, "1q": 4}}), seen("c1", "c2"))
    assert events(table)["c2"] == "++1q" and table.set_index("branch").loc["c2", "n_events"] == 2


def test_support_tells_a_strong_event_from_a_weak_one() -> None:
    """One event is enough when it is well measured, and not when the counts hardly tell it."""
    strong = arms({"c1": TRUNK, "c2": {**TRUNK, "17p": 1}})
    table, _ = tree(strong, seen("c1", "c2"), n_bootstrap=100)
    assert table.set_index("branch").loc["c2", "support"] > 0.9  # a bootstrap that drops arms could give .64
    weak = strong.copy()
    at = (weak["clone"] == "c2") & (weak["chromosome"] == "chr17")
    weak.loc[at, ["log2_ratio", "se_counts", "se"]] = [-0.45, 0.25, 0.26]
    table, _ = tree(weak, seen("c1", "c2"), n_bootstrap=100)
    found = table.set_index("branch")
    assert not found.loc["c2", "support"] > 0.8


def test_support_is_low_where_events_contradict_each_other() -> None:
    """1q says that c2 and c3 belong together, 17p that c3 and c4 do: one of them arose twice."""
    odd = {"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "6q": 1}, "c3": {**TRUNK, "1q": 3, "17p": 1},
           "c4": {**TRUNK, "17p": 1, "8p": 1}}  # fmt: skip
    table, _ = tree(arms(odd), seen(*odd), n_bootstrap=100)
    inner = table[table["note"].str.contains("inferred")]
    assert len(inner) == 1 and inner["support"].item() < 0.5
    clean = {**odd, "c4": {**TRUNK, "14q": 1, "8p": 1}, "c2": {**TRUNK, "1q": 3, "16q": 1, "6q": 1},
             "c3": {**TRUNK, "1q": 3, "16q": 1, "17p": 1}}  # fmt: skip
    table, _ = tree(arms(clean), seen(*clean), n_bootstrap=100)
    assert table["support"].dropna().min() > 0.7  # two events against none


def test_a_doubtful_ratio_does_not_make_an_event() -> None:
    table = arms({"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1}})
    doubtful = (table["clone"] == "c2") & (table["chromosome"] == "chr13")
    table.loc[doubtful, ["log2_ratio", "se_counts", "se"]] = [-0.3, 0.2, 0.21]  # -13q lost again? hardly
    found, _ = tree(table, seen("c1", "c2"))
    assert events(found)["c2"] == "+1q -16q"
    table.loc[doubtful, ["log2_ratio", "se_counts", "se"]] = [0.0, 0.02, 0.06]  # what is well measured is believed
    found, _ = tree(table, seen("c1", "c2"))
    assert "13q" in " ".join(events(found)[c] for c in ("c1", "c2"))
    assert parents(found) == {"trunk": "normal", "c1": "trunk", "c2": "trunk"} or parents(found)["c1"] == "c2"


def test_an_offset_that_all_clones_share_is_no_event_of_one() -> None:
    """Both clones are .12 too high on 6q, and nothing tells them apart there."""
    table = arms({"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1}})
    table.loc[table["chromosome"] == "chr6", "log2_ratio"] += 0.12
    found, _ = tree(table, seen("c1", "c2"))
    assert events(found)["c2"] == "+1q -16q"


def test_part_of_an_arm_is_an_event_of_its_own() -> None:
    """c2 has lost the far half of 6q, c3 all of it: c3 may stand below c2, the other way is not possible."""
    half = LOG2[1] / 2
    table = arms({"c1": TRUNK, "c2": TRUNK, "c3": {**TRUNK, "6q": 1}})
    table.loc[(table["clone"] == "c2") & (table["chromosome"] == "chr6"), "log2_ratio"] = half
    columns = ["clone", "chromosome", "start", "end", "arm", "log2_ratio", "n_genes", "whole_arm"]
    parts = pd.DataFrame(
        [
            ("c1", "chr6", 61e6, 170e6, "q", 0.0, 300, True),
            ("c2", "chr6", 61e6, 110e6, "q", 0.0, 150, False),
            ("c2", "chr6", 110e6, 170e6, "q", LOG2[1], 150, False),
            ("c3", "chr6", 61e6, 170e6, "q", LOG2[1], 300, True),
        ],
        columns=columns,
    )
    found, _ = build_tree(table, parts, seen("c1", "c2", "c3"), DAYS, settings=SETTINGS, seed=1)
    assert events(found)["c2"] == "-6q:110-170" and parents(found)["c2"] == "c1"
    if parents(found)["c3"] == "c2":
        assert events(found)["c3"] == "-6q:61-110"
    else:
        assert events(found)["c3"] == "-6q"


def test_arms_that_the_reference_cannot_read_say_nothing() -> None:
    table = arms({"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1}})
    found, _ = tree(table.assign(reference_rung="R4"), seen("c1", "c2"))
    assert found["note"].str.contains("no arm states").all()
    few = table.copy()
    few.loc[few["chromosome"] == "chr16", "n_genes"] = 10
    found, _ = tree(few, seen("c1", "c2"))
    assert "16q" not in " ".join(found["events"])


def test_a_clone_of_too_few_cells_is_no_ancestor_of_others() -> None:
    """c3 has two cells: it is listed, under the tumour's top, and nobody stands under it."""
    table = arms({"c1": {**TRUNK, "1q": 3}, "c2": {**TRUNK, "16q": 1}, "c3": {**TRUNK, "8p": 4}})
    table.loc[table["clone"] == "c3", "n_cells"] = 2
    found, newick = tree(table, seen("c1", "c2", "c3"))
    assert parents(found) == {"trunk": "normal", "c1": "trunk", "c2": "trunk", "c3": "trunk"}
    row = found.set_index("branch").loc["c3"]
    assert row["events"] == "" and "not known" in row["note"] and np.isnan(row["support"])
    assert newick == "((c1:1,c2:1,c3:0)trunk:2)normal;\n"


LINE = {"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1}, "c3": {**TRUNK, "1q": 3, "16q": 1, "17p": 1, "8p": 1}}


def test_conflict_with_time_is_reported_not_hidden() -> None:
    table, _ = tree(arms(LINE), cells({("c1", "rel"): 30, ("c2", "rel"): 20, ("c3", "dx"): 60}))
    assert parents(table) == {"c1": "normal", "c2": "c1", "c3": "c2"}
    row = table.set_index("branch").loc["c3"]
    assert row["conflict"] == "c2 c1"  # against all its ancestors, not the parent alone
    assert (
        "seen on day 0, before its ancestor c1 (first seen on day 700 as 60% of cells; 0 of 60 before)" in row["note"]
    )
    assert table.set_index("branch").loc["c2", "conflict"] == ""  # first seen on the same day


def test_an_ancestor_below_detection_is_no_conflict() -> None:
    """c1 is 3% of the cells when it is first seen: (1 - .03)^60 = .16, so 60 cells may well have missed it."""
    who = {("c1", "rel"): 3, ("c2", "rel"): 97, ("c2", "dx"): 60}
    table, _ = tree(arms({c: LINE[c] for c in ("c1", "c2")}), cells(who))
    assert parents(table)["c2"] == "c1" and (table["conflict"] == "").all()
    table, _ = tree(arms({c: LINE[c] for c in ("c1", "c2")}), cells({**who, ("c2", "dx"): 200}))  # .97^200 = .002
    assert table.set_index("branch").loc["c2", "conflict"] == "c1"


def test_time_decides_where_copies_cannot() -> None:
    """c1 came after c2: 17p may be c1's gain that c2 inherited, or have been lost twice, in the order of time."""
    profiles = {"c1": {**TRUNK, "17p": 1}, "c2": {**TRUNK, "17p": 1, "8p": 1, "6q": 1}, "c3": TRUNK}
    early = {("c3", "dx"): 50, ("c1", "dx"): 50, ("c2", "rel"): 50}
    table, _ = tree(arms(profiles), cells(early), time_cost=6)
    assert parents(table)["c2"] == "c1"
    late = {("c3", "dx"): 50, ("c2", "dx"): 50, ("c1", "rel"): 50}
    table, _ = tree(arms(profiles), cells(late), time_cost=6)
    assert parents(table)["c2"] != "c1" and (table["conflict"] == "").all()


def test_many_clones_are_placed_by_insertion() -> None:
    steps = ["1q", "6q", "8p", "14q", "16q", "17p", "2p", "9p"]
    profiles = {f"c{i + 1}": {**TRUNK, **dict.fromkeys(steps[:i], 1)} for i in range(9)}
    table, _ = tree(arms(profiles), seen(*profiles), n_bootstrap=2)
    assert parents(table) == {"c1": "normal"} | {f"c{i + 1}": f"c{i}" for i in range(1, 9)}


def test_one_clone() -> None:
    table, newick = tree(arms({"c1": TRUNK}), cells({("c1", "dx"): 5}))
    assert parents(table) == {"c1": "normal"} and np.isnan(table["support"].item())
    assert newick == "(c1:2)normal;\n"


def test_no_clones_and_no_states() -> None:
    table, newick = tree(arms({}), cells({}))
    assert table.empty and list(table.columns) == list(TREE_COLUMNS) and newick == "normal;\n"
    table, _ = tree(arms({}), seen("c1", "c2"))
    assert parents(table) == {"c1": "normal", "c2": "normal"}  # nothing is known of their order
    assert table["note"].str.contains("no arm states").all()


@pytest.mark.parametrize("n", [2, 3])
def test_clones_that_nothing_tells_apart(n: int) -> None:
    names = [f"c{i + 1}" for i in range(n)]
    table, _ = tree(arms(dict.fromkeys(names, TRUNK)), seen(*names))
    assert parents(table) == {"c1": "normal"} | dict.fromkeys(names[1:], "c1")
    assert table["note"].str.contains("no arm event tells it from c1").sum() == n - 1
    assert table["support"].iloc[1:].isna().all()
