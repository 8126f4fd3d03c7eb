"""PD504: an L-BFGS that stopped by its absolute tolerances."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    optimizer, probe = record.run.optimizer, record.probe
    assert probe is not None
    if optimizer is None or "lbfgs" not in optimizer.kind.casefold().replace("-", ""):
        return CHECK.not_applicable("the optimizer is not L-BFGS" if optimizer else "the optimizer is not known")
    total = sum(term.weight * term.loss for term in counted(record).values())
    if not (thresholds.stop_loss.passed(total) and thresholds.stop_probe.passed(probe.factor)):
        return CHECK.passed()
    state = gate(record, thresholds)
    return CHECK.finding(
        f"L-BFGS stopped at a loss of {number(total)}, though it falls {number(probe.factor)}-fold when scaled",
        state.severity(thresholds.stop_probe.far(probe.factor)),
        terms=[],
        evidence=[
            compared("factor the scaled loss falls by in float64 (descent probe)", probe.factor, thresholds.stop_probe),
            compared("weighted total loss", total, thresholds.stop_loss),
            Evidence(name="optimizer", value=optimizer.kind),
        ],
        prescriptions=[remedies.scaled_lbfgs()],
        sure=state.sure(),
    )


CHECK = Check(
    code="PD504",
    pathology="premature_stop",
    title="The optimizer stopped by itself",
    passing="L-BFGS did not stop early by its absolute tolerances",
    needs=("terms", "probe"),
    thresholds=("stop_probe", "stop_loss"),
    decide=decide,
    detected="The optimizer is L-BFGS, the weighted total is far below one in absolute size, and the same method in "
    "float64 with a scaled loss still falls a hundredfold, with work left.",
    why="torch's L-BFGS stops at absolute sizes of gradient and change. A small loss reaches them long before it is "
    "solved.",
    fix="Scale the loss to between 1 and 1e4, set the tolerances to zero, use float64; or Adam.",
    overturned_by="A run that was ended by hand.",
    reference="PyTorch documentation, torch.optim.LBFGS",
    symptom_of=("precision_floor",),
)
