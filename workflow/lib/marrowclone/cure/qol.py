"""From questionnaires to ``cure/qol.tsv``: check, score, compare with thresholds of clinical importance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UserError, found, one_of
from ..keys import RESEARCH_USE_ONLY, TABLES
from . import eq5d, qlq

INSTRUMENTS: tuple[str, ...] = (qlq.C30, qlq.MY20, eq5d.EQ5D)
#: Columns that follow the contract's in ``qol.tsv``.
EXTRA: tuple[str, ...] = ("n_items", "n_answered", "proxy", "version", "state", "use")
#: Words for yes in a text column.
_YES = frozenset({"true", "yes", "y", "1", "1.0"})
_NO = frozenset({"false", "no", "n", "0", "0.0"})


def problem_thresholds(settings: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """Threshold of clinical importance by C30 scale: ``("below", x)`` or ``("above", x)``.

    Functional scales are a problem below, symptoms above (Giesinger 2020, science 7.4).
    The global scale and the summary score have none.
    """
    kinds = {s.code: ("below" if s.kind == "functional" else "above") for s in qlq.C30_SCALES}
    return {code: (kind, float(settings[f"tci_{code.lower()}"])) for code, kind in kinds.items() if code != "QL2"}


def _where(row: pd.Series) -> str:
    return f"pro table, patient {row['patient']}, day {row['day']}"


def _numbers(pro: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Answers as numbers; text that is no number stays visible as infinity, for the range check."""
    raw = pro.reindex(columns=columns)
    empty = raw.isna() | raw.apply(lambda c: c.astype(str).str.strip() == "")
    numbers = pd.DataFrame({c: pd.to_numeric(raw[c], errors="coerce") for c in columns}, dtype=float)
    return pd.DataFrame(numbers.mask(numbers.isna() & ~empty, np.inf))


def _check_range(pro: pd.DataFrame, numbers: pd.DataFrame, limits: Mapping[str, tuple[int, int]]) -> None:
    """Refuse the first answer that is outside its range or not a whole number."""
    for column, (low, high) in limits.items():
        values = numbers[column].to_numpy(float)
        with np.errstate(invalid="ignore"):
            bad = ~np.isnan(values) & ~((values >= low) & (values <= high) & (values == np.floor(values)))
        if bad.any():
            row = pro.iloc[int(np.flatnonzero(bad)[0])]
            raise UserError(
                f"{_where(row)}, item {column}: {found(row[column], f'a whole number {low} to {high}')}.",
                hint="leave an item that was not answered empty.",
            )


def check_forms(pro: pd.DataFrame) -> None:
    """Refuse forms that this scoring does not know.

    Raises
    ------
    UserError
        for an unknown instrument, a version other than 3.0 of the C30, a missing version, or
        two forms of one instrument on one day; the message names patient and day.
    """
    for _, row in pro.iterrows():
        if row["instrument"] not in INSTRUMENTS:
            raise UserError(f"{_where(row)}, column instrument: {found(row['instrument'], one_of(INSTRUMENTS))}.")
        version = str(row["version"]).strip()
        if row["instrument"] == qlq.C30 and version != qlq.C30_VERSION:
            raise UserError(
                f"{_where(row)}, column version: {found(version, f'{qlq.C30_VERSION} for {qlq.C30}')}.",
                hint="versions 1.0 and 2.0 have yes/no items and cannot be scored with the rule of 3.0.",
            )
        if version in ("", "nan"):
            raise UserError(f"{_where(row)}, column version: {found('', 'the version of the questionnaire')}.")
    twice = pro.duplicated(["patient", "day", "instrument"], keep=False)
    if twice.any():
        row = pro[twice].iloc[0]
        raise UserError(f"{_where(row)}: two forms of {row['instrument']} on one day.", hint="keep one of them.")


def _proxy(value: object) -> str:
    text = str(value).strip().casefold()
    return "true" if text in _YES else "false" if text in _NO else ""


def _long(forms: pd.DataFrame, scores: pd.DataFrame, counts: Mapping[str, tuple[int, np.ndarray]]) -> pd.DataFrame:
    """Scores (forms x scales) as rows, with items asked and answered."""
    parts = []
    for position, code in enumerate(scores.columns):
        part = forms[["patient", "day", "instrument", "version", "proxy"]].copy()
        part["scale"], part["score"] = code, scores[code].to_numpy(float)
        part["n_items"], part["n_answered"] = counts[code]
        part["order"] = position
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _score_qlq(forms: pd.DataFrame, instrument: str) -> pd.DataFrame:
    numbers = _numbers(forms, [f"q{i}" for i in qlq.item_numbers(instrument)])
    _check_range(forms, numbers, {f"q{i}": (1, qlq.largest_answer(i)) for i in qlq.item_numbers(instrument)})
    scores = qlq.score_forms(numbers, instrument)
    counts = {}
    for code in scores.columns:
        items = qlq.items_of(instrument, code)
        counts[code] = (len(items), numbers[items].notna().sum(axis=1).to_numpy())
    return _long(forms, scores, counts).assign(state="")


def _score_eq5d(forms: pd.DataFrame, value_sets: Mapping[str, pd.Series]) -> pd.DataFrame:
    numbers = _numbers(forms, [*eq5d.DIMENSIONS, eq5d.VAS_COLUMN])
    _check_range(forms, numbers, {**dict.fromkeys(eq5d.DIMENSIONS, (1, 5)), eq5d.VAS_COLUMN: (0, 100)})
    names = forms["value_set"].fillna("").astype(str) if "value_set" in forms else pd.Series("", index=forms.index)
    scores = eq5d.score_forms(numbers, names, value_sets)
    answered = numbers[list(eq5d.DIMENSIONS)].notna().sum(axis=1).to_numpy()
    counts = {
        eq5d.INDEX: (5, answered),
        eq5d.VAS: (1, numbers[eq5d.VAS_COLUMN].notna().to_numpy().astype(int)),
        eq5d.LEVEL_SUM: (5, answered),
    }
    long = _long(forms, scores, counts)
    return long.assign(state=np.tile(eq5d.states(numbers).to_numpy(), len(scores.columns)))


def flag_problems(table: pd.DataFrame, thresholds: Mapping[str, tuple[str, float]]) -> pd.Series:
    """``true``/``false`` against the threshold of clinical importance, empty without threshold or score."""
    flags = np.full(len(table), "", dtype=object)
    c30 = (table["instrument"] == qlq.C30) & table["score"].notna()
    for code, (side, limit) in thresholds.items():
        rows = (c30 & (table["scale"] == code)).to_numpy()
        score = table["score"].to_numpy(float)[rows]
        flags[rows] = np.where(score < limit if side == "below" else score > limit, "true", "false")
    return pd.Series(flags, index=table.index)


def score_qol(
    pro: pd.DataFrame, *, settings: Mapping[str, Any], value_sets: Mapping[str, pd.Series] | None = None
) -> pd.DataFrame:
    """Score every form of the patient-reported outcomes table.

    Parameters
    ----------
    pro
        a row per form: patient, day, instrument, version, items ``q1`` ... ``q50`` or the
        five EQ-5D-5L dimensions and ``eq_vas``, value_set, proxy. May be empty.
    value_sets
        EQ-5D-5L value sets by name (see :func:`marrowclone.cure.eq5d.read_value_set`).

    Returns
    -------
    The contract's ``cure.qol`` columns, then :data:`EXTRA`: a row per patient, day,
    instrument and scale; a scale that cannot be scored has an empty score. Nothing is
    imputed.

    Raises
    ------
    UserError
        see :func:`check_forms`; and for an answer out of range, naming patient, day and item.
    """
    columns = [*TABLES["cure.qol"], *EXTRA]
    if pro.empty:
        return pd.DataFrame(columns=columns)
    check_forms(pro)
    forms = pro.reset_index(drop=True)
    forms = forms.assign(proxy=[_proxy(v) for v in forms["proxy"]] if "proxy" in forms else "")
    parts = []
    for instrument in INSTRUMENTS:
        some = forms[forms["instrument"] == instrument].reset_index(drop=True)
        if some.empty:
            continue
        parts.append(_score_eq5d(some, value_sets or {}) if instrument == eq5d.EQ5D else _score_qlq(some, instrument))
    table = pd.concat(parts, ignore_index=True)
    table["day"] = table["day"].astype(int)
    table["problem"] = flag_problems(table, problem_thresholds(settings))
    table["use"] = RESEARCH_USE_ONLY
    table = table.sort_values(["patient", "day", "instrument", "order"], kind="stable", ignore_index=True)
    return table[columns]
