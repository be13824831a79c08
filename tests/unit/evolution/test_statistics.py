"""Detection statistics against the worked numbers of science.md 4.3, 4.6 and 5.4."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marrowclone import intervals
from marrowclone.evolution import statistics as S


@pytest.mark.parametrize(
    ("n", "bound"),
    [(1e3, 3.0e-3), (5e3, 6.0e-4), (1e4, 3.0e-4), (2e4, 1.5e-4), (5e4, 6.0e-5), (1e5, 3.0e-5), (3e5, 1.0e-5), (3e6, 1.0e-6), (1e7, 3.0e-7)],
)  # fmt: skip
def test_zero_of_n_table(n, bound):
    # table of 5.4, printed with two significant digits
    assert S.zero_of_n_upper(n) == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize(("n", "percent"), [(10, 26), (50, 5.8), (100, 3.0), (150, 2.0), (300, 1.0)])
def test_zero_cycling_bounds(n, percent):
    # 4.3: 95% upper bound on the cycling share with none cycling, as printed
    assert round(100 * S.zero_of_n_upper(n), 0 if percent == 26 else 1) == percent


def test_tpot_of_4_3():
    # phi 1% -> 52 d, 0.2% -> 260 d; more than 365 d needs phi < 0.14%, that is 3/phi = 2,100 cells
    assert round(S.doubling_from_cycling(0.01)) == 52
    assert round(S.doubling_from_cycling(0.002)) == 260
    phi = math.log(2) * S.DAYS_SG2M / 365
    assert phi == pytest.approx(0.0014, abs=5e-5)
    assert 3 / phi == pytest.approx(2100, rel=0.01)


@pytest.mark.parametrize(
    ("x", "n", "cp", "jeffreys"),
    [
        (0, 150, (0, 0.0243), (None, 0.0166)),
        (3, 500, (0.00124, 0.0174), (0.00169, 0.0159)),
        (5, 10_000, (1.62e-4, 1.17e-3), (1.91e-4, 1.10e-3)),
        (2, 20_000, (1.21e-5, 3.61e-4), (2.08e-5, 3.21e-4)),
        (20, 1e7, (1.22e-6, 3.09e-6), None),
        (50, 1e7, (3.7e-6, 6.6e-6), None),  # 5.2, two digits
    ],
)
def test_interval_vectors(x, n, cp, jeffreys):
    tolerance = 0.01  # printed with two or three significant digits
    assert S.clopper_pearson(x, n) == pytest.approx(cp, rel=tolerance)
    if jeffreys is not None:
        lower, upper = intervals.jeffreys(x, n)
        assert upper == pytest.approx(jeffreys[1], rel=tolerance)
        assert lower == (0 if jeffreys[0] is None else pytest.approx(jeffreys[0], rel=tolerance))


def test_zero_of_n_two_sided_and_jeffreys_multiples():
    # 5.4: 3.69/N (Clopper-Pearson, 97.5%) and 1.92/N (95% quantile of the Jeffreys posterior)
    n = 1_000_000
    assert S.clopper_pearson(0, n)[1] * n == pytest.approx(3.69, abs=0.005)
    draws = S.jeffreys_draws(0, n, draws=400_000, rng=np.random.default_rng(1))
    assert np.quantile(draws, 0.95) * n == pytest.approx(1.92, abs=0.03)  # Monte Carlo SE about 0.007


@pytest.mark.parametrize(
    ("n", "burden", "at_least", "power"),
    [
        (10_000, 1e-3, 1, 1.00), (10_000, 1e-3, 5, 0.97), (10_000, 1e-3, 10, 0.54), (10_000, 3e-4, 1, 0.95),
        (10_000, 3e-4, 5, 0.19), (10_000, 3e-4, 10, 0.00), (10_000, 1e-4, 1, 0.63), (10_000, 1e-4, 5, 0.00),
        (10_000, 1e-5, 1, 0.10), (20_000, 1e-4, 1, 0.86), (20_000, 1e-4, 5, 0.05), (20_000, 1e-4, 10, 0.00),
    ],
)  # fmt: skip
def test_detection_power(n, burden, at_least, power):
    # two digits as printed; the printed .19 for 5 of 10,000 at 3e-4 is 0.1847, exact and Poisson alike
    assert S.detection_power(n, burden, at_least=at_least) == pytest.approx(power, abs=0.0055)


@pytest.mark.parametrize(("burden", "cells"), [(1e-4, 2.8e5), (1e-5, 2.8e6), (1e-6, 2.8e7)])
def test_cells_for_twenty_events(burden, cells):
    assert S.cells_for_events(burden) == pytest.approx(cells, rel=0.02)


# Expected UMI per 5,000 non-Ig UMI as printed in 4.6, its rounding, and the cells it states.
# The stated cells belong to unrounded counts; so some number within the rounding must give them.
CELLS = [
    ("TNFRSF17", 1.98, 0.005, 5), ("SLAMF7", 1.22, 0.005, 7), ("CD38", 0.87, 0.005, 10), ("FCRL5", 0.42, 0.005, 18),
    ("GPRC5D", 0.17, 0.0055, 44), ("SDC1", 1.43, 0.005, 6), ("CD59", 2.5, 0.05, 4), ("CD55", 1.1, 0.05, 8),
    ("XBP1", 9.8, 0.05, 2), ("PSMB5", 0.50, 0.005, 16), ("CRBN", 0.17, 0.0055, 44), ("IKZF1", 0.24, 0.005, 30),
    ("BCL2", 0.31, 0.005, 24), ("BCL2L1", 0.15, 0.005, 48), ("MCL1", 3.9, 0.05, 3), ("ABCB1", 0.02, 0.005, 325),
]  # fmt: skip


@pytest.mark.parametrize(("gene", "mu", "rounding", "cells"), CELLS)
def test_cells_needed_for_silence(gene, mu, rounding, cells):
    possible = {S.cells_needed(m) for m in np.linspace(mu - rounding, mu + rounding, 201)}
    assert cells in possible


@pytest.mark.parametrize(("mu", "cells"), [(1.98, 5), (1.22, 7), (0.87, 10), (0.42, 18), (0.1648, 44), (0.0214, 325)])
def test_cells_needed_exactly(mu, cells):
    # GPRC5D and ABCB1 with the digits that 4.6 drops (0.1648 prints as 0.16 or 0.17, 0.0214 as 0.02)
    assert S.cells_needed(mu, phi=0.5, p=1e-3) == cells


@given(st.integers(1, 10**7))
def test_zero_of_n_is_a_bound(n):
    # at the bound, seeing none has exactly the probability 5%
    assert n * math.log1p(-S.zero_of_n_upper(n)) == pytest.approx(math.log(0.05), rel=1e-6)


def test_nothing_looked_at_bounds_nothing():
    assert S.zero_of_n_upper(0) == 1.0
    assert S.clopper_pearson(0, 0) == (0.0, 1.0)
    assert intervals.jeffreys(0, 0) == (0.0, 1.0)
