"""PD201: one term is served at another's cost."""

from __future__ import annotations

import math

from pinndiag._records import DiagnosisRecord, Evidence, Prescription
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._balance import Domination, domination, pathology_of, sides, step_of_weight
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._gate import gate, work_left
from pinndiag.checks._measures import alone, held_out, quotient, works
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._travel import standing
from pinndiag.checks._wording import number, quoted

__all__ = ["CHECK", "cures"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    state = gate(record, thresholds)
    found = domination(record, thresholds, state)
    if found is None:
        return CHECK.passed()
    left = works(record)
    names = [n for n in state.open if left[n] > thresholds.work_ratio.value * left[found.strong] and n != found.strong]
    weak = [found.weak, *[n for n in names if n != found.weak]]
    fallen = _budget(record, found)
    share = compared(
        f"remaining work of {quoted(found.weak)} / of {quoted(found.strong)}", found.work, thresholds.work_ratio
    )
    ratios = _ratios(found, thresholds)
    by_pull = thresholds.pull_ratio.far(found.support) and not thresholds.work_ratio.far(found.work)
    evidence = [  # what decides the severity comes first
        *([*ratios, share] if by_pull else [share, *ratios]),
        work_left(record, found.weak, thresholds),
        *_own_weights(record, found, thresholds),
        *([] if fallen is None else [_budget_evidence(found, fallen)]),
    ]
    unhindered = _unhindered(record, found.weak, thresholds)
    grave = thresholds.work_ratio.far(found.work) or thresholds.pull_ratio.far(found.support)
    pulled = not (thresholds.pull_ratio.passed(found.now) or thresholds.pull_ratio.passed(found.start))
    still = pulled and bool(standing(record, thresholds, state))
    more = "L-BFGS lowers the weak term with these very weights, so they do not stand in its way." if unhindered else ""
    more = "Without the descent probe it may also be too early to tell." if record.probe is None else more
    held = thresholds.alone_stuck.passed(alone(record).get(found.weak, math.inf))
    more = "The weak term does not fall even alone, so it is not held back by the other one only." if held else more
    more = "Where the solution has not travelled, a condition is left over as well." if still else more
    return CHECK.finding(
        f"{quoted(found.strong)} dominates the training: {quoted(found.weak)} has {number(found.work)} times more work "
        f"left and {_claim(found, thresholds)}",
        state.severity(grave and not unhindered and not still and not held),
        terms=[*weak, found.strong],
        evidence=evidence,
        prescriptions=cures(record, found, thresholds),
        pathology=pathology_of(record, found.strong),
        sure=state.sure(f"Judged at one checkpoint, not over the run. {more}".strip()),
    )


def _unhindered(record: DiagnosisRecord, weak: str, thresholds: Thresholds) -> bool:
    """Whether the descent probe, with the weights as they are, also lowers the weak term by far."""
    if record.probe is None or weak not in record.probe.terms:
        return False
    fallen = quotient(record.terms[weak].loss, record.probe.terms[weak])
    return thresholds.probe.passed(record.probe.factor) and thresholds.probe.passed(fallen)


def cures(record: DiagnosisRecord, found: Domination, thresholds: Thresholds) -> list[Prescription]:
    """Balance by gradient norms first, then the feedback form of annealing, a fixed weight, an exact condition.

    Before them L-BFGS, where the descent probe has shown that it lowers the weak term with the weights as they are.
    """
    center, others = sides(record, found.strong)
    ratios = (found.start, found.now, found.pull)
    factor = step_of_weight(next((r for r in ratios if thresholds.pull_ratio.passed(r)), math.nan))
    name, factor = (found.strong, 1 / factor) if found.weak == center else (found.weak, factor)
    present = float(record.terms[name].weight)
    overfit = any(thresholds.held_out.passed(value) for value in held_out(record).values())
    return [
        *([remedies.lbfgs()] if _unhindered(record, found.weak, thresholds) else []),
        remedies.gradient_norm_weights(center, others, record),
        *([remedies.resample()] if overfit else []),  # measured: each of the two alone failed, together 4.7 to 0.04
        remedies.lr_annealing(center, record),
        remedies.fixed_weight(name, present * factor, present),
        remedies.exact_condition(),
    ]


def _own_weights(record: DiagnosisRecord, found: Domination, thresholds: Thresholds) -> list[Evidence]:
    """The user's own weights, where they speak for the stronger term."""
    ratio = abs(quotient(record.terms[found.strong].weight, record.terms[found.weak].weight))
    if not thresholds.pull_ratio.passed(ratio):
        return []
    return [Evidence(name=f"your weights: {quoted(found.strong)} / {quoted(found.weak)}", value=ratio)]


def _claim(found: Domination, thresholds: Thresholds) -> str:
    if thresholds.pull_ratio.passed(found.now):
        return f"receives {_less(found.now, 'gradient')}"
    if thresholds.pull_ratio.passed(found.start):
        return f"received {_less(found.start, 'gradient')} at the start"
    return f"its residuals pull {number(found.pull)} times less on the parameters"


def _less(ratio: float, what: str) -> str:
    return f"no {what}" if math.isinf(ratio) else f"{number(ratio)} times less {what}"


def _ratios(found: Domination, thresholds: Thresholds) -> list[Evidence]:
    figures = (
        ("weighted gradient norm now", found.now),
        ("weighted gradient norm at the start", found.start),
        ("weighted mean squared gradient of a residual", found.pull),
    )
    pair = f"{quoted(found.strong)} / {quoted(found.weak)}"
    known = sorted((f for f in figures if not math.isnan(f[1])), key=lambda f: -f[1])
    return [compared(f"{name}, {pair}", value, thresholds.pull_ratio) for name, value in known]


def _budget(record: DiagnosisRecord, found: Domination) -> float | None:
    """Decades by which `strong` fell more than `weak` since the start."""
    start = {} if record.start is None else record.start.losses
    pairs = [(start.get(n, math.nan), record.terms[n].loss) for n in (found.strong, found.weak)]
    if not all(0 < a < math.inf and 0 < b < math.inf for a, b in pairs):
        return None
    falls = [math.log10(a) - math.log10(b) for a, b in pairs]
    return falls[0] - falls[1]


def _budget_evidence(found: Domination, fallen: float) -> Evidence:
    return Evidence(
        name=f"decades {quoted(found.strong)} fell more than {quoted(found.weak)} since the start",
        value=fallen,
        threshold=3.0,
        source="measured where the residual dominated; supports, and is not asked for",
    )


CHECK = Check(
    code="PD201",
    pathology="pde_dominates",
    title="One term dominates the training at another's cost",
    passing="No term is served at another's cost",
    needs=("pair", "terms.work"),
    thresholds=("work", "work_ratio", "pull_ratio", "probe", "alone_stuck"),
    decide=decide,
    detected="A term has work left, far more than another one (`work_ratio`), and that other pulls harder "
    "(`pull_ratio`): by the weighted gradients at the start, by those now, or by w L / work, the weighted mean squared "
    "gradient of a single residual, which says the same at a stationary point. A problem where one of the two figures "
    "is at its second bound. The finding is called pde_dominates when the term with the most points inside the domain "
    "is the stronger one, else condition_dominates; names decide between equal numbers of points only. A warning at "
    "most where the descent probe lowers the weak term by far with the weights as they are, where the weak term does "
    "not fall twofold even alone, or where only w L / work speaks for it and the solution has not travelled (PD302).",
    why="The optimizer lowers what its gradient shows. An equation whose conditions are not learned has many "
    "solutions; conditions without the equation have more.",
    fix="Balance the gradient norms; or one larger weight for the weaker term; or satisfy the condition exactly. No "
    "scheme is safe everywhere: compare before and after. Where the descent probe lowers the weak term with the "
    "weights as they are, take its way, L-BFGS, first.",
    overturned_by="Weights that were changed shortly before the checkpoint; points learned by heart (then both need "
    "mending); noisy data, which no network should fit closer than their noise.",
    reference="Wang, Teng, Perdikaris 2021; Wang, Yu, Perdikaris 2022; Deguchi, Asai 2023",
    symptom_of=(
        "input_scaling",
        "unscaled_problem",
        "bad_initialisation",
        "lr_too_high",
        "insufficient_capacity",
        "trivial_solution",
        "inconsistent_terms",
        "spectral_bias",
    ),
)
