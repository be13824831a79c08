"""Which arms' alleles speak, beside what single genes do on their own.

An arm speaks only where groups of cells are explained so much better than by balance that genes surely agree on them:
better than when each gene's reads are dealt anew among the cells that show the gene. A single gene that is read often
and comes in bursts makes groups of its own; dealing leaves those as they are, and takes away what genes have in common.
All other arms stay out, whatever their noise. So does an arm on which all cells lost the same allele: it parts none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .phase import THETA, Blocks, Noise, Phase, arm_reads, learn_phase

#: Arms whose carriers are a beginning for the others.
TOP_HINTS = 3
#: How often genes are dealt anew; the best of so many is what genes without anything in common reach. [J]
DEALS = 3


def deal(blocks: Blocks, arm: str, tumour: np.ndarray, rng: np.random.Generator) -> Blocks:
    """The reads of one arm with each gene's tumour cells exchanged among each other.

    Every cell keeps its genes, and every gene its reads, but what genes have in common is gone.
    """
    here = blocks.entries[blocks.arm[blocks.entries["block"]] == arm]
    mine = tumour[here["cell"].to_numpy()]
    pair, of_pair = np.unique(here.loc[mine, ["gene", "cell"]].to_numpy(int), axis=0, return_inverse=True)
    dealt, cell = pair[np.lexsort((rng.random(len(pair)), pair[:, 0])), 1], here["cell"].to_numpy().copy()
    cell[mine] = dealt[of_pair.ravel()]
    return replace(blocks, entries=here.assign(cell=cell))


def beyond_dealt(
    phase: Phase,
    blocks: Blocks,
    arm: str,
    tumour: np.ndarray,
    noise: Noise,
    *,
    hints: Sequence[np.ndarray],
    settings: Mapping[str, Any],
) -> Phase:
    """``phase`` with its gain over the best of :data:`DEALS` deals; no more are made than decide it.

    What the cells say is taken down in the same ratio: a gain that chance reaches as well is no evidence for a clone.
    """
    n, by_chance = int(tumour.sum()), 0.0
    rng = np.random.default_rng([*arm.encode(), n])
    for _ in range(DEALS):
        if phase.gain - by_chance < float(settings["min_phase_gain"]):
            break
        dealt = arm_reads(deal(blocks, arm, tumour, rng), arm, tumour, noise, theta=THETA, settings=settings)
        by_chance = max(by_chance, learn_phase(dealt, n, hints=hints).gain)
    gain = phase.gain - by_chance
    return replace(phase, gain=gain, log_p=phase.log_p * max(gain, 0.0) / max(phase.gain, 1e-9))


def learn_phases(blocks: Blocks, tumour: np.ndarray, noise: Noise, *, settings: Mapping[str, Any]) -> dict[str, Phase]:
    """Phases of every arm that shows more than noise, by arm; ``gain`` is over balance and over dealt genes.

    Arms with fewer than ``min_arm_snps`` SNPs, or whose gain exceeds that of dealt genes by less than
    ``min_phase_gain``, are left out. The carriers of the clearest arms are a beginning for all others: a clone's events
    come together.
    """
    n = int(tumour.sum())
    snps = pd.Series(blocks.n_snps).groupby(blocks.arm).sum()
    arms = [a for a in sorted(snps.index, key=_place) if a and snps[a] >= int(settings["min_arm_snps"])]
    reads = {a: arm_reads(blocks, a, tumour, noise, theta=THETA, settings=settings) for a in arms}
    enough = float(settings["min_phase_gain"])

    def learn(arm: str, hints: Sequence[np.ndarray]) -> Phase:
        phase = learn_phase(reads[arm], n, hints=hints)
        return beyond_dealt(phase, blocks, arm, tumour, noise, hints=hints, settings=settings)

    first = {a: learn(a, ()) for a in arms}
    clear = sorted((a for a in arms if first[a].gain >= enough), key=lambda a: (-first[a].gain, a))
    if not clear:
        return {}
    hints = [np.clip(first[a].carriers, 0.02, 0.98) for a in clear[:TOP_HINTS]]
    final = {a: learn(a, hints) for a in arms}
    return {a: phase for a, phase in final.items() if phase.gain >= enough}


def _place(arm: str) -> tuple[int, str]:
    return (int(arm[:-1]), arm[-1]) if arm else (0, "")
