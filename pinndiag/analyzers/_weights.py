"""The parameters themselves: non-finite, zero and dead entries, norms, how far training moved them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from pinndiag._records import LayerParameters, Parameters
from pinndiag._statistics import _statistics
from pinndiag._terms import _parameters
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["parameters", "parameters_of"]


def parameters(subject: PINN | View) -> Parameters:
    """Look at every tensor of the model, layer by layer: trainable, frozen, and buffers.

    See `parameters_of` for the figures. Tensors that are in the model's state but not trained are listed as `frozen`
    (a loaded file does not tell frozen parameters from buffers). Tied tensors count once.

    Cost: no pass through the network; a singular value decomposition of each layer's matrix.

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(2, 1)
    >>> _ = torch.nn.init.constant_(model.weight, 2.0), torch.nn.init.zeros_(model.bias)
    >>> found = parameters(pinndiag.wrap(model, {"data": lambda: model(torch.eye(2))}))
    >>> round(found.layers[0].norm ** 2, 6), round(found.layers[0].zeros, 6)      # two entries of 2, one of 0
    (8.0, 0.333333)
    """
    pinn = View.of(subject).pinn
    return parameters_of({**pinn.state, **pinn.parameters}, initial=pinn.initial, trainable=pinn.parameters)


def parameters_of(
    tensors: Mapping[str, Tensor],
    *,
    initial: Mapping[str, Tensor] | None = None,
    trainable: Collection[str] | None = None,
) -> Parameters:
    """What weights alone tell, such as those of a state dict: non-finite, zero and dead entries, norms, movement.

    A layer is the module that owns the tensors, by their names. Its `spectral_norm` is the largest singular value of
    its matrix (tensors of more dimensions as (first, rest); the largest, if there are several), NaN if that holds
    non-finite entries. `dead_rows` are rows of zeros: units that see nothing. `moved` is
    |theta - theta_0| / |theta_0| of the tensors whose initial values are known, infinite where those are zero; None
    where none is known, or where all of the model still is at its initial values.

    Args:
        tensors: name -> tensor; integer tensors (counters) are passed over.
        initial: name -> the same before training.
        trainable: names of the trained tensors; default: all.

    Cost: a singular value decomposition of each layer's matrix.

    >>> import torch
    >>> state = {"net.0.weight": torch.tensor([[3.0, 4.0], [0.0, 0.0]]), "net.0.bias": torch.tensor([torch.nan, 1.0])}
    >>> found = parameters_of(state)
    >>> found.nonfinite, found.layers[0].name, found.layers[0].spectral_norm, found.layers[0].dead_rows
    (1, 'net.0', 5.0, 1)
    """
    known = _distinct({name: t.detach() for name, t in tensors.items() if _counts(t)}, trainable)
    trained = set(known if trainable is None else trainable)
    start = {name: t for name, t in (initial or {}).items() if name in known and t.shape == known[name].shape}
    if all(torch.equal(t.to(known[name]), known[name]) for name, t in start.items()):
        start = {}
    layers = [
        _layer(layer, {name: known[name] for name in members}, start, trained)
        for layer, members in _parameters.layers(known).items()
    ]
    return Parameters(
        layers=layers,
        entries=sum(layer.entries for layer in layers),
        trainable=sum(layer.trainable for layer in layers),
        nonfinite=sum(layer.nonfinite for layer in layers),
        frozen=[name for name in known if name not in trained],
    )


def _counts(tensor: Tensor) -> bool:
    return tensor.numel() > 0 and (tensor.is_floating_point() or tensor.is_complex())


def _distinct(tensors: dict[str, Tensor], trainable: Collection[str] | None) -> dict[str, Tensor]:
    """Each piece of memory once: a tied tensor has two names in a state dict; a trained name wins."""
    first: dict[object, str] = {}
    for name, tensor in tensors.items():
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride())
        if place not in first or (trainable is not None and name in trainable):
            first[place] = name
    kept = set(first.values())
    return {name: tensor for name, tensor in tensors.items() if name in kept}


def _layer(
    name: str, tensors: Mapping[str, Tensor], start: Mapping[str, Tensor], trained: Collection[str]
) -> LayerParameters:
    sizes = dict(zip(tensors, _parameters.sizes(tensors.values()), strict=True))
    flat = _flat(list(tensors.values()))
    matrices = [t.reshape(len(t), -1) for t in tensors.values() if t.ndim >= 2]
    return LayerParameters(
        name=name,
        entries=sum(sizes.values()),
        trainable=sum(size for key, size in sizes.items() if key in trained),
        nonfinite=int((~flat.isfinite()).sum()),
        zeros=float((flat == 0).double().mean()),
        norm=_norm(flat),
        spectral_norm=_worst([_spectral_norm(matrix) for matrix in matrices]) if matrices else None,
        dead_rows=sum(int((matrix == 0).all(1).sum()) for matrix in matrices),
        moved=_moved(tensors, {key: start[key] for key in tensors if key in start}),
    )


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([_parameters.real(t).double() for t in tensors])


def _norm(vector: Tensor) -> float:
    return float(_statistics.norms(vector[None])[0])


def _spectral_norm(matrix: Tensor) -> float:
    if not bool(matrix.isfinite().all()):
        return math.nan
    wide = matrix.to(torch.complex128 if matrix.is_complex() else torch.float64)
    return float(torch.linalg.matrix_norm(wide, ord=2))


def _worst(values: list[float]) -> float:
    return math.nan if any(math.isnan(value) for value in values) else max(values)


def _moved(tensors: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> float | None:
    if not start:
        return None
    before = _flat([t.detach() for t in start.values()]).to(next(iter(tensors.values())).device)
    now = _flat([tensors[key] for key in start])
    distance, length = _norm(now - before), _norm(before)
    return distance / length if length else math.inf if distance else 0.0
