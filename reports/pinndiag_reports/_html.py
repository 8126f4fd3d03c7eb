"""The page: one file, the same bytes at every rendering."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
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
from pinndiag_reports._view import COLUMNS, view

__all__ = ["render"]


def render(record: DiagnosisRecord | Mapping[str, Any]) -> str:
    """The page of a record."""
    plain, safe = read(record)
    page = view(safe)
    sections = figures.sections(safe)
    script = _asset("page.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            columns=COLUMNS,
            sections=[section for section in sections if not _bare(section)],
            bare=[section for section in sections if _bare(section)],
            glossary=GLOSSARY,
            markdown=markdown(page),
            finding_markdown=finding_markdown,
            embedded=embed(plain),
            style=Markup(style_sheet() + _asset("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        )
    )


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
