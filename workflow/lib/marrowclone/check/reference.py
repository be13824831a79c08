"""What the configuration says of the copy-number reference: forced rungs, and a profile of another study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Problem, did_you_mean, found
from ..keys import HEALTHY
from ..sheets import clip
from .rows import Entry

SECTION = ("copy_number", "infer_signal")


def check_reference(
    config: Mapping[str, Any],
    entries: Sequence[Entry],
    notes: list[str],
    places: Mapping[tuple[str, ...], tuple[str, int | None]],
    *,
    read: bool,
) -> list[Problem]:
    """Problems of ``infer_signal``'s keys that need the sample sheet or a file; what is weak but allowed is a note.

    ``read``: whether the profile is opened.
    """
    settings: Any = config
    for key in SECTION:
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping):
        return []
    problems: list[Problem] = []

    def report(key: str, message: str, hint: str, *more: str) -> None:
        path = (*SECTION, key, *more)
        file, line = places.get(path) or places.get(path[: len(SECTION) + 1]) or ("config", None)
        problems.append(Problem(file, line, None, f"key {'.'.join(path)}: {message}", hint))

    patients = {str(e.get("patient")) for e in entries if e.get("patient")}
    donors = {str(e.get("patient")) for e in entries if str(e.get("timepoint", "")).startswith(HEALTHY)}
    forced = settings.get("rung_of_patient")
    forced = dict(forced) if isinstance(forced, Mapping) else {}
    for name in forced:
        if patients and name not in patients:
            hint = did_you_mean(name, patients) or "patients stand in the sample sheet's column patient"
            report("rung_of_patient", f"{found(clip(name), 'a patient of the sample sheet')}", hint, str(name))
    path = settings.get("reference_profile")
    for whose, rung in [((), settings.get("rung")), *(((str(name),), rung) for name, rung in forced.items())]:
        if rung == "R3" and not path:
            hint = "name the profile of another study in reference_profile, or set the rung to auto"
            report(
                "rung_of_patient" if whose else "rung", "found 'R3', but no reference_profile is named", hint, *whose
            )
    if settings.get("rung") == "R2" and patients and len(donors) < 1:
        hint = "give healthy donors the timepoint healthy, or set the rung to auto"
        report("rung", "found 'R2', but the sample sheet has no healthy donor", hint)
    if not isinstance(path, str) or not path or not read:
        return problems
    try:
        there = Path(path).is_file()
    except (OSError, ValueError):
        there = False
    return [*problems, *_check_file(path, settings, notes)] if there else problems


def _check_file(path: str, settings: Mapping[str, Any], notes: list[str]) -> list[Problem]:
    """The profile itself."""
    from ..copy_number.profile_file import check_profile

    least = settings.get("min_cells_r3", 200)
    profile, problems = check_profile(path, min_cells=least if isinstance(least, int) else 200)
    if profile is None:
        return problems
    if profile.n_donors < 3:
        notes.append(f"reference profile: {profile.words()}; fewer than the 3 donors that are wanted.")
    if not profile.immune_types:
        notes.append(
            "reference profile: no immune cells, so that the study's own effects stay in it (lower confidence)."
        )
    return []
