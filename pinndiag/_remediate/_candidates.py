"""Which schemes to try for a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pinndiag._errors import PinndiagError
from pinndiag._pinn import PINN
from pinndiag._records import DiagnosisRecord
from pinndiag.checks._geometry import equation
from pinndiag.checks._time import initial_term, time_axis
from pinndiag.schemes import AbstractScheme, Causal, make

__all__ = ["Candidate", "candidates", "reference"]

MOST = 4  # raced at a time; each costs half of the steps at least


class Candidate(NamedTuple):
    """A scheme worth a trial.

    Attributes:
        key: its key.
        scheme: as it begins.
        why: what speaks for it, in a clause.
    """

    key: str
    scheme: AbstractScheme
    why: str


# pathology -> schemes that have helped with it, the first to try first (pathologies.md 4.3 and 4.4, schemes.md 8 and 9)
HELPFUL: Mapping[str, tuple[str, ...]] = {
    "pde_dominates": ("lra", "dynamic_norm", "ntk", "config"),
    "condition_dominates": ("dynamic_norm", "lra", "ntk"),
    "vanishing_gradient": ("lra", "dynamic_norm", "ntk"),
    "unscaled_problem": ("dynamic_norm", "lra", "global_grad_norm"),
    "gradient_conflict": ("config", "lra", "dynamic_norm"),
    "inconsistent_terms": ("lra", "dynamic_norm"),
    "pointwise_imbalance": ("rba", "sa", "lra"),
    "propagation": ("causal", "rba", "lra"),
    "spectral_bias": ("rba", "lra", "dynamic_norm"),
    "trivial_solution": ("dynamic_norm", "lra", "rba"),
}
OTHERWISE = ("lra", "dynamic_norm")


def candidates(pinn: PINN, record: DiagnosisRecord) -> list[Candidate]:
    """Two to four schemes for the problems of a diagnosis, those for the gravest first; none for a healthy network.

    A scheme that the PINN cannot be trained with (it needs residuals of several points) is left out.
    """
    found: dict[str, str] = {}
    for finding in record.findings:
        if finding.severity != "note":
            for key in HELPFUL.get(finding.pathology, OTHERWISE):
                found.setdefault(key, f"{finding.code} {finding.pathology}")
    if not found and record.verdict.severity in ("problem", "warning"):
        found = dict.fromkeys(OTHERWISE, "the training is not finished, and no cause was found")
    chosen = []
    for key, why in found.items():
        scheme = _made(key, pinn, record)
        if scheme is not None:
            chosen.append(Candidate(key, scheme, why))
    return chosen[:MOST]


def reference(pinn: PINN, record: DiagnosisRecord) -> str:
    """The term the others are measured against: the one taken for the equation, else the first."""
    return equation(record) or pinn.names[0]


def _made(key: str, pinn: PINN, record: DiagnosisRecord) -> AbstractScheme | None:
    name = reference(pinn, record)
    special: Mapping[str, Callable[[], AbstractScheme | None]] = {"causal": lambda: _causal(pinn, record, name)}
    if key in special:
        return special[key]()
    scheme = make(key, reference=name)
    whose = [name] if scheme.about.needs in ("residuals", "residual Jacobians") else []
    if any(len(pinn.infos[term].shape) == 0 or pinn.infos[term].random for term in whose):
        return None
    return scheme if len(pinn.names) > 1 or whose else None


def _causal(pinn: PINN, record: DiagnosisRecord, name: str) -> AbstractScheme | None:
    """Causal weights, where one axis is told to be the time: that at whose beginning a whole term lies."""
    points = pinn.infos[name].points
    if points is None or initial_term(record) is None or not pinn.infos[name].by_point:
        return None
    try:
        return Causal(
            time={name: points.coordinates[:, time_axis(record)].clone()}, before=initial_term(record), reference=name
        )
    except PinndiagError:
        return None
