"""Burden: every assay row, the ladder, censoring, and what later rows may not change."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from marrowclone.evolution.assemble import patient_fractions, sum_donors
from marrowclone.evolution.burden import choose, match_days, mrd_readings
from marrowclone.evolution.capture import (
    Capture,
    capture_reading,
    clonal_share,
    count_cells,
    error_rates,
    limit_of_blank,
)

SAMPLES = {
    "dx": {"timepoint": "diagnosis", "day": 0, "compartment": "BM", "sort": "none"},
    "mrd": {"timepoint": "mrd", "day": 365, "compartment": "BM", "sort": "CD138+"},
}
CELLS = {"dx": (2000, 50, {"c1": 300, "c2": 100}), "mrd": (400, 380, {"c2": 12})}


@pytest.fixture
def run(cohort, clinical, defaults):
    def go(cells=CELLS, samples=SAMPLES, mrd=(), response=(), healthy=(), posterior=1.0, seed=4):
        return patient_fractions(
            patient="P", samples=samples, **cohort(cells, posterior), healthy=healthy, mrd=clinical("mrd", mrd),
            response=clinical("response", response), settings=defaults["estimate_fractions"], seed=seed,
        )  # fmt: skip

    return go


def row(assay, result, day=365, **more):
    return {"patient": "P", "day": day, "assay": assay, "result": result, "compartment": "BM", **more}


@pytest.fixture
def read(clinical, defaults):
    return lambda *rows: mrd_readings(clinical("mrd", list(rows)), "P", settings=defaults["estimate_fractions"], seed=1)


def test_ngs_count(read):
    (reading,) = read(row("NGS", "positive", cells_analysed=1e6, events=100))
    median, lower, upper = reading.bounds()
    assert median == pytest.approx(1e-4, rel=0.15)
    # 0.15 and 0.3 log10 in quadrature is 0.335: the 95% interval is a factor 4.5 either way, Poisson adds little
    assert lower == pytest.approx(1e-4 / 4.6, rel=0.2) and upper == pytest.approx(1e-4 * 4.6, rel=0.2)


def test_negative_is_an_upper_bound_at_its_limit(read):
    (reading,) = read(row("NGS", "negative", cells_analysed=3_000_000, events=0))
    median, lower, upper = reading.bounds()
    assert reading.censored and np.isnan(median) and lower == 0
    assert reading.limit == pytest.approx(1e-6, rel=0.01)  # 5.4: three million cells for 1e-6
    assert upper >= reading.limit
    assert (reading.draws > 0).all()


def test_shallow_negative_bounds_no_deeper_than_its_cells(read):
    # a stated limit cannot be deeper than the cells that were looked at
    (reading,) = read(row("NGF", "negative", cells_analysed=10_000, events=0, lod=1e-6))
    assert reading.limit == pytest.approx(3e-4, rel=0.01)


def test_shallow_negative_without_an_event_count(read):
    # the same where the number of events was left empty: the cells still bound what could be seen
    (reading,) = read(row("NGS", "negative", cells_analysed=10_000, lod=1e-6))
    assert reading.limit == pytest.approx(3e-4, rel=0.01)


def test_ngf_limits(read):
    few, some, many = read(
        row("NGF", "negative", 1, cells_analysed=1e7, events=12),
        row("NGF", "positive", 2, cells_analysed=1e7, events=30),
        row("NGF", "positive", 3, cells_analysed=1e7, events=60),
    )
    assert few.censored and few.limit == pytest.approx(2e-6)  # 20 of 1e7 (5.2)
    assert not some.censored and "quantification" in some.note
    assert "quantification" not in many.note and many.bounds()[0] == pytest.approx(6e-6, rel=0.2)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"assay": "MS", "result": "positive", "value": 0.3}, "not a count"),
        ({"assay": "NGS", "result": "positive", "events": 3, "cells_analysed": 1e6, "compartment": "PB"}, "not marrow"),
        ({"assay": "NGS", "result": "positive"}, "without a number"),
        ({"assay": "NGS", "result": "negative"}, "cannot bound"),
        ({"assay": "NGS", "result": "indeterminate"}, "indeterminate"),
        ({"assay": "NGS", "result": "positive", "value": 37.0}, "not a fraction"),
    ],
)
def test_rows_that_cannot_be_a_burden_are_kept_with_the_reason(read, values, word):
    (reading,) = read({"patient": "P", "day": 1, **values})
    assert reading.draws is None and word in reading.note
    assert not any(r.used for r in choose([reading]))


def test_value_without_counts(read):
    (reading,) = read(row("NGS", "positive", value=2e-3, lod=1e-6))
    assert reading.bounds()[0] == pytest.approx(2e-3, rel=0.1)


def test_an_assay_serves_the_nearest_day_only(read):
    readings = read(*(row("NGS", "positive", d, value=1e-3, lod=1e-6) for d in (0, 95, 101, 200)))
    days = [d for d, _ in match_days(readings, [0, 100, 120], before=30, after=0)]
    # day 95 serves 100 and not 120 also; day 101 is after 100, so it serves 120; 200 is nobody's
    assert days == [0, 100, 120, None]


def test_ladder_prefers_ngs_then_cells(run):
    rows = [
        row("NGF", "positive", cells_analysed=1e7, events=5000),
        row("NGS", "positive", cells_analysed=1e6, events=900),
    ]
    table = run(mrd=rows).burden
    assert table.loc[table["used"], ["sample", "source"]].values.tolist() == [["dx", "scRNA unsorted"], ["mrd", "NGS"]]
    assert set(table["source"]) == {"scRNA unsorted", "scRNA CD138+", "NGF", "NGS"}  # all are kept


def test_sorted_sample_needs_another_assay(run):
    out = run()
    sorted_rows = out.fractions[out.fractions["sample"] == "mrd"]
    assert set(sorted_rows["burden_source"]) == {"none: CD138-sorted"}
    assert sorted_rows[["burden", "burden_lower", "burden_upper"]].isna().all(axis=None)
    assert sorted_rows["fraction"].tolist() == [0, 1]
    assert out.draws.loc[out.draws["sample"] == "mrd", "burden"].isna().all()


def test_blood_is_not_marrow(run):
    samples = {**SAMPLES, "mrd": {**SAMPLES["mrd"], "compartment": "PB", "sort": "none"}}
    out = run(samples=samples, mrd=[row("NGS", "positive", value=1e-3, lod=1e-6)])
    assert set(out.fractions.loc[out.fractions["sample"] == "mrd", "burden_source"]) == {"none: blood"}
    # the marrow assay of that day stays, without a sample
    loose = out.burden[out.burden["source"] == "NGS"]
    assert loose["sample"].tolist() == [""] and loose["used"].tolist() == [True]


def test_day_with_assays_only(run):
    out = run(mrd=[row("NGS", "negative", 800, lod=1e-6), row("NGF", "negative", 800, lod=1e-5)])
    late = out.burden[out.burden["day"] == 800]
    assert late.loc[late["used"], "source"].tolist() == ["NGS"] and set(late["sample"]) == {""}
    assert set(out.fractions["day"]) == {0, 365}


def test_burden_is_total_times_share(run):
    out = run(mrd=[row("NGS", "positive", cells_analysed=1e6, events=1000)])
    wide = out.draws[out.draws["sample"] == "mrd"].pivot(index="draw", columns="clone", values=["fraction", "burden"])
    np.testing.assert_allclose(wide["fraction"].sum(axis=1), 1)  # joint draws: shares sum to one in each
    ratio = wide["burden"] / wide["fraction"]
    np.testing.assert_allclose(ratio["c1"], ratio["c2"])  # and all clones share the draw of m
    lost = out.fractions.query("sample == 'mrd' and clone == 'c1'").iloc[0]
    assert np.isnan(lost["burden"]) and lost["burden_lower"] == 0 and lost["burden_is_bound"]
    # 0 of 12 cells: at most 22% of about 1e-3
    assert lost["burden_upper"] >= 1e-3 * (1 - 0.05 ** (1 / 12)) * 0.8


def test_future_rows_change_nothing(run):
    now = [row("NGS", "positive", 360, cells_analysed=1e6, events=1000)]
    later = [
        row("NGS", "positive", 366, cells_analysed=1e6, events=90_000),
        row("NGF", "positive", 900, value=0.2, lod=1e-5),
    ]
    future = [{"patient": "P", "day": 366, "response": "PD", "bm_pc_percent": 60.0, "bm_pc_method": "aspirate"}]
    one, two = run(mrd=now), run(mrd=now + later, response=future)
    pd.testing.assert_frame_equal(one.fractions, two.fractions)
    pd.testing.assert_frame_equal(one.draws, two.draws)
    pd.testing.assert_frame_equal(one.burden, two.burden[two.burden["day"] <= 365].reset_index(drop=True))


def test_order_of_clinical_rows_does_not_matter(run):
    rows = [row("NGS", "positive", 360, cells_analysed=1e6, events=1000), row("NGS", "negative", 350, lod=1e-5)]
    pd.testing.assert_frame_equal(run(mrd=rows).burden, run(mrd=rows[::-1]).burden)


def test_aspirate_times_clonal_share(run):
    response = [{"patient": "P", "day": 365, "response": "VGPR", "bm_pc_percent": 3.0, "bm_pc_method": "flow"}]
    out = run(response=response)
    used = out.burden[(out.burden["sample"] == "mrd") & out.burden["used"]].iloc[0]
    # 12 of 392 sorted plasma cells are malignant: 3% x about 3%
    assert used["source"] == "aspirate" and 3e-4 < used["burden"] < 2e-3


def test_aspirate_without_cells_is_a_bound_when_low(run, clinical):
    response = [
        {"patient": "P", "day": 700, "response": "", "bm_pc_percent": 4.0, "bm_pc_method": "aspirate"},
        {"patient": "P", "day": 800, "response": "", "bm_pc_percent": 40.0, "bm_pc_method": "aspirate"},
        {"patient": "P", "day": 900, "response": "", "bm_pc_percent": 4.0, "bm_pc_method": "biopsy"},
    ]
    table = run(response=response).burden.set_index("day")
    assert table["is_bound"].loc[[700, 800, 900]].tolist() == [True, False, True]
    assert table["limit_of_detection"].loc[900] == 0.05  # a biopsy does not see below 5%


def test_empty_patient(run, cohort):
    """No plasma cells, no clones, no tables: contract columns, bounds, no crash."""
    out = run(cells={"dx": (2000, 0, {}), "mrd": (0, 0, {})})
    assert out.fractions.empty and "burden_source" in out.fractions and out.draws.empty
    assert out.draws.dtypes["draw"] == "int32"
    first = out.burden.iloc[0]
    assert np.isnan(first["burden"]) and first["burden_upper"] >= 1 - 0.05 ** (1 / 2000)  # zero cells: a bound
    assert "not a negative assay" in first["note"]


def test_clones_known_but_none_now(run):
    out = run(cells={"dx": CELLS["dx"], "mrd": (400, 390, {})})
    now = out.fractions[out.fractions["sample"] == "mrd"]
    assert now["fraction"].isna().all() and (now["upper"] - now["lower"] == 1).all()


def test_same_bytes(run, tmp_path):
    for name in ("a", "b"):
        run().draws.to_parquet(tmp_path / name, index=False)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- single cells as an assay ------------------------------------------------------------


def test_healthy_donors_give_the_blank(defaults, cohort):
    settings = defaults["estimate_fractions"]
    none = error_rates([], settings=settings, seed=1)
    donors = [Capture(f"h{i}", 2000, 200, c) for i, c in enumerate([0, 1, 2, 4, 8])]
    some = error_rates(donors, settings=settings, seed=1)
    assert none.false_positive.mean() == pytest.approx(0.002, rel=0.15)
    assert some.false_positive.mean() == pytest.approx((15 + 1) / 1500, rel=0.15)
    # 95th percentile of called / cells over five donors
    assert limit_of_blank(Capture("x", 1000, 100, 0), some) == pytest.approx(np.quantile([0, 1, 2, 4, 8], 0.95) / 2000)
    assert np.isnan(error_rates(donors[:4], settings=settings, seed=1).blank)  # four are too few (5.4)


def test_calls_at_the_blank_are_censored(defaults):
    settings = defaults["estimate_fractions"]
    rates = error_rates([], settings=settings, seed=1)
    low = capture_reading(Capture("a", 3000, 300, 1), rates, day=0, settings=settings, seed=1)
    high = capture_reading(Capture("b", 3000, 300, 60), rates, day=0, settings=settings, seed=1)
    assert low.censored and low.bounds()[2] >= low.limit > 0
    assert not high.censored
    assert high.bounds()[0] == pytest.approx((60 / 300 - 0.002) / 0.898 * 0.1, rel=0.15)  # Rogan-Gladen x share


def test_rogan_gladen_never_gives_zero(defaults):
    rates = error_rates([Capture("h", 1000, 1000, 100)], settings=defaults["estimate_fractions"], seed=1)
    share = clonal_share(Capture("a", 100, 100, 5), rates, rng=np.random.default_rng(1))
    assert (share > 0).all() and np.quantile(share, 0.975) > 0.01  # fewer calls than the blank: a bound


def test_donors_are_summed_over_their_samples(cohort):
    tables = cohort({"h1": (100, 10, {"": 2}), "h2": (50, 5, {})})
    (donor,) = sum_donors(tables["kept"], [tables["malignant"]])
    assert (donor.n_cells, donor.n_tumour_type, donor.n_malignant) == (150, 17, 2)


# --- tumour-type cells that could not be called ------------------------------------------


@pytest.fixture
def reading(defaults):
    settings = defaults["estimate_fractions"]
    rates = error_rates([], settings=settings, seed=1)
    return lambda *counts: capture_reading(Capture("a", *counts), rates, day=0, settings=settings, seed=1)


def test_unassigned_cells_widen_the_bound_of_no_malignant_cell(reading):
    # 0 of 10,000 cells, but 500 plasma cells of which nobody knows: the tumour may be all of them
    known, open_ = reading(10_000, 600, 0, 0), reading(10_000, 600, 0, 500)
    assert known.censored and known.bounds()[2] < 2e-3
    assert open_.censored and open_.bounds()[2] > 500 / 10_000
    # the bound itself is the exact one-sided one of 500 of 10,000
    assert open_.limit == pytest.approx(stats.beta.ppf(0.95, 501, 9500)) and "500 of these unassigned" in open_.note


def test_unassigned_cells_widen_a_counted_burden_both_ways(reading):
    known, open_ = reading(10_000, 1000, 500, 0), reading(10_000, 1000, 500, 400)
    assert np.quantile(open_.draws, 0.975) > 1.2 * np.quantile(known.draws, 0.975)
    share = clonal_share(Capture("a", 10_000, 1000, 300, 400), _rates(), rng=np.random.default_rng(1))
    # 300 of 600 called, 400 open: between 300 and 700 of 1,000 (sensitivity 0.9 raises the 300)
    assert 0.30 < np.quantile(share, 0.025) < 0.38 and 0.68 < np.quantile(share, 0.975) < 0.80


def _rates():
    settings = {"draws": 4000, "false_positive_rate": 0.002, "false_positive_weight": 500, "sensitivity": 0.9,
                "sensitivity_weight": 50}  # fmt: skip
    return error_rates([], settings=settings, seed=1)


def test_nothing_called_is_no_burden_and_nothing_inherits_one(cohort, clinical, defaults):
    """All plasma cells unassigned: that is not "0 of n", and no later step gets a number."""
    tables = cohort({"dx": (2000, 50, {"c1": 300}), "next": (2000, 300, {})})
    tables["malignant"].loc[tables["malignant"]["sample"] == "next", "call"] = "unassigned"
    response = [{"patient": "P", "day": 365, "bm_pc_percent": 15.0, "bm_pc_method": "aspirate"}]
    out = patient_fractions(
        patient="P", samples={"dx": SAMPLES["dx"], "next": {**SAMPLES["dx"], "day": 365, "timepoint": "mrd"}}, **tables,
        healthy=(), mrd=clinical("mrd"), response=clinical("response", response),
        settings=defaults["estimate_fractions"], seed=1,
    )  # fmt: skip
    late = out.burden[out.burden["day"] == 365].set_index("source")
    cells = late.loc["scRNA unsorted"]
    assert not cells["used"] and np.isnan(cells["burden_upper"]) and "could be called" in cells["note"]
    # the aspirate is not multiplied by a share that nobody knows
    assert late.loc["aspirate", "used"] and "clonal share unknown" in late.loc["aspirate", "note"]


def test_a_cell_without_a_call_was_not_examined(cohort):
    tables = cohort({"dx": (100, 10, {"c1": 5})})
    kept = tables["kept"].assign(is_tumour_type=[True] * 40 + [False] * 60)
    counted = count_cells(kept, tables["malignant"], ["dx"])["dx"]
    # 40 of a tumour type, 15 of them called: the others are open, not normal
    assert (counted.n_tumour_type, counted.n_malignant, counted.n_unassigned) == (40, 5, 25)
