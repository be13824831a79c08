"""The speed benchmark: its data, its ratios and its slopes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def speed():
    spec = importlib.util.spec_from_file_location("speed", ROOT / "benchmarks" / "speed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_are_like_a_10x_capture(speed, tmp_path):
    nonzeros = speed.write_counts(tmp_path, 300, seed=1)
    assert 1500 < nonzeros / 300 < 2500
    counts, genes, normal = speed.read_counts(tmp_path, logged=False)
    logged, _, _ = speed.read_counts(tmp_path, logged=True)
    assert counts.shape == (300, 20_000) == (len(normal), len(genes)) and 30 < normal.sum() < 90
    scale = 1e4 / np.asarray(counts.sum(axis=1)).ravel()
    np.testing.assert_allclose(logged[5].toarray(), np.log1p(counts[5].toarray() * scale[5]), rtol=1e-5)
    assert set(genes["chromosome"]) == {f"chr{i}" for i in range(1, 23)}


def test_ratios_and_slopes(speed):
    def run(seconds, peak):
        return {"seconds": seconds, "cpu_seconds": 2 * seconds, "peak": peak, "start": 1e8, "load": 1.0}

    results = {
        1000: {"ours, alike": run(1.0, 1e9), "infercnvpy": run(20.0, 4e9)},
        10_000: {"ours, alike": run(10.0, 1e9), "infercnvpy": {"failed": "exit status -9"}},
    }
    rows = speed.rows_of(results)
    assert (rows[1]["slower"], rows[1]["cpu_ratio"], rows[1]["memory_ratio"]) == (20.0, 20.0, 4.0)
    assert rows[3]["seconds"] == "exit status -9" and rows[3]["slower"] == ""
    assert speed.slopes(results) == {"ours, alike": pytest.approx(1.0)}


def test_a_tool_that_is_not_there_is_told(speed, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "PEERS", tmp_path / "none")
    assert "make peers" in speed.measure("cnvturbo, CPU", tmp_path, 1, 10, memory=False)["failed"]
