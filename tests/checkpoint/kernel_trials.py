"""Calls of kernels that trust their callers, each changed in many ways, loaded as a file would be; run by itself.

A kernel that reads outside its arguments ends the process, so the test runs this module in one of its own, and sees
what it was at.
"""

from __future__ import annotations

import contextlib
import copy
import random
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import pinndiag
from pinndiag import CheckpointError
from pinndiag._capture._guards import _GUARDS
from pinndiag._checkpoint._read import rebuild

Shape = tuple[int, ...]
CHANGES = 12  # of each call

# operator -> arguments, tensors as their shapes
CALLS: dict[str, list[Any]] = {
    "_adaptive_avg_pool2d_backward.default": [(1, 2, 2, 2), (1, 2, 4, 4)],
    "_cdist_backward.default": [(8, 3), (8, 2), (3, 2), 2.0, (8, 3)],
    "_fft_r2c.default": [(4, 8), [0, 1], 0, True],
    "_fft_c2r.default": ["complex", (4, 5), [0, 1], 0, 8],
    "_fft_c2c.default": ["complex", (4, 8), [1], 0, True],
    "_native_batch_norm_legit.no_stats": [(6, 8), (8,), (8,), True, 0.1, 1e-5],
    "native_batch_norm_backward.default": [
        (6, 8), (6, 8), (8,), None, None, (8,), (8,), True, 1e-5, [True, True, True],
    ],
    "native_layer_norm.default": [(6, 8), [8], (8,), (8,), 1e-5],
    "native_layer_norm_backward.default": [(6, 8), (6, 8), [8], (6, 1), (6, 1), (8,), (8,), [True, True, True]],
    "_weight_norm_interface.default": [(8, 5), (8, 1), 0],
    "_weight_norm_interface_backward.default": [(8, 5), (8, 5), (8, 1), (8, 1), 0],
    "convolution_backward.default": [
        (2, 4, 6), (2, 3, 8), (4, 3, 3), [4], [1], [0], [1], False, [0], 1, [True, True, True],
    ],
    "log_sigmoid_backward.default": [(8,), (8,), (8,)],
}  # fmt: skip


def file_content() -> dict[str, Any]:
    """What the file of a small PINN holds."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1).double()
    pinn = pinndiag.wrap(model, {"data": lambda: model(torch.ones(2, 1, dtype=torch.float64))})
    found: dict[str, Any] = torch.load(pinn.save(Path(sys.argv[1]) / "a.pt"))
    return found


def calling(content: dict[str, Any], operator: str, arguments: list[Any]) -> dict[str, Any]:
    """The content with one call added, of constants of the given shapes, as the term's value."""
    changed = copy.deepcopy(content)
    graph = changed["pinndiag"]["graph"]
    dtype, arguments = (torch.complex128, arguments[1:]) if arguments[0] == "complex" else (torch.float64, arguments)
    given = []
    for argument in arguments:
        if isinstance(argument, tuple):
            graph["constants"].append({"value": torch.full(argument, 0.5, dtype=dtype), "name": None})
            argument = {"constant": len(graph["constants"]) - 1}
        given.append(argument)
    graph["nodes"].append({"op": f"aten.{operator}", "args": given, "kwargs": {}, "grad": True})
    several = len(getattr(getattr(torch.ops.aten, operator.split(".")[0]), operator.split(".")[1])._schema.returns) > 1
    last = len(graph["nodes"]) - 1
    graph["outputs"]["data"] = {"node": [last, 0] if several else last}
    return changed


def changed(argument: Any, chance: random.Random) -> Any:
    """Another argument of the same kind."""
    if isinstance(argument, bool):
        return not argument
    if isinstance(argument, int):
        return chance.choice([argument + 1, argument - 1, -1, 0, 1000])
    if isinstance(argument, list):
        return [changed(item, chance) for item in argument] if chance.random() < 0.7 else argument[:-1]
    if isinstance(argument, tuple):
        shape = list(argument)
        place = chance.randrange(len(shape))
        kind = chance.randrange(4)
        if kind == 0:
            del shape[place]
        elif kind == 1:
            shape.insert(place, 3)
        else:
            shape[place] = chance.choice([0, 1, shape[place] + 1, 2 * shape[place], 1000])
        return tuple(shape)
    return argument


def main() -> None:
    """Load the call as it should be, which must be sound, then changed ones, which may be refused."""
    assert {f"aten.{name}" for name in CALLS} == set(_GUARDS), "a guard without its trial"
    content, chance = file_content(), random.Random(1)
    for operator, arguments in CALLS.items():
        print(operator, arguments, flush=True)
        try:
            rebuild(calling(content, operator, arguments), Path("file.pt"))
        except CheckpointError as error:
            if "is not the one it was written with" not in error.what:  # the only fault of a call that fits
                raise
        for _ in range(CHANGES):
            other = list(arguments)
            place = chance.choice([i for i, a in enumerate(arguments) if isinstance(a, (tuple, list, int))])
            other[place] = changed(arguments[place], chance)
            print(operator, other, flush=True)
            with contextlib.suppress(CheckpointError):
                rebuild(calling(content, operator, other), Path("file.pt"))
    print("survived")


if __name__ == "__main__":
    main()
