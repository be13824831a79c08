"""The clones' tree: events where they happened, support that can fail, answers without clones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from skbio import TreeNode

from marrowclone.evolution.parsimony import Costs, candidate_trees, leaf_costs, transition_cost
from marrowclone.evolution.tree import TREE_COLUMNS, build_tree

SCHEMAS = Path(__file__).parents[3] / "workflow" / "schemas"


SECTION = yaml.safe_load((SCHEMAS / "evolution.schema.yaml").read_text())["properties"]["build_tree"]
SETTINGS = {k: v["default"] for k, v in SECTION["properties"].items()}
ARMS = ["1q", "6q", "8p", "9q", "13q", "14q", "16q", "17p", "2p", "2q"]


def arms(profiles: dict[str, dict[str, int]], *, posterior: float = 0.99) -> pd.DataFrame:
    rows = []
    for clone, changed in profiles.items():
        for name in ARMS:
            state = changed.get(name, 2)
            rows.append((clone, f"chr{name[:-1]}", name[-1], state, posterior, "neutral" if state == 2 else "gain"))
    return pd.DataFrame(rows, columns=["clone", "chromosome", "arm", "state", "posterior", "call"])


def cells(counts: dict[tuple[str, str], int]) -> pd.DataFrame:
    rows = [(f"{s}:{c}{i}", s, c) for (c, s), n in counts.items() for i in range(n)]
    return pd.DataFrame(rows, columns=["cell", "sample", "clone"])


DAYS = {"dx": 0, "rel": 700}
TRUNK = {"13q": 1, "9q": 3}


def parents(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["branch"], table["parent"], strict=True))


def events(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["branch"], table["events"], strict=True))


def test_ancestor_clone_linear_and_branching() -> None:
    profiles = {
        "c1": {**TRUNK, "1q": 3, "16q": 1},
        "c2": TRUNK,
        "c3": {**TRUNK, "1q": 4, "16q": 1, "17p": 1},
        "c4": {**TRUNK, "14q": 1, "6q": 1},
    }
    seen = cells({("c1", "dx"): 30, ("c2", "dx"): 20, ("c3", "rel"): 10, ("c4", "dx"): 5})
    table, newick = build_tree(arms({**profiles, "all": TRUNK}), seen, DAYS, settings=SETTINGS, seed=1)
    # c2 has the trunk's events and none else: it is the ancestor
    assert parents(table) == {"c2": "normal", "c1": "c2", "c3": "c1", "c4": "c2"}
    assert events(table) == {"c2": "+9q -13q", "c1": "+1q -16q", "c3": "+1q -17p", "c4": "-6q -14q"}
    tree = TreeNode.read(io.StringIO(newick), convert_underscores=False)
    assert tree.name == "normal" and {n.name for n in tree.traverse(include_self=False)} == set(profiles)
    assert tree.find("c3").length == 2  # branch length is the number of events
    assert (table["note"] == "").all()


def test_unseen_ancestor_is_inferred() -> None:
    profiles = {"c1": {**TRUNK, "1q": 3}, "c2": {**TRUNK, "14q": 1}}
    table, _ = build_tree(arms(profiles), cells({("c1", "dx"): 3, ("c2", "dx"): 2}), DAYS, settings=SETTINGS, seed=1)
    assert parents(table) == {"trunk": "normal", "c1": "trunk", "c2": "trunk"}
    assert table.set_index("branch").loc["trunk", "n_cells"] == 0


def test_support_is_that_of_the_bootstrap() -> None:
    profiles = {"c1": TRUNK, "c2": {**TRUNK, "1q": 3}, "c3": {**TRUNK, "14q": 1, "6q": 1, "8p": 1}}
    seen = cells({("c1", "dx"): 3, ("c2", "dx"): 2, ("c3", "dx"): 2})
    table, _ = build_tree(arms(profiles), seen, DAYS, settings={**SETTINGS, "n_bootstrap": 2000}, seed=1)
    support = table.set_index("branch")["support"]
    # one arm of ten is drawn at least once with 1 - 0.9^10 = 0.651; one of three with 1 - 0.7^10 = 0.972
    assert support["c2"] == pytest.approx(1 - 0.9**10, abs=0.04)
    assert support["c3"] == pytest.approx(1 - 0.7**10, abs=0.02)


def test_doubtful_call_does_not_make_an_event() -> None:
    table = arms({"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1}})
    doubtful = (table["clone"] == "c2") & (table["chromosome"] == "chr13")
    table.loc[doubtful, ["state", "posterior"]] = [2, 0.6]  # -13q lost again? costs 6, the call speaks with 1.1
    tree, _ = build_tree(table, cells({("c1", "dx"): 3, ("c2", "dx"): 2}), DAYS, settings=SETTINGS, seed=1)
    assert events(tree)["c2"] == "+1q -16q"
    table.loc[doubtful, "posterior"] = 0.999  # a sure call is believed, even against parsimony
    tree, _ = build_tree(table, cells({("c1", "dx"): 3, ("c2", "dx"): 2}), DAYS, settings=SETTINGS, seed=1)
    assert "13q" in " ".join(events(tree)[c] for c in ("c1", "c2"))


def test_indeterminate_calls_say_nothing() -> None:
    table = arms({"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1, "8p": 1}})
    table.loc[(table["clone"] == "c2") & (table["chromosome"] == "chr8"), "call"] = "indeterminate"
    tree, _ = build_tree(table, cells({("c1", "dx"): 3, ("c2", "dx"): 2}), DAYS, settings=SETTINGS, seed=1)
    assert "8p" not in " ".join(tree["events"])


def test_conflict_with_time_is_reported_not_hidden() -> None:
    profiles = {"c1": TRUNK, "c2": {**TRUNK, "1q": 3, "16q": 1}}
    seen = cells({("c1", "rel"): 30, ("c2", "dx"): 20})
    table, _ = build_tree(arms(profiles), seen, DAYS, settings=SETTINGS, seed=1)
    assert parents(table)["c2"] == "c1"
    assert "seen on day 0, before its parent c1" in table.set_index("branch").loc["c2", "note"]


def test_lost_alleles_do_not_return() -> None:
    cost = transition_cost(event_cost=1, reversal_factor=2)
    assert np.isinf(cost[0, 1]) and cost[1, 0] == 1
    assert cost[2, 3] == 1 and cost[3, 2] == 2 and cost[1, 2] == 2 and cost[1, 3] == 3


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (2, 1), (3, 3), (4, 15), (5, 105), (6, 945)])
def test_every_rooted_tree_is_looked_at(n: int, expected: int) -> None:
    costs = Costs(
        leaf_costs(np.full((n, 2), 2.0), np.full((n, 2), 0.9)), transition_cost(event_cost=3, reversal_factor=2)
    )
    assert len(candidate_trees(costs, n, exhaustive_up_to=6, beam=5)) == expected  # (2n - 3)!!


def test_many_clones_are_placed_by_insertion() -> None:
    steps = ["1q", "6q", "8p", "14q", "16q", "17p", "2p", "2q"]
    profiles = {f"c{i + 1}": {**TRUNK, **dict.fromkeys(steps[:i], 1)} for i in range(9)}
    seen = cells({(c, "dx"): 2 for c in profiles})
    table, _ = build_tree(arms(profiles), seen, DAYS, settings={**SETTINGS, "n_bootstrap": 10}, seed=1)
    assert parents(table) == {"c1": "normal"} | {f"c{i + 1}": f"c{i}" for i in range(1, 9)}


def test_one_clone() -> None:
    table, newick = build_tree(arms({"c1": TRUNK}), cells({("c1", "dx"): 5}), DAYS, settings=SETTINGS, seed=1)
    assert parents(table) == {"c1": "normal"} and np.isnan(table["support"].item())
    assert newick == "(c1:2)normal;\n"


def test_no_clones_and_no_states() -> None:
    table, newick = build_tree(arms({}), cells({}), DAYS, settings=SETTINGS, seed=1)
    assert table.empty and list(table.columns) == list(TREE_COLUMNS) and newick == "normal;\n"
    table, _ = build_tree(arms({}), cells({("c1", "dx"): 5, ("c2", "dx"): 3}), DAYS, settings=SETTINGS, seed=1)
    assert parents(table) == {"c1": "normal", "c2": "normal"}  # nothing is known of their order
    assert table["note"].str.contains("no arm states").all()
