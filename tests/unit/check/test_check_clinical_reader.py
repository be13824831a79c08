"""What a job gets from a clinical table, and the cut in time."""

import pandas as pd
import pytest

from marrowclone.clinical import COLUMNS, as_of, read_clinical
from marrowclone.errors import InputProblems, UserError


@pytest.mark.parametrize("name", list(COLUMNS))
@pytest.mark.parametrize("absent", [None, "", [], ()])
def test_absent_table_has_all_columns_and_no_rows(name, absent):
    frame = read_clinical(absent, name)
    assert list(frame.columns) == list(COLUMNS[name]) and frame.empty
    typed = {"day": "Int64", "number": "float64", "boolean": "boolean", "text": "object", "list": "object"}
    # types hold without rows too: a job must not meet object columns only because nobody was tested
    assert [str(t) for t in frame.dtypes] == [typed[kind] for kind in COLUMNS[name].values()]


def test_types_and_what_is_filled_in(cohort):
    mrd = read_clinical("mrd.tsv", "mrd")
    assert mrd["day"].tolist() == [200, 390]
    assert mrd["first_pull"].isna().tolist() == [False, True]  # "unknown" is not "no"
    assert mrd["lod"].tolist() == [2e-6, 1e-6]
    (cohort / "mrd.tsv").write_text("patient\tday\tassay\tresult\nP1\t1\tMS\tnegative\nP1\t1\tNGF\tpositive\n")
    # serum by definition; a marrow test unless said otherwise
    assert read_clinical("mrd.tsv", "mrd")["compartment"].tolist() == ["PB", "BM"]


def test_spreadsheet_version_of_the_questionnaire(cohort):
    (cohort / "pro.tsv").write_text("patient\tday\tinstrument\tversion\tq1\nP1\t0\tQLQ-C30\t3\t2\n")
    row = read_clinical("pro.tsv", "pro").iloc[0]
    assert (row["version"], row["q1"]) == ("3.0", 2.0)
    assert pd.isna(row["q50"])


def test_rows_come_sorted_whatever_the_file(cohort):
    (cohort / "imaging.tsv").write_text(
        "patient\tday\tmodality\tresult\nP2\t3\tCT\tnegative\nP1\t9\tCT\tnegative\nP1\t-4\tCT\tpositive\n"
    )
    frame = read_clinical("imaging.tsv", "imaging")
    assert list(zip(frame["patient"], frame["day"], strict=True)) == [("P1", -4), ("P1", 9), ("P2", 3)]


def test_a_list_of_one_file_as_snakemake_passes_it(cohort):
    assert len(read_clinical(["mrd.tsv"], "mrd")) == 2


def test_file_that_changed_after_the_check(cohort):
    (cohort / "mrd.tsv").write_text("patient\tday\tassay\tresult\nP1\tsoon\tMS\tnegative\n")
    with pytest.raises(InputProblems, match=r"mrd.tsv line 2, column day: found 'soon'"):
        read_clinical("mrd.tsv", "mrd")


def test_as_of_drops_the_future_and_keeps_the_day_itself(cohort):
    mrd = read_clinical("mrd.tsv", "mrd")
    assert as_of(mrd, 389)["day"].tolist() == [200]
    assert as_of(mrd, 390)["day"].tolist() == [200, 390]
    assert as_of(mrd, 0).empty and list(as_of(mrd, 0).columns) == list(mrd.columns)


def test_as_of_does_not_know_when_therapy_will_stop(cohort):
    therapy = read_clinical("therapy.tsv", "therapy")
    cut = as_of(therapy, 100)
    assert cut["regimen"].tolist() == ["D-VRd"]
    assert cut["stop"].isna().all()  # stops on day 180: on day 100 nobody knew
    assert as_of(therapy, 180)["stop"].tolist() == [180]
    assert therapy["stop"].tolist() == [180, 405]  # the frame itself is left alone


def test_as_of_outcome_hides_what_had_not_happened(cohort):
    cut = as_of(read_clinical("outcome.tsv", "outcome"), 500)
    first = cut.iloc[0]
    assert (first["pfs_day"], bool(first["pfs_event"]), first["death_cause"]) == (390, True, "")
    assert pd.isna(first["death_day"]) and pd.isna(first["last_contact_day"])
    early = as_of(read_clinical("outcome.tsv", "outcome"), 389)
    assert early["pfs_day"].isna().all() and early["pfs_event"].isna().all()


def test_adding_the_future_changes_nothing(cohort):
    before = as_of(read_clinical("response.tsv", "response"), 200)
    with (cohort / "response.tsv").open("a") as stream:
        stream.write("P1\t201\tPD\t40\tg/L\t\t\t\t\ttrue\n")
    assert as_of(read_clinical("response.tsv", "response"), 200).equals(before)


def test_as_of_wants_a_date():
    with pytest.raises(UserError, match="neither a column day nor start"):
        as_of(pd.DataFrame({"clone": ["c1"]}), 3)
