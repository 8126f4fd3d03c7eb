"""The Hessians of the terms and of the weighted total: ends of their spectra, density, trace, stability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from pinndiag._derivatives._hessian import Hessian, Hessians, Products
from pinndiag._derivatives._stability import NoRuleError, rule_of, stability
from pinndiag._errors import PinndiagError
from pinndiag._records import Curvature, Density, Eigenvalue, Estimate, PredictedChange, Stability, TermCurvature
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View
from pinndiag.linalg import (
    LanczosResult,
    Quadrature,
    RitzPair,
    Scaled,
    SymmetricOperator,
    TraceEstimate,
    basis_limit,
    lanczos,
    spectral_density,
)

__all__ = ["curvature"]

TOTAL = "total"
RANDOM = 0.3  # length of the random part of a start vector, beside a gradient of length 1
PROBES, STEPS = 4, 20


def curvature(
    subject: PINN | View,
    *,
    tolerance: float = 1e-3,
    density: bool = True,
    seed: int = 0,
    max_steps: int = 60,
    products: Products = "exact",
    warm: dict[str, Tensor] | None = None,
    processes: dict[str, LanczosResult] | None = None,
) -> Curvature:
    """Largest and smallest algebraic eigenvalue of the Hessian of every term and of the weighted total, and more.

    Lanczos from the term's gradient plus 0.3 random, until the largest eigenvalue has a residual of `tolerance` times
    its value. The residual proves that an eigenvalue lies there, not that no larger one was missed; each term's value
    is checked against its Rayleigh quotient along the total's sharpest direction, and measured again from there when
    that one is larger.

    Args:
        subject: a wrapped PINN, or a view of one.
        tolerance: relative residual asked of each sigma_max.
        density: also the spectral density of the total (stochastic Lanczos quadrature, 4 probes of 20 steps) and, from
            the same products, its trace.
        seed: of the random parts.
        max_steps: most Lanczos steps for each pair of ends.
        products: "exact", or "difference" (forward differences, float64 only, half the cost); see `Hessians`.
        warm: sharpest directions of an earlier measurement, filled in and replaced here; from them 2 to 4 products are
            enough while the network changes little.
        processes: the Lanczos processes themselves are put here: "total", "terms.NAME", and "stability" where the
            optimizer scales the Hessian.

    Returns:
        The record. What could not be measured is NaN or absent, with a reason in `reasons`; it does not raise for
        non-finite gradients or for terms that cannot be differentiated twice.

    Cost: 5 to 15 products for each term and for the total (one with the total costs as much as one with each term), two
        more of each for `predicted` and `shares`, about 10 for Adam's limit, 80 with `density`; a product is 2 to 2.5
        gradients. Memory: the graphs of `Hessians` and up to `basis_limit` vectors of P float64.

    References: Wang, Teng, Perdikaris 2021, section 2.4 (sigma_max as stiffness, predicted change); Ghorbani,
        Krishnan, Xiao 2019 (density); Cohen et al. 2021, 2022 (stability).
    """
    view = View.of(subject)
    work = _Work(view, tolerance, seed, max_steps, Hessians(view.pinn, products=products), warm, processes)
    return work.curvature(density=density)


@final
@dataclass
class _Work:
    """One measurement: what its parts share, and the account it keeps."""

    view: View
    tolerance: float
    seed: int
    max_steps: int
    hessians: Hessians
    warm: dict[str, Tensor] | None = None
    processes: dict[str, LanczosResult] | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    products: int = 0

    def curvature(self, *, density: bool) -> Curvature:
        total = self._ends(TOTAL, self.hessians.total, self.view.total)
        rule = self._density() if density and total is not None else None
        if (
            total is not None
            and rule is not None
            and max(map(max, rule.nodes)) > total.largest.value + total.largest.residual
        ):
            # a Ritz value of a random probe lies further out: the start had next to nothing of that direction
            total = self._ends(TOTAL, self.hessians.total, torch.zeros_like(self.view.total)) or total
        ends = {name: self._ends(_key(name), h, self.view.gradients[name]) for name, h in self.hessians.terms.items()}
        shares = {} if total is None else self._shares(total.largest, ends)
        predicted, together = self._predicted(ends)
        return Curvature(
            terms={name: _record(ends[name], predicted.get(name)) for name in ends},
            total=_record(total, together),
            density=None if rule is None else Density(nodes=rule.nodes, weights=rule.weights, steps=rule.steps),
            trace=None if rule is None else _estimate(rule.trace()),
            stability=self._stability(total),
            shares=shares,
            products=self.products,
            basis_limit=basis_limit(self.hessians.total.size, self.max_steps),
            reasons=self.reasons,
        )

    def _ends(self, name: str, operator: SymmetricOperator, towards: Vector) -> LanczosResult | None:
        """Both ends, or None with a reason."""
        if not bool(torch.isfinite(towards).all()):
            self.reasons[name] = "not applicable: its gradient holds NaN or infinity"
            return None
        known = None if self.warm is None else self.warm.get(name)
        start = _start(towards if known is None or len(known) != len(towards) else known, self.seed)
        try:
            found = lanczos(operator, start, tolerance=self.tolerance, max_steps=self.max_steps)
        except (PinndiagError, RuntimeError) as error:  # what autograd raises, out of memory included
            why = f"{error.what}: {error.cause}" if isinstance(error, PinndiagError) else _first_line(error)
            self.reasons[name] = f"not applicable: no Hessian-vector product could be made ({why})"
            return None
        self.products += found.products
        if found.stopped == "non-finite product":
            self.reasons[name] = "not applicable: a Hessian-vector product gave NaN or infinity"
            return None
        if self.warm is not None:
            self.warm[name] = found.largest.vector
        if self.processes is not None:
            self.processes[name] = found
        return found

    def _product(self, hessian: Hessian, vector: Tensor) -> Float64[Tensor, " params"]:
        self.products += 1
        return hessian(vector.to(hessian.dtype)).to(torch.float64)

    def _shares(self, top: RitzPair, ends: dict[str, LanczosResult | None]) -> dict[str, float]:
        """Shares of the terms in the total's sharpest direction; corrects `ends` where they contradict them."""
        weights = self.view.pinn.weights
        known = {name: found for name, found in ends.items() if found is not None}
        if top.value == 0.0 or any(weights[name] != 0.0 and name not in known for name in ends):
            self.reasons["shares"] = "not applicable: the total is flat, or a term has no Hessian"
            return {}
        along = {}
        for name, found in known.items():
            along[name] = float(top.vector @ self._product(self.hessians.terms[name], top.vector))
            if along[name] > found.largest.value + found.largest.residual:
                # sharper than what was found: the start had next to nothing of this direction
                ends[name] = self._ends(_key(name), self.hessians.terms[name], top.vector) or found
        whole = sum(weights[name] * value for name, value in along.items())
        return {name: weights[name] * value / whole for name, value in along.items()}

    def _predicted(
        self, ends: Mapping[str, LanczosResult | None]
    ) -> tuple[dict[str, PredictedChange], PredictedChange | None]:
        """Predicted change of every term, and of the total, for one gradient step at the optimizer's learning rate."""
        optimizer, weights = self.view.pinn.optimizer, self.view.pinn.weights
        lr = None if optimizer is None else optimizer.lr
        if lr is None:
            self.reasons["predicted"] = "not applicable: the learning rate is unknown (pass optimizer= to wrap)"
            return {}, None
        step = self.view.total.to(torch.float64)
        if not bool(torch.isfinite(step).all()):
            self.reasons["predicted"] = "not applicable: the total's gradient holds NaN or infinity"
            return {}, None
        found = {}
        for name in (name for name, known in ends.items() if known is not None):
            first = -lr * float(self.view.gradients[name].to(torch.float64) @ step)
            second = lr**2 / 2 * float(step @ self._product(self.hessians.terms[name], step))
            found[name] = PredictedChange(lr=lr, first_order=first, curvature=second)
        if any(weight != 0.0 and name not in found for name, weight in weights.items()):
            return found, None
        return found, PredictedChange(
            lr=lr,
            first_order=sum(weights[name] * change.first_order for name, change in found.items()),
            curvature=sum(weights[name] * change.curvature for name, change in found.items()),
        )

    def _density(self) -> Quadrature | None:
        rule = spectral_density(self.hessians.total, probes=PROBES, steps=STEPS, seed=self.seed)
        self.products += rule.products
        if math.isfinite(rule.trace().value):
            return rule
        self.reasons["density"] = "not applicable: a Hessian-vector product gave NaN or infinity"
        return None

    def _stability(self, total: LanczosResult | None) -> Stability | None:
        try:
            rule = rule_of(self.view.pinn)
        except NoRuleError as why:
            self.reasons["stability"] = f"not applicable: {why.what}"
            return None
        if rule.scale is not None and total is not None:
            operator = Scaled(self.hessians.total, rule.scale)
            total = self._ends("stability", operator, rule.scale * self.view.total)
        elif total is None:
            self.reasons["stability"] = "not applicable: the total has no Hessian"
        return None if total is None else stability(rule, _eigenvalue(total.largest))


def _start(towards: Vector, seed: int) -> Float64[Tensor, " params"]:
    """A unit vector towards `towards` plus 0.3 of a random one; the random one alone where `towards` is zero.

    A gradient has most of its length in the sharp directions, so few products are needed; the random part makes sure
    that no direction is absent from the start.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(towards), generator=generator, dtype=torch.float64).to(towards.device)
    noise *= RANDOM / noise.norm()
    chosen = towards.to(torch.float64)
    norm = chosen.norm()
    return chosen / torch.where(norm > 0, norm, torch.ones_like(norm)) + noise


def _key(name: str) -> str:
    """Where the reason of a term stands; apart from the total's, whatever terms are called."""
    return f"terms.{name}"


def _record(found: LanczosResult | None, predicted: PredictedChange | None) -> TermCurvature:
    if found is None:
        unknown = Eigenvalue(value=math.nan, residual=math.nan, converged=False, products=0)
        return TermCurvature(sigma_max=unknown, sigma_min=unknown, predicted=predicted)
    ends = _eigenvalue(found.largest), _eigenvalue(found.smallest)
    return TermCurvature(sigma_max=ends[0], sigma_min=ends[1], predicted=predicted)


def _eigenvalue(pair: RitzPair) -> Eigenvalue:
    return Eigenvalue(value=pair.value, residual=pair.residual, converged=pair.converged, products=pair.products)


def _estimate(found: TraceEstimate) -> Estimate:
    return Estimate(value=found.value, error=found.error, probes=found.probes)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
