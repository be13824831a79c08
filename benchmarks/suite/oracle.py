"""The dosage oracle: how well clones could be told apart if their copy numbers were known.

It is given the true arm states of every clone, which cells are malignant and the true clone fractions of
every capture, and has only the counts to tell a cell's clone. No method that has to learn the profiles can be
expected to do much better from dosage; how near one comes is the fair question. It is no strict bound: it looks at
sums over arms, so a method that also learns what else the clones differ in may pass it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.covariance import ledoit_wolf

from marrowclone.keys import MALIGNANT
from marrowclone.resources import gene_table
from marrowclone.simulate.thinning import dosage_power

from .case import Case
from .methods import Answer

#: Share of a copy change that reaches RNA, as the simulator has it by default (docs/simulate.md).
DOSAGE = 0.8
#: Genes below this mean count per cell are left out: they carry noise only.
MIN_MEAN = 0.01
BLOCK = 4096


def dosage_oracle(case: Case) -> Answer | None:
    """Clone posteriors of the true malignant cells; None where there are not two clones to tell apart."""
    # doublets are not judged, and would blur what is fitted
    own = (case.obs["patient"] == case.patient) & case.obs["malignant"].astype(bool)
    rows = np.flatnonzero(own & ~case.obs["doublet"].astype(bool))
    cells = case.obs.iloc[rows].reset_index(drop=True)
    clones = sorted(set(cells["clone"]))
    if len(clones) < 2:
        return None
    counts = case.counts[rows]
    table = gene_table()
    arm = (table["chromosome"] + table["arm"]).to_numpy()
    autosome = table["chromosome"].str.fullmatch(r"chr\d+").to_numpy() & (table["locus"] == "").to_numpy()
    mean = np.asarray(counts.mean(axis=0)).ravel()
    genes = np.flatnonzero(autosome & (mean >= MIN_MEAN))
    factor = _factors(case.truth["arms"], clones, arm[genes], case.power)
    names, place = np.unique(arm[genes], return_inverse=True)
    sample, code = np.unique(cells["sample"].to_numpy(dtype=str), return_inverse=True)
    clone = pd.Categorical(cells["clone"], categories=clones).codes
    observed, expected = _arm_levels(counts[:, genes], factor, place, len(names), code, clone)
    log = _posterior(observed, expected, code, clone, len(sample))
    best = log.argmax(axis=1)
    name = np.array(clones, dtype=object)[best]
    answer = pd.DataFrame(
        {
            "cell": cells["cell"], "score": np.nan, "p_malignant": np.nan, "call": MALIGNANT, "clone": name,
            "best_clone": name, "posterior": np.exp(log[np.arange(len(log)), best]),
        }
    )  # fmt: skip
    nothing = pd.DataFrame(columns=["clone", "chromosome", "arm", "call", "state", "value"])
    return Answer(answer, nothing, note="oracle", answers=frozenset(("clones",)))


def _factors(arms: pd.DataFrame, clones: list[str], arm_of_gene: np.ndarray, power: float | None) -> np.ndarray:
    """(clones x genes) expression factor of the true copies, by the law under which the cells were made."""
    states = arms.assign(where=arms["chromosome"] + arms["arm"]).pivot(index="clone", columns="where", values="state")
    copies = states.loc[clones].reindex(columns=arm_of_gene, fill_value=2).to_numpy(dtype=float)
    if power is not None:
        return np.maximum(dosage_power(copies, exponent=power), 1e-6)
    return np.maximum(1.0 + DOSAGE * (copies / 2.0 - 1.0), 1e-6)


def _arm_levels(
    counts: sp.csr_matrix, factor: np.ndarray, place: np.ndarray, n_arms: int, code: np.ndarray, clone: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance-stabilised arm levels per cell, and those that each clone would show (clones x cells x arms)."""
    n, k = counts.shape[0], factor.shape[0]
    depth = np.asarray(counts.sum(axis=1)).ravel()
    base = np.zeros((code.max() + 1, counts.shape[1]))
    for s in range(base.shape[0]):
        rows = code == s
        of_clone = np.bincount(clone[rows], weights=depth[rows], minlength=k) / max(depth[rows].sum(), 1.0)
        base[s] = np.asarray(counts[rows].sum(axis=0)).ravel() / np.maximum(of_clone @ factor, 1e-6)
    overall = base.sum(axis=0) / max(base.sum(), 1.0)
    weight = 1.0 / (1.0 + _dispersion(counts, overall, depth) * overall * np.median(depth))
    assign = sp.csr_matrix((weight, (np.arange(place.size), place)), shape=(place.size, n_arms))
    levels = np.vstack([(counts[i : i + BLOCK] @ assign).toarray() for i in range(0, n, BLOCK)])
    total = levels.sum(axis=1, keepdims=True)
    shares = np.empty((k, base.shape[0], n_arms))
    for j in range(k):
        share = (base * factor[j]) @ assign
        shares[j] = share / share.sum(axis=1, keepdims=True)
    expected = np.stack([np.sqrt(total * shares[j][code] + 0.375) for j in range(k)])
    return 2.0 * np.sqrt(levels + 0.375), 2.0 * expected


def _dispersion(counts: sp.csr_matrix, share: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """phi of each gene by moments: (sum x^2 - sum mu^2 - sum mu) / sum mu^2, at least .05."""
    square = np.asarray(counts.multiply(counts).sum(axis=0)).ravel()
    cross = np.asarray(counts.T @ depth).ravel()
    mean2 = share**2 * (depth**2).sum()
    excess = square - 2.0 * share * cross + mean2 - share * depth.sum()
    return np.maximum(np.where(mean2 > 0, excess / np.maximum(mean2, 1e-12), 0.0), 0.05)


def _posterior(
    observed: np.ndarray, expected: np.ndarray, code: np.ndarray, clone: np.ndarray, n_samples: int
) -> np.ndarray:
    """(cells x clones) log posterior: Gaussian about each clone's expectation, one covariance for all."""
    residual = observed - expected[clone, np.arange(len(clone))]
    covariance, _ = ledoit_wolf(residual)
    precision = np.linalg.inv(covariance)
    log = np.empty((observed.shape[0], expected.shape[0]))
    for j in range(expected.shape[0]):
        difference = observed - expected[j]
        log[:, j] = -0.5 * np.einsum("na,ab,nb->n", difference, precision, difference)
    for s in range(n_samples):
        rows = code == s
        share = np.bincount(clone[rows], minlength=expected.shape[0]) + 0.5
        log[rows] += np.log(share / share.sum())
    return log - np.logaddexp.reduce(log, axis=1, keepdims=True)
