"""Evidence beside the counts: it sets clones apart that counts cannot, and invents none."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score

from marrowclone.clones.allele_files import read_alleles
from marrowclone.clones.alleles import call_alleles
from marrowclone.clones.clonotypes import receptor
from marrowclone.clones.extra import Extra, barcode_ids, read_patient_variants
from marrowclone.clones.infer import Clones, infer_clones
from marrowclone.clones.snps import Alleles, pool
from marrowclone.errors import UserError
from unit.clones.allele_generator import make_alleles
from unit.clones.clone_generator import Patient, make_patient
from unit.clones.test_clones_infer import SCHEMA, SETTINGS, TRUNK

CALL = {
    name: rule["default"]
    for name, rule in yaml.safe_load(SCHEMA.read_text())["properties"]["call_alleles"]["properties"].items()
}
#: The second clone differs in nothing that counts show: both arms of chromosome 7 are two copies of one haplotype.
ONE_LOST = {"b": {"7p": (2, 0), "7q": (2, 0)}}


def run(p: Patient, extra: Extra | None, rows: np.ndarray | None = None) -> Clones:
    rows = np.arange(len(p.cells)) if rows is None else rows
    cells = pd.DataFrame({"cell": p.cells[rows], "sample": p.samples[rows]})
    return infer_clones(p.counts[rows], cells, p.genes, p.baseline, settings=SETTINGS, seed=7, extra=extra)


@pytest.fixture(scope="module")
def twins() -> Patient:
    return make_patient({"dx": {"a": 150, "b": 70}}, {"a": TRUNK, "b": TRUNK})


@pytest.fixture(scope="module")
def alleles(twins: Patient) -> Alleles:
    return make_alleles(twins.cells, twins.clone, ONE_LOST, seed=101)


@pytest.fixture(scope="module")
def found(twins: Patient, alleles: Alleles) -> Clones:
    return run(twins, Extra(alleles=alleles))


def agreement(p: Patient, clones: Clones) -> float:
    return float(
        adjusted_rand_score(pd.Series(p.clone, index=p.cells)[clones.cells["cell"]], clones.cells["best_clone"])
    )


def test_copy_neutral_loss_is_found_with_alleles_and_not_without(twins: Patient, found: Clones) -> None:
    assert list(run(twins, None).summary["clone"]) == ["c1"]
    assert list(found.summary["clone"]) == ["c1", "c2"]
    assert agreement(twins, found) > 0.9
    assert "alleles 7p" in found.summary["evidence"][1]
    assert "copy number" not in found.summary["evidence"][1]


def test_given_phase_is_used(twins: Patient) -> None:
    phased = make_alleles(twins.cells, twins.clone, ONE_LOST, phased=True, seed=102)
    assert agreement(twins, run(twins, Extra(alleles=phased))) > 0.9


@pytest.mark.parametrize("seed", [111, 112, 113, 114])
def test_balanced_alleles_invent_no_clone(twins: Patient, seed: int) -> None:
    clones = run(twins, Extra(alleles=make_alleles(twins.cells, twins.clone, {}, seed=seed)))
    assert list(clones.summary["clone"]) == ["c1"]


def test_order_of_cells_changes_nothing(twins: Patient, alleles: Alleles, found: Clones) -> None:
    rng = np.random.default_rng(3)
    shuffled = alleles.counts.iloc[rng.permutation(len(alleles.counts))].reset_index(drop=True)
    again = run(twins, Extra(alleles=Alleles(alleles.snps, shuffled)), rng.permutation(len(twins.cells)))
    pd.testing.assert_frame_equal(found.cells, again.cells, rtol=1e-4)


def test_cells_without_reads_stay_where_counts_leave_them(twins: Patient, alleles: Alleles) -> None:
    without = set(twins.cells[:60])
    kept = alleles.counts[~alleles.counts["barcode"].isin(without)].reset_index(drop=True)
    cells = run(twins, Extra(alleles=Alleles(alleles.snps, kept))).cells.set_index("cell")
    assert {c for c in cells.columns if c.startswith("p_")} == {"p_c1", "p_c2"}
    assert cells.loc[~cells.index.isin(without), "posterior"].mean() > 0.95
    # they follow the clones' sizes only (two of three are c1), for counts say nothing here
    assert cells.loc[list(without), "p_c1"].between(0.3, 0.95).mean() > 0.9


def test_nothing_given_is_the_same_as_nothing_to_say(twins: Patient) -> None:
    empty = Extra(alleles=pool({}, {}), variants=pd.DataFrame(columns=["cell", "variant", "ad", "dp"]))
    bare, none, nothing = run(twins, None), run(twins, Extra()), run(twins, empty)
    for name in ("cells", "selection", "summary"):
        assert getattr(bare, name).to_csv() == getattr(none, name).to_csv()
    for name in ("cells", "selection"):
        assert getattr(bare, name).to_csv() == getattr(nothing, name).to_csv()
    said = "evidence used: alleles (nothing that parts the cells), mtDNA (nothing that parts the cells)"
    assert nothing.summary["note"].tolist() == [said]


def test_arms_are_called_per_clone(twins: Patient, alleles: Alleles, found: Clones) -> None:
    arms = [(c, "chr7", a, 2, 1, 9) for c in ("c1", "c2") for a in "pq"]
    profiles = pd.DataFrame(arms, columns=["clone", "chromosome", "arm", "state", "start", "end"])
    calls = call_alleles(alleles, found.cells, profiles, reading=SETTINGS, settings=CALL)
    table = calls.set_index(["clone", "chromosome", "arm"]).sort_index()
    assert set(table.loc["c2"].loc["chr7", "call"]) == {"copy-neutral LOH"}
    assert set(table.loc["c1", "call"]) == {"balanced"}
    # both arms are balanced elsewhere; of 22 one may fall out of its 95% interval
    assert (table.loc["c2"].drop("chr7")["call"] == "balanced").sum() >= 21
    lost = table.loc["c2"].loc["chr7"]
    # all reads but half of the soup (5%) are of one haplotype
    assert lost["lower"].le(0.975).all() and lost["b_allele"].between(0.93, 0.985).all()


def mitochondria(p: Patient, share: dict[str, float], *, rng: np.random.Generator) -> pd.DataFrame:
    """A variant that tells and one that does not; each cell has 40 mitochondria of its own."""
    parts = []
    for variant, of in (("3243A>G", share), ("73A>G", {"a": 0.4, "b": 0.4})):
        h = rng.binomial(40, [of[c] for c in p.clone]) / 40
        dp = rng.poisson(15, len(p.cells))
        parts.append(pd.DataFrame({"cell": p.cells, "variant": variant, "ad": rng.binomial(dp, h), "dp": dp}))
    table = pd.concat(parts, ignore_index=True)
    return table[table["dp"] > 0]


def test_mitochondrial_variant_sets_clones_apart(twins: Patient) -> None:
    clones = run(twins, Extra(variants=mitochondria(twins, {"a": 0.0, "b": 0.6}, rng=np.random.default_rng(5))))
    assert agreement(twins, clones) > 0.9
    assert "mtDNA 3243A>G" in clones.summary["evidence"][1] and "73A>G" not in clones.summary["evidence"][1]


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_shared_variant_invents_no_clone(twins: Patient, seed: int) -> None:
    clones = run(twins, Extra(variants=mitochondria(twins, {"a": 0.3, "b": 0.3}, rng=np.random.default_rng(seed))))
    assert list(clones.summary["clone"]) == ["c1"]


def clonality(p: Patient, *, light: dict[str, str], missing: float) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    chain = np.array([light[c] for c in p.clone])
    soup = rng.random(len(chain)) < 0.02
    chain = np.where(soup, np.where(chain == "kappa", "lambda", "kappa"), chain)
    gone = rng.random(len(chain)) < missing
    return pd.DataFrame(
        {"cell": p.cells, "clonotype_cdr3": np.where(gone, "", "H:TGTGCG"), "light_chain": chain,
         "chain_source": np.where(gone, "expression", "contigs"), "multiplet": False}
    )  # fmt: skip


def test_second_light_chain_is_a_clone_and_missing_receptors_say_nothing(twins: Patient) -> None:
    receptors = receptor(clonality(twins, light={"a": "kappa", "b": "lambda"}, missing=0.2))
    clones = run(twins, Extra(receptors=receptors))
    assert list(clones.summary["clone"]) == ["c1", "c2"]
    seen = clones.cells[clones.cells["cell"].map(receptors) != ""]
    assert adjusted_rand_score(pd.Series(twins.clone, index=twins.cells)[seen["cell"]], seen["best_clone"]) > 0.85
    assert "clonotype" in clones.summary["evidence"][1]


def test_one_receptor_changes_nothing(twins: Patient) -> None:
    one = receptor(clonality(twins, light={"a": "kappa", "b": "kappa"}, missing=0.2))
    assert list(run(twins, Extra(receptors=one)).summary["clone"]) == ["c1"]


NUMBAT = "cell\tsnp_id\tCHROM\tPOS\tAD\tDP\tGT\tgene\nAAAC-1\t1_100_A_G\t1\t100\t1\t2\t0|1\tGENE\n"


def test_both_forms_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "n.tsv.gz").write_bytes(gzip.compress(NUMBAT.encode()))
    folder = tmp_path / "lite"
    folder.mkdir()
    head = "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 "
    vcf = "##x\n#CHROM\tPOS\tID\tREF\tALT\n1\t100\t.\tA\tG\n"
    (folder / "cellSNP.base.vcf.gz").write_bytes(gzip.compress(vcf.encode()))
    (folder / "cellSNP.tag.AD.mtx").write_text(head + "1\n")
    (folder / "cellSNP.tag.DP.mtx").write_text(head + "2\n")
    (folder / "cellSNP.samples.tsv").write_text("AAAC-1\n")
    table, lite = read_alleles(tmp_path / "n.tsv.gz"), read_alleles(folder)
    assert table.counts.to_dict("list") == lite.counts.to_dict("list")
    assert lite.snps.loc[0, ["chromosome", "position", "gt"]].tolist() == ["chr1", 100, ""]
    assert table.snps["gt"].tolist() == ["0|1"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("\tDP\t", "\tdepth\t"), "line 1: no column DP"),
        (("\t1\t2\t", "\t3\t2\t"), "line 2, column AD: found 3, more than DP (2)"),
        (("\t1\t2\t", "\t1.5\t2\t"), "line 2, column AD: found '1.5', expected a number of reads"),
        (("\t100\t", "\tx\t"), "line 2, column POS: found 'x'"),
        ((NUMBAT, ""), "the file is empty"),
        ((NUMBAT, NUMBAT + NUMBAT.split("\n")[1] + "\n"), "has two rows of one SNP"),
    ],
)
def test_bad_tables_are_refused_in_words(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    (tmp_path / "n.tsv").write_text(NUMBAT.replace(*change))
    with pytest.raises(UserError) as caught:
        read_alleles(tmp_path / "n.tsv")
    assert said in str(caught.value)


def test_suffix_of_barcodes_is_made_good_and_strangers_are_left_out(tmp_path: Path) -> None:
    cells = np.array(["S1:AAAC-1", "S1:CCCC-1", "S2:AAAC-1"])
    assert barcode_ids(np.array(["AAAC", "CCCC-1", "GGGG-1"]), "S1", cells) == {
        "AAAC": "S1:AAAC-1", "CCCC-1": "S1:CCCC-1",
    }  # fmt: skip
    (tmp_path / "m.tsv").write_text("cell\tvariant\tAD\tDP\nAAAC\t3243A>G\t2\t5\nGGGG\t3243A>G\t2\t5\n")
    read = read_patient_variants({"S2": tmp_path / "m.tsv"}, cells)
    assert read is not None and read.to_dict("list") == {
        "cell": ["S2:AAAC-1"], "variant": ["3243A>G"], "ad": [2], "dp": [5],
    }  # fmt: skip


def test_clones_that_counts_tell_apart_stay_as_they_are() -> None:
    p = make_patient({"dx": {"a": 150, "b": 70}}, {"a": TRUNK, "b": {**TRUNK, ("chr1", "q"): 3, ("chr16", "q"): 1}})
    bare, more = run(p, None), run(p, Extra(alleles=make_alleles(p.cells, p.clone, {}, seed=120)))
    assert bare.cells.to_csv() == more.cells.to_csv()
    assert more.summary["evidence"][1] == "copy number"
