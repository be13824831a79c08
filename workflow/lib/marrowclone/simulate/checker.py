"""Checks a section of a specification against its fields, and collects every problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ..errors import Problem, did_you_mean, found, one_of
from .fields import Fields

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")


class Checker:
    """Collects problems of one specification; ``say`` takes the key path."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def say(self, path: str, message: str, hint: str = "") -> None:
        """Note a problem of the key at ``path``."""
        self.problems.append(Problem(self.file, None, None, f"{path}: {message}", hint))

    def section(self, value: Any, fields: Fields, path: str) -> dict[str, Any]:
        """Check one mapping against its fields; the defaults are filled in."""
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            self.say(path, found(value, "keys with values"))
            return {k: deepcopy(f.default) for k, f in fields.items()}
        where = f"{path}." if path else ""
        for key in value:
            if key not in fields:
                self.say(f"{where}{key}", f"unknown key, expected {one_of(fields)}", did_you_mean(key, fields))
        out: dict[str, Any] = {}
        for key, field in fields.items():
            if key not in value:
                if field.required:
                    self.say(f"{where}{key}", f"missing: {field.text}")
                out[key] = deepcopy(field.default)
                continue
            problem, hint = field.check(value[key])
            if problem:
                self.say(f"{where}{key}", problem, hint)
            out[key] = deepcopy(field.default) if problem else field.convert(value[key])
        return out

    def named(self, value: Any, path: str) -> dict[str, Any]:
        """A mapping whose keys are names that the user chose (patients, clones)."""
        if not isinstance(value, Mapping):
            self.say(path, found(value, "names with keys below them"))
            return {}
        for name in value:
            if not isinstance(name, str) or not _NAME.match(name):
                self.say(f"{path}.{name}", found(name, "a name of letters, digits, '_' and '-'"))
        return {str(k): v for k, v in value.items()}

    def listed(self, value: Any, fields: Fields, path: str) -> list[dict[str, Any]]:
        """A list of mappings."""
        if not value and not isinstance(value, str):
            return []
        if not isinstance(value, list):
            self.say(path, found(value, "a list"))
            return []
        return [self.section(v, fields, f"{path}[{i}]") for i, v in enumerate(value)]
