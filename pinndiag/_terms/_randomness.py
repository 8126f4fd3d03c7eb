"""Random numbers held still: each evaluation sees the same draws, and the caller's generators are left alone."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

__all__ = ["RandomState", "replayed"]


@final
@dataclass(frozen=True)
class RandomState:
    """The state of every generator a term may draw from: torch (CPU and CUDA), numpy, random."""

    cpu: torch.Tensor
    cuda: Any
    numpy: Any
    python: Any

    @staticmethod
    def now() -> RandomState:
        """The present state."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        return RandomState(torch.get_rng_state(), cuda, np.random.get_state(), random.getstate())

    @staticmethod
    def seeded(seed: int) -> RandomState:
        """The state after seeding every generator with `seed`, without touching the present one."""
        with replayed(RandomState.now()):
            torch.manual_seed(seed)
            np.random.seed(seed)
            random.seed(seed)
            return RandomState.now()

    def restore(self) -> None:
        """Put every generator into this state."""
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
        np.random.set_state(self.numpy)
        random.setstate(self.python)


@contextlib.contextmanager
def replayed(state: RandomState) -> Iterator[None]:
    """Run a block from `state`; afterwards the generators are where they were before."""
    before = RandomState.now()
    state.restore()
    try:
        yield
    finally:
        before.restore()
