"""Whatever a sheet holds, a person gets problems in words, never a traceback."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marrowclone.check import everything
from marrowclone.cohort import Cohort
from marrowclone.errors import InputProblems
from marrowclone.sheets import read_sheet
from unit.check.cohort_on_disk import CLINICAL, CONFIG, SHEETS

NASTY = ["", "NA", "-", "0", "-1", "1e400", "9" * 400, "1_0", "٣", "nan", "P1", "p1", "healthy", "relapse_2", "..", "/", "~",
         "\\", "a\tb", '"', "''", "x\ny", "\r", "\x1f", "#", "P1_dx", "data", "samples.tsv", "\u202e", "é" * 300, "a/" * 3000,
         "true", "unknown", "3.0", "QLQ-C30", "NGF", "negative", "1e-5", "%s", "{0}", "g/L"]  # fmt: skip
CELL = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))
EDIT = st.tuples(st.sampled_from(sorted(SHEETS)), st.integers(0, 8), st.integers(0, 12), CELL)


def _answer(folder: Path, config: object) -> None:
    try:
        _, cohort = everything(config, files=["config.yaml"], read_matrices=False)
    except InputProblems as error:
        assert error.problems and all(p.message and "\n" not in p.file for p in error.problems)
        assert len(str(error)) < 200_000
    else:
        assert isinstance(cohort, Cohort)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
def test_mutated_cells(cohort, edits):
    for name, text in SHEETS.items():
        lines = [line.split("\t") for line in text.split("\n")]
        for _, line, column, value in (e for e in edits if e[0] == name):
            row = lines[line % len(lines)]
            row[column % len(row)] = value
        (cohort / name).write_bytes("\n".join("\t".join(row) for row in lines).encode("utf-8", "surrogatepass"))
    clinical = {name.removesuffix(".tsv"): name for name in CLINICAL}
    _answer(cohort, {"samples": "samples.tsv", "clinical": clinical})


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), name=st.sampled_from(sorted(SHEETS)), keep=st.booleans())
def test_bytes_in_place_of_a_sheet(cohort, data, name, keep):
    for sheet, text in SHEETS.items():
        (cohort / sheet).write_text(text)
    (cohort / name).write_bytes((SHEETS[name].encode() if keep else b"") + data)
    _answer(
        cohort, {"samples": "samples.tsv", "clinical": {"mrd": "mrd.tsv", "pro": "pro.tsv", "therapy": "therapy.tsv"}}
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["samples", "clinical", "seed", "device", "tumour_cell_types", "truth", "cells", "copy_number"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.dictionaries(KEYS | st.text(max_size=6), JSON, max_size=4))
def test_any_configuration(cohort, config):
    (cohort / "config.yaml").write_text(CONFIG)
    _answer(cohort, config)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(exclude_characters='\t\r\n"#\0', exclude_categories=["Cs"]), max_size=5),
            min_size=2,
            max_size=2,
        )
    )
)
def test_rows_survive_reading(cohort, rows):
    """A table that is written plainly is read back cell for cell, on the right lines."""
    path = cohort / "t.tsv"
    path.write_bytes(("a\tb\n" + "".join("\t".join(row) + "\n" for row in rows)).encode())
    sheet = read_sheet(path)
    assert not sheet.problems
    expected = [(n, row) for n, row in enumerate(rows, start=2) if any(c.strip() for c in row)]
    assert [(row.line, list(row.cells.values())) for row in sheet.rows] == expected
