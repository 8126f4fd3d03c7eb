"""PD503: a training that ended too early. Speaks last."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate, work_left
from pinndiag.checks._measures import works
from pinndiag.checks._needs import absent
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    state = gate(record, thresholds)
    factor = math.nan if record.probe is None else record.probe.factor
    if not state.open or thresholds.probe.value > factor:
        return CHECK.passed()
    worst, left = state.open[0], works(record)
    evidence = [work_left(record, n, thresholds) for n in state.open]
    if math.isnan(factor):
        why = (record.probe.reason if record.probe is not None else absent(record, "probe")) or "no number"
        return CHECK.finding(
            f"the training is not finished, and no cause was seen: "
            f"remaining work {number(left[worst])} in {quoted(worst)}",
            "warning",
            terms=list(state.open),
            evidence=evidence,
            prescriptions=[*remedies.look_closer(record), remedies.train_longer()],
            sure=state.sure(f"Without the descent probe the cause is a guess ({why})."),
        )
    stability = None if record.spectrum is None else record.spectrum.stability
    limit, rate = (None, None) if stability is None else (stability.limit, stability.lr)
    return CHECK.finding(
        f"the training ended too early: the loss still falls {number(factor)}-fold in a short descent",
        state.severity(thresholds.probe.far(factor)),
        terms=list(state.open),
        evidence=[compared("factor the loss falls by (descent probe)", factor, thresholds.probe), *evidence],
        prescriptions=[remedies.train_longer(), remedies.larger_rate(limit, rate), remedies.lbfgs()],
        sure=state.sure("No other cause was found; the course of the loss is not known."),
    )


CHECK = Check(
    code="PD503",
    pathology="under_trained",
    title="The training ended too early",
    passing="The training did not end too early",
    needs=("terms.work",),
    thresholds=("probe", "work"),
    decide=decide,
    detected="Work is left, a hundred L-BFGS iterations on a copy lower the loss thirtyfold or more, and no other "
    "problem was found. Without the descent probe it is a warning that no cause was seen, where there is no other "
    "warning.",
    why="The network has not got where it can get.",
    fix="Train longer, with a larger rate if the stability limit is far away; add an L-BFGS phase.",
    overturned_by="Any other cause: this check speaks last.",
    reference="Own measurements",
    last=True,
)
