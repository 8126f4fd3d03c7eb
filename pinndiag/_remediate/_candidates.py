"""Which schemes to try for a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pinndiag._errors import PinndiagError
from pinndiag._pinn import PINN
from pinndiag._records import DiagnosisRecord
from pinndiag._remediate._points import bound
from pinndiag.checks._geometry import equation
from pinndiag.checks._time import beginnings
from pinndiag.schemes import AbstractScheme, Causal, by_key, make

__all__ = ["Candidate", "candidates", "fitting", "named"]

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


def candidates(pinn: PINN, record: DiagnosisRecord, *, fresh: bool = False) -> list[Candidate]:
    """Up to four schemes for the problems of a diagnosis, those for the gravest first; none for a healthy network."""
    found: dict[str, str] = {}
    for finding in record.findings:
        if finding.severity != "note":
            for key in HELPFUL.get(finding.pathology, ()):
                found.setdefault(key, f"{finding.code} {finding.pathology}")
    if not found and record.verdict.severity in ("problem", "warning"):
        found = dict.fromkeys(OTHERWISE, "nothing found asks for a scheme: those that helped most often")
    chosen = []
    for key, why in found.items():
        scheme = fitting(key, pinn, record, fresh=fresh)
        if scheme is not None:
            chosen.append(Candidate(key, scheme, why))
    return chosen[:MOST]


def reference(pinn: PINN, record: DiagnosisRecord) -> str:
    """The term the others are measured against: the one taken for the equation, else the first."""
    found = equation(record)
    return found if found in pinn.names else pinn.names[0]


def named(key: str, pinn: PINN, record: DiagnosisRecord) -> AbstractScheme:
    """A scheme that was asked for by its key.

    Raises:
        PinndiagError: there is none of that key, or it needs to know more than the PINN tells.
    """
    if by_key(key) is not Causal:
        return make(key, reference=reference(pinn, record))
    found = _causal(pinn, reference(pinn, record))
    if found is None:
        raise PinndiagError(
            "causal weights need the time of each point",
            where=f"terms: {', '.join(pinn.names)}",
            cause="no axis is told to be the time: that at whose beginning all points of a term lie",
            fix="remediate(pinn, [pinndiag.schemes.Causal(time={name: t})]), with the times of that term's points",
        )
    return found


def fitting(key: str, pinn: PINN, record: DiagnosisRecord, *, fresh: bool = False) -> AbstractScheme | None:
    """A scheme for this PINN; None where it cannot be trained with it.

    It needs residuals of several points, or an axis that is told to be the time, or remembers points that change
    (`fresh`).
    """
    scheme = _made(key, pinn, record)
    return None if scheme is None or (fresh and bound(scheme, pinn)) else scheme


def _made(key: str, pinn: PINN, record: DiagnosisRecord) -> AbstractScheme | None:
    name = reference(pinn, record)
    special: Mapping[str, Callable[[], AbstractScheme | None]] = {"causal": lambda: _causal(pinn, name)}
    if key in special:
        return special[key]()
    scheme = make(key, reference=name)
    whose = [name] if scheme.about.needs in ("residuals", "residual Jacobians") else []
    if any(len(pinn.infos[term].shape) == 0 or pinn.infos[term].random for term in whose):
        return None
    return scheme if len(pinn.names) > 1 or whose else None


def _causal(pinn: PINN, name: str) -> AbstractScheme | None:
    """Causal weights, where one axis is told to be the time: that at whose beginning a whole term lies."""
    points = {n: i.points.coordinates for n, i in pinn.infos.items() if i.points is not None}
    if name not in points or not pinn.infos[name].by_point:
        return None
    alike = {n: p.T.tolist() for n, p in points.items() if p.shape[1] == points[name].shape[1]}
    found = beginnings(alike)
    if len(found) != 1:
        return None
    axis, before = next(iter(found.items()))
    return Causal(time={name: points[name][:, axis].clone()}, before=before, reference=name)
