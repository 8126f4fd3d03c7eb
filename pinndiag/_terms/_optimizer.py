"""The optimizer as plain values: kind, settings, state by parameter name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

__all__ = ["OptimizerState"]

Scalar = bool | int | float | str | None


@final
@dataclass(frozen=True)
class OptimizerState:
    """What the checks and the file need of an optimizer.

    Attributes:
        kind: class name, such as "Adam".
        groups: the settings of each parameter group (numbers, flags, strings, pairs of numbers), with "parameters":
            names of its parameters.
        state: parameter name -> its state (tensors, numbers, lists of these), such as "exp_avg_sq" and "step"; L-BFGS
            keeps all of its state, such as the lists "old_dirs" and "old_stps", with its first parameter.
    """

    kind: str
    groups: list[dict[str, Any]]
    state: dict[str, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def of(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> OptimizerState:
        """Read a torch optimizer; `names` maps the id of each parameter to its name. State tensors are copied."""
        groups = []
        for group in optimizer.param_groups:
            settings = {key: _plain(value) for key, value in group.items() if key != "params" and _is_plain(value)}
            groups.append({**settings, "parameters": [names[id(p)] for p in group["params"] if id(p) in names]})
        state = {
            names[id(p)]: {k: _entry(k, v) for k, v in entries.items() if _is_kept(v)}
            for p, entries in optimizer.state.items()
            if id(p) in names
        }
        return OptimizerState(type(optimizer).__name__, groups, state)

    def moved(self, move: Callable[[Tensor], Tensor]) -> OptimizerState:
        """The same with every tensor of its state moved to another device or dtype."""
        state = {name: {k: _changed(v, move) for k, v in entries.items()} for name, entries in self.state.items()}
        return OptimizerState(self.kind, self.groups, state)

    def resume(self, optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> None:
        """Put the state into a torch optimizer of this kind, made over the parameters that `names` gives by their id.

        Its next step is then the one that the first optimizer would have made.
        """
        plain = optimizer.state_dict()
        order = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
        plain["state"] = {index: dict(self.state[name]) for index, name in enumerate(order) if name in self.state}
        optimizer.load_state_dict(plain)

    @property
    def lr(self) -> float | None:
        """Learning rate of the first group."""
        lr = self.groups[0].get("lr") if self.groups else None
        return None if lr is None else float(lr)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the first group, without its parameters."""
        first = self.groups[0] if self.groups else {}
        return {key: value for key, value in first.items() if key != "parameters"}

    @property
    def counts(self) -> dict[str, int]:
        """Iterations and evaluations over all calls, as torch's L-BFGS counts them; empty for others."""
        entries = [entry for entry in self.state.values() if entry.keys() >= COUNTED]
        return {key: int(entries[0][key]) for key in sorted(COUNTED)} if entries else {}


COUNTED = {"n_iter", "func_evals"}

# torch keeps these numbers as 0-dimensional tensors; any other one is the state of a 0-dimensional parameter
_COUNTERS = ("step", "mu_product", "eta", "mu")


def _entry(key: str, value: Any) -> Any:
    if key in _COUNTERS:
        return _plain(value)
    return _changed(value, lambda tensor: tensor.detach().clone())


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    return [_changed(item, change) for item in value] if isinstance(value, (tuple, list)) else value


def _is_kept(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(isinstance(item, Tensor) or _is_plain(item) for item in value)
    return isinstance(value, Tensor) or _is_plain(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, (bool, int, float, str, type(None))) or (isinstance(value, Tensor) and value.ndim == 0)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item() if value.ndim == 0 else value.detach().clone()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
