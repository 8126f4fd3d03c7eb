"""What every page is set in: head, style, embedded record, script; one file, the same bytes at every rendering."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pinndiag_reports._embedded import Embedded
from pinndiag_reports._theme import style_sheet

__all__ = ["environment", "framed"]


def framed(template: str | Template, embedded: Embedded, *scripts: str, **values: Any) -> str:
    """The page of a template.

    Args:
        template: its name, or one made in `environment()`.
        embedded: the record that the page carries.
        scripts: names of assets, run in that order.
        values: what the template shows.
    """
    script = "".join(_asset(name) for name in scripts)
    return (
        environment()
        .get_template(template)
        .render(
            embedded=embedded,
            style=Markup(style_sheet() + _asset("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
            **values,
        )
    )


def _asset(name: str) -> str:
    return (files("pinndiag_reports") / "assets" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Where templates find each other: by their names in this package."""
    return Environment(
        loader=PackageLoader("pinndiag_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
