"""M-protein and free light chains against the patient's own baseline: only after it, only where nothing better is there."""

import numpy as np
import pytest

from marrowclone.evolution.assemble import patient_fractions
from marrowclone.evolution.burden import FLC, M_PROTEIN
from marrowclone.evolution.serum import Level, lags, serum_levels

SAMPLES = {
    "dx": {"timepoint": "diagnosis", "day": 0, "compartment": "BM", "sort": "none"},
    "later": {"timepoint": "follow_up", "day": 365, "compartment": "BM", "sort": "CD138+"},
}
CELLS = {"dx": (2000, 500, {"c1": 300, "c2": 100}), "later": (400, 380, {"c1": 30, "c2": 300})}


def serum(day, m=np.nan, kappa=np.nan, light=np.nan, unit="g/L"):
    return {"patient": "P", "day": day, "m_protein": m, "m_protein_unit": unit, "kappa_flc": kappa, "lambda_flc": light}


@pytest.fixture
def run(cohort, clinical, defaults):
    def go(*response, mrd=(), samples=SAMPLES, **settings):
        return patient_fractions(
            patient="P", samples=samples, **cohort(CELLS, 1.0), healthy=(), mrd=clinical("mrd", mrd),
            response=clinical("response", response), settings={**defaults["estimate_fractions"], **settings}, seed=4,
        )  # fmt: skip

    return go


def burden_of(result, source, day=365):
    found = result.burden[(result.burden["source"] == source) & (result.burden["day"] == day)]
    assert len(found) == 1
    return found.iloc[0]


def test_a_sorted_sample_gets_its_burden_from_the_serum(run):
    result = run(serum(0, 40.0), serum(360, 20.0))
    base = result.burden[result.burden["used"] & (result.burden["sample"] == "dx")].iloc[0]
    reading = burden_of(result, "M-protein", 360)
    assert reading["used"] and reading["sample"] == "later"
    assert reading["burden"] == pytest.approx(base["burden"] / 2, rel=0.1)
    clone = result.fractions.set_index(["sample", "clone"]).loc[("later", "c2")]
    assert clone["burden_source"] == "M-protein" and clone["burden"] > 0
    # the baseline's own error cancels in the change: what is left is the serum's
    wide = result.draws.groupby(["sample", "draw"])["burden"].sum().unstack(0)
    assert np.log10(wide["later"] / wide["dx"]).std() == pytest.approx(0.2, abs=0.02)


def test_anything_from_the_marrow_is_better(run):
    positive = {
        "patient": "P", "day": 365, "assay": "NGS", "result": "positive", "compartment": "BM", "cells_analysed": 1e6,
        "events": 5e4,
    }  # fmt: skip
    result = run(serum(0, 40.0), serum(365, 20.0), mrd=[positive])
    assert not burden_of(result, "M-protein")["used"] and burden_of(result, "NGS")["used"]


def test_without_a_measurable_baseline_nothing_is_read(run):
    for rows in ([serum(0, 8.0), serum(365, 4.0)], [serum(200, 40.0), serum(365, 20.0)], [serum(365, 20.0)]):
        assert not run(*rows).burden["source"].isin(["M-protein", "FLC"]).any()


def test_below_the_assay_it_is_a_bound(run):
    reading = burden_of(run(serum(0, 40.0), serum(365, 0.0)), "M-protein")
    assert reading["is_bound"] and np.isnan(reading["burden"]) and reading["burden_lower"] == 0
    assert reading["burden_upper"] >= reading["limit_of_detection"] > 0


def test_a_fall_lags_and_is_less_sure(run):
    fallen = burden_of(run(serum(0, 40.0), serum(330, 36.0), serum(365, 20.0)), "M-protein")
    steady = burden_of(run(serum(0, 40.0), serum(330, 20.0), serum(365, 20.0)), "M-protein")
    assert "falling" in fallen["note"] and "falling" not in steady["note"]
    assert fallen["burden_upper"] / fallen["burden_lower"] > steady["burden_upper"] / steady["burden_lower"]


def test_later_rows_change_no_earlier_reading(run):
    rows = [serum(0, 40.0, 500.0, 10.0), serum(365, 20.0, 300.0, 12.0)]
    first, more = run(*rows), run(*rows, serum(800, 60.0, 10.0, 5000.0))
    earlier = more.burden[more.burden["day"] <= 365].reset_index(drop=True)
    assert earlier.equals(first.burden)
    assert more.draws.equals(first.draws)


def test_serum_of_days_without_a_sample_is_shown_and_never_used(run):
    reading = burden_of(run(serum(0, 40.0), serum(200, 20.0)), "M-protein", 200)
    assert not reading["used"] and reading["burden"] > 0


def test_light_chain_escape_is_seen_where_light_chains_were_measured(run):
    """M-protein gone, kappa tenfold: what was measured goes before what is below its limit, and the note doubts."""
    result = run(serum(0, 40.0, 300.0, 10.0), serum(365, 0.0, 3000.0, 10.0))
    chains, protein = burden_of(result, "FLC"), burden_of(result, "M-protein")
    assert chains["used"] and not protein["used"]
    assert "disagree" in chains["note"] and "disagree" in protein["note"]


def test_of_the_other_light_chain_the_baseline_says_nothing(run):
    result = run(serum(0, np.nan, 300.0, 10.0), serum(200, np.nan, 10.0, 210.0), serum(365, np.nan, 150.0, 10.0))
    assert set(result.burden.loc[result.burden["source"] == "FLC", "day"]) == {365}


def test_units_and_the_involved_chain(clinical):
    rows = [serum(0, 4.0, 10.0, 400.0, unit="g/dL"), serum(30, 20.0, 30.0, 20.0), serum(60, np.nan, 10.0, 200.0)]
    levels = serum_levels(clinical("response", rows), "P")
    assert [(v.day, v.source, v.value) for v in levels] == [
        (0, "FLC", 390.0), (0, "M-protein", 40.0), (30, "FLC", 0.0), (30, "M-protein", 20.0), (60, "FLC", 190.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "value", "lagging"),
    [
        (160, 20.0, True),
        (161, 20.0, False),  # the fall is longer ago than the window
        (160, 35.0, False),  # less of a fall
        (100, 20.0, False),  # a level of the same day is not an earlier one
    ],
)
def test_a_level_lags_behind_those_of_the_window_before_it(day, value, lagging):
    levels = [Level(0, M_PROTEIN, 50.0), Level(100, M_PROTEIN, 40.0), Level(130, M_PROTEIN, 15.0)]
    level = Level(day, M_PROTEIN, value)
    assert (
        lags(
            level, sorted([*levels, level], key=lambda x: x.day), settings={"serum_lag_days": 60, "serum_fell_to": 0.75}
        )
        is lagging
    )
    assert not lags(Level(day, FLC, value), levels, settings={"serum_lag_days": 60, "serum_fell_to": 0.75})


def test_settings_say_what_lags_and_what_disagrees(run):
    rows = [serum(0, 40.0, 600.0, 10.0), serum(330, 20.0), serum(365, 10.0, 2.0, 10.0)]

    def width(**settings):
        row = burden_of(run(*rows, **settings), "M-protein")
        return np.log10(row["burden_upper"] / row["burden_lower"]), row["note"]

    usual, note = width()
    assert "falling" in note and "disagree" in note
    assert width(serum_lag_factor=5)[0] > usual > width(serum_fell_to=0.1)[0]
    assert "falling" not in width(serum_fell_to=0.1)[1] and "disagree" not in width(serum_disagree=1000)[1]
