"""A peer that is missing, fails or hangs must be a row in the comparison, never the end of it."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

PEERS = Path(__file__).resolve().parents[3] / "benchmarks/peers"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"peers_{name}", PEERS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


run = load("run")
adapter = load("adapter")


def test_every_peer_has_its_adapter_and_its_row():
    table = pd.read_csv(PEERS / "peers.tsv", sep="\t").set_index("peer")
    tools = {p.tool for p in run.PEERS}
    assert tools == set(table.index[table["runs"] != "no"]), "peers.tsv and PEERS name the same tools"
    assert len({p.name for p in run.PEERS}) == len(run.PEERS), "a name picks one run"
    for peer in run.PEERS:
        assert (PEERS / peer.adapter).exists(), peer.name
        assert set(peer.answers) <= set(run.ANSWERS), "only answers that the tables can hold"


def test_locked_versions_are_those_of_the_table():
    table = pd.read_csv(PEERS / "peers.tsv", sep="\t", dtype=str).set_index("peer")
    lock = dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", (PEERS / "requirements.txt").read_text(), flags=re.MULTILINE))
    for peer in table.index[table["kind"] == "peers env"]:
        assert lock[peer] == table.at[peer, "version"], "the table says what was compared"
    assert "torch" not in lock, "no peer brings torch, whose wheel would be the CUDA one"


def test_crash_is_reported_by_its_last_line():
    result = run.run_command([sys.executable, "-c", "raise ValueError('too few breakpoints')"], timeout=30)
    assert (result.status, result.error) == ("failed", "ValueError: too few breakpoints")


def test_silent_death_says_the_status():
    result = run.run_command([sys.executable, "-c", "import os; os._exit(7)"], timeout=30)
    assert (result.status, result.error) == ("failed", "exit status 7"), "no line is no reason to say nothing"


def test_timeout_ends_the_whole_tree(tmp_path):
    pid = tmp_path / "pid"
    child = f"import os,time; open({str(pid)!r},'w').write(str(os.getpid())); time.sleep(60)"
    line = [sys.executable, "-c", f"import subprocess,sys; subprocess.run([sys.executable,'-c',{child!r}])"]
    result = run.run_command(line, timeout=2.0)
    assert result.status == "timeout" and result.seconds < 20, "the caller goes on"
    time.sleep(0.3)
    stat = Path(f"/proc/{pid.read_text()}/stat")
    gone = not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    assert gone, "a worker left behind would eat the next peer's time"


def test_missing_interpreter_is_no_exception(tmp_path):
    assert run.run_command([str(tmp_path / "python")], timeout=5).status == "missing"


def test_memory_of_children_counts():
    grow = "x = bytearray(200_000_000); import time; time.sleep(1)"
    line = [sys.executable, "-c", f"import subprocess,sys; subprocess.run([sys.executable,'-c',{grow!r}])"]
    result = run.run_command(line, timeout=30)
    assert result.status == "ok" and result.peak_mb > 200, "peers work in child processes"


def test_r_peer_without_r_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    result = run.run_command([sys.executable, str(PEERS / "r_peer.py"), "case", "out", "--tool", "numbat"], timeout=60)
    assert (result.status, result.error) == ("missing", "not here: Rscript is not on the path")


@pytest.mark.parametrize(("low", "high"), [(0.01, 0.05), (1.0, 1.3)])
def test_upper_group_splits_between_two_modes(low, high):
    value = pd.Series([low, low * 1.02, low * 1.04, high, high * 1.01])
    upper, cut = adapter.upper_group(value)
    assert low * 1.04 < cut < high and upper.tolist() == [False] * 3 + [True] * 2


def test_upper_group_of_equal_scores_is_empty():
    assert not adapter.upper_group(pd.Series([0.2, 0.2]))[0].any(), "one group has no upper half"


def test_arm_calls_need_half_of_the_arm():
    states = pd.DataFrame([[2, 3, 3, 1]], index=["c1"])
    found = adapter.arm_calls(states, np.array(["chr1"] * 4), np.array(["p", "p", "q", "q"]), neutral=2)
    assert found.set_index("arm")["call"].to_dict() == {"p": "gain", "q": "gain"}, "half is enough, gain is asked first"
    states = pd.DataFrame([[2, 2, 3, 1, 1, 2]], index=["c1"])
    found = adapter.arm_calls(states, np.array(["chr1"] * 6), np.array(list("pppqqq")), neutral=2)
    assert found.set_index("arm")["call"].to_dict() == {"p": "neutral", "q": "loss"}
