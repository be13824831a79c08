"""What a run of the suite does: which scenarios, seeds and tools, and what of it runs as a whole workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Plan:
    """A run of the suite.

    Attributes
    ----------
    scenarios
        names; all of ``benchmarks/scenarios`` when empty. ``imposed_*`` need the public data.
    seeds
        of the cohorts on which cells are judged; the workflow runs on the first.
    tools
        peers that run on every case; None: those of the plan.
    thorough
        peers that are slow, or variants of others: they run on the scenarios ``thorough_on`` only.
    cells
        whether methods are judged on given cells.
    road
        whether the workflow runs.
    off_road
        scenarios that the workflow leaves out.
    data
        folder of the public data sets, or None.
    without_donors
        whether our method is also judged without healthy donors (the lower reference rungs).
    peer_seeds, peer_donors
        on how many of the seeds, and of the healthy donors, the peers run.
    settings
        what the workflow's configuration says beside its defaults.
    timeout
        seconds that a peer may take per case, and the workflow in all.
    """

    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    tools: tuple[str, ...] = ("infercnvpy_immune", "infercnvpy_plasma")
    thorough: tuple[str, ...] = ()
    thorough_on: tuple[str, ...] = ()
    cells: bool = True
    road: bool = True
    off_road: tuple[str, ...] = ()
    data: Path | None = None
    cores: int = 2
    without_donors: bool = True
    peer_seeds: int = 1
    peer_donors: int = 5
    settings: Mapping[str, Any] = field(default_factory=dict)
    timeout: tuple[float, float] = (300.0, 3600.0)

    def with_options(
        self, *, scenarios: Sequence[str], seeds: Sequence[int] | None, tools: Sequence[str] | None, cells: bool,
        road: bool, data: Path | None, cores: int,
    ) -> Plan:  # fmt: skip
        """The plan with what a person asked for."""
        return replace(
            self,
            scenarios=tuple(scenarios) or self.scenarios,
            seeds=tuple(seeds) if seeds else self.seeds,
            tools=self.tools if tools is None else tuple(t for t in tools if t != "none"),
            thorough=self.thorough if tools is None else (),
            cells=cells,
            road=road,
            data=data,
            cores=cores,
        )

    def as_dict(self) -> dict[str, Any]:
        """For the record of the run."""
        return {
            "scenarios": list(self.scenarios), "seeds": list(self.seeds), "cells": self.cells, "road": self.road,
            "cores": self.cores, "tools": list(self.tools), "thorough": list(self.thorough),
            "thorough_on": list(self.thorough_on), "public_data": self.data is not None,
        }  # fmt: skip


#: The tool that most people use runs everywhere, with two references; the others on a few scenarios of each kind.
#: (copykat-python takes minutes per case, and cnvturbo has a second reference: ask for them with --tools.)
THOROUGH = (
    "cnvturbo_plasma", "swiftcnv_plasma", "inferploidy_plasma", "valius-kopya_plasma", "infercnasc_none",
    "R_copykat", "R_scevan", "R_numbat",
)  # fmt: skip
THOROUGH_ON = (
    "kappa_on_kappa",
    "hyperdiploid",
    "timepoint_is_batch",
    "mrd_8_cells",
    "healthy_donor",
    "imposed_t_cells",
)
#: Seeds that nothing was tuned on.
FULL = Plan(scenarios=(), seeds=(20261,), thorough=THOROUGH, thorough_on=THOROUGH_ON)
QUICK = Plan(
    scenarios=(
        "kappa_on_kappa", "hyperdiploid", "timepoint_is_batch", "mrd_8_cells", "mrd_negative_1e-4", "imposed_t_cells",
    ),
    seeds=(20261,),
    without_donors=False,
    peer_donors=2,
    off_road=("timepoint_is_batch",),
    settings={"embedding": {"integrate_cells": {"method": "pca"}}},  # scVI alone would take a minute or more
    timeout=(120.0, 240.0),
)  # fmt: skip
