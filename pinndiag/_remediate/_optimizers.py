"""The optimizer a file names, made anew over other parameters."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag._records import OptimizerCard
from pinndiag._terms._optimizer import OptimizerState

__all__ = ["KINDS", "card", "made"]

KINDS: Mapping[str, type[torch.optim.Optimizer]] = {
    name: getattr(torch.optim, name)
    for name in (
        "Adam",
        "AdamW",
        "NAdam",
        "RAdam",
        "Adamax",
        "Adagrad",
        "Adadelta",
        "RMSprop",
        "Rprop",
        "SGD",
        "ASGD",
        "LBFGS",
    )
}
DEFAULT = OptimizerState("Adam", [{"lr": 1e-3, "parameters": []}])
ELSEWHERE = ("capturable", "fused", "foreach", "differentiable")  # choices of the machine that trained


def made(
    state: OptimizerState | None, parameters: Mapping[str, Tensor], *, anew: bool
) -> tuple[torch.optim.Optimizer, list[str]]:
    """An optimizer of that kind over these parameters, and what a report should say about it.

    Args:
        state: what the PINN's file says; None: Adam with a learning rate of 1e-3.
        parameters: what is trained.
        anew: without its state (moments, directions), and with the learning rate it began with.

    Raises:
        PinndiagError: an optimizer of that kind cannot be made.
    """
    notes = [] if state is not None else ["no optimizer is known: Adam with a learning rate of 1e-3 was used"]
    known = state or DEFAULT
    kind = KINDS.get(known.kind)
    if kind is None:
        raise PinndiagError(
            f"an optimizer of kind {known.kind!r} cannot be made",
            where=f"known: {', '.join(KINDS)}",
            cause="it is the user's own class, or one of another package",
            fix="wrap the PINN with optimizer=torch.optim.Adam(...), and save it again",
        )
    named: set[str] = set()
    groups = []
    for group in known.groups:
        members = [name for name in group["parameters"] if name in parameters]
        named |= set(members)
        groups.append({**_settings(kind, group, anew), "params": [parameters[name] for name in members]})
    rest = [tensor for name, tensor in parameters.items() if name not in named]
    if rest:  # parameters that the file's optimizer does not name are trained with the first group's settings
        groups[0]["params"] = [*groups[0]["params"], *rest]
    groups = [group for group in groups if group["params"]]
    if len(groups) > 1 and kind is torch.optim.LBFGS:
        groups = [{**groups[0], "params": [p for group in groups for p in group["params"]]}]
    optimizer = kind(groups, **{k: v for k, v in groups[0].items() if k not in ("params", "initial_lr")})
    if not anew and state is not None and state.state and not rest:
        state.resume(optimizer, {id(tensor): name for name, tensor in parameters.items()})
    return optimizer, notes


def card(optimizer: torch.optim.Optimizer, *, resumed: bool) -> OptimizerCard:
    """The optimizer as a report names it."""
    group = optimizer.param_groups[0]
    plain = {
        key: value
        for key, value in group.items()
        if key != "params" and isinstance(value, (bool, int, float, str, tuple, type(None)))
    }
    return OptimizerCard(
        kind=type(optimizer).__name__,
        lr=float(group["lr"]),
        settings={key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()},
        has_state=resumed,
    )


def _settings(kind: type[torch.optim.Optimizer], group: Mapping[str, Any], anew: bool) -> dict[str, Any]:
    accepted = set(inspect.signature(kind).parameters) - {"params", *ELSEWHERE}
    found = {key: tuple(v) if isinstance(v, list) else v for key, v in group.items() if key in accepted}
    if group.get("initial_lr"):  # a schedule has lowered it since
        found["lr" if anew else "initial_lr"] = float(group["initial_lr"])
    return found
