"""The reference ladder: which rung is taken and why, what is refused, and what the rungs do to the calls."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number import arms, ladder, malignant, pooling, spikes, store
from marrowclone.copy_number.anchors import DOUBLING, anchor_notes, loss_note, notes_of
from marrowclone.copy_number.clusters import TUMOUR, GroupEvidence
from marrowclone.copy_number.look import cells_of
from marrowclone.copy_number.profile_file import Profile
from marrowclone.copy_number.reference import patient_signal
from marrowclone.errors import UserError

TRUNK = ["+1q", "-13q", "-14q", "+9q", "+15q"]
DONORS = ["H0", "H1", "H2"]


@pytest.fixture(scope="module")
def donors(make_cells):
    return [
        make_cells(90, sample=h, patient=h, cell_type="plasma", timepoint="healthy", seed=100 + i)
        for i, h in enumerate(DONORS)
    ]


@pytest.fixture(scope="module")
def look(genome, defaults):
    """Function: (AnnData, cells) -> PatientSignal; settings as keywords."""

    def go(counts, cells, *, donors=DONORS, profile=None, patient="P", **settings):
        return patient_signal(
            counts, cells, genome.genes, patient=patient, donors=list(donors),
            settings=defaults["infer_signal"] | settings, calls=defaults["call_malignant"], seed=1, profile=profile,
        )  # fmt: skip

    return go


@pytest.fixture(scope="module")
def call(genome, defaults):
    """Function: (PatientSignal, AnnData, cells) -> calls of the patient's tumour-type cells, as the rule makes them."""

    def go(found, counts, cells):
        rows = pd.Index(cells["cell"]).get_indexer(found.obs["cell"])
        reference = store.reference_table(found, patient="P", tumour_types=["plasma"])
        calls = malignant.call_cells(
            cells_of(found.obs, found.signal.arms, counts.X[rows]), found.baseline.expected, found.baseline.genes,
            rung=found.reference.rung, settings=store.settings_against(reference, defaults["call_malignant"]), seed=1,
        )  # fmt: skip
        table = calls.cells.set_index(found.obs["cell"].to_numpy())
        return table[found.obs["is_tumour_type"].to_numpy()]

    return go


@pytest.fixture(scope="module")
def study(make_cells, genome):
    """Another study of 5 donors, whose every gene is read with a factor of its own (SD of the log 0.5)."""
    effect = np.random.default_rng(11).lognormal(0, 0.5, len(genome.table))
    counts, n_cells = {}, {}
    for kind, n in (("plasma", 400), ("cd4_t", 300), ("monocyte", 300)):
        matrix, _ = make_cells(n, sample=f"X{kind}", patient="X", cell_type=kind, effect=effect, seed=50)
        counts[kind] = np.asarray(matrix.sum(axis=0)).ravel()
        n_cells[kind] = n
    return Profile(pd.DataFrame(counts, index=genome.table.index), n_cells, "another study", "10x 5'", 5)


@pytest.fixture(scope="module")
def patient(make_cells):
    """Function: tumour and 30 normal plasma cells of P, with or without T cells and monocytes."""

    def make(*, immune=True):
        parts = [
            make_cells(120, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1),
            make_cells(30, sample="S", patient="P", cell_type="plasma", seed=2),
        ]
        if immune:
            parts += [make_cells(100, sample="S", patient="P", cell_type=t, seed=3) for t in ("cd4_t", "monocyte")]
        return parts

    return make


def share(table, call, of):
    return (table.loc[table.index.str.contains(of), "call"] == call).mean()


# R3


def test_another_study_where_the_cohort_has_no_donors(patient, join, look, call, study, genome, defaults):
    counts, cells = join(*patient())
    found = look(counts, cells, donors=[], profile=study)
    assert found.reference.rung == "R3"
    for word in (
        "400 plasma cells",
        "5 donors",
        "another study",
        "10x 5'",
        "corrected per gene by 200 cd4_t, monocyte",
    ):
        assert word in found.reference.reason
    row = store.reference_table(found, patient="P", tumour_types=["plasma"]).iloc[0]
    assert (row["n_cells"], row["n_samples"]) == (400, 5)
    assert row["systematic_sd"] > defaults["call_malignant"]["systematic_sd"]  # never as sure as with own donors
    table = call(found, counts, cells)
    assert share(table, "malignant", "plasma1-") > 0.95
    assert share(table, "malignant", "plasma2-") <= 0.04
    rows = pd.Index(cells["cell"]).get_indexer(table.index[table.index.str.contains("plasma1-")])
    states = arms.call_arms(
        counts.X[rows], cells["sample"].iloc[rows], pd.Series([""] * len(rows)), found.baseline.expected,
        found.baseline.genes, rung="R3", settings=defaults["call_arms"] | {"systematic_sd": row["systematic_sd"]},
    )  # fmt: skip
    events = states[states["call"].isin(["gain", "loss"])]
    signs = events["call"].map({"gain": "+", "loss": "-"}) + events["chromosome"].str[3:] + events["arm"]
    # none is invented by the study's own effects, which are larger than an event; one may stay indeterminate
    assert set(signs) <= set(TRUNK) and len(signs) >= 4


def test_study_effect_is_taken_out_of_the_plasma_profile(patient, join, look, study, genome):
    counts, cells = join(*patient())
    found = look(counts, cells, donors=[], profile=study)
    high = found.baseline.used & (genome.plasma > np.quantile(genome.plasma, 0.7))
    truth = np.log(genome.plasma[high] / genome.plasma[high].sum())
    raw = study.counts["plasma"].to_numpy()[high]
    raw_error = np.std(np.log(np.maximum(raw, 1)) - truth)
    expected = found.baseline.expected["S"].to_numpy()[high]
    assert np.std(np.log(np.maximum(expected, 1e-9)) - truth) < 0.6 * raw_error


def test_patient_without_immune_cells_is_not_corrected_and_less_sure(patient, join, look, study):
    found = look(*join(*patient(immune=False)), donors=[], profile=study)
    assert found.reference.rung == "R3"
    assert "not corrected" in found.reference.reason and "lower confidence" in found.reference.reason
    assert found.reference.systematic_sd == 0.18
    assert (found.baseline.effects == 1).all(axis=None)


def test_profile_comes_after_donors_and_before_immune_cells(patient, join, look, study, donors):
    assert look(*join(*patient(), *donors), profile=study).reference.rung == "R2"
    assert look(*join(*patient()), donors=[]).reference.rung == "R5"
    one = Profile(study.counts, study.n_cells, study.study, "", 1)
    assert "fewer than the 3 donors" in look(*join(*patient()), donors=[], profile=one).reference.reason


def test_genes_that_the_profile_lacks_are_not_used(patient, join, look, study):
    part = Profile(study.counts.iloc[::2], study.n_cells, "half", "", 5)
    genes = look(*join(*patient()), donors=[], profile=part).baseline.genes
    lacking = genes.iloc[1::2]
    assert not lacking["used"].any()
    assert (lacking["reason"] == "not in the reference profile").sum() > 1000


def test_reference_of_a_file_has_noise_from_the_patients_own_immune_cells(patient, join, look, study):
    # a profile has no single cells; without any the spread of the tumour itself would be taken for noise
    found = look(*join(*patient()), donors=[], profile=study)
    noise = found.reference.is_reference
    assert set(found.obs.loc[noise, "cell_type"]) == {"cd4_t", "monocyte"}
    for kind in ("cd4_t", "monocyte"):
        own = found.signal.arms[(found.obs["cell_type"] == kind).to_numpy()]
        assert np.abs(np.median(own, axis=0)).max() < 0.15  # each type against itself: diploid
    assert found.obs["cell"].is_monotonic_increasing


@pytest.mark.parametrize("rung", ["R1", "R3"])
def test_order_of_cells_does_not_matter(rung, patient, make_cells, join, look, study):
    more = make_cells(40, sample="S", patient="P", cell_type="plasma", seed=8)
    counts, cells = join(*patient(), more)
    order = np.random.default_rng(3).permutation(len(cells))
    straight = look(counts, cells, donors=[], profile=study, rung=rung)
    shuffled = look(counts[order].copy(), cells.iloc[order].reset_index(drop=True), donors=[], profile=study, rung=rung)
    pd.testing.assert_frame_equal(straight.obs, shuffled.obs, rtol=1e-7)
    np.testing.assert_allclose(straight.signal.arms, shuffled.signal.arms, rtol=1e-7, atol=1e-9)
    pd.testing.assert_frame_equal(straight.baseline.expected, shuffled.baseline.expected, rtol=1e-7)
    assert straight.reference.reason == shuffled.reference.reason


# forced rungs


@pytest.mark.parametrize("rung", ["R1", "R2", "R3", "R4", "R5"])
def test_forced_rung_is_taken_and_said(rung, patient, make_cells, join, look, study, donors):
    more = make_cells(60, sample="S", patient="P", cell_type="plasma", seed=8)
    found = look(*join(*patient(), more, *donors), profile=study, rung=rung)
    assert found.reference.rung == rung
    assert "forced by configuration" in found.reference.reason


def test_forced_rung_of_one_patient(patient, join, look, donors):
    data = join(*patient(), *donors)
    assert look(*data, rung="R2", rung_of_patient={"P": "R5"}).reference.rung == "R5"
    assert look(*data, rung="R5", rung_of_patient={"Q": "R2"}).reference.rung == "R5"
    assert look(*data, rung="R5", rung_of_patient={"P": "auto"}).reference.rung == "R2"


@pytest.mark.parametrize(
    ("rung", "word"),
    [("R1", "normal plasma cells"), ("R2", "0 plasma cells"), ("R3", "no reference profile"), ("R5", "no immune type")],
)
def test_forced_rung_that_cannot_be_had(rung, word, make_cells, join, look):
    tumour = make_cells(60, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    with pytest.raises(UserError) as error:
        look(*join(tumour), donors=[], rung=rung)
    assert f"patient P: rung {rung} is forced" in str(error.value)
    assert word in str(error.value) and "Hint: set P: auto" in str(error.value)


def test_plasma_rungs_are_no_reference_of_another_tumour(make_cells, join, look):
    tumour = make_cells(60, sample="S", patient="P", cell_type="tumour", events=TRUNK, seed=1)
    with pytest.raises(UserError, match="not made of plasma cells"):
        look(*join(tumour), rung="R2")


def test_forced_rung_takes_few_cells_and_says_so(patient, join, look, make_cells):
    few = make_cells(40, sample="H0", patient="H0", cell_type="plasma", timepoint="healthy", seed=100)
    data = join(*patient(), few)
    assert look(*data).reference.rung == "R5"  # 40 are too few to be chosen
    found = look(*data, rung="R2").reference
    assert found.rung == "R2" and "fewer than the 200" in found.reason and "fewer than the 3 donors" in found.reason


def test_second_visit_of_a_donor_is_healthy_too():
    cells = pd.DataFrame(
        {"patient": "H", "cell_type": "plasma", "is_tumour_type": True, "timepoint": ["healthy", "healthy_2"]}
    )
    assert ladder.Candidates.of(cells, patient="H", donors=[], profile=None).healthy


def test_donor_with_a_clone_is_no_reference(patient, make_cells, join, look, donors):
    # a "healthy" donor with an unknown tumour of the patient's own events would hide them
    ill = make_cells(150, sample="H9", patient="H9", cell_type="plasma", timepoint="healthy", events=TRUNK, kappa=1.0)
    found = look(*join(*patient(), *donors, ill), donors=[*DONORS, "H9"])
    assert found.reference.rung == "R2"
    assert not (found.obs["patient"] == "H9").any()
    assert "donors not used, for their plasma cells are clonal: H9 (" in found.reference.reason
    sound = look(*join(*patient(), *donors))
    assert "not used, for" not in sound.reference.reason
    pd.testing.assert_frame_equal(found.baseline.expected, sound.baseline.expected)


# R1


def test_exchanged_tube_is_no_normal_reference(make_cells, join, look, donors):
    # the relapse tube holds another patient's lambda clone: its cells are of "the other light chain" but not normal
    own = make_cells(100, sample="S1", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    foreign = make_cells(
        80, sample="S2", patient="P", cell_type="plasma", events=["+3p", "+7q", "-16q"], kappa=0.0, seed=2
    )
    normal = make_cells(70, sample="S1", patient="P", cell_type="plasma", kappa=0.1, seed=3)
    found = look(*join(own, foreign, normal, *donors))
    mine = found.obs[found.reference.is_reference & (found.obs["patient"] == "P")]
    assert not (mine["sample"] == "S2").any()


def test_quiet_foreign_clone_is_refused_by_its_light_chain(make_cells, join, look, donors):
    # a lambda clone without events beside a kappa tumour: nothing but restriction tells that it is none of the normal cells
    own = make_cells(100, sample="S1", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    foreign = make_cells(80, sample="S2", patient="P", cell_type="plasma", kappa=0.0, seed=2)
    found = look(*join(own, foreign, *donors))
    assert found.reference.rung == "R2"
    assert not (found.reference.is_reference & (found.obs["patient"] == "P").to_numpy()).any()


def test_candidates_with_events_are_refused(make_cells, join, genome, defaults, donors, look):
    # 60 lambda cells with events among polyclonal ones: not restricted as a capture, refused by their copy number
    from marrowclone.copy_number import own_cells

    own = make_cells(100, sample="S1", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, seed=1)
    odd = make_cells(60, sample="S1", patient="P", cell_type="plasma", events=["+3p", "+7q", "-16q"], kappa=0.0, seed=2)
    counts, cells = join(own, odd, *donors)
    found = look(counts, cells, rung="R2")
    rows = pd.Index(cells["cell"]).get_indexer(found.obs["cell"])
    chosen = found.obs["cell"].str.contains("plasma2-").to_numpy()
    refused = own_cells._captures_with_events(
        found.obs, counts.X[rows], chosen, found.baseline.expected, found.baseline.genes, rung="R2",
        settings=defaults["call_malignant"],
    )  # fmt: skip
    assert list(refused) == ["S1"] and "-16q" in refused["S1"]


# R1 pooled with R2


@pytest.fixture(scope="module")
def persons(make_cells, genome):
    """Function: n normal cells of a person whose genes differ from the prior by SD ``sd`` -> person factor and the truth."""

    def make(n, sd, seed=4):
        peculiar = np.random.default_rng(21).lognormal(0, sd, len(genome.table))
        counts, cells = make_cells(n, sample="S", patient="P", cell_type="plasma", effect=peculiar, seed=seed)
        used = genome.genes["used"].to_numpy()
        profile = genome.plasma / genome.plasma[used].sum()
        factor = pooling.person_factor(
            counts, cells["sample"].to_numpy(), pd.DataFrame({"S": profile}, index=genome.table.index), used=used,
            prior_counts=profile * 3e6,
        )  # fmt: skip
        own = np.asarray(counts.sum(axis=0)).ravel() / max(counts.sum(), 1)
        truth = genome.plasma * peculiar

        def error(share):
            inside = used & (genome.plasma > np.quantile(genome.plasma, 0.5))
            ratio = np.maximum(share, 1e-9)[inside] / truth[inside]
            return float(np.std(np.log(ratio)))

        return factor, error(profile), error(own), error(profile * factor.factor)

    return make


@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("sd", [0.1, 0.4])
def test_pooled_profile_is_better_than_either(persons, n, sd):
    _, donors_alone, own_alone, pooled = persons(n, sd)
    assert pooled <= 1.02 * min(donors_alone, own_alone)


def test_own_cells_weigh_more_where_there_are_more_or_people_differ_more(persons):
    weights = [persons(20, 0.4)[0].weight, persons(200, 0.4)[0].weight]
    assert weights[0] < weights[1]
    assert persons(60, 0.05)[0].weight < persons(60, 0.4)[0].weight
    assert persons(200, 0.4)[0].person_sd == pytest.approx(0.4, abs=0.1)


def test_person_factor_does_not_depend_on_names_of_halves(genome, make_cells):
    # no genes to learn from: the default spread, and no factor far from 1
    counts, _ = make_cells(3, sample="S", patient="P", cell_type="plasma", depth=50, seed=4)
    used = genome.genes["used"].to_numpy()
    expected = pd.DataFrame({"S": genome.plasma}, index=genome.table.index)
    found = pooling.person_factor(counts, np.full(3, "S"), expected, used=used, prior_counts=genome.plasma * 1e6)
    assert found.person_sd == pooling.PERSON_SD
    assert np.median(np.abs(np.log(found.factor[used]))) < 0.05


# spikes, anchors, hyperdiploidy


def test_spike_of_a_clone_is_no_gain(make_cells, join, look, donors, genome):
    effect = np.ones(len(genome.table))
    arm = (genome.table["chromosome"] + genome.table["arm"]).to_numpy()
    strong = genome.genes["used"].to_numpy() & (genome.plasma > np.quantile(genome.plasma, 0.6))
    driver = np.flatnonzero(strong & (arm == "chr8q"))[0]
    effect[driver] = 30
    tumour = make_cells(
        120, sample="S", patient="P", cell_type="plasma", events=TRUNK, kappa=1.0, effect=effect, seed=1
    )
    genes = look(*join(tumour, *donors)).baseline.genes
    spiked = genes[genes["reason"].str.startswith("spike")]
    assert list(spiked.index) == [genome.table.index[driver]]  # and none of the genes on gained arms
    assert not spiked["used"].any()


def test_upper_tail_z_of_a_poisson_like_count():
    # size 1e6 is Poisson: P(K >= 20 | 10) = 0.003454, z = 2.70
    z = spikes.upper_tail_z(np.array([20.0, 1e4]), np.array([10.0, 10.0]), np.array([1e6, 1e6]))
    assert z[0] == pytest.approx(2.70, abs=0.01)
    assert z[1] == spikes.MAX_Z


def test_deviating_anchors_are_said():
    anchors = ["2p", "2q", "10p", "10q", "12q", "17q", "20q", "4q"]
    group = GroupEvidence(TUMOUR, ("+1q", "-4q", "-13q"), None, 50)
    text = anchor_notes({"g1": group}, anchors)
    assert text == "1 of 8 anchor arms deviates in the tumour: -4q; the median over the others is the diploid level"
    many = GroupEvidence(TUMOUR, ("-4q", "+2p", "+2q", "+10p"), None, 50)
    assert "doubtful" in anchor_notes({"g1": many}, anchors)
    assert anchor_notes({"g1": GroupEvidence(TUMOUR, ("+1q",), None, 50)}, anchors) == ""


def test_losses_nearly_everywhere_are_said_to_be_doubtful():
    # 7 of 8 anchors gained: no group shows it of an anchor, but everything else looks lost (8 arms in one, others in another)
    def groups(*events):
        return {f"g{i}": GroupEvidence(TUMOUR, e, None, 50) for i, e in enumerate(events)}

    found = groups(("-1p", "-3q", "-4q", "-5p", "-12p", "-16p", "-20p", "-22q"), ("-6q", "-8q", "-1q"))
    assert "losses on 10 chromosomes" in loss_note(found)
    assert "doubtful" in notes_of(found, ["4q", "2p", "2q"]) and DOUBLING in notes_of(found, ["2p"])
    assert loss_note(groups(("-13q", "-14q", "-1p", "-6q", "-8p", "-16q", "-17p", "-22q", "-12p"))) == ""


def test_reference_table_says_what_relative_states_cannot(make_cells, join, look, donors):
    tumour = make_cells(
        100, sample="S", patient="P", cell_type="plasma", events=["-4q", "+1q", "-13q"], kappa=1.0, seed=1
    )
    found = look(*join(tumour, *donors))
    notes = store.reference_table(found, patient="P", tumour_types=["plasma"])["notes"].iloc[0]
    assert "anchor arms deviates in the tumour: -4q" in notes
    assert DOUBLING in notes
    assert store.reference_table(None, patient="P", tumour_types=["plasma"])["notes"].iloc[0] == ""


@pytest.mark.parametrize("rung", ["R2", "R3"])
def test_all_eight_trisomies_in_every_tumour_cell(rung, make_cells, join, look, donors, study, genome, defaults):
    # science 1.6: these chromosomes carry a third of the genes; centring on a mean would fake losses everywhere else
    chromosomes = ["3", "5", "7", "9", "11", "15", "19", "21"]
    trisomies = [f"+{c}{a}" for c in chromosomes for a in "pq"]
    tumour = make_cells(150, sample="S", patient="P", cell_type="plasma", events=trisomies, kappa=0.0, seed=1)
    immune = [make_cells(100, sample="S", patient="P", cell_type=t, seed=3) for t in ("cd4_t", "monocyte")]
    counts, cells = join(tumour, *immune, *donors)
    found = look(counts, cells, profile=study, rung=rung)
    rows = np.flatnonzero((cells["cell_type"] == "plasma") & (cells["patient"] == "P"))
    states = arms.call_arms(
        counts.X[rows], cells["sample"].iloc[rows], pd.Series([""] * len(rows)), found.baseline.expected,
        found.baseline.genes, rung=rung, settings=defaults["call_arms"],
    )  # fmt: skip
    gained = states.loc[states["call"] == "gain", "chromosome"].str[3:]
    assert set(gained) == set(chromosomes)
    assert "loss" not in set(states["call"])


def test_empty_matrix_has_no_person(genome):
    used = genome.genes["used"].to_numpy()
    expected = pd.DataFrame({"S": genome.plasma}, index=genome.table.index)
    empty = sp.csr_matrix((1, len(used)))
    found = pooling.person_factor(empty, np.array(["S"]), expected, used=used, prior_counts=genome.plasma)
    assert (found.factor == 1).all()
