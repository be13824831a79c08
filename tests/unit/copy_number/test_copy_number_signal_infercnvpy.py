"""infercnvpy's own numbers, on its own data and on random ones; what is handled and what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number.infercnv import category_means, infercnv, place_genes
from marrowclone.errors import UserError
from marrowclone.resources import arm_table, gene_table

NORMAL = ["Microglia/Macrophage", "Oligodendrocytes (non-malignant)"]
#: Sums in float32 there, in float64 here.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def tumours():
    """infercnvpy's oligodendrogliomas (Tirosh 2016): log1p of what its file holds (TPM-like values up to 34,215)."""
    import infercnvpy as cnv

    data = cnv.datasets.oligodendroglioma()
    data.X = data.X.log1p()
    return data


@pytest.fixture(scope="module")
def random():
    """300 cells x 3,000 genes on five chromosomes, sparse."""
    import anndata as ad

    rng = np.random.default_rng(0)
    matrix = sp.random(300, 3000, density=0.1, random_state=1, format="csr")
    matrix.data = np.log1p(rng.poisson(3, len(matrix.data)) + 1.0)
    chromosome = rng.choice(["chr1", "chr2", "chr10", "chr21", "chrX"], 3000, p=[0.4, 0.3, 0.2, 0.02, 0.08])
    var = pd.DataFrame({"chromosome": chromosome, "start": rng.permutation(3000)}, index=[f"g{i}" for i in range(3000)])
    obs = pd.DataFrame({"cell_type": rng.choice(["a", "b", "c"], 300)}, index=[str(i) for i in range(300)])
    return ad.AnnData(X=matrix, obs=obs, var=var.assign(end=var["start"] + 1))


def theirs(data, categories, **settings):
    import infercnvpy as cnv

    chr_pos, signal, _ = cnv.tl.infercnv(
        data, reference_key="cell_type", reference_cat=categories, inplace=False, n_jobs=1,
        **{"dynamic_threshold": None} | settings,
    )  # fmt: skip
    return chr_pos, signal.toarray()


def ours(data, categories, **settings):
    reference = category_means(data.X, data.obs["cell_type"].astype(str).to_numpy(), categories)
    placed, signal = infercnv(data.X, data.var, reference=reference, **{"threshold": None} | settings)
    return placed.chr_pos, signal.toarray()


@pytest.mark.parametrize("categories", [["a"], ["a", "b"]], ids=["plain", "bounded"])
@pytest.mark.parametrize("window, step", [(100, 10), (51, 7)], ids=str)
@pytest.mark.parametrize("chunk", [5000, 37])
def test_random_data(random, categories, window, step, chunk):
    """All entries, and what the threshold of each chunk leaves."""
    shape = {"lfc_clip": 0.7, "window_size": window, "step": step, "chunksize": chunk}
    mine = {"clip": 0.7, "window": window, "step": step, "chunk": chunk}
    chr_pos, expected = theirs(random, categories, **shape)
    my_chr_pos, found = ours(random, categories, **mine)
    assert my_chr_pos == chr_pos
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    kept = theirs(random, categories, dynamic_threshold=1.5, **shape)[1]
    np.testing.assert_allclose(ours(random, categories, threshold=1.5, **mine)[1], kept, atol=TOLERANCE)


@pytest.mark.parametrize("categories", [NORMAL[:1], NORMAL], ids=["plain", "bounded"])
@pytest.mark.parametrize("chunk", [5000, 37])
def test_its_own_data(tumours, categories, chunk):
    chr_pos, expected = theirs(tumours, categories, chunksize=chunk)
    my_chr_pos, found = ours(tumours, categories, chunk=chunk)
    assert my_chr_pos == chr_pos
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    kept = theirs(tumours, categories, chunksize=chunk, dynamic_threshold=1.5)[1]
    mine = ours(tumours, categories, chunk=chunk, threshold=1.5)[1]
    both = (kept != 0) & (mine != 0)
    np.testing.assert_allclose(mine[both], kept[both], atol=TOLERANCE)
    # an entry that lies on the threshold to within rounding may fall on either side
    edge = np.abs(np.where(kept != 0, kept, mine)[(kept != 0) != (mine != 0)])
    assert len(edge) <= 2 and (len(edge) == 0 or np.ptp(edge) < TOLERANCE)


def test_one_threshold_for_the_matrix_is_theirs_with_one_chunk(random):
    np.testing.assert_allclose(
        ours(random, ["a"], threshold=1.5, chunk=None)[1],
        theirs(random, ["a"], dynamic_threshold=1.5, chunksize=5000)[1],
        atol=TOLERANCE,
    )


def test_cells_and_threads_do_not_matter(random):
    reference = category_means(random.X, random.obs["cell_type"].to_numpy(), ["a"])
    order = np.random.default_rng(2).permutation(300)
    _, one = infercnv(random.X, random.var, reference=reference, chunk=None)
    _, two = infercnv(random.X[order], random.var, reference=reference, chunk=None, threads=2)
    np.testing.assert_array_equal(one[order].toarray(), two.toarray())


def arms_of_windows(placed):
    """Arm of each window, from the middle of its span (positions are hg19 there, the arms' hg38: alike but at centromeres)."""
    arms = arm_table()
    names = []
    for chromosome, at in zip(
        placed.table["chromosome"], (placed.table["start"] + placed.table["end"]) / 2, strict=True
    ):
        here = arms[(arms["chromosome"] == chromosome) & (arms["start"] <= at) & (at <= arms["end"])]
        names.append(chromosome[3:] + here["arm"].iloc[0] if len(here) else "")
    return np.array(names)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_1p_19q_loss_of_oligodendrogliomas(tumours, seed):
    """The loss that defines this tumour (Tirosh 2016): in all four tumours, in no normal cell that was held out.

    The reference is half of the normal cells of either type. A tumour has it where its mean and most of its cells are
    down on both arms; held-out normal cells are all to be without, and their mean near 0.
    """
    kind = tumours.obs["cell_type"].astype(str).to_numpy(dtype=object)
    rng = np.random.default_rng(seed)
    for name in NORMAL:
        of = np.flatnonzero(kind == name)
        kind[rng.permutation(of)[: len(of) // 2]] = f"reference {name}"
    means = category_means(tumours.X, kind, [f"reference {name}" for name in NORMAL])
    placed, signal = infercnv(tumours.X, tumours.var, reference=means, threshold=None)
    arm, signal = arms_of_windows(placed), signal.toarray()
    level = pd.DataFrame({a: signal[:, arm == a].mean(axis=1) for a in ("1p", "19q")})
    lost = (level < -0.1).all(axis=1).groupby(kind).mean()
    mean = level.groupby(kind).mean()
    print(mean.assign(lost=lost).round(2).to_string())
    tumour = mean.index.str.startswith("malignant")
    assert tumour.sum() == 4
    assert (mean[tumour] < -0.15).all(axis=None) and (lost[tumour] > 0.5).all()
    assert (mean.loc[NORMAL].abs() < 0.1).all(axis=None) and (lost[NORMAL] == 0).all()


def test_chromosomes_without_chr_and_contigs(random):
    """``1`` is ``chr1``; contigs and missing ones are left out."""
    reference = category_means(random.X, random.obs["cell_type"].to_numpy(), ["a"])
    named = random.var.assign(chromosome=random.var["chromosome"].str.removeprefix("chr"))
    one = infercnv(random.X, random.var, reference=reference)[1]
    np.testing.assert_array_equal(infercnv(random.X, named, reference=reference)[1].toarray(), one.toarray())
    elsewhere = random.var.copy()
    elsewhere.loc[elsewhere["chromosome"] == "chrX", "chromosome"] = "GL000194.1"  # X is left out anyway
    np.testing.assert_array_equal(infercnv(random.X, elsewhere, reference=reference)[1].toarray(), one.toarray())
    missing = random.var.copy()
    missing.loc[missing["chromosome"] == "chrX", "chromosome"] = np.nan
    np.testing.assert_array_equal(infercnv(random.X, missing, reference=reference)[1].toarray(), one.toarray())


def test_missing_genes_and_another_order(random):
    """Genes that are not there shift the windows, nothing else; their order in the matrix says nothing."""
    order = np.random.default_rng(4).permutation(3000)[:2500]
    part, other = random[:, np.sort(order)].copy(), random[:, order].copy()
    reference = category_means(part.X, part.obs["cell_type"].to_numpy(), ["a"])
    shuffled = category_means(other.X, other.obs["cell_type"].to_numpy(), ["a"])
    one = infercnv(part.X, part.var, reference=reference)
    two = infercnv(other.X, other.var, reference=shuffled)
    assert one[0].table.equals(two[0].table)
    np.testing.assert_allclose(one[1].toarray(), two[1].toarray(), atol=1e-6)


def test_genes_are_placed_by_symbol_or_ensembl_id():
    table = gene_table()
    some = table.iloc[::500]
    by_id = place_genes([f"{g}.7" for g in some["gene_id"]])
    by_symbol = place_genes(some["symbol"].tolist())
    assert by_id["start"].tolist() == by_symbol["start"].tolist() == some["start"].tolist()
    assert place_genes([*some["symbol"], "no such gene"])["chromosome"].iloc[-1] == ""
    with pytest.raises(UserError, match=r"found 'Actb'.*0 are known.*Hint: "):
        place_genes(["Actb", "Gapdh"])


def test_what_is_refused(random):
    reference = category_means(random.X, random.obs["cell_type"].to_numpy(), ["a"])
    with pytest.raises(UserError, match="no column start, end"):
        infercnv(random.X, random.var[["chromosome"]], reference=reference)
    with pytest.raises(UserError, match="found 2999 in the matrix, 3000 in their table and 3000 in the reference"):
        infercnv(random.X[:, 1:], random.var, reference=reference)
    with pytest.raises(UserError, match="expected chr1 to chr22"):
        infercnv(random.X, random.var.assign(chromosome="scaffold_1"), reference=reference)
    broken = random.X.copy()
    broken.data[0] = np.nan
    with pytest.raises(UserError, match="NaN or infinity"):
        infercnv(broken, random.var, reference=reference)
    with pytest.raises(UserError, match=r"no cell of 'T cell'.*the cells have 'a', 'b', 'c'"):
        category_means(random.X, random.obs["cell_type"].to_numpy(), ["a", "T cell"])
