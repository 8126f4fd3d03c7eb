"""Schemes that choose a direction from the gradients of the terms, not a loss."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from pinndiag._engine import Combination, Evaluation
from pinndiag._errors import PinndiagError
from pinndiag.schemes._calls import stepping
from pinndiag.schemes._guards import normalised
from pinndiag.schemes._options import Number
from pinndiag.schemes._scheme import AbstractScheme
from pinndiag.schemes._term_scheme import Measured, rows_of

__all__ = ["AbstractDirectionScheme", "Coefficients", "Gramian", "misleads"]

Gramian = Float64[np.ndarray, "terms terms"]
Coefficients = Float64[np.ndarray, " terms"]


class AbstractDirectionScheme(AbstractScheme):
    """The step is d = sum_i c_i g_i; c comes from the Gramian G = J J^T of the term gradients.

    For first-order optimizers: d is the gradient of no function, so a line search is misled by it, and L-BFGS is
    refused. A call returns sum_i L_i. G is small: it is looked at on the CPU in float64, for one transfer a step. A
    term whose gradient is zero or not finite sits the step out with the coefficient it had.
    """

    directs = True

    @abstractmethod
    def coefficients(self, gramian: Gramian, reference: int = 0) -> Coefficients:
        """C for terms with usable gradients.

        Args:
            gramian: dot products of the gradients.
            reference: position of the reference.

        Returns:
            the coefficients; zeros where no direction lowers every term (opposite gradients).
        """

    @final
    def combine(self, evaluation: Evaluation) -> Combination:
        """See `AbstractScheme`.

        Raises:
            PinndiagError: L-BFGS asks.
        """
        if isinstance(stepping(), torch.optim.LBFGS):
            raise misleads(type(self).__name__)
        names = evaluation.names
        self._settle(names)
        places = [i for i, name in enumerate(names) if name not in self.exclude]
        taking_part = tuple(names[i] for i in places)
        like = evaluation.values
        fields = self.memory.stacked(taking_part, self._begin, like.to(torch.promote_types(like.dtype, torch.float32)))
        if self.due(evaluation.step):
            applied, sound = self._decide(rows_of(evaluation, places), fields["applied"], taking_part)
            fields = {"applied": applied, "skipped": fields["skipped"] + ~sound}
            self.memory.keep(fields)
        reference = taking_part.index(self.reference) if self.reference in taking_part else None
        found = normalised(fields["applied"], self.normalise, reference)
        if len(places) == len(names):
            return self._answer(names, found)
        weights = torch.tensor([self.given.get(name, 1.0) for name in names], dtype=found.dtype, device=found.device)
        return self._answer(names, weights.index_copy(0, torch.tensor(places, device=found.device), found))

    def _begin(self, name: str) -> dict[str, Number | Tensor]:
        return {"applied": self.limits.number(self.given.get(name, 1.0)), "skipped": 0.0}

    def _decide(self, gradients: Measured, before: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Coefficients for all, and whose gradients were usable."""
        norms, cosines = _angles(gradients)
        usable = [i for i, norm in enumerate(norms.tolist()) if 0 < norm < math.inf]
        found = before.detach().cpu().double().numpy().copy()
        sound = np.zeros(len(names), dtype=bool)
        if usable:
            gramian = norms[:, None] * norms * cosines
            if len(usable) < len(names):
                gramian = gramian[np.ix_(usable, usable)]
            known = [names[i] for i in usable]
            reference = known.index(self.reference) if self.reference in known else 0
            chosen = self.coefficients(gramian, reference)
            if np.isfinite(chosen).all():
                found[usable], sound[usable] = chosen, True
        coefficients = torch.from_numpy(found).to(before)
        return self.limits(coefficients, before), torch.from_numpy(sound).to(before.device)


def misleads(scheme: str) -> PinndiagError:
    """The error for a direction under an optimizer that looks at the values of a loss."""
    return PinndiagError(
        f"L-BFGS cannot train with {scheme}",
        where="the optimizer whose closure is evaluated, or that the PINN names",
        cause="the scheme combines the gradients to a direction, which is the gradient of no loss for a line search",
        fix="use a scheme that weighs the terms (lra, dynamic_norm) or fixed weights with L-BFGS, or another optimizer",
    )


def _angles(gradients: Measured) -> tuple[Coefficients, Gramian]:
    """Norms and cosines of the rows. From unit rows, so that a small gradient beside a large one keeps its digits."""
    norms = torch.linalg.vector_norm(gradients, dim=1)
    units = gradients / norms[:, None]
    both = torch.cat([norms[:, None], units @ units.T], dim=1).cpu().double().numpy()
    cosines = both[:, 1:].clip(-1, 1)
    np.fill_diagonal(cosines, 1.0)
    return both[:, 0], cosines
