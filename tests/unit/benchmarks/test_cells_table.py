"""Figures of benchmarks/cells.py: shares with intervals, and how alike calls of several seeds are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cells


def test_a_share_carries_its_interval_and_nothing_has_none():
    of, among = pd.Series([True] * 7 + [False] * 5), pd.Series([True] * 10 + [False] * 2)
    found = cells.with_interval("recall", of, among)
    # Jeffreys 95% of 7 in 10: Beta(7.5, 3.5), its quantiles 0.025 and 0.975
    assert found == pytest.approx({"recall": 0.7, "recall lower": 0.3942, "recall upper": 0.9073}, abs=1e-4)
    empty = cells.with_interval("recall", of, among & False)
    assert all(np.isnan(v) for v in empty.values())
    text = cells.printed(pd.DataFrame([{"capture": "a", **found}, {"capture": "b", **empty}]))
    assert list(text.columns) == ["capture", "recall"]
    assert text["recall"].tolist() == ["0.700 (0.394-0.907)", "-"]


def test_calls_of_several_seeds_are_held_against_each_other(monkeypatch):
    called = {0: "ab", 1: "abc", 2: ""}

    def call(counts, rows, *, settings, seed):
        return pd.DataFrame({"doublet": [n in called[seed] for n in "abcd"]}, index=list("abcd")), {}

    monkeypatch.setattr(cells, "call_doublets", call)
    got = cells.alike(None, None, {}, range(3))
    assert got == pytest.approx(
        {"fewest called": 0, "most called": 3, "mean Jaccard": (2 / 3 + 0 + 0) / 3, "least Jaccard": 0.0}
    )
    assert cells.alike(None, None, {}, range(2))["least Jaccard"] == pytest.approx(2 / 3)
