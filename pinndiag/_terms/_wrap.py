"""`wrap`: attach to any PyTorch PINN."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pinndiag._errors import TermError
from pinndiag._terms import _parameters
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._pinn import PINN, Reference, Sampler
from pinndiag._terms._points import PointSet
from pinndiag._terms._solution import Solution
from pinndiag._terms._terms import LiveTerms

__all__ = ["Model", "check_names", "forward_of", "modules_of", "optimized_by", "reference_of", "wrap"]

Model = nn.Module | Mapping[str, nn.Module] | Callable[..., Tensor]


def wrap(
    model: Any,
    terms: Mapping[str, Callable[..., Tensor]] | None = None,
    *,
    points: Mapping[str, Any] | None = None,
    sampler: Mapping[str, Sampler] | None = None,
    solution: tuple[Any, Tensor] | None = None,
    weights: Mapping[str, float] | None = None,
    parameters: Mapping[str, Tensor] | Iterable[Tensor] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    initial: Mapping[str, Tensor] | None = None,
    names: Sequence[str] | None = None,
    data: Any = None,
) -> PINN:
    """Attach to a model and its named loss terms. Nothing of the model is changed.

    Args:
        model: a module, a dictionary of modules, or a function `f(parameters, *points)` of a parameter mapping in the
            style of `torch.func.functional_call` (then `parameters` must be that mapping). Or the object of a framework
            that `attach` knows, which brings its terms, points, weights and optimizer along; what is given here wins.
        terms: name -> callable that returns its residuals (any shape; the loss is the mean of |r|^2 over all entries)
            or a scalar loss, unweighted. It takes no argument, or one: its points.
        points: name -> points of that term, a tensor (points, d) or a tuple of columns: for maps over the domain and
            residuals at fresh points.
        sampler: name -> `draw(n)`, fresh points of the same form. Default: the box of the points.
        solution: (points, values) of a known solution, for the relative L2 error; called as `model(points)`, or
            `model(*points)` for a tuple of columns. Of several modules the outputs are put side by side. Points of
            another precision than the parameters are rounded to theirs, values are not.
        weights: fixed weights the training uses (default 1).
        parameters: trainable tensors outside the module, a list or a mapping of names.
        optimizer: the optimizer in use: its kind, settings and state, as they are when they are asked for, go into the
            checks and the file.
        initial: the state dict before training; default: the parameters now.
        names: of the object of a framework: what its terms are called, all of them, in its order.
        data: of a Lightning module a batch, of a NeuroMancer problem a batch or its dataset: what it is evaluated on.

    Raises:
        TermError: no terms; a term that returns None, an integer tensor or something without gradient; two devices;
            points that do not fit.

    Cost: about four evaluations of each term, without a backward pass over the parameters.

    >>> import torch, pinndiag
    >>> model = torch.nn.Linear(1, 1)
    >>> x = torch.linspace(0, 1, 5)[:, None]
    >>> pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - x}, points={"data": x})
    >>> pinn.names, pinn.size
    (['data'], 2)
    """
    _check_arguments(points=points, sampler=sampler, weights=weights, initial=initial, optimizer=optimizer)
    if terms is None:
        return _of_framework(
            model,
            points=points,
            sampler=sampler,
            solution=solution,
            weights=weights,
            parameters=parameters,
            optimizer=optimizer,
            initial=initial,
            names=names,
            data=data,
        )
    if names is not None or data is not None:
        raise TermError(
            "names= and data= go with the object of a framework alone",
            where=f"terms were given: {', '.join(map(repr, terms))}",
            cause="named terms have their names, and evaluate themselves",
            fix="leave them out, or leave the terms out and pass the framework's object",
        )
    modules = modules_of(model)
    found = _parameters.collect(modules, parameters, optimized_by(optimizer))
    device = _single_device(found)
    check_names(terms)
    _check_callable(terms)
    sets = {name: PointSet.of(value, name) for name, value in (points or {}).items()}
    for what, given in (("points", sets), ("sampler", sampler or {}), ("weights", weights or {})):
        _check_keys(what, given, terms)
    buffers = [buffer for module in modules.values() for buffer in module.buffers()]
    live = LiveTerms(terms, sets, forward_of(model, parameters, found), device, buffers)
    state = {name: tensor for key, module in modules.items() for name, tensor in _state(module, key).items()}
    by_id = {id(tensor): name for name, tensor in found.items()}
    pinn = PINN(
        found,
        live,
        weights=dict(weights or {}),
        state={**state, **{n: t for n, t in found.items() if n not in state}},
        initial=_initial(initial, found),
        optimizer=None if optimizer is None else partial(OptimizerState.of, optimizer, by_id),
        reference=reference_of(solution, device, _parameters.widest(found.values())),
        samplers=dict(sampler or {}),
        modules=list(modules.values()),
    )
    pinn.notes += [f"term {info.name!r} {info.note}" for info in live.infos.values() if info.note]
    return pinn


def _of_framework(subject: Any, *, names: Sequence[str] | None, data: Any, **given: Any) -> PINN:
    from pinndiag import integrations  # built on the watch, which builds on this module

    if isinstance(subject, nn.Module) and not integrations.known(subject):
        check_names(None)
    framework = integrations.recognised(subject, data)
    trained, found = framework.trained(), framework.terms().called(names)
    brought = {
        "points": found.points,
        "weights": found.weights,
        "parameters": trained.parameters,
        "optimizer": next(iter(trained.optimizers), None),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    pinn = wrap(trained.model, found.terms, **{**brought, **chosen})
    pinn.namings = [naming for naming in (framework.saved(), pinn.state) if naming]
    return pinn


def modules_of(model: Model) -> dict[str, nn.Module]:
    if isinstance(model, nn.Module):
        return {"": _bare(model)}
    if isinstance(model, Mapping):
        wrong = [key for key, value in model.items() if not isinstance(value, nn.Module)]
        if wrong or not model:
            raise TermError(
                "the dictionary of models holds something that is not a torch.nn.Module",
                where=", ".join(f"{key}: {type(model[key]).__name__}" for key in wrong) or "it is empty",
                cause="parameters were passed as the model",
                fix="pass {'u': module, ...}; trainable tensors go into parameters=",
            )
        return {str(key): _bare(value) for key, value in model.items()}
    if not callable(model):
        raise TermError(
            "the model is neither a torch.nn.Module, nor a dictionary of modules, nor a function",
            where=f"got {type(model).__name__}",
            cause="another object was passed as the model",
            fix="pass the module whose parameters are trained",
        )
    return {}


def _bare(module: nn.Module) -> nn.Module:
    """The module inside `torch.compile`'s, a data-parallel or our own wrapper: same parameters, plain names."""
    inner = module.network if isinstance(module, Solution) else getattr(module, "_orig_mod", None)
    if inner is None and isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        inner = module.module
    return _bare(inner) if isinstance(inner, nn.Module) else module


def forward_of(
    model: Model, parameters: Mapping[str, Tensor] | Iterable[Tensor] | None, found: Mapping[str, Tensor]
) -> Callable[[PointSet], Tensor] | None:
    if isinstance(model, nn.Module):
        return lambda points: model(*points.tensors)
    if isinstance(model, Mapping):
        networks = list(model.values())
        return lambda points: torch.cat([n(*points.tensors).reshape(points.count, -1) for n in networks], dim=1)
    if isinstance(parameters, Mapping):
        mapping = dict(parameters)
        return lambda points: model(mapping, *points.tensors)
    raise TermError(
        "the model is a function, but parameters= is not the mapping that it takes",
        where=f"parameters= is {type(parameters).__name__}",
        cause="a function has no parameters of its own that could be found",
        fix="pass parameters={name: tensor, ...}; the function is called as model(parameters, points)",
    )


def optimized_by(optimizer: torch.optim.Optimizer | None) -> list[Tensor]:
    return [] if optimizer is None else [p for group in optimizer.param_groups for p in group["params"]]


def _single_device(parameters: Mapping[str, Tensor]) -> torch.device:
    devices = {p.device: name for name, p in parameters.items()}
    if len(devices) > 1:
        raise TermError(
            "the trainable parameters live on two devices",
            where=", ".join(f"{name} on {device}" for device, name in devices.items()),
            cause="one of the modules or of parameters= was not moved",
            fix="move all of them to one device",
        )
    return next(iter(devices))


def check_names(terms: Mapping[str, Any] | None) -> None:
    if not isinstance(terms, Mapping) or not terms:
        raise TermError(
            "no loss terms were given",
            where=f"terms is {type(terms).__name__}" + (" and empty" if isinstance(terms, Mapping) else ""),
            cause="a PINN needs its loss terms by name to be analysed",
            fix='pass {"pde": residual_function, "bc": boundary_function}',
        )
    for name in terms:
        if not isinstance(name, str) or not name or "|" in name:
            raise TermError(
                f"{name!r} is not a possible name for a term",
                where="terms",
                cause='names are non-empty strings without "|", which joins two terms in keys such as "pde|bc"',
                fix="rename the term",
            )


def _check_arguments(**given: Any) -> None:
    optimizer = given.pop("optimizer")
    if optimizer is not None and not hasattr(optimizer, "param_groups"):
        raise TermError(
            "optimizer= is not a torch optimizer",
            where=f"got {type(optimizer).__name__}",
            cause="its name or a learning-rate scheduler was passed",
            fix="pass the optimizer object itself",
        )
    for what, value in given.items():
        if value is not None and not isinstance(value, Mapping):
            raise TermError(
                f"{what}= is not a mapping of names",
                where=f"got {type(value).__name__}",
                cause="initial= takes a state dict" if what == "initial" else "one value was passed for all terms",
                fix="pass model.state_dict() from before training" if what == "initial" else f"{what}={{'pde': ...}}",
            )
    for name, weight in (given["weights"] or {}).items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise TermError(
                f"the weight of term {name!r} is not a finite number",
                where=f"got {weight!r}" if isinstance(weight, (int, float)) else f"got {type(weight).__name__}",
                cause="weights= holds the fixed numbers that the terms are multiplied by",
                fix=f"pass weights={{{name!r}: 10.0}}; per-point weights belong into the residual",
            )
    for name, draw in (given["sampler"] or {}).items():
        if not callable(draw):
            raise TermError(
                f"the sampler of term {name!r} is not callable",
                where=f"got {type(draw).__name__}",
                cause="points were passed instead of a function that draws them",
                fix=f"pass sampler={{{name!r}: lambda n: torch.rand(n, 2)}}",
            )


def _check_callable(terms: Mapping[str, Any]) -> None:
    for name, term in terms.items():
        if not callable(term):
            raise TermError(
                f"term {name!r} is not callable",
                where=f"got {type(term).__name__}",
                cause="a residual or a loss was computed once and passed as a tensor",
                fix="pass a function that computes it: wrap(model, {'pde': lambda: residual(model, x)})",
            )


def _check_keys(what: str, given: Mapping[str, Any], terms: Mapping[str, Any]) -> None:
    unknown = [name for name in given if name not in terms]
    if unknown:
        raise TermError(
            f"{what}= names a term that does not exist: {', '.join(map(repr, unknown))}",
            where=f"terms: {', '.join(map(repr, terms))}",
            cause="a typing error, or the term was renamed",
            fix=f"use the names of the terms in {what}=",
        )


def _state(module: nn.Module, key: str) -> dict[str, Tensor]:
    prefix = f"{key}." if key else ""
    values = module.state_dict(keep_vars=True)
    return {prefix + name: value for name, value in values.items() if isinstance(value, Tensor)}


def _initial(initial: Mapping[str, Tensor] | None, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    source = found if initial is None else initial
    if initial is not None and not any(name in initial for name in found):
        raise TermError(
            "initial= has none of the trainable parameters",
            where=f"initial {', '.join(list(initial)[:4]) or 'is empty'}; parameters {', '.join(list(found)[:4])}",
            cause="it is the state dict of another module, or its keys carry a prefix",
            fix="pass this model's state_dict() from before training",
        )
    # an entry that `initial` lacks (a coefficient outside the module's state dict) is taken as it is now
    values = {name: source.get(name, tensor) for name, tensor in found.items()}
    for name, value in values.items():
        if not isinstance(value, Tensor) or value.shape != found[name].shape:
            raise TermError(
                f"initial= has another shape for {name}",
                where=f"initial {tuple(getattr(value, 'shape', ()))}, model {tuple(found[name].shape)}",
                cause="the state dict belongs to another network",
                fix="pass the state dict of this model before training, e.g. copy.deepcopy(model.state_dict())",
            )
    return {name: v.detach().to(found[name]).clone() for name, v in values.items()}


def reference_of(solution: Any, device: torch.device, dtype: torch.dtype) -> Reference | None:
    if solution is None:
        return None
    if not isinstance(solution, tuple) or len(solution) != 2 or not isinstance(solution[1], Tensor):
        raise TermError(
            "solution= is not a pair (points, values)",
            where=f"got {type(solution).__name__}",
            cause="the reference was passed in another form",
            fix="pass solution=(points, values) with points (N, d) and values (N, outputs)",
        )
    points, values = PointSet.of(solution[0], "solution"), solution[1]
    if values.shape[:1] != (points.count,):
        raise TermError(
            "solution= has as many values as points in no dimension",
            where=f"points {points.count}, values {tuple(values.shape)}",
            cause="the values are not listed point by point",
            fix="give values of shape (points, outputs)",
        )
    # the network takes points of its own precision; the values keep theirs, and errors are formed in the wider one
    placed = points.to(device=device, dtype=dtype)
    return Reference(placed, values.detach().reshape(points.count, -1).to(device))
