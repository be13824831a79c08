"""Run a peer on a case as a process of its own, and say how that went.

    python benchmarks/peers/run.py CASE.h5ad OUTDIR [--only NAME ...] [--timeout SECONDS]

A peer that is missing, fails, is slow or is killed never stops the caller: the result says so.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
POLL = 0.1  # seconds between two looks at the process tree [J]
MISSING = 3  # the exit status of r_peer.py when R or the package is not here
ANSWERS = ("score", "p_malignant", "call", "clone", "arm_value", "arm_call")


@dataclass(frozen=True)
class Peer:
    """One way to run a tool. ``environment`` is ``main`` (.venv), ``peers`` (.venv-peers) or ``R``."""

    name: str
    tool: str
    adapter: str
    environment: str
    arguments: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class PeerResult:
    """How a run went: ``ok``, ``failed``, ``timeout`` or ``missing``; ``error`` is the last line of stderr."""

    status: str
    seconds: float
    peak_mb: float
    error: str


def _peers() -> list[Peer]:
    """Each adapter under each reference that makes sense for it."""
    called = ("score", "call", "clone", "arm_value")
    states = (*called, "arm_call")
    kinds = [
        ("infercnvpy", "infercnvpy_tutorial.py", "main", ("immune", "plasma"), called),
        ("cnvturbo", "cnvturbo_hmm.py", "peers", ("immune", "plasma"), states),
        ("swiftcnv", "swiftcnv_classifier.py", "peers", ("immune", "plasma"), states),
        ("valius-kopya", "kopya_cnv.py", "peers", ("immune", "plasma", "none"), called),
        ("inferploidy", "inferploidy_infercnvpy.py", "peers", ("immune", "plasma"), ("score", "call", "arm_value")),
        ("copykat-python", "copykat_port.py", "peers", ("immune", "plasma", "none"), called),
        ("infercnasc", "infercnasc_zscore.py", "peers", ("none",), ("score", "arm_value")),
    ]
    found = [
        Peer(f"{tool}_{reference}", tool, adapter, environment, ("--reference", reference), answers)
        for tool, adapter, environment, references, answers in kinds
        for reference in references
    ]
    for tool, answers in (("copykat", called), ("SCEVAN", states), ("numbat", ("p_malignant", *states))):
        found.append(Peer(f"R_{tool.lower()}", tool, "r_peer.py", "R", ("--tool", tool), answers))
    return found


PEERS: list[Peer] = _peers()


def interpreter(environment: str) -> Path:
    """The Python of an environment; R peers are started by the project's own Python."""
    folder = ".venv-peers" if environment == "peers" else ".venv"
    own = ROOT / folder / "bin" / "python"
    return Path(sys.executable) if environment != "peers" and not own.exists() else own


def command(peer: Peer, case: Path, out: Path) -> list[str]:
    """The command line of a peer."""
    return [str(interpreter(peer.environment)), str(HERE / peer.adapter), str(case), str(out), *peer.arguments]


def run_peer(name: str, case_path: Path, out_dir: Path, timeout: float) -> PeerResult:
    """Run the peer called ``name`` of PEERS on a case; ``timeout`` in seconds. Raises KeyError for an unknown name."""
    peer = {p.name: p for p in PEERS}[name]
    if not interpreter(peer.environment).exists():
        return PeerResult("missing", 0.0, 0.0, f"{interpreter(peer.environment)} is not here; run install.sh")
    return run_command(command(peer, Path(case_path), Path(out_dir)), timeout)


def run_command(line: list[str], timeout: float) -> PeerResult:
    """Run a command line with a time limit (seconds), watching wall time and the memory of its process tree."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                line, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True, env=_environment()
            )
        except OSError as error:
            return PeerResult("missing", 0.0, 0.0, f"{line[0]}: {error.strerror}")
        peak, status = 0.0, "ok"
        try:
            while process.poll() is None:
                peak = max(peak, tree_mb(process.pid))
                if time.perf_counter() - start > timeout:
                    status = "timeout"
                    break
                time.sleep(POLL)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the group is this run's own
                process.wait()
        seconds = time.perf_counter() - start
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if status == "timeout":
        return PeerResult(status, seconds, peak, f"stopped after {timeout:g} s")
    if process.returncode == 0:
        return PeerResult("ok", seconds, peak, "")
    lines = [part for part in text.splitlines() if part.strip()]
    error = lines[-1] if lines else f"exit status {process.returncode}"
    return PeerResult("missing" if process.returncode == MISSING else "failed", seconds, peak, error)


def _environment() -> dict[str, str]:
    """The caller's environment without its Python path: a peer must not see the project's library."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}


def tree_mb(pid: int) -> float:
    """Resident memory of a process and all below it, in MB, from /proc; 0 where there is none."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(folder.name))
    todo, pages = [pid], 0
    while todo:
        one = todo.pop()
        todo += children.get(one, [])
        try:
            pages += int((Path("/proc") / str(one) / "statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run from the command line: one JSON line per peer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=[p.name for p in PEERS], default=[p.name for p in PEERS])
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds per peer")
    options = parser.parse_args()
    for name in options.only:
        result = run_peer(name, options.case, options.out / name, options.timeout)
        print(json.dumps({"peer": name, **asdict(result)}), flush=True)


if __name__ == "__main__":
    main()
