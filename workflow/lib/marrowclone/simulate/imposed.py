"""A semi-synthetic cohort: real cells of a user, with clones that thinning makes (:mod:`.thinning`).

The tumour's cells are real diploid cells of one kind (T cells, or a donor's plasma cells); some of them are given a
clone, the others stay normal, and held-out ones are the healthy donors. Each real cell is used once. Noise, batch and
what genes have in common are real; the events are known. Nothing of the simulator's transcriptome is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputProblems, UserError, did_you_mean, one_of
from ..keys import HEALTHY
from .captures import Capture
from .checker import Checker
from .cohort import SHEET_COLUMNS, TRUTH_COLUMNS, stack
from .events import arm_names, arm_states, parse_event
from .fields import Field, Fields
from .profiles import gene_arms
from .real_cells import RealCells
from .streams import stream
from .thinning import DIPLOID, keep_probability, thin

COHORT: Fields = {
    "name": Field("text", required=True, default="imposed", text="name of the cohort"),
    "seed": Field("int", required=True, default=0, minimum=0, text="seed of everything that is drawn"),
    "tumour_types": Field("list", default=["cd4_t"], text="real cell types that play the tumour's type"),
    "background": Field("list", default=[], text="types of the other cells; default: all others that are known"),
    "exponent": Field("number", 0.8, minimum=0, maximum=1.5, text="expression factor = (copies / 2) ^ exponent"),
    "donors": Field("mapping", default={}, text="healthy donors: name: cells of the tumour's type"),
    "patients": Field("section", default={}, required=True, text="patients by name"),
}
PATIENT: Fields = {
    "clones": Field("section", default={}, required=True, text="clones by name"),
    "samples": Field("section", default=[], required=True, text="captures in order"),
}
CLONE: Fields = {
    "parent": Field("text", "", text="clone that it descends from; the founder has none"),
    "events": Field("list", default=[], text="its own copy-number events: +9, +1q, amp1q, -17p"),
}
SAMPLE: Fields = {
    "timepoint": Field("text", required=True, default="", text="name of the timepoint"),
    "day": Field("int", required=True, default=0, minimum=0, text="day since the patient's day 0"),
    "cells": Field("int", 200, minimum=1, text="cells of the tumour's type"),
    "malignant": Field("number", 0.7, minimum=0, maximum=1, text="share of them that is malignant"),
    "fractions": Field("mapping", default={}, text="shares of the clones; equal where not given"),
    "depth": Field("number", 1.0, minimum=0.05, maximum=1, text="share of all UMIs that is kept"),
    "batch_sd": Field("number", 0.0, minimum=0, maximum=2, text="SD, ln, of a further effect of the capture on genes"),
}


def check_imposed(spec: Any, *, file: str = "imposed.yaml") -> dict[str, Any]:
    """Check a specification and fill its defaults.

    Raises
    ------
    InputProblems
        with every problem, each named by its key path.
    """
    checker = Checker(file)
    out = checker.section(spec, COHORT, "")
    patients = checker.named(out["patients"], "patients")
    out["patients"] = {n: _patient(p, f"patients.{n}", checker) for n, p in patients.items()}
    for name, cells in out["donors"].items():
        if isinstance(cells, bool) or not isinstance(cells, int) or cells < 1:
            checker.say(f"donors.{name}", "expected a whole number of cells, at least 1")
        if name in out["patients"]:
            checker.say(f"donors.{name}", "a patient has this name")
    if checker.problems:
        raise InputProblems(checker.problems)
    return out


def _patient(value: Any, path: str, checker: Checker) -> dict[str, Any]:
    patient = checker.section(value, PATIENT, path)
    patient["samples"] = checker.listed(patient["samples"], SAMPLE, f"{path}.samples")
    clones = checker.named(patient["clones"], f"{path}.clones")
    patient["clones"] = {n: checker.section(c, CLONE, f"{path}.clones.{n}") for n, c in clones.items()}
    if checker.problems:
        return patient
    parents = {n: c["parent"] for n, c in patient["clones"].items()}
    sound = True
    for name, clone in patient["clones"].items():
        where = f"{path}.clones.{name}"
        if clone["parent"] and clone["parent"] not in parents:
            checker.say(f"{where}.parent", f"found {clone['parent']!r}, expected {one_of(parents)}")
            sound = False
        # YAML reads an unquoted +9 or -13 as a number
        clone["events"] = [f"{e:+d}" if isinstance(e, int) else str(e) for e in clone["events"]]
        for event in clone["events"]:
            try:
                parse_event(event)
            except ValueError as error:
                checker.say(f"{where}.events", f"found {event!r}, expected {error}")
                sound = False
        seen, at = {name}, clone["parent"]
        while sound and at:
            if at in seen:
                checker.say(f"{where}.parent", "the clone is its own ancestor")
                sound = False
                break
            seen.add(at)
            at = parents[at]
    if not parents:
        checker.say(f"{path}.clones", "no clone is named")
    elif sound:
        states = arm_states({n: c["events"] for n, c in patient["clones"].items()}, parents)
        for name in states.index[(states < 0).any(axis=1)]:
            arm = states.columns[states.loc[name] < 0][0]
            checker.say(f"{path}.clones.{name}.events", f"arm {arm} would have fewer than 0 copies")
    timepoints = [s["timepoint"] for s in patient["samples"]]
    for i, sample in enumerate(patient["samples"]):
        where = f"{path}.samples[{i}]"
        if timepoints.count(sample["timepoint"]) > 1 or sample["timepoint"] == HEALTHY:
            checker.say(f"{where}.timepoint", f"found {sample['timepoint']!r}, expected one that is no other's")
        for clone, share in sample["fractions"].items():
            if clone not in parents:
                checker.say(f"{where}.fractions.{clone}", f"expected {one_of(parents)}", did_you_mean(clone, parents))
            elif isinstance(share, bool) or not isinstance(share, int | float) or share < 0:
                checker.say(f"{where}.fractions.{clone}", f"found {share!r}, expected a share of at least 0")
    if not patient["samples"]:
        checker.say(f"{path}.samples", "a patient needs at least one sample")
    return patient


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
            when there are fewer real cells than the samples ask for.
        """
        tumour = np.isin(self.cells.types, self.spec["tumour_types"])
        need = sum(s["cells"] for _, s in self.samples.values())
        if need > tumour.sum():
            types = ", ".join(self.spec["tumour_types"])
            known = sorted(set(self.cells.types) - {""})
            raise UserError(
                f"the samples ask for {need} cells of {types}, and there are {int(tumour.sum())}.",
                hint=f"take fewer cells, or other tumour_types: the counts hold {', '.join(known) or 'no typed cell'}.",
            )
        rng = stream(self.spec["seed"], "imposed", "cells")
        own = rng.permutation(np.flatnonzero(tumour))
        wanted = self.spec["background"] or sorted(set(self.cells.types) - {""})
        others = rng.permutation(np.flatnonzero(~tumour & np.isin(self.cells.types, wanted)))
        ends = np.cumsum([s["cells"] for _, s in self.samples.values()])
        spread = np.array_split(others, len(self.samples))
        return {
            name: (own[end - s["cells"] : end], rest)
            for (name, (_, s)), end, rest in zip(self.samples.items(), ends, spread, strict=True)
        }

    @property
    def sheet(self) -> pd.DataFrame:
        """``samples.tsv``, a row per capture."""
        rows = [
            {
                "sample": name, "patient": patient, "timepoint": s["timepoint"], "day": s["day"],
                "path": f"data/{name}.h5ad", "format": "h5ad", "compartment": "BM", "sort": "none", "batch": name,
            }
            for name, (patient, s) in self.samples.items()
        ]  # fmt: skip
        return pd.DataFrame(rows).reindex(columns=list(SHEET_COLUMNS)).fillna("")

    def captures(self) -> Iterator[tuple[str, Capture]]:
        """Every sample's name with its thinned counts and truth."""
        for name, (patient, sample) in self.samples.items():
            clones = list(self.spec["patients"].get(patient, {}).get("clones", {}))
            own, others = self.rows[name]
            rng = stream(self.spec["seed"], "imposed", "sample", name)
            kind = self._kinds(sample, clones, own.size, rng)
            keep = self._keep(patient)
            # counts can only be taken away, so the largest effect is 1; two SD keep the loss of depth bearable
            effect = np.exp(sample["batch_sd"] * np.clip(rng.standard_normal(keep.shape[1]), -2.0, 2.0))
            keep = keep * (effect / effect.max())
            rows = np.concatenate([own, others])
            kinds = np.concatenate([kind, np.full(others.size, keep.shape[0] - 1)])
            counts = thin(self.cells.counts[rows], kinds, keep, rng, depth=sample["depth"])
            yield name, Capture(counts, self._cell_table(rows, kinds, clones), pd.DataFrame())

    def _kinds(self, sample: Mapping[str, Any], clones: list[str], n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) clone of each cell as its place in ``clones``; ``len(clones)`` for normal cells."""
        n_malignant = round(sample["malignant"] * n) if clones else 0
        kind = np.full(n, len(clones))
        if n_malignant:
            shares = self._shares(sample, clones)
            kind[:n_malignant] = rng.choice(len(clones), size=n_malignant, p=shares)
        return kind

    @staticmethod
    def _shares(sample: Mapping[str, Any], clones: list[str]) -> np.ndarray:
        given = np.array([float(sample["fractions"].get(c, 0.0)) for c in clones])
        return given / given.sum() if given.sum() > 0 else np.full(len(clones), 1.0 / len(clones))

    def _keep(self, patient: str) -> np.ndarray:
        """(clones + 1 x genes) keep-probabilities of a patient; donors lose nothing."""
        p = self.spec["patients"].get(patient)
        arms = gene_arms()
        if p is None:
            return np.ones((1, arms.size))
        parents = {n: c["parent"] for n, c in p["clones"].items()}
        states = arm_states({n: c["events"] for n, c in p["clones"].items()}, parents).to_numpy(dtype=float)
        copies = np.where(arms >= 0, states[:, arms], DIPLOID)
        return keep_probability(copies, exponent=self.spec["exponent"])

    def _cell_table(self, rows: np.ndarray, kinds: np.ndarray, clones: list[str]) -> pd.DataFrame:
        clone = np.array([*clones, ""], dtype=object)[kinds]
        return pd.DataFrame(
            {
                "barcode": self.cells.barcodes[rows], "cell_type": self.cells.types[rows].astype(object),
                "malignant": clone != "", "clone": clone, "doublet": False, "partner": "", "quality": "good",
                "light_chain": "", "cycling": False,
            }
        )  # fmt: skip

    def truth(self) -> dict[str, pd.DataFrame]:
        """Truth tables by name, without ``cells``; burden, growth, labels and tiers are not defined here."""
        parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TRUTH_COLUMNS if name != "cells"}
        for patient, p in self.spec["patients"].items():
            clones = p["clones"]
            names = list(clones)
            parts["clones"].append(
                pd.DataFrame(
                    [
                        {"patient": patient, "clone": c, "parent": v["parent"], "events": ",".join(v["events"]),
                         "antigen_loss": False, "dormant": False, "resistant": False}
                        for c, v in clones.items()
                    ]
                )
            )  # fmt: skip
            states = arm_states(
                {n: c["events"] for n, c in clones.items()}, {n: c["parent"] for n, c in clones.items()}
            )
            for c in names:
                parts["arms"].append(
                    pd.DataFrame(
                        {"patient": patient, "clone": c, "chromosome": ["chr" + a[:-1] for a in arm_names()],
                         "arm": [a[-1] for a in arm_names()], "state": states.loc[c].to_numpy()}
                    )
                )  # fmt: skip
            for s in p["samples"]:
                shares = self._shares(s, names)
                parts["fractions"].append(
                    pd.DataFrame(
                        {"patient": patient, "clone": names, "sample": f"{patient}_{s['timepoint']}",
                         "timepoint": s["timepoint"], "day": s["day"],
                         "fraction": shares if s["malignant"] > 0 else np.nan, "burden": np.nan}
                    )
                )  # fmt: skip
            parts["patients"].append(
                pd.DataFrame([{"patient": patient, "group": "imposed", "subtype": "", "light_chain": "",
                               "isotype": "", "cured": False}])
            )  # fmt: skip
        return {n: stack(frames, TRUTH_COLUMNS[n]) for n, frames in parts.items()}
