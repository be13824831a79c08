from pathlib import Path

import pandas as pd
import pytest

from marrowclone.embedding import rearrangements as re_
from marrowclone.errors import UserError

SETTINGS = {"min_contig_umis": 3, "min_contig_share": 0.02}

TENX = """barcode,is_cell,contig_id,high_confidence,length,chain,v_gene,d_gene,j_gene,c_gene,full_length,productive,cdr3,cdr3_nt,reads,umis
AAAC-1,True,AAAC-1_contig_1,True,500,IGH,IGHV3-23,None,IGHJ4,IGHG1,True,True,CARDYW,TGTGCGAGAGACTACTGG,900,40
AAAC-1,true,AAAC-1_contig_2,true,500,IGK,IGKV1-39,,IGKJ1,IGKC,true,true,CQQSTF,TGTCAACAGAGCACTTTC,900,90
AAAC-1,true,AAAC-1_contig_3,true,500,IGH,IGHV4-34,,IGHJ4,IGHM,true,None,,,90,2
AAAG-1,false,AAAG-1_contig_1,true,500,IGK,IGKV1-39,,IGKJ1,IGKC,true,true,CQQSTF,TGTCAACAGAGCACTTTC,900,90
AAAT-1,true,AAAT-1_contig_1,false,500,IGK,IGKV1-39,,IGKJ1,IGKC,true,true,CQQSTF,TGTCAACAGAGCACTTTC,900,90
AACC-1,true,AACC-1_contig_1,true,500,TRB,TRBV2,,TRBJ1-1,TRBC1,true,true,CASF,TGTGCCAGCTTC,900,20
"""

AIRR = (
    "cell_id\tsequence_id\tsequence\trev_comp\tproductive\tv_call\td_call\tj_call\tc_call\tjunction\tjunction_aa\t"
    "duplicate_count\tis_cell\n"
    "AAAC-1\ts1\tACGT\tF\tT\tIGHV3-23*01\t\tIGHJ4*02\tIGHG1\tTGTGCGAGAGACTACTGG\tCARDYW\t40\tT\n"
    "AAAC-1\ts2\tACGT\tF\tT\tIGKV1-39*01,IGKV1D-39*01\t\tIGKJ1*01\tIGKC\ttgtcaacagagcactttc\tCQQSTF\t90\tT\n"
    "AAAC-1\ts3\tACGT\tF\tF\tIGHV4-34*01\t\tIGHJ4*02\tIGHM\tTGTGCG\tCA\t2\tT\n"
    "AACC-1\ts4\tACGT\tF\tT\tTRBV2*01\t\tTRBJ1-1*01\tTRBC1\tTGTGCC\tCA\t20\tT\n"
)


def contigs(*rows: tuple[str, str, str, int]) -> pd.DataFrame:
    """Rows of cell, chain, junction, UMIs."""
    table = pd.DataFrame(rows, columns=["cell", "chain", "junction", "umis"])
    constant = {"IGH": "IGHG1", "IGK": "IGKC", "IGL": "IGLC2"}
    return table.assign(barcode=table["cell"], v_gene=table["chain"] + "V1-1", c_gene=table["chain"].map(constant))


def test_10x_and_airr_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TENX)
    (tmp_path / "a.tsv").write_text(AIRR)
    tenx, airr = re_.read_contigs(tmp_path / "a.csv"), re_.read_contigs(tmp_path / "a.tsv")
    # no cell, low confidence, not productive (None, F) and T-cell receptors are out; alleles and case are evened out
    assert list(tenx["junction"]) == ["TGTGCGAGAGACTACTGG", "TGTCAACAGAGCACTTTC"]
    pd.testing.assert_frame_equal(tenx, airr)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("barcode,chain\nA,IGH\n", "no column v_gene"),
        ("cell_id\tv_call\tproductive\tjunction\nA\tIGHV1\tT\tTGT\n", "umi_count or duplicate_count"),
        (TENX.replace(",900,40", ",900,many"), "line 2, column umis: found 'many'"),
        (AIRR.replace("\tF\tT\tIGHV3", "\tF\tmaybe\tIGHV3"), "found 'maybe', expected T or F"),
        ("", "cannot be read"),
    ],
)
def test_a_bad_table_is_answered_in_words(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises(UserError, match="bad") as error:
        re_.read_contigs(tmp_path / "bad")
    assert found in str(error.value) and "Hint" in str(error.value)


def test_the_suffix_of_barcodes_is_made_good(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TENX)
    read = re_.read_contigs(tmp_path / "a.csv")
    for barcode in ("AAAC-1", "AAAC"):  # counts with and without the suffix that the contigs have
        assert set(re_.match_barcodes(read, "S", [barcode, "TTTT-1"])["cell"]) == {f"S:{barcode}"}
    assert re_.match_barcodes(read, "S", ["AAAC-2"]).empty  # another capture's cell


def test_cells_of_one_heavy_chain_are_one_clonotype_whatever_their_light_chain() -> None:
    called = re_.call_clonotypes(
        contigs(("a", "IGH", "H1", 9), ("a", "IGK", "K1", 9), ("b", "IGH", "H1", 9), ("b", "IGL", "L1", 9),
                ("c", "IGH", "H1", 9), ("d", "IGH", "H2", 9)), SETTINGS,
    )  # fmt: skip
    # b has switched to lambda; c shows its heavy chain alone
    assert called["clonotype"].to_dict() == {"a": "clonotype1", "b": "clonotype1", "c": "clonotype1", "d": "clonotype2"}
    assert called["chain"].to_dict() == {"a": "kappa", "b": "lambda", "c": "", "d": ""}


def test_a_light_chain_alone_joins_only_where_one_clonotype_has_it() -> None:
    called = re_.call_clonotypes(
        contigs(("a", "IGH", "H1", 9), ("a", "IGK", "K1", 9), ("b", "IGK", "K1", 9),
                ("c", "IGH", "H2", 9), ("c", "IGK", "K2", 9), ("d", "IGH", "H3", 9), ("d", "IGK", "K2", 9),
                ("e", "IGK", "K2", 9)), SETTINGS,
    )  # fmt: skip
    assert called.loc["b", "clonotype"] == called.loc["a", "clonotype"]
    assert called.loc["e", "clonotype"] == ""  # two clonotypes have this short CDR3


def test_disease_of_light_chains_alone_has_a_clonotype() -> None:
    called = re_.call_clonotypes(contigs(*((f"c{i}", "IGL", "L1", 9) for i in range(6))), SETTINGS)
    assert set(called["clonotype"]) == {"clonotype1"}
    assert re_.dominant_clonotype(called["clonotype"], min_cells=5, min_share=0.05) == "clonotype1"


def test_contigs_of_the_soup_make_no_clonotype() -> None:
    soup = [(f"s{i}", "IGH", "H1", 2) for i in range(20)]
    own = [("s0", "IGK", "K9", 200), ("s0", "IGH", "H1", 3)]  # 3 beside 200 of its own: 1.5%, soup as well
    called = re_.call_clonotypes(contigs(*soup, *own), SETTINGS)
    assert list(called.index) == ["s0"] and called.loc["s0", "contig_v_heavy"] == ""


def test_two_heavy_chains_flag_a_multiplet() -> None:
    called = re_.call_clonotypes(
        contigs(("a", "IGH", "H1", 30), ("a", "IGH", "H2", 20), ("b", "IGH", "H1", 9)), SETTINGS
    )
    assert called["multiplet"].to_dict() == {"a": True, "b": False}


def test_polyclonal_cells_have_no_dominant_clonotype() -> None:
    # 100 cells of 100 clonotypes, and a tie of two large ones
    assert re_.dominant_clonotype(pd.Series([f"c{i}" for i in range(100)]), min_cells=5, min_share=0.05) == ""
    assert re_.dominant_clonotype(pd.Series(["a"] * 9 + ["b"] * 9), min_cells=5, min_share=0.05) == ""
