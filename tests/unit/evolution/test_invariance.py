"""What the chapter must not depend on: the unit of time, the names of clones, the order of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from marrowclone.evolution import latent
from marrowclone.evolution.assemble import patient_fractions
from marrowclone.evolution.dynamics import estimate_dynamics, visits
from marrowclone.evolution.labels import EXPANDING, LOST, RE_EMERGENT, expected_cells, label_clones
from marrowclone.evolution.latent import collect, fit_course, latent_growth
from marrowclone.evolution.persistence import is_deep
from marrowclone.evolution.resistance import assess_resistance, tumour_cells
from marrowclone.evolution.trajectory import trajectory
from marrowclone.resources import RESOURCES, read_resource

PANEL = read_resource(RESOURCES / "resistance.tsv")
DAYS = (0, 240, 600, 1100)
#: Malignant cells per sample and clone, beside 2,000 kept cells of which 100 are normal plasma cells.
CELLS = {
    "a": {"c1": 300, "c2": 40, "c10": 12},
    "b": {"c1": 20, "c2": 200, "c10": 0},
    "c": {"c1": 3, "c2": 250, "c10": 60},
    "d": {"c1": 0, "c2": 90, "c10": 410},
}
#: Other names whose order is the reverse of these.
NAMES = {"c1": "z9", "c2": "m3", "c10": "a2"}
#: Months and what is per month scale with the days; what is a date does; all else of these tables stays.
PER_MONTH = (
    "growth_per_month", "lower", "upper", "lower90", "upper90", "relative_fitness", "fitness_lower", "fitness_upper",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """The chapter's tables of one patient."""

    fractions: pd.DataFrame
    burden: pd.DataFrame
    draws: pd.DataFrame
    dynamics: pd.DataFrame
    labels: pd.DataFrame
    trajectory: pd.DataFrame
    resistance: pd.DataFrame
    latent: pd.DataFrame


#: What was told in answer to which question: most tests compare with the same patient.
ALREADY: dict[str, Told] = {}


@pytest.fixture
def tell(cohort, clinical, defaults):
    """Run the chapter: ``factor`` on all days, ``names`` of the clones, ``shuffle`` (seed) of every table's rows."""
    fraction_settings = {**defaults["estimate_fractions"], "draws": 600}

    def go(*given, **more):
        key = repr((given, more))
        if key not in ALREADY:
            ALREADY[key] = run(*given, **more)
        return ALREADY[key]

    def run(factor=1, names=None, shuffle=None, cells=None, sure=0.97, assays=True, days=DAYS, response=None):
        names, cells = names or {}, cells or CELLS
        made = cohort({s: (2000, 100, sizes) for s, sizes in cells.items()})
        day_of = dict(zip(cells, (d * factor for d in days), strict=True))
        clones = sorted({c for sizes in cells.values() for c in sizes})
        of = made["clone_cells"]
        # the rest of a cell's posterior lies with the clone after its own
        for i, clone in enumerate(clones):
            of[f"p_{clone}"] = np.where(of["clone"] == clone, sure, 0.0)
            of.loc[of["clone"] == clones[i - 1], f"p_{clone}"] = 1 - sure
        of["posterior"] = sure
        of = of.rename(columns={f"p_{c}": f"p_{names.get(c, c)}" for c in clones})
        of["clone"] = of["clone"].replace(names)
        malignant = made["malignant"].assign(p_malignant=np.where(made["malignant"]["call"] == "malignant", 0.999, 0.0))

        def mixed(frame):
            return frame if shuffle is None else frame.sample(frac=1, random_state=shuffle, ignore_index=True)

        def dated(rows, *columns):
            return [{**r, "patient": "P", **{c: r[c] * factor for c in columns if c in r}} for r in rows]

        mrd = [
            {"day": 240, "assay": "NGS", "result": "positive", "cells_analysed": 1e6, "events": 9000.0},
            {"day": 600, "assay": "NGF", "result": "positive", "cells_analysed": 1e6, "events": 20000.0},
            {"day": 600, "assay": "NGS", "result": "positive", "cells_analysed": 1e6, "events": 25000.0},
        ]
        told = response or [
            {"day": 0, "response": "", "bm_pc_percent": 30.0, "bm_pc_method": "aspirate"},
            {"day": 240, "response": "VGPR"}, {"day": 1100, "response": "PD", "bm_pc_percent": 40.0},
        ]  # fmt: skip
        therapy = [
            {"start": 10, "stop": 200, "regimen": "VRd", "classes": "PI;IMiD"},
            {"start": 240, "stop": 600, "regimen": "R", "classes": "IMiD"},
            {"start": 700, "stop": 700, "regimen": "CAR-T", "classes": "BCMA-CART"},
        ]
        mrd = mixed(clinical("mrd", dated(mrd if assays else [], "day")))
        response = mixed(clinical("response", dated(told if assays else [], "day")))
        therapy = mixed(clinical("therapy", dated(therapy, "start", "stop")))
        samples = {s: {"timepoint": s, "day": d, "compartment": "BM", "sort": "none"} for s, d in day_of.items()}
        samples = samples if shuffle is None else dict(reversed(samples.items()))
        out = patient_fractions(
            patient="P", samples=samples, clone_cells=mixed(of), malignant=mixed(malignant), kept=mixed(made["kept"]),
            healthy=[], mrd=mrd, response=response, settings=fraction_settings, seed=4, prior_cells=2.0,
        )  # fmt: skip
        fractions, draws = mixed(out.fractions), mixed(out.draws)
        dynamics = estimate_dynamics(draws, fractions, therapy, patient="P", settings=defaults["estimate_dynamics"])
        series = visits(draws, fractions)
        parents = {"c2": "c1", "c10": "c1"}
        tree = [{"branch": names.get(c, c), "parent": names.get(p, p)} for c, p in parents.items()]
        labels = label_clones(
            series, patient="P", dynamics=mixed(dynamics), response=response, expected=expected_cells(fractions),
            settings=defaults["label_clones"],
        )  # fmt: skip
        course = trajectory(
            series, tree=mixed(pd.DataFrame(tree)), reference=pd.DataFrame({"rung": ["R1"]}), burden=mixed(out.burden),
            patient="P", settings=defaults["label_clones"],
        )  # fmt: skip
        readings = collect(mixed(out.burden), response, "P", settings=fraction_settings)
        whole = fit_course(readings, therapy, "P", days=[v.day for v in series], settings=fraction_settings, seed=1)
        return Told(
            out.fractions, out.burden, out.draws, dynamics, labels, course,
            resistance(malignant, of, day_of, dynamics, therapy, names, mixed),
            latent_growth(whole, series, dynamics, seed=1, patient="P"),
        )  # fmt: skip

    def resistance(malignant, of, day_of, dynamics, therapy, names, mixed):
        """TNFRSF17 is silent in c10 from the third sample on, and read twice in every other cell."""
        depth = pd.Series(5000.0, index=malignant["cell"])
        cells = tumour_cells(mixed(malignant), mixed(of), depth, day_of)
        silent = (cells["clone"] == names.get("c10", "c10")) & cells["sample"].isin(["c", "d"])
        counts = pd.DataFrame({"TNFRSF17": np.where(silent, 0, 2)})
        arms = [
            ("c1", "chr1", "q", 3, 0.99, 0.3, "gain"), ("c2", "chr1", "q", 4, 0.99, 0.6, "gain"),
            ("c10", "chr17", "p", 1, 0.99, -0.6, "loss"), ("c2", "chr17", "p", 2, 0.99, 0.0, "neutral"),
        ]  # fmt: skip
        arms = pd.DataFrame(arms, columns=["clone", "chromosome", "arm", "state", "posterior", "log2_ratio", "call"])
        return assess_resistance(
            cells, counts, arms=mixed(arms.assign(clone=arms["clone"].replace(names))), dynamics=mixed(dynamics),
            therapy=therapy, panel=mixed(PANEL), patient="P", settings=defaults["assess_resistance"],
        )  # fmt: skip

    return go


KEYS = {
    "fractions": ["sample", "clone"], "burden": ["sample", "day", "source", "note"],
    "dynamics": ["from_day", "clone"], "labels": ["day", "clone", "label"], "trajectory": ["from_day", "to_day"],
    "resistance": ["day", "clone", "drug_class", "marker", "evidence_type"], "latent": ["from_day", "clone"],
}  # fmt: skip


def in_order(told, table):
    frame = getattr(told, table)
    return frame.sort_values(KEYS[table], kind="stable", ignore_index=True)


def same(one, two, table, back=None):
    """Equal up to the rounding of sums whose order differs."""
    frame = getattr(two, table)
    two = frame if back is None or "clone" not in frame else frame.assign(clone=frame["clone"].replace(back))
    first = in_order(one, table)
    second = two.sort_values(KEYS[table], kind="stable", ignore_index=True)
    assert len(first)
    pd.testing.assert_frame_equal(first, second, rtol=1e-9, atol=1e-12)


# --- names and rows ---------------------------------------------------------------------


@pytest.mark.parametrize("table", KEYS)
def test_names_of_clones_are_only_names(tell, table):
    back = {v: k for k, v in NAMES.items()}
    same(tell(), tell(names=NAMES), table, back)


@pytest.mark.parametrize("table", KEYS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_says_nothing(tell, table, seed):
    same(tell(), tell(shuffle=seed), table)


def test_clones_of_equal_size_differ_by_their_draws_alone(tell):
    """Nothing but the name orders them: the draws change hands, and agree within their Monte Carlo error."""
    cells = {s: {"c1": 60, "c2": 60, "c10": 25} for s in ("a", "b")}
    one = tell(cells=cells, days=DAYS[:2], sure=1.0).draws
    swap = {"c1": "c2", "c2": "c1"}
    two = tell(cells=cells, days=DAYS[:2], sure=1.0, names=swap).draws
    # p ~ Beta(60.5, 86): SE of the mean of n draws each
    n = one["draw"].nunique()
    error = stats.beta(60.5, 86).std() * np.sqrt(2 / n)
    means = [t.groupby(["sample", "clone"])["fraction"].mean().drop("c10", level=1) for t in (one, two)]
    exchanged = means[1].rename(swap, level=1).reindex(means[0].index)
    assert np.abs(means[0] - exchanged).max() < 4 * error
    # the third clone's draws are its own
    third = [t[t["clone"] == "c10"]["fraction"].to_numpy() for t in (one, two)]
    assert np.abs(third[0].mean() - third[1].mean()) < 4 * stats.beta(25.5, 121).std() * np.sqrt(2 / n)


def test_two_responses_of_one_day_do_not_depend_on_their_order(clinical):
    rows = [{"patient": "P", "day": 180, "response": r} for r in ("VGPR", "PD")]
    one, two = clinical("response", rows), clinical("response", rows[::-1])
    assert is_deep(one, "P", 200) is is_deep(two, "P", 200) is False  # deep only where nothing denies it
    assert is_deep(clinical("response", rows[:1] * 2), "P", 200)


# --- the unit of time -------------------------------------------------------------------


def log10_sd(lower, upper):
    return (np.log10(upper) - np.log10(lower)) / (2 * stats.norm.ppf(0.975))


def quantile_error(q, sd, n):
    """Four SE of the difference of two quantiles of ``n`` draws each, of about normal draws with this SD."""
    return 4 * np.sqrt(2 * q * (1 - q) / n) / stats.norm.pdf(stats.norm.ppf(q)) * sd


@pytest.mark.parametrize("factor", [2, 3])
def test_fractions_fitness_and_burden_of_captures_do_not_know_the_unit(tell, factor):
    """Streams of captures are keyed by sample: equal to the last draw, and growth is divided by the factor."""
    one, two = tell(assays=False), tell(factor, assays=False)
    for table in ("fractions", "burden"):
        same(one, two_days(two, factor), table)
    days, per_month = ["from_day", "to_day"], list(PER_MONTH)
    first, second = one.dynamics, two.dynamics
    assert (second[days] == factor * first[days]).all(axis=None)
    np.testing.assert_allclose(second[per_month], first[per_month] / factor, rtol=1e-9)
    np.testing.assert_allclose(second[["months", "doubling_months"]], factor * first[["months", "doubling_months"]])
    rest = [c for c in first.columns if c not in {*days, *per_month, "months", "doubling_months"}]
    pd.testing.assert_frame_equal(first[rest], second[rest])  # p_growing, bounds, cells, treatment
    assert set(first["therapy_context"]) == {"on therapy", "off therapy", "mixed"} and first["bound"].nunique() > 1
    same(one, two_days(two, factor), "trajectory")


def two_days(told, factor):
    """The tables with their days divided by the factor."""
    frames = {}
    for name in told.__dataclass_fields__:
        frame = getattr(told, name)
        days = [c for c in ("day", "from_day", "to_day") if c in frame]
        frames[name] = frame.assign(**{c: (frame[c] // factor).astype(frame[c].dtype) for c in days})
    return Told(**frames)


@pytest.mark.parametrize("factor", [2, 3])
def test_burden_and_growth_of_assays_agree_within_monte_carlo_error(tell, factor):
    """Streams of assays are keyed by day: other draws of the same law."""
    one, two = tell(), two_days(tell(factor), factor)
    n = one.draws["draw"].nunique()
    first, second = in_order(one, "burden"), in_order(two, "burden")
    fixed = ["sample", "source", "day", "used", "limit_of_detection", "is_bound", "note"]
    pd.testing.assert_frame_equal(first[fixed], second[fixed])
    assert set(first.loc[first["used"], "source"]) == {"NGS", "scRNA unsorted"}
    known = first["burden"].notna()
    sd = log10_sd(first.loc[known, "burden_lower"], first.loc[known, "burden_upper"])
    for column, q in (("burden_lower", 0.025), ("burden", 0.5), ("burden_upper", 0.975)):
        apart = np.abs(np.log10(second.loc[known, column]) - np.log10(first.loc[known, column]))
        assert (apart <= quantile_error(q, sd, n)).all(), column
    shares = ["sample", "clone", "n_clone", "fraction", "lower", "upper", "n_expected", "burden_source"]
    pd.testing.assert_frame_equal(in_order(one, "fractions")[shares], in_order(two, "fractions")[shares])
    first, second = in_order(one, "dynamics"), in_order(two, "dynamics")
    np.testing.assert_allclose(second["relative_fitness"] * factor, first["relative_fitness"], rtol=1e-9)
    known = first["bound"] == ""
    assert known.sum() >= 4
    first, second = first[known], second[known]
    sd = (first["upper"] - first["lower"]) / (2 * stats.norm.ppf(0.975))
    for column, q in (("lower", 0.025), ("growth_per_month", 0.5), ("upper", 0.975)):
        assert (np.abs(factor * second[column] - first[column]) <= quantile_error(q, sd, n)).all(), column
    p = first["p_growing"]
    assert (np.abs(second["p_growing"] - p) <= 4 * np.sqrt(2 * (p * (1 - p) / n + 1 / n**2))).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_evidence_of_resistance_does_not_know_the_unit(tell, factor):
    one, two = tell(assays=False), two_days(tell(factor, assays=False), factor)
    first, second = in_order(one, "resistance"), in_order(two, "resistance")
    grown = first["evidence_type"] == "phenotype"
    assert {"loss"} <= set(first["call"]) and {"grew on drug", "shrank on drug"} & set(first.loc[grown, "call"])
    rates = ["value", "lower", "upper"]
    np.testing.assert_allclose(second.loc[grown, rates] * factor, first.loc[grown, rates], rtol=1e-9)
    rest = [c for c in first.columns if c not in ("note", *rates)]
    pd.testing.assert_frame_equal(first[rest], second[rest])
    pd.testing.assert_frame_equal(first.loc[~grown], second.loc[~grown])


def test_labels_know_the_unit_because_they_speak_of_months(tell):
    """A doubling within a year is none when all days are 20 times as long: science 4.5 says months, not visits."""
    one, two = tell().labels, tell(20).labels
    assert EXPANDING in set(one["label"]) and EXPANDING not in set(two["label"])
    # what asks for no rate stays: a clone is lost, and there again, at any pace
    for label in (LOST, RE_EMERGENT):
        assert [set(t.loc[t["label"] == label, "clone"]) for t in (one, two)] == [{"c10"}, {"c10"}]


def test_an_assay_serves_a_sample_within_days_not_within_visits(cohort, clinical, defaults):
    settings = defaults["estimate_fractions"]
    near = settings["days_before"]

    def source(factor):
        samples = {"a": {"timepoint": "x", "day": 100 * factor, "compartment": "BM", "sort": "CD138+"}}
        mrd = [{"patient": "P", "day": (100 - near) * factor, "assay": "NGS", "result": "positive",
                "cells_analysed": 1e6, "events": 900.0}]  # fmt: skip
        out = patient_fractions(
            patient="P", samples=samples, **cohort({"a": (500, 50, {"c1": 90})}), healthy=[],
            mrd=clinical("mrd", mrd), response=clinical("response"), settings=settings, seed=1,
        )  # fmt: skip
        return out.fractions["burden_source"].iloc[0]

    assert source(1) == "NGS" and source(2) != "NGS"


def test_serum_lags_by_days_of_a_half_life_not_by_visits(clinical, defaults):
    """An M-protein that halved is read with twice the error within ``serum_lag_days``, and as it is later on."""
    settings = defaults["estimate_fractions"]
    lag = settings["serum_lag_days"]

    def readings(factor):
        response = [
            {"patient": "P", "day": d * factor, "m_protein": m, "m_protein_unit": "g/L"}
            for d, m in ((0, 40.0), (lag, 10.0), (2 * lag, 2.5))
        ]
        burden = pd.DataFrame([{
            "day": 0, "source": "NGS", "burden": 0.3, "burden_lower": 0.1, "burden_upper": 0.9,
            "limit_of_detection": 1e-6, "sample": "a", "note": "",
        }])  # fmt: skip
        return collect(burden, clinical("response", response), "P", settings=settings)

    one, two = readings(1), readings(2)
    np.testing.assert_allclose(one.y, two.y)
    serum = one.kind > 0
    assert (one.sd[serum] > two.sd[serum]).sum() == 2 and (one.sd[~serum] == two.sd[~serum]).all()


# --- the course through all assays ------------------------------------------------------


def straight(factor, rate=0.08, seed=3):
    """Assays of every 60 (times ``factor``) days of a tumour that grows by ``rate`` log10 a month (by ``factor``)."""
    rng = np.random.default_rng(seed)
    days = np.arange(0, 1201, 60)
    level = -3.5 + rate * days / 30.4375 + rng.normal(0, 0.15, days.size) + rng.normal(0, 0.3, days.size)
    half = 1.96 * np.hypot(0.15, 0.3)
    return pd.DataFrame({
        "day": days * factor, "source": "NGS", "burden": 10**level, "burden_lower": 10 ** (level - half),
        "burden_upper": 10 ** (level + half), "limit_of_detection": 1e-6, "sample": "", "note": "",
    })  # fmt: skip


@pytest.fixture
def course(clinical, defaults):
    def go(factor, slower=1):
        settings = {**defaults["estimate_fractions"], "draws": 1500}
        settings["course_treatment_bend"] /= slower
        readings = collect(straight(factor), clinical("response"), "P", settings=settings)
        therapy = clinical(
            "therapy",
            [{"patient": "P", "start": 300 * factor, "stop": 500 * factor, "regimen": "R", "classes": "IMiD"}],
        )
        days = [d * factor for d in (0, 600, 1200)]
        return fit_course(readings, therapy, "P", days=days, settings=settings, seed=1)

    return go


def test_a_course_knows_the_unit_by_its_stated_bends_alone(course, monkeypatch):
    """With the scales of its slopes divided by the factor it is the same course, draw by draw."""
    one, factor = course(1), 3
    for name in ("BENDS", "SLOPE_SD"):
        monkeypatch.setattr(latent, name, getattr(latent, name) / factor)
    monkeypatch.setattr(latent, "APART", latent.APART * factor)
    two = course(factor, slower=factor)
    np.testing.assert_array_equal(two.knots, factor * one.knots)
    np.testing.assert_allclose(two.draws, one.draws, atol=1e-6)
    np.testing.assert_allclose(two.at([450 * factor]), one.at([450]), rtol=1e-5)


def test_where_assays_say_enough_the_course_grows_by_the_unit(course):
    """As they stand the scales are per month: 21 assays outweigh them, the interval's width still knows them."""
    growth = {}
    for factor in (1, 3):
        ends = np.log10(course(factor).at([0, 1200 * factor]))
        growth[factor] = ends[:, 1] - ends[:, 0]
    assert np.median(growth[1]) == pytest.approx(0.08 * 1200 / 30.4375, abs=4 * growth[1].std())
    assert abs(np.median(growth[3]) - np.median(growth[1])) < growth[1].std()
