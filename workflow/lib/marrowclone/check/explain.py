"""What a schema's complaint means, in words: what was found, what is expected, what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import did_you_mean, found, one_of
from ..sheets import clip, parse_number

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?|\d{1,2}[ -]?[A-Za-z]{3,9}[ -]?\d{2,4}")
_POWER = re.compile(r"(?:1\s*[x*×]\s*)?10\s*(?:\^|\*\*|e)?\s*[-−]\s*(\d+)")

NAME_RULE = "letters, digits, '_', '.' and '-', starting with a letter or digit"
DAY_HINT = "write the number of days since the patient's day 0, never a date (dates identify people)"


def _plain(value: Any) -> str:
    """A bound as a person writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(schema: Mapping[str, Any]) -> str:
    """`` from 1 to 4`` and the like."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {_plain(low)} to {_plain(high)}"
    parts = []
    if low is not None:
        parts.append(f"of at least {_plain(low)}")
    if above is not None:
        parts.append(f"above {_plain(above)}")
    if high is not None:
        parts.append(f"of at most {_plain(high)}")
    if below is not None:
        parts.append(f"below {_plain(below)}")
    return (" " + " and ".join(parts)) if parts else ""


def expectation(schema: Mapping[str, Any]) -> str:
    """What a schema allows, for the *expected* part of a message."""
    if "enum" in schema:
        return one_of("null" if v is None else v for v in schema["enum"])
    if "vocabulary" in schema:
        return one_of(schema["vocabulary"])
    types = schema.get("type", "string")
    kinds = [types] if isinstance(types, str) else list(types)
    unit = schema.get("unit", "-")
    words = {
        "integer": "an integer" + _bounds(schema),
        "number": "a number" + _bounds(schema),
        "boolean": "true or false",
        "string": "a path" if "path" in schema else "a text",
        "array": "a list",
        "object": "a section of keys",
        "null": "null",
    }
    text = " or ".join(words[k] for k in kinds)
    numeric = not {"integer", "number"}.isdisjoint(kinds)
    return f"{text} ({unit})" if numeric and unit not in ("-", "") else text


def safe_name(text: str) -> str:
    """A name near ``text`` that may be used in file names."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", text.strip()).lstrip("_.-").rstrip("_")
    return name[:80] or "S1"


def _word_hint(value: Any, schema: Mapping[str, Any]) -> str:
    """The allowed word nearest to ``value``."""
    known = [str(v) for v in schema.get("enum", schema.get("vocabulary", ())) if v is not None]
    text = str(value).strip()
    words = {str(k).casefold(): v for k, v in schema.get("synonyms", {}).items()}
    number = re.fullmatch(r"(.*?)[ _.-]*0*([1-9]\d*)", text)
    for folded in (text.casefold(), re.sub(r"[\s_-]+", "_", text.casefold()), re.sub(r"[\s_]+", "-", text.casefold())):
        if folded in words:
            return f"did you mean {words[folded]!r}?"
        if folded in (k.casefold() for k in known):
            return did_you_mean(folded, known)
    if number and str(schema.get("pattern", "")).endswith("(_[1-9][0-9]*)?$"):
        inner = re.search(r"'(.*)'", _word_hint(number[1], {**schema, "pattern": ""}))
        if inner:
            return f"did you mean '{inner[1]}_{number[2]}'?"
    return did_you_mean(text, known)


def _day_hint(text: str) -> str:
    if _DATE.fullmatch(text):
        return DAY_HINT
    try:
        number = parse_number(text)
    except ValueError:
        return DAY_HINT
    if abs(number) > 40000:
        return "a number of this size looks like a date; " + DAY_HINT
    return "round to whole days" if number != int(number) else ""


def _number_hint(text: str, schema: Mapping[str, Any]) -> str:
    """How a number should have been written."""
    unit = str(schema.get("unit", ""))
    power = _POWER.fullmatch(text)
    if power:
        return f"write 1e-{power[1]}"
    if re.fullmatch(r"[<>≤≥=~]+\s*\S+", text):
        return "write the number without the sign"
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text):
        return f"write {text.replace(',', '')}"
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return f"write a decimal point: {text.replace(',', '.')}"
    if re.fullmatch(r"[+-]?[\d.]+\s*%", text):
        value = float(text.rstrip("% ")) if text.count(".") < 2 else 0.0
        return f"write {value / 100:g}" if unit.startswith("fraction") else f"write {value:g}"
    if re.fullmatch(r"[+-]?[\d.]+\s*[A-Za-zµ/]+", text):
        return f"write the number alone; the unit is {unit}" if unit not in ("", "-") else "write the number alone"
    return ""


def _size_hint(value: float, schema: Mapping[str, Any], column: str) -> str:
    """Why a number may be out of bounds: usually its unit."""
    unit = str(schema.get("unit", ""))
    if unit.startswith("days"):
        return _day_hint(str(value))
    if column in ("lod", "loq"):
        return "a limit is a fraction of cells: 1e-5 stands for one in 100,000"
    if unit.startswith("fraction") and 1 < value <= 100:
        return f"write {value / 100:g} for {value:g} percent"
    if column == "albumin" and 1 <= value < 10:
        return f"this looks like g/dL; write {value * 10:g} (g/L)"
    if column == "creatinine" and value > 30:
        return f"this looks like µmol/L; write {value / 88.4:.2g} (mg/dL)"
    return ""


def explain(
    value: Any, validator: str, schema: Mapping[str, Any], column: str, *, written: str | None = None
) -> tuple[str, str]:
    """Message and hint for a value that its schema refuses.

    Parameters
    ----------
    value
        the value as typed (a text where it could not be typed).
    validator
        the JSON-schema keyword that failed (``enum``, ``type``, ``minimum`` ...).
    schema
        the value's own schema.
    column
        name of the column or key.
    written
        the value as it stands in the file, where typing changed its looks (62 -> 62.0).
    """
    text = clip(written or value) if value is not None else "nothing"
    if validator == "maxLength":
        return f"found {len(str(value))} characters, expected at most {schema['maxLength']}", ""
    if schema.get("name"):
        return found(text, f"a name of {NAME_RULE}"), f"call it {safe_name(str(value))!r}"
    if validator in ("minLength", "minItems"):
        return found(text, "at least one entry" if validator == "minItems" else "a text that is not empty"), ""
    if validator == "uniqueItems":
        return found(text, "each entry once"), ""
    message = found(text, expectation(schema))
    if validator in ("enum", "pattern"):
        return message, _word_hint(value, schema)
    if validator == "type" and isinstance(value, str):
        if str(schema.get("unit", "")).startswith("days"):
            return message, _day_hint(value)
        return message, _number_hint(value, schema)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return message, _size_hint(value, schema, column)
    return message, ""
