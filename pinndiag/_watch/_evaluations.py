"""The evaluations of a training: its terms at one call, the tensors that are trainable then, what their graphs hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from pinndiag._engine import SCALE, Evaluation
from pinndiag._engine._processes import Processes
from pinndiag._terms import _parameters
from pinndiag._terms._look import Look, look
from pinndiag._watch._clock import Clock
from pinndiag._watch._rates import Due
from pinndiag._watch._setup import Subject

__all__ = ["Evaluations"]

HALF = 2**-8  # rounding under autocast
VERIFIED_EVERY = 50  # evaluations in which a hook could tell, of which one is compared with the sum's own gradient


@final
class Evaluations:
    """Makes the `Evaluation` of every call.

    Args:
        subject: the model as it was when the watch began.
        processes: which train together.
        clock: the steps.

    Attributes:
        subject: the model as it is now.
        whole: why gradients of single terms are not formed any more, or "".
    """

    def __init__(self, subject: Subject, processes: Processes, clock: Clock) -> None:
        self.subject = subject
        self.whole = ""
        self._processes, self._clock = processes, clock
        self._others: list[Tensor] = []  # leaves of the last evaluation that are no parameters
        self._doubtful = 0  # evaluations so far of terms that share a pass, or whose weights are not 1

    def of(self, terms: dict[str, Tensor], due: Due, *, keep: bool, weighted: bool = False) -> Evaluation:
        """The evaluation of a call.

        Args:
            terms: what the loop handed over.
            due: what is measured.
            keep: the graphs are needed after gradients were formed early.
            weighted: the fixed weights are not all 1: a hook that is not linear in the gradient tells w g from g.
        """
        tensors, seen = self._look(terms)
        half = torch.is_autocast_enabled(self.subject.device.type)
        doubtful = due.gradients and (seen.shared or weighted)
        verified = doubtful and self._doubtful % VERIFIED_EVERY == 0
        self._doubtful += doubtful
        return Evaluation(
            terms,
            tensors,
            step=self._clock.step,
            shared=seen.shared,
            others=seen.others,
            keep=half or keep,
            reduce=self._processes.mean,
            seed=SCALE if half else 1.0,
            last=seen.last,
            whole=seen.whole or self.whole,
            verify=(HALF if half else torch.finfo(_parameters.widest(tensors)).eps) ** 0.5 if verified else 0.0,
        )

    def failed(self, evaluation: Evaluation) -> None:
        """The gradients of its single terms could not be formed. Where they do not add up they never will."""
        if evaluation.verify > 0:
            self.whole = evaluation.whole

    def _look(self, terms: Mapping[str, Tensor]) -> tuple[list[Tensor], Look]:
        """The trainable tensors, and what the graphs hold.

        The model is asked for its tensors again where a leaf is met that was not there before: points that were drawn
        anew, or a parameter that came since.
        """
        tensors = list(self.subject.trainable.values())
        seen = look(terms, tensors)
        known = set(map(id, self._others))
        if any(id(leaf) not in known for leaf in seen.others):
            subject = self.subject.now(self._clock.optimizers)
            if subject is not self.subject:
                self.subject = subject
                tensors = list(subject.trainable.values())
                seen = look(terms, tensors)
        self._others = seen.others
        return tensors, seen
