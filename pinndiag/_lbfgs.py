"""torch's L-BFGS, without the import of torch's compiler that making any optimizer of torch brings with it."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["LBFGS"]

_wrapped: Any = torch.optim.Optimizer.add_param_group


class LBFGS(torch.optim.LBFGS):
    """The same optimizer; the wrapper that is left out only hides the function from a compiler (a second to import)."""

    add_param_group = getattr(_wrapped, "__wrapped__", _wrapped)
