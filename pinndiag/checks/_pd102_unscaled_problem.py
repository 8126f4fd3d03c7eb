"""PD102: a problem that was not made dimensionless."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted, fall, quotient, start_gradients
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    gradients = start_gradients(record)
    start = {} if record.start is None else record.start.work
    works = {n: start[n].value for n in counted(record) if n in start}
    far = {n: value for n, value in works.items() if thresholds.start_work.passed(value)}
    fallen = fall(record)
    if far and fallen is not None and thresholds.loss_fall.passed(fallen):
        return _output(record, thresholds, far, fallen)
    names = worst_first(gradients)
    if len(names) < 2 or far:
        return CHECK.passed()
    ratio = quotient(gradients[names[0]], gradients[names[-1]])
    weights = quotient(abs(record.terms[names[0]].weight), abs(record.terms[names[-1]].weight))
    if not thresholds.start_ratio.passed(ratio) or gradients[names[-1]] == 0:
        return CHECK.passed()
    if not thresholds.start_ratio.passed(ratio / weights):  # the weights make it, not the problem: PD201 judges them
        return CHECK.passed()
    state = gate(record, thresholds)
    title = f"at the start {quoted(names[0])} had {number(ratio)} times the gradient of {quoted(names[-1])}"
    return CHECK.finding(
        f"{title}: the terms were not scaled",
        state.severity(thresholds.start_ratio.far(ratio)),
        terms=[names[-1], names[0]],
        evidence=[compared("largest / smallest weighted gradient norm at the start", ratio, thresholds.start_ratio)],
        prescriptions=[remedies.scale_losses(), remedies.gradient_norm_weights(names[0], [names[-1]], record)],
        sure=state.sure(),
    )


def _output(record: DiagnosisRecord, thresholds: Thresholds, far: dict[str, float], fallen: float) -> Outcome:
    names = worst_first(far)
    state = gate(record, thresholds)
    evidence = [compared(f"remaining work of {quoted(n)} at the start", far[n], thresholds.start_work) for n in names]
    evidence.append(compared("decades the weighted total fell since the start", fallen, thresholds.loss_fall))
    return CHECK.finding(
        f"{listed(names)} asks for an output far larger than the network gives",
        state.severity(thresholds.start_work.far(far[names[0]])),
        terms=names,
        evidence=evidence,
        prescriptions=[remedies.scale_output(), remedies.scale_losses()],
        sure=state.sure(),
    )


CHECK = Check(
    code="PD102",
    pathology="unscaled_problem",
    title="The problem was not made dimensionless",
    passing="The terms and the output have ordinary sizes at the start",
    needs=("start",),
    thresholds=("start_ratio", "start_work", "loss_fall"),
    decide=decide,
    detected="At the stored initial parameters, either the gradients of two terms differ by more than a million, "
    "weighted and unweighted, while the remaining work is ordinary (the losses' scales), or the remaining work is "
    "above a million and the loss has since fallen by less than a decade (the output's scale). Of a scalar loss the "
    "upper figure is taken: far from any minimum it is not far off.",
    why="Coefficients or unknowns many decades from one put part of the problem out of the optimizer's sight.",
    fix="Divide each term by its size at the start, or scale the network's output to the size of the solution.",
    overturned_by="A finished network.",
    reference="Wang et al. 2023, An Expert's Guide to Training PINNs",
    symptom_of=("input_scaling", "bad_initialisation"),
)
