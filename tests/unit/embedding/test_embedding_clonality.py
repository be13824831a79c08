from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.io import mmread

from marrowclone import config as configuration
from marrowclone.embedding import groups as gr
from marrowclone.embedding.clonality import call_clonality
from marrowclone.embedding.rearrangements import COLUMNS
from marrowclone.embedding.receptor import folded_v
from marrowclone.resources import gene_table

GENES = pd.Index(
    ["IGKC", "IGLC2", "IGLC3", "IGHG1", "IGHG2", "IGHA1", "IGHM", "JCHAIN", "IGHV3-23"]
    + [f"IGKV1-{i}" for i in range(5, 25)] + ["IGKV1D-9"] + [f"IGLV2-{i}" for i in range(5, 25)]
)  # fmt: skip
NO_CONTIGS = pd.DataFrame(columns=[*COLUMNS, "cell"])


@pytest.fixture(scope="module")
def settings() -> dict:
    return configuration.load({"samples": "samples.tsv"})["embedding"]["call_clonality"]


def cell(chain: str, v: str, heavy: str = "IGHG1", *, constant: int = 60, v_umis: int = 12, heavy_umis: int = 40):
    """Counts of one plasma cell."""
    row = pd.Series(0, index=GENES)
    row["IGKC" if chain == "kappa" else "IGLC2"] = constant
    row[v] = v_umis
    row[heavy] = heavy_umis
    return row


def patient(rows, *, sample="P_dx", timepoint="diagnosis", day=0, cluster="0", soup=None):
    """Counts and cell table of plasma cells, and of 30 T cells that hold the soup."""
    soup = pd.Series(0, index=GENES) if soup is None else soup
    counts = pd.DataFrame([r + soup for r in rows] + [soup] * 30).to_numpy()
    n = len(counts)
    cells = pd.DataFrame(
        {
            "cell": [f"{sample}:c{i:03d}" for i in range(n)], "sample": sample, "patient": "P", "timepoint": timepoint,
            "day": day, "cell_type": ["plasma"] * len(rows) + ["cd4_t"] * 30, "cluster": cluster,
        }
    )  # fmt: skip
    cells["is_plasma"] = cells["is_tumour_type"] = cells["cell_type"] == "plasma"
    return counts, cells


def called(parts, settings, contigs=NO_CONTIGS):
    counts = sp.csr_matrix(np.vstack([c for c, _ in parts]))
    cells = pd.concat([c for _, c in parts], ignore_index=True)
    return call_clonality(counts, GENES, cells, contigs, patient="P", settings=settings)


def polyclonal(n, *, seed=1):
    """60% kappa, each cell its own V gene and isotype."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        kappa = i % 5 < 3
        v = f"{'IGKV1' if kappa else 'IGLV2'}-{rng.integers(5, 25)}"
        out.append(cell("kappa" if kappa else "lambda", v, ["IGHG1", "IGHA1", "IGHM"][rng.integers(3)]))
    return out


def test_golden_vectors_of_science_1_4() -> None:
    # 20 of 20 kappa where kappa is 0.6 of normal cells: p = 3.7e-5
    known, integrated = gr.chance_of(20, 20, 60, 40)
    assert known == pytest.approx(3.7e-5, rel=0.02)
    # not knowing the share exactly makes 20 of 20 likelier; the integral by quadrature over Beta(60, 40)
    q = np.linspace(0, 1, 20001)
    assert integrated == pytest.approx(np.trapezoid(stats.beta.pdf(q, 60, 40) * q**20, q), rel=1e-3)
    assert integrated > known


@given(st.integers(0, 200), st.integers(0, 200))
def test_chances_are_chances(k: int, more: int) -> None:
    known, integrated = gr.chance_of(k, k + more, 60, 40)
    if k + more:
        assert 0 <= known <= 1 and 0 <= integrated <= 1


def test_donors_move_the_kappa_share_but_no_donor_alone() -> None:
    donors = pd.DataFrame({"patient": "H1", "light_chain": ["lambda"] * 10_000})
    a, b, _ = gr.kappa_share(donors)
    # one odd donor of 10,000 cells counts as 50: the share falls from 0.60 to 0.40, not to 0
    assert a / (a + b) == pytest.approx(60 / 150)


def test_the_duplicated_kappa_locus_is_folded() -> None:
    assert folded_v("IGKV1D-39") == folded_v("IGKV1-39") == "IGKV1-39"
    assert folded_v("IGKV1OR2-108") == "" and folded_v("IGKC") == "" and folded_v("IGHV1-69D") == "IGHV1-69D"


def test_a_clone_is_restricted_in_chain_isotype_and_v_gene(settings) -> None:
    rows = [cell("kappa", "IGKV1-9" if i % 2 else "IGKV1D-9") for i in range(60)] + polyclonal(4)
    cells, groups = called([patient(rows)], settings)
    row = groups[groups["kind"] == "timepoint"].iloc[0]
    assert row["verdict"] == "restricted" and row["chain"] == "kappa" and row["isotype_monoclonal"]
    # reads on the twin of the duplicated locus do not part the clone
    assert row["v_light"] == "IGKV1-9" and row["v_restricted"] and row["v_light_share"] > 0.9
    assert cells["clonal"].sum() == 60


def test_polyclonal_cells_give_nothing(settings) -> None:
    cells, groups = called([patient(polyclonal(200))], settings)
    assert set(groups["verdict"]) == {"polyclonal"} and not cells["clonal"].any()
    assert not groups["v_restricted"].any() and not groups["isotype_monoclonal"].any()


def test_a_v_gene_gives_away_a_clone_among_normal_cells(settings) -> None:
    # 60 clonal of 160: the light chain (78% kappa) shows nothing, one V gene in 38% of cells does
    cells, groups = called([patient([cell("kappa", "IGKV1-9")] * 60 + polyclonal(100))], settings)
    assert groups.loc[groups["kind"] == "timepoint", "verdict"].item() != "restricted"
    assert groups.loc[groups["verdict"] == "expanded", "group"].item() == "IGKV1-9"
    assert cells["clonal"].sum() >= 60 and set(cells.loc[cells["clonal"], "v_light"]) == {"IGKV1-9"}


def test_a_single_chain_is_no_clone_in_few_cells(settings) -> None:
    _, groups = called([patient([cell("lambda", "IGLV2-8")] * 19)], settings)
    assert set(groups["verdict"]) == {"untested"}  # 20 cells is the least (science 1.4)


def test_soup_is_taken_off_before_the_call(settings) -> None:
    # a lambda clone in the soup of a kappa tumour: 50 IGKC and 5 of its V gene in every droplet
    soup = pd.Series(0, index=GENES)
    soup["IGKC"], soup["IGKV1-9"], soup["IGHA1"] = 50, 5, 45
    cells, _ = called([patient([cell("lambda", "IGLV2-8")] * 30, soup=soup)], settings)
    assert set(cells["light_chain"]) == {"lambda"} and set(cells["v_light"]) == {"IGLV2-8"}
    assert set(cells["isotype"]) == {"IgG"}  # the soup's IgA would be the larger


def test_no_heavy_chain_is_said(settings) -> None:
    cells, groups = called([patient([cell("kappa", "IGKV1-9", heavy_umis=0)] * 30)], settings)
    assert set(cells["isotype"]) == {"light_chain_only"}
    assert groups.loc[groups["kind"] == "timepoint", "isotype"].item() == "light_chain_only"


def test_a_switch_between_timepoints_and_two_clones_at_one_are_flagged(settings) -> None:
    first = patient([cell("kappa", "IGKV1-9")] * 40)
    later = patient([cell("lambda", "IGLV2-8")] * 40, sample="P_rel", timepoint="relapse", day=400, cluster="1")
    _, groups = called([first, later], settings)
    assert groups["flags"].str.contains("switch: kappa at diagnosis, lambda at relapse").sum() == 4
    assert not groups["flags"].str.contains("biclonal").any()  # never at one time
    # half switched: no timepoint is restricted, both V genes are expanded
    half = patient([cell("lambda", "IGLV2-8")] * 40 + [cell("kappa", "IGKV1-9")] * 40, sample="P_rel",
                   timepoint="relapse", day=400)  # fmt: skip
    cells, groups = called([first, half], settings)
    assert groups["flags"].str.contains("kappa at diagnosis, kappa and lambda at relapse").any()
    assert cells["clonal"].all()
    both = patient([cell("lambda", "IGLV2-8")] * 40, sample="P_dx2", cluster="1")
    _, groups = called([first, both], settings)
    assert groups["flags"].str.contains("biclonal").any()


def test_contigs_override_expression(settings) -> None:
    parts = [patient([cell("kappa", "IGKV1-9")] * 10)]
    rows = [("c", chain, v, c, j, 50) for chain, v, c, j in
            [("IGL", "IGLV2-8", "IGLC2", "TGTL"), ("IGH", "IGHV3-23", "IGHA1", "TGTH")]]  # fmt: skip
    contigs = pd.concat(
        [pd.DataFrame(rows, columns=list(COLUMNS)).assign(cell=f"P_dx:c{i:03d}") for i in range(6)], ignore_index=True
    )
    cells, _ = called(parts, settings, contigs)
    six = cells[cells["cell"] < "P_dx:c006"]
    assert set(six["light_chain"]) == {"lambda"} and set(six["isotype"]) == {"IgA"} and six["clonotype_dominant"].all()
    assert set(six["clonotype_log_odds"]) == {8.0}  # science 1.4
    rest = cells[cells["cell"] >= "P_dx:c006"]
    assert set(rest["chain_source"]) == {"expression"} and rest["clonotype_log_odds"].isna().all()


def test_a_second_large_clonotype_is_clonal_and_a_stranger_is_not(settings) -> None:
    # kappa clone at diagnosis, lambda clone with other contigs at relapse, one stranger among the kappa cells
    first = patient([cell("kappa", "IGKV1-9")] * 40)
    later = patient([cell("lambda", "IGLV2-8")] * 30, sample="P_rel", timepoint="relapse", day=400)
    rows = []
    for name, n, heavy in (("P_dx", 40, "TGTA"), ("P_rel", 30, "TGTC")):
        rows += [(f"{name}:c{i:03d}", "IGH", "IGHV3-23", "IGHG1", heavy if i else "TGTGGG", 50) for i in range(n)]
    contigs = pd.DataFrame(rows, columns=list(COLUMNS))
    contigs["cell"] = contigs["barcode"]
    cells, _ = called([first, later], settings, contigs)
    assert not cells.loc[cells["cell"] == "P_dx:c000", "clonal"].item()
    assert cells["clonal"].sum() == 68 and cells["clonotype_dominant"].sum() == 39


def test_the_order_of_cells_changes_nothing(settings) -> None:
    counts, cells = patient([cell("kappa", "IGKV1-9")] * 30 + polyclonal(30))
    one = called([(counts, cells)], settings)
    order = np.random.default_rng(3).permutation(len(cells))
    two = called([(counts[order], cells.iloc[order].reset_index(drop=True))], settings)
    pd.testing.assert_frame_equal(one[0], two[0])
    pd.testing.assert_frame_equal(one[1], two[1])


def test_the_b_cells_of_a_real_malt_lymphoma_are_one_clone(data: Path, settings) -> None:
    # real 10x v3 counts; types by two plain marker rules, not by the pipeline
    folder = data / "malt"
    symbols = pd.Index(pd.read_csv(folder / "features.tsv.gz", sep="\t", header=None)[1])
    counts = mmread(folder / "matrix.mtx.gz").tocsr().T.tocsr()

    def umis(*names):
        return np.asarray(counts[:, np.flatnonzero(symbols.isin(names))].sum(axis=1)).ravel()

    b, t = umis("MS4A1", "CD79A", "BANK1") >= 2, umis("CD3D", "CD3E", "CD2", "NKG7") >= 1
    table = gene_table()
    ig = np.flatnonzero(symbols.isin(table.loc[table["locus"] == "ig", "symbol"]))
    cells = pd.DataFrame(
        {"cell": [f"M:{i:04d}" for i in range(len(b))], "sample": "M", "patient": "M", "timepoint": "diagnosis", "day": 0,
         "cell_type": np.where(b & ~t, "tumour", np.where(t & ~b, "cd4_t", "other")), "cluster": "0", "is_plasma": False,
         "is_tumour_type": b & ~t}
    )  # fmt: skip
    _, groups = call_clonality(counts[:, ig], symbols[ig], cells, NO_CONTIGS, patient="M", settings=settings)
    row = groups[groups["kind"] == "timepoint"].iloc[0]
    assert row["verdict"] == "restricted" and row["chain"] == "kappa"
    # three kinds of evidence that know nothing of each other: chain, isotype, V gene
    assert row["isotype"] == "IgM" and row["isotype_monoclonal"]
    assert row["v_light"] == "IGKV3-20" and row["v_restricted"]


def test_a_patient_without_plasma_cells_gets_empty_tables(settings) -> None:
    cells, groups = called([patient([])], settings)
    assert cells.empty and groups.empty
