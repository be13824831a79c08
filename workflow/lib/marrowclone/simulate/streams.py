"""Random streams by name, so that adding a patient or a sample changes no other."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on ``seed`` and ``names`` only.

    The names take the place of the counter of :meth:`numpy.random.SeedSequence.spawn`.
    """
    key = [
        int.from_bytes(hashlib.sha256(name.encode()).digest()[i : i + 4], "big") for name in names for i in (0, 4, 8)
    ]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(key)))
