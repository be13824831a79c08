"""Tumours for the benchmark of clones: fixed ones of a known difficulty, and random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from marrowclone.simulate.tumours import draw_clones, draw_subtype, draw_trunk

#: Median non-Ig UMI of a plasma cell at which the depth series stands.
DEPTHS = (2000, 4800, 10_000)
USUAL = 4800
#: Gene effects of a capture (ln SD) where timepoint = batch is the question.
STRONG_BATCH = 0.35

#: Five clones, each with two arms of its own that are well read.
FIVE: dict[str, dict[str, Any]] = {
    "A": {"events": ["-13q", "+1q"], "fraction": 0.28},
    "B": {"parent": "A", "events": ["-14q", "-6q"], "fraction": 0.26},
    "C": {"parent": "A", "events": ["+11q", "-16q"], "fraction": 0.20},
    "D": {"parent": "B", "events": ["-1p", "-8p"], "fraction": 0.16},
    "E": {"parent": "C", "events": ["amp1q", "-17p"], "fraction": 0.10},
}
#: Five clones whose two arms each are among the weakest that are read at all (science 2.3), side by side.
HARD: dict[str, dict[str, Any]] = {
    "A": {"events": ["-13q", "+1q"], "fraction": 0.28},
    "B": {"parent": "A", "events": ["-8p", "-4p"], "fraction": 0.24},
    "C": {"parent": "A", "events": ["-12p", "+21q"], "fraction": 0.20},
    "D": {"parent": "B", "events": ["-17p", "+21q"], "fraction": 0.16},
    "E": {"parent": "C", "events": ["-8p", "+18q"], "fraction": 0.12},
}
#: Between the two: one arm of a clone is badly read, the other tolerably.
MIDDLE: dict[str, dict[str, Any]] = {
    "A": {"events": ["-13q", "+1q"], "fraction": 0.28},
    "B": {"parent": "A", "events": ["-8p", "-4p"], "fraction": 0.24},
    "C": {"parent": "A", "events": ["-12p", "+7q"], "fraction": 0.20},
    "D": {"parent": "B", "events": ["-17p", "+15q"], "fraction": 0.16},
    "E": {"parent": "C", "events": ["-8p", "+9q"], "fraction": 0.12},
}
THREE: dict[str, dict[str, Any]] = {
    "A": {"events": ["-13q", "+9"], "fraction": 0.5},
    "B": {"parent": "A", "events": ["+1q", "-16q"], "fraction": 0.3},
    "C": {"parent": "A", "events": ["-14q", "-6q"], "fraction": 0.2},
}
SMALL: dict[str, dict[str, Any]] = {
    "A": {"events": ["-13q", "+9"], "fraction": 0.98},
    "B": {"parent": "A", "events": ["+1q", "-1p"], "fraction": 0.02},
}
#: What each kind of patient asks; those with a depth exist once per depth.
KINDS: dict[str, str] = {
    "five": "five clones, two well-read arms each",
    "hard": "five clones, two badly read arms each",
    "random": "random tumours (2 to 6 clones, 1 to 3 own events)",
    "small": "a clone of 2% with two arm events",
    "mono": "random trunk, one clone, three captures with strong gene effects",
    "batch": "three clones of constant shares, three captures with strong gene effects",
    "mrd": "2,000 cells at diagnosis, 8 to 30 malignant ones at MRD",
    "middle": "five clones, one badly and one tolerably read arm each",
}
BY_DEPTH = ("five", "hard", "random", "middle")


def patients(seed: int, kinds: Iterable[str] = tuple(KINDS)) -> dict[str, dict[str, Any]]:
    """Patients by name (``{kind}_{depth}``, ``{kind}``), as in a cohort specification (docs/simulate.md)."""
    out: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        if kind not in KINDS:
            continue
        rng = np.random.default_rng([seed, list(KINDS).index(kind)])
        if kind in BY_DEPTH:
            clones = _random(rng) if kind == "random" else {"five": FIVE, "hard": HARD, "middle": MIDDLE}[kind]
            for depth in DEPTHS:
                out[f"{kind}_{depth}"] = _patient(clones, _course((900, 500, 700), umi=depth), rng)
        elif kind == "small":
            out[kind] = _patient(SMALL, _course((1000, 1000), umi=USUAL), rng, turn=False)
        elif kind == "mono":
            founder = {"A": {**_random(rng)["A"], "fraction": 1.0}}
            out[kind] = _patient(founder, _course((350, 350, 350), umi=USUAL, batch_sd=STRONG_BATCH), rng)
        elif kind == "batch":
            out[kind] = _patient(THREE, _course((400, 400, 400), umi=USUAL, batch_sd=STRONG_BATCH), rng, turn=False)
        elif kind == "mrd":
            out[kind] = _mrd(rng)
    return out


def five_of(cells: int, seed: int) -> dict[str, Any]:
    """The patient of five well-read clones with about so many malignant cells at usual depth."""
    each = round(cells / 3 / 0.76)  # what quality and the sort leave of a capture
    return _patient(FIVE, _course((each, each, each), umi=USUAL), np.random.default_rng([seed, cells]))


def donors(number: int = 3) -> dict[str, dict[str, Any]]:
    """Healthy donors with one sorted capture each."""
    sample = {"timepoint": "healthy", "day": 0, "cells": 350, "plasma_fraction": 0.45, "sort": "CD138+"}
    return {f"H{i + 1}": {"group": "healthy", "sex": "female", "samples": [sample]} for i in range(number)}


def _random(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Clones of a random tumour with at least one readable trunk event."""
    while True:
        subtype, hyperdiploid = draw_subtype(rng)
        trunk = draw_trunk(subtype, hyperdiploid, rng)
        if trunk:
            return draw_clones(trunk, subtype, shape="random", rng=rng)


def _course(cells: tuple[int, ...], *, umi: int, batch_sd: float | None = None) -> list[dict[str, Any]]:
    """Captures of sorted marrow at diagnosis, after induction (where there are three) and at relapse."""
    names = ("diagnosis", "relapse") if len(cells) == 2 else ("diagnosis", "post_induction", "relapse")
    capture = {"plasma_umi": umi, "normal_plasma": 0.03} | ({"batch_sd": batch_sd} if batch_sd is not None else {})
    return [
        {"timepoint": t, "day": 200 * i, "cells": n, "plasma_fraction": 0.9, "sort": "CD138+", "capture": capture}
        for i, (t, n) in enumerate(zip(names, cells, strict=True))
    ]


def _patient(
    clones: Mapping[str, Mapping[str, Any]], samples: list[dict[str, Any]], rng: np.random.Generator, *,
    turn: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """A tumour whose clones keep their shares, or (``turn``) grow apart by up to twofold between captures."""
    months = 200 / 30.4375
    own = {
        c: {**v, "growth": {"off": float(rng.uniform(-1, 1)) * np.log(2) / months if turn else 0.0}}
        for c, v in clones.items()
    }
    return {
        "group": "refractory", "light_chain": "kappa" if rng.random() < 0.65 else "lambda", "sex": "male",
        "burden": 0.4, "clones": own, "samples": samples, "clinical": {"last_day": samples[-1]["day"] + 60},
    }  # fmt: skip


def _mrd(rng: np.random.Generator) -> dict[str, Any]:
    """A random tumour: 2,000 cells at diagnosis, and a capture with 8 to 30 of its cells among normal plasma cells."""
    few = int(rng.integers(8, 31))
    cells, normal, burden, months = 400, 0.004, 0.4, 6.0
    share = few / (cells * 0.9)  # of the plasma cells
    left = normal * share / (1 - share)
    rate = float(np.log(left / burden) / months)
    clones = {c: {**v, "growth": {"off": rate * float(rng.uniform(0.95, 1.05))}} for c, v in _random(rng).items()}
    sorted_marrow = {"plasma_fraction": 0.9, "sort": "CD138+"}
    samples = [
        {"timepoint": "diagnosis", "day": 0, "cells": 2300, "capture": {"plasma_umi": USUAL}, **sorted_marrow},
        {"timepoint": "mrd", "day": round(months * 30.4375), "cells": cells,
         "capture": {"plasma_umi": USUAL, "normal_plasma": normal, "doublet_rate": 0.02}, **sorted_marrow},
    ]  # fmt: skip
    return {
        "group": "refractory", "light_chain": "kappa", "sex": "male", "burden": burden, "clones": clones,
        "samples": samples, "clinical": {"last_day": 260},
    }  # fmt: skip
