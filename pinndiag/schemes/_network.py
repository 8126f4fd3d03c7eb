"""The network whose terms a scheme weighs: found in their graphs where nobody names it, and always the same."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor, nn

from pinndiag._engine import SCALE, Evaluation
from pinndiag._engine._processes import Processes
from pinndiag._errors import PinndiagError, TermError
from pinndiag._terms._look import Look, look, reach

__all__ = ["Network"]

LOOKED = 100  # calls after which the graphs of a loss are looked at again, where nothing else asks for it


@final
class Network:
    """What a scheme knows of the network.

    Args:
        parameters: the trainable tensors, or None: the `nn.Parameter` leaves of the graphs, or all leaves where there
            is none.
    """

    def __init__(self, parameters: Iterable[Tensor] | None = None) -> None:
        self.given = None if parameters is None else list(parameters)
        self._seen: Look | None = None
        self._known: tuple[weakref.ref[Tensor], ...] = ()

    @property
    def guessed(self) -> bool:
        """Whether the trainable tensors are taken from the graphs."""
        return self.given is None and self._seen is not None

    def evaluation(self, outputs: dict[str, Tensor], step: int, *, apart: bool) -> Evaluation:
        """The terms of a step of a loop that hands over nothing else.

        Args:
            outputs: the terms.
            step: of the scheme.
            apart: the graphs are taken apart; else the plain loss is given, and they are looked at now and then.

        Raises:
            TermError: nothing is trainable.
        """
        last: Sequence[Any] = ()
        if apart or self._seen is None or step % LOOKED == 0:
            found = look(outputs, self._trainable(outputs))
            last = found.last
            self._seen = replace(found, last=())  # the graphs are not to outlive the step
        seen = self._seen
        if not seen.parameters:
            raise TermError(
                "no term can be changed by training",
                where=f"terms: {', '.join(outputs)}",
                cause="the losses were detached, every parameter is frozen, or parameters= is that of another network",
                fix="hand over the losses with their graphs, or call the scheme under torch.no_grad()",
            )
        half = torch.is_autocast_enabled(seen.parameters[0].device.type)
        return Evaluation(
            outputs,
            seen.parameters,
            step=step,
            shared=seen.shared,
            others=seen.others,
            keep=half,
            reduce=Processes.running().mean,
            seed=SCALE if half else 1.0,
            last=last,
            whole=seen.whole,
        )

    def recognise(self, parameters: Sequence[Tensor], scheme: str) -> None:
        """Meet the trainable tensors of a step.

        Raises:
            PinndiagError: none of them is known, though others are.
        """
        known = self._known
        if known and known[0]() is parameters[0]:
            return
        before, now = [p for ref in known if (p := ref()) is not None], set(map(id, parameters))
        frozen = any(not p.requires_grad for p in before)  # so that other layers are trained now
        anew = not all(isinstance(p, nn.Parameter) for p in parameters)  # plain tensors, made at each step
        if known and not (frozen or anew or any(id(p) in now for p in before)):
            raise PinndiagError(
                f"{scheme} has weighed the terms of another network before, and remembers them",
                where=f"{len(known)} tensors then, {len(parameters)} now, none in common",
                cause="one scheme was handed to two trainings, or parameters= is that of another network",
                fix="make a new scheme for each network, pass copy.deepcopy(scheme) to go on with what it remembers, "
                "or call scheme.forget()",
            )
        self._known = tuple(map(weakref.ref, parameters))

    def forget(self) -> None:
        """Any network may come."""
        self._seen, self._known = None, ()

    def _trainable(self, outputs: dict[str, Tensor]) -> list[Tensor] | None:
        """Those that were given, if they are those of this network."""
        given = None if self.given is None else [p for p in self.given if p.requires_grad]
        if given and self._seen is None and not any(reach(output, given) for output in outputs.values()):
            return []
        return given

    def __getstate__(self) -> dict[str, Any]:
        """A copy looks at its graphs anew: they are not those of the original."""
        return {"given": self.given, "_seen": None, "_known": ()}
