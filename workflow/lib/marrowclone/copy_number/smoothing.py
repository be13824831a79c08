"""Where the windows of the running mean lie, and how genes weigh in them.

A pyramid is linear on either side of its top. So genes are taken together in blocks within which every
window's weight is linear in the gene's place: a block's sum and its first moment are all that a window needs to
know of it. A non-zero count then touches two numbers instead of ten windows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import UserError

#: Columns of the table of windows.
WINDOW_COLUMNS: tuple[str, ...] = ("chromosome", "start", "end", "arm")


@dataclass(frozen=True)
class Windows:
    """Windows over g genes.

    Attributes
    ----------
    table
        :data:`WINDOW_COLUMNS` per window.
    chr_pos
        first window of each chromosome (infercnvpy's ``uns["cnv"]["chr_pos"]``).
    block, place
        per gene: its block (the last one for genes that no window covers), its place in it (0, 1, ...).
    n_blocks
        blocks, the last one included.
    first_block
        per window.
    n_covered
        per window: blocks that it covers; ``len(level)``, or 1 on a chromosome that is one window.
    level, slope
        weight of the k-th block of a window is ``level[k] + slope[k] * place``; on a chromosome that is one
        window it is 1 / genes.
    stride
        blocks between windows.
    segments
        rows of (first window, one past the last window, first block, weight if a single window else 0).
    """

    table: pd.DataFrame
    chr_pos: dict[str, int]
    block: np.ndarray
    place: np.ndarray
    n_blocks: int
    first_block: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    stride: int
    segments: np.ndarray

    @property
    def n(self) -> int:
        """Number of windows."""
        return len(self.first_block)

    def matrix(self) -> sp.csc_matrix:
        """The same as one matrix, genes x windows; columns sum to 1."""
        members = sp.csc_matrix(
            (np.ones(len(self.block)), (np.arange(len(self.block)), self.block)), shape=(len(self.block), self.n_blocks)
        )
        parts: list[sp.spmatrix] = []
        for start, stop, block, weight in self.segments:
            if weight:
                parts.append(members[:, [int(block)]] * weight)
                continue
            for window in range(int(start), int(stop)):
                covered = members[:, self.first_block[window] + np.arange(len(self.level))].tocoo()
                values = self.level[covered.col] + self.slope[covered.col] * self.place[covered.row]
                entries = (values, (covered.row, np.zeros(len(values), dtype=int)))
                parts.append(sp.csc_matrix(entries, shape=(len(self.block), 1)))
        return sp.hstack(parts, format="csc") if parts else sp.csc_matrix((len(self.block), 0))


def natural_order(names: Sequence[str]) -> list[str]:
    """``chr2`` before ``chr10``."""
    return sorted(names, key=lambda n: [int(p) if p.isdigit() else p for p in re.split("([0-9]+)", n)])


def place_windows(genes: pd.DataFrame, *, window: int, step: int) -> Windows:
    """Pyramidal running means per chromosome.

    Parameters
    ----------
    genes
        chromosome, start, end, arm of the genes, in any order.
    window, step
        genes per window, genes between windows. A chromosome with no more genes than ``window``
        is one window with equal weights (as in infercnvpy). The last genes of a chromosome, fewer than
        ``step``, may be in no window.
    """
    top = -(-window // 2)  # genes up to the top of the pyramid
    size = math.gcd(step, top, window)
    level, slope = _weights(window, top, size)
    code, names = pd.factorize(genes["chromosome"])
    start = genes["start"].to_numpy()
    end, arm = genes["end"].to_numpy(), genes["arm"].to_numpy(dtype=object)
    block = np.full(len(genes), -1, dtype=np.int64)
    place = np.zeros(len(genes))
    chr_pos: dict[str, int] = {}
    segments: list[tuple[float, float, float, float]] = []
    first_block: list[np.ndarray] = []
    columns: list[tuple[np.ndarray, ...]] = []
    n_windows = n_blocks = 0
    for name in natural_order(names.tolist()):
        index = np.flatnonzero(code == names.get_loc(name))
        index = index[np.argsort(start[index], kind="stable")]
        whole = len(index) <= window
        width = len(index) if whole else window
        starts = np.zeros(1, dtype=np.int64) if whole else np.arange(0, len(index) - window + 1, step)
        covered = starts[-1] + width
        rank = np.arange(covered)
        if whole:
            block[index] = n_blocks
        else:
            block[index[:covered]], place[index[:covered]] = n_blocks + rank // size, rank % size
        chr_pos[name] = n_windows
        segments.append((n_windows, n_windows + len(starts), n_blocks, 1 / width if whole else 0.0))
        first_block.append(n_blocks + starts // size)
        furthest = np.lib.stride_tricks.sliding_window_view(end[index], width)[starts].max(axis=1)
        middle = arm[index[starts + width // 2]]
        columns.append((np.full(len(starts), name, dtype=object), start[index[starts]], furthest, middle))
        n_windows += len(starts)
        n_blocks += 1 if whole else covered // size
    block[block < 0] = n_blocks
    parts = [np.concatenate(c) for c in zip(*columns, strict=True)] if columns else [np.array([], dtype=object)] * 4
    table = pd.DataFrame(dict(zip(WINDOW_COLUMNS, parts, strict=True))).astype({"start": np.int64, "end": np.int64})
    return Windows(
        table=table,
        chr_pos=chr_pos,
        block=block,
        place=place,
        n_blocks=n_blocks + 1,
        first_block=np.concatenate(first_block) if first_block else np.zeros(0, dtype=np.int64),
        level=level,
        slope=slope,
        stride=step // size,
        segments=np.array(segments, dtype=float).reshape(-1, 4),
    )


def _weights(window: int, top: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Level and slope of a pyramid's weight (sum 1) in each block of ``size`` genes."""
    offset = np.arange(0, window, size, dtype=float)
    rising = offset < top
    ramp = np.arange(1, window + 1)
    total = float(np.minimum(ramp, ramp[::-1]).sum())
    return np.where(rising, offset + 1, window - offset) / total, np.where(rising, 1.0, -1.0) / total


def chromosome_names(names: pd.Series) -> pd.Series:
    """Names of chromosomes as here, ``chr1`` ... ``chrX``, ``chrY``, ``chrM``; empty for contigs and missing names.

    ``1``, ``X``, ``MT`` are understood.

    Raises
    ------
    UserError
        when not one is a chromosome.
    """
    code, unique = pd.factorize(names.astype(object), use_na_sentinel=True)  # thousands of genes, a few dozen names
    text = pd.Series([str(n).strip() for n in unique], dtype=object)
    bare = text.str.replace(r"^chr", "", case=False, regex=True).str.upper().replace({"MT": "M"})
    known = bare.str.fullmatch(r"[1-9]|1[0-9]|2[0-2]|X|Y|M")
    if len(code) and not known.any():
        shown = ", ".join(repr(t) for t in sorted(set(text))[:3]) or "none"
        raise UserError(
            f"column chromosome of the genes: found {shown}, expected chr1 to chr22, chrX, chrY (or without chr).",
            hint="take chromosome, start and end from marrowclone.copy_number.infercnv.place_genes(names).",
        )
    names_here = np.array([*("chr" + bare).where(known, ""), ""], dtype=object)
    return pd.Series(names_here[code], index=names.index, dtype=object)  # -1, a missing name, is the last one
