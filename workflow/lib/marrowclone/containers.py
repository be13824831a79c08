"""Rules in a container image (``--sdm apptainer``): which image, whether it is the right one, and what it sees.

The image holds third-party software; the science comes from the checkout, so the checkout and whatever the
configuration and the sheet name have to be visible inside. Apptainer reads that from its environment variables, which
each process of the workflow sets for the jobs that it starts, on a cluster's nodes too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from .environment import Image, check_image
from .errors import UserError, did_you_mean, shown
from .provenance import COMMIT_VARIABLE, ROOT, git_commit

#: Where ``make image`` puts the image.
DEFAULT_IMAGE = ROOT / "images" / "marrowclone.sif"
#: In the working directory: compiled functions and font lists that libraries keep between jobs.
CACHE = Path(".snakemake", "marrowclone.home")
_PROGRAMS = ("apptainer", "singularity")
#: Of a folder that is an input, so many files are looked at for links that lead elsewhere.
_MOST_LINKS = 1000


def is_asked(workflow: Any) -> bool:
    """Whether Snakemake was started with ``--sdm apptainer``."""
    return any(method.name == "APPTAINER" for method in workflow.deployment_settings.deployment_method)


def image_of_run(workflow: Any, config: Mapping[str, Any], samples: pd.DataFrame) -> str | None:
    """The image that ``container:`` takes, after the jobs' variables are set; None without ``--sdm apptainer``.

    Parameters
    ----------
    workflow
        Snakemake's; only its main process looks at the image, a job on a node looks at the one around it.
    config, samples
        checked configuration and sample sheet: what they name has to be visible inside.

    Raises
    ------
    UserError
        as :func:`check_location`, :func:`program` and :func:`folders_of`.
    """
    if not is_asked(workflow):
        return None
    image = image_location(config["image"])
    if workflow.is_main_process:
        check_location(image, device=config["device"])
    export(os.environ, values=[config, samples.to_dict("list")], device=config["device"])
    return image


def image_location(setting: str | None) -> str:
    """The image to use, as Snakemake's ``container:`` takes it: an absolute path or a URL.

    Parameters
    ----------
    setting
        the configuration's ``image``; None for the one that ``make image`` writes.
    """
    if setting is None:
        return str(DEFAULT_IMAGE)
    return setting if is_remote(setting) else str(Path(setting).absolute())


def is_remote(image: str) -> bool:
    """Whether an image is named by a URL (``docker://...``, ``oras://...``): Snakemake fetches it."""
    return "://" in image


def check_location(image: str, *, device: str) -> None:
    """Refuse an image that is missing or was built from other locks, before any job starts.

    An image behind a URL is not here yet: each job looks at the one around it when it starts.

    Raises
    ------
    UserError
        with what is wrong and the command that mends it.
    """
    if any(character.isspace() for character in image):
        raise UserError(
            f"container image {image!r}: Snakemake takes no image whose path has a space in it.",
            hint="move it, and name it in the configuration (image: ...).",
        )
    if is_remote(image):
        return
    path = Path(image)
    if not path.exists():
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.sif"))) if path.parent.is_dir() else ""
        raise UserError(
            f"container image {shown(path)}: no such file, expected an image built from envs/locks.",
            hint=near or "`make image` builds it (docs/hpc.md); another one is named by image in the configuration.",
        )
    labels = read_labels(path)
    found = Image(
        name=shown(path), torch=labels.get("marrowclone.torch", ""), locks=labels.get("marrowclone.locks", "")
    )
    check_image(found)
    if device == "cuda" and found.torch != "cuda":
        raise UserError(
            f"device is cuda, but the container image {found.name} has torch for the CPU only.",
            hint="`make image TORCH=cuda` builds one that can use a GPU, or set device: auto.",
        )


def program() -> str:
    """Apptainer, or Singularity where a site has that.

    Raises
    ------
    UserError
        when neither is on the PATH.
    """
    for name in _PROGRAMS:
        if shutil.which(name):
            return name
    raise UserError(
        "--sdm apptainer needs the program apptainer (or singularity), which is not on the PATH.",
        hint="`module load apptainer` on many clusters; without a container the rules run in .venv.",
    )


def read_labels(image: Path) -> dict[str, str]:
    """Labels of an image file or folder.

    Raises
    ------
    UserError
        when it is no image.
    """
    done = subprocess.run(
        [program(), "inspect", "--labels", "--json", str(image)], capture_output=True, text=True, check=False
    )
    try:
        labels = json.loads(done.stdout)["data"]["attributes"]["labels"] if done.returncode == 0 else None
    except (ValueError, KeyError, TypeError):
        labels = None
    if not isinstance(labels, Mapping):
        reason = (done.stderr.strip().splitlines() or ["it has no labels"])[-1]
        raise UserError(
            f"container image {shown(image)} cannot be read: {reason}",
            hint="`make image` builds it (docs/hpc.md); was the file copied whole?",
        )
    return {str(k): str(v) for k, v in labels.items()}


def export(environ: MutableMapping[str, str], *, values: Iterable[Any], device: str) -> None:
    """Set the variables that make a job's container see what the job needs; what the user set is kept.

    Parameters
    ----------
    environ
        environment of the jobs.
    values
        configuration and sheet: every text in them that names a file or folder counts as an input.
    device
        the configuration's ``device``; with ``cpu`` no GPU is shown to the jobs.
    """
    prefix = program().upper()
    bound = [b for b in environ.get(f"{prefix}_BIND", "").split(",") if b]
    whole = [ROOT, *([Path(environ["TMPDIR"])] if environ.get("TMPDIR") else [])]
    bound += [folder for folder in folders_of(_texts(values), whole, seen=Path.cwd()) if folder not in bound]
    environ[f"{prefix}_BIND"] = ",".join(bound)
    # in the image the working directory is the home directory: what libraries keep there is not the user's to see
    for name in ("CACHE", "CONFIG"):
        environ.setdefault(f"{prefix}ENV_XDG_{name}_HOME", str(Path.cwd() / CACHE / name.lower()))
    if device != "cpu" and Path("/dev/nvidiactl").exists():
        environ.setdefault(f"{prefix}_NV", "1")
    if COMMIT_VARIABLE not in environ:
        environ[COMMIT_VARIABLE] = git_commit() or ""


def folders_of(paths: Iterable[str], whole: Iterable[Path] = (), *, seen: Path) -> list[str]:
    """The outermost folders that hold these paths and what they link to, without what lies in ``seen``.

    Parameters
    ----------
    paths
        inputs; what does not exist is passed over.
    whole
        folders whose own links need not be followed.
    seen
        the working directory: it is visible in any case.

    Raises
    ------
    UserError
        when a folder's name has a comma or colon: Apptainer takes these for separators.
    """
    folders = {folder.absolute() for folder in whole if folder.is_dir()}
    for text in paths:
        path = Path(text).absolute()
        try:
            if not text or not path.exists():
                continue
            folders |= {_folder_of(path), _folder_of(path.resolve())}
            if path.is_dir():
                folders |= {_folder_of(p.resolve()) for p in islice(path.iterdir(), _MOST_LINKS) if p.is_symlink()}
        except (OSError, ValueError, RuntimeError):
            continue  # unreadable, too long, a link to itself: the checks of the input speak of it
    found: list[str] = []
    for folder in sorted(folders):
        within = [seen, *map(Path, found)]
        if folder == Path(folder.anchor) or any(folder.is_relative_to(outer) for outer in within):
            continue
        if set(str(folder)) & set(",:"):
            raise UserError(
                f"{folder}: a folder that jobs in a container need must not have a comma or colon in its name.",
                hint="rename it, or leave --sdm apptainer out.",
            )
        found.append(str(folder))
    return found


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """Every text within nested mappings and lists."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value.values())
        elif isinstance(value, list | tuple):
            yield from _texts(value)
