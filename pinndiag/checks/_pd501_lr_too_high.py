"""PD501: a learning rate beyond the stability limit."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Evidence, Stability
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._course import leap, risen_again
from pinndiag.checks._gate import gate
from pinndiag.checks._measures import fall, growth, lost_gradients, start_gradients
from pinndiag.checks._needs import reason
from pinndiag.checks._pd104_saturation import saturated, saturated_now
from pinndiag.checks._rates import lower_rate
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import listed, number, quoted

__all__ = ["CHECK"]


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    stability = None if record.spectrum is None else record.spectrum.stability
    rate = None if record.start is None else record.start.lr_sigma_max
    risen = growth(record)
    if stability is None and rate is None and risen is None and record.history is None:
        return CHECK.not_applicable(
            f"needs the stability limit: {reason(record, ('curvature.stability', 'curvature'))}"
        )
    now, start = thresholds.sharpness, thresholds.start_sharpness
    evidence, titles, grave = [], [], False
    lost = lost_gradients(record)
    if lost:
        evidence += [
            Evidence(name=f"gradient of {quoted(n)} now (at the start {number(start_gradients(record)[n])})", value=0.0)
            for n in lost
        ]
        titles.append(f"the training has driven the network to where no gradient of {listed(lost)} is left")
        grave = True
    if risen is not None and thresholds.rise.passed(risen):
        shares = saturated_now(record)
        evidence.append(compared("weighted total now / at the start", risen, thresholds.rise))
        evidence += (
            [compared("smallest saturated share of a layer now", min(shares.values()), thresholds.saturation)]
            if shares
            else []
        )
        titles.append(f"the loss has grown {number(risen)}-fold since the start")
        grave |= thresholds.rise.far(risen)
    back = None if record.history is None else risen_again(record)
    if back is not None and thresholds.rise.passed(back):
        evidence.append(compared("median loss of the last quarter of the run / of its best one", back, thresholds.rise))
        titles.append(f"the loss has risen {number(back)}-fold again since its best quarter of the run")
        grave |= thresholds.rise.far(back)
    leapt = None if record.history is None else leap(record)
    if leapt is not None and thresholds.leap.passed(leapt):
        evidence.append(compared("largest loss of the run / the first one", leapt, thresholds.leap))
        titles.append(f"the loss leapt to {number(leapt)} times its first value")
        grave |= thresholds.leap.far(leapt)
    if rate is not None and start.passed(rate / 2):
        evidence.append(compared("learning rate x sigma_max / 2 at the start (stable below 1)", rate / 2, start))
        titles.append(f"the learning rate was {number(rate / 2)} times the stability limit at the start")
        grave |= start.far(rate / 2)
    update = None if record.start is None else record.start.update
    if update is not None and thresholds.update.passed(update):
        evidence.append(compared("first step / size of the initial parameters", update, thresholds.update))
        titles.append(f"the first step moved the parameters by {number(100 * update)} % of their size")
        grave |= thresholds.update.far(update) or (risen is not None and thresholds.rise.passed(risen))
    fallen = fall(record)  # far beyond the limit nothing falls: there another optimizer had the last word
    got_there = fallen is not None and not thresholds.loss_fall.passed(fallen)
    if stability is not None and now.passed(stability.sharpness) and not _at_rest(record, thresholds):
        titles.append(f"the learning rate is {number(stability.sharpness)} times the stability limit")
        grave |= now.far(stability.sharpness) and not got_there
    if stability is not None:
        evidence += _limits(stability, thresholds)
    state = gate(record, thresholds)
    if titles:
        grown = risen is not None and thresholds.rise.passed(risen)
        spoiled = grown or thresholds.update.far(update or 0.0) or bool(lost or saturated(record, thresholds))
        return CHECK.finding(
            titles[0],
            state.severity(grave),
            terms=[],
            evidence=evidence,
            prescriptions=[remedies.smaller_rate(lower_rate(record, thresholds), anew=spoiled)],
            sure=state.sure(
                "The limit is that of the quadratic model at this point; Lanczos may miss a larger eigenvalue."
            ),
        )
    if stability is not None and 0.8 <= stability.sharpness <= now.value:
        title = (
            f"the training rides the edge of stability (learning rate {number(stability.sharpness)} times the limit)"
        )
        return CHECK.finding(title, "note", terms=[], evidence=evidence, sure="Usual: the loss still falls there.")
    return CHECK.passed()


def _at_rest(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the descent probe does not gain twofold: steps that overshoot do not end at a minimum.

    Another optimizer may have had the last word, such as L-BFGS after Adam.
    """
    return record.probe is not None and thresholds.alone_stuck.passed(record.probe.factor)


def _limits(stability: Stability, thresholds: Thresholds) -> list[Evidence]:
    return [
        compared("learning rate / largest stable one", stability.sharpness, thresholds.sharpness),
        Evidence(name=f"largest stable learning rate of {stability.optimizer} here", value=stability.limit),
        Evidence(name="learning rate in use", value=stability.lr),
    ]


CHECK = Check(
    code="PD501",
    pathology="lr_too_high",
    title="The learning rate is too high",
    passing="The learning rate is below the stability limit",
    needs=("terms",),
    thresholds=("sharpness", "start_sharpness", "update", "rise", "leap", "loss_fall", "alone_stuck", "saturation"),
    decide=decide,
    detected="The learning rate against the largest one that is stable for the local quadratic model: 2 / sigma_max "
    "for gradient descent; for Adam the limit of its preconditioned Hessian; not where the descent probe finds no way "
    "down, for steps that overshoot do not end at a minimum, and a warning at most where the loss has fallen by a "
    "decade since the start. At the start it counts for plain descent only. A first "
    "step that is large against the parameters, a total loss that has grown since the start, one that leapt far above "
    "its first value in a run or has risen again in the last quarter, and a gradient that vanished in the training "
    "count too; a large first step together with a grown loss is a problem. Between 0.8 and the bound it is a note: "
    "riding the edge is normal.",
    why="Beyond the limit each step overshoots along the sharpest direction; the loss rises until the units saturate.",
    fix="Lower the learning rate to half the limit, or let it decay; begin anew where the loss has grown, the first "
    "step was as large as the network, a gradient is lost or units are saturated. The start counts, by half the limit "
    "of plain descent and by a first step of about a hundredth of the parameters: where too large steps have ended, "
    "the present limit may be high.",
    overturned_by="A loss whose medians still fall: training at the edge of stability is normal.",
    reference="Cohen et al. 2021; Cohen et al. 2022 (arXiv 2207.14484)",
    symptom_of=("input_scaling", "unscaled_problem", "bad_initialisation"),
)
