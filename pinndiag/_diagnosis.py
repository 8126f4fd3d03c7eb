"""The diagnosis as users hold it: a value that prints, saves, and renders itself. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, final

import msgspec

from pinndiag._errors import PinndiagError
from pinndiag._files import read_json, write_atomically
from pinndiag._judge import judge
from pinndiag._records import SCHEMA, DiagnosisRecord, Finding, from_plain, to_plain
from pinndiag._rules import Changes, rules

__all__ = ["Diagnosis", "renderer"]

AGAIN = "make it again with: pinndiag analyze CHECKPOINT"


@final
class Diagnosis:
    """What `analyze` returns: measurements, findings with evidence, prescriptions.

    >>> Diagnosis.read("checkpoint.pt.diagnosis.json").findings  # doctest: +SKIP
    """

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

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers: the content of diagnosis.json."""
        plain: dict[str, Any] = to_plain(self.record)
        return plain

    def to_json(self) -> str:
        """The content of diagnosis.json, in full precision; plain ASCII, so that no name can steer a terminal."""
        # names may also hold lone surrogates (a file name that is not UTF-8), which no encoding could write
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, path: str | Path) -> Path:
        """Write diagnosis.json; the file appears under its name only when it is whole."""
        return write_atomically(Path(path), self.to_json() + "\n")

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one self-contained HTML page."""
        return write_atomically(Path(path), renderer("html")(self.record))

    def to_markdown(self) -> str:
        """The diagnosis as Markdown, to paste into an issue."""
        return str(renderer("markdown")(self.record))

    def __str__(self) -> str:
        return str(renderer("text")(self.record))

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.record.verdict.text}>"

    def _repr_html_(self) -> str:
        # an iframe keeps the page's style and the notebook's apart; srcdoc needs the page escaped as an attribute
        page = str(renderer("html")(self.record)).replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" style="width:100%;height:80vh;border:0" sandbox="allow-scripts"></iframe>'


def renderer(kind: str) -> Any:
    """Find a renderer by its entry point, so that the library imports no report code."""
    found = entry_points(group="pinndiag.renderers", name=kind)
    for entry in found:
        return entry.load()
    raise PinndiagError(
        f"no renderer for {kind} is installed",
        cause="pinndiag runs from a folder that was not installed",
        fix="pip install -e . in the checkout, or pip install pinndiag",
    )
