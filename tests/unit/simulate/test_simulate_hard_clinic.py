"""Clinical hard cases that are written out: overridden assays, lesions, forms, and clones that wake."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marrowclone.simulate import simulate
from marrowclone.simulate.dynamics import epochs, reactivation_day
from marrowclone.simulate.folder import write_cohort
from marrowclone.simulate.questionnaires import DIMENSIONS, EQ5D
from marrowclone.simulate.streams import stream
from unit.simulate.simulate_cases import one_patient
from unit.simulate.test_simulate_spec import problems


def clinic(**clinical):
    return simulate(one_patient(clinical=clinical)).clinical()


def test_what_is_written_of_an_mrd_test_is_read_and_the_rest_follows():
    tests = [
        {"day": 0, "assay": "NGF", "events": 3, "first_pull": False},  # haemodiluted: burden is 40%
        {"day": 0, "assay": "NGS", "lod": 1e-4, "events": 0},  # negative, but not at 1e-5 (science A.9)
        {"day": 30, "assay": "NGF", "result": "indeterminate"},
        {"day": 30, "assay": "NGS"},
    ]
    table = clinic(mrd=tests)["mrd"]
    assert table["result"].tolist() == ["negative", "negative", "indeterminate", "positive"]
    assert table["events"].tolist()[:2] == [3, 0] and table["first_pull"].iloc[0] == "false"
    assert table["lod"].iloc[1] == 1e-4 and table["loq"].iloc[1] >= 1e-4
    assert table["value"].isna().tolist() == [True, True, True, False]
    plain = clinic(mrd=[{k: t[k] for k in ("day", "assay")} for t in tests])["mrd"]
    pd.testing.assert_frame_equal(table.iloc[[3]], plain.iloc[[3]])  # other rows are drawn as before


def test_a_lesion_is_seen_while_it_is_there_whatever_the_marrow_holds():
    visits = [{"day": d} for d in (0, 100, 200, 300)] + [{"day": 200, "modality": "MRI", "result": "negative"}]
    gone = {"A": {"events": ["-13q"], "fraction": 1.0, "growth": {"VRd": -9.0, "off": 0.0}}}
    therapies = [{"regimen": "VRd", "start": 0, "stop": 90, "classes": ["PI"]}]
    patient = {"clones": gone, "therapies": therapies, "burden": 1e-3}
    table = simulate(
        one_patient(**patient, clinical={"imaging": visits, "lesion": {"from": 100, "until": 200}})
    ).clinical()
    imaging = table["imaging"]
    assert imaging["result"].tolist() == ["negative", "positive", "positive", "negative", "negative"]
    assert (imaging["deauville"].iloc[[1, 2]] >= 4).all() and pd.isna(imaging["deauville"].iloc[4])
    open_end = simulate(one_patient(**patient, clinical={"imaging": visits, "lesion": {"from": 100}})).clinical()[
        "imaging"
    ]
    assert open_end["result"].iloc[3] == "positive"


def test_no_form_at_all_and_forms_with_eq5d(tmp_path):
    assert len(clinic(missing_forms=1.0, pro=[EQ5D])["pro"]) == 0
    spec = one_patient(clinical={"missing_forms": 1.0})
    spec["patients"]["P"]["samples"][0]["cells"] = 10
    write_cohort(simulate(spec), tmp_path)  # and its table is written with a header alone
    assert len((tmp_path / "config/clinical/pro.tsv").read_text().splitlines()) == 1
    with_it = clinic(pro=[EQ5D], missing_forms=0.0, last_day=2000, pro_every=30)["pro"]
    without = clinic(missing_forms=0.0, last_day=2000, pro_every=30)["pro"]
    forms = with_it[with_it["instrument"] == EQ5D]
    levels = forms[list(DIMENSIONS)]
    assert levels.stack().isin(range(1, 6)).all() and forms["eq_vas"].dropna().between(0, 100).all()
    assert 0.02 < levels.isna().mean(axis=None) < 0.16  # missing_items .08; 335 answers
    others = with_it[with_it["instrument"] != EQ5D].drop(columns=[*DIMENSIONS, "eq_vas"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(others, without)  # asking for one more form changes no other


def test_eq5d_answers_get_better_when_the_tumour_goes():
    gone = {"A": {"events": ["-13q"], "fraction": 1.0, "growth": {"VRd": -4.0, "off": 0.0}}}
    therapies = [{"regimen": "VRd", "start": 900, "stop": 1000, "classes": ["PI"]}]
    clinical = {"pro": [EQ5D], "pro_every": 30, "last_day": 2000, "missing_items": 0.0}
    forms = simulate(one_patient(clones=gone, therapies=therapies, burden=0.6, clinical=clinical)).clinical()["pro"]
    forms = forms[forms["instrument"] == EQ5D].set_index("day")
    before, after = forms[forms.index < 900], forms[forms.index > 1050]
    total = [part[list(DIMENSIONS)].sum(axis=1).mean() for part in (before, after)]
    assert total[0] > total[1] + 2 and before["eq_vas"].mean() < after["eq_vas"].mean() - 10  # severity falls by 1.3


DORMANT = {
    "A": {"events": ["-13q"], "fraction": 0.5, "growth": {"VRd": -0.5, "off": 0.0}},
    "B": {
        "parent": "A", "events": ["+1q"], "fraction": 0.5, "phenotype": "dormant", "reactivation": 0.2,
        "growth": {"VRd": -0.5, "off": 0.0, "reactivated": 0.6},
    },
}  # fmt: skip
THERAPY = [{"regimen": "VRd", "start": 10, "stop": 400, "classes": ["PI"]}]


def test_a_clone_wakes_once_off_therapy_and_its_truth_row_is_split_there():
    cohort = simulate(one_patient(clones=DORMANT, therapies=THERAPY, clinical={"last_day": 2000}))
    course = cohort.courses["P"]
    day = course.reactivated["B"]
    assert set(course.reactivated) == {"B"} and (day < 10 or 400 <= day < 2000)
    rows = course.rates[(course.rates["clone"] == "B") & (course.rates["from_day"] >= 400)]
    assert rows["growth_per_month"].tolist() == [0.0, 0.6] and rows["to_day"].iloc[0] == rows["from_day"].iloc[1] == day
    size = course.burden[:, 1] / course.burden[:, 0]  # fractions are not touched by the marrow's limit
    assert size[day] == pytest.approx(size[400]) and size[day + 61] == pytest.approx(size[day] * np.exp(1.2), rel=0.01)
    since = cohort.truth()["clones"].set_index("clone")["reactivated_day"]
    assert since["B"] == day and pd.isna(since["A"])


def test_a_woken_clone_loses_the_programme_of_dormancy():
    cohort = simulate(one_patient(clones=DORMANT, therapies=THERAPY, clinical={"last_day": 2000}))
    day = cohort.courses["P"].reactivated["B"]
    asleep, awake = cohort.profiles("P", day - 1), cohort.profiles("P", day)
    assert asleep.cycling["B"] <= 0.001 and awake.cycling["B"] >= 0.005  # science A.6
    rows, weights = cohort.transcriptome.programmes["persistence"]
    rows = rows[(weights > 0.3) & (awake.clones["B"][rows] > 0)]
    assert np.median(np.log(asleep.clones["B"][rows] / awake.clones["B"][rows])) > 0.3
    assert np.array_equal(asleep.clones["A"], awake.clones["A"])


def test_the_hazard_is_per_month_off_therapy():
    planned = epochs([{"regimen": "VRd", "start": 300, "stop": 900, "classes": [], "effect_days": 600}], 3000)
    days = [reactivation_day(0.02, planned, 3000, stream(1, "hazard", str(i))) for i in range(2000)]
    woken = np.array([d for d in days if d is not None])
    assert not ((woken >= 300) & (woken < 900)).any()  # asleep on therapy
    off = (300 + 3001 - 900) / 30.4375
    assert len(woken) / 2000 == pytest.approx(1 - np.exp(-0.02 * off), abs=0.03)  # 3 SE
    assert reactivation_day(0.0, planned, 3000, stream(1, "hazard", "x")) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.update(swaps=[["T1_mrd", "T2_mrd"]]), "swaps[0]: found 'T1_mrd', expected a sample of this cohort"),
        (lambda s: s.update(swaps=["T1_diagnosis"]), "swaps[0]: found 'T1_diagnosis', expected two samples"),
        (
            lambda s: s.update(swaps=[["T1_diagnosis", "T2_mrd"], ["T1_diagnosis", "H1_healthy"]]),
            "swaps[1]: found 'T1_diagnosis', expected a sample that is not swapped already",
        ),
        (lambda s: s["capture"].update(doublet_of="tcell"), "capture.doublet_of: found 'tcell', expected one of plasma"),
        (lambda s: s["capture"].update(doublet_partners={"makrophage": 1}), "did you mean 'macrophage'?"),
        (lambda s: s["capture"].update(doublet_partners={"nk": 0}), "doublet_partners: no type has a weight above 0"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(light_chain="k"), "clones.B.light_chain: found 'k'"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(reactivation=-1), "clones.B.reactivation: found '-1'"),
        (lambda s: s["patients"]["T1"]["therapies"][0].update(regimen="reactivated"), "'reactivated' is the name of the time"),
        (lambda s: s["patients"]["T1"]["clinical"].update(pro=["EQ-5D-3L"]), "did you mean 'EQ-5D-5L'?"),
        (lambda s: s["patients"]["T1"]["clinical"].update(lesion={"until": 3}), "clinical.lesion.from: missing"),
        (lambda s: s["patients"]["T1"]["clinical"].update(lesion={"from": 9, "until": 3}), "lesion.until: day 3 lies before"),
        (lambda s: s["patients"]["T1"]["clinical"]["mrd"][0].update(result="+"), "mrd[0].result: found '+', expected one of"),
        (lambda s: s["patients"]["T1"]["clinical"]["mrd"][0].update(events=10**9), "mrd[0].events: found '1000000000', expected at most"),
        (lambda s: s["patients"]["T1"]["clinical"]["mrd"][0].update(events=0, result="positive"), "positive without a single event"),
    ],
)  # fmt: skip
def test_each_mistake_in_the_hard_cases_is_named_by_its_key_path(spec, change, expected):
    change(spec)
    assert expected in problems(spec)


def test_nothing_that_is_new_changes_what_was_drawn_before(spec):
    """A hazard of 0, contigs and one more form leave counts and courses as they are."""
    first = simulate(spec)
    spec["patients"]["T1"]["samples"][0]["vdj"] = True
    spec["patients"]["T1"]["clinical"]["pro"] = [EQ5D]
    spec["patients"]["T1"]["clones"]["B"]["light_chain"] = "kappa"  # the parent's
    second = simulate(spec)
    (_, a), (_, b) = next(first.captures()), next(second.captures())
    assert (a.counts != b.counts).nnz == 0
    assert np.array_equal(first.courses["T1"].burden, second.courses["T1"].burden)
