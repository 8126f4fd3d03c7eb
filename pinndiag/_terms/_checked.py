"""What a loop hands over at a step: named residuals or losses."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pinndiag._errors import TermError
from pinndiag._terms._wrap import check_names

__all__ = ["checked"]


def checked(losses: Any) -> dict[str, Tensor]:
    """The terms of one evaluation, as plain tensors.

    Raises:
        TermError: no mapping, no names, or a value that is no loss; the message names the term and its shape.
    """
    check_names(losses)
    found = {}
    for name, value in losses.items():
        if not isinstance(value, Tensor):
            raise TermError(
                f"term {name!r} is {type(value).__name__}, not a tensor",
                where=f"term {name!r}",
                cause="a number was taken out of the graph, by .item() or float(), or the function returned nothing",
                fix="hand over the residual tensor or the scalar loss itself",
            )
        if value.numel() == 0 or not (value.is_floating_point() or value.is_complex()):
            raise TermError(
                f"term {name!r} is neither a residual nor a loss",
                where=f"term {name!r}: shape {tuple(value.shape)}, {value.dtype}",
                cause="it is empty, or holds integers",
                fix="hand over a floating-point tensor with at least one entry",
            )
        if value.ndim == 0 and value.is_complex():
            raise TermError(
                f"term {name!r} is a complex scalar, which is not a loss",
                where=f"term {name!r}: {value.dtype}",
                cause="the modulus was not taken",
                fix="hand over the complex residual tensor, or its mean squared modulus",
            )
        found[name] = value if type(value) is Tensor else value.as_subclass(Tensor)
    return found
