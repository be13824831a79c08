"""A case: the cells that every method of a comparison is given, and their truth.

Cells get their true type, and dying or empty droplets and cells below the floor of quality control
are left out, so that copy number and clones alone are judged. Doublets that a person would not have
noticed stay in; the judge does not count them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from marrowclone.keys import HEALTHY, IMMUNE_TYPES, PLASMA
from marrowclone.resources import gene_table
from marrowclone.simulate.captures import Capture
from marrowclone.simulate.cohort import Cohort, cell_truth

#: The floor of ``cells.qc_cells`` on non-Ig UMI.
MIN_UMI_NON_IG = 500
QUERY, PLASMA_REFERENCE, IMMUNE = "query", "plasma_reference", "immune"


class CohortLike(Protocol):
    """What the simulator's and the semi-synthetic cohorts have in common."""

    @property
    def sheet(self) -> pd.DataFrame:
        """A row per capture."""

    def captures(self, samples: Sequence[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Sample name and its counts with truth, one after another; of all samples when None."""

    def truth(self) -> dict[str, pd.DataFrame]:
        """Truth tables by name, without the cells."""


@dataclass(frozen=True)
class Drawn(Cohort):
    """A cohort whose captures were drawn once and are kept: everything that reads it sees the same cells."""

    drawn: tuple[tuple[str, Capture], ...] = ()

    def captures(self, samples: Sequence[str] | None = None) -> Iterator[tuple[str, Capture]]:
        """As :meth:`Cohort.captures`, from memory."""
        return ((s, c) for s, c in self.drawn if samples is None or s in samples)

    def part(self, patients: Sequence[str]) -> Drawn:
        """The cohort of some of its patients: the same cells, since nobody's depend on who else is there."""
        spec = {**self.spec, "patients": {p: v for p, v in self.spec["patients"].items() if p in patients}}
        samples = set(Cohort({**spec, "swaps": []}).sheet["sample"])
        spec["swaps"] = [pair for pair in spec["swaps"] if set(pair) <= samples]
        return Drawn(spec, tuple((s, c) for s, c in self.drawn if s in samples))

    def cell_table(self) -> pd.DataFrame:
        """``truth/cells.tsv.gz`` of the whole cohort."""
        patient = self.sheet.set_index("sample")["patient"]
        tables = [
            cell_truth(c, sample=s, patient=str(patient[s]), true_patient=str(patient[self.origin(s)]))
            for s, c in self.drawn
        ]
        return pd.concat(tables, ignore_index=True)


def draw(cohort: Cohort) -> Drawn:
    """Draw every capture of a cohort."""
    return Drawn(cohort.spec, tuple(cohort.captures()))


@dataclass(frozen=True)
class Cells:
    """All usable cells of a cohort: counts (cells x genes, CSR), truth and sample facts per cell.

    ``power``: the exponent of the dosage where events were imposed on real cells; None where they were simulated.
    """

    counts: sp.csr_matrix
    obs: pd.DataFrame
    truth: Mapping[str, pd.DataFrame]
    tumour_types: tuple[str, ...] = (PLASMA,)
    power: float | None = None

    @property
    def donors(self) -> list[str]:
        """Healthy donors."""
        return sorted(set(self.obs.loc[self.obs["timepoint"] == HEALTHY, "patient"]))


@dataclass(frozen=True)
class Case:
    """One patient's cells with those of the donors.

    Attributes
    ----------
    counts
        cells x genes, CSR, raw; columns as :func:`marrowclone.resources.gene_table`.
    obs
        truth columns, patient, sample, timepoint, day, batch, is_tumour_type, role: ``query`` (the patient's
        tumour-type cells, which are to be judged), ``plasma_reference`` (the donors'), ``immune``, or empty.
    truth
        the patient's rows of the truth tables; ``cells`` among them.
    donors
        who else is in it.
    power
        as :class:`Cells` has it.
    """

    name: str
    patient: str
    counts: sp.csr_matrix
    obs: pd.DataFrame
    truth: Mapping[str, pd.DataFrame]
    donors: tuple[str, ...]
    power: float | None = None


def usable_cells(cohort: CohortLike, *, tumour_types: Sequence[str] = (PLASMA,)) -> Cells:
    """Draw every capture of a cohort once and keep the cells that quality control would keep."""
    sheet = cohort.sheet.set_index("sample")
    counted = np.flatnonzero((gene_table()["locus"] != "ig").to_numpy())
    matrices, tables = [], []
    for sample, capture in cohort.captures():
        row = sheet.loc[sample]
        origin = cohort.origin(sample) if isinstance(cohort, Cohort) else sample
        whose = {"patient": str(row["patient"]), "true_patient": str(sheet.loc[origin, "patient"])}
        cells = cell_truth(capture, sample=sample, **whose)
        deep = np.asarray(capture.counts[:, counted].sum(axis=1)).ravel() >= MIN_UMI_NON_IG
        rows = np.flatnonzero(((cells["quality"] == "good") & (cells["cell_type"] != "") & deep).to_numpy())
        matrices.append(capture.counts[rows])
        facts = {c: row[c] for c in ("timepoint", "day", "batch")}
        tables.append(cells.iloc[rows].assign(**facts))
    obs = pd.concat(tables, ignore_index=True)
    obs["is_tumour_type"] = obs["cell_type"].isin(list(tumour_types))
    return Cells(sp.vstack(matrices, format="csr"), obs, cohort.truth(), tuple(tumour_types))


def case_of(cells: Cells, patient: str, *, name: str, with_donors: bool = True) -> Case:
    """The case of one patient; a donor is judged against the other donors."""
    donors = tuple(d for d in cells.donors if d != patient) if with_donors else ()
    mine = (cells.obs["patient"] == patient).to_numpy()
    others = cells.obs["patient"].isin(donors).to_numpy()
    rows = np.flatnonzero(mine | others)
    obs = cells.obs.iloc[rows].reset_index(drop=True)
    own = (obs["patient"] == patient).to_numpy()
    tumour_type = obs["is_tumour_type"].to_numpy(dtype=bool)
    immune = obs["cell_type"].isin(IMMUNE_TYPES).to_numpy() & ~tumour_type
    obs["role"] = np.select(
        [own & tumour_type, ~own & tumour_type, own & immune], [QUERY, PLASMA_REFERENCE, IMMUNE], ""
    )
    truth = {k: t[t["patient"] == patient].reset_index(drop=True) for k, t in cells.truth.items()}
    truth["cells"] = obs[own].reset_index(drop=True)
    return Case(name, patient, cells.counts[rows], obs, truth, donors, cells.power)


def write_case(case: Case, path: Path) -> None:
    """Write the case for a peer: counts, roles and gene positions, and none of the truth but cell types."""
    obs = case.obs.set_index("cell")[["sample", "patient", "timepoint", "batch", "cell_type", "role"]]
    keep = (obs["role"] != "").to_numpy()
    var = gene_table().set_index("symbol")
    data = ad.AnnData(X=case.counts[np.flatnonzero(keep)].astype(np.float32), obs=obs[keep], var=var)
    data.obs.index.name = None
    data.var.index.name = None
    path.parent.mkdir(parents=True, exist_ok=True)
    data.write_h5ad(path)
