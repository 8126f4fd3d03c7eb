"""The gate of every check: is the work finished?

Almost every alarming statistic is also seen in healthy networks; what separates them is unfinished work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

from pinndiag._records import DiagnosisRecord, Evidence, Severity
from pinndiag.checks._check import compared
from pinndiag.checks._constancy import Constancy, constancy
from pinndiag.checks._digits import lost_digits
from pinndiag.checks._measures import (
    counted,
    first_layer_at_start,
    first_layer_now,
    held_out,
    noise_like,
    unsolved,
    works,
)
from pinndiag.checks._thresholds import Threshold, Thresholds
from pinndiag.checks._wording import listed, number, quoted, worst_first

__all__ = ["Gate", "gate", "work_left"]


@final
@dataclass(frozen=True)
class Gate:
    """Whether a network is finished, and how that is known.

    Attributes:
        state: "finished", "unfinished", or "unknown".
        open: terms with work left, the most first.
        words: the state in a clause.
        unseen: parts of the judgement that were not measured, in words.
    """

    state: Literal["finished", "unfinished", "unknown"]
    open: tuple[str, ...]
    words: str
    unseen: tuple[str, ...] = ()

    def severity(self, grave: bool) -> Severity:
        """A finished network gets notes; an unknown one warnings at most; "problem" needs a threshold far passed."""
        if self.state == "finished":
            return "note"
        return "problem" if grave and self.state == "unfinished" else "warning"

    def allows(self, name: str) -> bool:
        """Whether a term has, or may have, work left."""
        return name in self.open or self.state == "unknown"

    def sure(self, more: str = "") -> str:
        """How sure a judgement is that rests on this gate."""
        words = [f"The work is {self.words}."]
        if self.state == "unknown":
            words.append("So this is a warning at most.")
        if self.unseen:
            words.append(f"Not looked at: {', '.join(self.unseen)}.")
        return " ".join([*words, more]).strip()


def gate(record: DiagnosisRecord, thresholds: Thresholds) -> Gate:
    """Finished: little work is left, and little of a zero output's loss, beyond noise in the data; fresh points agree,
    the output is not constant, and the precision is sound.
    """
    known = works(record)
    terms = counted(record)
    scalar = {n for n, t in terms.items() if t.work is not None and t.work.how != "residuals" and t.loss != 0}
    limits: dict[str, Threshold] = {n: thresholds.work_scalar if n in scalar else thresholds.work for n in known}
    by_work = worst_first({n: value for n, value in known.items() if limits[n].passed(value)})
    shares = unsolved(record, thresholds)
    left = [*by_work, *(n for n in worst_first(shares) if n in known and n not in by_work)]
    unseen = _unseen(record, thresholds)
    noise = noise_like(record, thresholds)
    if left and noise.issuperset(left):
        why = f"what is left in {listed(left)} does not agree between neighbouring points, as of noise"
        return Gate("unknown", (), f"unknown: {why}", unseen)
    left = [name for name in left if name not in noise]
    if left and left[0] not in by_work:
        share = f"{number(100 * shares[left[0]])} % of the loss of a zero output is left in {quoted(left[0])}"
        return Gate("unfinished", tuple(left), f"unfinished: {share}", unseen)
    if left:
        worst = left[0]
        most = "at most " if worst in scalar else ""
        words = f"unfinished: remaining work {most}{number(known[worst])} in {quoted(worst)}"
        return Gate("unfinished", tuple(left), f"{words} (finished is below {number(limits[worst].value)})", unseen)
    if not known:
        return Gate("unknown", (), "unknown: remaining work was not measured", unseen)
    failing = _failing(record, thresholds)
    if failing:
        return Gate("unfinished", (), failing, unseen)
    unsure = sorted(n for n in terms if n not in known or (n in scalar and thresholds.work.passed(known[n])))
    if unsure:
        why = f"only an upper figure of the remaining work, or none, is known of {listed(unsure)}"
        return Gate("unknown", (), f"unknown: {why}", unseen)
    worst = worst_first(known)[0]
    return Gate(
        "finished", (), f"finished: the largest remaining work is {number(known[worst])}, in {quoted(worst)}", unseen
    )


def work_left(record: DiagnosisRecord, name: str, thresholds: Thresholds) -> Evidence:
    """Remaining work of a term as evidence; of a scalar loss it is an upper figure, with a bound of its own."""
    term = record.terms[name]
    upper = term.work is not None and term.work.how != "residuals" and term.loss != 0
    bound = thresholds.work_scalar if upper else thresholds.work
    words = f"remaining work of {quoted(name)}" + (" (a scalar loss: an upper figure)" if upper else "")
    return compared(words, works(record)[name], bound)


def _failing(record: DiagnosisRecord, thresholds: Thresholds) -> str:
    """The first part of the conjunction that a network with little work fails, in words; "" when all hold."""
    ratios = held_out(record)
    between = {n: value for n, value in ratios.items() if thresholds.held_out.passed(value)}
    if between:
        worst = worst_first(between)[0]
        return f"unfinished: between its points {quoted(worst)} is {number(between[worst])} times larger than on them"
    shape = constancy(record, thresholds)
    if shape.constant:
        return f"unfinished: the output is constant ({_known_by(shape, record)})"
    if _scaled_badly(record, thresholds):
        return "unfinished: the first layer is as it started, far from the inputs' scale, so little work means nothing"
    # of a converged network the gradient is rounding before long: a residual has to be lost
    lost = lost_digits(record, thresholds, work_left=False).rounding
    return "unfinished: a residual is lost in rounding" if lost else ""


def _known_by(shape: Constancy, record: DiagnosisRecord) -> str:
    if shape.by == "ratio" and record.constant is not None:
        return f"the best constant has {number(record.constant.ratio)} times its loss"
    return shape.words


def _scaled_badly(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the first layer was far from the inputs' scale at the start and still is.

    Coordinates of a thousand make every derivative with respect to the weights large, and so the work small.
    """
    start, now = first_layer_at_start(record), first_layer_now(record, every=False)
    if start is None or now is None:
        return False
    share, spread = thresholds.first_saturation, thresholds.first_spread
    saturated = share.far(start.saturation) and share.far(now.saturation)
    return saturated or (spread.far(start.spread) and spread.far(now.spread))


def _unseen(record: DiagnosisRecord, thresholds: Thresholds) -> tuple[str, ...]:
    unseen = []
    if not held_out(record):
        unseen.append("fresh points")
    if constancy(record, thresholds).constant is None:
        unseen.append("whether the output is constant")
    double = record.run.dtype in ("float64", "complex128")
    if not double and (record.precision is None or math.isnan(record.precision.gradient)):
        unseen.append("rounding")
    return tuple(unseen)
