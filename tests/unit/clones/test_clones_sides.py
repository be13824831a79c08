"""Clones whose cells vary more, or less, than the others': each side has a dispersion of its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from marrowclone.clones.contrast import Split, contrast, false_discovery, split
from marrowclone.clones.sides import side_dispersions
from marrowclone.clones.sums import Array, Sums, dispersions, steadied, sum_groups

GENES = 1500


def draw(
    seed: int, cells: tuple[int, int], phi: tuple[float | Array, float | Array], effect: Array | None = None
) -> tuple[Sums, Split]:
    """Negative binomial counts of clones c1 and c2 in one capture; ``effect``: folds of c1."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(-1.0, 1.2, GENES)
    counts, depths = [], []
    for n, dispersion, fold in zip(cells, phi, (effect if effect is not None else 1.0, 1.0), strict=True):
        depth = rng.lognormal(0, 0.5, n)
        shape = np.broadcast_to(dispersion, (n, GENES))
        counts.append(rng.poisson(depth[:, None] * level * fold * rng.gamma(1 / shape, shape)))
        depths.append(depth)
    clone = np.repeat(["c1", "c2"], cells)
    sums = sum_groups(sparse.csr_matrix(np.concatenate(counts)), np.concatenate(depths), clone, ["a"] * len(clone))
    return sums, split(sums, "c1", min_cells=20)


def well_counted(of: Split) -> np.ndarray:
    rate = (of.own + of.other) / (of.own_depth + of.other_depth)
    return np.asarray(np.minimum(rate * of.own_depth, rate * of.other_depth)[0] >= 5)


def both(sums: Sums) -> tuple[Array, tuple[Array, Array]]:
    """The dispersion that all cells share, and that of either side."""
    common = dispersions(sums)
    usual = steadied(common, sums.counts.sum(axis=0))
    return usual, side_dispersions(sums, "c1", np.nan_to_num(common), usual)


@pytest.mark.parametrize(
    ("cells", "phi"),
    [
        ((25, 300), (0.5, 0.5)),
        ((25, 300), (2.0, 0.5)),
        ((300, 25), (0.125, 0.5)),
        ((60, 60), (2.0, 0.5)),
        ((300, 25), (0.5, 0.5)),
    ],
)
def test_p_values_are_uniform_whatever_the_sides_dispersions(cells: tuple[int, int], phi: tuple[float, float]) -> None:
    p = []
    for seed in range(4):
        sums, of = draw(seed, cells, phi)
        p.append(contrast(of, both(sums)[1]).p[well_counted(of)])
    all_p = np.concatenate(p)
    assert len(all_p) > 3000
    # one dispersion for both sides: .12 and .045 in the second case, .085 and .025 in the third
    assert 0.035 <= (all_p <= 0.05).mean() <= 0.06
    assert (all_p <= 0.01).mean() <= 0.015
    assert 0.17 <= (all_p <= 0.2).mean() <= 0.23


def test_where_cells_vary_alike_as_many_genes_are_found_as_with_one_dispersion() -> None:
    fold = np.ones(GENES)
    fold[:100], fold[100:200] = 4.0, 0.25
    changed = np.arange(GENES) < 200
    for cells in ((25, 300), (60, 60), (300, 150)):
        found = np.zeros((2, 3))
        for seed in range(3):
            sums, of = draw(10 + seed, cells, (0.5, 0.5), fold)
            usual, own = both(sums)
            for i, phi in enumerate(((usual, usual), own)):
                called = false_discovery(np.where(well_counted(of), contrast(of, phi).p, np.nan)) <= 0.05
                found[i, seed] = called[changed & well_counted(of)].mean()
        one, sides = found.mean(axis=1)
        assert sides >= one - 0.01


def test_a_sides_factor_is_seen_and_few_cells_do_not_make_a_difference_surer() -> None:
    sums, of = draw(1, (25, 300), (2.0, 0.5))
    usual, (own, other) = both(sums)
    good = well_counted(of)
    assert np.median(own[good] / other[good]) > 2 and np.median(own[good] / usual[good]) > 1.7
    # few steady cells may only have missed what is rare: their factor is hardly believed
    sums, of = draw(1, (25, 300), (0.125, 0.5))
    usual, (own, _) = both(sums)
    assert np.median(own[well_counted(of)] / usual[well_counted(of)]) > 0.85
    # as many cells as the others have are believed
    sums, of = draw(1, (300, 300), (0.125, 0.5))
    usual, (own, other) = both(sums)
    assert np.median(own[well_counted(of)]) / np.median(other[well_counted(of)]) == pytest.approx(0.25, rel=0.25)


def test_a_gene_that_varies_more_than_its_side_has_a_wider_dispersion_where_cells_suffice() -> None:
    loud = np.arange(GENES) % 5 == 0
    phi = np.where(loud, 4.0, 0.5)
    sums, of = draw(2, (200, 300), (phi, 0.5))
    _, (own, other) = both(sums)
    well = well_counted(of) & (of.own[0] > 200)
    assert np.median(own[well & loud]) > 2.5 and np.median(own[well & ~loud]) < 1.0
    assert (own >= 0).all() and np.isfinite(own).all() and np.isfinite(other).all()


def test_genes_without_counts_on_a_side_keep_what_is_usual() -> None:
    sums, _ = draw(3, (25, 300), (0.5, 0.5), np.where(np.arange(GENES) == 7, 0.0, 1.0))
    assert sums.counts[0, 7] == 0
    usual, (own, _) = both(sums)
    assert own[7] == pytest.approx(usual[7], rel=0.15)
