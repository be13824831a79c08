"""Names of a cohort's samples, and which of them were mixed up in the laboratory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..keys import HEALTHY


def sample_name(patient: str, spec: Mapping[str, Any], index: int) -> str:
    """``P1_relapse``; the second healthy capture of a donor is ``H1_healthy_2``."""
    timepoint = spec["samples"][index]["timepoint"]
    if timepoint == HEALTHY and index > 0:
        timepoint = f"{HEALTHY}_{index + 1}"
    return f"{patient}_{timepoint}"


def sample_places(patients: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Sample -> its patient and its place in the patient's ``samples``, in the order of the sheet."""
    return {
        sample_name(name, patient, i): (name, i)
        for name, patient in patients.items()
        for i in range(len(patient["samples"]))
    }


def mixed_up(swaps: list[list[str]]) -> dict[str, str]:
    """Sample of the sheet -> sample whose cells its files hold; samples that were not swapped are not in it."""
    return {a: b for pair in swaps for a, b in (pair, pair[::-1])}


def swap_problems(swaps: list[Any], known: Mapping[str, Any]) -> Iterator[tuple[int, object, str]]:
    """What is wrong with ``swaps``: index of the pair, what was found, what was expected."""
    seen: set[str] = set()
    for i, pair in enumerate(swaps):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(s, str) for s in pair):
            yield i, pair, "two samples, as in [P1_relapse, P2_relapse]"
            continue
        for sample in pair:
            if sample not in known:
                yield i, sample, "a sample of this cohort"
            elif sample in seen:
                yield i, sample, "a sample that is not swapped already"
            seen.add(sample)
