"""What jobs asked for and used, and the advice that follows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from marrowclone.asked import Asked, asked_line, read_asked
from marrowclone.cluster.accounting import Accounted, parse_accounting, read_accounting
from marrowclone.cluster.usage import COLUMNS, advice, read_usage, slurm_jobs
from marrowclone.provenance import modules_of

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text(
        f"[a] {asked_line({'mem_mb': 2000, 'runtime': 30}, 1)}\nfailed\n[a] {asked_line({'mem_mb': 4000, 'runtime': 60}, 2)}\n"
    )
    assert read_asked(log) == Asked(2, 4000, 60)  # the last attempt
    assert read_asked(tmp_path / "none.log", log) == Asked(2, 4000, 60)
    assert read_asked(tmp_path / "none.log") == Asked()
    log.write_text(f"{asked_line({'mem_mb': 2000, 'runtime': 30}, 1, '4711')}\n")
    assert read_asked(log) == Asked(1, 2000, 30, "4711")
    log.write_text(asked_line({"mem_mb": "<TBD>"}, 1))
    assert read_asked(log) == Asked(1, None, None)


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    for rule, job, seconds, rss, asked in [
        ("qc_cells", "P1", 600, 1900, {"mem_mb": 2000, "runtime": 30}),
        ("infer_signal", "P1", 3500, 3000, {"mem_mb": 20000, "runtime": 60}),
        ("score_qol", "all", 3, "NA", {"mem_mb": 2000, "runtime": 30}),
    ]:
        (tmp_path / "benchmarks" / rule).mkdir(parents=True)
        (tmp_path / "benchmarks" / rule / f"{job}.tsv").write_text(
            f"{HEAD}{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t95.0\t3\n"
        )
        log = tmp_path / "logs" / (f"{rule}.log" if job == "all" else f"{rule}/{job}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(asked_line(asked, 1) + "\n")
    return tmp_path


def test_a_row_per_job(ran: Path) -> None:
    usage = read_usage(ran / "benchmarks", ran / "logs").set_index("rule")
    assert list(usage.reset_index().columns) == list(COLUMNS)
    assert usage.loc["qc_cells", ["minutes", "asked_minutes", "memory_mb", "asked_memory_mb"]].tolist() == [
        10,
        30,
        1900,
        2000,
    ]
    assert usage[["slurm_job", "slurm_state", "slurm_minutes", "slurm_memory_mb"]].isna().all(axis=None)
    assert usage.loc["score_qol", "asked_minutes"] == 30 and pd.isna(usage.loc["score_qol", "memory_mb"])


def test_advice_names_what_is_too_tight_and_too_loose(ran: Path) -> None:
    lines = advice(read_usage(ran / "benchmarks", ran / "logs"))
    assert lines == [
        "infer_signal used 3000 of 20000 MB at most: mem_mb in profiles/default may be lower",
        "infer_signal P1 took 58 of 60 minutes: raise runtime in profiles/default",
        "qc_cells P1 used 1900 of 2000 MB: raise mem_mb in profiles/default",
    ]


def test_a_benchmark_cut_off_in_the_middle_is_left_out(ran: Path) -> None:
    (ran / "benchmarks" / "qc_cells" / "P2.tsv").write_text("s\th:m")
    (ran / "benchmarks" / "qc_cells" / "P3.tsv").write_text("")
    assert set(read_usage(ran / "benchmarks", ran / "logs")["job"]) == {"P1", "all"}


# sacct --noheader --parsable2 --noconvert --format=jobidraw,state,elapsedraw,maxrss, as SLURM 22.05 prints it
SACCT = """\
7|COMPLETED|53|
7.batch|COMPLETED|53|282005504
7.0|COMPLETED|14|463237120
7.1|COMPLETED|15|518393856
8|OUT_OF_MEMORY|60|
8.batch|OUT_OF_MEMORY|60|
8.0|OUT_OF_MEMORY|58|2095104K
9|CANCELLED by 0|6|
10|TIMEOUT|1800|
"""


def test_what_the_accounting_knows() -> None:
    known = parse_accounting(SACCT)
    assert known["7"] == Accounted("COMPLETED", 0.88, 494.4)  # the largest step
    assert known["8"] == Accounted("OUT_OF_MEMORY", 1.0, 2046.0)
    assert known["9"] == Accounted("CANCELLED", 0.1, None)
    assert [known[n].has_failed for n in ("7", "8", "9", "10")] == [False, True, True, True]

    def silent(_: object) -> str:
        raise FileNotFoundError("sacct")

    assert read_accounting(["7"], silent) == {}
    asked: list[str] = []

    def counting(command: Iterable[str]) -> str:
        asked.extend(tuple(command)[-1].removeprefix("--jobs=").split(","))
        return SACCT

    many = [str(i) for i in range(5000)]
    assert set(read_accounting(many, counting)) == {"7", "8", "9", "10"} and asked == many


def test_jobs_that_slurm_ended_are_rows_too(ran: Path) -> None:
    """Such a job leaves no benchmark file, or one of an earlier run."""
    logs = ran / "logs"
    asked = {"mem_mb": 2000, "runtime": 30}
    (logs / "qc_cells" / "P1.log").write_text(f"{asked_line(asked, 1, '8')}\n")
    (logs / "qc_cells" / "P2.log").write_text(f"{asked_line(asked, 1, '10')}\n")
    (logs / "infer_signal" / "P1.log").write_text(f"{asked_line({'mem_mb': 20000, 'runtime': 90}, 1, '7')}\n")
    (logs / "type_cells.log").write_text(f"{asked_line(asked, 1, '11')}\n")  # unknown to sacct, and not ended well
    os.utime(ran / "benchmarks/qc_cells/P1.tsv", (1, 1))
    assert slurm_jobs(logs) == ["7", "8", "10", "11"]
    usage = read_usage(ran / "benchmarks", logs, parse_accounting(SACCT))
    rows = usage.set_index(["rule", "job"])
    assert list(rows.index) == [
        ("infer_signal", "P1"), ("qc_cells", "P1"), ("qc_cells", "P2"), ("score_qol", "all"),
    ]  # fmt: skip
    assert rows.loc[("infer_signal", "P1"), ["memory_mb", "slurm_state", "slurm_memory_mb"]].tolist() == [
        3000, "COMPLETED", 494.4,
    ]  # fmt: skip
    assert rows.loc[("qc_cells", "P1"), "slurm_state"] == "OUT_OF_MEMORY" and pd.isna(
        rows.loc[("qc_cells", "P1"), "minutes"]
    )
    assert advice(usage)[1:] == [
        "qc_cells P1 was killed for memory with 2000 MB: raise mem_mb in profiles/default",
        "qc_cells P2 did not end within 30 minutes: raise runtime in profiles/default",
    ]


def test_how_jobs_are_sent_is_no_science(root: Path) -> None:
    """A change of it must not let results be computed anew."""
    reached = modules_of(root / "scripts/qc_cells.py")
    assert "marrowclone.asked" in reached and not [name for name in reached if name.startswith("marrowclone.cluster")]
