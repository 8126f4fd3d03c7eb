"""The page of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pinndiag._records import DiagnosisRecord
from pinndiag_reports import figures
from pinndiag_reports._embedded import embed
from pinndiag_reports._frame import framed
from pinndiag_reports._glossary import GLOSSARY
from pinndiag_reports._input import read
from pinndiag_reports._markdown import finding_markdown, markdown
from pinndiag_reports._parts import Absent, Section
from pinndiag_reports._view import COLUMNS, View, view

__all__ = ["render"]


def render(record: DiagnosisRecord | Mapping[str, Any]) -> str:
    """The page of a record."""
    plain, safe = read(record)
    page = view(safe)
    sections = figures.sections(safe)
    leading = [section for section in sections if section.leading]
    return framed(
        "page.html.j2",
        embed(plain),
        "page.js",
        *(["timeline.js"] if leading else []),
        page=page,
        columns=COLUMNS,
        leading=leading,
        sections=[section for section in sections if not section.leading and not _bare(section)],
        missing=_missing(page, sections, every=safe.history is not None),
        glossary=GLOSSARY,
        markdown=markdown(page),
        finding_markdown=finding_markdown,
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
