"""PD001: NaN or infinity in a loss, a gradient or a parameter."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence, TermRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome
from pinndiag.checks._rates import lower_rate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    if not record.terms and record.parameters is None:
        return CHECK.not_applicable("nothing was measured")
    losses = sorted(name for name, term in record.terms.items() if not math.isfinite(term.loss))
    points = sorted(n for n, found in record.pointwise.items() if found.nonfinite and n not in losses)
    gradients = sorted(name for name, term in record.terms.items() if _broken(term) and name not in losses + points)
    weights = sorted(name for name, term in record.terms.items() if not math.isfinite(term.weight))
    layers = [] if record.parameters is None else [entry for entry in record.parameters.layers if entry.nonfinite]
    entries = 0 if record.parameters is None else max(record.parameters.nonfinite, sum(e.nonfinite for e in layers))
    if not (losses or points or gradients or weights or entries):
        return CHECK.passed()
    evidence = [_evidence(f"loss of {quoted(n)}", record.terms[n].loss) for n in losses]
    evidence += [
        _evidence(f"residuals of {quoted(n)} that are not finite", record.pointwise[n].nonfinite) for n in points
    ]
    evidence += [
        _evidence(f"entries of the gradient of {quoted(n)} that are not finite", record.terms[n].nonfinite)
        for n in gradients
    ]
    evidence += [_evidence(f"weight of {quoted(n)}", record.terms[n].weight) for n in weights]
    evidence += [_evidence(f"parameters of layer {quoted(e.name)} that are not finite", e.nonfinite) for e in layers]
    evidence += _where(record, losses + points)
    if entries:
        title = f"{entries} parameters are NaN or infinite"
        cures = [remedies.smaller_rate(lower_rate(record, thresholds), anew=True), remedies.safe_where()]
        if _broken_start(record):
            evidence.append(_evidence("gradients at the stored initial parameters", "not finite"))
            cures.reverse()
    elif losses or points:
        title = f"the residual of {listed(losses + points)} is NaN or infinite"
        cures = [remedies.safe_where(), remedies.drop_points()]
    elif gradients:
        title = f"the gradient of {listed(gradients)} is NaN or infinite, though the loss is not"
        cures = [remedies.safe_where(), remedies.drop_points()]
    else:
        title = f"the weight of {listed(weights)} is NaN or infinite"
        cures = []
    if not entries and _finite_start(record):
        evidence.append(_evidence("losses at the stored initial parameters", "finite"))
        cures.append(remedies.smaller_rate(lower_rate(record, thresholds), anew=True))
    terms = list(dict.fromkeys(losses + points + gradients + weights))
    return CHECK.finding(title, "problem", terms=terms, evidence=evidence, prescriptions=cures, sure="Certain.")


def _broken(term: TermRecord) -> bool:
    return term.nonfinite > 0 or not math.isfinite(term.grad_l2)


def _finite_start(record: DiagnosisRecord) -> bool:
    losses = [] if record.start is None else list(record.start.losses.values())
    return bool(losses) and all(math.isfinite(loss) for loss in losses)


def _broken_start(record: DiagnosisRecord) -> bool:
    """Whether a gradient was not finite before any step: then no learning rate is to blame."""
    return record.start is not None and not all(map(math.isfinite, record.start.grad_l2.values()))


def _where(record: DiagnosisRecord, names: list[str]) -> list[Evidence]:
    """Coordinates of the first points whose residual is not finite."""
    found = []
    for name in names:
        field = record.pointwise[name].field if name in record.pointwise else None
        if field is None:
            continue
        bad = [i for i, r in enumerate(field.values.get("residual", [])) if not math.isfinite(r)]
        places = ["(" + ", ".join(f"{c[i]:.4g}" for c in field.coordinates if i < len(c)) + ")" for i in bad]
        distinct = list(dict.fromkeys(places))
        if distinct:
            more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
            where = "; ".join(distinct[:3]) + more
            found.append(_evidence(f"where the residual of {quoted(name)} is not finite", where))
    return found


def _evidence(name: str, value: float | int | str) -> Evidence:
    return Evidence(name=name, value=value, threshold=None, source="any is a fault")


CHECK = Check(
    code="PD001",
    pathology="nonfinite",
    title="Something is NaN or infinite",
    passing="Losses, gradients and parameters are finite",
    needs=(),
    thresholds=(),
    decide=decide,
    detected="Any NaN or infinity in a term's loss, residual, gradient or weight, or in a parameter. The points are "
    "named where they are known. A finite loss with a NaN gradient happens: torch.where hides sqrt(0), log(0) or a "
    "division by a radius in the forward pass, not in the backward pass.",
    why="One NaN in a gradient makes every parameter NaN at the next step. Nothing else can be judged before it is "
    "mended.",
    fix="Guard the argument of the operator, or move or drop the points. If all was finite at the start, lower the "
    "learning rate, to half the limit at the start where that is known, and begin anew: nothing leads back from NaN.",
    overturned_by="Nothing: a finding is a fact. Only its cause is open: finite at the start and not now means "
    "divergence.",
    reference="PyTorch documentation on torch.where and the gradients of masked values",
    fault=True,
)
