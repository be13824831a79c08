"""An image of the locked environment, built as a site without internet builds it, and what else its tests need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hpc.conftest import slurm  # noqa: F401 (a fixture: pytest finds it by its name here)
from marrowclone.environment import lock_digest
from workflow_runs import ROOT, simulated

PROGRAMS = ("apptainer", "buildah", "mmdebstrap")


@dataclass(frozen=True)
class Builder:
    """``containers/build.sh`` in a folder of its own, on a base without any registry."""

    folder: Path
    base: Path

    def build(self, name: str, **settings: str) -> Path:
        """Build an image of this file name; settings are the script's environment variables."""
        out = self.folder / name
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "TMPDIR": str(self.folder)}
        environment |= {"PIP": f"{sys.executable} -m pip", "BASE": str(self.base), "TORCH": "cpu"}
        if os.geteuid() == 0:  # root of a test machine may lack capabilities that apptainer and runc ask for
            environment |= {"APPTAINER_BUILD": "--fakeroot", "BUILDAH_ISOLATION": "chroot"}
        done = subprocess.run(
            [str(ROOT / "containers/build.sh"), str(out)],
            env=environment | settings, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return out


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    """A base image of Debian and its Python, made by mmdebstrap; everything is removed at the end."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)} (tests/containers/install.sh installs them on Debian)")
    folder = tmp_path_factory.mktemp("images")
    base = folder / "base.tar"
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv", "bookworm", str(base)],
        capture_output=True, text=True, check=False, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"mmdebstrap made no base image (is Debian's archive within reach?): {made.stderr[-500:]}")
    yield Builder(folder, base)
    images = ["localhost/marrowclone-base"]
    if (folder / "locks").is_dir():
        images.append(f"localhost/marrowclone:cpu-{lock_digest('base', 'torch-cpu', folder=folder / 'locks')}")
    subprocess.run(["buildah", "rmi", *images], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def image(builder: Builder) -> Path:
    """The real image, from the checkout's locks and the definition file."""
    return builder.build("marrowclone.sif")


@pytest.fixture(scope="session")
def archive(builder: Builder) -> Path:
    """An OCI archive from the Containerfile and other locks: five packages, one of them as source."""
    locks = builder.folder / "locks"
    locks.mkdir()
    entries = {e.split("==")[0]: e for e in re.split(r"(?m)^(?=\w)", (ROOT / "envs/locks/base.txt").read_text())}
    (locks / "base.txt").write_text("".join(entries[name] for name in ("docrep", "pyyaml", "setuptools", "six")))
    (locks / "torch-cpu.txt").write_text(entries["typing-extensions"])
    return builder.build("other.tar", LOCKS=str(locks))


@pytest.fixture(scope="session")
def other_image(archive: Path) -> Path:
    """The archive as an Apptainer image, as the documentation says."""
    out = archive.with_suffix(".sif")
    subprocess.run(
        ["apptainer", "build", "--force", str(out), f"oci-archive:{archive}"], check=True, capture_output=True
    )
    return out


@pytest.fixture(scope="session")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A simulated cohort in a folder that apptainer does not show to jobs by itself (as it does ``/tmp``)."""
    with tempfile.TemporaryDirectory(prefix="marrowclone-", dir="/srv") as folder:
        yield simulated("hpc", Path(folder))
