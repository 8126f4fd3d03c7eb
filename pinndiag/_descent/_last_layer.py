"""Which layers put out the solution: found by trying, since nothing in a graph or a file says so."""

from __future__ import annotations

import torch
from torch import Tensor

from pinndiag._derivatives._jacobian import generator
from pinndiag._errors import PinndiagError
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["last_layers"]

STIR = 0.1  # added to the biases, so that no unit is zero by its initialisation


def last_layers(copy: PINN) -> dict[str, list[Tensor]]:
    """The last layer of each network: its name, and its parameters in `copy`.

    With the matrix of a last layer at zero no gradient arrives at any layer before it. So each layer is set to zero in
    turn, from the last by name: one that cuts others off is taken, and those it cuts off are not; until all are told.

    Args:
        copy: a copy, whose parameters are as they were afterwards.

    Raises:
        PinndiagError: some layer is neither a last one nor before one (a last layer that is not trained, a network of
            a single layer beside others, a normalised weight).

    Cost: one gradient of the terms for each layer tried, as a rule as many as there are networks.

    >>> import torch, pinndiag
    >>> model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    >>> pinn = pinndiag.wrap(model, {"data": lambda: model(torch.ones(3, 1)) - 2})
    >>> list(last_layers(pinn.copy()))
    ['2']
    """
    found = {layer: [copy.parameters[name] for name in members] for layer, members in copy.layers.items()}
    layers = {layer: tensors for layer, tensors in found.items() if any(t.ndim >= 2 for t in tensors)}
    if len(layers) == 1:
        return layers
    kept = [tensor.detach().clone() for tensor in copy.tensors]
    chosen, told = list[str](), set[str]()
    with torch.no_grad():
        for vector in (t for tensors in layers.values() for t in tensors if t.ndim < 2):
            vector += STIR * torch.randn(vector.shape, generator=generator(0)).to(vector)
        for layer in reversed(layers):
            if layer not in told:
                cut = _cut_off(copy, layers, layer)
                told |= {layer, *cut} if cut else set()
                chosen = [*(c for c in chosen if c not in cut), *([layer] if cut else [])]
        for tensor, value in zip(copy.tensors, kept, strict=True):
            tensor.copy_(value)
    if set(layers) - told or not chosen:
        untold = [layer for layer in layers if layer not in told]
        raise PinndiagError(
            "the last layer cannot be told",
            where=f"layers without a place: {', '.join(untold) or 'all'}",
            cause="the last layer is not trained, has a normalised weight, or the layers are joined in an unusual way",
        )
    return {layer: layers[layer] for layer in reversed(chosen)}


def _cut_off(copy: PINN, layers: dict[str, list[Tensor]], layer: str) -> set[str]:
    """The other layers at which no gradient arrives while the matrices of `layer` are zero."""
    matrices = [t for t in layers[layer] if t.ndim >= 2]
    kept = [t.clone() for t in matrices]
    for matrix in matrices:
        matrix.zero_()
    with torch.enable_grad():
        arrived = torch.stack(list(View(copy).gradients.values())).abs().sum(0)
    for matrix, value in zip(matrices, kept, strict=True):
        matrix.copy_(value)
    parts = dict(zip(copy.parameters, arrived.split(_parameters.sizes(copy.tensors)), strict=True))
    reached = {other for other in layers for name in copy.layers[other] if bool((parts[name] != 0).any())}
    return set(layers) - reached - {layer}
