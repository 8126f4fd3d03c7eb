"""torch's L-BFGS, without the import of torch's compiler that making any optimizer of torch brings with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["LBFGS"]

_wrapped: Any = torch.optim.Optimizer.add_param_group


class LBFGS(torch.optim.LBFGS):
    """The same optimizer; the wrapper that is left out only hides the function from a compiler (a second to import)."""

    add_param_group = getattr(_wrapped, "__wrapped__", _wrapped)

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """As torch's, whose types are not known."""
        return super().step(closure)  # type: ignore[no-any-return, no-untyped-call]
