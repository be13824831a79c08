"""A semi-synthetic cohort: real cells of a user, with clones that thinning makes (:mod:`.thinning`).

The tumour's cells are real diploid cells of one kind (T cells, or a donor's plasma cells); some of them are given a
clone, the others stay normal, and held-out ones are the healthy donors. Each real cell is used once. Noise, batch and
what genes have in common are real; the events are known. Nothing of the simulator's transcriptome is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UserError, did_you_mean
from ..keys import HEALTHY, PLASMA
from .captures import Capture
from .cohort import SHEET_COLUMNS, TRUTH_COLUMNS, stack
from .events import arm_names, arm_states
from .imposed_spec import ANY
from .imposed_spec import check_imposed as check_imposed
from .profiles import gene_arms
from .real_cells import RealCells
from .streams import stream
from .thinning import DIPLOID, capture_effect, keep_probability, thin


@dataclass(frozen=True)
class Imposed:
    """A semi-synthetic cohort, in the form of :class:`marrowclone.simulate.Cohort`.

    Attributes
    ----------
    spec
        checked by :func:`check_imposed`.
    cells
        the real cells.
    """

    spec: Mapping[str, Any]
    cells: RealCells

    @cached_property
    def tumour_types(self) -> list[str]:
        """Types that play the tumour's: what a run needs as ``tumour_cell_types``."""
        return [PLASMA] if self.spec["tumour_types"] == [ANY] else list(self.spec["tumour_types"])

    @cached_property
    def types(self) -> np.ndarray:
        """(cells,) type of each real cell."""
        return np.full(self.cells.types.size, PLASMA) if self.spec["tumour_types"] == [ANY] else self.cells.types

    @cached_property
    def samples(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Sample -> (patient, its settings), donors last."""
        out = {}
        for patient, p in self.spec["patients"].items():
            for s in p["samples"]:
                out[f"{patient}_{s['timepoint']}"] = (patient, s)
        plain = {"timepoint": HEALTHY, "day": 0, "malignant": 0.0, "fractions": {}, "depth": 1.0, "batch_sd": 0.0}
        for donor, n in self.spec["donors"].items():
            out[f"{donor}_{HEALTHY}"] = (donor, {**plain, "cells": n})
        return out

    @cached_property
    def rows(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Sample -> rows of its tumour-type cells and of its other cells; every real cell once.

        Raises
        ------
        UserError
            when the counts lack a type that is asked for, or have fewer cells of it than the samples ask for.
        """
        known = sorted(set(self.types) - {""})
        held = ", ".join(known) or "no cell of a known type"
        for key, wanted in (("tumour_types", self.tumour_types), ("background", self.spec["background"])):
            for name in wanted:
                if name not in known:
                    hint = did_you_mean(name, known)
                    raise UserError(f"{key}: found {name!r}, and the counts hold {held}.", hint=hint)
        tumour = np.isin(self.types, self.tumour_types)
        need = sum(s["cells"] for _, s in self.samples.values())
        if need > tumour.sum():
            raise UserError(
                f"the samples ask for {need} cells of {', '.join(self.tumour_types)}, and there are {tumour.sum()}.",
                hint=f"take fewer cells, or other tumour_types: the counts hold {held}.",
            )
        rng = stream(self.spec["seed"], "imposed", "cells")
        own = rng.permutation(np.flatnonzero(tumour))
        wanted = self.spec["background"] or known
        others = rng.permutation(np.flatnonzero(~tumour & np.isin(self.types, wanted)))
        ends = np.cumsum([s["cells"] for _, s in self.samples.values()])
        spread = np.array_split(others, len(self.samples))
        return {
            name: (own[end - s["cells"] : end], rest)
            for (name, (_, s)), end, rest in zip(self.samples.items(), ends, spread, strict=True)
        }

    @property
    def sheet(self) -> pd.DataFrame:
        """``samples.tsv``, a row per capture. Labels that the user gave go along; gated types do not."""
        form, labelled = self.spec["format"], self.cells.labelled and self.spec["tumour_types"] != [ANY]
        rows = [
            {
                "sample": name, "patient": patient, "timepoint": s["timepoint"], "day": s["day"],
                "path": f"data/{name}{'.h5ad' if form == 'h5ad' else ''}", "format": form, "compartment": "BM",
                "sort": "none", "batch": name, "cell_types": f"config/cell_types/{name}.tsv" if labelled else "",
            }
            for name, (patient, s) in self.samples.items()
        ]  # fmt: skip
        return pd.DataFrame(rows).reindex(columns=list(SHEET_COLUMNS)).fillna("")

    def captures(self, samples: Sequence[str] | None = None) -> Iterator[tuple[str, Capture]]:
        """Every sample's name with its thinned counts and truth; or those of ``samples``."""
        for name in self.samples if samples is None else samples:
            patient, sample = self.samples[name]
            clones = list(self.spec["patients"].get(patient, {}).get("clones", {}))
            own, others = self.rows[name]
            kind = self._kinds(sample, clones, own.size, self._stream("clones", name))
            effect = capture_effect(gene_arms().size, sd=sample["batch_sd"], rng=self._stream("batch", name))
            rows = np.concatenate([own, others])
            kinds = np.concatenate([kind, np.full(others.size, len(clones))])
            order = np.argsort(rows)  # by barcode: where a cell stands in the file tells nothing of its clone
            rows, kinds = rows[order], kinds[order]
            rng = self._stream("thinning", name)
            counts = thin(self.cells.counts[rows], kinds, self.keep[patient] * effect, rng, depth=sample["depth"])
            yield name, Capture(counts, self._cell_table(rows, kinds, clones), pd.DataFrame())

    def _stream(self, *names: str) -> np.random.Generator:
        return stream(self.spec["seed"], "imposed", *names)

    def _kinds(self, sample: Mapping[str, Any], clones: list[str], n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) clone of each cell as its place in ``clones``; ``len(clones)`` for normal cells."""
        n_malignant = round(sample["malignant"] * n) if clones else 0
        kind = np.full(n, len(clones))
        if n_malignant:
            kind[:n_malignant] = rng.choice(len(clones), size=n_malignant, p=shares_of(sample, clones))
        return kind

    @cached_property
    def keep(self) -> dict[str, np.ndarray]:
        """Patient or donor -> (own clones + 1 x genes) keep-probabilities, the last row for normal cells.

        The ceiling of a gene is that of the whole cohort: a donor's cells are thinned as a patient's normal cells
        are. Otherwise a gain would look, against the donors, like a loss in all cells that do not have it.
        """
        arms, states = gene_arms(), self._states()
        copies = [np.where(arms >= 0, table.to_numpy(dtype=float)[:, arms], DIPLOID) for table in states.values()]
        *clones, normal = keep_probability(np.vstack(copies), exponent=self.spec["dosage"])
        rows = iter(clones)
        own = {patient: np.vstack([*(next(rows) for _ in table.index), normal]) for patient, table in states.items()}
        return own | dict.fromkeys(self.spec["donors"], normal[None, :])

    def _states(self) -> dict[str, pd.DataFrame]:
        """Patient -> copies, clones x arms."""
        return {
            name: arm_states(
                {n: c["events"] for n, c in p["clones"].items()}, {n: c["parent"] for n, c in p["clones"].items()}
            )
            for name, p in self.spec["patients"].items()
        }

    def _cell_table(self, rows: np.ndarray, kinds: np.ndarray, clones: list[str]) -> pd.DataFrame:
        clone = np.array([*clones, ""], dtype=object)[kinds]
        return pd.DataFrame(
            {
                "barcode": self.cells.barcodes[rows], "cell_type": self.types[rows].astype(object),
                "malignant": clone != "", "clone": clone, "doublet": False, "partner": "", "quality": "good",
                "light_chain": "", "cycling": False,
            }
        )  # fmt: skip

    def truth(self) -> dict[str, pd.DataFrame]:
        """Truth tables by name, without ``cells``; burden, growth, labels and tiers are not defined here."""
        parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TRUTH_COLUMNS if name != "cells"}
        states = self._states()
        for patient, p in self.spec["patients"].items():
            for name, rows in patient_truth(patient, p, states[patient]).items():
                parts[name].append(pd.DataFrame(rows))
        who = [(name, "imposed") for name in self.spec["patients"]] + [(name, HEALTHY) for name in self.spec["donors"]]
        parts["patients"].append(
            pd.DataFrame(
                [
                    {"patient": n, "group": g, "subtype": "", "light_chain": "", "isotype": "", "cured": False}
                    for n, g in who
                ]
            )
        )
        return {n: stack(frames, TRUTH_COLUMNS[n]) for n, frames in parts.items()}


def shares_of(sample: Mapping[str, Any], clones: Sequence[str]) -> np.ndarray:
    """(clones,) shares of the clones among a sample's malignant cells; equal where none is given."""
    given = np.array([float(sample["fractions"].get(c, 0.0)) for c in clones])
    return given / given.sum() if given.sum() > 0 else np.full(len(clones), 1.0 / len(clones))


def patient_truth(name: str, patient: Mapping[str, Any], states: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows of ``clones``, ``arms`` and ``fractions`` of one patient.

    A sample without malignant cells has no fractions. The burden is empty: these cells are no marrow.
    """
    clones = list(patient["clones"])
    return {
        "clones": [
            {
                "patient": name, "clone": c, "parent": v["parent"], "events": ",".join(v["events"]),
                "antigen_loss": False, "dormant": False, "resistant": False,
            }
            for c, v in patient["clones"].items()
        ],
        "arms": [
            {"patient": name, "clone": c, "chromosome": f"chr{a[:-1]}", "arm": a[-1], "state": int(states.loc[c, a])}
            for c in clones
            for a in arm_names()
        ],
        "fractions": [
            {
                "patient": name, "clone": c, "sample": f"{name}_{s['timepoint']}", "timepoint": s["timepoint"],
                "day": s["day"], "fraction": share if s["malignant"] > 0 else np.nan, "burden": np.nan,
            }
            for s in patient["samples"]
            for c, share in zip(clones, shares_of(s, clones), strict=True)
        ],
    }  # fmt: skip
