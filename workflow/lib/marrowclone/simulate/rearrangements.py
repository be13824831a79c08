"""V(D)J contigs of a capture's plasma and B cells, as Cell Ranger's ``filtered_contig_annotations.csv`` has them.

The V and C genes are those that the expression of the same cell was drawn with; the cells of a
tumour share their CDR3. Only B-cell receptors are written.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..resources import gene_table
from .captures import Capture
from .immunoglobulin import ig_genes
from .streams import stream

COLUMNS: tuple[str, ...] = (
    "barcode", "is_cell", "contig_id", "high_confidence", "length", "chain", "v_gene", "d_gene", "j_gene", "c_gene",
    "full_length", "productive", "cdr3", "cdr3_nt", "reads", "umis", "raw_clonotype_id", "raw_consensus_id",
)  # fmt: skip
#: Chance that a contig of a chain is assembled, and its median UMIs [J]; a dying cell has half the chance.
DETECTED: dict[str, dict[str, tuple[float, float]]] = {
    "plasma": {"heavy": (0.80, 60.0), "light": (0.95, 150.0)},
    "b_cell": {"heavy": (0.75, 4.0), "light": (0.85, 7.0)},
}
#: Chance that a cell without a secreted heavy chain shows the contig of a rearrangement that failed [J].
UNPRODUCTIVE = 0.3
#: Share of other barcodes with an ambient contig, where every cell is a tumour cell [J]; a third are heavy.
AMBIENT = 0.05
UMI_SD = 0.8
READS_PER_UMI = 40.0
#: J segments of the functional repertoire, and D segments in use (IMGT names).
J_GENES: dict[str, tuple[str, ...]] = {
    "IGH": tuple(f"IGHJ{i}" for i in range(1, 7)),
    "IGK": tuple(f"IGKJ{i}" for i in range(1, 6)),
    "IGL": ("IGLJ1", "IGLJ2", "IGLJ3", "IGLJ7"),
}
D_GENES: tuple[str, ...] = (
    "IGHD1-26", "IGHD2-2", "IGHD2-15", "IGHD3-3", "IGHD3-9", "IGHD3-10", "IGHD3-16", "IGHD3-22", "IGHD4-17", "IGHD5-18",
    "IGHD6-13", "IGHD6-19",
)  # fmt: skip
#: CDR3 by chain: first and last residues, and shortest and longest part between them [J: common lengths].
CDR3: dict[str, tuple[str, str, int, int]] = {
    "IGH": ("CAR", "DYW", 5, 16), "IGK": ("CQQ", "TF", 3, 6), "IGL": ("CQS", "VF", 5, 8),
}  # fmt: skip
#: Bases of a V region and the part of the constant region that a contig holds, about (IMGT; kit's primer).
CONTIG_BASES = {"IGH": 480, "IGK": 500, "IGL": 510}
#: The codon that writes each residue.
CODONS = {
    "A": "GCC", "C": "TGT", "D": "GAC", "E": "GAG", "F": "TTC", "G": "GGC", "H": "CAC", "I": "ATC", "K": "AAG",
    "L": "CTG", "M": "ATG", "N": "AAC", "P": "CCC", "Q": "CAG", "R": "AGA", "S": "AGC", "T": "ACC", "V": "GTG",
    "W": "TGG", "Y": "TAC",
}  # fmt: skip
#: Residues that stand between the ends: all but a second cysteine.
INNER = np.array([r for r in CODONS if r != "C"])


def contigs(capture: Capture, *, patient: str, sample: str, seed: int) -> pd.DataFrame:
    """Contig table of one capture.

    Parameters
    ----------
    patient
        whose cells these are: the tumour's CDR3 are the same in all its captures.
    sample
        names the stream of all that is this capture's own.

    Returns
    -------
    DataFrame of :data:`COLUMNS`, in the order of the capture's barcodes.
    """
    rng = stream(seed, "vdj", sample)
    parts = [_of_chain(capture.receptors, chain, rng) for chain in ("heavy", "light")]
    parts.append(_ambient(capture, rng))
    table = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    table = _add_segments(table, patient=patient, seed=seed, rng=rng)
    table.loc[~table["productive"].astype(bool), ["cdr3", "cdr3_nt"]] = ""
    order = pd.Index(capture.cells["barcode"])
    table = table.iloc[np.argsort(order.get_indexer(pd.Index(table["barcode"])), kind="stable")].reset_index(drop=True)
    table["contig_id"] = table["barcode"] + "_contig_" + (table.groupby("barcode").cumcount() + 1).astype(str)
    table["reads"] = (table["umis"] * READS_PER_UMI).astype(int)
    table["length"] = table["chain"].map(CONTIG_BASES).astype(int) + table["cdr3_nt"].str.len().astype(int)
    table["raw_clonotype_id"], table["raw_consensus_id"] = _clonotype_ids(table)
    table["productive"] = np.where(table["productive"].astype(bool), "true", "false")
    return table.assign(is_cell="true", high_confidence="true", full_length="true")[list(COLUMNS)]


def _of_chain(cells: pd.DataFrame, chain: str, rng: np.random.Generator) -> pd.DataFrame:
    """Contigs of one chain that the cells' own RNA gives."""
    chance = cells["cell_type"].map({t: v[chain][0] for t, v in DETECTED.items()}).to_numpy(float)
    median = cells["cell_type"].map({t: v[chain][1] for t, v in DETECTED.items()}).to_numpy(float)
    productive = np.ones(len(cells), dtype=bool) if chain == "light" else cells["secretes_heavy"].to_numpy(bool)
    chance = np.where(productive, chance, UNPRODUCTIVE) * np.where(cells["quality"] == "dying", 0.5, 1.0)
    seen = rng.random(len(cells)) < chance
    umis = np.ceil(np.where(productive, median, 2.0) * np.exp(rng.normal(0.0, UMI_SD, len(cells)))).astype(int)
    table = cells[["barcode", "clone", "light", "light_v", "heavy", "heavy_v"]].assign(
        of=chain, productive=productive, umis=umis
    )
    return table[seen]


def _ambient(capture: Capture, rng: np.random.Generator) -> pd.DataFrame:
    """Contigs of the tumour that float in the droplets of other cells, one or two molecules of each."""
    tumour = capture.receptors[capture.receptors["clone"] != ""]
    others = capture.cells.loc[~capture.cells["malignant"], "barcode"].to_numpy()
    rate = AMBIENT * len(tumour) / max(1, len(capture.cells))
    hit = others[rng.random(others.size) < rate]
    source = rng.integers(0, max(1, len(tumour)), hit.size)
    heavy, umis = rng.random(hit.size) < 1 / 3, rng.integers(1, 3, hit.size)
    if not hit.size:
        return pd.DataFrame()
    table = (
        tumour.iloc[source]
        .drop(columns=["cell_type", "quality"])
        .assign(barcode=hit, of=np.where(heavy, "heavy", "light"), productive=True, umis=umis)
    )
    return table[~heavy | table["secretes_heavy"].to_numpy(bool)].drop(columns="secretes_heavy")


def _add_segments(table: pd.DataFrame, *, patient: str, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    """The contigs with chain, genes and CDR3: those of the tumour, or of a normal cell alone."""
    symbols = gene_table()["symbol"].to_numpy()[ig_genes()[0]]
    heavy = (table["of"] == "heavy").to_numpy()
    v = symbols[np.where(heavy, table["heavy_v"], table["light_v"]).astype(int)]
    constant = symbols[np.where(heavy, table["heavy"], table["light"]).astype(int)]
    chain = np.where(heavy, "IGH", np.where(constant == "IGKC", "IGK", "IGL"))
    out = table.assign(chain=chain, v_gene=v, c_gene=constant, d_gene="", j_gene="", cdr3="", cdr3_nt="")
    columns = ["d_gene", "j_gene", "cdr3", "cdr3_nt"]
    tumour = (table["clone"] != "").to_numpy()
    for name in CDR3:
        normal = ~tumour & (chain == name)
        out.loc[normal, columns] = _junctions(name, int(normal.sum()), rng)
        # a tumour's clones that use the same V gene share the CDR3; a second light chain has another
        for gene in np.unique(v[tumour & (chain == name)]):
            shared = _junctions(name, 1, stream(seed, "cdr3", patient, name, str(gene)))
            out.loc[tumour & (chain == name) & (v == gene), columns] = shared[0]
    return out


def _junctions(chain: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n x 4) D gene (heavy chain only), J gene, CDR3 as amino acids and as nucleotides."""
    head, tail, low, high = CDR3[chain]
    size = rng.integers(low, high + 1, n)
    draw = rng.integers(0, INNER.size, (n, high))
    unused = np.arange(high)[None, :] >= size[:, None]
    residues, codons = INNER[draw], np.array([CODONS[r] for r in INNER])[draw]
    inner = np.where(unused, "", residues).view(f"U{high}").ravel()
    bases = np.where(unused, "", codons).view(f"U{3 * high}").ravel()
    ends = ["".join(CODONS[r] for r in end) for end in (head, tail)]
    d = rng.choice(D_GENES, n) if chain == "IGH" else np.full(n, "")
    out = np.empty((n, 4), dtype=object)
    out[:, 0], out[:, 1] = d, rng.choice(J_GENES[chain], n)
    out[:, 2] = np.char.add(np.char.add(head, inner), tail)
    out[:, 3] = np.char.add(np.char.add(ends[0], bases), ends[1])
    return out


def _clonotype_ids(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Cell Ranger's clonotypes: barcodes with the same set of productive CDR3, the largest first."""
    productive = table[table["productive"].astype(bool)]
    receptor = productive["chain"] + ":" + productive["cdr3_nt"]
    per_cell = receptor.groupby(productive["barcode"], sort=False).agg(lambda x: ";".join(sorted(set(x))))
    ranked = per_cell.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    number = per_cell.map({r: i + 1 for i, r in enumerate(ranked.index)})
    own = table["barcode"].map(number)
    clonotype = np.where(own.notna(), "clonotype" + own.fillna(0).astype(int).astype(str), "")
    pairs = pd.DataFrame({"clonotype": clonotype[productive.index], "receptor": receptor}).drop_duplicates()
    pairs = pairs.sort_values(["clonotype", "receptor"])
    pairs["n"] = pairs.groupby("clonotype").cumcount() + 1
    place = dict(zip(pairs["clonotype"] + pairs["receptor"], pairs["n"].astype(str), strict=True))
    consensus = np.full(len(table), "", dtype=object)
    consensus[productive.index] = [
        f"{c}_consensus_{place[c + r]}" for c, r in zip(clonotype[productive.index], receptor, strict=True)
    ]
    return clonotype, consensus
