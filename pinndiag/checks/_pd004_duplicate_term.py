"""PD004: the same residual twice, perhaps scaled."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import quoted

__all__ = ["CHECK"]

MOVED = 0.01  # the losses must have changed by a per cent, or their constant ratio says nothing
ALIKE = 1e-4  # relative: float32 losses


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    pairs = [
        pair for pair in itertools.combinations(sorted(counted(record)), 2) if _parallel(record, *pair, thresholds)
    ]
    pairs = [pair for pair in pairs if _same_course(record, *pair) is not False]
    if not pairs or record.run.parameters == 1:
        return CHECK.passed()
    followed = [pair for pair in pairs if _same_course(record, *pair)]
    a, b = (followed or pairs)[0]
    cosine = _cosine(record, a, b)
    evidence = [
        Evidence(
            name=f"1 - cosine between the gradients of {quoted(a)} and {quoted(b)}",
            value=1 - cosine,
            threshold=thresholds.duplicate.value,
            source=thresholds.duplicate.source,
        )
    ]
    return CHECK.finding(
        f"{quoted(a)} and {quoted(b)} are the same term, up to a factor",
        "warning" if followed else "note",  # a fact, whether the network is finished or not
        terms=[a, b],
        evidence=evidence,
        prescriptions=[remedies.one_term(a, b)],
        sure="Their losses keep one ratio at other parameters too." if followed else "Seen at one moment only.",
    )


def _cosine(record: DiagnosisRecord, a: str, b: str) -> float:
    return record.cosine.get(f"{a}|{b}", record.cosine.get(f"{b}|{a}", math.nan))


def _parallel(record: DiagnosisRecord, a: str, b: str, thresholds: Thresholds) -> bool:
    return thresholds.duplicate.passed(1 - _cosine(record, a, b))


def _same_course(record: DiagnosisRecord, a: str, b: str) -> bool | None:
    """Whether both losses differ by the same factor from those at other parameters; None when none are known."""
    found = [_same_factor(record, there, a, b) for there in _elsewhere(record)]
    known = [same for same in found if same is not None]
    return all(known) if known else None


def _elsewhere(record: DiagnosisRecord) -> list[Mapping[str, float]]:
    """Losses at other parameters: at the start, with a zero output, after the descent probe."""
    return [
        *([] if record.start is None else [record.start.losses]),
        *([] if record.constant is None else [record.constant.zero]),
        *([] if record.probe is None else [record.probe.terms]),
    ]


def _same_factor(record: DiagnosisRecord, there: Mapping[str, float], a: str, b: str) -> bool | None:
    factors = [record.terms[n].loss / there[n] for n in (a, b) if there.get(n, 0) != 0]
    if len(factors) < 2 or not all(math.isfinite(f) for f in factors) or abs(factors[0] - 1) < MOVED:
        return None
    return abs(factors[1] - factors[0]) <= ALIKE * abs(factors[0])


CHECK = Check(
    code="PD004",
    pathology="duplicate_term",
    title="The same residual is there twice",
    passing="No two terms have the same gradient",
    needs=("pair",),
    thresholds=("duplicate",),
    decide=decide,
    detected="The gradients of two terms are parallel to 1e-6, and their losses keep one ratio: at the start, with a "
    "zero output and after the descent probe, as far as these are known. A note where none of them is.",
    why="It is a doubled weight, which nobody chose. Mild, but it distorts every balance between the terms.",
    fix="Remove one of the two, or choose its weight knowingly.",
    overturned_by="Two terms that agree by symmetry at these points and differ at others.",
    reference="",
    symptom_of=("nonfinite",),
    fault=True,
)
