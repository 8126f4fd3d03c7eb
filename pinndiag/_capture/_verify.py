"""Whether a graph is what the live terms are: losses, gradients, Hessian-vector products, also at other parameters."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pinndiag._terms import _parameters
from pinndiag._terms._terms import mean_square

__all__ = ["Figures", "difference", "figures", "perturbed", "uncompiled"]

_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
_LOOSE = 1e-2  # half precision
_ROUNDINGS = 10  # how many times its own rounding a graph may be away from the live term


@final
@dataclass(frozen=True)
class Figures:
    """Of one term: its output, the gradient of its loss and the Hessian of its loss times a fixed vector."""

    output: Tensor
    gradient: Tensor | None = None
    product: Tensor | None = None


def figures(outputs: Mapping[str, Tensor], tensors: Sequence[Tensor], order: int) -> dict[str, Figures]:
    """Figures of each term up to a derivative order of 0, 1 or 2. Cost: `order` backward passes a term.

    Raises:
        RuntimeError: the gradient cannot be formed. Where only the second derivative cannot, the product is None.
    """
    return {name: _figures(output, tensors, order) for name, output in outputs.items()}


def _figures(output: Tensor, tensors: Sequence[Tensor], order: int) -> Figures:
    plain = output.detach()
    if not order:
        return Figures(plain)
    zero = _parameters.flatten([None] * len(tensors), tensors)
    if not output.requires_grad:  # no parameter changes it: so says its gradient
        return Figures(plain, zero, zero if order > 1 else None)
    loss = mean_square(output)
    pulled = torch.autograd.grad(loss, tensors, create_graph=order > 1, retain_graph=True, allow_unused=True)
    gradient = _parameters.flatten(pulled, tensors)
    if order == 1:
        return Figures(plain, gradient.detach())
    direction = torch.linspace(-1, 1, len(gradient), dtype=gradient.dtype, device=gradient.device)
    along = (gradient * direction.cos()).sum()
    if not along.requires_grad:
        return Figures(plain, gradient.detach(), zero)
    try:
        twice = torch.autograd.grad(along, tensors, retain_graph=True, allow_unused=True)
    except RuntimeError:  # kernels whose backward has no derivative: then the live term has no curvature either
        return Figures(plain, gradient.detach())
    return Figures(plain, gradient.detach(), _parameters.flatten(twice, tensors))


def difference(
    graph: Mapping[str, Figures],
    live: Mapping[str, Figures],
    exact: Callable[[], Mapping[str, Figures]] | None = None,
) -> tuple[str, str] | None:
    """The first term whose figures differ, and which of them and by how much, in words; None when all agree.

    What the live term does not have, the graph may have.

    Args:
        graph: of the graph.
        live: of the live terms.
        exact: those of the graph in float64, where that is wider; only asked for in doubt. The better a network is
            trained, the more its residuals and gradients are differences of large sums: then what the graph and the
            live term differ by is measured in the graph's own rounding.
    """
    for name, mine in live.items():
        other = graph[name]
        for what, field in (("values", "output"), ("gradient", "gradient"), ("Hessian-vector product", "product")):
            a, b = getattr(other, field), getattr(mine, field)
            if b is None:
                continue
            if a is None:
                return name, f"its {what} cannot be formed from its graph"
            if a.shape != b.shape or a.dtype != b.dtype:
                return name, f"its {what}: {tuple(a.shape)} {a.dtype} against {tuple(b.shape)} {b.dtype} live"
            off = _relative(a, b)
            if off > _TOLERANCE.get(_parameters.real(b).dtype, _LOOSE):
                if exact is not None and math.isfinite(off) and _is_rounding(a, b, getattr(exact()[name], field)):
                    continue
                return name, f"its {what} differ by {off:.1e} from the live ones" if what == "values" else (
                    f"its {what} differs by {off:.1e} from the live one"
                )
    return None


def _relative(a: Tensor, b: Tensor) -> float:
    """|a - b| / |b|, where values that are not finite must stand in the same places."""
    a, b = _parameters.real(a), _parameters.real(b)
    finite = torch.isfinite(b)
    if not torch.equal(torch.isfinite(a), finite):
        return float("inf")
    a, b = a[finite], b[finite]
    if not a.numel():
        return 0.0
    top = b.abs().max()
    floor = torch.finfo(b.dtype).tiny
    # scaled first: squares of a large or small number would leave the range of the dtype
    return float(
        torch.linalg.vector_norm((a - b) / (top + floor)) / torch.linalg.vector_norm(b / (top + floor) + floor)
    )


def _is_rounding(a: Tensor, b: Tensor, exact: Tensor | None) -> bool:
    """Whether b is about as far from the exact figure as a, the same in the same precision."""
    if exact is None:
        return False
    finite = torch.isfinite(b)
    right = exact[finite]
    mine, other = (torch.linalg.vector_norm(x[finite].to(right.dtype) - right) for x in (a, b))
    return bool(other <= _ROUNDINGS * mine)


@contextlib.contextmanager
def perturbed(tensors: Sequence[Tensor], scale: float, seed: int = 0) -> Iterator[None]:
    """Parameters moved by a seeded random step of `scale` times their size; afterwards exactly what they were.

    Written through `.data`, so that a graph the user still holds is not invalidated.
    """
    generator = torch.Generator().manual_seed(1_618 + seed)
    before = [t.detach().clone() for t in tensors]
    try:
        for tensor, kept in zip(tensors, before, strict=True):
            step = torch.randn(kept.shape, generator=generator, dtype=torch.float64).to(kept)
            size = kept.abs().square().mean().sqrt() if kept.numel() else 0
            tensor.data.add_(scale * (size + 0.02) * step)
        yield
    finally:
        for tensor, kept in zip(tensors, before, strict=True):
            tensor.data.copy_(kept)


def uncompiled() -> contextlib.AbstractContextManager[object]:
    """A region in which a compiled model runs its original code: compiled code cannot be differentiated twice.

    Where nothing was compiled, the compiler is not even imported, which would take a second.
    """
    if "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")  # type: ignore[no-any-return]
