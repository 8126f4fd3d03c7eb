"""PD005: names exchanged: what is called a condition is the equation."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._geometry import on_faces, sounds_like_condition, sounds_like_equation
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    shares = on_faces(record)
    if len(shares) < 2:
        return CHECK.not_applicable("needs the points of two terms")
    edge = sorted(n for n, share in shares.items() if thresholds.on_faces.passed(share))
    inside = sorted(n for n, share in shares.items() if thresholds.inside.passed(share))
    called = [n for n in inside if sounds_like_condition(n)]
    exchanged = [n for n in edge if sounds_like_equation(n)]
    alone = len(called) == len(inside) and len(edge) == len(shares) - len(inside)
    if not called or not edge or not (exchanged or alone):
        return CHECK.passed()
    others = exchanged or edge
    places = "share of the points of {} on faces of the box of all points"
    evidence = [compared(places.format(quoted(n)), shares[n], thresholds.inside) for n in called]
    evidence += [compared(places.format(quoted(n)), shares[n], thresholds.on_faces) for n in others]
    return CHECK.finding(
        f"{listed(called)} fills the inside of the domain, where the equation should be, "
        f"and {listed(others)} lies on its boundary: the names are exchanged",
        "warning",  # a fact, finished or not; no more, for the advice goes by measurement and never by names
        terms=[*called, *others],
        evidence=evidence,
        prescriptions=[remedies.rename_terms(called[0], others[0])],
        sure="Told by where the points lie; the residuals themselves were not read.",
    )


CHECK = Check(
    code="PD005",
    pathology="mislabeled_term",
    title="The names of terms are exchanged",
    passing="No condition's name stands at points inside the domain",
    needs=("pair", "pointwise"),
    thresholds=("inside", "on_faces"),
    decide=decide,
    detected="A term with the name of a condition (bc, initial, wall, ...) has its points inside the box of all "
    "points, while a term with the name of an equation, or every other term, has its points on the faces of that box. "
    "A warning, in a finished network too: what else is said goes by measurement, never by names.",
    why="Weights are then set for the wrong term, by you or by a scheme that asks for a reference, and every plot is "
    "read the wrong way round.",
    fix="Exchange the two names where the terms are handed over.",
    overturned_by="Conditions inside the domain (an interface, an obstacle) under such a name.",
    reference="",
    fault=True,
)
