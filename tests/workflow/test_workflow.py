"""The whole workflow on a tiny cohort: contracts, repeat, resume, provenance, bad input.

All tests here share one finished run, so they stay in one file: a file goes to one worker.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marrowclone.keys import TABLES
from workflow_runs import command, copy_checkout, digests, jobs, run

pytestmark = [pytest.mark.slow]

DEMO_CONFIG = Path("config/demo/config.yaml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def finished(checkout: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which the workflow has run to its end."""
    folder = tmp_path_factory.mktemp("run") / "cohort"
    shutil.copytree(tiny, folder)
    done = run("--configfile", str(checkout / DEMO_CONFIG), directory=folder, checkout=checkout)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder


def dry_run(folder: Path, checkout: Path) -> subprocess.CompletedProcess[str]:
    return run("-n", "--configfile", str(checkout / DEMO_CONFIG), directory=folder, checkout=checkout)


def test_every_contract_file_has_its_columns(finished: Path) -> None:
    """Others read these files: each exists for each sample or patient, with the contract's columns first."""
    results = finished / "results"
    for table, columns in TABLES.items():
        chapter, name = table.split(".")
        files = sorted(p for s in ("", ".gz") for p in (results / chapter).glob(f"*{name}.tsv{s}"))
        files = [p for p in files if p.name.split(".tsv")[0].split(".")[-1] == name]
        assert files, f"no file of {table}"
        for path in files:
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as stream:
                header = stream.readline().rstrip("\n").split("\t")
            assert header[: len(columns)] == list(columns), path


def test_a_second_run_has_nothing_to_do(finished: Path, checkout: Path) -> None:
    done = dry_run(finished, checkout)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stderr + done.stdout


@pytest.fixture
def edited(checkout: Path) -> Iterator:
    """Append a comment to a library module; put it back afterwards."""
    before: dict[Path, bytes] = {}

    def edit(name: str) -> None:
        path = checkout / "workflow/lib/marrowclone" / name
        before[path] = path.read_bytes()
        path.write_bytes(before[path] + b"\n# edited\n")

    yield edit
    for path, content in before.items():
        path.write_bytes(content)


#: What reads the tiers, directly or through other tables.
AFTER_LABELS = {
    "score_landmarks", "annotate_risk", "compare_landmarks", "compare_qol", "vary_judgement", "fit_outlook",
    "report_patient", "report_cohort", "record_run",
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "own", "follows"),
    [
        # cure: nothing but the score and the pages that show it
        ("cure/combine.py", {"score_landmarks"}, AFTER_LABELS),
        ("cure/qlq.py", {"score_qol"}, AFTER_LABELS),
        # evolution: labels feed the score
        ("evolution/labels.py", {"label_clones"}, AFTER_LABELS),
        # the state of cells feeds the labels
        ("evolution/scores.py", {"assess_states"}, {"label_clones", *AFTER_LABELS}),
    ],
)
def test_editing_a_module_reruns_its_rules_and_what_follows(
    finished: Path, checkout: Path, edited, module: str, own: set[str], follows: set[str]
) -> None:
    """Snakemake does not see edits of imported modules: the code hash in params makes it."""
    edited(module)
    planned = set(jobs(dry_run(finished, checkout).stdout)) - {"all"}
    assert own <= planned
    assert planned <= own | follows
    untouched = {"load_counts", "qc_cells", "integrate_cells", "infer_signal", "infer_clones"}
    assert not planned & untouched


def test_a_killed_run_resumes_with_the_same_results(finished: Path, checkout: Path, tiny: Path, tmp_path: Path) -> None:
    """SIGKILL to the workflow and its children in the middle; the same command completes with the same bytes."""
    folder = Path(shutil.copytree(tiny, tmp_path / "cohort"))
    arguments = ("--configfile", str(checkout / DEMO_CONFIG))
    process = subprocess.Popen(
        command(*arguments, directory=folder, checkout=checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    # in the middle: some results are there, integration is running or just done
    while not (folder / "logs/integrate_cells.log").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "results/report/index.html").exists(), "killed too late to show anything"
    done = run(*arguments, directory=folder, checkout=checkout)
    assert done.returncode == 0, done.stderr[-6000:]
    assert "its lock is released" in done.stderr
    assert digests(folder / "results") == digests(finished / "results")


def test_bad_input_starts_nothing(checkout: Path, tiny: Path, tmp_path: Path) -> None:
    """All problems at once, exit code non-zero, no traceback, no result."""
    folder = Path(shutil.copytree(tiny, tmp_path / "cohort"))
    sheet = folder / "config/samples.tsv"
    sheet.write_text(sheet.read_text().replace("\trelapse\t", "\trelpase\t").replace("\tdiagnosis\t", "\tdiagnoses\t"))
    done = run("--configfile", str(checkout / DEMO_CONFIG), directory=folder, checkout=checkout)
    assert done.returncode != 0
    assert "did you mean 'relapse'?" in done.stderr
    assert "did you mean 'diagnosis'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results").exists()


def test_unknown_setting_starts_nothing(checkout: Path, cohort: Path) -> None:
    done = run("--configfile", str(checkout / DEMO_CONFIG), "--config", "sede=3", directory=cohort, checkout=checkout)
    assert done.returncode != 0
    assert "did you mean 'seed'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_lint_is_clean(finished: Path, checkout: Path) -> None:
    """Snakemake's own advice on style is followed."""
    done = run("--lint", "--configfile", str(checkout / DEMO_CONFIG), directory=finished, checkout=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Congratulations, your workflow is in a good condition" in done.stdout + done.stderr
