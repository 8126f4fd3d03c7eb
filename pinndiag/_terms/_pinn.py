"""A wrapped PINN: a model and its named loss terms, ready to be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Inexact
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag._terms import _parameters
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._points import PointSet
from pinndiag._terms._randomness import RandomState, replayed
from pinndiag._terms._sampling import Draw, box_sampler
from pinndiag._terms._terms import AbstractTerms, TermInfo, mean_square, square

__all__ = ["CHUNK", "PINN", "Reference", "Sampler"]

CHUNK = 16_384  # points evaluated at once where a term's points can be split; bounds the memory of every analyzer

Sampler = Callable[[int], Any]


@final
@dataclass(frozen=True)
class Reference:
    """A known solution: points, and values of shape (points, outputs)."""

    points: PointSet
    values: Inexact[Tensor, "points outputs"]


@final
class PINN:
    """What `wrap` and `load` return: parameters, terms, weights and what else is known, at the present parameters.

    Attributes:
        parameters: name -> trainable tensor, in the network's order. P is the number of their real entries.
        terms: where residuals come from.
        weights: fixed weight of each term.
        state: every tensor of the model's state dict (with buffers and frozen parameters), by name.
        initial: trainable parameters before training, by name, or None when unknown.
        reference: the known solution, or None.
        origin: "live" for a wrapped model, else where it was loaded from.
        factory: the function that made it, as `load` was told it, or "".
        notes: what a report should say about how the PINN was obtained.
        namings: of an object of a framework: the names that its tensors have in files, likeliest first; else none.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        terms: AbstractTerms,
        *,
        weights: Mapping[str, float],
        state: Mapping[str, Tensor],
        initial: Mapping[str, Tensor] | None,
        optimizer: OptimizerState | Callable[[], OptimizerState] | None,
        reference: Reference | None,
        samplers: Mapping[str, Sampler],
        fresh: Mapping[str, PointSet] | None = None,
        origin: str = "live",
        notes: Iterable[str] = (),
        modules: Sequence[nn.Module] = (),
    ) -> None:
        self.parameters = dict(parameters)
        self.terms = terms
        self.weights = {name: float(weights.get(name, 1.0)) for name in terms.infos}
        self.state = dict(state)
        self.initial = None if initial is None else dict(initial)
        self._optimizer = optimizer
        self.reference = reference
        self.origin = origin
        self.factory = ""
        self.notes = list(notes)
        self.modules = list(modules)
        self.namings: list[Mapping[str, Tensor]] = []
        self._samplers = dict(samplers)
        self._fresh = dict(fresh or {})
        self._splits: dict[str, bool] = {}

    @property
    def optimizer(self) -> OptimizerState | None:
        """Kind, settings and state of the optimizer, or None; of a live one as they are now, as the parameters are.

        Cost: a copy of its state.
        """
        return self._optimizer() if callable(self._optimizer) else self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: OptimizerState | None) -> None:
        self._optimizer = optimizer

    def __repr__(self) -> str:
        terms = ", ".join(f"{i.name}{list(i.shape)}" for i in self.infos.values())
        return f"PINN({terms}; {self.size} trainable parameters, {self.dtype}, {self.device}, {self.origin})"

    @property
    def infos(self) -> Mapping[str, TermInfo]:
        """Facts about each term, in the order given."""
        return self.terms.infos

    @property
    def names(self) -> list[str]:
        """Names of the terms, in the order given."""
        return list(self.infos)

    @property
    def tensors(self) -> list[Tensor]:
        """The trainable tensors."""
        return list(self.parameters.values())

    @property
    def size(self) -> int:
        """P: number of real trainable entries."""
        return sum(_parameters.sizes(self.tensors))

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.tensors[0].device

    @property
    def dtype(self) -> torch.dtype:
        """The widest floating dtype of the trainable parameters; of a complex one, that of its parts."""
        return _parameters.widest(self.tensors)

    @property
    def sampled(self) -> frozenset[str]:
        """Terms whose fresh points come from the user's sampler and need not be guessed."""
        return frozenset({*self._samplers, *self._fresh})

    @property
    def layers(self) -> dict[str, list[str]]:
        """Layer -> names of its trainable parameters."""
        return _parameters.layers(self.parameters)

    def outputs(
        self, names: Sequence[str] | None = None, points: Mapping[str, PointSet] | None = None
    ) -> dict[str, Tensor]:
        """Residuals (or scalar losses) with their graphs. Cost: one forward pass of each term."""
        return self.terms.outputs(self.names if names is None else names, points)

    def losses(
        self, names: Sequence[str] | None = None, points: Mapping[str, PointSet] | None = None
    ) -> dict[str, Tensor]:
        """Unweighted losses with their graphs. Cost: one forward pass of each term."""
        return {name: mean_square(output) for name, output in self.outputs(names, points).items()}

    def pieces(self, name: str) -> Iterator[Tensor]:
        """Scalars that add up to the unweighted loss of a term, each with a graph of its own.

        A term whose points can be split, and whose residual at a point does not depend on the others, is given out
        in pieces of at most 16 384 points, so that memory stays bounded; any other term is one piece.
        """
        for output, share in self.parts(name):
            yield square(output).sum() / share if output.ndim else output

    def parts(self, name: str) -> Iterator[tuple[Tensor, int]]:
        """Residuals of a term, piece by piece, each beside the number of entries of the whole residual."""
        info = self.infos[name]
        if not self.splits(name):
            yield self.outputs([name])[name], info.entries
            return
        assert info.points is not None
        for start in range(0, info.points.count, CHUNK):
            rows = info.points.rows(slice(start, start + CHUNK))
            yield self.outputs([name], {name: rows})[name], info.entries

    def splits(self, name: str) -> bool:
        """Whether `pieces` gives a term in more than one piece."""
        info = self.infos[name]
        if not info.takes_points or not info.by_point or info.random or info.points is None:
            return False
        if info.points.count <= CHUNK:
            return False
        if name not in self._splits:
            self._splits[name] = self._by_itself(name, info.points)
        return self._splits[name]

    def _by_itself(self, name: str, points: PointSet) -> bool:
        """Whether a residual at a point is the same whichever points stand beside it.

        Points from all over the set: each half alone, and in reverse, must give what the whole gives; running sums,
        means and extremes over the points differ in one of them.
        """
        chosen = torch.linspace(0, points.count - 1, 512).long()
        orders = [torch.arange(512), torch.arange(256), torch.arange(256, 512), torch.arange(511, -1, -1)]
        try:
            found = [self.outputs([name], {name: points.rows(chosen[o])})[name].detach() for o in orders]
        except Exception:  # a term tied to its own points cannot be evaluated at fewer
            return False
        whole = found[0]
        if any(len(part) != len(order) for part, order in zip(found, orders, strict=True)):
            return False
        room = 1e3 * torch.finfo(whole.dtype).eps * whole.abs().max()
        return all(bool((part - whole[o]).abs().max() <= room) for part, o in zip(found, orders, strict=True))

    def fresh_points(self, name: str, count: int, seed: int = 0) -> tuple[PointSet, str]:
        """New points of the set a term's points were drawn from, and how they were drawn, in words.

        Raises:
            PinndiagError: the term does not take its points, or the set they came from cannot be guessed.
        """
        info = self.infos[name]
        if not info.takes_points or info.points is None:
            raise PinndiagError(
                f"term {name!r} cannot be evaluated at fresh points",
                cause="the term takes no argument, or its points were not given",
                fix=f"let it take its points, and pass points={{{name!r}: x}} to wrap",
            )
        if name in self._samplers:
            with replayed(RandomState.seeded(seed)):
                drawn = PointSet.of(self._samplers[name](count), name)
            return info.points.map([t.to(self.device) for t in drawn.tensors]), "drawn by sampler="
        if name in self._fresh:
            return self._fresh[name], "drawn by sampler= when the file was written"
        draw: Draw = box_sampler(info.points.coordinates, count, seed)
        return info.points.at(draw.coordinates), draw.how

    def solve(self, points: PointSet) -> Inexact[Tensor, "points outputs"]:
        """The network's output at `points`."""
        return self.terms.solve(points)

    def copy(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None, initial: bool = False
    ) -> PINN:
        """A twin with parameters of its own, for experiments: nothing done to it reaches the user's model.

        The terms of a live PINN are captured as a graph first (once; about the cost of a few evaluations of the terms).

        Args:
            dtype: floating dtype of the twin.
            device: device of the twin.
            initial: start from the initial parameters instead of the present ones.

        Raises:
            CaptureError: a term cannot be captured.
            PinndiagError: `initial` was asked and the initial parameters are unknown.
        """
        from pinndiag._capture import captured  # capture builds on this class

        return captured(self).rebuilt(dtype=dtype, device=device, initial=initial)

    def save(self, path: str | Path, *, skip_uncapturable: bool = False) -> Path:
        """Write a self-contained checkpoint that `pinndiag analyze` reads anywhere, without the training script.

        The terms are captured as a graph and verified against the live ones before anything is written; the file
        appears under its name only when it is whole.

        Args:
            path: file to write.
            skip_uncapturable: leave out terms that cannot be captured instead of refusing.

        Raises:
            CaptureError: a term cannot be captured; the message says which and why.
        """
        from pinndiag._checkpoint import save  # writing builds on this class

        return save(self, Path(path), skip_uncapturable=skip_uncapturable)
