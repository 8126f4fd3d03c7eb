"""The diagnosis as users hold it: a value that prints, saves, and renders itself. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import msgspec

from pinndiag._diagnosis._document import AbstractDocument
from pinndiag._diagnosis._judge import judge
from pinndiag._diagnosis._rules import Changes, rules
from pinndiag._errors import PinndiagError
from pinndiag._files import read_json
from pinndiag._records import SCHEMA, DiagnosisRecord, Finding, from_plain

__all__ = ["Diagnosis"]

AGAIN = "make it again with: pinndiag analyze CHECKPOINT"


@final
class Diagnosis(AbstractDocument[DiagnosisRecord]):
    """What `analyze` returns: measurements, findings with evidence, prescriptions.

    >>> Diagnosis.read("checkpoint.pt.diagnosis.json").findings  # doctest: +SKIP
    """

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

    def judged(
        self, *, select: Sequence[str] = (), ignore: Sequence[str] = (), thresholds: Changes = None
    ) -> Diagnosis:
        """The same measurements judged again, by other checks or thresholds; nothing is measured.

        The steps in which a finding of a run held stay those of the former judgement; `pinndiag analyze RUN` judges
        a run folder over time.

        Args:
            select: codes or prefixes of the checks to report; default those of `[tool.pinndiag]`, or all.
            ignore: codes or prefixes of the checks to leave out; default likewise.
            thresholds: other bounds than the default ones, such as `{"work_ratio": 50}`.
        """
        former = {finding.code: finding for finding in self.findings}
        record = judge(self.record, **rules(select, ignore, thresholds))
        dated = [
            msgspec.structs.replace(f, held=former[f.code].held, course=former[f.code].course)
            if f.code in former
            else f
            for f in record.findings
        ]
        return Diagnosis(msgspec.structs.replace(record, findings=dated))
