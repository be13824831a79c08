"""The hidden Markov model: against all paths counted one by one, and what it calls a break."""

from itertools import product

import numpy as np
import pytest

from marrowclone.copy_number import hmm, joint, states

NOISE = 0.12


def chromosomes(*lengths):
    """chr1 p and q, chr2 p and q ... with so many bins each."""
    names = [(f"chr{i // 2 + 1}", "pq"[i % 2]) for i in range(len(lengths))]
    return [n for (n, _), k in zip(names, lengths, strict=True) for _ in range(k)], [
        a for (_, a), k in zip(names, lengths, strict=True) for _ in range(k)
    ]


def decoded(ratio, lengths, *, sd=NOISE, arm_sd=0.05, dosage=0.8):
    names, arm = chromosomes(*lengths)
    ratio = np.atleast_2d(ratio)
    return hmm.decode(ratio, np.full(ratio.shape, sd), names, arm, dosage=dosage, arm_sd=arm_sd, prior_neutral=0.8)


def test_posteriors_equal_the_sum_over_all_paths(monkeypatch):
    # three bins of p, one of q; three states that matter; two offsets: every path counted by hand
    monkeypatch.setattr(hmm, "OFFSETS", np.array([-1.0, 1.0]))
    ratio = np.array([0.05, 0.45, 0.5, 0.1])
    got = decoded(ratio, (3, 1), arm_sd=0.06)
    prior = states.state_prior(0.8)
    inside = joint.given_trunk(prior, departs=hmm.BREAKS / 3)
    across = joint.WHOLE * np.eye(6) + (1 - joint.WHOLE) * prior
    mean = states.expected_log2_ratio(0.8)
    sd = np.sqrt(NOISE**2 + (joint.EVENT_SPREAD * mean) ** 2)

    def seen(b, c, u):
        return np.exp(states.t_logpdf(np.array((ratio[b] - mean[c] - 0.06 * u) / sd[c]), states.T_DF)) / sd[c]

    total, marginal, same, best = 0.0, np.zeros((4, 6)), 0.0, (0.0, ())
    for path in product(range(6), repeat=4):
        for u, v in product((-1.0, 1.0), repeat=2):
            weight = prior[path[0]] * 0.25 * inside[path[0], path[1]] * inside[path[1], path[2]]
            weight *= across[path[2], path[3]]
            weight *= seen(0, path[0], u) * seen(1, path[1], u) * seen(2, path[2], u) * seen(3, path[3], v)
            total += weight
            marginal[range(4), path] += weight
            same += weight if len(set(path[:3])) == 1 else 0.0
            best = max(best, (weight, path))
    np.testing.assert_allclose(got.posterior[0], marginal / total, atol=1e-9)
    assert got.unbroken[0, 0] == pytest.approx(same / total, abs=1e-9)
    assert got.unbroken[0, 1] == pytest.approx(1.0)
    assert tuple(got.path[0]) == best[1]


def noisy(means, seed):
    return np.asarray(means) + np.random.default_rng(seed).normal(0, NOISE, len(means))


def test_a_break_inside_an_arm_is_found_where_it_is():
    found = 0
    for seed in range(20):
        got = decoded(noisy([0] * 6 + [0] * 6 + [0.485] * 6 + [0] * 5, seed), (6, 12, 5))
        found += got.unbroken[0, 1] < 0.1 and abs(int(np.argmax(got.path[0] == 3)) - 12) <= 1
        assert got.unbroken[0, 0] > 0.5
    assert found >= 18


def test_a_shifted_arm_is_neither_broken_nor_an_event_by_its_many_bins():
    for seed in range(20):
        got = decoded(noisy([0] * 5 + [0.12] * 20, seed), (5, 20))
        assert got.unbroken[0, 1] > 0.5
        assert got.posterior[0, 5:, 2].mean() > 0.5


def test_no_break_in_noise():
    broken = sum((decoded(noisy([0] * 40, seed), (8, 12, 6, 14)).unbroken < 0.1).sum() for seed in range(50))
    assert broken <= 2  # of 200 arms


def test_missing_bins_say_nothing_and_groups_do_not_touch_each_other():
    one, two = noisy([0.485] * 10, 1), noisy([0] * 10, 2)
    both = decoded(np.vstack([one, two]), (4, 6))
    np.testing.assert_allclose(both.posterior[0], decoded(one, (4, 6)).posterior[0])
    one[3] = np.nan
    got = decoded(one, (4, 6))
    assert np.isfinite(got.posterior).all() and got.path[0, 3] == 3
