"""The page: one file, the same bytes at every rendering."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pinndiag._records import DiagnosisRecord
from pinndiag_reports import figures
from pinndiag_reports._embedded import embed
from pinndiag_reports._glossary import GLOSSARY
from pinndiag_reports._input import read
from pinndiag_reports._markdown import finding_markdown, markdown
from pinndiag_reports._parts import Absent, Section
from pinndiag_reports._theme import style_sheet
from pinndiag_reports._view import COLUMNS, View, view

__all__ = ["render"]


def render(record: DiagnosisRecord | Mapping[str, Any]) -> str:
    """The page of a record."""
    plain, safe = read(record)
    page = view(safe)
    sections = figures.sections(safe)
    script = _asset("page.js")
    if any(section.leading for section in sections):
        script += _asset("timeline.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            columns=COLUMNS,
            leading=[section for section in sections if section.leading],
            sections=[section for section in sections if not section.leading and not _bare(section)],
            missing=_missing(page, sections, every=safe.history is not None),
            glossary=GLOSSARY,
            markdown=markdown(page),
            finding_markdown=finding_markdown,
            embedded=embed(plain),
            style=Markup(style_sheet() + _asset("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        )
    )


def _missing(page: View, sections: Sequence[Section], *, every: bool) -> list[Absent]:
    """What was not measured: a reason once, with all that it kept away.

    Args:
        page: the page model, which knows the reasons of the record.
        sections: the figures.
        every: also what a section that has something to show says for itself.
    """
    together: dict[str, list[str]] = {item.why: [item.what] for item in page.missing}
    for section in sections:
        for part in section.parts:
            if isinstance(part, Absent) and (every or _bare(section)):
                together.setdefault(part.why, []).append(part.what)
    return [Absent(", ".join(names), why) for why, names in together.items()]


def _bare(section: Section) -> bool:
    return all(isinstance(part, Absent) for part in section.parts)


def _asset(name: str) -> str:
    return (files("pinndiag_reports") / "assets" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pinndiag_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
