"""PD505: mini-batches so small that the training follows the points drawn."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._course import fallen_late
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import counted, held_out
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK"]

MANY = 10.0  # parameters a residual from which points that stay are learned by heart


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    noise = record.noise
    assert noise is not None
    state = gate(record, thresholds)
    if not thresholds.noise.passed(noise.ratio) or not (state.open or state.state == "unknown"):
        return CHECK.passed()
    if noise.factor is not None and not thresholds.probe.passed(noise.factor):
        return CHECK.passed()  # a large fixed set would not get further
    late = None if record.history is None else fallen_late(record.history)
    if late is not None and thresholds.late_fall.passed(late):
        return CHECK.passed()
    anew = _drawn_anew(record, thresholds)
    if late is None and not anew:
        return CHECK.passed()  # any unfinished network of fixed points looks the same
    evidence = [compared("mean gradient / its standard deviation over fresh batches", noise.ratio, thresholds.noise)]
    if noise.factor is not None:
        name = "factor the loss falls by on one large fixed set (descent probe, judged on another)"
        evidence.append(compared(name, noise.factor, thresholds.probe))
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
        prescriptions=[remedies.larger_batch(), remedies.averaged_parameters(), remedies.decayed_rate()],
        sure=state.sure(
            "The points given are not fitted better than fresh ones, so the training has seen others."
            if anew
            else "Only if each step of the training draws new points, which cannot be told from here."
        ),
    )


def _drawn_anew(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the training saw other points than those given.

    A network with many more parameters than residuals fits points that stay far better than others. With fewer,
    unfinished trainings at fixed points have not got so far (benchmarks/calibration).
    """
    terms = counted(record)
    if any(term.random for term in terms.values()):
        return True
    ratios = held_out(record)
    entries = sum(term.entries for term in terms.values())
    return (
        MANY * entries < record.run.parameters
        and bool(ratios)
        and not any(thresholds.held_out_start.passed(ratio) for ratio in ratios.values())
    )


CHECK = Check(
    code="PD505",
    pathology="gradient_noise",
    title="The mini-batches are too small",
    passing="The gradient is clear of the noise of its batches, or that noise does no harm",
    needs=("terms", "noise"),
    thresholds=("noise", "probe", "late_fall", "held_out_start", "work"),
    decide=decide,
    detected="With work left, the mean of the total gradient over 16 fresh batches is less than twice its standard "
    "deviation, and L-BFGS on one large fixed set lowers the loss on another one thirtyfold. In a run the loss must "
    "also have stopped falling. By itself the noise says nothing: every network near its optimum has as much. So "
    "without a run it is looked at only where it can be told that the points change during the training: terms that "
    "draw by themselves, or points so few for the network (ten parameters a residual) that it would have learned them "
    "by heart. A problem only there.",
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
