"""What one run of the terms leaves behind: every operator call, before anything is folded or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import final

from torch import Tensor

from pinndiag._capture._graph import Constant, Node, Ref

__all__ = ["Hint", "Recording"]


@final
class Hint(Enum):
    """Something seen while a term ran that makes a capture doubtful; the value words it for a reader."""

    ITEM = "takes a number out of the graph (.item(), float(), bool(), or an `if` on a tensor)"
    NUMPY = "leaves torch for numpy or plain lists (.numpy(), .tolist())"
    SHAPE = "has a result whose shape depends on values (a boolean mask, nonzero, unique)"
    LAYOUT = "uses sparse or quantised tensors"
    LARGE = "makes a value of more than 2**28 entries, which no reader of a file will allocate"
    MANY = "cuts a tensor into more than 4096 pieces"
    OPERATOR = "uses an operator that cannot be stored"


@final
@dataclass
class Recording:
    """Calls in the order they ran.

    Attributes:
        nodes: every call.
        backward: whether a call was made by autograd's backward pass.
        constants: values of unknown origin at the moment they were first used.
        outputs: name -> where its value stands.
        values: name -> its value, with the live graph.
        hints: what was seen, with details.
    """

    nodes: list[Node] = field(default_factory=list)
    backward: list[bool] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    outputs: dict[str, Ref] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)
    hints: dict[Hint, str] = field(default_factory=dict)
