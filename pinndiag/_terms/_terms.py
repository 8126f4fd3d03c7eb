"""Loss terms: where residuals come from. `LiveTerms` calls the user's closures; captured terms replay a graph."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from pinndiag._errors import PinndiagError, TermError
from pinndiag._terms._graphs import shares
from pinndiag._terms._points import PointSet
from pinndiag._terms._randomness import RandomState, replayed

__all__ = ["AbstractTerms", "LiveTerms", "TermInfo", "mean_square"]


def mean_square(output: Tensor) -> Tensor:
    """Loss of a term's output: itself if it is 0-dimensional, else the mean of |r|^2 over all its entries."""
    if output.ndim == 0:
        return output
    return square(output).mean()


def square(output: Tensor) -> Tensor:
    """|r|^2 entry by entry; complex modulus."""
    return torch.view_as_real(output.resolve_conj()).square().sum(-1) if output.is_complex() else output.square()


@final
@dataclass(frozen=True)
class TermInfo:
    """Facts about one term that do not change with the parameters.

    Attributes:
        name: as the user gave it.
        kind: "residual" (its loss is the mean square) or "loss" (a scalar).
        shape: shape of the output.
        takes_points: the term is called with its points, so it can be evaluated at fresh ones.
        points: its points, if they were given.
        random: it draws random numbers; they are held fixed.
        repeatable: evaluated again with the same random numbers it gives the same values.
        note: what a report should say about it, or "".
    """

    name: str
    kind: Literal["residual", "loss"]
    shape: tuple[int, ...]
    takes_points: bool = False
    points: PointSet | None = None
    random: bool = False
    repeatable: bool = True
    note: str = ""

    @property
    def entries(self) -> int:
        """Number of entries of the residual (complex ones count once)."""
        return int(torch.Size(self.shape).numel())

    @property
    def by_point(self) -> bool:
        """Whether the first dimension of the output runs over the points."""
        return self.points is not None and len(self.shape) > 0 and self.shape[0] == self.points.count

    @property
    def components(self) -> int:
        """Entries of the residual at each point; 1 where they cannot be told apart by points."""
        return self.entries // self.points.count if self.points is not None and self.by_point else 1


class AbstractTerms(ABC):
    """Named terms that can be evaluated at the present parameters."""

    infos: Mapping[str, TermInfo]

    @abstractmethod
    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        """Residuals (or scalar losses) of the named terms, with their graphs to the parameters.

        Args:
            names: the terms to evaluate.
            points: other points for terms that take their points.
        """

    @abstractmethod
    def solve(self, points: PointSet) -> Tensor:
        """The network's output at `points`, of shape (points, outputs).

        Raises:
            PinndiagError: the terms came without a network that can be evaluated.
        """


@final
class LiveTerms(AbstractTerms):
    """The user's own closures over the user's own parameters."""

    def __init__(
        self,
        terms: Mapping[str, Callable[..., Tensor]],
        points: Mapping[str, PointSet],
        model: Callable[[PointSet], Tensor] | None,
        device: torch.device,
        buffers: Iterable[Tensor] = (),
    ) -> None:
        self._terms = dict(terms)
        self._model = model
        self._state = RandomState.now()
        self._buffers = list(buffers)
        self._kept: list[Tensor] = []
        self._states: dict[str, RandomState] = {}
        self.takes_points = {name: _takes_points(name, term, name in points) for name, term in terms.items()}
        self._points = dict(points)
        kept = [buffer.detach().clone() for buffer in self._buffers]
        with self._conditions():
            first = {name: self._checked(name, self._first(name), device) for name in self._terms}
        if not all(torch.equal(a, b) for a, b in zip(kept, self._buffers, strict=True)):
            self._kept = kept  # running statistics that an evaluation moves: put back after each
            self._put_back()
        self._shared = shares(list(first.values()))
        self.infos = self._look(first)

    @property
    def shared(self) -> bool:
        """Whether terms share part of one graph, so that they must be evaluated together."""
        return self._shared

    @property
    def state(self) -> RandomState:
        """The generators' state from which every evaluation starts."""
        return self._state

    def outputs(self, names: Sequence[str], points: Mapping[str, PointSet] | None = None) -> dict[str, Tensor]:
        """See `AbstractTerms`. Terms that share a forward pass are all evaluated, in the order given."""
        points = points or {}
        found: dict[str, Tensor] = {}
        if self._shared and not points:
            with self._conditions():
                found = {name: _plain(self._raw(name)) for name in self._terms}
        for name in names:
            if name not in found:
                with self._conditions(self._states[name]):
                    found[name] = _plain(self._raw(name, points.get(name)))
        return {name: found[name] for name in names}

    def redrawn(self, seed: int) -> LiveTerms:
        """The same terms with other random numbers, held fixed likewise."""
        twin = copy.copy(self)
        twin._state = RandomState.seeded(seed)
        twin._states = dict.fromkeys(self._terms, twin._state)
        return twin

    def solve(self, points: PointSet) -> Tensor:
        """See `AbstractTerms`."""
        if self._model is None:
            raise PinndiagError(
                "the network's output cannot be evaluated",
                cause="the model was given as a function without solution=, so its inputs are unknown",
                fix="pass the torch.nn.Module that represents the solution as `model`",
            )
        with self._conditions():
            output = _plain(self._model(points))
        return output.reshape(points.count, -1)

    @contextlib.contextmanager
    def _conditions(self, state: RandomState | None = None) -> Iterator[None]:
        """Every evaluation: the same random numbers, gradients on, and everything run as written.

        What `torch.compile` made, and some fused kernels, cannot be differentiated twice; what they stand for can.
        """
        compiled = "torch._dynamo" in sys.modules
        eager = torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()
        with replayed(state or self._state), torch.enable_grad(), eager, _unfused():
            try:
                yield
            finally:
                self._put_back()

    def _raw(self, name: str, points: PointSet | None = None) -> Any:
        term = self._terms[name]
        if not self.takes_points[name]:
            return term()
        chosen = points if points is not None else self._points[name]
        return term(chosen.value)

    def _first(self, name: str) -> Any:
        """The first evaluation; from the generators' state at its turn every later one of this term starts."""
        self._states[name] = RandomState.now()
        try:
            return self._raw(name)
        except PinndiagError:
            raise
        except Exception as error:
            raise TermError(
                f"term {name!r} raised {type(error).__name__}: {error}",
                where=f"term {name!r}" + (", called with its points" if self.takes_points[name] else ""),
                cause="the function fails on its own, before anything is measured",
                fix="call it by hand once and mend what it reports",
            ) from error

    def _put_back(self) -> None:
        # through .data: a graph that saved the buffer stays valid
        for buffer, value in zip(self._buffers, self._kept, strict=False):
            buffer.data.copy_(value)

    def _look(self, first: dict[str, Tensor]) -> dict[str, TermInfo]:
        with self._conditions(RandomState.seeded(20_230_731)):
            other = {name: _plain(self._raw(name)).detach() for name in self._terms}
        again = {name: o.detach() for name, o in self.outputs(list(self._terms)).items()}
        base = {name: o.detach() for name, o in self.outputs(list(self._terms)).items()}
        infos = {}
        for name, output in first.items():
            repeatable = _same(base[name], again[name])
            random = repeatable and not _same(base[name], other[name])
            note = ""
            if not repeatable:
                note = "gives other values at each evaluation (it draws new points by itself)"
            elif random:
                note = "draws random numbers; they were held fixed"
            loss = mean_square(output.detach())
            if output.ndim == 0 and bool(loss < 0):
                note = "; ".join(filter(None, [note, "its loss is negative"]))
            infos[name] = TermInfo(
                name,
                "loss" if output.ndim == 0 else "residual",
                tuple(output.shape),
                self.takes_points[name],
                self._points.get(name),
                random,
                repeatable,
                note,
            )
        return infos

    def _checked(self, name: str, output: Any, device: torch.device) -> Tensor:
        shown = f"term {name!r}"
        if not isinstance(output, Tensor):
            hint = {
                type(None): ("the function has no return statement", "return the residual tensor"),
                float: ("a number was taken out of the graph, by .item() or float()", "return the tensor itself"),
                tuple: ("the term returns several values", "return one tensor, or give each value a term of its own"),
            }.get(type(output), ("the term does not return a tensor", "return the residual or a scalar loss"))
            raise TermError(f"{shown} returned {type(output).__name__}", where=shown, cause=hint[0], fix=hint[1])
        where = f"{shown}: shape {tuple(output.shape)}, {output.dtype}, on {output.device}"
        residual: Tensor = _plain(output)
        if not (residual.is_floating_point() or residual.is_complex()):
            raise TermError(
                f"{shown} returned a tensor of type {residual.dtype}, which cannot have a gradient",
                where=where,
                cause="a comparison, an index or a rounded value was returned instead of the residual",
                fix="return the residual itself as a floating-point or complex tensor",
            )
        if residual.numel() == 0:
            raise TermError(
                f"{shown} returned an empty tensor",
                where=where,
                cause="its set of points is empty, or a mask selects none of them",
                fix="give the term at least one point, or leave it out",
            )
        if residual.ndim == 0 and residual.is_complex():
            raise TermError(
                f"{shown} returned a complex scalar, which is not a loss",
                where=where,
                cause="the modulus was not taken",
                fix="return the complex residual tensor, or its mean squared modulus",
            )
        if not residual.requires_grad:
            raise TermError(
                f"{shown} needs no gradient: no trainable parameter can change it",
                where=where,
                cause="the network's output was detached, computed once outside the term or under torch.no_grad(), "
                "or every parameter it uses is frozen",
                fix="compute the network's output inside the term, without detach(), .data or no_grad()",
            )
        if residual.device != device:
            raise TermError(
                f"{shown} lives on another device than the parameters",
                where=f"{where}; parameters on {device}",
                cause="the model was moved after the points were made, or the points were never moved",
                fix=f"move the points and constants of this term to {device}",
            )
        return residual


@contextlib.contextmanager
def _unfused() -> Iterator[None]:
    """Without the kernels that do the work of many operators in one: recurrent layers, attention.

    Not by `torch.backends...flags`, which set more than is asked, and warn of it.
    """
    mkldnn, cudnn = torch._C._get_mkldnn_enabled(), torch._C._get_cudnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    torch._C._set_cudnn_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch._C._set_mkldnn_enabled(mkldnn)
        torch._C._set_cudnn_enabled(cudnn)


def _plain(output: Tensor) -> Tensor:
    """The output as an ordinary tensor (frameworks hand out subclasses)."""
    if type(output) is not Tensor:
        output = output.as_subclass(Tensor)
    return output


def _takes_points(name: str, term: Callable[..., Tensor], has_points: bool) -> bool:
    try:
        # calling a module passes anything on to its forward, which knows its arguments
        signature = inspect.signature(term.forward if isinstance(term, nn.Module) else term)
    except (TypeError, ValueError):  # built-in callables without a signature
        return has_points
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in signature.parameters.values() if p.kind in kinds and p.default is p.empty]
    keywords = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(required) > 1 or keywords:
        names = ", ".join(p.name for p in [*required, *keywords])
        raise TermError(
            f"term {name!r} takes {len(required) + len(keywords)} arguments ({names})",
            where=f"signature {signature}",
            cause="a term takes no argument, or one: its points",
            fix="bind the others: functools.partial(term, model), or lambda x: term(model, x)",
        )
    if required and not has_points:
        raise TermError(
            f"term {name!r} takes its points ({required[0].name}) but none were given",
            where=f"signature {signature}",
            cause="points= has no entry of that name",
            fix=f"pass points={{{name!r}: x}}",
        )
    return bool(required)


def _same(a: Tensor, b: Tensor) -> bool:
    """Equal up to the order in which a device adds up."""
    if a.shape != b.shape:
        return False
    a, b = torch.nan_to_num(a), torch.nan_to_num(b)
    return bool((a - b).abs().max() <= 100 * torch.finfo(a.dtype).eps * a.abs().max())
