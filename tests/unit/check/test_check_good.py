"""What must be accepted silently."""

import gzip

import pytest

from marrowclone import cohort as cohorts
from marrowclone import config as configuration
from marrowclone.clinical import read_clinical
from unit.check.cohort_on_disk import CLINICAL, SHEETS


def test_sound_cohort_is_accepted_with_its_defaults(check):
    config, cohort = check()
    assert config["device"] == "auto"  # not set by the user: the schema's default
    assert config["seed"] == 7  # set by the user
    assert cohort.patients == ["H1", "P1", "P2"]
    assert cohort.healthy == ["H1"]
    assert cohort.samples_of("P1") == ["P1_dx", "P1_mrd", "P1_rel"]
    row = cohort.samples.loc["P1_rel"]
    # an empty format means auto, an empty batch the capture itself; missing text is "", never NaN
    assert (row["format"], row["batch"], row["vdj"], row["day"]) == ("auto", "P1_rel", "", 400)
    assert cohort.samples.loc["P2_dx", "batch"] == "run7"
    assert tuple(cohort.samples.columns) == cohorts.COLUMNS
    assert cohort.clinical["mrd"] == "mrd.tsv"


def test_samples_of_is_in_day_order_whatever_the_sheet(cohort, check):
    head, *rows = SHEETS["samples.tsv"].rstrip("\n").split("\n")
    (cohort / "samples.tsv").write_text("\n".join([head, *rows[::-1]]) + "\n")
    assert check()[1].samples_of("P1") == ["P1_dx", "P1_mrd", "P1_rel"]


DIALECTS = {
    "windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old mac line ends": lambda text: text.replace("\n", "\r").encode(),
    "byte-order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "comma": lambda text: text.replace("\t", ",").encode(),
    "comma, mark, windows": lambda text: b"\xef\xbb\xbf" + text.replace("\t", ",").replace("\n", "\r\n").encode(),
    "no newline at the end": lambda text: text.rstrip("\n").encode(),
    "blank lines": lambda text: text.replace("\n", "\n\n").encode(),
    "comments": lambda text: ("# of the ward\n" + text).encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "trailing separators": lambda text: text.replace("\n", "\t\t\n").encode(),
    "quoted": lambda text: "\n".join("\t".join(f'"{c}"' for c in row.split("\t")) for row in text.split("\n")).encode(),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_reads_the_same(cohort, check, dialect):
    expected = check(read_matrices=False)[1].samples
    frames = {name: read_clinical(name, name.removesuffix(".tsv")) for name in CLINICAL}
    for name, text in SHEETS.items():
        (cohort / name).write_bytes(DIALECTS[dialect](text))
    assert check(read_matrices=False)[1].samples.equals(expected)
    for name, frame in frames.items():
        assert read_clinical(name, name.removesuffix(".tsv")).equals(frame), name


@pytest.mark.parametrize("end", ["", "\t", "\t\t \t"])
def test_a_row_of_the_sample_sheet_may_end_after_its_path(cohort, check, end):
    rows = SHEETS["samples.tsv"].replace("\tauto\tnone\tBM\t\t\n", f"{end}\n")
    assert rows.endswith(f"H1_bm\tH1\thealthy\t0\tdata/H1_bm{end}\n")
    expected = check(read_matrices=False)[1].samples
    (cohort / "samples.tsv").write_text(rows)
    assert check(read_matrices=False)[1].samples.equals(expected)


def test_the_template_takes_five_cells_a_row(cohort, check, root):
    header = (root / "config/samples.tsv").read_text()
    rows = [row.split("\t")[:5] for row in SHEETS["samples.tsv"].splitlines()[1:]]
    (cohort / "samples.tsv").write_text(header + "".join("\t".join(row) + "\n" for row in rows))
    assert list(check(read_matrices=False)[1].samples.index) == ["P1_dx", "P1_mrd", "P1_rel", "P2_dx", "H1_bm"]


def test_semicolons_are_a_separator_too(cohort, check):
    # therapy.tsv uses semicolons inside a cell and so needs quotes there; the others do not
    for name, text in SHEETS.items():
        text = text.replace("PI;IMiD;CD38;steroid", '"PI;IMiD;CD38;steroid"').replace("\t", ";")
        (cohort / name).write_text(text)
    _, cohort_read = check()
    assert cohort_read.patients == ["H1", "P1", "P2"]
    assert read_clinical("therapy.tsv", "therapy")["classes"][0] == "PI;IMiD;CD38;steroid"


def test_numbers_as_spreadsheets_and_r_write_them(cohort, problems):
    path = cohort / "samples.tsv"
    path.write_text(path.read_text().replace("\t400\t", "\t400.0\t").replace("\t200\t", "\t2e2\t"))
    path = cohort / "mrd.tsv"
    path.write_text(path.read_text().replace("\t\tBM\tyes", "\tNA\tBM\tTRUE").replace("unknown", "NA"))
    assert problems() == []


def test_templates_without_rows_are_empty_tables(cohort, check):
    for name in CLINICAL:
        (cohort / name).write_text(SHEETS[name].split("\n")[0] + "\n")
    _, found = check(read_matrices=False)
    assert any("mrd.tsv: no rows for P1, P2" in note for note in found.notes)


def test_numbered_timepoints_and_two_captures_of_one_day(cohort, problems):
    extra = "P1_rel2\tP1\trelapse_2\t700\tdata/P2b\t\tnone\tBM\t\t\nP1_pb\tP1\trelapse\t410\tdata/P1b\t\tnone\tPB\t\t\n"
    (cohort / "samples.tsv").write_text(SHEETS["samples.tsv"] + extra)
    for name in ("P1b", "P2b"):
        (cohort / "data" / name).symlink_to((cohort / "data/P1_dx").resolve(), target_is_directory=True)
    found = problems()
    # both point at one folder here: that is the only thing wrong, not the days or the numbering
    assert found and all("already the path of line" in p for p in found)


def test_no_clinical_table_is_noted_not_refused(cohort, check):
    (cohort / "config.yaml").write_text("samples: samples.tsv\n")
    _, found = check()
    assert len([n for n in found.notes if n.startswith("no table")]) == 7
    assert set(found.clinical.values()) == {None}


def test_tumour_type_may_be_a_label_of_the_user(cohort, problems):
    (cohort / "config.yaml").write_text("samples: samples.tsv\ntumour_cell_types: [tumour]\n")
    assert problems(read_matrices=True) == []


def test_yaml_traps_are_read_as_meant(monkeypatch):
    # YAML 1.1 reads 1e-5 as a text and an empty section as null
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "limit": {"type": "number", "default": 0.5},
            "section": {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}},
        },
    }
    monkeypatch.setattr(configuration, "config_schema", lambda: schema)
    assert configuration.load({"limit": "1e-5", "section": None}) == {"limit": 1e-5, "section": {"n": 3}}


def test_load_by_itself_gives_what_everything_gives(cohort, check):
    config, expected = check()
    assert configuration.load({"samples": "samples.tsv"})["clinical"]["mrd"] is None
    assert cohorts.load(config).samples.equals(expected.samples)


def test_a_negative_that_its_value_denies_and_a_death_after_censoring_are_noted(cohort, check):
    mrd = cohort / "mrd.tsv"
    mrd.write_text(mrd.read_text().replace("10000000\t3\t2e-6\t5e-6\t\t", "10000000\t\t\t\t2e-4\t"))
    outcome = cohort / "outcome.tsv"
    outcome.write_text(outcome.read_text().replace("500\tfalse\t\t\t500", "500\tfalse\t620\t\t620"))
    _, found = check(read_matrices=False)
    assert any("mrd.tsv line 2: negative" in n and "indeterminate at 1e-5" in n for n in found.notes)
    assert any("outcome.tsv line 3: free of progression until day 500, dead on day 620" in n for n in found.notes)
