"""The configuration: every message with its line, every default filled in, the documents in step."""

import pytest
import yaml

from marrowclone import config as configuration
from marrowclone.check import document
from marrowclone.check.schemas import SHEETS, config_schema, defaults, key_paths, sheet_schema
from marrowclone.clinical import COLUMNS
from marrowclone.cohort import COLUMNS as SAMPLE_COLUMNS
from marrowclone.errors import InputProblems
from marrowclone.formats import FORMATS
from marrowclone.keys import CHAPTERS, TIMEPOINTS

TOP = "samples, clinical, seed, device, image, tumour_cell_types, truth, cells, embedding, copy_number, clones, evolution, cure, report"

# text of config.yaml -> the message
CASES = {
    "unknown key": ("seed: 1\nsede: 2\n", f"config.yaml line 2: unknown key sede at the top, expected one of {TOP}. Hint: did you mean 'seed'?"),
    "unknown clinical table": ("clinical:\n  mdr: x.tsv\n", "config.yaml line 2: unknown key mdr in clinical, expected one of mrd, imaging, response, therapy, cytogenetics, pro, outcome. Hint: did you mean 'mrd'?"),
    "rule misspelt": ("cells:\n  qc_cell: {}\n", "config.yaml line 2: unknown key qc_cell in cells, expected one of load_counts, profile_ambient, qc_cells, denoise_counts. Hint: did you mean 'qc_cells'?"),
    "rule in another chapter": ("cells:\n  call_arms: {}\n", "config.yaml line 2: unknown key call_arms in cells, expected one of load_counts, profile_ambient, qc_cells, denoise_counts. Hint: it belongs into copy_number"),
    "device by another name": ("device: gpu\n", "config.yaml line 1: key device: found 'gpu', expected one of auto, cpu, cuda. Hint: did you mean 'cuda'?"),
    "seed is a text": ("\nseed: one\n", "config.yaml line 2: key seed: found 'one', expected an integer from 0 to 4294967295."),
    "seed is negative": ("seed: -1\n", "config.yaml line 1: key seed: found '-1', expected an integer from 0 to 4294967295."),
    "seed is empty": ("seed:\n", "config.yaml line 1: key seed: found 'nothing', expected an integer from 0 to 4294967295. Hint: remove the line to have the default"),
    "seed is true": ("seed: true\n", "config.yaml line 1: key seed: found 'True', expected an integer from 0 to 4294967295."),
    "section is a text": ("clinical: mrd.tsv\n", "config.yaml line 1: key clinical: found 'mrd.tsv', expected a section of keys."),
    "types are one text": ("tumour_cell_types: plasma\n", "config.yaml line 1: key tumour_cell_types: found 'plasma', expected a list."),
    "no types": ("tumour_cell_types: []\n", "config.yaml line 1: key tumour_cell_types: found '[]', expected at least one entry."),
    "droplets of no size": ("cells:\n  profile_ambient:\n    ambient_min_umi: 200\n    ambient_max_umi: 50\n", "config.yaml line 3: key cells.profile_ambient.ambient_min_umi: found '200', expected at most ambient_max_umi, which is 50. Hint: no droplet has as few and as many UMIs; droplets without a cell have some 10 to 100"),
    "least over the default most": ("cells:\n  profile_ambient:\n    ambient_min_umi: 101\n", "config.yaml line 3: key cells.profile_ambient.ambient_min_umi: found '101', expected at most ambient_max_umi, which is 100. Hint: no droplet has as few and as many UMIs; droplets without a cell have some 10 to 100"),
    "most under the default least": ("cells:\n  profile_ambient:\n    ambient_max_umi: 9\n", "config.yaml line 3: key cells.profile_ambient.ambient_max_umi: found '9', expected at least ambient_min_umi, which is 10. Hint: no droplet has as few and as many UMIs; droplets without a cell have some 10 to 100"),
    "a text is one problem": ("cells:\n  profile_ambient:\n    ambient_min_umi: many\n", "config.yaml line 3: key cells.profile_ambient.ambient_min_umi: found 'many', expected an integer of at least 1 (UMI)."),
    "key twice": ("seed: 1\ndevice: cpu\nseed: 2\n", "config.yaml line 3: key seed stands there twice, first on line 1. Hint: YAML keeps the last one silently; remove one."),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_broken_configuration(tmp_path, monkeypatch, case):
    text, message = CASES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputProblems) as caught:
        configuration.load(yaml.safe_load(text), files=["config.yaml"])
    assert [str(p) for p in caught.value.problems] == [message]


def test_droplets_of_one_size_are_a_range(tmp_path):
    ends = {"ambient_min_umi": 100, "ambient_max_umi": 100}
    found = configuration.load({"cells": {"profile_ambient": ends}})["cells"]["profile_ambient"]
    assert found["ambient_min_umi"] == found["ambient_max_umi"] == 100


def test_ranges_name_keys_that_are():
    known = set(key_paths(config_schema()))
    assert configuration.RANGES
    for *section, low, high in configuration.RANGES:
        assert {(*section, low), (*section, high)} <= known


def test_command_line_has_no_line():
    with pytest.raises(InputProblems, match=r"config: key device: found 'gpu'"):
        configuration.load({"device": "gpu"})


def test_later_file_wins_the_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("device: cpu\n")
    (tmp_path / "b.yaml").write_text("\n\ndevice: gpu\n")
    with pytest.raises(InputProblems, match=r"b.yaml line 3: key device"):
        configuration.load({"device": "gpu"}, files=["a.yaml", "b.yaml"])


def test_a_value_of_the_command_line_is_not_blamed_on_a_file(tmp_path, monkeypatch):
    """Its line holds another value: nobody would find the mistake there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(
        "seed: 1\ncells:\n  qc_cells:\n    min_umi_non_ig: 500\n    min_genes_non_ig: -1\n"
    )
    given = {"seed": "abc", "cells": {"qc_cells": {"min_umi_non_ig": -3, "min_genes_non_ig": -1}}}
    with pytest.raises(InputProblems) as caught:
        configuration.load(given, files=["a.yaml"])
    assert sorted((p.file, p.line) for p in caught.value.problems) == [
        ("a.yaml", 5),
        ("config", None),
        ("config", None),
    ]


@pytest.mark.parametrize("text", ["seed: [1\n", "\tseed: 1\n", "- 1\n- 2\n"])
def test_broken_yaml_is_a_problem_not_a_traceback(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputProblems, match=r"c\.yaml line 1|c\.yaml line 2"):
        configuration.load({}, files=[str(tmp_path / "c.yaml")])


@pytest.mark.parametrize("given", [None, [], "seed", 3])
def test_configuration_that_is_no_mapping(given):
    with pytest.raises(InputProblems, match="expected a section of keys"):
        configuration.load(given)


def test_types_must_be_known(cohort, problems):
    (cohort / "config.yaml").write_text("samples: samples.tsv\ntumour_cell_types: [plasm]\n")
    # labels of the user count as known, so this can only be judged with the data
    assert problems(read_matrices=True) == [
        "config.yaml line 2: key tumour_cell_types: found 'plasm', neither a cell type of the marker panel nor a label "
        "in a cell_types table. Hint: did you mean 'plasma'?"
    ]


def test_wrong_configuration_does_not_hide_the_sheets(cohort, problems):
    text = (cohort / "config.yaml").read_text().replace("seed: 7", "seed: x")
    (cohort / "config.yaml").write_text(text.replace("mrd: mrd.tsv", "mrd: 3"))
    (cohort / "imaging.tsv").write_text("patient\tday\n")
    found = problems()
    assert [p.split(":")[0] for p in found[:2]] == ["config.yaml line 2", "config.yaml line 4"]
    assert "imaging.tsv line 1, column modality: the column is missing; it is required." in found


def test_truth_must_be_a_folder(cohort, problems):
    (cohort / "config.yaml").write_text("samples: samples.tsv\ntruth: truht\n")
    assert problems() == [
        f"config.yaml line 2: key truth: found 'truht', no such folder. Hint: paths are relative to the working directory ({cohort})"
    ]


def test_every_key_has_default_description_and_unit():
    schema = config_schema()
    for path in key_paths(schema):
        at = schema
        for key in path:
            at = at["properties"][key]
        assert at.get("description"), path
        if at.get("type") != "object":
            assert "default" in at and at.get("unit"), path


def test_defaults_satisfy_their_own_schema():
    assert configuration.load({}) == defaults(config_schema())


def test_every_rule_has_a_section():
    config = configuration.load({})
    for chapter, rules in CHAPTERS.items():
        assert list(config[chapter])[: len(rules)] == list(rules)  # common.smk looks settings up by chapter and rule


def test_template_equals_the_defaults():
    assert yaml.safe_load(document.config_yaml()) == defaults(config_schema())


def test_documents_are_in_step_with_the_schemas():
    stale = [str(p.relative_to(document.ROOT)) for p in document.outdated()]
    assert not stale, f"{stale} differ from the schemas; run: {document.COMMAND}"


def test_every_constant_of_the_score_says_where_it_comes_from():
    """A number without a mark would be taken for a fact; docs/cure-spectrum.md has all of them."""
    text = (document.ROOT / "docs" / "cure-spectrum.md").read_text(encoding="utf-8")
    for rule, section in document.config_schema()["properties"]["cure"]["properties"].items():
        for key, value in section["properties"].items():
            assert f"`{rule}.{key}`" in text, key
            if value["type"] in ("number", "integer"):
                assert "[" in value["evidence"], f"{rule}.{key}: no mark"


def test_document_notices_drift(tmp_path):
    for path, text in document.documents(tmp_path).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert document.outdated(tmp_path) == []
    (tmp_path / "config/config.yaml").write_text("seed: 2\n")
    (tmp_path / "config/clinical/mrd.tsv").write_text("patient\tday\n")
    assert [p.name for p in document.outdated(tmp_path)] == ["config.yaml", "mrd.tsv"]


@pytest.mark.parametrize("name", SHEETS)
def test_every_column_is_described(name):
    for column, rule in sheet_schema(name)["properties"].items():
        assert rule.get("description") and rule.get("unit"), column


@pytest.mark.parametrize("name", list(COLUMNS))
def test_jobs_and_schemas_know_the_same_columns(name):
    kinds = {"string": "text", "integer": "number", "number": "number", "boolean": "boolean", "array": "list"}
    expected = {
        column: "day" if rule["unit"].startswith("days") else kinds[rule["type"]]
        for column, rule in sheet_schema(name)["properties"].items()
    }
    assert expected == COLUMNS[name]


def test_vocabularies_are_those_of_the_library():
    columns = sheet_schema("samples")["properties"]
    assert tuple(columns) == SAMPLE_COLUMNS
    assert tuple(columns["timepoint"]["vocabulary"]) == TIMEPOINTS
    assert columns["timepoint"]["pattern"] == f"^({'|'.join(TIMEPOINTS)})(_[1-9][0-9]*)?$"
    assert tuple(columns["format"]["enum"]) == FORMATS


def test_truth_must_hold_the_tables(cohort, problems):
    """Snakemake's own complaint (a missing input) would not name the key."""
    (cohort / "truth").mkdir()
    (cohort / "truth/cells.tsv.gz").touch()
    (cohort / "truth/arms.tsv").touch()
    (cohort / "config.yaml").write_text("samples: samples.tsv\ntruth: truth\n")
    assert problems() == [
        "config.yaml line 2: key truth: the folder 'truth' has no fractions.tsv. Hint: name a folder that the "
        "simulator wrote, or null for a real cohort"
    ]


def test_a_celltypist_model_must_be_there(cohort, problems):
    (cohort / "config.yaml").write_text("samples: samples.tsv\nembedding: {type_cells: {celltypist_model: m.pkl}}\n")
    assert any("key embedding.type_cells.celltypist_model: found 'm.pkl', no such file" in p for p in problems())


def test_value_sets_must_be_there(cohort, problems):
    (cohort / "config.yaml").write_text("samples: samples.tsv\ncure: {score_qol: {value_sets: {DE: eq.tsv}}}\n")
    assert problems() == [
        "config.yaml line 2: key cure.score_qol.value_sets.DE: found 'eq.tsv', no such file. Hint: paths are "
        f"relative to the working directory ({cohort})"
    ]


def test_braces_in_paths(cohort, problems):
    """Snakemake would take ``{old}`` for a wildcard and complain of its own rules."""
    (cohort / "data/P1_mrd.h5").rename(cohort / "data/P1{old}.h5")
    (cohort / "mrd.tsv").rename(cohort / "mrd{2}.tsv")
    sheet = cohort / "samples.tsv"
    sheet.write_text(sheet.read_text().replace("data/P1_mrd.h5", "data/P1{old}.h5"))
    (cohort / "config.yaml").write_text("samples: samples.tsv\nclinical: {mrd: 'mrd{2}.tsv'}\n")
    hint = "Hint: Snakemake takes them for wildcards; rename the file or make a symbolic link to it"
    assert problems() == [
        f"config.yaml line 2: key clinical.mrd: found 'mrd{{2}}.tsv', expected a path without {{ and }}. {hint}",
        f"samples.tsv line 3, column path: found 'data/P1{{old}}.h5', expected a path without {{ and }}. {hint}",
    ]


def test_a_symbolic_link_to_itself_is_a_missing_file(cohort, problems):
    (cohort / "samples.tsv").unlink()
    (cohort / "samples.tsv").symlink_to("samples.tsv")
    assert problems() == [
        "samples.tsv: no such file (key samples of the configuration). Hint: this is a symbolic link to 'samples.tsv', "
        "which is not there"
    ]


def test_questionnaire_items_keep_their_instrument_s_name():
    """Item 30 shares its digits with QLQ-C30: only the item's number may be replaced."""
    text = (document.ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert "QLQ-Cby" not in text and "QLQ-C30 item by number" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rung: R6}", "key copy_number.infer_signal.rung: found 'R6', expected one of auto, R1, R2, R3, R4, R5"),
        ("{rung_of_patient: {P1: R9}}", "found 'R9', expected one of auto, R1, R2, R3, R4, R5"),
        (
            "{rung_of_patient: {P11: R2}}",
            "key copy_number.infer_signal.rung_of_patient.P11: found 'P11', expected a patient",
        ),
        ("{rung: R3}", "key copy_number.infer_signal.rung: found 'R3', but no reference_profile is named"),
        (
            "{rung_of_patient: {P1: R3}}",
            "line 2: key copy_number.infer_signal.rung_of_patient.P1: found 'R3', but no reference_profile",
        ),
        (
            "{reference_profile: no.tsv.gz}",
            "key copy_number.infer_signal.reference_profile: found 'no.tsv.gz', no such file",
        ),
        ("{reference_profile: samples.tsv}", "samples.tsv line 1, column plasma: the column is missing"),
    ],
)
def test_reference_of_copy_number(cohort, problems, text, message):
    (cohort / "config.yaml").write_text(f"samples: samples.tsv\ncopy_number: {{infer_signal: {text}}}\n")
    said = problems(read_matrices=True)
    assert any(message in p for p in said), said
    assert all(" line " in p for p in said if message in p)


def test_a_number_given_as_text_is_a_number_where_none_is_allowed_too() -> None:
    """``--config`` hands nested values over as text."""
    loaded = configuration.load({"embedding": {"integrate_cells": {"max_epochs": "40"}}})
    assert loaded["embedding"]["integrate_cells"]["max_epochs"] == 40


def test_sets_and_classes_must_be_known(cohort, problems):
    (cohort / "own.gmt").write_text("OXPHOS\tsource\tCOX5A\tNDUFA1\n")
    head = "samples: samples.tsv\nevolution:\n  assess_states: {gene_sets: {own: own.gmt}}\n"
    (cohort / "config.yaml").write_text(
        head + "  assess_resistance:\n    programmes: {PI: [OXPHOS, proteasome], any: [NF-kB]}\n"
    )
    assert not [p for p in problems() if "programmes" in p]
    (cohort / "config.yaml").write_text(
        head
        + "  assess_resistance:\n    programmes: {PIs: [OXFOS]}\n  label_clones:\n    rest_programmes: [adhesion]\n"
    )
    found = "\n".join(problems())
    assert "programmes.PIs: found 'PIs', expected a drug class" in found and "did you mean 'PI'" in found
    assert "found 'OXFOS', expected a gene set" in found and "did you mean 'OXPHOS'" in found
    assert "rest_programmes: found 'adhesion'" in found
