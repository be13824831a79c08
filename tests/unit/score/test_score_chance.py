"""Every score is at its ideal for an answer that knows the truth, and at chance for the same answer dealt at random.

Twenty random deals per score: their mean lies within three standard errors of the chance level, which is worked
out beside each case from the base rates of the made-up truth. A score that stayed good would measure something
else than it claims.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from marrowclone.score import arms, calls, clones, fractions, growth, labels, tiers, trees
from marrowclone.score.cells import judged_cells
from marrowclone.score.permute import permute_answer
from marrowclone.score.shares import chance_f1

Tables = dict[str, pd.DataFrame]
DEALS = 20
CLONES = "abcdef"
MATCHED = {c: f"x_{c}" for c in CLONES}  # names are known here: matching by overlap would look for luck in noise


def scores(answer: Tables, truth: Tables) -> dict[str, float]:
    """Every score of an answer under one name each."""
    cells, fraction = truth["cells"], truth["fractions"]
    shares = clones.clone_shares(cells)
    call = calls.call_metrics(answer["cells"], cells)
    calibration = calls.call_calibration(answer["cells"], cells)
    clone = clones.clone_metrics(answer["cells"], cells)
    each = clones.per_clone(answer["cells"], cells, matched=MATCHED).set_index("clone")
    event = arms.event_table(answer["arms"], truth["arms"], matched=MATCHED, shares=shares)
    event_score = arms.scores_by(event).iloc[0]
    part = fractions.fraction_metrics(fractions.fraction_table(answer["fractions"], fraction, cells, matched=MATCHED))
    burden = fractions.burden_metrics(fractions.burden_table(answer["burden"], fraction))
    true_tree = trees.parents_of(truth["clones"], "clone")
    tree = trees.tree_metrics(true_tree, trees.parents_of(answer["tree"], "branch"), matched=MATCHED)
    grown = growth.growth_metrics(growth.growth_table(answer["dynamics"], fraction, matched=MATCHED))
    said = labels.label_table(answer["labels"], truth["labels"], matched=MATCHED)
    expanding = labels.label_scores(said).set_index("label").loc["expanding"]
    tier = tiers.tier_metrics(tiers.tier_table(answer["tiers"], truth["tiers"]))
    return {
        "precision": call["precision"], "recall": call["recall"], "f1": call["f1"], "auc": call["auc"],
        "best_f1": call["best_f1"], "fpr": call["fpr"], "ece": calibration["ece_width"],
        "ece_count": calibration["ece_count"], "brier": calibration["brier"],
        "ari": clone["ari"], "ari_assigned": clone["ari_assigned"], "leakage": clone["leakage"],
        "clone_precision": each.loc["a", "precision"], "clone_recall": each.loc["a", "recall"],
        "event_precision": event_score["precision"], "event_recall": event_score["recall"],
        "coverage": part["coverage"], "burden_coverage": burden["coverage"],
        "tree_precision": tree["precision"], "tree_recall": tree["recall"], "tree_lineage": tree["lineage"],
        "sign": grown["sign"], "growth_coverage": grown["coverage"],
        "label_precision": expanding["precision"], "label_recall": expanding["recall"],
        "false_dormant": labels.label_metrics(said)["false_dormant"],
        "tier": tier["exact"], "p_true": tier["p_true"], "false_cure": tier["false_cure"],
    }  # fmt: skip


def share_malignant(truth: Tables) -> float:
    return float(judged_cells(truth["cells"])["malignant"].mean())


def share_of_a(truth: Tables) -> float:
    cells = judged_cells(truth["cells"])
    return float((cells["malignant"] & (cells["clone"] == "a")).mean())


def share_same_event(truth: Tables) -> float:
    """Events per (clone, arm) place that carries the same direction: sum over directions of share^2 over share."""
    rows = arms.judged_arms(truth["arms"])
    gain, loss = (rows["event"] == "gain").mean(), (rows["event"] == "loss").mean()
    return float((gain**2 + loss**2) / (gain + loss))


def share_tier(truth: Tables) -> float:
    return float((truth["tiers"]["tier"].value_counts(normalize=True) ** 2).sum())


def share_growing(truth: Tables) -> float:
    return 3 / 6  # b, d, e of six clones grow


def share_expanding(truth: Tables) -> float:
    return float((truth["labels"]["label"] == "expanding").mean())


#: name -> (ideal, chance level)
CASES: dict[str, tuple[float, Callable[[Tables], float]]] = {
    "precision": (1, share_malignant),  # base rate of malignant cells
    "recall": (1, share_malignant),  # share called, the same here
    "f1": (1, lambda t: chance_f1(share_malignant(t), share_malignant(t), 1)),
    "auc": (1, lambda t: 0.5),
    "fpr": (0, share_malignant),  # share called
    "ece": (0, lambda t: 2 * share_malignant(t) * (1 - share_malignant(t))),  # |0 - b| (1 - b) + |1 - b| b
    "ece_count": (0, lambda t: 2 * share_malignant(t) * (1 - share_malignant(t))),  # two values: the same two bins
    "brier": (0, lambda t: 2 * share_malignant(t) * (1 - share_malignant(t))),  # wrong in so many
    "ari": (1, lambda t: 0.0),
    "ari_assigned": (1, lambda t: 0.0),
    "clone_precision": (1, share_of_a),
    "clone_recall": (1, share_of_a),
    "event_precision": (1, share_same_event),
    "event_recall": (1, share_same_event),
    "coverage": (1, lambda t: 1 / 24),  # 24 narrow intervals: one of them is the right one
    "burden_coverage": (1, lambda t: 1 / 4),  # 4 samples
    "tree_precision": (1, lambda t: 8 / 30),  # 8 ancestor pairs (a:5, b:2, c:1) of 6 x 5 ordered pairs
    "tree_recall": (1, lambda t: 8 / 30),
    "tree_lineage": (1, lambda t: 7 / 15),  # 7 of 15 unordered pairs stand apart
    "sign": (1, lambda t: share_growing(t) ** 2 + (1 - share_growing(t)) ** 2),
    "growth_coverage": (1, lambda t: 1 / 6),  # the rates of six clones differ by more than the intervals
    "label_precision": (1, share_expanding),
    "label_recall": (1, share_expanding),
    "false_dormant": (0, lambda t: 1 / 6),  # f is dormant at all days: so many of all places
    "tier": (1, share_tier),
    "p_true": (1, share_tier),
    "false_cure": (0, lambda t: float(t["tiers"]["tier"].isin(["T4", "T5"]).mean())),
}


@pytest.fixture(scope="module")
def ideal(truth: Tables, perfect: Tables) -> dict[str, float]:
    return scores(perfect, truth)


@pytest.fixture(scope="module")
def dealt(truth: Tables, perfect: Tables) -> pd.DataFrame:
    return pd.DataFrame([scores(permute_answer(perfect, truth, seed), truth) for seed in range(DEALS)])


@pytest.mark.parametrize("name", CASES)
def test_who_knows_the_truth_is_at_the_ideal(name: str, ideal: dict[str, float]) -> None:
    assert ideal[name] == pytest.approx(CASES[name][0], abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_dealt_at_random_is_at_chance(name: str, dealt: pd.DataFrame, truth: Tables) -> None:
    """Mean of the deals within 3 standard errors; the floor is for scores that hardly vary between deals."""
    mean, error = dealt[name].mean(), max(dealt[name].std() / math.sqrt(DEALS), 1e-4)
    assert abs(mean - CASES[name][1](truth)) < 3 * error


@pytest.mark.parametrize("name", CASES)
def test_chance_and_ideal_lie_apart(name: str, truth: Tables, dealt: pd.DataFrame) -> None:
    """Else the two tests above could both pass for a score that says the same of everything."""
    assert abs(CASES[name][0] - CASES[name][1](truth)) > 0.1
    assert abs(dealt[name].mean() - CASES[name][0]) > 0.1, "the deals do not look like knowledge"


def test_best_threshold_cannot_fall_below_calling_everything(truth: Tables, dealt: pd.DataFrame) -> None:
    """It is chosen with the truth: 2 p / (1 + p) is its floor, and no deal rises far above it."""
    p = share_malignant(truth)
    floor = 2 * p / (1 + p)
    assert (dealt["best_f1"] >= floor - 1e-12).all() and (dealt["best_f1"] < floor + 0.02).all()


def test_leakage_is_none_for_the_truth_and_one_for_samples_taken_for_clones(truth: Tables, perfect: Tables) -> None:
    """Perfect clones: one estimated clone in each true one, index 0. Samples as clones: 1."""
    assert clones.clone_metrics(perfect["cells"], truth["cells"])["leakage"] == 0
    batch = perfect["cells"].assign(clone=truth["cells"]["sample"])
    scored = clones.clone_metrics(batch, truth["cells"])
    assert scored["leakage"] == pytest.approx(1) and abs(scored["ari"]) < 0.01
    by_luck = [
        clones.clone_metrics(permute_answer({"cells": batch}, truth, s)["cells"], truth["cells"])["leakage"]
        for s in range(DEALS)
    ]
    assert abs(np.mean(by_luck)) < 3 * np.std(by_luck) / math.sqrt(DEALS), "0 expected where samples play no part"


def test_a_deal_keeps_the_values_and_spares_the_rest(truth: Tables, perfect: Tables) -> None:
    """Else chance levels would be those of another answer."""
    deal = permute_answer(perfect, truth, 0)
    judged = perfect["cells"]["cell"].isin(judged_cells(truth["cells"])["cell"])
    for table in (perfect["cells"], deal["cells"]):
        assert Counter(table.loc[judged, "clone"]) == Counter(perfect["cells"].loc[judged, "clone"])
    pd.testing.assert_frame_equal(deal["cells"][~judged], perfect["cells"][~judged])
    pd.testing.assert_frame_equal(permute_answer(perfect, truth, 0)["arms"], deal["arms"])
    assert not deal["arms"].equals(permute_answer(perfect, truth, 1)["arms"]), "the seed counts"
    together = deal["cells"].loc[judged]
    assert ((together["call"] == "malignant") == (together["p_malignant"] == 1)).all(), (
        "row for row, not column by column"
    )
    with pytest.raises(ValueError, match="found the table 'cell'"):
        permute_answer({"cell": perfect["cells"]}, truth, 0)


def test_tree_chance_agrees_with_counting(truth: Tables, perfect: Tables) -> None:
    """8 of 30 ordered pairs, 7 of 15 unordered ones (see above)."""
    true_tree, tree = trees.parents_of(truth["clones"], "clone"), trees.parents_of(perfect["tree"], "branch")
    chance = trees.tree_chance(true_tree, tree, matched=MATCHED, n=300)
    for name, level in (("precision", 8 / 30), ("recall", 8 / 30), ("lineage", 7 / 15)):
        assert abs(chance[name]["mean"] - level) < 3 * chance[name]["sd"] / math.sqrt(300)
    assert 0.2 < chance["distance"]["mean"] < 1
