"""One evaluation of the loss terms, with their live graphs; per-term gradients are formed once, when first needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._terms import _parameters
from pinndiag._terms._terms import mean_square, square

__all__ = ["SCALE", "Evaluation", "Matrix", "Pulled", "silent_hooks"]

SCALE = 1024.0  # a seed that keeps gradients formed early from vanishing in half precision

Matrix = Float[Tensor, "terms params"]


@final
@dataclass(frozen=True, eq=False)
class Pulled:
    """Gradients of the terms, detached.

    Attributes:
        parts: for each term, the gradient of each parameter and then of each leaf in `Evaluation.others`; None where
            the term does not reach it.
        parameters: the trainable tensors.
    """

    parts: list[list[Tensor | None]]
    parameters: list[Tensor]

    @functools.cached_property
    def rows(self) -> Matrix:
        """Over the parameters as the rows of a matrix, zeros where a term does not reach a parameter."""
        count = len(self.parameters)
        flat = _parameters.flatten([g for row in self.parts for g in row[:count]], self.parameters * len(self.parts))
        return flat.view(len(self.parts), -1)

    @property
    def reached(self) -> list[Tensor]:
        """The parameters that some term reaches."""
        columns = zip(*self.parts, strict=True)
        return [p for p, column in zip(self.parameters, columns, strict=False) if any(g is not None for g in column)]

    def scaled(self, factor: Tensor) -> Pulled:
        """All of it times a number."""
        if _is_one(factor):
            return self
        return Pulled([_times(row, factor) for row in self.parts], self.parameters)

    def divided(self, factor: Tensor) -> Pulled:
        """All of it divided by a number; by zero it is divided as floating-point numbers are."""
        return self if _is_one(factor) else self.scaled(torch.reciprocal(factor))

    def replaced(self, places: Sequence[int], other: Pulled) -> Pulled:
        """The gradients of some terms taken from elsewhere, where they lie in that order."""
        parts = list(self.parts)
        for place, row in zip(places, other.parts, strict=True):
            parts[place] = row
        return Pulled(parts, self.parameters)

    def sums(self, weights: Float[Tensor, " terms"]) -> list[Tensor | None]:
        """The weighted sum over the terms for each parameter and other leaf, in memory of its own; None where no term
        reaches it: an optimizer leaves out such a parameter, and would decay one whose gradient is zero.
        """
        total: list[Tensor | None] = [None] * len(self.parts[0])
        for row, weight in zip(self.parts, weights.unbind(), strict=True):
            part = row if _is_one(weight) else _times(row, weight)
            both = [(t, p) for t, p in zip(total, part, strict=True) if t is not None and p is not None]
            added = iter(torch._foreach_add([t for t, _ in both], [p for _, p in both]) if both else ())
            total = [
                next(added) if t is not None and p is not None else p if t is None else t
                for t, p in zip(total, part, strict=True)
            ]
        mine = {id(g) for row in self.parts for g in row if g is not None}
        return [g.clone() if g is not None and id(g) in mine else g for g in total]


def _times(row: Sequence[Tensor | None], factor: Tensor) -> list[Tensor | None]:
    """Each gradient times a number, in one operation where all lie on one device."""
    known = [g for g in row if g is not None]
    if known and all(g.device == factor.device for g in known):
        products = iter(torch._foreach_mul(known, factor))
    else:
        products = iter([g * factor.to(g.device) for g in known])
    return [None if g is None else next(products) for g in row]


def _is_one(factor: Tensor) -> bool:
    """Whether a factor changes nothing; asked on the CPU only, where the answer costs no waiting."""
    return factor.device.type == "cpu" and factor.item() == 1.0


@final
class Evaluation:
    """The terms of one step: outputs, losses, and on demand the gradient of each.

    Terms on points of their own have disjoint graphs, so that their gradients one after another cost what one backward
    pass of the sum costs. Terms that share a forward pass cost the shared part once for each.

    Args:
        outputs: name -> residuals (any shape) or scalar loss, with its graph.
        parameters: the trainable tensors, P real entries together.
        step: the optimizer's step, counted from 0.
        shared: whether two of the graphs have a part in common (`pinndiag._terms._graphs.walk`).
        others: leaves beside the parameters that the plain loss would give a gradient to; they get theirs too.
        keep: keep the graphs when the gradients are formed early (the backward pass wants them again, under autocast).
        reduce: brings a matrix of gradients or a vector of losses to the mean over all processes; None in one process.
        seed: the upstream gradient used when gradients are formed before the loss's own backward pass; it is divided
            out again. Larger than 1 keeps half-precision gradients from vanishing.
        last: the nodes of the graphs next to a leaf, by which another loss of the same backward pass is noticed.
        whole: why the gradient of a single term cannot be formed, or "".
        verify: if not 0, the gradient of the sum is formed as well, and must agree with the sum of the gradients up to
            this, relative to the sum of their norms. It does not where a hook inside a shared graph is not linear:
            there the sum's own is used, and `whole` says so.
    """

    def __init__(
        self,
        outputs: Mapping[str, Tensor],
        parameters: Sequence[Tensor],
        *,
        step: int = 0,
        shared: bool = True,
        others: Sequence[Tensor] = (),
        keep: bool = False,
        reduce: Callable[[Tensor], Tensor] | None = None,
        seed: float = 1.0,
        last: Sequence[Any] = (),
        whole: str = "",
        verify: float = 0.0,
    ) -> None:
        self.outputs = dict(outputs)
        self.names = tuple(self.outputs)
        self.parameters = list(parameters)
        self.others = list(others)
        self.step = step
        self.losses = {name: mean_square(output) for name, output in self.outputs.items()}
        self.keep = keep or verify > 0
        self.whole = whole
        self.verify = verify
        self.upstream: Tensor | None = None  # what the loss's backward pass was begun with
        self.held = False  # the graphs are needed after the loss's own backward pass
        self._last = last
        self._shared = shared
        self._reduce = reduce
        self._seed = seed
        self._values: Float[Tensor, " terms"] | None = None
        self._pulled: Pulled | None = None
        self._gradients: Matrix | None = None

    @property
    def values(self) -> Float[Tensor, " terms"]:
        """The unweighted losses, detached; over all processes where there are several."""
        if self._values is None:
            values = [loss.detach() for loss in self.losses.values()]
            device = self.parameters[0].device
            if any(value.device != device for value in values):
                values = [value.to(device) for value in values]
            self._values = self.reduced(torch.stack(values))
        return self._values

    @property
    def gradients(self) -> Matrix:
        """Gradient of each unweighted loss over all P trainable parameters, detached; zeros where a term reaches none.

        Over all processes where there are several. Cost, the first time: one backward pass of each term.
        """
        if self._gradients is None:
            seed = torch.full((), self._seed, dtype=self.parameters[0].dtype, device=self.parameters[0].device)
            pulled = self.pull(self.losses, seed, keep=self.keep)
            self.take(pulled if self._seed == 1 else pulled.divided(seed))
        assert self._gradients is not None
        return self._gradients

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self._reduce is None

    @property
    def formed(self) -> bool:
        """Whether the gradients are known."""
        return self._gradients is not None

    @property
    def pulled(self) -> Pulled:
        """`gradients` of this process alone, with those of the other leaves."""
        _ = self.gradients
        assert self._pulled is not None
        return self._pulled

    def take(self, pulled: Pulled) -> None:
        """Take gradients of the unweighted losses as known: they were formed in the loss's own backward pass."""
        self._pulled = pulled
        self._gradients = self.reduced(pulled.rows)

    def reduced(self, tensor: Tensor) -> Tensor:
        """The mean over all processes where there are several."""
        return tensor if self._reduce is None else self._reduce(tensor)

    def enter(self) -> None:
        """The backward pass of the loss begins. Whether the graphs are needed afterwards: by the pass of another loss
        through them at the same time, or because it is to keep them (`backward(retain_graph=True)`).

        Raises:
            PinndiagError: there is such a loss, and the graphs are gone since the gradients were formed early.
        """
        entered = any(map(torch._C._will_engine_execute_node, self._last))
        self.held = entered or torch._C._autograd._get_current_graph_task_keep_graph()
        if entered and self.formed and not self.keep:
            raise PinndiagError(
                "another loss goes back through the graphs of the terms, which are gone",
                where=f"terms: {', '.join(self.names)}",
                cause="a regulariser shares a forward pass with a term, and a balancing scheme has formed the terms' "
                "gradients at this step",
                fix="hand the regulariser over as a term too (exclude= leaves it out of the scheme), or give it a "
                "forward pass of its own",
            )

    def release(self) -> None:
        """Let the terms go with their graphs; the losses' values and the gradients stay."""
        _ = self.values
        self._last = ()
        self.outputs.clear()
        self.losses.clear()

    def weighted(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses with the residuals of some terms weighted entry by entry: mean of v |r|^2.

        Args:
            points: name -> v, of the residual's shape.

        Raises:
            PinndiagError: another number of points than v has.
        """
        for name, weight in points.items():
            if weight.shape != self.outputs[name].shape:
                raise PinndiagError(
                    f"the points of term {name!r} changed within a step, and each has a weight of its own",
                    where=f"weights {tuple(weight.shape)}, residuals {tuple(self.outputs[name].shape)}",
                    cause="micro-batches: the weights were found for the points of the step's first evaluation",
                    fix="evaluate all points of this term at once, or use a scheme that weighs terms",
                )
        if not points:
            return dict(self.losses)
        return {
            name: (points[name] * square(self.outputs[name])).mean() if name in points else loss
            for name, loss in self.losses.items()
        }

    def pull(self, losses: Mapping[str, Tensor], upstream: Tensor, *, keep: bool = False) -> Pulled:
        """Gradients of `losses` times `upstream`. Cost: one backward pass of each.

        Args:
            losses: scalars with their graphs.
            upstream: a number; it is put in before the pass, as a gradient scaler needs it.
            keep: keep the graphs.

        Raises:
            PinndiagError: the graphs cannot be taken apart.
        """
        if self.whole:
            raise PinndiagError(
                "the gradient of a single term cannot be formed",
                where=f"terms: {', '.join(self.names)}",
                cause=self.whole,
                fix="change that, or use no scheme that needs the terms' gradients",
            )
        inputs = [*self.parameters, *self.others]
        parts: list[list[Tensor | None]] = []
        last = len(losses) - 1
        with silent_hooks(inputs):
            for i, loss in enumerate(losses.values()):
                found: Sequence[Tensor | None] = [None] * len(inputs)
                if loss.requires_grad:
                    seed = upstream.to(device=loss.device, dtype=loss.dtype)
                    held = keep or self.held or (self._shared and i < last)
                    found = torch.autograd.grad(loss, inputs, seed, retain_graph=held, allow_unused=True)
                parts.append([g if g is None or type(g) is Tensor else g.as_subclass(Tensor) for g in found])
        return Pulled(parts, self.parameters)


@contextmanager
def silent_hooks(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Hold back hooks that a user registered on leaves: they are for the gradient of the sum, which comes later."""
    kept = [(hooks, dict(hooks)) for t in tensors if (hooks := t._backward_hooks)]
    for hooks, _ in kept:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, entries in kept:
            hooks.update(entries)
