"""What went wrong, in words that a user can act on.

A :class:`UserError` is a mistake that a user can make and mend: it is shown without a
traceback. Anything else that is raised is a defect of marrowclone and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


class UserError(Exception):
    """A mistake in input or settings. ``str()`` is the whole message, hint included."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} Hint: {hint}" if hint else message)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in one place of one file.

    Printed as ``samples.tsv line 4, column timepoint: found 'relpase', expected one of
    diagnosis, relapse. Hint: did you mean 'relapse'?``
    """

    file: str
    line: int | None = None
    column: str | None = None
    message: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f" line {self.line}"
        if self.column is not None:
            where += f", column {self.column}"
        text = f"{where}: {self.message.rstrip('.')}."
        return f"{text} Hint: {self.hint}" if self.hint else text


class InputProblems(UserError):
    """Every problem that was found in the input, together."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        n = len(self.problems)
        head = f"{n} problem{'s' if n != 1 else ''} in the input; nothing was started."
        super().__init__("\n".join([head, *(f"  {p}" for p in self.problems)]))


def found(value: object, expected: str) -> str:
    """``found 'x', expected ...``: the body of a message, the same everywhere."""
    return f"found {str(value)!r}, expected {expected}"


def one_of(values: Iterable[object]) -> str:
    """``one of a, b, c`` for the *expected* part of a message."""
    return "one of " + ", ".join(str(v) for v in values)


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """A hint that names the nearest known value, or nothing when none is near."""
    names = [str(k) for k in known]
    folded = {n.casefold(): n for n in names}
    text = str(value)
    if text.casefold() in folded:
        return f"did you mean {folded[text.casefold()]!r}?"
    near = difflib.get_close_matches(text.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


def shown(path: str | Path) -> str:
    """A path as a user would write it: relative to the working directory where that is shorter."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # elsewhere; unreadable; a symbolic link to itself
        return str(path)
