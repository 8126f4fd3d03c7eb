"""What every renderer starts from: the record itself, the plain form of it, and a copy whose texts are safe to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pinndiag._errors import PinndiagError
from pinndiag._records import DiagnosisRecord, from_plain, to_plain
from pinndiag_reports._names import clean_all

__all__ = ["read"]


def read(record: DiagnosisRecord | Mapping[str, Any]) -> tuple[dict[str, Any], DiagnosisRecord]:
    """The plain dictionary as it stands, and the record with every text cleaned for showing.

    Raises:
        PinndiagError: the dictionary is not a diagnosis.
    """
    plain = to_plain(record if isinstance(record, DiagnosisRecord) else dict(record))
    try:
        return plain, from_plain(clean_all(plain), DiagnosisRecord)
    except msgspec.ValidationError as error:
        raise PinndiagError(
            "this is not a diagnosis that can be shown",
            where=str(error),
            cause="the file was written by another version of pinndiag, or it is another kind of JSON file",
            fix="run `pinndiag analyze` again and render the diagnosis.json that it writes",
        ) from error
