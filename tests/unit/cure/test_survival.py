"""Survival arithmetic against textbook sums, statsmodels, and simulations by another model than the fitted one."""

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from marrowclone.cure.mixture import fit_mixture_cure, follow_up_test
from marrowclone.cure.survival import auc_at, brier, censoring_survival, concordance


def cohort(n, pi, seed, *, months=(100, 160), uncured=lambda rng, n: rng.gamma(2.0, 14.0, n)):
    """Cured never progress; the others by a gamma law (the fit assumes Weibull); censoring is uniform."""
    rng = np.random.default_rng(seed)
    cured = rng.uniform(size=n) < pi
    true = np.where(cured, np.inf, uncured(rng, n))
    stop = rng.uniform(*months, n)
    return np.minimum(true, stop), true <= stop


@pytest.mark.parametrize("pi", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mixture_cure_finds_the_simulated_fraction(pi, seed):
    """+/- .05 at 1,000, of which sampling alone allows .03 (95%) at pi = .3; no warning with 8 to 13 years."""
    time, event = cohort(1000, pi, seed)
    found = fit_mixture_cure(time, event)
    assert found.fraction(np.empty((1, 0)))[0] == pytest.approx(pi, abs=0.05)
    assert found.warnings == () and found.aic < found.aic_without_cure - 10


def test_at_300_patients_the_mean_of_many_cohorts_is_unbiased():
    """One cohort of 300 has a sampling error of .026 by itself: the bound of .05 holds for nearly all of 20."""
    errors = []
    for seed in range(20):
        time, event = cohort(300, 0.3, 100 + seed)
        errors.append(fit_mixture_cure(time, event).fraction(np.empty((1, 0)))[0] - 0.3)
    assert abs(np.mean(errors)) < 0.015
    assert np.mean(np.abs(errors) <= 0.05) >= 0.9


def test_short_follow_up_warns():
    time, event = cohort(400, 0.3, 5, months=(12, 30))
    assert any("follow-up too short" in w for w in fit_mixture_cure(time, event).warnings)


def test_nobody_cured_is_told_by_aic_or_a_fraction_near_nothing():
    time, event = cohort(400, 0.0, 6, uncured=lambda rng, n: 20 * rng.weibull(1.3, n))
    found = fit_mixture_cure(time, event)
    assert found.fraction(np.empty((1, 0)))[0] < 0.02
    assert any("without cure" in w for w in found.warnings)


def test_a_covariate_of_cure_is_found():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(1500, 1))
    pi = 1 / (1 + np.exp(1.0 - 1.2 * x[:, 0]))
    true = np.where(rng.uniform(size=1500) < pi, np.inf, rng.gamma(2.0, 14.0, 1500))
    stop = rng.uniform(100, 160, 1500)
    found = fit_mixture_cure(np.minimum(true, stop), true <= stop, x)
    assert found.coefficients == pytest.approx([-1.0, 1.2], abs=0.25)


def test_follow_up_test_is_maller_and_zhous():
    """Events to month 10, followed to month 14: those later than 2*10 - 14 = 6 count, 4 of 20."""
    time = np.concatenate([np.arange(1.0, 11.0), np.full(10, 14.0)])
    assert follow_up_test(time, time < 11) == pytest.approx((1 - 4 / 20) ** 20)


def test_concordance_without_censoring_counts_pairs():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, True, False])
    assert concordance(time, event, np.array([1, 2, 3, 4]), until=99) == 1.0
    assert concordance(time, event, np.array([4, 3, 2, 1]), until=99) == 0.0
    assert concordance(time, event, np.array([1, 1, 1, 1]), until=99) == 0.5
    assert concordance(time, event, np.array([1, 3, 2, 4]), until=99) == pytest.approx(5 / 6)
    assert np.isnan(concordance(time, np.zeros(4, bool), time, until=99))


def test_censoring_curve_is_the_textbook_one():
    """Kaplan-Meier with the roles turned, by statsmodels (no ties between events and censorings)."""
    rng = np.random.default_rng(4)
    time, event = rng.uniform(0, 10, 80), rng.uniform(size=80) < 0.5
    curve = SurvfuncRight(time, (~event).astype(int))
    at = curve.surv_times + 1e-9
    assert censoring_survival(time, event, at) == pytest.approx(curve.surv_prob)


def test_brier_is_the_mean_square_without_censoring_and_unbiased_with():
    time = np.array([1.0, 5.0, 9.0, 12.0])
    free = np.array([0.2, 0.1, 0.6, 0.9])
    everyone = np.ones(4, bool)
    assert brier(time, everyone, free, at=8) == pytest.approx(np.mean((np.array([0, 0, 1, 1]) - free) ** 2))
    rng = np.random.default_rng(3)
    true = rng.exponential(30, 20_000)
    stop = rng.uniform(0, 60, 20_000)
    constant = np.full(20_000, np.exp(-24 / 30))
    whole = brier(true, np.ones(20_000, bool), constant, at=24)
    assert brier(np.minimum(true, stop), true <= stop, constant, at=24) == pytest.approx(whole, abs=0.01)


def test_auc_counts_pairs_and_is_unbiased_under_censoring():
    time, event = np.array([1.0, 2.0, 30.0, 40.0]), np.array([True, True, True, False])
    assert auc_at(time, event, np.array([1, 2, 3, 4]), at=24) == 1.0
    assert auc_at(time, event, np.array([3, 1, 2, 4]), at=24) == pytest.approx(3 / 4)
    assert auc_at(time, event, np.ones(4), at=24) == 0.5
    assert np.isnan(auc_at(time, event, np.ones(4), at=0.5)) and np.isnan(auc_at(time, event, np.ones(4), at=99))
    rng = np.random.default_rng(8)
    score = rng.normal(size=6000)
    true, stop = rng.exponential(30 * np.exp(score)), rng.uniform(0, 60, 6000)
    whole = auc_at(true, np.ones(6000, bool), score, at=24)
    assert auc_at(np.minimum(true, stop), true <= stop, score, at=24) == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("x", [None, np.zeros((50, 1))])
def test_without_events_and_where_nothing_converges_there_is_no_fraction(x):
    time = np.random.default_rng(1).uniform(1, 100, 50)
    for when, event, words in (
        (time, np.zeros(50, bool), "no event"),
        (np.zeros(50), np.arange(50) % 2 == 0, "did not converge"),
    ):
        fit = fit_mixture_cure(when, event, x)
        assert np.isnan(fit.coefficients).all() and words in fit.warnings[0]
