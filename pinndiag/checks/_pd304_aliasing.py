"""PD304: training points that describe another problem."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, HeldOut
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import beyond_chance, counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    assert record.start is not None
    found = {n: h for n, h in record.start.held_out.items() if n in counted(record)}
    if not found:
        return CHECK.not_applicable("no term was evaluated at fresh points at the start")
    enough = {n: h for n, h in found.items() if not thresholds.alias_points.passed(_points(record, n))}
    ratios = {n: beyond_chance(h.ratio, h.standard_error) for n, h in enough.items()}
    off = {n: ratio for n, ratio in ratios.items() if thresholds.held_out_start.passed(ratio)}
    if not off:
        return CHECK.passed()
    names = worst_first(off)
    state = gate(record, thresholds)
    evidence = [
        compared(f"held-out ratio of {quoted(n)} at the start", off[n], thresholds.held_out_start) for n in names
    ]
    return CHECK.finding(
        f"before any training {quoted(names[0])} was {number(off[names[0]])} times larger between its points "
        "than on them",
        state.severity(thresholds.held_out_start.far(off[names[0]])),
        terms=names,
        evidence=evidence,
        prescriptions=[remedies.resample(anew=True), remedies.shifted_points()],
        sure=state.sure(_drawn(found[names[0]])),
    )


def _points(record: DiagnosisRecord, name: str) -> float:
    term = record.terms[name]
    return float(term.entries if term.points is None else term.points)


def _drawn(found: HeldOut) -> str:
    return f"{found.points} fresh points, {found.drawn}."


CHECK = Check(
    code="PD304",
    pathology="aliasing",
    title="The training points describe another problem",
    passing="Fresh points give the same residuals as the training points before any training",
    needs=("start",),
    thresholds=("held_out_start", "alias_points"),
    decide=decide,
    detected="At the stored initial parameters the mean square residual at fresh points is more than three times that "
    "at the training points, with at least 30 training points and beyond three standard errors of their mean.",
    why="Regular points can coincide with the zeros of a source or of an oscillation. The network then solves a "
    "problem that nobody posed, perfectly.",
    fix="Begin anew with points that are drawn again and again: they coincide with no zeros, and a grid's few points "
    "are often too few for one random draw. Then judge again, for what appears is often spectral bias.",
    overturned_by="Fresh points drawn from a wrong domain: pass sampler= to wrap.",
    reference="Wu et al. 2023 (random points drawn again during the training against fixed ones)",
)
