"""From sections to one self-contained HTML page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..keys import RESEARCH_USE_ONLY

TEMPLATES = Path(__file__).resolve().parent / "templates"


def template_files() -> list[str]:
    """The templates and the style sheet: inputs of the rules that make pages."""
    return sorted(str(p) for p in TEMPLATES.iterdir() if p.suffix in {".j2", ".css"})


def breakable(text: str) -> Markup:
    """``text``, escaped, that may break after each underscore, slash or full stop between letters."""
    return Markup(re.sub(r"(?<=\w)([_/.])(?=[^\W\d])", r"\1<wbr>", str(escape(text))))


def render(template: str, **context: Any) -> str:
    """Fill a template. The style sheet is written into the page; everything else is escaped.

    Parameters
    ----------
    template
        name of a file in ``templates/``.
    context
        what the template names; a missing name is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["svg"] = Markup
    environment.filters["breakable"] = breakable
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(style=style, research_use_only=RESEARCH_USE_ONLY, **context)
