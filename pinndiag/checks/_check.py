"""What a check is: a pure function of a record, with the words that explain it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import msgspec

from pinndiag._records import (
    DiagnosisRecord,
    Evidence,
    Finding,
    NotApplicable,
    Prescription,
    Record,
    Severity,
)
from pinndiag.checks._needs import absent
from pinndiag.checks._thresholds import DEFAULT, Threshold, Thresholds

__all__ = ["Check", "Outcome", "Passed", "compared"]


class Passed(Record):
    """A check that looked and found nothing.

    Attributes:
        code: the check's code.
        title: what it found in order, in one sentence.
    """

    code: str
    title: str


Outcome = Finding | Passed | NotApplicable


@final
@dataclass(frozen=True)
class Check:
    """One pathology, how it is told, and what is said about it.

    Attributes:
        code: stable code.
        pathology: identifier used in findings (a finding may name a closer relative).
        title: the claim when it fires, without numbers.
        passing: the claim when it does not.
        needs: measurements without which it cannot be judged, keys of `pinndiag.checks.NEEDS`.
        thresholds: the fields of `Thresholds` it uses.
        decide: the judgement, once the needs are there.
        detected: how it is detected.
        why: why it matters.
        fix: how to fix it.
        overturned_by: what would overturn a finding.
        reference: literature.
        symptom_of: pathologies that cause this one when they were found too, the likeliest first.
        early: seen before the training: it is as grave as what it causes.
        fault: a fault of the program: a problem found here hides everything after the faults.
        last: speaks only when no problem, and nothing as grave as what it has to say, was found.
    """

    code: str
    pathology: str
    title: str
    passing: str
    needs: tuple[str, ...]
    thresholds: tuple[str, ...]
    decide: Callable[[DiagnosisRecord, Thresholds], Outcome]
    detected: str
    why: str
    fix: str
    overturned_by: str
    reference: str
    symptom_of: tuple[str, ...] = ()
    early: bool = False
    fault: bool = False
    last: bool = False

    def judge(self, record: DiagnosisRecord, thresholds: Thresholds = DEFAULT) -> Outcome:
        """Judge one record. Never raises, whatever numbers the record holds."""
        for path in self.needs:
            why = absent(record, path)
            if why is not None:
                return NotApplicable(code=self.code, reason=why)
        outcome = self.decide(record, thresholds)
        own = thresholds.changed()
        words = [
            f"{name} is {own[name].value:g} (default {getattr(DEFAULT, name).value:g})"
            for name in self.thresholds
            if name in own
        ]
        if not isinstance(outcome, Finding) or not words:
            return outcome
        said = f"{outcome.sure} Judged by thresholds of your own: {', '.join(words)}."
        return msgspec.structs.replace(outcome, sure=said.strip())

    def passed(self) -> Passed:
        """Nothing found."""
        return Passed(code=self.code, title=self.passing)

    def not_applicable(self, reason: str) -> NotApplicable:
        """It could not be judged."""
        return NotApplicable(code=self.code, reason=reason)

    def finding(
        self,
        title: str,
        severity: Severity,
        *,
        terms: Sequence[str],
        evidence: Sequence[Evidence],
        prescriptions: Sequence[Prescription] = (),
        pathology: str = "",
        sure: str = "",
    ) -> Finding:
        """A finding with this check's words. A note carries no prescriptions: first do no harm."""
        return Finding(
            code=self.code,
            pathology=pathology or self.pathology,
            title=title[:1].upper() + title[1:],
            severity=severity,
            terms=list(terms),
            evidence=list(evidence),
            prescriptions=[] if severity == "note" else _in_order(prescriptions),
            why=self.why,
            overturned_by=self.overturned_by,
            reference=self.reference,
            sure=sure,
        )


def _in_order(prescriptions: Sequence[Prescription]) -> list[Prescription]:
    """The remedies; what comes first is no alternative to anything."""
    found = list(prescriptions)
    if found and found[0].title.startswith("Or "):
        title = found[0].title.removeprefix("Or ")
        found[0] = msgspec.structs.replace(found[0], title=title[:1].upper() + title[1:])
    return found


def compared(name: str, value: float, bound: Threshold) -> Evidence:
    """A number beside the bound it is compared with."""
    return Evidence(name=name, value=value, threshold=bound.value, source=bound.source)
