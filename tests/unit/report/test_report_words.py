"""Numbers in words: the laws about zero of n hold in every sentence."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from marrowclone.report import words


@pytest.mark.parametrize(("n", "bound"), [(1000, 3.0e-3), (10_000, 3.0e-4), (300_000, 1.0e-5), (3_000_000, 1.0e-6)])
def test_zero_bound_has_the_published_values(n: int, bound: float) -> None:
    """The table of science 5.4, given to two digits there."""
    assert words.zero_bound(n) == pytest.approx(bound, rel=0.01)


def test_zero_of_n_always_carries_its_bound() -> None:
    assert words.of_n(0, 59) == "0 of 59 (below 5.0%)", "law 3: zero is an upper bound, never 0%"
    assert words.of_n(41, 300) == "41 of 300 (14%)"
    assert words.of_n(0, 0) == "none examined", "nothing of nothing is no bound"


def test_only_called_cells_are_counted() -> None:
    assert words.called(0, 100, 40) == "0 of 100 (below 3.0%); 40 unassigned"
    assert words.called(0, 0, 117) == "not assessable: 117 unassigned", "unassigned cells may all be malignant"


def test_intervals_with_one_open_end() -> None:
    assert words.between(None, 0.17) == "at most 17%"
    assert words.between(-0.5, None, as_share=False) == "at least −0.50"
    assert words.between(None, None) == "–"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.9996, "99.9%"),  # not all: must not read 100%
        (1.0, "100%"),
        (0.13, "13%"),
        (0.034, "3.4%"),
        (0.0012, "0.12%"),
        (3e-6, "3.0 × 10⁻⁶"),
        (0, "0%"),
        (math.nan, "–"),
        (pd.NA, "–"),
        (None, "–"),
    ],
)
def test_shares(value: object, said: str) -> None:
    assert words.share(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.05, "0.0500"), (-0.9, "−0.900"), (1234567, "1,234,567"), (math.inf, "∞"), (1e-5, "1.00 × 10⁻⁵"), (-3, "−3")],
)
def test_numbers(value: float, said: str) -> None:
    assert words.number(value) == said


def test_tiers_and_suffixes_in_plain_words() -> None:
    assert words.tier("T4a") == "functional-cure candidate"
    assert words.tier("T5+") == "compatible with statistical cure"
    assert words.tier("") == "not assessable", "a missing tier is an answer"
    assert [code for code, _ in words.suffixes("Q+-C?")] == ["Q+", "C?"]
    assert [code for code, _ in words.suffixes("Q--C-")] == ["Q-", "C-"]


def test_timepoints_read_as_words() -> None:
    assert words.timepoint("post_induction_2") == "post-induction 2"
    assert words.timepoint("mrd") == "MRD visit", "a visit, not a result: results come from assays"


def test_probabilities_from_draws_are_never_certain() -> None:
    """Some thousand draws cannot show a probability of 0 or 1."""
    assert words.probability(1.0) == "above 99.9%" and words.probability(0.0) == "below 0.1%"
    assert words.probability(0.98) == "98%" and words.probability(None) == "–"


def test_remarks_print_numbers_as_the_page_does() -> None:
    """A page must not say ``day 1000`` beside ``day 1,000``, nor ``1e-06``; names stay."""
    assert words.told("day 1000; 28644 of 4.2e+06; at most 1e-06") == "day 1,000; 28,644 of 4.2 × 10⁶; at most 1 × 10⁻⁶"
    assert words.told("CD138 of P2_2000, 0.0022") == "CD138 of P2_2000, 0.0022"
    assert words.told("z -1234 of 5678.") == "z -1,234 of 5,678.", "a minus, and the end of a sentence"


@pytest.mark.parametrize("name", ["P10001", "MM-10001", "10001-dx", "10001.2", "10001_dx", "P.10001", "A-10001-2000"])
def test_names_in_remarks_keep_their_digits(name: str) -> None:
    """A sample P10,001 is nowhere in the sheet. A name of digits alone is told by the word before it, or its quotes."""
    said = f"as {name} and {name}, not {name}: 12000 UMIs"
    assert words.told(said) == said.replace("12000", "12,000")
    assert words.told("sample 10001 of patient 2000: '30001'") == "sample 10001 of patient 2000: '30001'"
    assert words.signed("z -0.2 with run-2024") == "z −0.2 with run-2024", "a hyphen in a name is no minus"


def test_every_scale_that_is_scored_has_a_name() -> None:
    """The summary score was once printed as its code, SUM."""
    from marrowclone.cure import qlq

    assert qlq.SUMMARY in words.SCALES
    assert {scale.code for scale in (*qlq.C30_SCALES, *qlq.MY20_SCALES)} <= set(words.SCALES)


def test_two_digits_are_kept_below_one_per_cent() -> None:
    assert words.share(0.007) == "0.70%", "beside 0.68% a bare 0.7% reads as less exact"


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert [words.decimal(v) for v in (-0.001, 0.4, -0.416)] == ["0.00", "0.40", "−0.42"]
