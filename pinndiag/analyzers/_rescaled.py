"""The first steps of the training with inputs in [-1, 1] and an output of order one, without touching the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pinndiag._capture import CapturedTerms, End, first_layers, last_layer
from pinndiag._descent._descent import Adam, losses, subsets
from pinndiag._errors import PinndiagError
from pinndiag._records import Rescaled
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View
from pinndiag.analyzers._restart import STEPS, outcome, redrawn
from pinndiag.analyzers._start import require_initial

__all__ = ["rescaled"]

CONSTANTS = (0.0, 1.0, 3.0)  # outputs at which the data are looked for; three tell u - data from u^2 - data


def rescaled(subject: PINN | View, *, steps: int = STEPS, seed: int = 0) -> Rescaled:
    """Steps of Adam from redrawn initial parameters, on a copy whose inputs and output have order one.

    The graph stays as it is; its first and last layers are parametrised anew. With x' = A x + s in [-1, 1] over the
    box of all points that meet the layer, W = V A and b = c + V s, so that W x + b = V x' + c; V and c are drawn as
    `redrawn` says and trained in place of W and b. W and b of the last layer are what is trained, times the scale of
    each output: of the reference solution where one is known, else of the data (of a term whose residual moves one to
    one with the output). Compare with `restart(subject).redrawn`, which has the same draw and the same budget.

    Args:
        subject: a wrapped PINN, or a view of it.
        steps: steps of Adam.
        seed: of the draw, and of the choice of points for terms with more than 4096.

    Raises:
        PinndiagError: the initial parameters are unknown, or are those of the checkpoint; or the layers that meet the
            points cannot be told for every term.
        CaptureError: a term cannot be captured, so that there is no copy.

    Cost: one gradient of the total a step, in the PINN's own dtype, and three evaluations of the terms.
    """
    source = View.of(subject).pinn
    require_initial(source)
    twin = source.copy(initial=True)
    terms = twin.terms
    assert isinstance(terms, CapturedTerms)  # every copy replays a graph
    first = _first(twin, terms)
    drawn = redrawn(twin, seed)
    last = last_layer(terms.graph)
    if last is not None and last.weight in [layer.end.weight for layer in first]:
        last = None  # a single layer: its inputs are scaled
    scale, origin = _scale(twin, drawn, last)
    names = list(twin.parameters)

    def place(leaves: list[Tensor]) -> list[Tensor]:
        values = dict(zip(names, leaves, strict=True))
        for layer in first:
            weight = values[layer.end.weight]
            matrix = weight if layer.end.transposed else weight.mT  # (outputs, inputs)
            scaled = matrix / layer.half
            if layer.end.bias is not None:
                bias = values[layer.end.bias]
                values[layer.end.bias] = bias - (scaled @ layer.middle).reshape(bias.shape)
            values[layer.end.weight] = scaled if layer.end.transposed else scaled.mT
        if last is not None:
            weight = values[last.weight]
            values[last.weight] = weight * (scale[:, None] if last.transposed else scale)
            if last.bias is not None:
                values[last.bias] = values[last.bias] * scale
        return list(values.values())

    _put(twin, place(drawn))
    before = losses(twin, twin.names)
    adam, points = Adam(twin), subsets(twin, seed)
    adam.run(twin, steps, points, drawn, place)
    return Rescaled(
        steps=steps,
        lr=adam.lr,
        run=outcome(twin, before),
        ranges={layer.end.weight: layer.range for layer in first},
        scale=scale.tolist(),
        scale_from=origin,
        subset={name: chosen.count for name, chosen in points.items()},
    )


@final
@dataclass(frozen=True)
class _First:
    """A layer that meets the points, and the box of its inputs: x' = (x - middle) / half."""

    end: End
    low: Tensor
    high: Tensor

    @property
    def middle(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def half(self) -> Tensor:
        """Half the width; an input that never changes is only moved to zero."""
        half = (self.high - self.low) / 2
        return torch.where(half > 0, half, torch.ones_like(half))

    @property
    def range(self) -> list[tuple[float, float]]:
        return list(zip(self.low.tolist(), self.high.tolist(), strict=True))


def _first(pinn: PINN, terms: CapturedTerms) -> list[_First]:
    """The layers that meet the points, each with the box of its inputs over all terms."""
    found: dict[str, _First] = {}
    for name in pinn.names:
        ends = first_layers(terms.graph, name)
        if not ends:
            raise _refusal(f"term {name!r}", "no trained matrix that the points meet alone was found in its graph")
        for end in ends:
            inputs = terms.value(name, end.inputs).detach()
            rows = inputs.reshape(-1, inputs.shape[-1])
            if rows.is_complex() or not bool(rows.isfinite().all()):
                raise _refusal(f"term {name!r}, weight {end.weight!r}", "its inputs are complex or not finite")
            known = found.get(end.weight)
            if known is not None and (known.end.transposed, known.end.bias) != (end.transposed, end.bias):
                raise _refusal(f"weight {end.weight!r}", "it is used in two ways")
            low, high = rows.amin(0), rows.amax(0)
            if known is not None:
                low, high = torch.minimum(low, known.low), torch.maximum(high, known.high)
            found[end.weight] = _First(end, low, high)
    for layer in found.values():
        if layer.end.bias is None and bool((layer.middle.abs() > 1e-3 * layer.half).any()):
            raise _refusal(f"weight {layer.end.weight!r}", "the layer has no bias that could move its inputs to zero")
    return list(found.values())


def _scale(pinn: PINN, drawn: list[Tensor], last: End | None) -> tuple[Tensor, str]:
    """The scale of each output of the network, and where it comes from."""
    if last is None:
        return torch.ones(1), "left as it is: the network's output is not that of its last layer"
    weight = pinn.parameters[last.weight]
    outputs = weight.shape[0] if last.transposed else weight.shape[1]
    ones = torch.ones(outputs, dtype=weight.dtype.to_real(), device=weight.device)
    if pinn.reference is not None and pinn.reference.values.shape[1] == outputs:
        found = pinn.reference.values.abs().square().mean(0).sqrt().to(ones)
        return torch.where(found.isfinite() & (found > 0), found, ones), "root mean square of the reference solution"
    if outputs == 1 and last.bias is not None:
        name, size = _data(pinn, drawn, last, last.bias)
        if name:
            return size * ones, f"root mean square of the data of term {name!r}"
    return ones, "left as it is: neither a reference solution nor data of the output are known"


def _data(pinn: PINN, drawn: list[Tensor], last: End, bias: str) -> tuple[str, float]:
    """The term with the largest data: r = u - data, told by constant outputs c, with which r moves by c or -c."""
    residuals = []
    for constant in CONSTANTS:
        values = dict(zip(pinn.parameters, drawn, strict=True))
        values[last.weight] = torch.zeros_like(values[last.weight])
        values[bias] = torch.full_like(values[bias], constant)
        _put(pinn, list(values.values()))
        residuals.append({name: r.detach() for name, r in pinn.outputs().items()})
    best, size = "", 0.0
    for name, zero in residuals[0].items():
        moved = [(r[name] - zero).abs() / c for r, c in zip(residuals[1:], CONSTANTS[1:], strict=True)]
        rms = float(zero.abs().square().mean().sqrt())
        follows = all(bool((m - 1).abs().max() < 1e-3) for m in moved)
        if pinn.infos[name].kind == "residual" and follows and size < rms < math.inf:
            best, size = name, rms
    return best, size


def _put(pinn: PINN, values: list[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(pinn.tensors, values, strict=True):
            tensor.copy_(value)


def _refusal(where: str, cause: str) -> PinndiagError:
    return PinndiagError(
        "the inputs cannot be scaled on a copy",
        where=where,
        cause=cause,
        fix="map the coordinates to [-1, 1] inside the model, train it, and run pinndiag compare",
    )
