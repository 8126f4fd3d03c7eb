"""Files that `remediate` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinndiag import PinndiagError
from pinndiag_cli._status import FINE, PROBLEMS
from pinndiag_cli._writing import writing

if TYPE_CHECKING:
    from pinndiag._records import RemedyRecord

__all__ = ["is_remedy", "read_remedy", "remedy_page", "status_of", "write_page"]

FAMILY = "pinndiag.remedy/"
AGAIN = "make it again with: pinndiag remediate CHECKPOINT"


def is_remedy(path: Path) -> bool:
    """Whether this is a file of `remediate`, of whatever version."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        return _schema(_content(path)).startswith(FAMILY)
    except PinndiagError:
        return False


def read_remedy(path: Path) -> RemedyRecord:
    """The record in it.

    Raises:
        PinndiagError: of another version, or damaged.
    """
    import msgspec

    from pinndiag._records import REMEDY_SCHEMA, RemedyRecord, from_plain

    plain = _content(path)
    if _schema(plain) != REMEDY_SCHEMA:
        raise PinndiagError(
            f"{path} is not a before/after record of this version",
            where=f"schema is {_schema(plain)!r}, this version reads {REMEDY_SCHEMA!r}",
            cause="another JSON file, or one written by another version of pinndiag",
            fix=AGAIN,
        )
    try:
        return from_plain(plain, RemedyRecord)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PinndiagError(
            f"{path} is damaged", where=str(error), cause="the file was edited or cut short", fix=AGAIN
        ) from None


def remedy_page(path: Path) -> Path:
    """`x.pt.remedy.json` -> `x.pt.remedy.html`."""
    stem = path.name.removesuffix(".json").removesuffix(".remedy")
    return path.with_name(f"{stem}.remedy.html")


def status_of(record: RemedyRecord) -> int:
    """1 where the treatment is worse than training on."""
    return PROBLEMS if record.severity in ("worse", "diverged") else FINE


def write_page(record: RemedyRecord, page: Path) -> Path:
    """Write the page of a record."""
    from pinndiag._files import write_atomically
    from pinndiag_reports.remedy_page import remedy_to_html

    html = remedy_to_html(record)
    return writing(lambda path: write_atomically(path, html), page)


def _content(path: Path) -> Any:
    from pinndiag._files import read_json

    return read_json(path, "a before/after record", AGAIN)


def _schema(plain: Any) -> str:
    return str(plain.get("schema")) if isinstance(plain, dict) else ""
