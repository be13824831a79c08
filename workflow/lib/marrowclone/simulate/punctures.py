"""What a puncture of the marrow holds beside the marrow as a whole: tumours lie in patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dynamics import CAPACITY, Course
from .streams import stream


def patch(patient: Mapping[str, Any], course: Course, day: int, *, name: str, seed: int) -> float:
    """Factor by which the marrow taken on a day differs from the true burden.

    ``10 ** N(0, patchiness)``, one draw per patient and day: the captures, MRD assays and aspirates of a day are of one
    puncture, those of other days are not (science 4.4: one site, not shared across visits). All clones alike, and
    never more tumour than :data:`CAPACITY`. Exactly 1 where ``patchiness`` is 0.
    """
    sd, total = patient["patchiness"], float(course.total()[day])
    if sd == 0 or total <= 0:
        return 1.0
    return float(min(10.0 ** stream(seed, "puncture", name, str(day)).normal(0.0, sd), CAPACITY / total))
