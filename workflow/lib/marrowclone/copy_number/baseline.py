"""What a normal diploid cell would give in each capture: the double-difference baseline.

Timepoint = batch, and plasma cells are not T cells. So a normal cell's expression is
``(reference plasma profile) x (technical effect of the capture)``: the first from reference
cells, the second from the captures' non-plasma cells, type by type. On the log scale this is
the double difference of science 1.6. The table that is written here is all that clones and
arms need to know of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

#: Prefix of the columns of the baseline table that hold one sample's expected shares.
EXPECTED = "expected:"
#: Columns of ``{patient}.baseline.tsv.gz`` before the samples' columns.
BASELINE_COLUMNS: tuple[str, ...] = ("symbol", "chromosome", "start", "end", "arm", "used", "reason", "reference")

#: A capture effect beyond this factor is biology or chance, not technique [J].
MAX_EFFECT = 2.0


@dataclass(frozen=True)
class Baseline:
    """Expected expression of a diploid cell.

    Attributes
    ----------
    genes
        indexed by symbol: chromosome, start, end, arm, used (bool), reason (text).
    profiles
        genes x reference categories, shares of the used genes' UMI (each column sums to 1 over
        them). One category normally; several (cell types) in the bounded mode of rung R5.
    effects
        genes x samples, technical factor of each capture (1 where nothing is known).
    """

    genes: pd.DataFrame
    profiles: pd.DataFrame
    effects: pd.DataFrame

    @property
    def used(self) -> np.ndarray:
        """Genes that may speak, bool, shape (genes,)."""
        return self.genes["used"].to_numpy(dtype=bool)

    @property
    def reference(self) -> np.ndarray:
        """Mean over the reference categories, shape (genes,)."""
        return self.profiles.to_numpy(dtype=float).mean(axis=1)

    @property
    def expected(self) -> pd.DataFrame:
        """Genes x samples: share of each gene that a diploid cell of that capture would show."""
        share = self.effects.mul(self.reference, axis=0)
        return share / share[self.used].sum(axis=0).replace(0, 1.0)


def capture_effects(
    counts: sp.csr_matrix,
    samples: Sequence[str] | np.ndarray,
    types: Sequence[str] | np.ndarray,
    *,
    used: np.ndarray,
    all_samples: Sequence[str] | np.ndarray,
    capture_sd: float,
    min_cells: int,
) -> pd.DataFrame:
    """Technical factor of each gene in each capture, from its non-plasma cells.

    Parameters
    ----------
    counts
        raw counts of the non-plasma cells, CSR, cells x genes.
    samples, types
        capture and cell type of each of these cells. Only like types are compared, so that a
        change of the marrow's composition is not taken for technique.
    all_samples
        columns of the result.
    capture_sd
        how much captures differ per gene (SD of the log), [J]: sets the shrinkage. With observed O and
        expected E counts the factor is ``(O + a) / (E + a)``, ``a = 1 / capture_sd**2``.
    min_cells
        cells of a type that a capture needs to take part.

    Returns
    -------
    DataFrame
        genes x all_samples; 1.0 for captures with too few non-plasma cells.
    """
    n_genes = len(used)
    observed = {s: np.zeros(n_genes) for s in all_samples}
    expected = {s: np.zeros(n_genes) for s in all_samples}
    sample_of, type_of = np.asarray(samples, dtype=object), np.asarray(types, dtype=object)
    for name in sorted(set(type_of)):
        rows = {s: np.flatnonzero((sample_of == s) & (type_of == name)) for s in all_samples}
        enough = [s for s in all_samples if len(rows[s]) >= min_cells]
        if len(enough) < 2:
            continue  # one capture cannot differ from itself
        sums = {s: np.asarray(counts[rows[s]].sum(axis=0), dtype=float).ravel() * used for s in enough}
        # each capture weighs the same, so that the factors do not lean to the largest one
        profile = np.mean([sums[s] / max(sums[s].sum(), 1.0) for s in enough], axis=0)
        for s in enough:
            observed[s] += sums[s]
            expected[s] += profile * sums[s].sum()
    a = 1 / capture_sd**2
    effects = {s: np.clip((observed[s] + a) / (expected[s] + a), 1 / MAX_EFFECT, MAX_EFFECT) for s in all_samples}
    return pd.DataFrame(effects, columns=list(all_samples))


def reference_profile(
    counts: sp.csr_matrix, samples: Sequence[str] | np.ndarray, effects: pd.DataFrame, *, used: np.ndarray
) -> np.ndarray:
    """Expression of the reference cells with their captures' effects taken out; sums to 1 over ``used``.

    The maximum-likelihood profile of ``counts ~ Poisson(depth x effect x profile)``.
    """
    total = np.zeros(len(used))
    exposure = np.zeros(len(used))
    sample_of = np.asarray(samples, dtype=object)
    for s in sorted(set(sample_of)):
        part = np.asarray(counts[np.flatnonzero(sample_of == s)].sum(axis=0), dtype=float).ravel()
        total += part
        exposure += part[used].sum() * effects[s].to_numpy()
    profile = total / np.maximum(exposure, 1e-12)
    return profile / max(profile[used].sum(), 1e-12)


def build_baseline(
    reference: sp.csr_matrix,
    reference_samples: Sequence[str] | np.ndarray,
    reference_categories: Sequence[str] | np.ndarray,
    genes: pd.DataFrame,
    effects: pd.DataFrame,
) -> Baseline:
    """The baseline from the reference cells' counts, their captures and categories.

    ``genes`` is indexed by symbol with chromosome, start, end, arm, used, reason.
    """
    used = genes["used"].to_numpy(dtype=bool)
    categories = np.asarray(reference_categories, dtype=object)
    sample_of = np.asarray(reference_samples, dtype=object)
    profiles = {
        name: reference_profile(
            reference[np.flatnonzero(categories == name)], sample_of[categories == name], effects, used=used
        )
        for name in sorted(set(categories))
    }
    effects = effects.set_axis(genes.index, axis=0)
    return Baseline(genes=genes, profiles=pd.DataFrame(profiles, index=genes.index), effects=effects)


def baseline_table(baseline: Baseline) -> pd.DataFrame:
    """The baseline as the table ``{patient}.baseline.tsv.gz``: a row per gene with an expectation or a reason."""
    frame = baseline.genes[["chromosome", "start", "end", "arm", "used", "reason"]].copy()
    frame.insert(0, "symbol", frame.index)
    frame["reference"] = baseline.reference
    expected = baseline.expected.add_prefix(EXPECTED)
    frame = pd.concat([frame, expected], axis=1)
    return frame.reset_index(drop=True)


def read_baseline(table: pd.DataFrame, symbols: pd.Index) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes and expected shares from the baseline table, in the order of ``symbols``.

    Parameters
    ----------
    table
        ``{patient}.baseline.tsv.gz`` as read by ``tables.read_result``.
    symbols
        genes of the counts (``counts.var_names``).

    Returns
    -------
    genes, expected
        genes: chromosome, start, end, arm, used; expected: genes x samples. Both go straight into
        :func:`marrowclone.copy_number.states.segment_states`. Genes that the table lacks are unused.
    """
    frame = table.set_index("symbol").reindex(symbols)
    genes = pd.DataFrame(
        {
            "chromosome": frame["chromosome"].fillna("").astype(str),
            "start": frame["start"].fillna(0).astype(int),
            "end": frame["end"].fillna(0).astype(int),
            "arm": frame["arm"].fillna("").astype(str),
            "used": frame["used"].eq(True),
        },
        index=symbols,
    )
    expected = frame[[c for c in frame.columns if c.startswith(EXPECTED)]].fillna(0.0)
    return genes, expected.set_axis([c.removeprefix(EXPECTED) for c in expected.columns], axis=1)


def usable_genes(genes: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """``genes`` (the ``var`` of the counts) with the columns used and reason.

    Genes that a file of the patient or its reference does not hold are not used: they would be
    zero there for no biological reason.
    """
    frame = genes[["chromosome", "start", "end", "arm"]].copy()
    reason = reasons.to_numpy(dtype=object).copy()
    if "measured" in genes:
        reason[~genes["measured"].to_numpy(dtype=bool) & (reason == "")] = "not measured in every sample"
    frame["reason"] = reason
    frame["used"] = reason == ""
    return frame
