"""run.json and the RO-Crate: complete, readable by the library, and without any time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from marrowclone.environment import Image
from marrowclone.keys import RESEARCH_USE_ONLY
from marrowclone.provenance import git_commit
from marrowclone.report.crate import crate
from marrowclone.report.facts import flat, versions
from marrowclone.report.record import digests, run_record


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.chdir(tmp_path)
    Path("results/cure").mkdir(parents=True)
    Path("results/cure/qol.tsv").write_text("patient\n")
    Path("samples.tsv").write_text("sample\n")
    return run_record(
        config={"seed": 3, "device": "auto", "cells": {"qc_cells": {"a": 1}}},
        inputs=["samples.tsv", "absent.tsv"],
        results=["results/cure/qol.tsv"],
        integration={"device": "cuda", "device_name": "some card"},
        samples=[{"sample": "s", "day": 0}],
        image=Image(name="marrowclone.sif", torch="cpu", locks="0123456789abcdef"),
        where="logs/where.tsv",
    )


def test_record_names_versions_code_and_digests(record: dict) -> None:
    assert {"python", "marrowclone", "snakemake", "scvi-tools", "torch"} <= set(record["versions"])
    assert record["locks"], "the lock files' digests say which environment was meant"
    assert record["inputs"] == {"samples.tsv": digests(["samples.tsv"])["samples.tsv"]}
    assert len(record["results"]["results/cure/qol.tsv"]) == 64
    assert record["device"] == {"asked": "auto", "used": "cuda", "name": "some card"}
    assert record["code"]["record_run"], "the hash of each rule's code"


def test_record_holds_no_time_and_no_host(record: dict) -> None:
    """Law 6: the same input gives the same bytes tomorrow and on the next machine of this kind."""
    text = json.dumps({k: v for k, v in record.items() if k not in {"versions"}})
    assert not re.search(r"\d{4}-\d{2}-\d{2}|\d{2}:\d{2}:\d{2}", text)
    assert not {"host", "hostname", "user", "recorded_at", "time"} & set(record)


def test_record_works_without_git(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None, "a folder that is no checkout"


def test_the_crate_is_read_by_the_rocrate_library(record: dict, tmp_path: Path) -> None:
    """Hand-written JSON-LD must mean to others what it means to us."""
    rocrate = pytest.importorskip("rocrate.rocrate")
    folder = tmp_path / "results"
    (folder / "run.json").write_text("{}")
    text = crate(record, folder=Path("results"), date_published="2025-01-31")
    (folder / "ro-crate-metadata.json").write_text(json.dumps(text))
    read = rocrate.ROCrate(folder)
    assert {e.id for e in read.data_entities} >= {"cure/qol.tsv", "run.json"}
    assert read.root_dataset["datePublished"].startswith("2025-01-31")
    run = read.dereference("#run")
    assert run.type == "CreateAction" and run["instrument"].id == "#marrowclone"


def test_every_reference_of_the_crate_resolves(record: dict) -> None:
    graph = crate(record, folder=Path("results"), date_published="")["@graph"]
    assert RESEARCH_USE_ONLY in next(e for e in graph if e["@id"] == "./")["description"]
    ids = {e["@id"] for e in graph} | {"https://w3id.org/ro/crate/1.1"}
    for entity in graph:
        for value in entity.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    assert item["@id"] in ids
    assert "datePublished" not in next(e for e in graph if e["@id"] == "./"), "empty setting: left out, not invented"


def test_settings_are_listed_flat() -> None:
    assert flat({"a": {"b": [1, 2], "c": None}, "d": 1}) == [("a.b", "1, 2"), ("a.c", "None"), ("d", "1")]


def test_versions_import_nothing_heavy() -> None:
    """Read from metadata: report jobs must not pay for torch's import."""
    import subprocess
    import sys

    code = "import sys; from marrowclone.report.facts import versions; versions(); print('torch' in sys.modules or 'scanpy' in sys.modules)"
    lib = str(Path(versions.__code__.co_filename).resolve().parents[2])
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": lib}, check=True
    )
    assert out.stdout.strip() == "False"


def test_contract_files_are_listed_for_everyone() -> None:
    """Patterns are filled by what they name: sample, patient or nothing."""
    from marrowclone.report.paths import contract_outputs, fill, user_files

    assert fill(["a", "{sample}.x", "{patient}.y"], ["s1", "s2"], ["p"]) == ["a", "s1.x", "s2.x", "p.y"]
    files = contract_outputs(["s1", "s2"], ["p"])
    assert len(files) == len(set(files)) and "results/evolution/p.labels.tsv" in files
    rows = [{"sample": "s1", "path": "data/s1.h5", "vdj": ""}]
    assert user_files("samples.tsv", rows, {"mrd": "mrd.tsv", "pro": None}, []) == [
        "data/s1.h5",
        "mrd.tsv",
        "samples.tsv",
    ]
