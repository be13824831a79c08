"""What jobs asked for and used, and the advice that follows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from marrowclone.cluster.asked import Asked, asked_line, read_asked
from marrowclone.cluster.usage import COLUMNS, advice, read_usage

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text(
        f"[a] {asked_line({'mem_mb': 2000, 'runtime': 30}, 1)}\nfailed\n[a] {asked_line({'mem_mb': 4000, 'runtime': 60}, 2)}\n"
    )
    assert read_asked(log) == Asked(2, 4000, 60)  # the last attempt
    assert read_asked(tmp_path / "none.log", log) == Asked(2, 4000, 60)
    assert read_asked(tmp_path / "none.log") == Asked()
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
