"""Judge a run: the last step as it stands, and each finding with the steps in which it held."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from pinndiag._diagnosis._judge import RANK, judge, verdict_of
from pinndiag._diagnosis._rules import Changes, rules
from pinndiag._errors import PinndiagError
from pinndiag._history._moments import Moments
from pinndiag._history._series import history
from pinndiag._records import DiagnosisRecord, Finding, Interval, RunCard
from pinndiag._store import Run
from pinndiag.checks import by_code

__all__ = ["diagnose_run"]

JUDGED = 48  # steps of a run that are judged, each in a few milliseconds
EARLY = 0.2  # what was only there in the first fifth is the usual transient of a training
HALF = 0.5
FEWEST = 6  # judged steps of the second half of which one alone may be a spike
GROWTH = 3.0  # factor by which the evidence of a growing finding exceeds that of the run's first half


class Seen(NamedTuple):
    """A finding at one of the judged steps."""

    place: int
    finding: Finding


def diagnose_run(
    run: Run,
    *,
    base: DiagnosisRecord | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Changes = None,
    source: str = "",
) -> DiagnosisRecord:
    """The diagnosis of a run.

    The last measured step that the optimizer took is judged, and up to 48 along the run beside it. A finding of the
    last one says in which steps it held, and whether it is persistent, growing or recent. It is a problem only where it
    held in most of the second half (a fault of the program is one at once): the last step alone may be a spike. What
    held in half of the run or more but not at its end is a warning; what held only in the first fifth is the usual
    transient of a healthy training and no finding.

    Args:
        run: the run.
        base: an analysis of the trained network (with its experiments), to be completed by the run; else the run's own
            last step is what is judged.
        select: codes or prefixes of the checks to report; default those of `[tool.pinndiag]`, or all.
        ignore: codes or prefixes of the checks to leave out; default likewise.
        thresholds: other bounds than the default ones; they win over those of `[tool.pinndiag.thresholds]`.
        source: path of the run, for the report.

    Raises:
        PinndiagError: no step was recorded with its gradients.

    Cost: no measurement; a few milliseconds for each judged step.
    """
    measured, taken = run.steps.measured(), run.steps.run("skipped") == 0
    known = np.flatnonzero(measured & taken if (measured & taken).any() else measured)
    if not len(known):
        raise PinndiagError(
            "the run holds no step that could be judged",
            where=f"{run.header.name}: {len(run.steps)} step records, none with gradients",
            cause="the training was stopped before its first measured step, or its schedule measures nothing",
            fix="train on, with every=100 or so",
        )
    moments = Moments(run, _card(run, source))
    chosen = known[np.unique(np.linspace(0, len(known) - 1, JUDGED).astype(int))]
    by = rules(select, ignore, thresholds)
    seen: dict[str, list[Seen]] = {}
    able: dict[str, list[int]] = {}
    for place, index in enumerate(chosen):
        judged = judge(moments.at(int(index)), **by)
        for finding in judged.findings:
            if finding.severity != "note":
                seen.setdefault(finding.code, []).append(Seen(place, finding))
        for code in [*judged.passed, *(finding.code for finding in judged.findings)]:
            able.setdefault(code, []).append(place)
    last = moments.at(int(chosen[-1]), layers=True) if base is None else base
    at_end = {finding.code for finding in judge(last, **by).findings}
    record = judge(msgspec.structs.replace(last, history=history(run)), **by)
    steps = [run.steps.at(int(index)).step for index in chosen]
    findings = []
    for finding in record.findings:
        places = seen.get(finding.code, [])
        dated = _dated(finding, places, steps)
        if finding.code in at_end and _fleeting(finding, places, able.get(finding.code, []), len(steps)):
            dated = _doubted(dated, places, len(steps))
        findings.append(dated)
    former = [_former(places, steps) for code, places in seen.items() if _was_lasting(code, places, record, len(steps))]
    findings = sorted([*findings, *former], key=lambda finding: RANK[finding.severity])
    passed = [code for code in record.passed if code not in {finding.code for finding in former}]
    verdict = verdict_of(record, findings, passed, **by)
    return msgspec.structs.replace(record, findings=findings, passed=passed, verdict=verdict)


def _fleeting(finding: Finding, places: list[Seen], able: list[int], count: int) -> bool:
    """Whether a problem of the last step held in less than half of the second half, where it could be judged."""
    late = [seen for seen in places if seen.place >= HALF * count]
    judged = [place for place in able if place >= HALF * count]
    lasting = len(judged) < FEWEST or 2 * len(late) >= len(judged)
    return finding.severity == "problem" and bool(places) and not lasting and not by_code(finding.code).fault


def _doubted(finding: Finding, places: list[Seen], count: int) -> Finding:
    late = sum(seen.place >= HALF * count for seen in places)
    words = f"It held in {late} of the steps judged in the second half of the run only, so this is a warning."
    return msgspec.structs.replace(finding, severity="warning", sure=f"{finding.sure} {words}".strip())


def _dated(finding: Finding, places: list[Seen], steps: list[int]) -> Finding:
    """A finding of the end, with the steps in which it held before."""
    if not places:
        return finding
    return msgspec.structs.replace(finding, held=_intervals(places, steps), course=_course(places, len(steps)))


def _was_lasting(code: str, places: list[Seen], record: DiagnosisRecord, count: int) -> bool:
    """Whether a finding held in half of the run, not at its end, in a training that is not known to be finished."""
    at_end = any(finding.code == code for finding in record.findings)
    lasting = len(places) >= HALF * count and places[-1].place > EARLY * count
    return lasting and not at_end and code in record.passed and record.verdict.severity != "none"


def _former(places: list[Seen], steps: list[int]) -> Finding:
    finding = places[-1].finding
    held = _intervals(places, steps)
    return msgspec.structs.replace(
        finding,
        severity="warning",
        held=held,
        course="now and then",
        sure=f"It held in {len(places)} of {len(steps)} judged steps, last at step {held[-1].last}, not at the end. "
        f"{finding.sure}".strip(),
    )


def _course(places: list[Seen], count: int) -> str:
    if len(places) < HALF * count:
        return "recent" if places[0].place > HALF * count else "now and then"
    early = [_strength(p.finding) for p in places if p.place < HALF * count]
    late = [_strength(p.finding) for p in places if p.place >= 0.75 * count]
    if early and late and statistics.median(late) > GROWTH * statistics.median(early) > 0:
        return "growing"
    return "persistent"


def _strength(finding: Finding) -> float:
    """The first number that speaks for a finding."""
    values = [e.value for e in finding.evidence if isinstance(e.value, float) and np.isfinite(e.value)]
    return abs(values[0]) if values else 0.0


def _intervals(places: list[Seen], steps: list[int]) -> list[Interval]:
    """Runs of neighbouring judged steps."""
    found: list[list[int]] = []
    for seen in places:
        if found and found[-1][1] == seen.place - 1:
            found[-1][1] = seen.place
        else:
            found.append([seen.place, seen.place])
    return [Interval(first=steps[a], last=steps[b]) for a, b in found]


def _card(run: Run, source: str) -> RunCard:
    header = run.header
    optimizer = header.optimizers[0] if header.optimizers else None
    return RunCard(
        name=header.name,
        created=header.created,
        pinndiag=header.environment.pinndiag,
        torch=header.environment.torch,
        python=header.environment.python,
        device=header.environment.device,
        dtype=header.environment.dtype,
        parameters=sum(header.parameters.values()),
        mode="run",
        seed=0,
        seconds=run.steps.at(-1).time if len(run.steps) else 0.0,
        source=source,
        origin="run",
        optimizer=optimizer,
        notes=[*header.notes, *run.notes],
    )
