"""Training in several processes: figures of the whole batch, one writer, and what cannot be watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch import distributed as dist

from pinndiag._errors import PinndiagError

__all__ = ["Processes"]


@final
@dataclass(frozen=True)
class Processes:
    """The processes of a DistributedDataParallel training; one process otherwise.

    Attributes:
        count: number of processes.
        rank: which one this is; rank 0 writes.
    """

    count: int = 1
    rank: int = 0

    @staticmethod
    def of(modules: Iterable[nn.Module]) -> Processes:
        """How the modules are trained.

        Raises:
            PinndiagError: their parameters are sharded over processes, or their graph was declared static.
        """
        found = [module for given in modules for module in given.modules()]
        sharded = [m for m in found if type(m).__name__.startswith(("FullySharded", "FSDP"))]
        pieces = [p for m in found for p in m.parameters(recurse=False) if type(p.data).__name__ == "DTensor"]
        if sharded or pieces:
            raise PinndiagError(
                "a model whose parameters are sharded over processes cannot be watched",
                where=type(sharded[0]).__name__ if sharded else "parameters are DTensors",
                cause="the gradient of a single term exists on no process as a whole",
                fix="train with DistributedDataParallel, or watch a smaller model in one process",
            )
        parallel = [module for module in found if isinstance(module, nn.parallel.DistributedDataParallel)]
        if any(getattr(module, "static_graph", False) for module in parallel):
            raise PinndiagError(
                "a DistributedDataParallel model with static_graph=True cannot be watched",
                where=type(parallel[0].module).__name__,
                cause="it waits for the end of the first backward pass, and takes that of a single term for it: the "
                "processes would go apart",
                fix="make it without static_graph=True; watching needs no more than that",
            )
        return Processes.running() if parallel else Processes()

    @staticmethod
    def running() -> Processes:
        """All processes that were started to train together, whatever they train."""
        if not dist.is_available() or not dist.is_initialized():
            return Processes()
        return Processes(dist.get_world_size(), dist.get_rank())

    @property
    def writes(self) -> bool:
        """Whether this process writes the records."""
        return self.rank == 0

    @property
    def mean(self) -> Callable[[Tensor], Tensor] | None:
        """Brings a tensor to its mean over the processes; None in one process."""
        return None if self.count == 1 else self._mean

    def _mean(self, tensor: Tensor) -> Tensor:
        total = tensor.detach().clone()
        dist.all_reduce(total)
        return torch.div(total, self.count)
