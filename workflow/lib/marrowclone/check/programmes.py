"""Names of gene sets and drug classes in the configuration's settings of rest and resistance."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from .. import config as configuration
from ..errors import Problem, UserError
from ..evolution.gene_sets import built_in, read_gmt
from ..evolution.resistance import ANY
from ..resources import RESOURCES, gene_table, read_resource
from ..sheets import clip
from .schemas import sheet_schema

REST = ("evolution", "label_clones", "rest_programmes")
RESISTANCE = ("evolution", "assess_resistance", "programmes")


def check_programmes(config: Mapping[str, Any], places: configuration.Places) -> list[Problem]:
    """Sets that neither ``programmes.tsv`` nor a readable GMT file has, and drug classes that there are not."""
    known, readable = set(built_in(read_resource(RESOURCES / "programmes.tsv"))), True
    genes = set(gene_table()["symbol"])
    files = _at(config, ("evolution", "assess_states", "gene_sets"))
    for path in files.values() if isinstance(files, Mapping) else ():
        try:
            known |= set(read_gmt(path, gene_table()["symbol"]))
        except (UserError, TypeError):
            readable = False  # told where the file is checked
    problems: list[Problem] = []

    def report(keys: configuration.KeyPath, found: str, expected: str, names: Collection[str]) -> None:
        file, line = places.get(keys) or places.get(keys[:3]) or ("config", None)
        close = difflib.get_close_matches(found, sorted(names), n=1)
        there = f"there are: {', '.join(sorted(names))}" if names else "rename the set in its file"
        hint = f"did you mean {close[0]!r}?" if close else there
        problems.append(
            Problem(file, line, None, f"key {'.'.join(keys)}: found {clip(found)!r}, expected {expected}", hint)
        )

    wanted: list[tuple[configuration.KeyPath, Any]] = [(REST, _at(config, REST))]
    by_class = _at(config, RESISTANCE)
    if isinstance(by_class, Mapping):
        classes = [*sheet_schema("therapy")["properties"]["classes"]["items"]["enum"], ANY]
        for name, sets in by_class.items():
            if name not in classes:
                report((*RESISTANCE, str(name)), str(name), "a drug class of the therapy table, or any", classes)
            wanted.append(((*RESISTANCE, str(name)), sets))
    for keys, sets in wanted:
        for found in sets if isinstance(sets, list) and readable else ():
            if isinstance(found, str) and keys != REST and found in genes:
                report(keys, found, "a name that is no gene's (genes have rows of their own)", ())
            elif isinstance(found, str) and found not in known:
                report(keys, found, "a gene set of resources/programmes.tsv or of assess_states.gene_sets", known)
    return problems


def _at(config: Mapping[str, Any], keys: configuration.KeyPath) -> Any:
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
