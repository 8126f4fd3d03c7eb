"""PD504: an optimizer that stopped by itself, as L-BFGS does by its absolute tolerances."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Evidence, OptimizerCard
from pinndiag.checks import _remedies as remedies
from pinndiag.checks._check import Check, Outcome, compared
from pinndiag.checks._course import rate_left, standing_since
from pinndiag.checks._gate import Gate, gate
from pinndiag.checks._measures import by_lbfgs, counted
from pinndiag.checks._needs import reason
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number

__all__ = ["CHECK"]

LIMITS = (("n_iter", "max_iter"), ("func_evals", "max_eval"))  # what torch's L-BFGS counts, and the most in one call


def decide(record: DiagnosisRecord, thresholds: Thresholds) -> Outcome:
    state = gate(record, thresholds)
    stood = None if record.history is None else standing_since(record.history)
    rate = None if record.history is None else rate_left(record.history)
    decayed = rate is not None and thresholds.rate_left.passed(rate)  # then PD503 says so
    if stood is not None and thresholds.standing.passed(stood[1]) and not decayed and state.state != "finished":
        return _stood(state, *stood, thresholds)
    optimizer, probe = record.run.optimizer, record.probe
    if optimizer is None or not by_lbfgs(record):
        if record.history is not None:
            return CHECK.passed()  # it moved to the end
        return CHECK.not_applicable("the optimizer is not L-BFGS" if optimizer else "the optimizer is not known")
    total = sum(term.weight * term.loss for term in counted(record).values())
    falls = probe is not None and thresholds.stop_loss.passed(total) and thresholds.stop_probe.passed(probe.factor)
    if not falls and _counted_out(optimizer) and state.open:
        return _ended(optimizer, total, state, thresholds)
    if probe is None:
        return CHECK.not_applicable(f"needs the descent probe: {reason(record, ('descent_probe', 'gradients'))}")
    if not falls:
        return CHECK.passed()
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
        sure=state.sure("Told by sizes: whether the parameters still moved is not known."),
    )


def _counted_out(optimizer: OptimizerCard) -> bool:
    """Whether all calls of torch's L-BFGS together took less than one call may, of iterations and of evaluations.

    Then each of them ended by a tolerance. Of many short calls that add up to more nothing is known.
    """
    spent = [(optimizer.counts.get(a), optimizer.settings.get(b)) for a, b in LIMITS]
    return all(isinstance(most, int) and done is not None and 0 < done < most for done, most in spent)


def _ended(optimizer: OptimizerCard, total: float, state: Gate, thresholds: Thresholds) -> Outcome:
    """An optimizer that says itself that it stopped: a fact, though not whether it had got stuck for another reason."""
    evidence = [
        Evidence(name=f"L-BFGS: {a} of {b} {optimizer.settings[b]}", value=float(optimizer.counts[a]), source="counted")
        for a, b in LIMITS
    ]
    bounds = {key: optimizer.settings.get(key) for key in ("tolerance_grad", "tolerance_change")}
    evidence += [Evidence(name=f"L-BFGS: {k}", value=float(v)) for k, v in bounds.items() if isinstance(v, int | float)]
    return CHECK.finding(
        f"L-BFGS stopped by itself after {optimizer.counts['n_iter']} of {optimizer.settings['max_iter']} iterations, "
        f"at a loss of {number(total)}",
        state.severity(False),
        terms=[],
        evidence=[*evidence, compared("weighted total loss", total, thresholds.stop_loss)],
        prescriptions=[remedies.scaled_lbfgs()],
        sure=state.sure("Certain that it stopped; on a plateau and at a true minimum it does so alike."),
    )


def _stood(state: Gate, step: int, share: float, thresholds: Thresholds) -> Outcome:
    """A run in which nothing moved at the end."""
    return CHECK.finding(
        f"the loss has been the same to six digits since step {step}: the training has stopped by itself",
        state.severity(thresholds.standing.far(share)),
        terms=[],
        evidence=[
            compared("share of the run in which the loss stood still, up to its end", share, thresholds.standing)
        ],
        prescriptions=[remedies.scaled_lbfgs(), remedies.float64()],
        sure=state.sure("A learning rate of zero, or an optimizer whose step is never taken, looks the same."),
    )


CHECK = Check(
    code="PD504",
    pathology="premature_stop",
    title="The optimizer stopped by itself",
    passing="The optimizer did not stop by itself",
    needs=("terms",),
    thresholds=("standing", "rate_left", "stop_probe", "stop_loss"),
    decide=decide,
    detected="The optimizer is L-BFGS, the weighted total is far below one in absolute size, and the same method in "
    "float64 with a scaled loss still falls tenfold, with work left; a problem from a hundredfold on. Or, a warning, "
    "torch's L-BFGS has counted fewer iterations and evaluations in all than one call may take, with work left: it "
    "ended by a tolerance, perhaps on a plateau that is longer than the probe. In a run, of "
    "whatever optimizer: the loss is the same to six digits up to the end, with work left and a learning rate that has "
    "not decayed.",
    why="torch's L-BFGS stops at absolute sizes of gradient and change. A small loss reaches them long before it is "
    "solved.",
    fix="Scale the loss to between 1 and 1e4, set the tolerances to zero, use float64; or Adam.",
    overturned_by="A run that was ended by hand.",
    reference="PyTorch documentation, torch.optim.LBFGS",
    symptom_of=("precision_floor",),
)
