import numpy as np
import pandas as pd
import pytest

from marrowclone import config as configuration
from marrowclone.embedding.identity import check_identity, sex_of
from marrowclone.embedding.profiles import LINEAGES, OTHERS, PLASMA, SampleProfile, jackknife_error
from marrowclone.resources import RESOURCES, read_resource

N = 2000
PANEL = read_resource(RESOURCES / "identity_genes.tsv")
GENES = pd.Index(["XIST", "RPS4Y1", "DDX3Y", "GSTM1", "ERAP2", *(f"G{i}" for i in range(N))])
COMPARED = np.array([False] * 5 + [True] * N)
CHROMOSOMES = np.array(["chrX", "chrY", "chrY", "chr1", "chr5", *(f"chr{i % 22 + 1}" for i in range(N))])


@pytest.fixture(scope="module")
def settings() -> dict:
    return configuration.load({"samples": "samples.tsv"})["embedding"]["check_identity"]


def profile(sample, *, person, batch=None, sex="female", germline=(500.0, 500.0), cells=200, batch_sd=0.1, plasma=None):
    """A capture of a person (a seed); ``batch`` is the seed of the capture's own gene effects."""
    level = np.random.default_rng(7).lognormal(0, 1, N)
    own = np.random.default_rng(1000 + person).normal(0, 0.25, N)
    technical = np.random.default_rng(batch if batch is not None else abs(hash_of(sample))).normal(0, batch_sd, N)
    rng = np.random.default_rng(abs(hash_of(sample)) + 1)
    mean = level * np.exp(own + technical)
    mean *= 200_000 / mean.sum()
    sums = {}
    for name in (*LINEAGES, OTHERS, PLASMA):
        x, y = (60, 0) if sex == "female" else (0, 90) if sex == "male" else (30, 30)
        x, y = plasma if plasma and name == PLASMA else (x, y)
        head = [x, y * 0.7, y * 0.3, germline[0] * 0.2, germline[1] * 0.2]
        sums[name] = rng.poisson(np.concatenate([head, mean])).astype(float) if cells else np.zeros(N + 5)
    n_cells = dict.fromkeys((*LINEAGES, OTHERS, PLASMA), cells)
    return SampleProfile(sample, sums, n_cells, GENES, COMPARED, CHROMOSOMES)


def hash_of(text: str) -> int:
    """A seed that is the same in every process."""
    return int.from_bytes(text.encode()[-6:], "big") % 2**31


def visits(profiles, batches=None):
    rows = {p.sample: {"patient": p.sample.split("_")[0], "timepoint": p.sample.split("_")[1], "day": i,
                       "batch": (batches or {}).get(p.sample, p.sample)} for i, p in enumerate(profiles)}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def receptors(**by_sample):
    """sample -> (chain, V gene) of 40 clonal cells."""
    columns = ["sample", "light_chain", "v_light", "clonal", "clonotype_cdr3"]
    parts = [pd.DataFrame([[s, c, v, True, cdr3[0] if cdr3 else ""]] * 40, columns=columns)
             for s, (c, v, *cdr3) in by_sample.items()]  # fmt: skip
    return pd.concat(parts) if parts else pd.DataFrame(columns=columns)


def checked(profiles, settings, *, batches=None, panel=PANEL, **found):
    table = check_identity(profiles, visits(profiles, batches), receptors(**found), panel, settings=settings)
    return table.set_index(["sample", "check"])


def test_sex_is_called_from_what_is_seen() -> None:
    assert sex_of(profile("A_dx", person=1), PANEL, min_umis=10)[0] == "female"
    assert sex_of(profile("A_dx", person=1, sex="male"), PANEL, min_umis=10)[0] == "male"
    assert sex_of(profile("A_dx", person=1, sex="both"), PANEL, min_umis=10)[0] == "mixed"
    # a tumour that lost its Y is no woman: the other cells speak first
    assert sex_of(profile("A_dx", person=1, sex="male", plasma=(0, 0)), PANEL, min_umis=10)[0] == "male"
    # and where there is nothing, nothing is called
    assert sex_of(profile("A_dx", person=1, cells=0), PANEL, min_umis=10)[0] == ""


def test_swapped_tubes_of_two_sexes_are_named_on_every_sample(settings) -> None:
    # relapse tubes of A (male) and B (female) exchanged; C is untouched
    tubes = [profile("A_dx", person=1, sex="male"), profile("A_rel", person=2, sex="female"),
             profile("B_dx", person=2, sex="female"), profile("B_rel", person=1, sex="male"),
             profile("C_dx", person=3), profile("C_rel", person=3)]  # fmt: skip
    table = checked(tubes, settings)["call"].unstack()["overall"]
    assert table.to_dict() == {s: "mismatch" if s[0] in "AB" else "match" for s in table.index}
    others = checked(tubes, settings)["other_sample"].unstack()["overall"]
    assert others["A_rel"] == "B_dx" and others["A_dx"] == "B_rel"


def test_a_swap_within_one_sex_is_seen_by_likeness(settings) -> None:
    tubes = [profile("A_dx", person=1), profile("A_rel", person=2), profile("B_dx", person=2), profile("B_rel", person=1),
             profile("C_dx", person=3), profile("D_dx", person=4)]  # fmt: skip
    table = checked(tubes, settings)
    assert table.loc[("A_rel", "likeness"), "call"] == "mismatch" and table.loc[("A_rel", "sex"), "call"] == "match"
    assert table.loc[("A_rel", "overall"), "other_sample"] == "B_dx"


def test_a_batch_of_timepoints_is_no_swap(settings) -> None:
    # all relapse tubes were prepared together: a batch effect larger than a person's genes, named in the sheet or not
    tubes = [profile(f"{p}_{t}", person=i, batch=50 + (t == "rel"), batch_sd=0.35)
             for i, p in enumerate("ABC") for t in ("dx", "rel")]  # fmt: skip
    for batches in (None, {p.sample: p.sample[-3:] for p in tubes}):
        calls = checked(tubes, settings, batches=batches)["call"].unstack()
        assert not (calls == "mismatch").any().any()


@pytest.mark.parametrize("seed", range(5))
def test_unswapped_cohorts_have_no_mismatch(seed, settings) -> None:
    tubes = [profile(f"{p}{seed}_{t}", person=10 * seed + i, sex="male" if i % 2 else "female", batch_sd=0.3)
             for i, p in enumerate("ABCD") for t in ("dx", "mid", "rel")]  # fmt: skip
    calls = checked(tubes, settings)["call"].unstack()
    assert not calls.isin(["mismatch"]).any().any()


def test_two_patients_alone_cannot_show_a_swap_by_likeness(settings) -> None:
    tubes = [
        profile("A_dx", person=1),
        profile("A_rel", person=2),
        profile("B_dx", person=2),
        profile("B_rel", person=1),
    ]
    assert checked(tubes, settings).loc[("A_rel", "overall"), "call"] == "differs"


def test_a_switch_of_the_light_chain_differs_and_is_no_mismatch(settings) -> None:
    tubes = [profile(f"{p}_{t}", person=i) for i, p in enumerate("ABC") for t in ("dx", "rel")]
    table = checked(tubes, settings, A_dx=("kappa", "IGKV1-9"), A_rel=("lambda", "IGLV2-8"))
    assert table.loc[("A_rel", "receptor"), "call"] == "differs"
    assert table.loc[("A_rel", "overall"), "call"] == "match"  # the person is the same by all else
    assert "receptor" in table.loc[("A_rel", "overall"), "evidence"]


def test_one_light_chain_is_no_proof_but_a_v_gene_is(settings) -> None:
    tubes = [profile("A_dx", person=1, cells=0), profile("A_rel", person=1, cells=0)]
    chain = checked(tubes, settings, A_dx=("kappa", ""), A_rel=("kappa", ""))
    assert chain.loc[("A_dx", "receptor"), "call"] == "not assessable"  # 60% of all tumours are kappa
    gene = checked(tubes, settings, A_dx=("kappa", "IGKV1-9"), A_rel=("kappa", "IGKV1-9"))
    assert gene.loc[("A_dx", "overall"), "call"] == "match"


def test_the_cdr3_of_another_patient_is_a_mismatch(settings) -> None:
    # tubes of plasma cells alone: nothing else could be compared
    tubes = [profile(f"{p}_{t}", person=1, cells=0) for p in "AB" for t in ("dx", "rel")]
    table = checked(tubes, settings, A_dx=("kappa", "", "H:TGTAAA"), A_rel=("kappa", "", "H:TGTCCC"),
                    B_dx=("kappa", "", "H:TGTCCC"), B_rel=("kappa", "", "H:TGTAAA"))  # fmt: skip
    assert set(table["call"].unstack()["overall"]) == {"mismatch"}
    assert table.loc[("A_rel", "overall"), "other_sample"] == "B_dx"
    # a light chain's CDR3 is short and shared by chance
    light = checked(tubes, settings, A_rel=("kappa", "", "L:IGK:TGT"), B_dx=("kappa", "", "L:IGK:TGT"))
    assert not (light["call"] == "mismatch").any()


def test_genes_that_some_people_lack(settings) -> None:
    tubes = [profile("A_dx", person=1, germline=(500, 500)), profile("A_rel", person=1, germline=(0, 0)),
             profile("B_dx", person=2, germline=(500, 500)), profile("B_rel", person=2, germline=(200, 500))]  # fmt: skip
    table = checked(tubes, settings)
    assert table.loc[("A_rel", "germline_genes"), "call"] == "mismatch"  # two genes lost at once
    assert table.loc[("B_rel", "germline_genes"), "call"] == "match"  # a level of 40% is a batch, no absence
    wide = settings | {"min_share_present": 0.5, "max_share_absent": 0.45}
    # the limits are the configuration's: 40% is now one gene that is lost
    assert checked(tubes, wide).loc[("B_rel", "germline_genes"), "call"] == "differs"


def test_only_genes_of_the_given_table_tell_persons(settings) -> None:
    tubes = [profile("A_dx", person=1, sex="male"), profile("A_rel", person=1, sex="female", germline=(0, 0))]
    calls = checked(tubes, settings)["call"]
    assert calls[("A_rel", "sex")] == calls[("A_rel", "germline_genes")] == "mismatch"
    # without its genes a check has nothing to see, whatever the counts hold
    calls = checked(tubes, settings, panel=PANEL[PANEL["kind"] == "x"])["call"]
    assert calls[("A_rel", "germline_genes")] == "not assessable"
    assert checked(tubes, settings, panel=PANEL.iloc[:0])["call"][("A_rel", "sex")] == "not assessable"


def test_every_sample_has_every_row_even_when_nothing_can_be_said(settings) -> None:
    table = check_identity(
        tubes := [profile("A_dx", person=1, cells=0)], visits(tubes), receptors(), PANEL, settings=settings
    )
    assert set(table["check"]) == {"overall", "sex", "germline_genes", "likeness", "receptor"}
    assert set(table["call"]) == {"not assessable"} and table["evidence"].ne("").all()


def test_jackknife_error_of_a_mean() -> None:
    # of a mean of k values the jackknife gives the usual standard error exactly
    values = np.array([1.0, 2.0, 4.0, 9.0])
    without = (values.sum() - values) / 3
    assert jackknife_error(without) == pytest.approx(values.std(ddof=1) / 2)
