"""config/README.md, config/config.yaml and the constants of docs/cure-spectrum.md, written from the schemas.

``python -m marrowclone.check.document`` writes them (and the header-only templates of the
sheets); with ``--check`` it writes nothing and fails when one of them is out of date.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..keys import CHAPTERS
from ..provenance import LIBRARY
from .explain import NAME_RULE, expectation
from .schemas import CLINICAL, config_schema, sheet_schema

ROOT = LIBRARY.parents[2]
COMMAND = "PYTHONPATH=workflow/lib python -m marrowclone.check.document"
WIDTH = 100


def _plain(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).strip()
    return text.removesuffix("...").strip()


def _squeeze(text: Any) -> str:
    return " ".join(str(text).split())


def _comment(schema: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The comment lines above a key: description, what is allowed, evidence."""
    parts = [_squeeze(schema.get("description", ""))]
    if "properties" not in schema:
        allowed = expectation({k: v for k, v in schema.items() if k != "unit"})
        unit = schema.get("unit", "-")
        if allowed != "a text":
            parts.append(f"[{allowed}{'' if unit in ('-', '') else f'; {unit}'}]")
        if schema.get("evidence"):
            parts.append(f"Evidence: {_squeeze(schema['evidence'])}")
    text = " ".join(p for p in parts if p)
    yield from textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ",
                             break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _keys(schema: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The YAML lines of a section with its defaults."""
    indent = "  " * depth
    for key, value in schema["properties"].items():
        if depth == 0:
            yield ""
        yield from _comment(value, indent)
        if value.get("properties"):
            yield f"{indent}{key}:"
            yield from _keys(value, depth + 1)
        else:
            yield f"{indent}{key}: {_plain(value.get('default', {}))}"


def config_yaml() -> str:
    """The text of config/config.yaml: every key with its default, commented."""
    head = [
        "# Configuration of marrowclone. Every key stands here with its default; a key that you leave out",
        "# keeps it. Paths are relative to the working directory. config/README.md says more.",
        f"# Written from workflow/schemas by: {COMMAND}",
    ]
    return "\n".join([*head, *_keys(config_schema())]) + "\n"


def _cell(text: Any) -> str:
    return _squeeze(text).replace("|", "\\|")


def _allowed(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "array" and "enum" in schema.get("items", {}):
        return f"list of {', '.join(schema['items']['enum'])}"
    return expectation({k: v for k, v in schema.items() if k != "unit"}).removeprefix("one of ")


def _sheet(name: str) -> Iterator[str]:
    """A section about one sheet."""
    schema = sheet_schema(name)
    required = schema["required"]
    yield from (f"### `{schema['title']}`", "", _squeeze(schema["description"]), "")
    yield from ("| column | allowed | unit | when empty | meaning |", "|---|---|---|---|---|")
    items = list(schema["properties"].items())
    shown = 0
    for number, (column, rule) in enumerate(items):
        # q1 ... q50: one line per run of items that allow the same
        if number + 1 < len(items) and _is_item(column) and _is_item(items[number + 1][0]):
            following = items[number + 1]
            same = all(rule.get(k) == following[1].get(k) for k in ("minimum", "maximum"))
            if same and rule["description"].split()[0] == following[1]["description"].split()[0]:
                continue
        label = f"`{column}`" if number == shown else f"`{items[shown][0]}` ... `{column}`"
        meaning = (
            rule["description"]
            if number == shown
            else rule["description"].replace(f"item {column[1:]}", "item by number")
        )
        shown = number + 1
        if column in required:
            empty = "may be empty (required column)" if rule.get("may_be_empty") else "**required**"
            label = f"**{label}**"
        elif "default_from" in rule:
            empty = f"as `{rule['default_from']}`"
        else:
            empty = f"`{rule['default']}`" if rule.get("default") else "missing"
        unit = rule.get("unit", "-")
        yield f"| {label} | {_cell(_allowed(rule))} | {_cell(unit)} | {empty} | {_cell(meaning)} |"
    yield ""


def _is_item(column: str) -> bool:
    return column[:1] == "q" and column[1:].isdigit()


def _settings(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Rows of a settings table, nested keys with dots."""
    for key, value in schema["properties"].items():
        name = f"{prefix}{key}"
        if value.get("properties"):
            yield from _settings(value, f"{name}.")
        elif value.get("type") != "object" or "default" in value:
            meaning = _cell(value.get("description", ""))
            if value.get("evidence"):
                meaning += f" *{_cell(value['evidence'])}*"
            default, unit = _cell(_plain(value.get("default"))), _cell(value.get("unit", "-"))
            yield f"| `{name}` | `{default}` | {_cell(_allowed(value))} | {unit} | {meaning} |"


def readme() -> str:
    """The text of config/README.md."""
    schema = config_schema()
    lines = [
        "# Configuration and input sheets",
        "",
        f"<!-- Written from workflow/schemas by: {COMMAND} -->",
        "",
        "Fill in `samples.tsv` and, as far as you have them, the tables of `clinical/`; name them in `config.yaml`.",
        "Everything is checked before any job starts: all problems of all files come at once, each with file,",
        "line, column, what was found, what is allowed and the nearest valid word.",
        "",
        "- Tables are tab-separated with a header. Commas or semicolons, Windows line ends, a byte-order mark and",
        "  gzip are read too. Lines that start with `#` are comments. An empty cell or `NA` is missing.",
        "- In `samples.tsv` a row may end after `path`: five cells are enough under a header of sixteen columns. A row",
        "  that says more has a cell for each column, as every row of the other tables has.",
        "- Days are whole numbers from the patient's own day 0. Calendar dates are refused: they identify people.",
        f"- Sample and patient names may hold {NAME_RULE}.",
        "- Paths are relative to the working directory.",
        "- Yes/no columns take true/false, yes/no or 1/0; `unknown` is missing.",
        "- Two samples of one patient, day and timepoint are allowed when compartment, sort, batch, chemistry or",
        "  prep tells them apart.",
        "",
        "## Sheets",
        "",
        *_sheet("samples"),
        "All clinical tables are optional. Each missing one lowers what can be said, and the report says so.",
        "",
    ]
    for name in CLINICAL:
        lines += _sheet(name)
    lines += ["## Settings", "", "Marks in the last column say where a number comes from; `[J]` is our judgement.", ""]
    head = ["| key | default | allowed | unit | meaning |", "|---|---|---|---|---|"]
    top = {**schema, "properties": {k: v for k, v in schema["properties"].items() if k not in CHAPTERS}}
    lines += ["### Top of the file", "", *head, *_settings(top), ""]
    for chapter in CHAPTERS:
        section = schema["properties"][chapter]
        rows = list(_settings(section)) if section.get("properties") else []
        lines += [f"### `{chapter}`", "", _squeeze(section.get("description", "")), ""]
        lines += [*head, *rows, ""] if rows else ["No settings.", ""]
    return "\n".join(lines)


#: From this heading on, docs/cure-spectrum.md is written from the schema; what stands before it is kept.
CONSTANTS = "## Every constant that is a setting"


def cure_spectrum(kept: str) -> str:
    """The text of docs/cure-spectrum.md: its prose, and every setting of the chapter with its source."""
    lines = [
        kept.partition(CONSTANTS)[0].rstrip("\n"), "", CONSTANTS, "",
        f"<!-- Written from workflow/schemas/cure.schema.yaml by: {COMMAND} -->", "",
        "[V], [V2]: read in the named source or in public code. [C]: computed from such. [M-H], [M-M]: from memory of",
        "the named source, high or medium confidence, not checked. [J]: our judgement, without direct evidence.", "",
        "| constant | default | unit | what it is | source |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for rule, section in config_schema()["properties"]["cure"]["properties"].items():
        for key, value in section["properties"].items():
            cells = (_plain(value.get("default")), value.get("unit", "-"), value["description"], value["evidence"])
            default, *rest = (_cell(c) for c in cells)
            lines.append(f"| `{rule}.{key}` | `{default}` | {' | '.join(rest)} |")
    return "\n".join(lines) + "\n"


def documents(root: Path = ROOT) -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    config, spectrum = root / "config", root / "docs" / "cure-spectrum.md"
    prose = spectrum.read_text(encoding="utf-8") if spectrum.is_file() else ""
    header = {n: "\t".join(sheet_schema(n)["properties"]) + "\n" for n in ("samples", *CLINICAL)}
    return {
        config / "config.yaml": config_yaml(),
        config / "README.md": readme(),
        spectrum: cure_spectrum(prose),
        config / "samples.tsv": header["samples"],
        **{config / "clinical" / f"{n}.tsv": header[n] for n in CLINICAL},
    }


def outdated(root: Path = ROOT) -> list[Path]:
    """Generated files that are missing or differ from the schemas.

    The templates are there to be filled in: of them only the first line counts.
    """
    wrong = []
    for path, text in documents(root).items():
        actual = path.read_text(encoding="utf-8") if path.is_file() else ""
        same = actual.startswith(text) if path.suffix == ".tsv" else actual == text
        if not same:
            wrong.append(path)
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with ``--check`` compare them."""
    parser = argparse.ArgumentParser(prog="marrowclone.check.document", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    wrong = outdated()
    if parser.parse_args(arguments).check:
        for path in wrong:
            print(f"{path.relative_to(ROOT)} differs from the schemas; run: {COMMAND}", file=sys.stderr)
        return 1 if wrong else 0
    for path in wrong:
        if path.suffix == ".tsv" and path.is_file() and len(path.read_text(encoding="utf-8").splitlines()) > 1:
            print(f"{path.relative_to(ROOT)} holds rows; its header was left as it is", file=sys.stderr)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(documents()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
