"""The formulas: the nine archetypes of science 8.6 and the shape of each component."""

import numpy as np
import pytest

from marrowclone.cure import components, tiers
from marrowclone.cure.combine import combine, draw_structure, power_mean, weights
from marrowclone.cure.function import RANK
from marrowclone.cure.stream import stream
from marrowclone.cure.tiers import Facts
from unit.cure.cure_cases import defaults

N = 20_000
IMAGING = {"negative": 1.0, "unknown": 0.85, "positive": 0.4}


def neg(cells):
    return lambda rng: rng.beta(0.5, cells + 0.5, N)


def pos(level):
    return lambda rng: np.minimum(level * 10 ** rng.normal(0, 0.25, N), 1.0)


# L, S, img, TFI, PF, summary, nTCI, r (mean, sd), threat (a, b), E, S_stable; B as L (science 8.6)
INPUT = {
    "A": (pos(0.3), 0, "positive", 0, 0, 60, 6, (0.35, 0.1), (8, 3), 0.1, 0),
    "B": (pos(1e-3), 0, "negative", 0, 9, 72, 4, (0.0, 0.1), (5, 5), 1, 0),
    "C": (neg(3e5), 0, "unknown", 0, 14, 78, 2, (0.0, 0.15), (4, 6), 1, 0),
    "H": (pos(3e-5), 0, "negative", 20, 36, 84, 1, (0.23, 0.06), (8, 3), 1, 0),
    "D": (neg(3e6), 14, "negative", 0, 30, 80, 2, (0.0, 0.1), (3, 7), 1, 0),
    "G": (pos(2e-4), 0, "negative", 72, 80, 86, 1, (0.0, 0.01), (2, 14), 1, 72),
    "F'": (neg(3e6), 62, "negative", 61, 62, 50, 8, (0.0, 0.05), (2, 8), 1, 0),
    "E": (neg(3e6), 40, "negative", 30, 60, 86, 1, (0.0, 0.05), (2, 8), 1, 0),
    "F": (neg(3e6), 62, "negative", 61, 62, 88, 0, (0.0, 0.05), (2, 8), 1, 0),
}
# D, C, F, Q, CSS, param 90%, weights 90%, arithmetic, harmonic (science 8.6)
EXPECTED = {
    "A": (0.00, 0.26, 0.00, 0.48, 6, (5, 7), (4, 11), 16, 3),
    "B": (0.10, 0.60, 0.11, 0.68, 22, (18, 25), (15, 31), 32, 16),
    "C": (0.34, 0.99, 0.17, 0.81, 41, (38, 43), (32, 53), 51, 33),
    "H": (0.25, 0.51, 0.44, 0.90, 43, (39, 47), (35, 52), 48, 39),
    "D": (0.73, 1.00, 0.29, 0.83, 63, (62, 65), (53, 74), 69, 56),
    "G": (0.53, 0.94, 0.88, 0.92, 75, (73, 76), (68, 82), 77, 72),
    "F'": (0.98, 1.00, 0.83, 0.31, 75, (71, 79), (62, 87), 81, 67),
    "E": (0.94, 1.00, 0.58, 0.92, 84, (82, 85), (77, 90), 86, 82),
    "F": (0.98, 1.00, 0.83, 0.98, 94, (93, 95), (91, 97), 95, 94),
}


def archetype(name):
    level, months, imaging, free, progression_free, summary, problems, growth, threat, organ, stable = INPUT[name]
    rng = np.random.default_rng(7)
    residual, burden, r = level(rng), level(rng)[None], rng.normal(*growth, N)
    return {
        "D": components.residual_disease(
            residual, months_negative=months, imaging_factor=IMAGING[imaging], months_stable=stable, growth=r
        ),
        "C": components.clonal_control(burden, r[None], rng.beta(*threat, (1, N))),
        "F": np.full(N, components.functional_state(free, progression_free, organ)),
        "Q": components.quality_of_life(np.clip(rng.normal(summary, 5, N), 0, 100), problems / 14),
    }


def join(parts, *, settings, structural=None):
    structure = structural or draw_structure(np.random.default_rng(2), settings=settings)
    return combine(parts, [parts], [parts], structure, np.random.default_rng(3), settings=settings)


@pytest.mark.parametrize("name", INPUT)
def test_archetype_is_within_two_points(name):
    settings = defaults("score_landmarks", n_draws=N)
    parts, (d, c, f, q, css, interval, by_weight, arithmetic, harmonic) = archetype(name), EXPECTED[name]
    for letter, value in zip("DCFQ", (d, c, f, q), strict=True):
        # two decimals in the science; medians of medians-by-draw differ in the second
        assert np.median(parts[letter]) == pytest.approx(value, abs=0.02), letter
    score = join(parts, settings=settings)
    assert score.headline == pytest.approx(css, abs=2)
    assert (score.lower, score.upper) == (pytest.approx(interval[0], abs=2), pytest.approx(interval[1], abs=2))
    assert score.arithmetic == pytest.approx(arithmetic, abs=2)
    assert score.harmonic == pytest.approx(harmonic, abs=2)
    # weights alone, exponent 0: the bracketed band
    values = np.stack([parts[c] for c in "DCFQ"])
    drawn = draw_structure(np.random.default_rng(2), settings=settings).weight[:4]
    low, high = np.quantile(power_mean(values, drawn), [0.05, 0.95])
    assert (low, high) == (pytest.approx(by_weight[0], abs=2), pytest.approx(by_weight[1], abs=2))
    assert score.total_lower <= low + 0.5 and score.total_upper >= high - 0.5  # the total band holds the weights' band


def months(n):
    return round(n * 365 / 12)


BASE = {"response_known": True, "response_recent": True, "function_known": True, "imaging_recent": True}
TIERS = {
    "A": (Facts(**BASE, response=RANK["PD"], active=True, positive=True, imaging="positive"), "T0"),
    "B": (Facts(**BASE, response=RANK["VGPR"], positive=True, imaging="negative"), "T1"),
    "C": (Facts(**BASE, response=RANK["CR"], negative=True, imaging="unknown"), "T2"),
    "H": (Facts(**BASE, response=RANK["CR"], positive=True, imaging="negative", free_days=months(20)), "T1"),
    "D": (Facts(**BASE, response=RANK["CR"], negative=True, negative_days=months(14), imaging="negative"), "T3"),
    "G": (
        Facts(
            **BASE, response=RANK["VGPR"], positive=True, imaging="negative", free_days=months(72),
            progression_free_days=months(80), stable=True, stable_days=months(72),
        ),
        "T4b",
    ),
    "E": (
        Facts(
            **BASE, response=RANK["CR"], negative=True, negative_days=months(40), imaging="negative",
            free_days=months(30), progression_free_days=months(60),
        ),
        "T4a",
    ),
    "F": (
        Facts(
            **BASE, response=RANK["sCR"], negative=True, negative_days=months(62), imaging="negative",
            free_days=months(61), progression_free_days=months(62),
        ),
        "T5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TIERS)
def test_archetype_has_its_tier(name):
    settings = defaults("score_landmarks")
    facts, expected = TIERS[name]
    tier = int(tiers.assign(facts, settings=settings)[0])
    assert tiers.name(tier) + tiers.variant(tier, facts, settings=settings) == expected


def test_durability_half_life_is_the_sciences_row():
    # 12/24/36/60 months = .5/.75/.875/.97 of the durability credit
    assert components.credit(np.array([12, 24, 36, 60]), 12) == pytest.approx([0.5, 0.75, 0.875, 0.96875])


def test_depth_is_linear_in_logs_and_clipped():
    assert components.depth(np.array([1e-1, 1e-2, 1e-5, 1e-6, 1e-8, 0.0])) == pytest.approx([0, 0, 0.75, 1, 1, 1])


def test_control_under_therapy_earns_at_most_half():
    assert components.functional_state(0, 1e4, 1.0) == pytest.approx(0.5)
    assert components.functional_state(1e4, 1e4, 1.0) == pytest.approx(1.0)


def test_growth_only_ever_lowers_control_and_never_overflows():
    burden, threat = np.full((1, 3), 1e-5), np.full((1, 3), 0.5)
    c = components.clonal_control(burden, np.array([[-5.0, 0.0, 1e6]]), threat)
    assert c[0] == c[1] > c[2] == pytest.approx(0.5)


def test_every_clone_can_only_lower_control():
    rng = np.random.default_rng(0)
    burden, growth, threat = rng.uniform(0, 1, (3, 50)), rng.normal(0, 1, (3, 50)), rng.uniform(0, 1, (3, 50))
    two = components.clonal_control(burden[:2], growth[:2], threat[:2])
    assert (components.clonal_control(burden, growth, threat) <= two).all()


def test_power_mean_meets_the_textbook_means():
    values, weight = np.array([[0.25], [1.0]]), np.array([[0.5], [0.5]])
    assert power_mean(values, weight)[0] == pytest.approx(50)  # geometric
    assert power_mean(values, weight, exponent=1)[0] == pytest.approx(62.5)
    assert power_mean(values, weight, exponent=-1)[0] == pytest.approx(40)
    mixed = power_mean(np.repeat(values, 3, axis=1), weight, exponent=np.array([-1.0, 0.0, 1.0]))
    assert mixed == pytest.approx([40, 50, 62.5])


def test_missing_component_widens_withholds_and_lowers_coverage():
    settings = defaults("score_landmarks", n_draws=N)
    full = archetype("E")
    whole = join(full, settings=settings)
    base = weights(settings)
    for i, letter in enumerate("DCFQ"):
        rest = {k: v for k, v in full.items() if k != letter}
        score = join(rest, settings=settings)
        assert score.coverage == pytest.approx(1 - base[i])
        assert score.upper - score.lower > whole.upper - whole.lower
        assert score.total_upper - score.total_lower > whole.total_upper - whole.total_lower
        assert np.isnan(score.headline) == (letter == "D")  # 0.65 to 0.8 observed is enough, but not without D
        assert score.lower <= score.point <= score.upper
    assert np.isnan(join({"C": full["C"]}, settings=settings).headline)  # coverage 0.2
    nothing = join({}, settings=settings)
    assert nothing.coverage == 0 and np.isnan(nothing.lower)


def test_streams_differ_by_purpose_and_repeat():
    a = stream(1, "P", 3, "mrd").random(4)
    assert (a == stream(1, "P", 3, "mrd").random(4)).all()
    for other in [(2, "P", 3, "mrd"), (1, "Q", 3, "mrd"), (1, "P", 4, "mrd"), (1, "P", 3, "clones")]:
        assert (a != stream(*other).random(4)).all()
