"""Which counts each chapter reads, with the removal of ambient RNA off and on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from workflow_runs import ROOT, jobs, run

pytestmark = pytest.mark.slow

READ, LESS = "counts.h5ad", "denoised.h5ad"


def planned(folder: Path, method: str) -> tuple[dict[str, int], dict[str, list[set[str]]]]:
    """Jobs by rule, and the counts files that each job of a rule reads."""
    config = f"cells={{denoise_counts: {{method: {method}}}}}"
    done = run("-n", "--configfile", str(ROOT / "config/demo/config.yaml"), "--config", config, directory=folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    read: dict[str, list[set[str]]] = {}
    for rule, body in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", done.stdout + done.stderr, re.MULTILINE):
        found = re.search(r"^    input: (.*)$", body, re.MULTILINE)
        files = set(re.findall(r"results/cells/(\S+\.h5ad)", found[1])) if found else set()
        read.setdefault(rule, []).append(files)
    return jobs(done.stdout + done.stderr), read


def test_later_chapters_read_denoised_counts_where_there_are_droplets(cohort: Path) -> None:
    sheet = cohort / "config/samples.tsv"
    head, *rows = [line.split("\t") for line in sheet.read_text().rstrip("\n").split("\n")]
    name, path, raw = (head.index(column) for column in ("sample", "path", "raw_path"))
    patients = {row[head.index("patient")] for row in rows}
    with_droplets = rows[0]
    filtered = cohort / with_droplets[path]  # a dry run does not ask what the droplets hold
    copy = shutil.copytree if filtered.is_dir() else shutil.copy2
    copy(filtered, filtered.with_name(f"raw_{filtered.name}"))
    with_droplets[raw] = str(filtered.with_name(f"raw_{filtered.name}").relative_to(cohort))
    sheet.write_text("\n".join("\t".join(cells) for cells in [head, *rows]) + "\n")
    sample = with_droplets[name]

    off, off_reads = planned(cohort, "none")
    assert "denoise_counts" not in off
    assert not any(file.endswith(LESS) for reads in off_reads.values() for files in reads for file in files)
    all_read = {f"{row[name]}.{READ}" for row in rows}
    assert off_reads["integrate_cells"] == [all_read]

    on, reads = planned(cohort, "scar")
    assert on["denoise_counts"] == 1  # the other samples have no droplets
    assert {r: n for r, n in on.items() if r not in ("denoise_counts", "total")} == {
        r: n for r, n in off.items() if r != "total"
    }
    expected = all_read - {f"{sample}.{READ}"} | {f"{sample}.{LESS}"}
    for rule in ("integrate_cells", "type_cells", "measure_microenvironment", "check_identity"):
        assert reads[rule] == [expected], rule
    for rule in ("call_drivers", "call_malignant", "call_arms", "infer_clones", "profile_clones", "assess_resistance"):
        assert any(f"{sample}.{LESS}" in files for files in reads[rule]), rule
        assert not any(f"{sample}.{READ}" in files for files in reads[rule]), rule
    # QC, its page and light chains keep the counts as read; the signal takes its light chains from them
    for rule in ("profile_ambient", "qc_cells", "denoise_counts", "call_clonality", "report_sample"):
        assert any(f"{sample}.{READ}" in files for files in reads[rule]), rule
        assert not any(f"{sample}.{LESS}" in files for files in reads[rule]), rule
    assert len(reads["infer_signal"]) == len(patients)
    assert any({f"{sample}.{READ}", f"{sample}.{LESS}"} <= files for files in reads["infer_signal"])
