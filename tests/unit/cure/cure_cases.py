"""Small cohorts for the cure tests: settings from the schema, clinical tables with their types, one patient."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from marrowclone.clinical import COLUMNS
from marrowclone.cure.landmarks import Patient
from marrowclone.cure.qol import score_qol
from marrowclone.keys import TABLES

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "cure.schema.yaml"
#: Columns of labels.tsv that the landmarks read; a row may end after the contract's five.
LABELS = [*TABLES["evolution.labels"], "p_expanding", "treatment_change"]
#: Two clones seen on day 180 that do not expand, over an interval of unchanged treatment.
STEADY = [("c1", 180, "contracting", 0.9, "", 0.01, False), ("c2", 180, "undecided", 0.4, "", 0.2, False)]
DTYPES = {"text": "object", "list": "object", "day": "Int64", "number": "float64", "boolean": "boolean"}


@cache
def _schema():
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]


def defaults(rule, **changes):
    known = {k: v["default"] for k, v in _schema()[rule]["properties"].items()}
    assert set(changes) <= set(known), set(changes) - set(known)
    return known | changes


def clinical(name, *rows):
    """A clinical table as read_clinical gives it, from dicts."""
    missing = {"text": "", "list": "", "day": pd.NA, "number": np.nan, "boolean": pd.NA}
    kinds = COLUMNS[name]
    return pd.DataFrame({c: pd.Series([r.get(c, missing[k]) for r in rows], dtype=DTYPES[k]) for c, k in kinds.items()})


def mrd(day, result, **more):
    return {"patient": "P1", "day": day, "assay": "NGS", "result": result, "compartment": "BM"} | more


def negative(day, lod=1e-6, **more):
    return mrd(day, "negative", lod=lod, **more)


def response(day, word, **more):
    return {"patient": "P1", "day": day, "response": word} | more


def imaging(day, result="negative", **more):
    return {"patient": "P1", "day": day, "modality": "PET-CT", "result": result} | more


def therapy(start, stop=pd.NA, classes="PI;IMiD", **more):
    return {"patient": "P1", "start": start, "stop": stop, "regimen": "x", "classes": classes, "line": 1} | more


def form(day, answer=1, general=7, **more):
    items = {f"q{i}": answer for i in range(1, 29)} | {"q29": general, "q30": general}
    return {"patient": "P1", "day": day, "instrument": "QLQ-C30", "version": "3.0"} | items | more


def evolution(days=(), *, clones=("c1", "c2"), counts=None, burden=None, labels=(), resistance=(), source="aspirate"):
    """Evolution tables with ``counts`` and ``burden`` as {day: {clone: value}}; draws are seeded."""
    counts, burden = counts or {}, burden or {}
    rows, long = [], []
    for day in days:
        total = sum(counts[day].values())
        for clone in clones:
            n = counts[day].get(clone, 0)
            rows.append(
                dict.fromkeys(TABLES["evolution.fractions"], np.nan)
                | {
                    "clone": clone,
                    "sample": f"S{day}",
                    "timepoint": "",
                    "day": day,
                    "n_malignant": total,
                    "n_clone": n,
                    "fraction": n / max(total, 1),
                    "burden_source": source,
                }
            )
            rng = np.random.default_rng([day + 10_000, *clone.encode()])
            level = burden.get(day, {}).get(clone, np.nan)
            long.append(
                pd.DataFrame(
                    {
                        "draw": np.arange(500),
                        "clone": clone,
                        "sample": f"S{day}",
                        "timepoint": "",
                        "day": day,
                        "fraction": rng.beta(n + 0.5, total - n + 0.5, 500),
                        "burden": level * 10 ** rng.normal(0, 0.1, 500),
                    }
                )
            )
    draws = ["draw", "clone", "sample", "timepoint", "day", "fraction", "burden"]
    return {
        "fractions": pd.DataFrame(rows, columns=list(TABLES["evolution.fractions"])),
        "draws": pd.concat(long, ignore_index=True) if long else pd.DataFrame(columns=draws),
        "labels": pd.DataFrame([[*r, *[np.nan] * (7 - len(r))] for r in labels], columns=LABELS),
        "resistance": pd.DataFrame(list(resistance), columns=[*TABLES["evolution.resistance"], "strength"]),
    }


def patient(samples=(), *, evolution_tables=None, pro=None, **tables):
    """One patient, P1; clinical tables as lists of rows, None for a table that does not exist."""
    found = {n: None if tables.get(n) is None else clinical(n, *tables[n]) for n in COLUMNS if n != "outcome"}
    found["pro"] = None if pro is None else score_qol(clinical("pro", *pro), settings=defaults("score_qol"))
    return Patient("P1", list(samples), found, evolution_tables or evolution())
