"""The pass over cells against the model's formulas written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from marrowclone.clones.engine import Cells, Statistics
from marrowclone.clones.evidence import segment_evidence
from marrowclone.clones.model import Fit, Frame, build_frame, means, run_em, start
from unit.clones.clone_generator import make_patient
from unit.clones.test_clones_infer import EVENTS, SETTINGS


def stabilise(counts: np.ndarray, phi: np.ndarray) -> np.ndarray:
    return 2 / np.sqrt(phi) * np.arcsinh(np.sqrt(phi * (counts + 0.375)))


@pytest.fixture(scope="module")
def frame() -> Frame:
    p = make_patient({"dx": {"a": 60, "b": 40}, "mrd": {"a": 3, "b": 12}}, EVENTS)
    evidence = segment_evidence(
        p.counts, cells=p.cells, samples=p.samples, genes=p.genes, baseline=p.baseline, settings=SETTINGS
    )
    return build_frame(evidence, settings=SETTINGS)


@pytest.fixture(scope="module")
def fit(frame: Frame) -> Fit:
    rng = np.random.default_rng(2)
    n, b = frame.evidence.counts.shape
    return replace(
        start(frame, rng.dirichlet(np.ones(2), n)),
        mu=frame.trunk + rng.normal(0, 0.2, (2, b)), offset=rng.normal(0, 0.05, (2, b)),
        weight=np.array([[0.3, 0.7], [0.6, 0.4]]), covariance=np.diag(rng.uniform(0.8, 1.3, b)) + 0.05,
    )  # fmt: skip


def by_hand(frame: Frame, fit: Fit) -> tuple[np.ndarray, float, Statistics]:
    e, phi = frame.evidence, frame.dispersion
    inverse, (_, logdet) = np.linalg.inv(fit.covariance), np.linalg.slogdet(fit.covariance)
    level, log_p = stabilise(e.counts, phi), np.log(fit.weight)[e.sample]
    m = [means(e, mu, fit.offset) for mu in fit.mu]
    r = [level - stabilise(x, phi) for x in m]
    for j in range(fit.k):
        log_p[:, j] += -0.5 * (np.einsum("na,ab,nb->n", r[j], inverse, r[j]) + logdet + len(phi) * np.log(2 * np.pi))
    total = np.logaddexp.reduce(log_p, axis=1)
    p = np.exp(log_p - total[:, None])
    value = total.sum() - 0.5 * ((fit.offset / frame.tau[:, None]) ** 2).sum()
    onto = np.eye(len(e.samples))[e.sample].T
    info = np.stack([onto @ (p[:, [j]] * m[j] / (1 + phi * m[j])) for j in range(fit.k)])
    surplus = np.stack([onto @ (p[:, [j]] * (e.counts - m[j]) / (1 + phi * m[j])) for j in range(fit.k)])
    scatter = sum((r[j] * p[:, [j]]).T @ r[j] for j in range(fit.k))
    return p, value, Statistics(surplus, info, np.asarray(scatter), onto @ p)


def test_a_pass_is_the_formulas(frame: Frame, fit: Fit) -> None:
    posterior, value, sums = frame.cells.sweep(frame, fit)
    p, expected, by = by_hand(frame, fit)
    np.testing.assert_allclose(posterior, p, atol=1e-9)
    assert value == pytest.approx(expected, rel=1e-10)
    for name in ("surplus", "info", "scatter", "size"):
        np.testing.assert_allclose(getattr(sums, name), getattr(by, name), rtol=1e-8, atol=1e-7, err_msg=name)


def test_blocks_leave_no_trace(frame: Frame, fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame.cells.sweep(frame, fit)
    monkeypatch.setattr("marrowclone.clones.engine.BLOCK", 7)
    parts = frame.cells.sweep(frame, fit)
    np.testing.assert_allclose(parts[0], whole[0], atol=1e-12)
    np.testing.assert_allclose(parts[2].scatter, whole[2].scatter, rtol=1e-10)


def test_residuals_and_middles_are_of_the_cells_in_their_own_order(frame: Frame, fit: Fit) -> None:
    level = stabilise(frame.evidence.counts, frame.dispersion)
    expected = stabilise(means(frame.evidence, fit.mu[0], fit.offset), frame.dispersion)
    np.testing.assert_allclose(frame.cells.residuals(fit.mu[0], fit.offset), level - expected, atol=1e-9)
    np.testing.assert_allclose(frame.cells.middles(fit.mu, fit.offset)[0], expected.mean(axis=0), rtol=1e-10)


def test_each_round_raises_the_likelihood(frame: Frame, fit: Fit) -> None:
    values = [run_em(frame, fit, settings=SETTINGS, n_iterations=n).log_likelihood for n in (1, 3, 10)]
    assert values == sorted(values)


def test_cuda_gives_the_same(frame: Frame, fit: Fit) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    other = Cells(frame.evidence, frame.dispersion, device="cuda")
    one, two = frame.cells.sweep(frame, fit), other.sweep(frame, fit)
    np.testing.assert_allclose(one[0], two[0], atol=1e-9)
    np.testing.assert_allclose(one[2].scatter, two[2].scatter, rtol=1e-9)
