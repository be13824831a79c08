from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.errors import InputProblems, UserError
from marrowclone.resources import RESOURCES, gene_table
from marrowclone.simulate import fit, portrait
from marrowclone.simulate.effects import FITTED, build_effects, cell_fields
from marrowclone.simulate.fields import EXPRESSION
from marrowclone.simulate.folder import digest
from marrowclone.simulate.real_levels import read_profiles
from marrowclone.simulate.spec import check_spec
from marrowclone.simulate.transcriptome import at, build_transcriptome
from unit.simulate.simulate_cases import one_patient

DATA = Path(os.environ.get("MARROWCLONE_DATA", Path(__file__).parents[4] / "shared/data"))
G = len(gene_table())


@pytest.fixture
def expressed() -> np.ndarray:
    return np.arange(G) % 3 > 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_effects_keep_their_sd_and_share_what_they_ought_to(expressed, share):
    effects = build_effects(expressed, 1, share)
    drawn = np.array([effects.draw(np.random.default_rng(i), 0.2)[expressed] for i in range(60)])
    assert drawn.std() == pytest.approx(0.2, rel=0.03)  # a patient's SD means the same whatever is shared
    neighbours = np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]
    # half of the share is local, and neighbours have 4 of 5 places in common
    assert neighbours == pytest.approx(0.8 * share / 2, abs=0.03)
    far = np.corrcoef(drawn[:, :-50].ravel(), drawn[:, 50:].ravel())[0, 1]
    assert abs(far) < 0.03  # factors give pairs of genes any sign


def test_factors_are_the_cohorts_and_effects_lie_along_them(expressed):
    """With independent effects the first of 60 components holds about 1/60 of the variance."""
    effects = build_effects(expressed, 1, 1.0)
    drawn = np.array([effects.draw(np.random.default_rng(i), 0.2)[expressed] for i in range(60)])
    size = np.linalg.svd(drawn, compute_uv=False) ** 2
    assert size[:20].sum() / size.sum() > 0.55  # 20 factors hold half of it and a third of the rest


def test_nothing_shared_is_the_plain_normal_draw(expressed):
    drawn = build_effects(expressed, 1, 0.0).draw(np.random.default_rng(4), 0.2)
    assert (drawn == np.random.default_rng(4).normal(0.0, 0.2, G)).all()


def test_cell_fields_are_smooth_along_the_genome_and_of_one_size(expressed):
    fields = cell_fields(expressed, 1, 0.2)
    size = np.sqrt((fields**2).sum(axis=0))
    assert size[expressed] == pytest.approx(np.full(expressed.sum(), 0.2), rel=1e-4)
    assert (fields[:, ~expressed] == 0).all()
    on = fields[:, expressed]
    near, far = ((on[:, :-k] * on[:, k:]).sum(axis=0).mean() / 0.04 for k in (10, 200))
    assert near > 0.6 > 0.2 > abs(far)  # windows of 40 genes overlap by 30 ten places on
    assert cell_fields(expressed, 1, 0.0).shape == (0, G)


def test_the_defaults_are_the_fitted_values():
    assert {k: EXPRESSION[k].default for k in FITTED} == FITTED


def profile_table(path: Path, **columns: list[int]) -> str:
    symbols = gene_table()["symbol"][(gene_table()["locus"] == "") & (gene_table()["chromosome"] == "chr5")][:4]
    rows = ["\t".join(["gene", *columns])] + [
        "\t".join([s, *map(str, v)]) for s, *v in zip(symbols, *columns.values(), strict=True)
    ]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_real_levels_shrink_zeros_and_leave_unknown_genes_drawn(tmp_path):
    path = profile_table(tmp_path / "p.tsv", Plasma=[0, 500_000, 500_000, 0], NK=[1000, 499_000, 500_000, 0])
    levels = read_profiles(path)
    assert levels.known.sum() == 4
    plasma = levels.levels["plasma"][levels.known]
    # x = 0, N = 1e6, mean share of both types .0005: .5 / (1e6 + .5 / .0005) of a million is about .5 CPM
    assert plasma[0] == pytest.approx(0.5, rel=0.01)
    assert plasma[1] == pytest.approx(5e5, rel=0.01)
    assert plasma[3] == 0  # seen in no type
    drawn, real = build_transcriptome(3), build_transcriptome(3, expression={"profiles": path})
    other = int(np.flatnonzero(~levels.known & (drawn.levels["pdc"] > 0))[0])
    assert real.levels["pdc"][other] > 0
    assert real.levels["plasma"][at(["SDC1"])] > 100  # pinned genes stay as they are


def test_another_content_of_the_profiles_is_another_cohort(tmp_path):
    path = profile_table(tmp_path / "p.tsv", Plasma=[1, 2, 3, 4])
    spec = check_spec({**one_patient(), "expression": {"profiles": path}})
    before = digest(spec)
    profile_table(tmp_path / "p.tsv", Plasma=[1, 2, 3, 5])
    assert digest(spec) != before


def test_mistakes_in_the_profiles_are_named_by_their_key(tmp_path):
    with pytest.raises(InputProblems, match=r"expression\.profiles: .*there is no such file"):
        check_spec({**one_patient(), "expression": {"profiles": str(tmp_path / "no.tsv")}})
    with pytest.raises(UserError, match="with the column Plasma"):
        read_profiles(profile_table(tmp_path / "p.tsv", Tcell=[1, 2, 3, 4]))
    with pytest.raises(UserError, match="with the column Plasma"):  # found in the values: not a number
        read_profiles(profile_table(tmp_path / "n.tsv", Plasma=[1, float("nan"), 3, 4]))
    with pytest.raises(UserError, match="the column Plasma has no finite counts of known genes"):
        read_profiles(profile_table(tmp_path / "z.tsv", Plasma=[0, 0, 0, 0]))


@pytest.mark.data
def test_real_profiles_bring_the_false_arm_shifts_of_real_plasma_cells():
    """Science 1.6: plasma against the mean of five immune types seems to gain 3q and 8q by .31."""
    path = DATA / "hca_profiles.tsv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    levels = build_transcriptome(1, expression={"profiles": str(path)}).levels
    immune = np.mean([levels[t] for t in ("nk", "cd4_t", "cd8_t", "monocyte", "b_cell")], axis=0)
    used = fit.signal_genes() & ((levels["plasma"] + immune) / 2 > 2)
    shift = np.clip(np.log2((levels["plasma"][used] + 1) / (immune[used] + 1)), -3, 3)
    arms = fit.arm_of_gene()[used]
    means = {a: shift[arms == a].mean() - np.median(shift) for a in np.unique(arms) if (arms == a).sum() >= 100}
    assert set(sorted(means, key=means.get)[-2:]) == {"3q", "8q"}
    assert min(means["3q"], means["8q"]) > 0.15  # of .31: pinned markers and the prior take some of it


def test_moments_give_back_the_dispersion_of_gamma_poisson_counts():
    rng = np.random.default_rng(1)
    depth = rng.lognormal(0, 0.4, 4000)[:, None]
    mean = np.array([0.5, 2.0, 8.0, 8.0])[None]
    phi = np.array([0.5, 0.3, 0.1, 0.0])
    gamma = np.where(phi > 0, rng.gamma(1 / np.maximum(phi, 1e-9), np.maximum(phi, 1e-9), (4000, 4)), 1.0)
    other = rng.poisson(depth * 4000.0)  # the rest of the cell's UMIs, so that depth is known
    counts = sp.csr_matrix(np.hstack([rng.poisson(depth * mean * gamma), other]))
    found = fit.gene_moments(counts)
    assert found["phi"][:4].to_numpy() == pytest.approx(phi, abs=0.06)
    assert found["zeros"][0] > found["zeros"][1] > found["zeros"][2]


def test_arm_excess_is_one_for_independent_genes_and_more_for_an_arm_that_moves():
    rng = np.random.default_rng(2)
    used = np.flatnonzero(fit.signal_genes())[::4]
    arms = fit.arm_of_gene()[used]
    mean = np.full((400, used.size), 0.5)
    moved = mean * np.where(arms == "1p", np.exp(rng.normal(0, 0.3, (400, 1))), 1.0)

    def excess(rates):
        block = sp.csr_matrix(rng.poisson(rates))
        return fit.arm_excess(sp.csr_matrix((block.data, used[block.indices], block.indptr), shape=(400, G)))

    still = excess(mean)
    assert still.mean() == pytest.approx(1.0, abs=0.06)
    assert excess(moved)["1p"] > 3  # var .3^2 of 200 UMIs is 18 times their Poisson variance, less what the sum takes


def test_distance_and_windows():
    a = np.arange(100.0)
    assert fit.distance(a, a) == 0 and fit.distance(a, a + 200) == 1
    assert fit.distance(a, a + 50) == pytest.approx(0.5, abs=0.01)
    rng = np.random.default_rng(3)
    level = np.full(G, 50.0)
    assert fit.window_inflation(level, level * np.exp(rng.normal(0, 0.3, G))) == pytest.approx(1.0, abs=0.3)
    regional = np.repeat(rng.normal(0, 0.3, G // 40 + 1), 40)[:G]
    assert fit.window_inflation(level, level * np.exp(regional)) > 2.5


def test_a_portrait_is_no_distance_from_itself_and_some_from_another():
    rng = np.random.default_rng(5)
    rates = rng.lognormal(-2, 1.5, G)
    one, other = (sp.csr_matrix(rng.poisson(rates * f, (150, G))) for f in (1.0, 1.5))
    first, second = (portrait.of_cells(c, "t") for c in (one, other))
    same, apart = portrait.compare(first, first), portrait.compare(first, second)
    assert (same["distance"].dropna() == 0).all()
    distance = apart.set_index("statistic")["distance"]
    assert distance["umi"] > 0.9  # one and a half times the depth: no overlap
    assert abs(distance["arm_excess"]) < 0.15  # both are independent genes


def test_the_kept_portrait_of_real_cells_has_what_the_comparison_needs():
    kept = pd.read_csv(RESOURCES / "simulate_fit.tsv", sep="\t", comment="#", dtype={"key": str}, keep_default_na=False)
    levels = build_transcriptome(1).levels
    simulated = pd.concat([portrait.of_profile(levels["plasma"], "plasma"), portrait.of_kinds(levels)])
    table = portrait.compare(kept, simulated).set_index(["statistic", "type"])["distance"]
    assert table["ln_cpm", "plasma"] < 0.08  # the levels were fitted to this profile
    assert abs(table["window_inflation", "cd4_t / cd8_t"]) < 0.25
