"""The schemas of ``workflow/schemas``: one per sheet, one per chapter, one for the top of config.yaml.

They are JSON schemas (2020-12) with some words of our own, which validators ignore:
``unit``, ``evidence``, ``synonyms`` (wrong word -> right word, for hints), ``vocabulary`` (what a
pattern allows, for messages), ``name`` (a name of a sample or patient), ``path`` (file, folder or
any), ``separator`` (of a list in one cell), ``may_be_empty`` (a required column whose cells may
be empty) and ``default_from`` (the column that fills an empty one).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..keys import CHAPTERS
from ..provenance import LIBRARY

SCHEMAS = LIBRARY.parents[1] / "schemas"

#: The clinical tables, in the order in which people read them.
CLINICAL: tuple[str, ...] = ("mrd", "imaging", "response", "therapy", "cytogenetics", "pro", "outcome")
SHEETS: tuple[str, ...] = ("samples", *CLINICAL)


@cache
def _load(path: Path) -> dict[str, Any]:
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(schema, dict):
        raise TypeError(f"{path} is not a schema")
    return schema


def sheet_schema(name: str) -> dict[str, Any]:
    """The schema of one row of a sheet; ``name`` is one of :data:`SHEETS`. Not to be modified."""
    return _load(SCHEMAS / f"{name}.schema.yaml")


def chapter_schema(chapter: str) -> dict[str, Any] | None:
    """The schema of a chapter's section of config.yaml, or None while it has none."""
    path = SCHEMAS / f"{chapter}.schema.yaml"
    return copy.deepcopy(_load(path)) if path.is_file() else None


@cache
def config_schema() -> dict[str, Any]:
    """The schema of the whole configuration: the top keys, then one section per chapter, in story order.

    Every rule has a section; one without settings of its own is empty. Not to be modified.
    """
    schema = copy.deepcopy(_load(SCHEMAS / "config.schema.yaml"))
    for chapter in CHAPTERS:
        section = chapter_schema(chapter) or {"type": "object", "description": ""}
        section.pop("$schema", None)
        section.pop("title", None)
        own = section.get("properties", {})
        bare = {"type": "object", "description": "No settings.", "additionalProperties": False, "properties": {}}
        rules = {rule: own.get(rule, dict(bare)) for rule in CHAPTERS[chapter]}
        section["properties"] = {**rules, **{k: v for k, v in own.items() if k not in rules}}
        section.setdefault("additionalProperties", False)
        schema["properties"][chapter] = section
    return schema


def defaults(schema: Mapping[str, Any]) -> Any:
    """The value that a schema gives when nothing is set: nested for objects."""
    if "default" in schema:
        return copy.deepcopy(schema["default"])
    if "properties" in schema or schema.get("type") == "object":
        return {key: defaults(value) for key, value in schema.get("properties", {}).items()}
    raise KeyError(f"no default in {dict(schema)}")


def fill_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """``value`` with the schema's defaults where keys are not set; keys in schema order."""
    if not isinstance(value, Mapping):
        return value
    known: Mapping[str, Any] = schema.get("properties", {})
    filled = {k: fill_defaults(value[k], known[k]) if k in value else defaults(known[k]) for k in known}
    return {**filled, **{k: v for k, v in value.items() if k not in known}}


def key_paths(schema: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of a schema as a path, sections included."""
    for key, value in schema.get("properties", {}).items():
        yield (*prefix, key)
        yield from key_paths(value, (*prefix, key))
