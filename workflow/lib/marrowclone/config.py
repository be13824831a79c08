"""The configuration: schemas merged, problems collected, defaults filled in."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from .check.explain import explain
from .check.schemas import config_schema, fill_defaults, key_paths
from .errors import InputProblems, Problem, did_you_mean, one_of, shown
from .sheets import clip, parse_integer, parse_number

KeyPath = tuple[str, ...]
#: Where each key was set: path of keys -> (file, line); no line for what ``--config`` set.
Places = dict[KeyPath, tuple[str, int | None]]
#: Section, its key of the lower end, its key of the upper end -> hint for ends that are the wrong way round.
RANGES: dict[KeyPath, str] = {
    ("cells", "profile_ambient", "ambient_min_umi", "ambient_max_umi"): (
        "no droplet has as few and as many UMIs; droplets without a cell have some 10 to 100"
    ),
}


def _walk(node: yaml.Node | None, file: str, path: KeyPath, places: Places, problems: list[Problem]) -> None:
    """Note the line of every key below ``node``; report keys that stand twice."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            message = f"key {'.'.join((*path, name))} stands there twice, first on line {seen[name]}"
            problems.append(Problem(file, line, None, message, "YAML keeps the last one silently; remove one."))
        seen[name] = line
        places[(*path, name)] = (file, line)
        _walk(value, file, (*path, name), places, problems)


def find_places(files: Sequence[str]) -> tuple[Places, list[Problem]]:
    """The line of every key in the configuration files (a later file wins), and keys that stand twice."""
    places: Places = {}
    problems: list[Problem] = []
    for file in files:
        name = shown(file)
        try:
            text = Path(file).read_text(encoding="utf-8-sig")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            problems.append(Problem(name, None, None, f"cannot be read ({clip(error)})"))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or clip(error)
            problems.append(Problem(name, mark.line + 1 if mark else None, None, f"is not YAML ({reason})"))
        else:
            if node is not None and not isinstance(node, yaml.MappingNode):
                problems.append(Problem(name, 1, None, "is not a set of keys", "expected lines such as 'seed: 1'"))
            _walk(node, name, (), places, problems)
    return places, problems


def _overridden(config: Any, files: Sequence[str]) -> Places:
    """The keys whose value no file gives, but ``--config``: a file's line is not to blame for them."""
    merged: dict[KeyPath, Any] = {}
    for file in files:
        try:
            merged |= _leaves(yaml.safe_load(Path(file).read_text(encoding="utf-8-sig")))
        except (OSError, ValueError, yaml.YAMLError):
            continue
    return {path: ("config", None) for path, value in _leaves(config).items() if merged.get(path) != value}


def _leaves(value: Any, path: KeyPath = ()) -> dict[KeyPath, Any]:
    """Path of keys -> value, of all that is no section."""
    if not isinstance(value, Mapping):
        return {path: value} if path else {}
    return {p: leaf for key, below in value.items() for p, leaf in _leaves(below, (*path, str(key))).items()}


def _coerce(value: Any, schema: Mapping[str, Any]) -> Any:
    """What YAML reads otherwise than people mean: ``1e-5`` (a text) and an empty section (null)."""
    if schema.get("type") == "object":
        if value is None:
            return {}
        if isinstance(value, Mapping):
            known = schema.get("properties", {})
            return {str(k): _coerce(v, known.get(str(k), {})) for k, v in value.items()}
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds  # "integer", or ["integer", "null"]
    if isinstance(value, str) and "string" not in kinds:
        for kind, parse in (("integer", parse_integer), ("number", parse_number)):
            if kind in kinds:
                try:
                    return parse(value.strip())
                except ValueError:
                    return value
    return copy.deepcopy(value)


def _schema_at(schema: Mapping[str, Any], path: Sequence[Any]) -> Mapping[str, Any]:
    """The schema of the value at a path of keys (of a list, for its entries)."""
    for key in path:
        if isinstance(key, int):
            return schema
        schema = schema.get("properties", {}).get(key, {})
    return schema


def _unknown(path: KeyPath, name: str, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> tuple[str, str]:
    """Message and hint for a key that is not known where it stands."""
    siblings = list(schema.get("properties", {}))
    hint = did_you_mean(name, siblings)
    elsewhere = [".".join(p[:-1]) for p in key_paths(whole) if p[-1] == name and p[:-1] != path]
    if not hint and elsewhere:
        hint = f"it belongs into {' or '.join(elsewhere[:3])}" if elsewhere[0] else "it belongs to the top"
    where = f"in {'.'.join(path)}" if path else "at the top"
    return f"unknown key {clip(name)} {where}, expected {one_of(siblings) if siblings else 'none'}", hint


def _problems(config: Mapping[str, Any], schema: Mapping[str, Any], places: Places) -> Iterator[Problem]:
    """Every complaint of the schema, in words and with its place."""

    def place(path: KeyPath) -> tuple[str, int | None]:
        while path and path not in places:
            path = path[:-1]
        return places.get(path, ("config", None))

    for error in Draft202012Validator(schema).iter_errors(config):
        steps = list(error.absolute_path)
        keys: KeyPath = tuple(s for s in steps if isinstance(s, str))
        if error.validator == "additionalProperties":
            for name in error.instance:
                if name not in error.schema.get("properties", {}):
                    file, line = place((*keys, name))
                    yield Problem(file, line, None, *_unknown(keys, name, error.schema, schema))
            continue
        own = dict(_schema_at(schema, steps))
        if steps and isinstance(steps[-1], int):
            own = {**own.get("items", {}), "synonyms": own.get("synonyms", {})}
        message, hint = explain(error.instance, str(error.validator), own or error.schema, keys[-1] if keys else "")
        if not hint and error.instance is None and "default" in own:
            hint = "remove the line to have the default"
        file, line = place(keys)
        yield Problem(file, line, None, f"key {'.'.join(keys)}: {message}" if keys else message, hint)


def _contradictions(config: Mapping[str, Any], places: Places) -> Iterator[Problem]:
    """Ranges whose two ends, each allowed by itself, leave nothing between them."""
    for (*section, low_name, high_name), hint in RANGES.items():
        low_keys, high_keys = (*section, low_name), (*section, high_name)
        low, high = _value_at(config, low_keys), _value_at(config, high_keys)
        if low is None or high is None or low <= high:
            continue
        # the default of the other one is not to blame
        keys, other, much = (low_keys, high_name, "at most")
        if low_keys not in places and high_keys in places:
            keys, other, much = (high_keys, low_name, "at least")
        value, limit = (low, high) if keys == low_keys else (high, low)
        file, line = places.get(keys, ("config", None))
        message = f"key {'.'.join(keys)}: found '{value}', expected {much} {other}, which is {limit}"
        yield Problem(file, line, None, message, hint)


def _value_at(config: Any, keys: Sequence[str]) -> float | None:
    """The number at a path of keys; None where there is none (the schema says why)."""
    for key in keys:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config if isinstance(config, int | float) and not isinstance(config, bool) else None


def check(user_config: Any, *, files: Sequence[str] = ()) -> tuple[dict[str, Any], list[Problem], Places]:
    """Check a configuration without raising.

    Returns
    -------
    config
        with defaults filled in; wrong values stand as they were given.
    problems
        everything that is wrong with it.
    places
        where each key was set.
    """
    schema = config_schema()
    places, problems = find_places(files)
    if not isinstance(user_config, Mapping):
        message, hint = explain(user_config, "type", {"type": "object"}, "")
        return fill_defaults({}, schema), [*problems, Problem("config", None, None, message, hint)], places
    places |= _overridden(user_config, files)
    config = _coerce(user_config, schema)
    problems += _problems(config, schema, places)
    filled = fill_defaults(config, schema)
    problems += _contradictions(filled, places)
    return filled, problems, places


def load(user_config: Mapping[str, Any], *, files: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration with every default filled in, nested per chapter and rule.

    Parameters
    ----------
    user_config
        what Snakemake merged from configuration files and ``--config``.
    files
        the configuration files, in the order in which they were merged; problems name their
        lines. A key that stands in none of them (``--config``) is named as of ``config``.

    Raises
    ------
    InputProblems
        with every problem: unknown keys (with the nearest known one), wrong types, values
        out of bounds, keys that stand twice.
    """
    config, problems, _ = check(user_config, files=files)
    if problems:
        raise InputProblems(problems)
    return config
