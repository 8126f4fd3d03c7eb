"""The Hessian of a loss term, and of the weighted total, as an operator on parameter vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._terms import _parameters
from pinndiag._terms._parameters import Vector
from pinndiag._terms._pinn import PINN

__all__ = ["Hessian", "Hessians", "Products"]

Products = Literal["exact", "difference"]


@final
@dataclass(frozen=True, eq=False)
class Hessian:
    """sum_i w_i H_i, H_i the Hessian of the unweighted loss of term i; a `linalg.SymmetricOperator`.

    Attributes:
        weights: w_i of the terms in the sum.
    """

    weights: Mapping[str, float]
    _method: AbstractProducts

    @property
    def size(self) -> int:
        """Number of real entries of the parameters."""
        return sum(_parameters.sizes(self._method.tensors))

    @property
    def dtype(self) -> torch.dtype:
        """The widest floating dtype of the parameters."""
        return self._method.pinn.dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self._method.pinn.device

    def __call__(self, vector: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
        """H v, detached. Cost: see `Hessians`."""
        return self._method.product(self.weights, vector).to(self.dtype)


@final
class Hessians:
    """The Hessians of a PINN's terms at its present parameters, which must not change while this lives.

    A term that leaves a parameter out has zeros there. Nothing of the model is touched: `.grad`, random generators and
    modes stay as they are, and forward differences put the parameters back bit by bit.

    A custom `autograd.Function` must have a backward of differentiable operations. Where it is marked
    `once_differentiable` that is noticed; where it leaves torch (numpy, a kernel of its own) its curvature is missing
    from "exact" products without a sign.

    Args:
        pinn: the PINN.
        products: how H v is made.
            "exact": a second backward pass through the graph of the gradient (Pearlmutter 1994), which is built once
            and kept. Cost: 2 to 2.5 gradients a product, about 3 to build; memory: the graph of the gradient of every
            term used, about 70 KiB a point on a 4x50 network with second derivatives in float32, twice that in
            float64. A term with so many points that `PINN.pieces` splits it keeps no graph: its pieces are evaluated
            anew for each product, at 3 to 4 gradients, so that memory stays that of one piece.
            "difference": (g(theta + h v) - g(theta)) / h with h |v| = 1.5e-8 (1 + |theta|). Cost: 1 gradient a product;
            no second-order graph. Relative error about 1e-8 to 1e-6; parameters in float64 only.
        parameters: names of the parameters to differentiate by (a layer, for its diagonal block); default: all.

    Raises:
        PinndiagError: differences were asked of parameters (or, at the first product, of a term) that are not in
            double precision; at the first product: a term cannot be differentiated twice.
    """

    def __init__(self, pinn: PINN, *, products: Products = "exact", parameters: Iterable[str] | None = None) -> None:
        names = list(pinn.parameters) if parameters is None else list(parameters)
        tensors = [pinn.parameters[name] for name in names]
        self._method = ExactProducts(pinn, tensors) if products == "exact" else DifferenceProducts(pinn, tensors)
        self.terms = {name: Hessian({name: 1.0}, self._method) for name in pinn.names}
        self.total = Hessian(dict(pinn.weights), self._method)


class AbstractProducts(ABC):
    """A way to multiply the Hessian of a weighted sum of terms with a vector."""

    def __init__(self, pinn: PINN, tensors: list[Tensor]) -> None:
        self.pinn = pinn
        self.tensors = tensors

    @abstractmethod
    def product(self, weights: Mapping[str, float], vector: Vector) -> Vector:
        """sum_i w_i H_i v. Terms of weight zero are not evaluated."""

    def _split(self, weights: Mapping[str, float]) -> tuple[list[str], list[str]]:
        """Names of the terms with a weight: those evaluated whole, and those evaluated piece by piece."""
        used = [name for name, weight in weights.items() if weight != 0.0]
        return [n for n in used if not self.pinn.splits(n)], [n for n in used if self.pinn.splits(n)]


@final
class ExactProducts(AbstractProducts):
    """A second backward pass through the graph of the gradient."""

    def __init__(self, pinn: PINN, tensors: list[Tensor]) -> None:
        super().__init__(pinn, tensors)
        self._losses: dict[str, Tensor] | None = None
        self._gradients: dict[str, list[Tensor]] = {}

    def product(self, weights: Mapping[str, float], vector: Vector) -> Vector:
        """See `AbstractProducts`."""
        whole, split = self._split(weights)
        direction = _parameters.unflatten(vector, self.tensors)
        found = self._pull([(weights[name], self._gradient(name)) for name in whole], direction)
        for name in split:
            for piece in self.pinn.pieces(name):
                found += self._pull([(weights[name], self._differentiate(piece))], direction)
        return found

    def _gradient(self, name: str) -> list[Tensor]:
        """The gradient of a term, with the graph that the second pass goes through."""
        if self._losses is None:
            # at once, because terms may share a forward pass
            self._losses = self.pinn.losses([n for n in self.pinn.names if not self.pinn.splits(n)])
        if name not in self._gradients:
            self._gradients[name] = self._differentiate(self._losses[name])
        return self._gradients[name]

    def _differentiate(self, loss: Tensor) -> list[Tensor]:
        pulled = torch.autograd.grad(loss, self.tensors, create_graph=True, materialize_grads=True)
        if _broken(pulled):
            raise PinndiagError(
                "a function in the term cannot be differentiated twice",
                cause="its backward is marked once_differentiable; autograd would leave its curvature out in silence",
                fix='use products="difference" in double precision, or make its backward of differentiable operations',
            )
        return list(pulled)

    def _pull(self, gradients: list[tuple[float, list[Tensor]]], direction: list[Tensor]) -> Vector:
        """Derivative of sum_i w_i g_i . v; a gradient that is constant has no graph and adds nothing."""
        curved = [(w * v, g) for w, gs in gradients for g, v in zip(gs, direction, strict=True) if g.requires_grad]
        if not curved:
            return torch.zeros_like(_parameters.flatten(direction, self.tensors))
        pulled = torch.autograd.grad(
            [g for _, g in curved],
            self.tensors,
            grad_outputs=[v for v, _ in curved],
            retain_graph=True,
            materialize_grads=True,
        )
        return _parameters.flatten(pulled, self.tensors).detach()


@final
class DifferenceProducts(AbstractProducts):
    """Forward differences of gradients, in float64."""

    def __init__(self, pinn: PINN, tensors: list[Tensor]) -> None:
        super().__init__(pinn, tensors)
        _check_double({f"parameters in {t.dtype}": t.dtype for t in tensors})
        self._here: dict[tuple[tuple[str, float], ...], Vector] = {}

    def product(self, weights: Mapping[str, float], vector: Vector) -> Vector:
        """See `AbstractProducts`."""
        norm = vector.norm()
        key = tuple(weights.items())
        if key not in self._here:
            self._here[key] = self._gradient(weights)
        here = self._here[key]
        size = torch.stack([t.detach().abs().square().sum() for t in self.tensors]).sum().sqrt()
        # balances rounding of the gradient against its curvature (Brown and Saad 1990)
        step = torch.finfo(torch.float64).eps ** 0.5 * (1 + size) / torch.where(norm > 0, norm, torch.ones_like(norm))
        before = [t.detach().clone() for t in self.tensors]
        try:
            # through .data, because graphs that others hold would notice a change of version
            for tensor, move in zip(self.tensors, _parameters.unflatten(step * vector, self.tensors), strict=True):
                tensor.data.add_(move)
            there = self._gradient(weights)
        finally:
            for tensor, value in zip(self.tensors, before, strict=True):
                tensor.data.copy_(value)
        difference: Tensor = (there - here) / step
        return difference

    def _gradient(self, weights: Mapping[str, float]) -> Vector:
        found = torch.zeros(sum(_parameters.sizes(self.tensors)), dtype=torch.float64, device=self.pinn.device)
        for loss in self._sums(weights):
            if loss.requires_grad:
                pulled = torch.autograd.grad(loss, self.tensors, materialize_grads=True)
                found += _parameters.flatten(pulled, self.tensors)
        return found

    def _sums(self, weights: Mapping[str, float]) -> Iterator[Tensor]:
        """Scalars that add up to the weighted loss, each with a graph of its own."""
        whole, split = self._split(weights)
        if whole:
            losses = self.pinn.losses(whole)
            _check_double({f"term {name!r} in {loss.dtype}": loss.dtype for name, loss in losses.items()})
            yield torch.stack([weights[name] * losses[name] for name in whole]).sum()
        for name in split:
            for piece in self.pinn.pieces(name):
                yield weights[name] * piece


def _check_double(dtypes: Mapping[str, torch.dtype]) -> None:
    low = [what for what, dtype in dtypes.items() if dtype.to_real() != torch.float64]
    if low:
        raise PinndiagError(
            "forward differences of gradients need double precision",
            where=", ".join(low),
            cause="in single precision their error is as large as the tolerance",
            fix='use products="exact", or pinn.copy(dtype=torch.float64)',
        )


def _broken(gradients: Iterable[Tensor]) -> bool:
    """Whether the graph of a gradient ends in a node that stands for a second derivative that does not exist.

    Such a node raises when it is reached; but it hangs beside the paths to the parameters, and `autograd.grad` goes
    along those only.
    """
    seen: set[Any] = set()
    stack: list[Any] = [g.grad_fn for g in gradients]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if node.name() == "torch::autograd::Error":
            return True
        seen.add(node)
        stack.extend(parent for parent, _ in node.next_functions)
    return False
