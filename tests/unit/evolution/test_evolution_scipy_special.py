"""What is written with scipy.special, because scipy.stats is slow to load, is what scipy.stats gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from marrowclone.copy_number.states import t_logpdf
from marrowclone.evolution.statistics import cells_for_events, clopper_pearson, detection_power
from marrowclone.intervals import jeffreys


@pytest.mark.parametrize(("x", "n"), [(0, 1), (1, 1), (0, 12), (3, 7), (7, 7), (120, 4000), (1, 10_000_000)])
def test_intervals_are_those_of_the_beta_distribution(x: int, n: int) -> None:
    """Both ends, at the edges and between."""
    tail = 0.025
    posterior = stats.beta(x + 0.5, n - x + 0.5)
    expected = (0.0 if x == 0 else posterior.ppf(tail), 1.0 if x == n else posterior.isf(tail))
    assert jeffreys(x, n) == pytest.approx(expected, rel=1e-12), "Jeffreys"
    exact = (
        0.0 if x == 0 else stats.beta.ppf(tail, x, n - x + 1),
        1.0 if x == n else stats.beta.isf(tail, x + 1, n - x),
    )
    assert clopper_pearson(x, n) == pytest.approx(exact, rel=1e-12), "Clopper-Pearson"


@pytest.mark.parametrize("burden", [0.0, 1e-6, 0.003, 0.5, 1.0])
@pytest.mark.parametrize(("n", "least"), [(0, 1), (0, 0), (5, 1), (5, 5), (5, 6), (3000, 20), (10_000_000, 20)])
def test_power_is_the_binomial_tail(n: int, least: int, burden: float) -> None:
    """Also where no cell was looked at, and where more are asked for than there are."""
    expected = float(stats.binom.sf(least - 1, n, burden))
    assert detection_power(n, burden, at_least=least) == pytest.approx(expected, rel=1e-10, abs=1e-300)


def test_cells_for_events_is_a_gamma_quantile() -> None:
    """Waiting for 20 events takes a gamma-distributed number of cells."""
    expected = stats.gamma.ppf(0.95, 20) / 1e-5
    assert cells_for_events(1e-5, events=20, power=0.95) == pytest.approx(expected, rel=1e-12)


def test_t_density_is_that_of_student() -> None:
    """Finite values to the last digit that tables show; a missing residual stays missing."""
    x = np.array([[-30.0, -1.5, 0.0], [0.2, 8.0, np.nan]])
    np.testing.assert_allclose(t_logpdf(x, 4.0), stats.t.logpdf(x, df=4.0), rtol=1e-13, equal_nan=True)
