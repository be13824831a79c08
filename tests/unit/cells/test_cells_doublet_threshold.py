"""A threshold of doublet scores is held against how many doublets the scores show."""

from __future__ import annotations

import numpy as np
import pytest

from marrowclone.cells.doublet_threshold import choose_threshold, excess_threshold, share_like_doublets, solo_threshold


def drawn(doublets: int, singlets: int, seed: int = 0, *, apart: float = 0.5):
    """Scores of barcodes and of simulated doublets, a third of which look like singlets (two of one type)."""
    rng = np.random.default_rng(seed)

    def of(n):
        two = rng.random(n) < 2 / 3
        return rng.normal(0.1 + apart * two, 0.05).clip(0)

    return np.concatenate([of(doublets), rng.normal(0.1, 0.05, singlets).clip(0)]), of(2 * (doublets + singlets))


def test_the_share_of_doublets_is_read_off_the_scores():
    scores, simulated = drawn(100, 1900)
    assert share_like_doublets(scores, simulated) == pytest.approx(0.05, abs=0.015)
    assert share_like_doublets(drawn(0, 2000)[0], simulated) < 0.01  # none there, none found


def test_a_few_barcodes_do_not_make_the_share_of_a_small_capture():
    """Of 600 barcodes with 30 doublets, two lie above the highest tail: the least of five such ratios is often 0."""
    found = [share_like_doublets(*drawn(30, 570, seed=seed)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.006)  # SD of one 0.009, so of the mean 0.002
    assert min(found) > 0.01
    assert max(share_like_doublets(*drawn(0, 600, seed=seed)) for seed in range(20)) < 0.01


@pytest.mark.parametrize("automatic", [0.9, None, 0.05])
def test_a_threshold_that_scrublet_misses_is_found(automatic):
    """Too high (0.9), none, or within the singlets (0.05: it would call nearly all)."""
    scores, simulated = drawn(100, 1900)
    threshold, rule = choose_threshold(scores, simulated, automatic, 0.016)
    called = scores > threshold
    assert called[:100].mean() > 0.55  # two thirds can be told at all
    assert called[:100].sum() / called.sum() > 0.8
    assert "most barcodes above it" in rule


def test_scrublets_own_dip_stays_where_it_is_believable():
    scores, simulated = drawn(100, 1900)
    threshold, rule = choose_threshold(scores, simulated, 0.2, 0.016)
    assert threshold == 0.2 and "dip" in rule


def test_one_kind_of_cell_gives_no_doublets():
    """All barcodes score like simulated doublets: scrublet's dip would call singlets."""
    scores, simulated = drawn(50, 950, apart=0.0)
    threshold, rule = choose_threshold(scores, simulated, 0.2, 0.008)
    assert np.isinf(threshold) and "nothing called" in rule


def test_no_doublets_call_next_to_nothing():
    scores, simulated = drawn(0, 2000)
    assert (scores > excess_threshold(scores, simulated, share_like_doublets(scores, simulated))).mean() < 0.005


def test_solo_never_calls_most_of_a_capture():
    """It learns from two simulated doublets per barcode; of one cell type it calls all."""
    assert (np.linspace(0.6, 1, 500) > solo_threshold(np.linspace(0.6, 1, 500), 0.004)[0]).mean() <= 0.08
    assert solo_threshold(np.r_[np.full(960, 0.1), np.full(40, 0.9)], 0.008)[0] == 0.5
