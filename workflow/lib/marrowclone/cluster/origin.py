"""Where a person set what a job asks for: the file and the section that have to be edited.

Snakemake merges the command line, the workflow profile (``profiles/default``) and the profiles of ``--profile``, whole
top-level keys at a time. Its own parser says which of them a key was taken from, so a message names that one.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import shown

#: In place of a file, for what was typed.
TYPED = "the command line"
#: Where a section belongs that nobody has written yet.
HOME = {"set-resources": "profiles/default/config.yaml", "set-threads": "profiles/default/config.yaml"}
ELSE = "profiles/slurm/config.yaml"
_FROM_FILE = "config_file|"


@dataclass(frozen=True)
class Origins:
    """What is set where.

    Attributes
    ----------
    files
        option of Snakemake, without dashes -> the file that sets it, or :data:`TYPED`.
    rules
        rule -> names of the resources that ``set-resources`` gives it.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Collection[str]] = field(default_factory=dict)

    def section(self, rule: str, key: str) -> str:
        """The section that gives a rule this resource (where none does: the one that would)."""
        if key == "threads":
            return "set-threads"
        return "set-resources" if key in self.rules.get(rule, ()) else "default-resources"

    def place(self, section: str) -> str:
        """The file in which a section stands, or :data:`TYPED` and the option."""
        file = self.files.get(section) or HOME.get(section, ELSE)
        return f"{TYPED}, --{section}" if file == TYPED else file

    def of(self, rules: Iterable[str], key: str) -> str:
        """Where this resource of these rules is to be edited, as a message begins with it."""
        sections = sorted({self.section(rule, key) for rule in rules})
        named = ((self.place(section), section) for section in sections)
        return " and ".join(
            f"{place}, {key}" if place.startswith(TYPED) else f"{place}, {key} ({section})" for place, section in named
        )


def read_origins(settings: Any, arguments: Sequence[str] | None = None, *, root: Path | None = None) -> Origins:
    """Origins of a run.

    Parameters
    ----------
    settings
        ``resource_settings`` of Snakemake's workflow.
    arguments
        what follows ``snakemake`` on the command line (None: this process's).
    root
        the checkout: with ``--directory`` a profile's name is not to be looked up from the working directory.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    rules = {str(rule): frozenset(names) for rule, names in (settings.overwrite_resources or {}).items()}
    bases = [Path.cwd(), *([root] if root else ())]
    files = next((files for files in (_files(arguments, base) for base in bases) if files is not None), {})
    return Origins(files, rules)


def _files(arguments: Sequence[str], base: Path) -> dict[str, str] | None:
    """Option -> where it is set, of those that profiles or the command line set; None where that cannot be told."""
    from snakemake.cli import parse_args

    try:
        with contextlib.chdir(base), contextlib.redirect_stderr(io.StringIO()):  # it says anew which profiles it uses
            parser, _ = parse_args(list(arguments))
            found = {
                key: shown(source.removeprefix(_FROM_FILE))  # links followed: `slurm` is one to `profiles/slurm`
                for source, settings in parser.get_source_to_settings_dict().items()
                if source.startswith(_FROM_FILE)
                for key in settings
            }
    except (Exception, SystemExit):  # called otherwise than by its command line: the usual places are named
        return None
    typed = [word.split("=")[0].removeprefix("--") for word in arguments if word.startswith("--")]
    typed += ["jobs" for word in arguments if word.startswith("-j")]
    return found | dict.fromkeys(typed, TYPED)
