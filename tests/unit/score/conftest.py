"""A truth of a few thousand cells, and the answer of someone who knows it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from marrowclone.keys import DAYS_PER_MONTH

PARENTS = {"a": "", "b": "a", "c": "a", "d": "b", "e": "b", "f": "c"}
SHARES = {"a": 0.3, "b": 0.25, "c": 0.2, "d": 0.12, "e": 0.08, "f": 0.05}
RATES = {"a": -0.4, "b": 0.3, "c": -0.2, "d": 0.5, "e": 0.1, "f": -0.05}
DAYS = {"s1": 0, "s2": 200, "s3": 500, "s4": 800}
EVENTS = {"a": {"1q": 3, "13q": 1}, "b": {"8p": 1}, "c": {"5q": 3}, "d": {"17p": 1}, "e": {"1q": 4}, "f": {"2p": 3}}


def lineage(clone: str) -> list[str]:
    return ([*lineage(PARENTS[clone])] if PARENTS[clone] else []) + [clone]


def truth_tables() -> dict[str, pd.DataFrame]:
    """One patient with six clones (4,000 cells over four samples, 40% malignant), 40 others for the tiers."""
    rng = np.random.default_rng(7)
    n = 4000
    malignant = rng.random(n) < 0.4
    clone = np.where(malignant, rng.choice(list(SHARES), n, p=list(SHARES.values())), "")
    cells = pd.DataFrame(
        {
            "cell": [f"s:{i}" for i in range(n)],
            "sample": rng.choice(list(DAYS), n),
            "patient": "p",
            "cell_type": np.where(malignant | (rng.random(n) < 0.5), "plasma", "cd4_t"),
            "malignant": malignant,
            "clone": clone,
            "doublet": rng.random(n) < 0.05,
            "quality": np.where(rng.random(n) < 0.05, "dying", "good"),
        }
    )
    arms = [(f"chr{i}", a) for i in range(1, 23) for a in "pq"]
    states = []
    for name in PARENTS:
        own: dict[str, int] = {}
        for step in lineage(name):
            own |= EVENTS[step]
        states += [(name, c, a, own.get(c[3:] + a, 2)) for c, a in arms]
    start = {c: 0.1 * s for c, s in SHARES.items()}
    fractions = []
    for sample, day in DAYS.items():
        burden = {c: b * math.exp(RATES[c] * day / DAYS_PER_MONTH) for c, b in start.items()}
        total = sum(burden.values())
        fractions += [(c, sample, sample, day, b / total, b) for c, b in burden.items()]
    labels = [
        (c, day, "expanding" if RATES[c] > 0.06 else "contracting" if RATES[c] < -0.06 else "dormant-compatible")
        for c in PARENTS
        for day in DAYS.values()
    ]
    tier = rng.choice(6, 400, p=[0.1, 0.25, 0.25, 0.2, 0.1, 0.1])
    relapse = np.where((tier < 3) & (rng.random(400) < 0.5), 900.0, np.nan)
    tiers = pd.DataFrame(
        {
            "patient": [f"p{i // 10}" for i in range(400)],
            "day": np.arange(400) % 10 * 30,
            "tier": [f"T{t}" for t in tier],
            "relapse_day": relapse,
        }
    )
    return {
        "cells": cells,
        "arms": pd.DataFrame(states, columns=["clone", "chromosome", "arm", "state"]),
        "clones": pd.DataFrame({"clone": list(PARENTS), "parent": list(PARENTS.values())}),
        "fractions": pd.DataFrame(
            fractions, columns=["clone", "sample", "timepoint", "day", "fraction", "burden"]
        ),
        "labels": pd.DataFrame(labels, columns=["clone", "day", "label"]),
        "tiers": tiers,
    }  # fmt: skip


def perfect_answer(truth: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """What the truth says, in the form of an answer, with clones named x_a, x_b ..."""
    cells, fractions = truth["cells"], truth["fractions"]
    p = cells["malignant"].astype(float)
    named = np.where(cells["malignant"], "x_" + cells["clone"], "")
    arms = truth["arms"].assign(clone="x_" + truth["arms"]["clone"])
    burden = fractions.groupby("sample", sort=False)["burden"].sum().reset_index()
    tier = truth["tiers"]["tier"].str[1].astype(int).to_numpy()
    dynamics = []
    for c in PARENTS:
        days = list(DAYS.values())
        dynamics += [
            (f"x_{c}", d1, d2, RATES[c], RATES[c] - 0.01, RATES[c] + 0.01, "") for d1, d2 in itertools.pairwise(days)
        ]
    return {
        "cells": pd.DataFrame(
            {
                "cell": cells["cell"], "score": p, "p_malignant": p,
                "call": np.where(cells["malignant"], "malignant", "normal"), "clone": named, "posterior": 1.0,
            }
        ),
        "arms": arms.assign(call=np.select([arms["state"] > 2, arms["state"] < 2], ["gain", "loss"], "neutral")),
        "fractions": fractions.assign(
            clone="x_" + fractions["clone"], n_malignant=100,
            lower=fractions["fraction"] - 1e-6, upper=fractions["fraction"] + 1e-6,
        ),
        "burden": burden.assign(
            source="scRNA", used=True, burden_lower=burden["burden"] * 0.999, burden_upper=burden["burden"] * 1.001
        ),
        "tree": pd.DataFrame(
            {
                "branch": [f"x_{c}" for c in PARENTS],
                "parent": [f"x_{p}" if p else "normal" for p in PARENTS.values()],
                "support": 1.0,
            }
        ),
        "dynamics": pd.DataFrame(
            dynamics, columns=["clone", "from_day", "to_day", "growth_per_month", "lower", "upper", "bound"]
        ),
        "labels": truth["labels"].assign(clone="x_" + truth["labels"]["clone"]),
        "tiers": truth["tiers"][["patient", "day", "tier"]].assign(**{f"p_t{i}": 1.0 * (tier == i) for i in range(6)}),
    }  # fmt: skip


@pytest.fixture(scope="session")
def truth() -> dict[str, pd.DataFrame]:
    return truth_tables()


@pytest.fixture(scope="session")
def perfect(truth: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return perfect_answer(truth)
