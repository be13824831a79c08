"""Make the lock files and what follows from them, or check that they agree.

    python envs/lock.py              resolve envs/*.in anew (needs the network and uv)
    python envs/lock.py --keep       the same, but a pin that still fits stays: to add or drop a package
    python envs/lock.py --derive     only rewrite what follows from the locks
    python envs/lock.py --check      fail when anything that follows differs, or a lock is too old

Locks (hashed, pip's --require-hashes):

=================  ====================================================================
locks/base.txt     what the workflow runs on, all but torch; the same for CPU and CUDA
locks/torch-cpu.txt  torch's CPU wheel alone
locks/torch-cu.txt   torch's CUDA wheel and the CUDA libraries that only it needs
locks/dev.txt      what tests and checks need besides
locks/dates.tsv    when each pinned release was uploaded
=================  ====================================================================

The two torch wheels never stand under one pin: pip would take the CUDA one. The conda files
in envs/conda/ list the same pins; conda solves nothing but Python and pip.

Why dates: a resolver that meets a conflict walks back silently, sometimes by ten years. A
release older than OLDEST fails the check unless locks/old.tsv says why it is right.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "workflow" / "lib"))

from marrowclone.environment import FLAVOURS, lock_digest  # noqa: E402 (found by the line above)

LOCKS = HERE / "locks"
PYTHON = "3.11"
OLDEST = "2024-06-01"


def pins(name: str) -> dict[str, str]:
    """Package -> version of one lock."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s\\;]+)", text, flags=re.MULTILINE))


def conda_yaml(flavour: str) -> str:
    """The conda environment file of ``cpu`` or ``cuda``."""
    names = FLAVOURS[flavour]
    lines = [
        "# Made by `make lock` from envs/locks; do not edit (tests compare the two).",
        f"# lock digest: {lock_digest(*names, folder=LOCKS)}",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
    ]
    if flavour == "cpu":
        lines.append("      - --extra-index-url=https://download.pytorch.org/whl/cpu")
    lines += [f"      - {package}=={version}" for name in names for package, version in pins(name).items()]
    return "\n".join(lines) + "\n"


def derived() -> dict[Path, str]:
    """Every file that follows from the locks, with its content."""
    return {HERE / "conda" / f"{flavour}.yaml": conda_yaml(flavour) for flavour in FLAVOURS}


def uv(*arguments: str) -> None:
    """Run ``uv pip compile`` in envs/."""
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "-q", "--python-version", PYTHON, *arguments],
        cwd=HERE,
        check=True,
    )


def resolve(find_links: str | None, *, keep: bool) -> None:
    """Write the locks anew; ``keep``: pins of the present locks that still fit stay."""
    links = ["--find-links", find_links] if find_links else []
    shape = ["--generate-hashes", "--no-header", "--no-annotate", *([] if keep else ["--upgrade"])]
    bare = [*shape, *links]
    LOCKS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if keep:  # uv keeps the pins of the file that it writes to
            for name, copy in (("torch-cu", "cu"), ("dev", "dev")):
                shutil.copy(LOCKS / f"{name}.txt", scratch / f"{copy}.txt")
        uv("base.in", "torch-cpu.in", *bare, "--no-emit-package", "torch", "-o", "locks/base.txt")
        # without the local wheels: among them is the CPU build, which also satisfies this pin
        uv("torch-cu.in", "-c", "locks/base.txt", *shape, "-o", str(scratch / "cu.txt"))
        uv(
            "dev.in",
            "torch-cpu.in",
            "-c",
            "locks/base.txt",
            *bare,
            "--no-emit-package",
            "torch",
            "-o",
            str(scratch / "dev.txt"),
        )
        base = set(pins("base"))
        for name, source in (("torch-cu", scratch / "cu.txt"), ("dev", scratch / "dev.txt")):
            (LOCKS / f"{name}.txt").write_text(_without(source.read_text(), base), encoding="utf-8")
        dates: dict[str, tuple[str, str]] = {}
        for inputs in (
            ["base.in", "torch-cpu.in", *links],
            ["dev.in", "torch-cpu.in", *links, "-c", str(scratch / "dev.txt")],
            ["torch-cu.in", "-c", str(scratch / "cu.txt")],
        ):
            uv(*inputs, "-c", "locks/base.txt", "--format", "pylock.toml", "-o", str(scratch / "pylock.toml"))
            dates |= _upload_dates(scratch / "pylock.toml")
    wanted = {p: v for name in ("base", "dev", "torch-cu") for p, v in pins(name).items()}
    rows = [f"{p}\t{v}\t{dates[p][1]}" for p, v in sorted(wanted.items()) if dates.get(p, ("",))[0] == v]
    (LOCKS / "dates.tsv").write_text("package\tversion\tuploaded\n" + "\n".join(rows) + "\n", encoding="utf-8")


def _without(lock: str, names: set[str]) -> str:
    """A lock's text without the entries of ``names`` (they are in base.txt)."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    return "".join(e for e in entries if e.strip() and e.split("==")[0] not in names)


def _upload_dates(pylock: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for package in tomllib.loads(pylock.read_text())["packages"]:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        days = [str(f["upload-time"])[:10] for f in files if "upload-time" in f]
        if days:
            found[package["name"]] = (package["version"], min(days))
    return found


def _rows(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:] if line and not line.startswith("#")]


def problems() -> list[str]:
    """What is wrong with the locks, in words."""
    found = []
    for path, text in derived().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found.append(
                f"{path.relative_to(HERE.parent)} differs from the locks. Hint: run `python envs/lock.py --derive`."
            )
    dates = {(p, v): day for p, v, day in _rows(LOCKS / "dates.tsv")}
    excused = {row[0]: row[1] for row in _rows(LOCKS / "old.tsv")}
    for name in ("base", "dev", "torch-cu"):
        for package, version in pins(name).items():
            day = dates.get((package, version))
            if day is None:
                found.append(
                    f"locks/dates.tsv has no upload date for {package} {version} of {name}.txt. Hint: `make lock`."
                )
            elif day < OLDEST and not excused.get(package):
                found.append(
                    f"locks/{name}.txt: {package} {version} was uploaded on {day}, before {OLDEST}. "
                    "Hint: did the resolver walk back? Raise the bound in envs/*.in, or say why in locks/old.tsv."
                )
    shared = set(pins("base")) & (set(pins("torch-cu")) | set(pins("torch-cpu")))
    if shared:
        found.append(f"pinned in base and in a torch lock: {', '.join(sorted(shared))}.")
    return found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is wrong")
    parser.add_argument("--derive", action="store_true", help="only rewrite what follows from the locks")
    parser.add_argument("--keep", action="store_true", help="resolve, but leave pins that still fit")
    parser.add_argument("--find-links", help="a folder of local wheels (torch's CPU build)")
    options = parser.parse_args()
    if not options.check:
        if not options.derive:
            resolve(options.find_links, keep=options.keep)
        for path, text in derived().items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    found = problems()
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        digests = {"base": ("base",), **FLAVOURS}
        print("locks agree:", ", ".join(f"{k} {lock_digest(*v, folder=LOCKS)}" for k, v in digests.items()))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
