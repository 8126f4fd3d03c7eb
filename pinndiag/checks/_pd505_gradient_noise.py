"""PD505: mini-batches so small that the training follows the points drawn."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._batches import drawn_anew
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._course import fallen_late, falls_still
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted
from pinndiag.checks._needs import reason
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]

CURES = (remedies.larger_batch(), remedies.averaged_parameters(), remedies.decayed_rate())


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    noise, history = record.noise, record.history
    if noise is None:
        return _of_run(record, thresholds)
    state = gate(record, thresholds)
    if not thresholds.noise.passed(noise.ratio) or not (state.open or state.state == "unknown"):
        return CHECK.passed()
    anew = drawn_anew(record, thresholds)
    at_once = record.probe is not None and thresholds.probe.passed(record.probe.factor)
    blind = anew and at_once and thresholds.noise.far(noise.ratio)  # the points given are learned at once, others never
    if noise.factor is not None and not thresholds.common_way.passed(noise.factor) and not blind:
        return CHECK.passed()  # a large fixed set would not get further
    late = None if history is None else fallen_late(history)
    if history is not None and falls_still(history, thresholds):
        return CHECK.passed()
    if late is None and not anew:
        return CHECK.passed()  # any unfinished network of fixed points looks the same
    evidence = [compared("mean gradient / its standard deviation over fresh batches", noise.ratio, thresholds.noise)]
    if noise.factor is not None:
        name = "factor the loss falls by on one large fixed set (descent probe, judged on another)"
        evidence.append(compared(name, noise.factor, thresholds.common_way))
    if late is not None:
        evidence.append(compared("decades the loss fell in the last quarter of the run", late, thresholds.late_fall))
    evidence += [
        Evidence(name=f"points of a batch of {quoted(n)}", value=float(size)) for n, size in noise.points.items()
    ]
    gain = f", while on a large fixed set the loss falls {number(noise.factor)}-fold" if noise.factor else ""
    grave = noise.factor is not None and thresholds.probe.far(noise.factor)
    return CHECK.finding(
        f"the gradient is {number(noise.ratio)} times its own noise from batch to batch{gain}",
        state.severity(grave and anew),
        terms=[n for n in noise.terms if math.isfinite(noise.terms[n])],
        evidence=evidence,
        prescriptions=CURES,
        sure=state.sure(
            "The points given are not fitted better than fresh ones, so the training has seen others."
            if anew
            else "Only if each step of the training draws new points, which cannot be told from here."
        ),
    )


def _of_run(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    """Without gradients on fresh batches: by how the losses of a run scatter from record to record."""
    history = record.history
    if history is None or history.scatter is None:
        why = reason(record, ("noise", "gradients")) if history is None else "the run has too few records"
        return CHECK.not_applicable(f"needs gradients on fresh batches, or the course of a training: {why}")
    state = gate(record, thresholds)
    if not thresholds.scatter.passed(history.scatter) or not (state.open or state.state == "unknown"):
        return CHECK.passed()
    falls, late = falls_still(history, thresholds), fallen_late(history)
    evidence = [compared("decades a loss lies off its neighbours, median", history.scatter, thresholds.scatter)]
    if late is not None:
        evidence.append(compared("decades the loss fell in the last quarter of the run", late, thresholds.late_fall))
    terms = counted(record)
    evidence += [Evidence(name=f"residuals of {quoted(n)} a step", value=float(t.entries)) for n, t in terms.items()]
    also = "It still falls, so that more steps help as well." if falls else ""
    seen = record.run.origin == "run" or drawn_anew(record, thresholds)
    if not seen:  # the terms at hand give the same whenever they are asked
        also = f"The terms at hand draw no new points, so that it is a warning at most. {also}".strip()
    return CHECK.finding(
        f"the loss jumps {number(10**history.scatter)}-fold from one record to the next, to and fro",
        state.severity(thresholds.scatter.far(history.scatter) and not falls and seen),
        terms=sorted(terms),
        evidence=evidence,
        prescriptions=CURES,
        sure=state.sure(f"Steps that are too large, at points that stay, look alike. {also}".strip()),
    )


CHECK = Check(
    code="PD505",
    pathology="gradient_noise",
    title="The mini-batches are too small",
    passing="The gradient is clear of the noise of its batches, or that noise does no harm",
    needs=("terms",),
    thresholds=("noise", "scatter", "common_way", "probe", "late_fall", "held_out_start", "work"),
    decide=decide,
    detected="With work left, the mean of the total gradient over 16 fresh batches is less than twice its standard "
    "deviation, and L-BFGS on one large fixed set lowers the loss on another one tenfold. In a run the loss must also "
    "have stopped falling. By itself the noise says nothing: every network near its optimum has as much. So without a "
    "run it is looked at only where it can be told that the points change during the training: terms that draw by "
    "themselves, or points so few for the network (ten parameters a residual) that it would have learned them by "
    "heart; where the mean is less than two thirds of the noise and a descent on the points given gains thirtyfold, "
    "whatever it gains on the large set. A problem only there, if the descent gains ninetyfold. Of a run without the "
    "network: the total lies off the middle of its two neighbouring records, by the median over the second half; a "
    "problem if it has also stopped falling, but not beside terms at hand that draw no new points.",
    why="Each step then follows the few points it was shown, and the network wanders about the solution instead of "
    "approaching it.",
    fix="Larger batches, or averaged parameters; a lower learning rate alone freezes the network where it is.",
    overturned_by="Points that stay the same during the training.",
    reference="own measurements; compare McCandlish et al. 2018 (arXiv 1812.06162)",
    symptom_of=(
        "input_scaling",
        "unscaled_problem",
        "bad_initialisation",
        "lr_too_high",
        "trivial_solution",
        "pde_dominates",
        "condition_dominates",
        "spectral_bias",
    ),
)
