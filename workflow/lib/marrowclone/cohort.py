"""The cohort as its sheets describe it: samples, patients, healthy donors, clinical tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import InputProblems
from .formats import resolve
from .keys import EXTRA_EVIDENCE, HEALTHY

#: Columns of :attr:`Cohort.samples`, in order.
COLUMNS: tuple[str, ...] = (
    "sample", "patient", "timepoint", "day", "path", "format", "raw_path", "compartment", "sort", "batch",
    "chemistry", "prep", "vdj", "alleles", "mtdna", "cell_types",
)  # fmt: skip


@dataclass(frozen=True)
class Cohort:
    """A checked cohort.

    Attributes
    ----------
    samples
        the sample sheet, a row per capture in sheet order, indexed by sample. Columns as in
        :data:`COLUMNS`; ``day`` is an integer, the rest text, missing ``""``; format,
        compartment, sort and batch carry their defaults.
    clinical
        clinical table -> its path, or None when it was not given.
    notes
        what is allowed but lowers what can be said; for the log and the report.
    """

    samples: pd.DataFrame
    clinical: Mapping[str, str | None]
    notes: list[str] = field(default_factory=list)

    @property
    def patients(self) -> list[str]:
        """All patients, healthy donors included, sorted."""
        return sorted(set(self.samples["patient"]))

    @property
    def healthy(self) -> list[str]:
        """Patients who are healthy donors (every sample has the timepoint healthy), sorted."""
        is_healthy = self.samples["timepoint"].str.fullmatch(rf"{HEALTHY}(_\d+)?")
        return sorted(set(self.samples.loc[is_healthy, "patient"]))

    def samples_of(self, patient: str) -> list[str]:
        """The patient's samples in day order (samples of one day in sheet order)."""
        own = self.samples[self.samples["patient"] == patient]
        return own.sort_values("day", kind="stable").index.tolist()

    def files_of(self, sample: str) -> list[str]:
        """The files that hold a sample's counts (a folder's date does not tell that a file in it changed)."""
        path, form = (str(self.samples.at[sample, column]) for column in ("path", "format"))
        return [str(file) for file in resolve(path, form or "auto").files]

    def raw_files_of(self, sample: str) -> list[str]:
        """The files of a sample's unfiltered droplets; none where the sheet has no ``raw_path``."""
        path = str(self.samples.at[sample, "raw_path"])
        return [str(file) for file in resolve(path, "auto", unfiltered=True).files] if path else []

    def denoised(self, settings: Mapping[str, Any]) -> list[str]:
        """Samples whose counts are freed of ambient RNA: with the option on, those with raw droplets; sheet order.

        ``settings``: the section ``cells: denoise_counts``.
        """
        if settings["method"] == "none":
            return []
        return self.samples.index[self.samples["raw_path"] != ""].tolist()

    def visits_of(self, patient: str) -> dict[str, dict[str, Any]]:
        """Sample -> timepoint, day, compartment and sort of each of the patient's samples, in day order."""
        rows = self.samples.loc[self.samples_of(patient), ["timepoint", "day", "compartment", "sort"]]
        return {
            str(name): {str(k): int(v) if k == "day" else v for k, v in row.items()}
            for name, row in rows.to_dict("index").items()
        }

    def contigs_of(self, patient: str) -> dict[str, str]:
        """Sample -> its V(D)J contigs, of the patient's samples that have some."""
        paths = {sample: str(self.samples.at[sample, "vdj"]) for sample in self.samples_of(patient)}
        return {sample: path for sample, path in paths.items() if path}

    def extra_of(self, patient: str, kinds: Iterable[str]) -> dict[str, dict[str, str]]:
        """Evidence for clones beside the counts: kind -> sample -> path, of the patient's samples that have some.

        ``kinds``: those of :data:`marrowclone.keys.EXTRA_EVIDENCE` that may be used; only they are there, and only
        where a sample has them, so that a patient without any has an empty answer.
        """
        named = {kind: EXTRA_EVIDENCE[kind] for kind in EXTRA_EVIDENCE if kind in set(kinds)}
        samples = self.samples_of(patient)
        found = {
            kind: {s: str(self.samples.at[s, column]) for s in samples if self.samples.at[s, column]}
            for kind, column in named.items()
        }
        return {kind: paths for kind, paths in found.items() if paths}

    def blood_samples_of(self, patient: str) -> list[str]:
        """The patient's samples that are not marrow, sorted."""
        return sorted(s for s, visit in self.visits_of(patient).items() if visit["compartment"] == "PB")

    def donors_for(self, patient: str) -> list[str]:
        """Healthy donors other than the patient: a donor is judged against the others."""
        return [donor for donor in self.healthy if donor != patient]

    def donor_samples_for(self, patient: str) -> list[str]:
        """Every sample of :meth:`donors_for`."""
        return [s for donor in self.donors_for(patient) for s in self.samples_of(donor)]


def extra_files_of(paths: Mapping[str, str]) -> list[str]:
    """The files behind these paths (sample -> file or folder), sorted; of a folder of cellsnp-lite its files.

    A folder's date does not tell that a file in it changed.
    """
    found = []
    for path in map(Path, paths.values()):
        inside = sorted(path.glob("cellSNP.*")) if path.is_dir() else []
        found += [str(p) for p in inside or [path]]
    return sorted(found)


def samples_frame(rows: Sequence[Mapping[str, Any]], defaults: Mapping[str, str]) -> pd.DataFrame:
    """The frame of :attr:`Cohort.samples` from checked rows.

    Parameters
    ----------
    rows
        column -> value of each row, missing ones left out.
    defaults
        column -> value of an empty cell.
    """
    records = []
    for row in rows:
        record = {c: row.get(c, defaults.get(c, "")) for c in COLUMNS}
        record["batch"] = record["batch"] or record["sample"]
        records.append(record)
    frame = pd.DataFrame(records, columns=list(COLUMNS)).astype({c: str for c in COLUMNS if c != "day"})
    frame["day"] = frame["day"].astype("int64")
    frame.index = pd.Index(frame["sample"].tolist(), dtype=object)
    return frame


def load(config: Mapping[str, Any], *, read_matrices: bool = True) -> Cohort:
    """Read and check the sample sheet, the clinical tables and the data behind the paths.

    Parameters
    ----------
    config
        a configuration with its defaults (:func:`marrowclone.config.load`).
    read_matrices
        whether each count file is opened and looked at, too.

    Raises
    ------
    InputProblems
        with every problem of every file.
    """
    from .check.together import check_cohort

    cohort, problems = check_cohort(config, read_matrices=read_matrices)
    if problems or cohort is None:
        raise InputProblems(problems)
    return cohort
