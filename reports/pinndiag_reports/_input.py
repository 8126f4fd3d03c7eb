"""What every renderer starts from: the record itself, the plain form of it, and a copy whose texts are safe to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pinndiag._errors import PinndiagError
from pinndiag._records import DiagnosisRecord, Record, RemedyRecord, from_plain, to_plain
from pinndiag_reports._names import clean_all

__all__ = ["read", "read_remedy"]

R = TypeVar("R", bound=Record)


def read(record: DiagnosisRecord | Mapping[str, Any]) -> tuple[dict[str, Any], DiagnosisRecord]:
    """The plain dictionary as it stands, and the record with every text cleaned for showing.

    Raises:
        PinndiagError: the dictionary is not a diagnosis.
    """
    again = "run `pinndiag analyze` again and render the diagnosis.json that it writes"
    return _read(record, DiagnosisRecord, "a diagnosis", again)


def read_remedy(record: RemedyRecord | Mapping[str, Any]) -> tuple[dict[str, Any], RemedyRecord]:
    """The same of a before/after record.

    Raises:
        PinndiagError: the dictionary is none.
    """
    again = "run `pinndiag remediate` again and render the remedy.json that it writes"
    return _read(record, RemedyRecord, "a before/after record", again)


def _read(record: Record | Mapping[str, Any], kind: type[R], what: str, again: str) -> tuple[dict[str, Any], R]:
    plain = to_plain(record if isinstance(record, Record) else dict(record))
    try:
        return plain, from_plain(clean_all(plain), kind)
    except msgspec.ValidationError as error:
        raise PinndiagError(
            f"this is not {what} that can be shown",
            where=str(error),
            cause="the file was written by another version of pinndiag, or it is another kind of JSON file",
            fix=again,
        ) from error
