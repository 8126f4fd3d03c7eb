"""The gate of every check: is the work finished?

Almost every alarming statistic is also seen in healthy networks; what separates them is unfinished work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

from pinndiag._records import DiagnosisRecord, Evidence, Severity
from pinndiag.checks._check import compared
from pinndiag.checks._constancy import constancy
from pinndiag.checks._measures import counted, held_out, noise_like, works
from pinndiag.checks._shares import solved, unsolved, violated
from pinndiag.checks._thresholds import Threshold, Thresholds
from pinndiag.checks._unfinished import contradicted, failing, only_work
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
        far: whether an unfinished network is so by more than the threefold of a bound.
        suspected: whether little work is left in the open terms, and yet the network is not the solution.
    """

    state: Literal["finished", "unfinished", "unknown"]
    open: tuple[str, ...]
    words: str
    unseen: tuple[str, ...] = ()
    far: bool = True
    suspected: bool = False

    def severity(self, grave: bool) -> Severity:
        """A finished network gets notes; an unknown one, or a nearly finished one, warnings at most.

        A "problem" needs a threshold far passed.
        """
        if self.state == "finished":
            return "note"
        return "problem" if grave and self.far and self.state == "unfinished" else "warning"

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
    """Finished: little work is left, and little of the loss of a zero or constant output, beyond noise in the data;
    conditions hold on the scale of the output; the error against a known solution is small; fresh points agree, the
    output is not constant, the precision is sound.
    """
    known = works(record)
    unseen = _unseen(record, thresholds)
    limits = {n: _limit(record, n, thresholds) for n in known}
    by_work = worst_first({n: value for n, value in known.items() if limits[n].passed(value)})
    shares = unsolved(record, thresholds)
    broken = {n: share for n, share in violated(record, thresholds).items() if n not in shares}
    rest = [n for n in (*worst_first(shares), *worst_first(broken)) if n in known and n not in by_work]
    left = [*by_work, *rest]
    noise = noise_like(record, thresholds)
    only_noise = bool(left) and noise.issuperset(left)
    left = [name for name in left if name not in noise]
    if left and left[0] not in by_work:
        worst = left[0]
        share = (
            f"{number(100 * shares[worst])} % of the loss of a zero output is left in {quoted(worst)}"
            if worst in shares
            else f"{quoted(worst)} is off by {number(100 * math.sqrt(broken[worst]))} % of the output's spread"
        )
        return Gate("unfinished", tuple(left), f"unfinished: {share}", unseen)
    if left:
        worst = left[0]
        most = "at most " if _upper(record, worst) else ""
        words = f"unfinished: remaining work {most}{number(known[worst])} in {quoted(worst)}"
        words = f"{words} (finished is below {number(limits[worst].value)})"
        far = any(n not in by_work or limits[n].far(known[n]) for n in left)
        if solved(record, thresholds):  # a little more work does not make a problem of a network that is right
            return Gate("unfinished", tuple(left), f"{words}, though the error is small", unseen, False)
        return Gate("unfinished", tuple(left), words, unseen, far or not only_work(record, thresholds))
    every = tuple(n for n in worst_first(known) if known[n] > 0 and n not in noise)
    wrong = contradicted(record, thresholds)
    if wrong is not None:  # any term may have some left
        return Gate("unfinished", every, f"unfinished: {wrong.words}", unseen, wrong.far, suspected=True)
    if only_noise:
        why = f"what is left in {listed(sorted(noise.intersection(known)))} does not agree between neighbouring points"
        return Gate("unknown", (), f"unknown: {why}, as of noise", unseen)
    if not known:
        return Gate("unknown", (), "unknown: remaining work was not measured", unseen)
    fails = failing(record, thresholds)
    if fails:
        return Gate("unfinished", (), fails, unseen)
    unsure = sorted(
        n for n in counted(record) if n not in known or (_upper(record, n) and thresholds.work.passed(known[n]))
    )
    if unsure:
        why = f"only an upper figure of the remaining work, or none, is known of {listed(unsure)}"
        return Gate("unknown", (), f"unknown: {why}", unseen)
    worst = worst_first(known)[0]
    return Gate(
        "finished", (), f"finished: the largest remaining work is {number(known[worst])}, in {quoted(worst)}", unseen
    )


def work_left(record: DiagnosisRecord, name: str, thresholds: Thresholds) -> Evidence:
    """Remaining work of a term as evidence; of a scalar loss it is an upper figure, with a bound of its own."""
    upper = " (a scalar loss: an upper figure)" if _upper(record, name) else ""
    return compared(f"remaining work of {quoted(name)}{upper}", works(record)[name], _limit(record, name, thresholds))


def _upper(record: DiagnosisRecord, name: str) -> bool:
    """Whether only an upper figure of a term's remaining work is known, as of a scalar loss."""
    term = record.terms[name]
    return term.work is not None and term.work.how != "residuals" and term.loss != 0


def _limit(record: DiagnosisRecord, name: str, thresholds: Thresholds) -> Threshold:
    return thresholds.work_scalar if _upper(record, name) else thresholds.work


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
