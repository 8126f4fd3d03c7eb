"""The network against the simplest answers there are: zero, and the best constant."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from pinndiag._descent._descent import losses
from pinndiag._descent._last_layer import last_layers
from pinndiag._descent._lbfgs import LBFGS
from pinndiag._errors import PinndiagError
from pinndiag._records import Constant
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["constant"]

ITERATIONS = 10  # of L-BFGS on the biases of the last layers: as many numbers as the networks have outputs
STARTS = 4  # outputs for which +1 and -1 are tried as starts beside 0


def constant(subject: PINN | View) -> Constant:
    """Losses with the last layer of every network at zero, and with the constant output that suits the terms best.

    `relative` is L_i / L_i(0): the present loss of a term on the scale that the problem itself sets. `ratio` is the
    total loss of the best constant output over the present one: about 1, and the network is no better than a constant.
    The best constant is found by L-BFGS over the biases of the last layers, the weights at zero, from the best of 0
    and +-1; where the last layers have no biases it is zero.

    Where the output is transformed (a condition satisfied exactly), "constant" is said of what comes out of the last
    layer, before the transformation; `output` says so.

    Args:
        subject: a wrapped PINN, or a view of it.

    Raises:
        CaptureError: a term cannot be captured, so that there is no copy.
        PinndiagError: the last layer cannot be told, or a loss is negative or not finite.

    `response` of a term is the mean over both signs of what a constant output, as large as the present one varies, adds
    to its loss; of u - g it is the variance of the output, of u' it is zero.

    Cost: on a copy one gradient for each network, four forward passes for each output and about ten more.

    Sources: pathologies of trivial solutions, Rohrhofer et al. 2022 (arXiv 2203.13648), Leiteritz, Pflueger 2021.

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(1, 1)
    >>> _ = torch.nn.init.zeros_(model.weight), torch.nn.init.constant_(model.bias, 2.0)             # u = 2
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> found = constant(pinndiag.wrap(model, {"data": lambda: model(x) - 3 - torch.tensor([[1.0], [-1.0]])}))
    >>> found.zero["data"], round(found.best["data"], 6), round(found.ratio, 6)      # of u - 4 and u - 2; best: u = 3
    (10.0, 1.0, 0.5)
    """
    view = View.of(subject)
    pinn = view.pinn
    if not all(0 <= loss < math.inf for loss in view.losses.values()):
        raise PinndiagError("a loss is negative or not finite", cause="relative losses have no meaning then")
    copy = pinn.copy()
    last = last_layers(copy)
    tensors = [tensor for found in last.values() for tensor in found]
    biases = [tensor for tensor in tensors if tensor.ndim < 2]
    at, shown = _outputs(copy)
    with torch.no_grad():
        for tensor in tensors:
            tensor.zero_()
    zero = losses(copy, copy.names)
    at_zero = _outputs(copy)[1]
    response = {} if shown is None else _response(copy, biases, shown, zero)
    best = _best(copy, biases, zero) if biases else zero
    weights = pinn.weights
    now, then = (sum(weights[n] * found[n] for n in pinn.names) for found in (view.losses, best))
    return Constant(
        layers=list(last),
        output=_kind(at_zero),
        zero=zero,
        best=best,
        relative={n: _quotient(view.losses[n], zero[n]) for n in pinn.names},
        ratio=_quotient(then, now),
        spread=None if shown is None else float(_spread(shown)),
        size=None if shown is None else float(shown.square().mean().sqrt()),
        bend=None if shown is None else _bend(at, shown),
        response=response,
    )


def _response(copy: PINN, biases: Sequence[Tensor], shown: Tensor, zero: Mapping[str, float]) -> dict[str, float]:
    """What each output's standard deviation, put into its bias, adds to each term; the biases are left at zero.

    Of one network whose output that bias is added to: else which of several it belongs to, and in which unit, is not
    known.
    """
    if shown.is_complex() or len(biases) != 1 or shown.flatten(1).shape[1] != biases[0].numel():
        return {}
    added = dict.fromkeys(zero, 0.0)
    bias, before = biases[0].view(-1), _outputs(copy)[1]
    for place, spread in enumerate(shown.flatten(1).std(0, correction=0)):
        for value in (spread, -spread):
            with torch.no_grad():
                bias[place] = value
            moved, found = _outputs(copy)[1], losses(copy, copy.names)
            with torch.no_grad():
                bias[place] = 0.0
            if before is None or moved is None or not _moved_by(value, (moved - before).flatten(1)[:, place]):
                return {}
            for name, loss in found.items():
                added[name] += (loss - zero[name]) / 2
    return added


def _moved_by(value: Tensor, difference: Tensor) -> bool:
    return bool(((difference - value).abs() <= 1e-3 * value.abs()).all())


def _best(copy: PINN, biases: Sequence[Tensor], zero: dict[str, float]) -> dict[str, float]:
    """Losses with the biases where the weighted total is smallest, as far as a short descent finds it."""
    weights = {name: weight for name, weight in copy.weights.items() if weight}

    def total(found: Mapping[str, float]) -> float:
        return sum(weight * found[name] for name, weight in weights.items())

    tried = [([torch.zeros_like(bias) for bias in biases], zero)]
    for bias in biases:
        for place, sign in itertools.product(range(min(STARTS, bias.numel())), (1.0, -1.0)):
            with torch.no_grad():
                bias.view(-1)[place] = sign
            tried.append(([b.detach().clone() for b in biases], losses(copy, copy.names)))
            with torch.no_grad():
                bias.zero_()
    moved = {name: weights[name] for name in weights if any(found[name] != zero[name] for _, found in tried)}
    start, lowest = min(tried, key=lambda one: total(one[1]))
    if not moved or total(lowest) == 0:
        return lowest
    with torch.no_grad():
        for bias, value in zip(biases, start, strict=True):
            bias.copy_(value)
    _descend(copy, moved, biases)
    found = {**lowest, **losses(copy, list(moved))}
    return found if total(found) < total(lowest) else lowest


def _descend(copy: PINN, weights: Mapping[str, float], biases: Sequence[Tensor]) -> None:
    """L-BFGS over the biases, on the terms that depend on them: with others in the sum, digits would be lost."""
    optimizer = LBFGS(list(biases), max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    scale: list[Tensor] = []

    def evaluated() -> Tensor:
        found = copy.losses(list(weights))
        loss = torch.stack([weights[name] * loss for name, loss in found.items()]).sum()
        scale.append(loss.detach())  # torch's L-BFGS has thresholds in absolute units
        loss = loss / scale[0]
        for bias, gradient in zip(biases, torch.autograd.grad(loss, biases, allow_unused=True), strict=True):
            bias.grad = torch.zeros_like(bias) if gradient is None else gradient
        return loss.detach()

    optimizer.step(evaluated)


def _outputs(pinn: PINN) -> tuple[Tensor, Tensor | None]:
    """Points the network is known to take, and its output there; None where there are none."""
    sets = [] if pinn.reference is None else [pinn.reference.points]
    sets += [info.points for info in pinn.infos.values() if info.points is not None]
    for points in sets:
        try:
            return points.coordinates, pinn.solve(points).detach()
        except Exception:  # the points of a term need not be what the network takes
            continue
    return torch.empty(0, 0), None


def _bend(points: Tensor, output: Tensor) -> float | None:
    """Share of the output's variance that its best affine fit leaves; None for a constant or for too few points."""
    count, dimensions = points.shape
    if count < 4 * (dimensions + 1):
        return None
    inputs = torch.cat([torch.ones_like(points[:, :1]), points], dim=1).double()
    if output.is_complex():
        output = torch.view_as_real(output).flatten(1)
    values = output.double() - output.double().mean(0)
    left = values - inputs @ torch.linalg.lstsq(inputs, values, driver="gelsd").solution
    whole = float(values.square().sum())
    return float(left.square().sum()) / whole if 0 < whole < math.inf else None


def _spread(output: Tensor) -> Tensor:
    return (output - output.mean(0)).abs().square().mean().sqrt()


def _kind(output: Tensor | None) -> Literal["zero", "constant", "varies", "unknown"]:
    if output is None:
        return "unknown"
    if not bool(output.any()):
        return "zero"
    return "constant" if bool((output == output[0]).all()) else "varies"


def _quotient(a: float, b: float) -> float:
    """The quotient a / b; 1 where both are zero, infinite where only b is."""
    return a / b if b else 1.0 if a == 0 else math.inf
