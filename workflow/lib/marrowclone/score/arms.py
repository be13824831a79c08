"""Gains and losses of chromosome arms: events of a patient, of a clone, and by what makes them hard.

An event is (chromosome, arm, gain or loss). Sex chromosomes and the short arms of the acrocentric chromosomes
(13, 14, 15, 21, 22: hardly a gene of their own) never count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .cells import need, text
from .shares import f_score, mean, ratio

Event = tuple[str, str, str]
KEY = ["chromosome", "arm", "event"]
GAIN, LOSS = "gain", "loss"
#: Copies of an arm in a normal cell.
DIPLOID = 2
ACROCENTRIC = ("13", "14", "15", "21", "22")
AUTOSOMES = tuple(f"chr{i}" for i in range(1, 23))
#: Classes of an arm's usable genes: the spread of an arm's mean falls with their square root [J].
GENES = ((0, 100, "<100 genes"), (100, 251, "100-250 genes"), (251, np.inf, ">250 genes"))
#: Classes of a clone's share of the malignant cells [J].
ABOVE_30 = float(np.nextafter(0.3, 1))
CLONES = ((0, 0.1, "<10% of cells"), (0.1, ABOVE_30, "10-30% of cells"), (ABOVE_30, np.inf, ">30% of cells"))
TRUNK, SUBCLONAL = "trunk", "subclonal"
EVENT_COLUMNS = (
    "clone", "chromosome", "arm", "event", "real", "called", "true_state", "state", "genes", "clone_size", "origin",
)  # fmt: skip


def call_of(arms: pd.DataFrame) -> pd.Series:
    """``gain``, ``loss`` or ``""`` of every row: the call where there is one, else the state against 2 copies.

    Any other call (neutral, indeterminate) is no event, whatever the state says.
    """
    call = text(arms["call"]) if "call" in arms.columns else pd.Series("", index=arms.index)
    state = pd.to_numeric(arms["state"], errors="coerce") if "state" in arms.columns else pd.Series(np.nan, arms.index)
    by_state = np.select([state > DIPLOID, state < DIPLOID], [GAIN, LOSS], "")
    return pd.Series(np.where(call == "", by_state, call.where(call.isin([GAIN, LOSS]), "")), index=arms.index)


def events(arms: pd.DataFrame) -> set[Event]:
    """(chromosome, arm, gain or loss) that any of the table's clones carries, on any chromosome.

    ``arms``: chromosome, arm, and call or state.
    """
    rows = arms.assign(event=call_of(arms))
    rows = rows[rows["event"] != ""]
    return set(rows[KEY].astype(str).itertuples(index=False, name=None))


def judged_arms(arms: pd.DataFrame) -> pd.DataFrame:
    """The rows of autosomal arms that count, with ``chr`` before the chromosome, and a column ``event``."""
    need(arms, ("clone", "chromosome", "arm"), "table of arms")
    number = text(arms["chromosome"]).str.removeprefix("chr")
    out = arms.assign(clone=text(arms["clone"]), chromosome="chr" + number, arm=text(arms["arm"]), event=call_of(arms))
    keep = out["chromosome"].isin(AUTOSOMES) & ~(number.isin(ACROCENTRIC) & (out["arm"] == "p"))
    return out[keep & out["arm"].isin(["p", "q"])].reset_index(drop=True)


def event_set(arms: pd.DataFrame, clones: Collection[str] | None = None) -> set[Event]:
    """:func:`events` on arms that count, of the named clones (default: of all)."""
    rows = judged_arms(arms)
    return events(rows if clones is None else rows[rows["clone"].isin(list(clones))])


def patient_events(answer: pd.DataFrame, truth: pd.DataFrame, *, clones: Collection[str]) -> dict[str, float]:
    """Precision, recall and F1 of events that any clone of the patient carries.

    Parameters
    ----------
    answer
        clone, chromosome, arm, call and/or state. Rows of all clones count, those of pooled cells too.
    truth
        ``truth/arms.tsv`` of the patient: clone, chromosome, arm, state.
    clones
        true clones that were sampled; events of others could not be seen.

    Returns
    -------
    dict
        see :func:`.shares.f_score`. Chance: an answer of as many events on random arms is right for about
        (true events) / (78 events that are possible).
    """
    real, called = event_set(truth, clones), event_set(answer)
    return f_score(len(real & called), len(called), len(real))


def event_table(
    answer: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    matched: Mapping[str, str],
    shares: Mapping[str, float],
    n_genes: Mapping[tuple[str, str], int] | None = None,
) -> pd.DataFrame:
    """Every event of every sampled clone, real or called.

    Parameters
    ----------
    matched
        true clone -> clone of the answer (:func:`.clones.match_clones`). A clone without a partner has no event
        found; a clone of the answer without a partner is not looked at here.
    shares
        share of the patient's malignant cells per true clone; its keys are the clones that were sampled.
    n_genes
        usable genes by (chromosome, arm); without them the class of genes is empty.

    Returns
    -------
    DataFrame
        clone (true name), chromosome, arm, event, real, called (booleans), true_state, state (copies, NaN where none
        is said), genes and clone_size (classes), origin: ``trunk`` when every sampled clone carries the event, else
        ``subclonal`` (for a false event: when every matched clone was called with it).
    """
    true = judged_arms(truth)
    true = true[true["clone"].isin(list(shares)) & (true["event"] != "")]
    true = true.assign(true_state=pd.to_numeric(true["state"]))[["clone", *KEY, "true_state"]]
    back = {estimated: name for name, estimated in matched.items() if name in shares}
    said = judged_arms(answer)
    said = said.assign(clone=text(said["clone"].map(back)))
    said = said[(said["clone"] != "") & (said["event"] != "")]
    said = said.assign(state=pd.to_numeric(said["state"]) if "state" in said.columns else np.nan)
    said = said[["clone", *KEY, "state"]].drop_duplicates(["clone", *KEY])
    both = true.merge(said, on=["clone", *KEY], how="outer", indicator="side")
    both["real"], both["called"] = both["side"] != "right_only", both["side"] != "left_only"
    n_true = both.groupby(KEY)["real"].transform("sum")
    n_said = both.groupby(KEY)["called"].transform("sum")
    trunk = np.where(both["real"], n_true == len(shares), n_said == len(back))
    both["origin"] = np.where(trunk, TRUNK, SUBCLONAL)
    both["clone_size"] = classes(both["clone"].map(shares).to_numpy(dtype=float), CLONES)
    places = zip(both["chromosome"], both["arm"], strict=True)
    both["genes"] = classes(np.array([(n_genes or {}).get(k, np.nan) for k in places], dtype=float), GENES)
    return both[list(EVENT_COLUMNS)]


def classes(values: np.ndarray, edges: Sequence[tuple[float, float, str]]) -> np.ndarray:
    """The name of the class ``[low, high)`` of each value; ``""`` for NaN."""
    inside = [(values >= low) & (values < high) for low, high, _ in edges]
    return np.select(inside, [name for _, _, name in edges], "")


def scores_by(table: pd.DataFrame, by: str | None = None) -> pd.DataFrame:
    """Precision, recall, F1, hits, called, real of an :func:`event_table`, whole or per value of ``by``.

    ``by``: clone, genes, clone_size, origin, event, or a column that the caller added (patient). Chance as for
    :func:`patient_events`, per clone.
    """
    groups: Iterable[tuple[Any, pd.DataFrame]] = table.groupby(by, sort=True) if by else [("all", table)]
    rows = [
        {by or "group": name} | f_score((g["real"] & g["called"]).sum(), g["called"].sum(), g["real"].sum())
        for name, g in groups
    ]
    return pd.DataFrame(rows, columns=[by or "group", "precision", "recall", "f1", "hits", "called", "real"])


def state_accuracy(table: pd.DataFrame) -> dict[str, float]:
    """Share of true events that were called and given a number of copies, with the right number; in [0, 1].

    Chance: that of naming the commonest state of gains and of losses. NaN when no called event has a state.
    """
    rows = table[table["real"] & table["called"] & table["state"].notna()]
    return {"value": ratio((rows["state"] == rows["true_state"]).sum(), len(rows)), "n": len(rows)}


def state_right(table: pd.DataFrame) -> dict[str, float]:
    """Share of **all** true events of matched clones that were called with the right number of copies; in [0, 1].

    A missed event counts as wrong, unlike in :func:`state_accuracy`. ``table``: :func:`event_table`, of clones that
    have a partner in the answer. Chance: that of naming arm, direction and copies at once. NaN without an event.
    """
    rows = table[table["real"]]
    return {"value": ratio((rows["called"] & (rows["state"] == rows["true_state"])).sum(), len(rows)), "n": len(rows)}


def diploid_events(answers: Iterable[pd.DataFrame]) -> dict[str, float]:
    """Mean number of events called per diploid genome (healthy donor), where each one is false; 0 ideal, no bound.

    ``answers``: one table of arms per donor, clones united; NaN without a donor.
    """
    counts = [len(event_set(a)) for a in answers]
    return {"value": mean(counts), "most": max(counts, default=np.nan), "n": len(counts)}


def threshold_events(
    values: pd.DataFrame, truth: pd.DataFrame, *, clones: Collection[str]
) -> tuple[pd.DataFrame, float]:
    """Calls from continuous arm values with the threshold that is best **given the truth**.

    For tools that give a mean signal per arm and no call. It flatters the tool: its user has no truth to choose by.

    Parameters
    ----------
    values
        clone, chromosome, arm, value (0 = no change, positive = gain); NaN is never called.

    Returns
    -------
    table, threshold
        ``values`` with ``call`` = gain where value >= t, loss where value <= -t, else neutral; t maximises the F1
        of :func:`patient_events` (the highest such t). NaN, and nothing called, when no event is real.
    """
    need(values, ("clone", "chromosome", "arm", "value"), "arm values")
    value = pd.to_numeric(values["value"], errors="coerce")
    rows = judged_arms(values.assign(value=value, call="", state=np.nan))
    size = pd.concat([rows.assign(event=GAIN, size=rows["value"]), rows.assign(event=LOSS, size=-rows["value"])])
    largest = size[size["size"] > 0].groupby(KEY)["size"].max()
    size = pd.DataFrame(largest).reset_index().sort_values(by="size", ascending=False)
    real = event_set(truth, clones)
    threshold = np.nan
    if real and len(size):
        hit = np.array([k in real for k in size[KEY].itertuples(index=False, name=None)])
        x, hits = size["size"].to_numpy(), np.cumsum(hit)
        last = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)
        threshold = float(x[last[np.argmax(2 * hits[last] / (last + 1 + len(real)))]])
    call = np.select([value >= threshold, value <= -threshold], [GAIN, LOSS], "neutral")
    return values.assign(call=call), threshold
