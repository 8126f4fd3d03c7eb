"""Files that hold weights but no terms: which of their tables is the state dict, and how it fits a factory's model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from pinndiag._checkpoint._factory import EXAMPLE
from pinndiag._checkpoint._refusal import Refusal, quoted
from pinndiag._errors import CheckpointError
from pinndiag._terms._optimizer import OptimizerState
from pinndiag._terms._pinn import PINN

__all__ = ["NoTermsError", "Weights", "fill", "no_terms", "tables"]

TOP = ""  # the key of a file that is itself a state dict
PREFERRED = (
    "model_state_dict", "state_dict", "model_state", "model", "module", "net_state_dict", "net", "network", "weights",
    "params", "parameters", TOP,
)  # fmt: skip
OPTIMIZERS = (
    "optimizer_state_dict",
    "optimizer_states",
    "optimizer",
    "optimizer_state",
    "optim_state_dict",
    "optim",
    "opt",
)
DEPTH = 5  # levels of dictionaries and lists that are searched
MOST = 20_000  # entries that are looked at
SHOWN = 40  # keys of each side in the message about a mismatch
KINDS = (  # a setting that only one optimizer of torch has -> its class
    ("history_size", "LBFGS"), ("decoupled_weight_decay", "Adam"), ("betas", "Adam"), ("nesterov", "SGD"),
    ("centered", "RMSprop"), ("lr_decay", "Adagrad"), ("rho", "Adadelta"),
)  # fmt: skip


@final
@dataclass(frozen=True)
class Weights:
    """A state dict found in a file.

    Attributes:
        key: where it stood, such as "model_state_dict", or "" for the file itself.
        tensors: its tensors, by name.
    """

    key: str
    tensors: dict[str, Tensor]

    @property
    def shown(self) -> str:
        """The key in words."""
        return f"key {quoted(self.key)}" if self.key else "the top level"


@final
class NoTermsError(CheckpointError):
    """A file of weights without loss terms: what weights alone tell can be read off `weights`.

    Attributes:
        weights: name -> tensor, on the CPU.
        key: the key of the file they were taken from, "" for the top level.
        numbers: how many entries the tensors have together.
        dtype: the commonest dtype among the entries, such as "float32".
        path: the file.
    """

    def __init__(self, path: Path, found: Weights) -> None:
        self.path, self.key, self.weights = path, found.key, found.tensors
        self.numbers = sum(t.numel() for t in found.tensors.values())
        totals: dict[str, int] = {}
        for tensor in found.tensors.values():
            name = str(tensor.dtype).removeprefix("torch.")
            totals[name] = totals.get(name, 0) + tensor.numel()
        self.dtype = max(totals, key=lambda name: totals[name])
        numbers = f"{self.numbers:,}".replace(",", " ")
        super().__init__(
            f"{path.name} holds weights ({len(self.weights)} tensors, {numbers} numbers, {self.dtype}) "
            "but no loss terms",
            where=f"{found.shown} of {path.name}",
            cause="gradients of each term need the terms themselves, and a state dict holds no equation",
            fix=f"""give a factory:
      pinndiag analyze {path.name} --factory heat.py:make        (in Python: pinndiag.load(..., factory="heat.py:make"))
  and in heat.py:      {EXAMPLE}
  `pinndiag init heat.py` writes a template. A file written by pinn.save({str(path.name)!r}) needs no factory.""",
        )


def no_terms(path: Path, content: object) -> CheckpointError:
    """The error for a file that was given without a factory."""
    found = tables(content)
    return NoTermsError(path, found[0]) if found else _no_weights(path, content)


def tables(content: object) -> list[Weights]:
    """Every state dict in a file, the likeliest first: tables of tensors by name, and tables of such tables."""
    found: list[Weights] = []
    queue: list[tuple[str, object, int]] = [(TOP, content, 0)]
    seen: set[int] = set()
    looked = 0
    while queue and looked < MOST:
        key, value, depth = queue.pop(0)
        looked += 1
        if isinstance(value, nn.Module):  # only with unsafe=True
            value = value.state_dict()
        if not isinstance(value, (dict, list)) or id(value) in seen or depth > DEPTH or _is_optimizer(value):
            continue
        seen.add(id(value))  # also ends references in a circle
        if isinstance(value, dict):
            tensors = _flat(value)
            if tensors:
                found.append(Weights(key, tensors))
        items = dict.items(value) if isinstance(value, dict) else enumerate(value[:MOST])
        queue += [(f"{key}.{name}" if key else str(name), item, depth + 1) for name, item in items]
    return sorted(found, key=_rank)


def _rank(found: Weights) -> tuple[int, int]:
    first = found.key.split(".")[0]
    return PREFERRED.index(first) if first in PREFERRED else len(PREFERRED), found.key.count(".")


def _is_optimizer(value: object) -> bool:
    return isinstance(value, dict) and "param_groups" in value and "state" in value


def _flat(table: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Tensors of a table, and of tables in it whose entries are all tensors (the state dicts of several networks)."""
    flat: dict[str, Tensor] = {}
    for name, value in dict.items(table) if isinstance(table, dict) else table.items():
        if not isinstance(name, str):
            continue
        if isinstance(value, Tensor):
            flat[name] = value.detach()
        elif (
            isinstance(value, dict)
            and value
            and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in dict.items(value))
        ):
            flat |= {f"{name}.{k}": v.detach() for k, v in dict.items(value)}
    return flat


def fill(pinn: PINN, content: object, path: Path) -> None:
    """Put the weights of a file into a factory's PINN, in place, and its optimizer's state where that fits.

    What was taken, and what was not, is said in `pinn.notes`.

    Raises:
        CheckpointError: no state dict in the file, or none that fits; both sides' keys and shapes are listed.
    """
    found = tables(content)
    if not found:
        raise _no_weights(path, content)
    required = _required(pinn)
    fits = [(weights, names) for weights in found if (names := _names(weights.tensors, pinn, required)) is not None]
    if not fits:
        raise _mismatch(path, found[0], pinn.namings[0] if pinn.namings else required)
    weights, names = fits[0]
    optional = {name: tensor for name, tensor in pinn.state.items() if name not in names}
    values = {name: weights.tensors[key] for name, key in names.items()}
    top = _flat(content) if isinstance(content, dict) else {}
    for name, tensor in optional.items():
        value = _coefficient(name, tensor, weights.tensors, top)
        if value is None:
            pinn.notes.append(f"{quoted(name)} is not in {path.name}: it keeps the factory's value")
        else:
            values[name] = value
    with torch.no_grad():
        for name, value in values.items():
            pinn.state[name].copy_(value)
    pinn.origin = str(path)
    prefix = _prefix(names)
    pinn.notes.append(
        f"weights taken from {weights.shown} of {path.name}" + (f" (without {quoted(prefix)})" if prefix else "")
    )
    others = [other.shown for other, _ in fits[1:] if not other.key.startswith(weights.key) or not weights.key]
    if others:
        pinn.notes.append(f"other weights in {path.name} would fit too: {', '.join(others[:5])}")
    pinn.notes.append("initial parameters are those that the factory starts from")
    _take_optimizer(pinn, content, path)


def _required(pinn: PINN) -> dict[str, Tensor]:
    """What a state dict must have: everything of the modules; coefficients outside of them may be missing."""
    owned = {id(t) for module in pinn.modules for t in module.state_dict(keep_vars=True).values()}
    return {name: t for name, t in pinn.state.items() if id(t) in owned} or dict(pinn.state)


def _names(tensors: Mapping[str, Tensor], pinn: PINN, required: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Name in the PINN -> key of the file, if every required name is there in its shape; or None."""
    plain = {_unwrapped(key): key for key in tensors}
    if not pinn.namings:
        return _under_a_prefix(tensors, plain, required, _own_level(pinn))
    known = {id(tensor) for tensor in pinn.state.values()}
    for naming in pinn.namings:  # a framework's file has the framework's names, all of them
        keys = {name: plain.get(_unwrapped(name)) for name, tensor in naming.items() if id(tensor) in known}
        if all(key is not None and tensors[key].shape == naming[name].shape for name, key in keys.items()):
            by_id = {id(naming[name]): key for name, key in keys.items() if key is not None}
            names = {name: by_id[id(tensor)] for name, tensor in pinn.state.items() if id(tensor) in by_id}
            if required.keys() <= names.keys():
                return names
    return None


def _own_level(pinn: PINN) -> str:
    """The level that `wrap({"u": net})` puts before the names of a single network."""
    if len(pinn.modules) != 1:
        return ""
    by_id = {id(tensor): name for name, tensor in pinn.state.items()}
    own = pinn.modules[0].state_dict(keep_vars=True)
    levels = {by_id[id(t)].removesuffix(name) for name, t in own.items() if id(t) in by_id}
    return levels.pop() if len(levels) == 1 else ""


def _under_a_prefix(
    tensors: Mapping[str, Tensor], plain: Mapping[str, str], required: Mapping[str, Tensor], level: str
) -> dict[str, str] | None:
    """The required names as the file has them: all under one prefix, with or without the level of the factory's."""
    wanted = {_unwrapped(name): name for name in required}
    anchor = min(wanted, key=len)
    for short in dict.fromkeys((0, len(level))):
        end = anchor[short:]
        heads = {key[: len(key) - len(end)] for key in plain if key == end or key.endswith(f".{end}")}
        for head in sorted(heads, key=lambda head: (len(head), head)):
            names = {name: plain.get(head + bare[short:]) for bare, name in wanted.items()}
            if all(key is not None and tensors[key].shape == required[name].shape for name, key in names.items()):
                return {name: key for name, key in names.items() if key is not None}
    return None


def _unwrapped(name: str) -> str:
    """A name without the levels that torch.compile and data parallelism put in."""
    return re.sub(r"(^|\.)(_orig_mod|module)(?=\.)", "", name).lstrip(".")


def _prefix(names: Mapping[str, str]) -> str:
    name, key = next(iter(names.items()))
    return key[: len(key) - len(name)] if key != name and key.endswith(name) else ""


def _coefficient(name: str, tensor: Tensor, weights: Mapping[str, Tensor], top: Mapping[str, Tensor]) -> Tensor | None:
    bare = name.removeprefix("parameters.")
    for table in (weights, top):
        for key in (name, bare):
            if key in table and table[key].numel() == tensor.numel():
                return table[key].reshape(tensor.shape)
    return None


def _take_optimizer(pinn: PINN, content: object, path: Path) -> None:
    """Take over the optimizer's state by the order of parameters, if it fits."""
    for key, saved in _optimizers(content):
        state = _optimizer(pinn, saved)
        if state is not None:
            pinn.optimizer = state
            pinn.notes.append(
                f"the state of the optimizer ({state.kind}) was taken from key {quoted(key)} of {path.name}"
            )
            return
        pinn.notes.append(f"the optimizer's state under {quoted(key)} does not fit the parameters and was left out")


def _optimizers(content: object) -> Iterator[tuple[str, dict[Any, Any]]]:
    if not isinstance(content, dict):
        return
    for key in OPTIMIZERS:
        value = dict.get(content, key)
        entries = enumerate(value) if isinstance(value, list) else [(0, value)]
        for i, entry in entries:
            if isinstance(entry, dict) and _is_optimizer(entry):
                yield (f"{key}[{i}]" if isinstance(value, list) else key), entry
                break


def _optimizer(pinn: PINN, saved: Mapping[Any, Any]) -> OptimizerState | None:
    groups, entries = saved["param_groups"], saved["state"]
    if not isinstance(groups, list) or not groups or not isinstance(entries, dict):
        return None
    if not all(isinstance(g, dict) and isinstance(g.get("params"), list) for g in groups):
        return None
    order = [index for group in groups for index in group["params"]]
    for names in _orders(pinn):
        if len(names) != len(order) or not all(isinstance(i, (int, str)) for i in order):
            continue
        named = dict(zip(order, names, strict=True))
        if all(_fits(entries.get(i), pinn.state.get(name)) for i, name in named.items()):
            trainable = {i: name for i, name in named.items() if name in pinn.parameters}
            return OptimizerState(
                pinn.optimizer.kind if pinn.optimizer is not None else _kind(groups[0]),
                [
                    {
                        **{k: _setting(v) for k, v in group.items() if isinstance(k, str) and k != "params"},
                        "parameters": [trainable[i] for i in group["params"] if i in trainable],
                    }
                    for group in groups
                ],
                {
                    name: {k: _setting(v) for k, v in entries[i].items() if isinstance(k, str)}
                    for i, name in trainable.items()
                    if i in entries
                },
            )
    return None


def _orders(pinn: PINN) -> Iterator[Sequence[str]]:
    """Orders in which an optimizer may have been given the parameters."""
    if pinn.optimizer is not None:
        yield [name for group in pinn.optimizer.groups for name in group["parameters"]]
    yield list(pinn.parameters)
    by_id = {id(tensor): name for name, tensor in pinn.state.items()}
    owned = [by_id.get(id(p), "") for module in pinn.modules for p in module.parameters()]
    yield owned  # with the frozen ones
    yield [*owned, *(name for name in pinn.parameters if name not in owned)]
    for naming in pinn.namings:  # all that the framework's object has, each once
        yield [by_id.get(i, "") for i in dict.fromkeys(id(t) for t in naming.values() if isinstance(t, nn.Parameter))]


def _fits(entry: object, tensor: Tensor | None) -> bool:
    """Whether an optimizer's state can be that of a tensor: its moments have the tensor's shape."""
    if entry is None:
        return True
    if tensor is None or not isinstance(entry, dict):
        return False
    moments = [value for value in entry.values() if isinstance(value, Tensor) and value.ndim > 0]
    return all(value.shape == tensor.shape for value in moments)


def _kind(group: Mapping[Any, Any]) -> str:
    if group.get("decoupled_weight_decay") is True:
        return "AdamW"
    return next((kind for setting, kind in KINDS if setting in group), "unknown")


def _setting(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item() if value.ndim == 0 else value.detach().clone()
    if isinstance(value, (tuple, list)):
        return [_setting(item) for item in value[:16]]
    return value if isinstance(value, (bool, int, float, str)) else None


def _mismatch(path: Path, weights: Weights, required: Mapping[str, Tensor]) -> CheckpointError:
    mine = {_unwrapped(k): tuple(t.shape) for k, t in weights.tensors.items()}
    theirs = {_unwrapped(k): tuple(t.shape) for k, t in required.items()}
    same = [k for k in theirs if mine.get(k) == theirs[k]]
    other_shape = [k for k in theirs if k in mine and mine[k] != theirs[k]]
    return Refusal(path)(
        "its weights do not fit the model of the factory",
        where=f"{weights.shown} of the file has {len(mine)} tensors:\n{_keys(mine)}\n"
        f"  the factory's model wants {len(theirs)}:\n{_keys(theirs)}",
        cause=f"{len(same)} of {len(theirs)} fit; "
        + (f"{quoted(other_shape[0])} has another shape" if other_shape else "the other names are not in the file"),
        fix="build the same network in the factory: layers, widths, names of attributes",
    )


def _keys(shapes: Mapping[str, tuple[int, ...]]) -> str:
    lines = [f"      {quoted(key)[1:-1]} {list(shape)}" for key, shape in list(shapes.items())[:SHOWN]]
    return "\n".join(lines + ([f"      and {len(shapes) - SHOWN} more"] if len(shapes) > SHOWN else []))


def _no_weights(path: Path, content: object) -> CheckpointError:
    keys = [str(key) for key in dict.keys(content)] if isinstance(content, dict) else []
    return Refusal(path)(
        "holds no weights",
        where=f"it holds {type(content).__name__}"
        + (f" with the keys {', '.join(map(quoted, keys[:12]))}" if keys else ""),
        cause="no table of tensors by name is in it",
        fix="give a file of pinn.save(), or of torch.save(model.state_dict(), ...)",
    )
