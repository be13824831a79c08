"""The course through all assays: recovers courses that it did not draw, is as sure as it should be, and knows its place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marrowclone.evolution import latent
from marrowclone.evolution.dynamics import Visit, estimate_dynamics
from marrowclone.evolution.latent import ALL, collect, course_table, fit_course, latent_growth
from marrowclone.keys import DAYS_PER_MONTH

MARROW = [0, 120, 400, 800, 1100]


def truth(day, plateau=4e-4):
    """Log10 burden: a kill that slows down, a plateau, and regrowth that speeds up: no line anywhere."""
    day = np.asarray(day, dtype=float)
    return np.log10(0.4 * np.exp(-day / 25) + plateau + 2e-6 * np.exp(np.maximum(day - 200, 0) / 90))


class Record:
    """What a clinic would have of one such patient."""

    def __init__(self, seed, *, serum=True, outlier=False, plateau=4e-4):
        rng = np.random.default_rng(seed)
        rows = []
        for day in MARROW:
            site = rng.laplace(0, 0.3 / np.sqrt(2))
            for source in ("NGS", "aspirate"):
                sd = 0.15 if source == "NGS" else 0.25
                value = (
                    truth(day, plateau) + site + rng.normal(0, sd) + (1.5 if outlier and source == "aspirate" else 0)
                )
                if source == "aspirate" and value < -2:
                    low = {"burden": np.nan, "burden_lower": 0.0, "burden_upper": 0.03, "limit_of_detection": 0.01}
                    rows.append({"day": day, "source": source, **low})
                    continue
                half = 1.96 * np.hypot(sd, 0.3)
                rows.append({
                    "day": day, "source": source, "burden": 10**value, "burden_lower": 10 ** (value - half),
                    "burden_upper": 10 ** (value + half), "limit_of_detection": 1e-6,
                })  # fmt: skip
        self.burden = pd.DataFrame(rows)
        days = np.arange(0, 1101, 45)
        level = 60 * 10 ** (truth(days, plateau) - truth(0, plateau) + rng.normal(0, 0.15, len(days)))
        self.response = [
            {"patient": "P", "day": int(d), "m_protein": float(m) if m >= 1 else 0.0, "m_protein_unit": "g/L"}
            for d, m in zip(days, level, strict=True) if serum
        ]  # fmt: skip
        self.therapy = [{"patient": "P", "start": 1, "stop": 180, "regimen": "VRd", "classes": "PI;IMiD"}]


@pytest.fixture
def fit(clinical, defaults):
    def go(record, seed=1):
        settings = {**defaults["estimate_fractions"], "draws": 1000}
        readings = collect(record.burden, clinical("response", record.response), "P", settings=settings)
        return fit_course(readings, clinical("therapy", record.therapy), "P", days=MARROW, settings=settings, seed=seed)

    return go


def test_intervals_hold_the_true_course(fit):
    inside, error = [], []
    for seed in range(20):
        course = fit(Record(seed))
        draws = np.log10(course.at(MARROW))
        lower, middle, upper = np.quantile(draws, [0.025, 0.5, 0.975], axis=0)
        inside += list((lower <= truth(MARROW)) & (truth(MARROW) <= upper))
        error += list(np.abs(middle - truth(MARROW)))
    assert (
        np.mean(inside) >= 0.88
    )  # 100 of them: 95% less 2.5 binomial SDs would be .90; the course bends where no knot is
    assert np.median(error) < 0.2


def test_serum_between_marrows_makes_growth_surer(fit):
    def width(record):
        total = fit(record).at([400, 1100])
        low, high = np.quantile(np.log(total[:, 1] / total[:, 0]), [0.025, 0.975])
        return high - low

    # a plateau that the M-protein sees (3 g/L)
    with_serum = np.median([width(Record(s, plateau=0.02)) for s in range(6)])
    without = np.median([width(Record(s, plateau=0.02, serum=False)) for s in range(6)])
    # 0.3 log10 of site at both ends alone: 2 x 1.96 x 0.42 x ln 10 = 3.8; heavy tails make it some more
    assert with_serum < 0.6 * without and without < 4.5


def test_a_reading_far_off_does_not_carry_the_line(fit):
    plain, off = fit(Record(3)), fit(Record(3, outlier=True))
    shift = np.abs(np.median(np.log10(off.at([400])), axis=0) - np.median(np.log10(plain.at([400])), axis=0))
    assert shift < 0.5  # of the 1.5 by which one of two assays was moved


def test_below_every_limit_only_the_upper_end_is_known(fit):
    record = Record(2, serum=False)
    late = record.burden["day"] == 400
    low = {"burden": np.nan, "burden_lower": 0.0, "burden_upper": 3e-6, "limit_of_detection": 1e-6}
    record.burden.loc[late, list(low)] = list(low.values())
    lower, _, upper = np.quantile(np.log10(fit(record).at([400])[:, 0]), [0.025, 0.5, 0.975])
    assert upper < -5 and upper - lower > 1.5


def test_nothing_to_go_by_gives_no_course(fit, clinical, defaults):
    record = Record(1)
    record.burden = record.burden.iloc[:0]
    assert fit(record) is None
    record = Record(1, serum=False)
    record.burden = record.burden[record.burden["day"] == 0]
    assert fit(record) is None
    assert course_table(None).empty and list(course_table(None).columns) == ["day", "burden", "lower", "upper"]
    assert latent_growth(None, [], pd.DataFrame(), seed=1, patient="P").empty


def test_clones_grow_by_the_course_and_their_shares_beside_the_two_points(fit, clinical, defaults):
    record, rng = Record(4), np.random.default_rng(0)
    draws, rows, seen = [], [], []
    for day, share in ((400, 0.2), (1100, 0.8)):
        fraction = np.clip(rng.normal(share, 0.02, 500), 0.01, 0.99)
        total = 10 ** (truth(day) + rng.normal(0, 0.33, 500))
        for clone, p in (("c1", fraction), ("c2", 1 - fraction)):
            draws.append(pd.DataFrame({
                "draw": range(500), "clone": clone, "sample": f"s{day}", "day": day, "fraction": p, "burden": p * total,
            }))  # fmt: skip
            rows.append({
                "clone": clone, "sample": f"s{day}", "day": day, "n_clone": 100, "n_assigned": 200,
                "burden_is_bound": False, "burden_upper": 1.0,
            })  # fmt: skip
        seen.append(
            Visit(day, {"c1": fraction, "c2": 1 - fraction}, {}, {"c1": 100, "c2": 100}, 200, False, (f"s{day}",))
        )
    two = estimate_dynamics(
        pd.concat(draws), pd.DataFrame(rows), clinical("therapy", record.therapy), patient="P",
        settings=defaults["estimate_dynamics"],
    )  # fmt: skip
    table = latent_growth(fit(record), seen, two, seed=1, patient="P").set_index("clone")
    months = 700 / DAYS_PER_MONTH
    whole = (truth(1100) - truth(400)) * np.log(10) / months
    assert set(table.index) == {ALL, "c1", "c2"}
    assert table.loc[ALL, "lower"] < whole < table.loc[ALL, "upper"]
    assert table.loc["c1", "lower"] < whole + np.log(0.8 / 0.2) / months < table.loc["c1", "upper"]
    assert table.loc["c1", "two_point"] == pytest.approx(two.set_index("clone").loc["c1", "growth_per_month"])
    narrower = table["upper"] - table["lower"] < table["two_point_upper"] - table["two_point_lower"]
    assert narrower[["c1", "c2"]].all()
    assert table.loc["c1", "n_readings"] > 6
    unseen = [
        Visit(v.day, v.fraction, {}, {"c1": 0, "c2": n}, 200, False, v.samples)
        for v, n in zip(seen, (100, 0), strict=True)
    ]
    bounded = latent_growth(fit(record), unseen, two, seed=1, patient="P").set_index("clone")
    assert bounded.loc["c1", ["growth_per_month", "lower", "upper", "p_growing"]].isna().all()
    assert bounded.loc["c2", "bound"] == "upper" and np.isnan(bounded.loc["c2", "lower"])


def test_an_assay_of_two_captures_counts_once_and_an_end_cut_at_one_is_not_sure(clinical, defaults):
    record, settings = Record(1, serum=False), defaults["estimate_fractions"]
    twice = pd.concat([record.burden.assign(sample="a", note=""), record.burden.assign(sample="b", note="")])
    of = collect(twice, clinical("response", ()), "P", settings=settings)
    assert len(of.day) == len(record.burden)
    cells = twice[twice["source"] == "NGS"].assign(source="scRNA unsorted")
    assert len(collect(cells, clinical("response", ()), "P", settings=settings).day) == 2 * len(MARROW)
    high = {
        "day": 0,
        "source": "aspirate",
        "burden": 0.6,
        "burden_lower": 0.6 / 10 ** (1.96 * 0.39),
        "burden_upper": 1.0,
    }
    read = collect(
        pd.DataFrame([{**high, "limit_of_detection": 0.01}]), clinical("response", ()), "P", settings=settings
    )
    assert read.sd[0] == pytest.approx(0.25, abs=0.01)


def test_same_seed_same_numbers(fit):
    assert np.array_equal(fit(Record(1)).draws, fit(Record(1)).draws)
    assert not np.array_equal(fit(Record(1)).draws, fit(Record(1), seed=2).draws)


def test_many_readings_give_the_same_course_as_few_in_another_order_of_sums(fit, monkeypatch):
    dense = fit(Record(2))
    monkeypatch.setattr(latent, "MANY", 0)
    sparse = fit(Record(2))
    assert np.allclose(dense.draws, sparse.draws, atol=1e-6) and np.array_equal(dense.knots, sparse.knots)
