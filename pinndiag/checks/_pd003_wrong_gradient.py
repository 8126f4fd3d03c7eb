"""PD003: a gradient that is not the gradient of the loss."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome
from pinndiag.checks._measures import counted
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, number, quoted, worst_first

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    done = {n: t.derivative_check for n, t in counted(record).items() if t.derivative_check is not None}
    errors = {n: c.error for n, c in done.items() if c.error is not None and c.settled and c.error >= 0}
    if not errors:
        said = sorted({c.reason for c in done.values() if c.reason})
        return CHECK.not_applicable(said[0] if said else "the difference quotients did not settle")
    bound = thresholds.derivative
    wrong = {n: error for n, error in errors.items() if bound.passed(error)}
    if not wrong:
        return CHECK.passed()
    names = worst_first(wrong)
    evidence = [
        Evidence(
            name=f"disagreement of the gradient of {quoted(n)} with difference quotients, relative",
            value=wrong[n],
            threshold=bound.value,
            source=bound.source,
        )
        for n in names
    ]
    return CHECK.finding(
        f"the gradient of {listed(names)} is off by {number(100 * wrong[names[0]])} % from the loss it belongs to",
        "problem" if bound.far(wrong[names[0]]) else "warning",
        terms=names,
        evidence=evidence,
        prescriptions=[remedies.check_create_graph(names[0])],
        sure=f"Checked in float64 along {done[names[0]].directions} directions with two step sizes that agree.",
    )


CHECK = Check(
    code="PD003",
    pathology="wrong_gradient",
    title="The gradient of a term is not the gradient of its loss",
    passing="The gradients agree with difference quotients",
    needs=("terms.derivative_check",),
    thresholds=("derivative",),
    decide=decide,
    detected="Central differences of the term's loss along random directions, in float64 and with the same random "
    "numbers, are compared with the gradient. Directions whose quotient has not settled (two step sizes disagree) or "
    "is negligible against the loss are not judged.",
    why="The optimizer follows a direction that does not lower the loss it is shown. The training may even seem to "
    "work.",
    fix="Take inner derivatives with create_graph=True; look for detach, .data, in-place changes and custom backward "
    "passes. With LayerNorm, or BatchNorm in training mode, in a network whose second derivatives a term holds, the "
    "mistake is torch's: version 2.13 differentiates their kernels wrongly on the CPU (gradients 0.4 to 1 off by "
    "difference quotients; weight_norm: right gradients, wrong curvature). nn.GroupNorm(1, width) in place of "
    "nn.LayerNorm(width), nn.RMSNorm and BatchNorm in evaluation mode are right.",
    overturned_by="A deliberate stop-gradient (the weights of SA-PINN, causal weights): hold those weights fixed, or "
    "ignore PD003. Kinks such as ReLU or abs at the very points.",
    reference="PyTorch documentation, Gradcheck mechanics",
    fault=True,
)
