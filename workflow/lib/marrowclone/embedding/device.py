"""On what the model is trained: what was asked for, or a loud answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ..errors import UserError

#: Set by SLURM for a job that was given GPUs.
_GIVEN_IDS = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
_GIVEN_NUMBER = "SLURM_GPUS_ON_NODE"
_NONE = ("", "-1", "NoDevFiles")


def gpu_was_given(environ: Mapping[str, str]) -> bool:
    """Whether the scheduler gave this job a GPU.

    ``CUDA_VISIBLE_DEVICES`` counts when it names a device: a site or a person set it for a
    reason. An empty value or -1 hides GPUs on purpose.
    """
    if environ.get("CUDA_VISIBLE_DEVICES", "x") in _NONE:
        return False
    if environ.get("CUDA_VISIBLE_DEVICES"):
        return True
    # a list of ids: "0" is the first GPU; as a number "0" is none
    return any(environ.get(name) for name in _GIVEN_IDS) or environ.get(_GIVEN_NUMBER, "0") not in ("", "0")


def choose_device(wanted: str, *, available: bool, environ: Mapping[str, str] = os.environ) -> str:
    """``cpu`` or ``cuda``.

    Parameters
    ----------
    wanted
        ``auto``, ``cpu`` or ``cuda``.
    available
        whether torch sees a CUDA device.

    Raises
    ------
    UserError
        when CUDA was asked for, or a GPU was given to the job, and torch sees none: a job
        that crawls on the CPU of a GPU node wastes both.
    """
    if wanted == "cpu":
        return "cpu"
    if available:
        return "cuda"
    if wanted == "cuda":
        raise UserError(
            "device is cuda, but torch sees no CUDA device.",
            hint="ask the scheduler for a GPU, `make env TORCH=cuda` (or `make image TORCH=cuda`), or set device: cpu.",
        )
    if gpu_was_given(environ):
        raise UserError(
            "the job was given a GPU (SLURM or CUDA_VISIBLE_DEVICES says so), but torch sees none.",
            hint="in a container: an image of `make image TORCH=cuda`, and --apptainer-args=--nv; else the "
            "environment of `make env TORCH=cuda`; or set device: cpu.",
        )
    return "cpu"


def device_if_given(wanted: str, *, available: Callable[[], bool], environ: Mapping[str, str] = os.environ) -> str:
    """``cpu`` or ``cuda`` for work that a CPU does in seconds: a GPU only where the job has one anyway.

    That is where the job was given one (then as :func:`choose_device`), or where ``wanted`` is cuda and torch sees one.
    ``available`` says whether torch does, and is asked only where it matters: torch takes long to load.
    """
    if wanted == "cpu":
        return "cpu"
    if gpu_was_given(environ):
        return choose_device(wanted, available=available(), environ=environ)
    return "cuda" if wanted == "cuda" and available() else "cpu"


def cuda_is_there() -> bool:
    """Whether torch sees a GPU; torch is loaded only where it is asked."""
    import torch

    return torch.cuda.is_available()
