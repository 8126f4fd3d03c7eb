"""The diagnosis as users hold it: a value that prints, saves, and renders itself. Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import msgspec

from pinndiag._document import AbstractDocument
from pinndiag._errors import PinndiagError
from pinndiag._files import read_json
from pinndiag._records import SCHEMA, DiagnosisRecord, Finding, from_plain

__all__ = ["Diagnosis"]

AGAIN = "make it again with: pinndiag analyze CHECKPOINT"


@final
class Diagnosis(AbstractDocument):
    """What `analyze` returns: measurements, findings with evidence, prescriptions.

    >>> Diagnosis.read("checkpoint.pt.diagnosis.json").findings  # doctest: +SKIP
    """

    record: DiagnosisRecord
    renderers: ClassVar[str] = ""

    def __init__(self, record: DiagnosisRecord) -> None:
        self.record = record

    @staticmethod
    def read(path: str | Path) -> Diagnosis:
        """Read a file that `save` wrote.

        Raises:
            PinndiagError: not a diagnosis, of another version, or damaged; the message names the place.
        """
        plain = read_json(Path(path), "a diagnosis", AGAIN)
        return Diagnosis.of(plain, str(path))

    @staticmethod
    def of(plain: Any, where: str = "diagnosis") -> Diagnosis:
        """The diagnosis that `to_dict` gave `plain` for.

        Raises:
            PinndiagError: `plain` does not have that shape.
        """
        schema = plain.get("schema") if isinstance(plain, dict) else None
        if schema != SCHEMA:
            raise PinndiagError(
                f"{where} is not a diagnosis of this version",
                where=f"schema is {schema!r}, this version reads {SCHEMA!r}",
                cause="another JSON file, or one written by another version of pinndiag",
                fix=AGAIN,
            )
        try:
            return Diagnosis(from_plain(plain, DiagnosisRecord))
        except (msgspec.ValidationError, RecursionError) as error:
            raise PinndiagError(
                f"{where} is damaged",
                where=str(error),
                cause="the file was edited or cut short",
                fix=AGAIN,
            ) from None

    @property
    def findings(self) -> list[Finding]:
        """What is wrong, worst first."""
        return self.record.findings

    @property
    def measurements(self) -> DiagnosisRecord:
        """Every figure, as fields: `measurements.terms["pde"].grad_l2`, `measurements.cosine["pde|bc"]`."""
        return self.record

    @property
    def text(self) -> str:
        """The verdict."""
        return self.record.verdict.text
