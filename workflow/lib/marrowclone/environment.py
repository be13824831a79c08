"""The locked third-party environment: the digest of its locks, and the image that a process runs in.

Images and conda files are made from ``envs/locks`` and carry the digest of the locks that they were made from. So a
checkout can tell whether an image holds what its own locks say.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .errors import UserError
from .provenance import ROOT

LOCKS = ROOT / "envs" / "locks"
#: The two builds of torch, and the locks that make an environment with each.
FLAVOURS: dict[str, tuple[str, ...]] = {"cpu": ("base", "torch-cpu"), "cuda": ("base", "torch-cu")}
#: What an image was built from; ``containers/install.sh`` writes it.
IMAGE_FILE = Path("/etc/marrowclone/image")
#: Apptainer tells a process the image's path in the first, Singularity in the second.
_IMAGE_VARIABLES = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
_DIGEST = re.compile(r"[0-9a-f]{16}")


class Image(NamedTuple):
    """An image of the environment.

    Attributes
    ----------
    name
        file name, empty where the container's runtime does not tell.
    torch
        ``cpu`` or ``cuda``.
    locks
        digest of the locks that it was built from (16 hex digits).
    """

    name: str
    torch: str
    locks: str


def lock_digest(*names: str, folder: Path = LOCKS) -> str:
    """Digest over locks (``base``, ``torch-cpu``, ...), in the order given: 16 hex digits of a SHA-256."""
    return hashlib.sha256(b"".join((folder / f"{name}.txt").read_bytes() for name in names)).hexdigest()[:16]


def flavour_digests(folder: Path = LOCKS) -> dict[str, str]:
    """Digest of the environment by build of torch: ``{"cpu": "99c9...", "cuda": "..."}``."""
    return {flavour: lock_digest(*names, folder=folder) for flavour, names in FLAVOURS.items()}


def image_around(file: Path = IMAGE_FILE, environ: Mapping[str, str] = os.environ) -> Image | None:
    """The image of the environment that this process runs in; None outside of one."""
    try:
        facts = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines() if "=" in line)
    except OSError:
        return None
    name = next((Path(environ[v]).name for v in _IMAGE_VARIABLES if environ.get(v)), "")
    return Image(name=name, torch=facts.get("torch", ""), locks=facts.get("locks", ""))


def check_image(image: Image, *, folder: Path = LOCKS) -> None:
    """Refuse an image that was not built from the checkout's locks.

    Raises
    ------
    UserError
        when its digest is missing, or is not that of its build of torch.
    """
    name = f"the container image {image.name}" if image.name else "the container image"
    if not _DIGEST.fullmatch(image.locks) or image.torch not in FLAVOURS:
        found = f"{image.locks!r}" if image.locks else "no label marrowclone.locks"
        raise UserError(
            f"{name} does not say from which locks it was built: found {found}, expected an image of this project.",
            hint="`make image` builds one from envs/locks (docs/hpc.md).",
        )
    expected = lock_digest(*FLAVOURS[image.torch], folder=folder)
    if image.locks != expected:
        raise UserError(
            f"{name} was built from other locks than those of this checkout: found {image.locks}, "
            f"expected {expected} ({image.torch}). Its software, and with it the results, would be others.",
            hint=f"`make image TORCH={image.torch}` builds it anew, or check out the commit that it was built from.",
        )
