"""Trainable parameters as one flat real vector, and the layers they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pinndiag._errors import TermError

__all__ = ["Vector", "collect", "flatten", "layer_of", "layers", "sizes", "unflatten", "widest"]

Vector = Float[Tensor, " params"]

ROOT_LAYER = "(model)"
OUTSIDE = ("", "parameters", "optimizer")  # prefixes of tensors that no layer owns


def collect(
    modules: Mapping[str, nn.Module],
    extra: Mapping[str, Tensor] | Iterable[Tensor] | None,
    optimized: Iterable[Tensor],
) -> dict[str, Tensor]:
    """Name every trainable tensor: of the modules, of `parameters=`, of the optimizer; each tensor once, in that order.

    Tensors without entries, which some frameworks keep, are left out.

    Raises:
        TermError: an entry of `extra` is not a leaf tensor that requires grad, or nothing is trainable.
    """
    named: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        for name, parameter in module.named_parameters(prefix=prefix):
            if parameter.requires_grad:
                named[name] = parameter
    known = {id(tensor) for tensor in named.values()}
    given: dict[str, Tensor] = {}
    if extra is not None:
        given = dict(extra) if isinstance(extra, Mapping) else {f"parameters.{i}": t for i, t in enumerate(extra)}
    for name, tensor in given.items():
        if not isinstance(tensor, Tensor) or not tensor.is_leaf or not tensor.requires_grad:
            raise TermError(
                f"parameters= holds something that cannot be trained: {name!r}",
                where=_shown(tensor),
                cause="only leaf tensors with requires_grad=True receive gradients",
                fix="pass torch.nn.Parameter(...) or a tensor made with requires_grad=True",
            )
        if id(tensor) not in known:
            named[name if name not in named else f"parameters.{name}"] = tensor
            known.add(id(tensor))
    for i, tensor in enumerate(optimized):
        if tensor.requires_grad and id(tensor) not in known:
            named[f"optimizer.{i}"] = tensor
            known.add(id(tensor))
    named = {name: tensor for name, tensor in named.items() if tensor.numel()}
    if not named:
        raise TermError(
            "nothing is trainable: no parameter requires grad",
            where=f"modules: {', '.join(modules) or 'none'}; parameters= {len(given)} tensors",
            cause="every parameter is frozen, or the model is a function and parameters= was not given",
            fix='call model.requires_grad_(True), or pass parameters={"name": tensor, ...}',
        )
    return named


def _shown(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"got {type(value).__name__}"
    return f"got a tensor with is_leaf={value.is_leaf}, requires_grad={value.requires_grad}"


def layer_of(name: str) -> str:
    """The layer a weight belongs to: the module that owns it, by its name in `named_modules()`."""
    return name.rpartition(".")[0] or ROOT_LAYER


def layers(parameters: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Layer -> names of its parameters, in the network's order.

    A coefficient belongs to none: it stands by itself, under its own name. Such are scalars, and vectors without a
    matrix beside them, outside any submodule.

    >>> import torch
    >>> tensors = {"net.0.weight": torch.ones(2, 2), "net.0.bias": torch.ones(2), "viscosity": torch.ones(())}
    >>> layers(tensors)
    {'net.0': ['net.0.weight', 'net.0.bias'], 'viscosity': ['viscosity']}
    """
    owners = {name: name.rpartition(".")[0] for name in parameters}
    with_matrix = {owners[name] for name, tensor in parameters.items() if tensor.ndim >= 2}
    grouped: dict[str, list[str]] = {}
    for name, tensor in parameters.items():
        owner = owners[name]
        alone = owner in OUTSIDE and (tensor.ndim == 0 or owner not in with_matrix)
        grouped.setdefault(name if alone else layer_of(name), []).append(name)
    return grouped


def real(tensor: Tensor) -> Tensor:
    """A tensor as a flat real vector; a complex entry gives its real and its imaginary part."""
    return (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).reshape(-1)


def widest(parameters: Iterable[Tensor]) -> torch.dtype:
    """The widest floating dtype of the parameters; of a complex one, that of its parts."""
    return max((p.dtype.to_real() for p in parameters), key=lambda dtype: torch.finfo(dtype).bits)


def sizes(parameters: Iterable[Tensor]) -> list[int]:
    """Number of real entries of each parameter."""
    return [p.numel() * (2 if p.is_complex() else 1) for p in parameters]


def flatten(tensors: Sequence[Tensor | None], like: Sequence[Tensor]) -> Vector:
    """Stack tensors (one for each parameter, None for zeros) into one real vector of P entries.

    Gradients through a framework's own kind of tensor are of that kind; the vector is a plain one.
    """
    filled = [torch.zeros_like(p) if t is None else t for t, p in zip(tensors, like, strict=True)]
    vector = torch.cat([real(t) if t.is_complex() else t.reshape(-1) for t in filled])
    return vector if type(vector) is Tensor else vector.as_subclass(Tensor)


def unflatten(vector: Vector, like: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `flatten`, cast to each parameter's dtype."""
    pieces = []
    for piece, p in zip(vector.split(sizes(like)), like, strict=True):
        if p.is_complex():
            pairs = piece.reshape(*p.shape, 2).to(p.real.dtype)
            piece = torch.complex(pairs[..., 0], pairs[..., 1])
        pieces.append(piece.view(p.shape) if piece.dtype == p.dtype else piece.view(p.shape).to(p.dtype))
    return pieces
