from __future__ import annotations

import pytest
import yaml

from marrowclone.errors import InputProblems, UserError
from marrowclone.simulate import fields
from marrowclone.simulate.events import arm_states, parse_event
from marrowclone.simulate.spec import check_spec, read_spec
from unit.simulate.simulate_cases import TINY


def problems(spec) -> str:
    with pytest.raises(InputProblems) as error:
        check_spec(spec)
    return str(error.value)


def test_defaults_are_filled_and_a_checked_specification_passes_unchanged(spec):
    checked = check_spec(spec)
    assert checked["capture"]["plasma_umi"] == 5000  # science A.5: median of non-Ig UMIs
    assert checked["patients"]["T1"]["samples"][0]["capture"]["empty"] == 0.08  # the cohort's, not the default
    assert check_spec(checked) == checked  # or the digest of a cohort would depend on who reads it


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.update(sead=1), "sead: unknown key, expected one of name, seed"),
        (lambda s: s.update(sead=1), "did you mean 'seed'?"),
        (lambda s: s.pop("seed"), "seed: missing"),
        (lambda s: s["patients"]["T1"].update(subtype="t(4;41)"), "did you mean 't(4;14)'?"),
        (lambda s: s["patients"]["T1"].update(burden=1.5), "patients.T1.burden: found '1.5', expected a number from"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(parent="Z"), "patients.T1.clones.B.parent: found 'Z'"),
        (lambda s: s["patients"]["T1"]["clones"]["A"].update(parent="B"), "clones.A.parent: the clone is its own ancestor"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(fraction=0.1), "fractions at day 0 add up to 0.8"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(events=["+1x"]), "clones.B.events: found '+1x', expected an event"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(events=["-13p"]), "13p carries no genes"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(events=["-2", "-2", "-2"]), "arm 2p would have fewer than 0"),
        (lambda s: s["patients"]["T1"]["clones"]["B"]["growth"].update(VRD=1), "growth.VRD: no such therapy"),
        (lambda s: s["patients"]["T1"]["samples"][0].update(timepoint="diagnoses"), "did you mean 'diagnosis'?"),
        (lambda s: s["patients"]["T1"]["samples"][1].update(timepoint="diagnosis"), "'diagnosis' twice in one patient"),
        (lambda s: s["patients"]["T1"]["samples"][1].update(capture={"ambient": [0.3, 0.1]}), "capture.ambient: found"),
        (lambda s: s["patients"]["T1"]["samples"][1].update(composition={"t_cell": 1}), "composition.t_cell: unknown cell type"),
        (lambda s: s["patients"]["T1"]["therapies"][0].update(classes=["IMID"]), "did you mean 'IMiD'?"),
        (lambda s: s["patients"]["T1"]["therapies"][0].update(stop=1), "therapies[0].stop: day 1 lies before the start"),
        (lambda s: s["patients"]["T1"].update(drivers={"MMSET": 5}), "drivers.MMSET: no such gene"),
        (lambda s: s["patients"]["T1"]["clones"]["A"].update(growth=[1]), "clones.A.growth: found '[1]', expected keys"),
        (lambda s: s["patients"]["T1"]["samples"][0].update(composition=3), "composition: found '3', expected keys"),
        (lambda s: s["patients"]["H1"].update(clones={"A": {"fraction": 1}}), "a healthy donor has no clones"),
        (lambda s: s["patients"]["T1"].update(burden=float("inf")), "T1.burden: found 'inf', expected a number"),
        (lambda s: s["patients"]["T1"]["clinical"].update(last_day=float("inf")), "last_day: found 'inf'"),
        (lambda s: s["patients"]["T1"]["samples"][0].update(capture=5), "samples[0].capture: found '5', expected keys"),
        (lambda s: s["patients"]["T1"].update(drivers={"NSD2": float("nan")}), "drivers.NSD2: found 'nan'"),
        (lambda s: s["patients"]["T1"]["clones"]["A"]["growth"].update(VRd=float("nan")), "growth.VRd: found 'nan'"),
        (lambda s: s["patients"]["T1"]["clones"]["A"]["growth"].update(VRd=400), "growth.VRd: found '400', expected a rate"),
        (lambda s: s["patients"]["T1"]["clones"]["B"].update(events=[True]), "clones.B.events: found 'True'"),
        (lambda s: s["patients"]["T1"]["clinical"].update(death_day=3), "samples[1].day: day"),
        (lambda s: s.update(name=" "), "name: found ' ', expected a text that is not empty"),
        (lambda s: s["patients"]["T1"]["clinical"].update(mrd=[{"day": "x"}]), "clinical.mrd[0].day: found 'x', expected a whole number"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_by_its_key_path(spec, change, expected):
    change(spec)
    assert expected in problems(spec)


def test_all_problems_come_at_once(spec):
    spec["patients"]["T1"]["sex"] = "x"
    spec["patients"]["T2"]["samples"][0]["cells"] = 0
    text = problems(spec)
    assert "patients.T1.sex" in text and "patients.T2.samples[0].cells" in text


@pytest.mark.parametrize(
    "spec", [None, [], "x", {"name": "x", "seed": 1, "patients": {}}, {"name": "x", "seed": 1, "patients": {"A": None}}]
)
def test_something_else_than_a_specification_is_a_users_mistake(spec):
    problems(spec)


def test_a_missing_or_broken_file_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_spec(tmp_path / "x.yaml")
    (tmp_path / "x.yaml").write_text("a: [1")
    with pytest.raises(UserError, match="not readable as YAML"):
        read_spec(tmp_path / "x.yaml")


def test_yaml_reads_an_unquoted_event_as_a_number_and_it_is_still_the_event(spec):
    spec["patients"]["T1"]["clones"]["A"]["events"] = [+9, -13]
    spec["patients"]["T1"]["clones"]["A"]["growth"] = yaml.safe_load("{VRd: -1, off: 0.2}")  # off is false in YAML 1.1
    clone = check_spec(spec)["patients"]["T1"]["clones"]["A"]
    assert clone["events"] == ["+9", "-13"] and clone["growth"] == {"VRd": -1, "off": 0.2}


def test_events_add_along_the_lineage():
    assert parse_event("+9") == (("9p", "9q"), 1)
    assert parse_event("amp1q") == (("1q",), 2)
    states = arm_states({"A": ["+1q"], "B": ["+1q", "-17p"], "C": ["-13"]}, {"A": "", "B": "A", "C": "B"})
    assert states.loc["A", ["1q", "17p"]].tolist() == [3, 2]
    assert states.loc["C", ["1q", "17p", "13q", "1p"]].tolist() == [4, 1, 1, 2]  # inherits from B, which has four 1q


def test_the_shipped_specifications_are_sound():
    read_spec(TINY)
    read_spec(TINY.parents[2] / "config" / "demo" / "cohort.yaml")


def test_the_docs_name_every_key_with_its_meaning(root):
    text = (root / "docs" / "simulate.md").read_text()
    sections = [
        v for v in vars(fields).values() if isinstance(v, dict) and all(isinstance(f, fields.Field) for f in v.values())
    ]
    assert len(sections) == 12
    for key, field in (item for section in sections for item in section.items()):
        row = next((r for r in text.splitlines() if r.startswith(f"| `{key}` |") and field.text in r), "")
        assert row, f"docs/simulate.md lacks {key}: {field.text}"
        assert all(choice in row for choice in field.choices)
