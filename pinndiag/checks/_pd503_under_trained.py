"""PD503: a training that ended too early. Speaks last."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence, History, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._batches import drawn_anew
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._course import fallen_late, falls_still, rate_left
from pinndiag.checks._gate import Gate, gate, work_left
from pinndiag.checks._measures import by_lbfgs, works
from pinndiag.checks._needs import absent
from pinndiag.checks._rates import spare_rate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    state = gate(record, thresholds)
    factor = _gain(record, thresholds)
    if not state.open or thresholds.alone_stuck.passed(factor):
        return CHECK.passed()
    course = _course(record.history, thresholds)
    evidence = [*course, *(work_left(record, n, thresholds) for n in state.open)]
    if math.isnan(factor):
        return _of_course(record, thresholds, state, evidence)
    early = thresholds.probe.passed(factor)
    what = "ended too early" if early else "is not finished, and no cause was seen"
    return CHECK.finding(
        f"the training {what}: the loss still falls {number(factor)}-fold in a short descent",
        state.severity(thresholds.probe.far(factor)),
        terms=list(state.open),
        evidence=[compared("factor the loss falls by (descent probe)", factor, thresholds.probe), *evidence],
        prescriptions=[
            *([] if early else remedies.look_closer(record)),
            *_onward(record, thresholds),
            remedies.lbfgs(),
        ],
        sure=state.sure("No other cause was found." + ("" if course else " The course of the loss is not known.")),
    )


def _gain(record: DiagnosisRecord, thresholds: Thresholds) -> float:
    """The factor of the descent probe; where the few points given are one batch of many, that on a large fixed set."""
    factor = math.nan if record.probe is None else record.probe.factor
    batches = record.noise
    if batches is None or batches.factor is None or not drawn_anew(record, thresholds):
        return factor
    return min(factor, batches.factor)


def _of_course(record: DiagnosisRecord, thresholds: Thresholds, state: Gate, evidence: list[Evidence]) -> Outcome:
    """Without the descent probe: by how the run went, else a warning that no cause was seen."""
    history = record.history
    late = None if history is None else fallen_late(history)
    left = None if history is None else rate_left(history)
    worst, step = state.open[0], None if record.start is None else record.start.update
    title, grave, more = "the training is not finished, and no cause was seen", False, ""
    if history is not None and late is not None and falls_still(history, thresholds):
        title = (
            f"the training ended while the loss still fell, by {number(late)} decades in the last quarter of the run"
        )
        grave = history.ended and thresholds.late_fall.far(late)
        more = "" if history.ended else "If the training goes on, nothing is wrong."
    elif left is not None and thresholds.rate_left.passed(left):
        title = f"the learning rate has decayed to {number(left)} of its largest, and the training is not finished"
        grave = thresholds.rate_left.far(left)
    elif step is not None and thresholds.tiny_update.passed(step):
        title = f"the first step moved the parameters by {number(100 * step)} % of their size: the rate is tiny"
        grave = thresholds.tiny_update.far(step)
        evidence = [compared("first step / size of the initial parameters", step, thresholds.tiny_update), *evidence]
    why = (record.probe.reason if record.probe is not None else absent(record, "probe")) or "no number"
    return CHECK.finding(
        f"{title}: remaining work {number(works(record)[worst])} in {quoted(worst)}",
        state.severity(grave),
        terms=list(state.open),
        evidence=evidence,
        prescriptions=[*remedies.look_closer(record), *_onward(record, thresholds)],
        sure=state.sure(f"Without the descent probe the cause is a guess ({why}). {more}".strip()),
    )


def _onward(record: DiagnosisRecord, thresholds: Thresholds) -> list[Prescription]:
    """Larger steps first where they are known to be short, else more of them."""
    spare = spare_rate(record, thresholds)
    if spare is None or by_lbfgs(record):
        return [remedies.train_longer(at_its_limit=spare is None)]
    if math.isnan(spare):
        return [remedies.train_longer(), remedies.larger_rate(None)]
    return [remedies.larger_rate(spare), remedies.train_longer()]


def _course(history: History | None, thresholds: Thresholds) -> list[Evidence]:
    """What a run says of it."""
    late = None if history is None else fallen_late(history)
    left = None if history is None else rate_left(history)
    evidence = []
    if late is not None:
        evidence.append(compared("decades the loss fell in the last quarter of the run", late, thresholds.late_fall))
    if left is not None and thresholds.rate_left.passed(left):
        evidence.append(compared("learning rate at the end / the largest of the run", left, thresholds.rate_left))
    return evidence


CHECK = Check(
    code="PD503",
    pathology="under_trained",
    title="The training ended too early",
    passing="The training did not end too early",
    needs=("terms.work",),
    thresholds=("probe", "alone_stuck", "late_fall", "rate_left", "tiny_update", "work"),
    decide=decide,
    detected="Work is left, a hundred L-BFGS iterations on a copy lower the loss thirtyfold or more, and no other "
    "problem was found; a warning from twofold on. Without the descent probe a run is looked at: a loss that still "
    "fell in its last quarter (by medians of the quarters), a learning rate that has decayed a thousandfold, or a "
    "first step that hardly moved the parameters. Else it is a warning that no cause was seen, where there is no other "
    "warning.",
    why="The network has not got where it can get.",
    fix="Where the first step was short against the parameters and the stability limit is far away, raise the learning "
    "rate: more of such steps gain next to nothing. Else train longer. Then add an L-BFGS phase.",
    overturned_by="Any other cause: this check speaks last.",
    reference="Own measurements",
    last=True,
)
