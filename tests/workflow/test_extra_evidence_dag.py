"""Evidence beside the counts: who reads it where there is some, and that nothing else changes without."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from workflow_runs import ROOT, jobs, run, simulated

pytestmark = pytest.mark.slow

KINDS = ("alleles", "mtdna", "vdj")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient with allele counts, mitochondrial variants and contigs, and a donor without."""
    return simulated("alleles", tmp_path_factory.mktemp("given"))


def planned(folder: Path, *config: str) -> tuple[dict[str, int], dict[tuple[str, str], tuple[set[str], set[str]]]]:
    """Jobs by rule, and inputs and outputs of each job by rule and patient."""
    more = ("--config", *config) if config else ()
    done = run("-n", "--configfile", str(ROOT / "config/demo/config.yaml"), *more, directory=folder)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    found = {}
    for rule, body in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", text, re.MULTILINE):
        files = {
            key: set(match[1].split(", ")) if (match := re.search(rf"^    {key}: (.*)$", body, re.MULTILINE)) else set()
            for key in ("input", "output")
        }
        who = re.search(r"wildcards: patient=(\w+)", body)
        found[rule, who[1] if who else str(sorted(files["output"]))] = (files["input"], files["output"])
    return jobs(text), found


def without(folder: Path, target: Path, *, empty: bool) -> Path:
    """The same cohort whose sheet has none of the columns, or has them empty."""
    shutil.copytree(folder, target)
    sheet = target / "config/samples.tsv"
    rows = [line.split("\t") for line in sheet.read_text().rstrip("\n").split("\n")]
    places = sorted((rows[0].index(k) for k in KINDS), reverse=True)
    for i, row in enumerate(rows):
        for place in places:
            if not empty:
                del row[place]
            elif i:
                row[place] = ""
    sheet.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return target


def test_without_evidence_the_plan_is_that_of_before(given: Path, tmp_path: Path) -> None:
    counts, bare = planned(without(given, tmp_path / "bare", empty=False))
    assert "call_alleles" not in counts
    assert planned(without(given, tmp_path / "empty", empty=True)) == (counts, bare)
    # what infer_clones read before there was anything else to read
    assert bare["infer_clones", "A1"][0] == {
        "results/cells/A1_diagnosis.counts.h5ad", "results/cells/A1_relapse.counts.h5ad",
        "results/copy_number/A1.malignant.tsv.gz", "results/copy_number/A1.baseline.tsv.gz",
    }  # fmt: skip
    named = {f for read, made in bare.values() for f in read | made if f.startswith(("results", "data"))}
    assert not any(kind in file for file in named for kind in ("alleles", "mtdna", "contigs"))


def test_with_evidence_its_own_patients_jobs_read_it_and_no_other_changes(given: Path, tmp_path: Path) -> None:
    counts, bare = planned(without(given, tmp_path / "bare", empty=False))
    more_counts, more = planned(given)
    assert more_counts["call_alleles"] == 1  # the donor has none
    assert {k: n for k, n in more_counts.items() if k != "call_alleles"} == counts
    read, made = more["call_alleles", "A1"]
    assert made == {"results/clones/A1.alleles.tsv"}
    assert {"data/A1_diagnosis.alleles.tsv.gz", "data/A1_relapse.alleles.tsv.gz"} <= read
    added = more["infer_clones", "A1"][0] - bare["infer_clones", "A1"][0]
    assert added == {
        "data/A1_diagnosis.alleles.tsv.gz", "data/A1_relapse.alleles.tsv.gz", "data/A1_diagnosis.mtdna.tsv.gz",
        "results/embedding/cells.tsv.gz", "results/embedding/A1.clonality.tsv.gz",
    }  # fmt: skip
    for key in (("infer_clones", "H1"), ("profile_clones", "A1"), ("call_malignant", "A1"), ("report_patient", "H1")):
        assert more[key] == bare[key], key
    assert "results/clones/A1.alleles.tsv" in more["report_patient", "A1"][0]


def test_evidence_that_is_switched_off_is_not_read(given: Path) -> None:
    counts, found = planned(given, "clones={infer_clones: {evidence: [mtdna]}}")
    assert "call_alleles" not in counts
    read = found["infer_clones", "A1"][0]
    assert "data/A1_diagnosis.mtdna.tsv.gz" in read and not any("alleles" in file for file in read)
    assert "results/embedding/A1.clonality.tsv.gz" not in read
