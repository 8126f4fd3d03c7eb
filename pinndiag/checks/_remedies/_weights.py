"""Remedies that weigh the terms against each other, or combine their gradients."""

from __future__ import annotations

from collections.abc import Sequence

from pinndiag._records import DiagnosisRecord, Prescription
from pinndiag.checks._remedies._measured import MEASURED
from pinndiag.checks._wording import listed, number, quoted

__all__ = [
    "damped_weights",
    "fixed_weight",
    "gradient_norm_weights",
    "joint_directions",
    "lr_annealing",
    "scale_losses",
]


def gradient_norm_weights(reference: str, others: Sequence[str], record: DiagnosisRecord) -> Prescription:
    """Weights that make the gradient norms of the terms equal (dynamic norm, Deguchi and Asai 2023)."""
    pulls = "they pull" if len(others) > 1 else "it pulls"
    return Prescription(
        title=f"Balance the gradient norms: weight {listed(list(others))} so that {pulls} as hard as "
        f"{quoted(reference)}.",
        why="It sets the weights from what the optimizer sees, and keeps them up to date while the terms change.",
        expect=f"{MEASURED}: 1.07 to 0.055, 0.14 to 3.4e-3, and 1.0 to 1.4e-3 with an over-weighted condition; a wave "
        "equation became worse (0.37 to 1.17), so compare (Deguchi, Asai 2023).",
        code=_scheme(f"DynamicNorm(reference={reference!r})"),
        command=_trial(record, "dynamic_norm"),
    )


def lr_annealing(reference: str, record: DiagnosisRecord) -> Prescription:
    """Learning rate annealing in its feedback form (Wang, Teng, Perdikaris 2021)."""
    return Prescription(
        title="Or weight by the largest against the mean gradient (learning rate annealing, feedback form).",
        why="It overshoots less where a condition's data are zero. The form printed in the first paper, without the "
        "weight in the denominator, runs away: do not use it.",
        expect=f"{MEASURED}: 1.07 to 0.033 and 0.14 to 2.1e-3; the printed form 1.0 and 0.94 (Wang et al. 2021).",
        code=_scheme(f"LRAnnealing(reference={reference!r})"),
        command=_trial(record, "lra"),
    )


def damped_weights(name: str) -> Prescription:
    """A rule with feedback and a largest weight."""
    return Prescription(
        title=f"Or weight {quoted(name)} by a rule that damps itself, with a largest weight.",
        why="With the present weight in the denominator the rule stops at the square root of the ratio, instead of "
        "running after a gradient that its own weight makes small.",
        expect=f"{MEASURED}: 1.0 and 0.94 with the printed form of LR annealing, 0.033 and 2.1e-3 with its feedback "
        "form (Wang et al. 2021); with this largest weight one run became worse (0.87 to 4.4), so compare.",
        code=_scheme("LRAnnealing(w_max=1e4)  # or exclude=[...] for a term that any constant satisfies"),
    )


def fixed_weight(name: str, weight: float, present: float) -> Prescription:
    """One fixed weight for one term; an effect is stated only where that very weight, or a lowered one, was tried."""
    effect = ""
    if weight < present:
        effect = f"{MEASURED}: 1.0 to 2.2e-3 where an over-large weight was lowered."
    elif present == 1 and weight == 100:
        effect = f"{MEASURED}: 1.07 to 0.059 with this weight."
    return Prescription(
        title=f"Or set the weight of {quoted(name)} to about {number(weight)} (it is {number(present)}) and train "
        "again.",
        why="One line, and easy to compare with; the right size has to be tried.",
        expect=effect,
        code=f"weights = {{name: 1.0 for name in losses}}  # start from the weights you use now\n"
        f"weights[{name!r}] = {weight:.3g}\n"
        "loss = sum(weights[name] * losses[name] for name in losses)\n",
    )


def scale_losses() -> Prescription:
    """Each term divided by the loss that it starts with."""
    return Prescription(
        title="Divide each term by the size that the problem gives it.",
        why="Coefficients many decades from one make one term's gradient that much larger than another's.",
        expect=f"{MEASURED}: 1.95 to 1.6e-3; max/mean annealing did not help (0.84).",
        code="""\
scales = {name: loss.detach() for name, loss in losses.items()}  # once, before the first step
loss = sum(losses[name] / scales[name] for name in losses)
""",
    )


def joint_directions(record: DiagnosisRecord) -> Prescription:
    """One step that serves all terms (ConFIG)."""
    return Prescription(
        title="Step along a direction that every term agrees with (ConFIG).",
        why="The plain sum of the gradients serves one term at another's cost.",
        expect=f"{MEASURED}: 1.07 to 0.29 and 0.14 to 2.0e-3 where one term dominated. L-BFGS or SOAP serve the "
        "same end.",
        code=_scheme("ConFIG()"),
        command=_trial(record, "config"),
    )


def _scheme(call: str) -> str:
    return f"""\
# once, before the loop:
scheme = pinndiag.schemes.{call}
# in the loop, in place of the weighted sum; `losses`: name -> unweighted loss or residual
loss = scheme(losses)  # and in wrap, for a diagnosis: weights=scheme.weights
"""


def _trial(record: DiagnosisRecord, key: str) -> str:
    """The command that tries a scheme on the file, from its start where that is known; "" where there is no file."""
    if not record.run.source or record.run.origin == "run":
        return ""
    start = " --from initial" if record.start is not None else ""
    return f"pinndiag remediate {record.run.target} --scheme {key}{start}"
