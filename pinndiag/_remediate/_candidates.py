"""Which schemes to try for a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pinndiag._errors import PinndiagError
from pinndiag._records import DiagnosisRecord
from pinndiag._remediate._points import bound
from pinndiag._terms._pinn import PINN
from pinndiag.checks._geometry import equation
from pinndiag.checks._time import beginnings
from pinndiag.schemes import AbstractScheme, Causal, by_key, make
from pinndiag.schemes._direction_scheme import AbstractDirectionScheme, misleads
from pinndiag.schemes._registry import scheme_of

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
USUAL = ("lra", "dynamic_norm", "ntk", "config")  # each has been the best of a problem (docs/choosing.md)


def candidates(pinn: PINN, record: DiagnosisRecord, *, fresh: bool = False) -> list[Candidate]:
    """Schemes for the problems of a diagnosis, those for the gravest first; none for a healthy network.

    What a finding asks for, and the usual ones up to four: the order flips from problem to problem, and half of the
    steps of one more are cheap.
    """
    found: dict[str, str] = {}
    for finding in record.findings:
        if finding.severity != "note":
            for key in HELPFUL.get(finding.pathology, ()):
                found.setdefault(key, f"{finding.code} {finding.pathology}")
    if found or record.verdict.severity in ("problem", "warning"):
        for key in USUAL:
            found.setdefault(key, "among those that help most often")
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


def named(one: Any, pinn: PINN, record: DiagnosisRecord) -> AbstractScheme:
    """A scheme that was asked for: itself, or by its key or class.

    Raises:
        PinndiagError: there is none of that key, it needs to know more than the PINN tells, or misleads the optimizer.
    """
    listed = by_key(one) if isinstance(one, str) else one
    if isinstance(listed, type) and issubclass(listed, AbstractScheme):
        scheme = _of(listed, pinn, record)
    else:
        scheme = scheme_of(listed)
    if _misled(scheme, pinn):
        raise misleads(type(scheme).__name__)
    return scheme


def _of(kind: type[AbstractScheme], pinn: PINN, record: DiagnosisRecord) -> AbstractScheme:
    if kind is not Causal:
        return make(kind, reference=reference(pinn, record))
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
    (`fresh`), or steps in a direction that misleads the optimizer.
    """
    scheme = _made(key, pinn, record)
    return None if scheme is None or (fresh and bound(scheme, pinn)) or _misled(scheme, pinn) else scheme


def _misled(scheme: AbstractScheme, pinn: PINN) -> bool:
    """Whether the optimizer looks at values of a loss that the scheme's direction is not the gradient of."""
    kind = None if pinn.optimizer is None else pinn.optimizer.kind
    return kind == "LBFGS" and isinstance(scheme, AbstractDirectionScheme)


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
