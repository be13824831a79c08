"""Where no tumour was found, a small one may hide: zero of n is bounded by what the call could have seen."""

from __future__ import annotations

import pytest

from marrowclone.evolution.capture import Capture, allow_for_hidden
from marrowclone.evolution.statistics import clopper_pearson
from marrowclone.keys import HIDDEN_TUMOUR_CELLS
from marrowclone.report import words


def test_a_patient_without_any_malignant_cell_may_hide_a_small_tumour():
    """7 malignant among 300 normal plasma cells were called normal in simulation: 3 of n would be a false bound."""
    captures = allow_for_hidden({"a": Capture("a", 10_000, 300, 0), "b": Capture("b", 5_000, 20, 0)})
    assert captures["a"].n_hidden == HIDDEN_TUMOUR_CELLS
    assert captures["b"].n_hidden == 20  # no more than there are


def test_a_tumour_found_in_another_sample_hides_nothing():
    """Its profile finds single cells: 35 of 42 in simulation."""
    captures = allow_for_hidden({"dx": Capture("dx", 5_000, 300, 250), "mrd": Capture("mrd", 5_000, 300, 0)})
    assert [c.n_hidden for c in captures.values()] == [0, 0]


def test_printed_bound_allows_for_what_goes_unseen():
    """Same bound as the exact one-sided interval of 30 of 300; without hidden cells the old 3/n."""
    assert words.zero_bound(300, hidden=30) == pytest.approx(clopper_pearson(30, 300, confidence=0.9)[1])
    assert words.zero_bound(300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert words.zero_bound(20, hidden=30) == 1.0  # nothing is bounded
