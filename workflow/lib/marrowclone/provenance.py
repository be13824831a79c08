"""What code a rule runs, as one short hash.

Snakemake sees an edit of a rule's script, not of the modules that the script imports. So
the hash of the script and of every marrowclone module that it reaches goes into the rule's
``params``; a job whose own hash differs refuses to start.
"""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

from .errors import UserError

PACKAGE = "marrowclone"
LIBRARY = Path(__file__).resolve().parent
ROOT = LIBRARY.parents[2]
SCRIPTS = ROOT / "scripts"
COMMIT_VARIABLE = "MARROWCLONE_COMMIT"


def _module_file(name: str) -> Path | None:
    """The file of ``marrowclone.a.b``, or None when there is no such module."""
    base = LIBRARY.joinpath(*name.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imports(path: Path, module: str) -> frozenset[str]:
    """Names of marrowclone modules that the file at ``path`` imports, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    mine = {n for n in names if n == PACKAGE or n.startswith(PACKAGE + ".")}
    # a package's __init__ runs too when one of its modules is imported
    mine |= {".".join(n.split(".")[:i]) for n in mine for i in range(1, n.count(".") + 1)}
    return frozenset(n for n in mine if _module_file(n) is not None)


def modules_of(script: Path) -> dict[str, Path]:
    """Every marrowclone module that ``script`` reaches, by name, sorted."""
    reached: dict[str, Path] = {}
    todo = list(_imports(script, ""))
    while todo:
        name = todo.pop()
        path = _module_file(name)
        if name in reached or path is None:
            continue
        reached[name] = path
        todo.extend(_imports(path, name))
    return dict(sorted(reached.items()))


def code_hash(rule: str, scripts: Path = SCRIPTS) -> str:
    """Hash of ``scripts/<rule>.py`` and of all marrowclone modules that it reaches (16 hex digits)."""
    script = scripts / f"{rule}.py"
    digest = hashlib.sha256()
    for name, path in [("script", script), *modules_of(script).items()]:
        digest.update(f"{name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def check_code(rule: str, expected: str) -> None:
    """Refuse to run when the code is not what the workflow was planned with.

    Raises
    ------
    UserError
        when a module was edited between planning and start of the job.
    """
    actual = code_hash(rule)
    if actual != expected:
        raise UserError(
            f"rule {rule}: the code changed after the workflow was planned (planned {expected}, found {actual}).",
            hint="start snakemake again; it reruns what the edit touches.",
        )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, or of the sorted files of a folder."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def git_commit(root: Path = ROOT) -> str | None:
    """The checkout's commit, with ``+changes`` when files differ; None without git or checkout.

    In a container, which has no git, it is what the process that started the job found (:data:`COMMIT_VARIABLE`).
    """
    if root == ROOT and COMMIT_VARIABLE in os.environ:
        return os.environ[COMMIT_VARIABLE] or None
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changes else commit
