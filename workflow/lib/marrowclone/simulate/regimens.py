"""Random courses: therapies, growth of each clone under them, and what becomes of the tumour, by group.

Rates are those of science Appendix A.4; which clone answers how, and how long therapies last,
is judgement [J]. Burdens are followed here only to know when a patient relapses; the course
itself is computed by ``dynamics.py`` from the rates that are written out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..keys import DAYS_PER_MONTH
from .dynamics import CAPACITY, FLOOR
from .fields import OFF

#: Burden at which a relapse is found, or the next line begins [J].
RELAPSE = 0.15
#: No course is followed longer than this (ten years) [J].
LONGEST = 3650
#: Shape of the clone tree that a group needs (science 3.2: what linear and branching mean).
SHAPES: dict[str, str] = {"relapse_branching": "branched", "relapse_linear": "chain"}
#: Share of the tumour at day 0 of the clone that will relapse or escape: 10 to the uniform of these [J].
SELECTED = {"relapse_branching": (-4.0, -1.5), "relapse_linear": (-3.0, -1.0), "antigen_escape": (-4.0, -2.0)}

Rates = dict[str, float]


@dataclass
class Plan:
    """A course as it is drawn: ``log`` is the clones' ln burden at ``day`` (without the marrow's limit)."""

    log: np.ndarray
    rng: np.random.Generator
    off: np.ndarray
    cured: bool = False
    day: int = 0
    therapies: list[dict[str, Any]] = field(default_factory=list)
    growth: list[dict[str, float]] = field(default_factory=list)
    relapses: list[int] = field(default_factory=list)

    def pass_days(self, days: int, rate: np.ndarray) -> None:
        """Let the clones grow or shrink at ``rate`` per month."""
        self.log = np.maximum(self.log + rate * days / DAYS_PER_MONTH, min(np.log(FLOOR), self.log.min()))
        self.day += days

    def treat(self, regimen: str, days: int, rate: np.ndarray, classes: str, *, line: int, effect: int = 0) -> None:
        """Give a regimen from today; ``effect`` is how long it acts, where that is not its duration."""
        therapy = {"regimen": regimen, "start": self.day, "stop": self.day + days, "line": line}
        therapy["classes"] = classes.split()
        self.therapies.append(therapy | ({"effect_days": effect} if effect else {}))
        for rates, value in zip(self.growth, rate, strict=True):
            rates[regimen] = round(float(value), 4)
        self.pass_days(effect or days, rate)

    def burden(self) -> float:
        """Tumour cells per nucleated marrow cell today."""
        total = float(np.exp(self.log).sum())
        return total / (1.0 + total / CAPACITY)

    def wait(self, burden: float = RELAPSE, longest: int = LONGEST) -> bool:
        """Let time pass without therapy until the burden is reached; False when it is not."""
        while self.burden() < burden and self.day < longest:
            self.pass_days(10, self.off)
        return self.burden() >= burden


def off_rates(n: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """(n,) growth per month without therapy: doubling in 1 to 6 months (fast), 12 to 36 (slow), never (dormant)."""
    if kind == "dormant":
        return np.zeros(n)
    low, high = (1.0, 6.0) if kind == "fast" else (12.0, 36.0)
    return np.log(2.0) / rng.uniform(low, high, n)


def kill(n: int, rng: np.random.Generator, *, mean: float = -0.8, least: float = -0.3) -> np.ndarray:
    """(n,) growth per month of sensitive clones on therapy: N(-.8, .4), and at least some kill."""
    return np.minimum(rng.normal(mean, 0.4, n), least)


def hold(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) growth per month of resistant clones on therapy: N(.1, .1)."""
    return rng.normal(0.1, 0.1, n)


def _frontline(plan: Plan, resistant: np.ndarray, *, transplant: bool, months: float) -> None:
    """Induction, transplant and maintenance; ``resistant`` clones do not answer to any."""
    rng, n = plan.rng, resistant.size
    plan.pass_days(int(rng.integers(3, 15)), plan.off)

    def rate(mean: float, least: float) -> np.ndarray:
        return np.where(resistant, hold(n, rng), kill(n, rng, mean=mean, least=least))

    name, classes = ("D-VRd", "CD38 PI IMiD steroid") if transplant else ("VRd", "PI IMiD steroid")
    plan.treat(name, int(rng.integers(150, 172)), rate(-0.8, -0.3), classes, line=1)
    if transplant:
        plan.pass_days(int(rng.integers(20, 40)), plan.off)
        # a transplant acts on a clone that resists the rest, if less: high-dose melphalan, -.5 per month [J]
        plan.treat("ASCT", 1, np.where(resistant, -0.5, rate(-1.6, -0.8)), "alkylator ASCT", line=1, effect=60)
        plan.pass_days(int(rng.integers(10, 40)), plan.off)
    if months > 0:
        plan.treat("R-maintenance", round(months * DAYS_PER_MONTH), rate(-0.2, -0.05), "IMiD", line=1)


def _cured_like(plan: Plan, selected: np.ndarray) -> None:
    _frontline(plan, np.zeros(selected.size, bool), transplant=True, months=0)
    months = float(plan.rng.uniform(18, 30))
    # what is left after the transplant ends with the maintenance: half a decade below the floor for the last clone
    needed = (np.log(FLOOR) - 1.2 - plan.log) / months
    plan.cured = True
    plan.treat("DR-maintenance", round(months * DAYS_PER_MONTH), np.minimum(needed, -0.1), "CD38 IMiD", line=1)
    plan.pass_days(int(plan.rng.integers(500, 1200)), np.zeros(selected.size))


def _mgus_like(plan: Plan, selected: np.ndarray) -> None:
    rng = plan.rng
    plan.pass_days(int(rng.integers(3, 15)), plan.off)
    # therapy stops while cells are left, and these neither grow nor die
    days = int(rng.integers(120, 170))
    plan.treat("VRd", days, np.clip(rng.normal(-1.3, 0.3, selected.size), -2.2, -0.8), "PI IMiD steroid", line=1)
    plan.pass_days(int(rng.integers(1300, 2000)), plan.off)


def _relapse_branching(plan: Plan, selected: np.ndarray) -> None:
    _frontline(plan, selected, transplant=True, months=float(plan.rng.uniform(8, 20)))
    if plan.wait():
        plan.relapses.append(plan.day)


def _relapse_linear(plan: Plan, selected: np.ndarray) -> None:
    # a lesser response goes with linear evolution (science 3.1)
    _frontline(plan, selected, transplant=False, months=float(plan.rng.uniform(4, 10)))
    if plan.wait():
        plan.relapses.append(plan.day)


def _antigen_escape(plan: Plan, selected: np.ndarray) -> None:
    rng, n = plan.rng, selected.size
    _frontline(plan, np.zeros(n, bool), transplant=False, months=0)
    plan.wait()
    plan.relapses.append(plan.day)
    plan.treat("DPd", int(rng.integers(80, 130)), rng.normal(0.0, 0.1, n), "CD38 IMiD steroid", line=2)
    plan.pass_days(int(rng.integers(20, 40)), plan.off)
    rate = np.where(selected, rng.normal(0.1, 0.1, n), rng.normal(-3.0, 0.4, n))
    plan.treat("cilta-cel", 0, rate, "BCMA-CART", line=3, effect=150)
    if plan.wait():
        plan.relapses.append(plan.day)


def _refractory(plan: Plan, selected: np.ndarray) -> None:
    rng, n = plan.rng, selected.size
    plan.pass_days(int(rng.integers(3, 15)), plan.off)
    lines = (("VRd", "PI IMiD steroid", 165), ("DKd", "CD38 PI steroid", 200), ("elranatamab", "BCMA-BsAb", 300))
    for line, (regimen, classes, days) in enumerate(lines, start=1):
        plan.treat(regimen, days, np.where(selected, hold(n, rng), kill(n, rng, mean=-0.4)), classes, line=line)
        plan.pass_days(int(rng.integers(14, 35)), plan.off)
    plan.relapses.append(plan.day)


COURSES: dict[str, Callable[[Plan, np.ndarray], None]] = {
    "cured_like": _cured_like, "mgus_like": _mgus_like, "relapse_branching": _relapse_branching,
    "relapse_linear": _relapse_linear, "antigen_escape": _antigen_escape, "refractory": _refractory,
}  # fmt: skip


def choose_fates(group: str, clones: dict[str, dict[str, Any]], rng: np.random.Generator) -> np.ndarray:
    """Give each clone its phenotype, and the clone that will be selected its small share of day 0 (in place).

    Returns
    -------
    (clones,) which clones the therapies spare.
    """
    names = list(clones)
    selected = np.zeros(len(names), bool)
    if group == "refractory":
        selected = rng.random(len(names)) < 0.7
        selected[int(rng.integers(len(names)))] = True
    elif group in SELECTED:
        selected[-1] = True  # the youngest clone has no descendants
        fractions = np.array([c["fraction"] for c in clones.values()])
        small = 10.0 ** rng.uniform(*SELECTED[group])
        rest = np.sort(fractions[:-1]) if group == "relapse_linear" else fractions[:-1]
        if group == "relapse_branching":  # the lineage that falls is the one that led
            lead = int(np.argmax(rest))
            rest[[1, lead]] = rest[[lead, 1]]
        fractions = np.append(rest / rest.sum() * (1.0 - small), small)
        for clone, fraction in zip(clones.values(), fractions, strict=True):
            clone["fraction"] = float(fraction)
    spared = "antigen_loss" if group == "antigen_escape" else "resistant"
    for clone, chosen in zip(clones.values(), selected, strict=True):
        clone["phenotype"] = "dormant" if group == "mgus_like" else spared if chosen else "sensitive"
    return selected


def draw_course(group: str, clones: dict[str, dict[str, Any]], burden: float, rng: np.random.Generator) -> Plan:
    """Therapies of a patient, and the growth of each clone under them and without (written into ``clones``)."""
    selected = choose_fates(group, clones, rng)
    fractions = np.array([c["fraction"] for c in clones.values()])
    size = burden / (1.0 - burden / CAPACITY)
    off = off_rates(len(clones), "dormant" if group == "mgus_like" else "fast", rng)
    if group == "relapse_linear":
        off[:] = off.min()  # without therapy all grow alike, so that the order of the chain is what therapy made it
        off[-1] = max(off[-1], float(off_rates(1, "fast", rng)[0]))
    if group == "antigen_escape":
        off[-1] = off.max()
    if group == "cured_like":
        off[:] = off_rates(len(clones), "slow", rng)
    plan = Plan(np.log(size * fractions), rng, off, growth=[{OFF: round(float(v), 4)} for v in off])
    plan.off = np.array([g[OFF] for g in plan.growth])
    COURSES[group](plan, selected)
    for clone, growth in zip(clones.values(), plan.growth, strict=True):
        clone["growth"] = growth
    return plan
