"""How counts and profiles look: the statistics by which simulated cells are held against real ones.

Pure functions of counts (cells x genes, CSR) or of profiles (counts per million); the same ones
are applied to real and to simulated data.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..resources import gene_table

#: Edges of the bins of mean UMIs per cell in which dispersion and zeros are compared.
MEAN_BINS: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
#: Genes of a window of the copy-number signal (science 1.6).
WINDOW = 101
#: A log ratio beyond this is cut, so that a marker gene does not make a window (natural log).
CLIP = 2.0
#: No gene weighs more than this share of a cell's UMIs in an arm (science 1.6: winsorise to .05%).
HEAVIEST = 5e-4
#: Arms with fewer genes in use are left out.
FEWEST_GENES = 30


def signal_genes() -> np.ndarray:
    """(G,) genes that a copy-number signal would use: autosomal, no Ig, TR, MHC, no ribosomal proteins."""
    genes = gene_table()
    out = (genes["locus"] == "") & ~genes["chromosome"].isin(["chrX", "chrY", "chrM"])
    return (out & ~genes["symbol"].str.match(r"^RP[LS]\d|^RPLP|^RPSA$")).to_numpy()


def arm_of_gene() -> np.ndarray:
    """(G,) ``1p`` ... ``Yq``."""
    genes = gene_table()
    return (genes["chromosome"].str.removeprefix("chr") + genes["arm"]).to_numpy()


def depth(counts: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """(cells,) UMIs and (cells,) genes that are seen."""
    return np.asarray(counts.sum(axis=1)).ravel().astype(float), np.diff(counts.indptr)


def gene_moments(counts: sp.csr_matrix) -> pd.DataFrame:
    """Per gene: mean UMIs, share of zeros, and dispersion phi of ``variance = mean + phi mean^2``.

    The variance that cells owe to their depth is taken out: with size factors s of mean 1 the
    moment estimate of phi is ``(mean of (x - s m)^2 - m) / (m^2 mean(s^2))``.
    """
    total, _ = depth(counts)
    size = total / total.mean()
    mean = np.asarray(counts.mean(axis=0)).ravel()
    square = np.asarray(counts.multiply(counts).mean(axis=0)).ravel()
    cross = np.asarray(counts.multiply(size[:, None]).mean(axis=0)).ravel()
    residual = square - 2.0 * mean * cross + mean**2 * (size**2).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = (residual - mean) / (mean**2 * (size**2).mean())
    zeros = 1.0 - np.asarray((counts > 0).mean(axis=0)).ravel()
    return pd.DataFrame({"mean": mean, "zeros": zeros, "phi": phi})


def by_mean(moments: pd.DataFrame, column: str) -> pd.DataFrame:
    """Quartiles and number of genes of a column of :func:`gene_moments` in :data:`MEAN_BINS`."""
    bins = pd.cut(moments["mean"], list(MEAN_BINS), right=False)
    grouped = moments[column].groupby(bins, observed=False)
    table = grouped.quantile(np.array([0.25, 0.5, 0.75])).unstack()
    table.columns = ["low", "median", "high"]
    return table.assign(genes=grouped.size())


def arm_excess(counts: sp.csr_matrix, *, least: float = 0.02) -> pd.Series:
    """Per arm, the variance between cells of the arm's share of the signal over that of independent genes.

    Genes are those of :func:`signal_genes` with a mean of ``least`` UMIs, each cut at :data:`HEAVIEST`
    of a cell's UMIs, and as shares of the cell's sum over them, so that a cell with few ribosomes does not
    seem to gain every arm. 1 says that the genes of an arm vary independently; more is noise that a
    copy-number caller takes for copies.
    """
    total, _ = depth(counts)
    used = np.flatnonzero(signal_genes() & (np.asarray(counts.mean(axis=0)).ravel() >= least))
    share = (sp.diags(1.0 / total) @ counts[:, used]).tocsr()
    # one UMI of a shallow cell may exceed the cut: never less than three UMIs
    share.data = np.minimum(share.data, np.maximum(HEAVIEST, 3.0 / np.repeat(total, np.diff(share.indptr))))
    share = (sp.diags(1.0 / np.asarray(share.sum(axis=1)).ravel()) @ share).tocsr()
    arms = arm_of_gene()[used]
    out = {}
    for arm in pd.unique(arms):
        here = share[:, np.flatnonzero(arms == arm)]
        if here.shape[1] < FEWEST_GENES:
            continue
        alone = np.asarray(here.multiply(here).mean(axis=0)).ravel() - np.asarray(here.mean(axis=0)).ravel() ** 2
        out[str(arm)] = float(np.asarray(here.sum(axis=1)).var() / alone.sum())
    return pd.Series(out, name="excess")


def log_ratio(one: np.ndarray, other: np.ndarray, *, least: float = 10.0) -> np.ndarray:
    """ln ratio of two (G,) profiles in CPM at the signal genes of a mean CPM of ``least``; centred, clipped."""
    used = signal_genes() & ((one + other) / 2 > least)
    ratio = np.log((one[used] + 0.5) / (other[used] + 0.5))
    return np.clip(ratio - np.median(ratio), -CLIP, CLIP)


def window_inflation(one: np.ndarray, other: np.ndarray) -> float:
    """SD of the window means of :func:`log_ratio`, over what independent genes of its SD would give."""
    ratio = log_ratio(one, other)
    means = np.convolve(ratio, np.full(WINDOW, 1.0 / WINDOW), mode="valid")
    return float(means.std() / (ratio.std() / np.sqrt(WINDOW)))


def neighbours(one: np.ndarray, other: np.ndarray, lag: int = 1) -> float:
    """Correlation of :func:`log_ratio` between genes that lie ``lag`` apart among those in use."""
    ratio = log_ratio(one, other)
    return float(np.corrcoef(ratio[:-lag], ratio[lag:])[0, 1])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two samples: largest difference of their distribution functions, 0 to 1."""
    both = np.sort(np.concatenate([one, other]))
    first = np.searchsorted(np.sort(one), both, side="right") / len(one)
    second = np.searchsorted(np.sort(other), both, side="right") / len(other)
    return float(np.abs(first - second).max())


def log_cpm(profile: np.ndarray, *, least: float = 1.0) -> np.ndarray:
    """ln CPM of genes above ``least`` CPM."""
    return np.log(profile[profile > least])
