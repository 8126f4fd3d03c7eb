"""From the evaluations of a step to its record."""

from __future__ import annotations

from typing import final

import msgspec
import torch

from pinndiag._engine import Combination, Evaluation, Matrix
from pinndiag._engine._processes import Processes
from pinndiag._errors import PinndiagError
from pinndiag._statistics._gradient_tables import Structure
from pinndiag._watch._clock import Clock
from pinndiag._watch._curvature import CurvatureGauge, of_all_terms
from pinndiag._watch._error import ErrorGauge
from pinndiag._watch._evaluations import Evaluations
from pinndiag._watch._ledger import Ledger
from pinndiag._watch._pending import Pending, tables_of
from pinndiag._watch._rates import Due
from pinndiag._watch._step import Step

__all__ = ["Recorder"]


@final
class Recorder:
    """Measures the step under way, and enters it into the ledger when it is over. Nothing here ends a training.

    Args:
        evaluations: which know the model as it is.
        processes: which train together.
        clock: the steps.
        ledger: where records go.
    """

    def __init__(self, evaluations: Evaluations, processes: Processes, clock: Clock, ledger: Ledger) -> None:
        self._evaluations, self._processes, self._clock, self._ledger = evaluations, processes, clock, ledger
        self._step: Step | None = None
        self._curvature = CurvatureGauge(processes.count)
        subject = evaluations.subject
        reference = subject.reference
        self._error = None if reference is None else ErrorGauge(reference, subject.solve, subject.modules)

    @property
    def lost(self) -> bool:
        """Whether the optimizer will not take the step under way (see `Step.lost`)."""
        return self._step is not None and self._step.lost

    def evaluated(self, evaluation: Evaluation, combination: Combination, due: Due) -> None:
        """One more evaluation: what can be recorded before its backward pass."""
        if due.anything:
            with self._ledger.measuring("recording the losses", self._clock.step):
                self._begin(evaluation, due)
        if due.curvature and self._clock.first and self._processes.writes:
            with self._ledger.measuring("the curvature", self._clock.step):
                self._measure_curvature(evaluation, combination)

    def passed(self, combination: Combination, evaluation: Evaluation, applied: Matrix | None) -> None:
        """The backward pass of an evaluation runs, and the gradients are known if they could be formed."""
        if evaluation.whole:
            self._evaluations.failed(evaluation)
            what = "forming the gradients of single terms"
            self._ledger.failed(what, evaluation.step, PinndiagError(evaluation.whole))
        with self._ledger.measuring("recording the gradients", evaluation.step):
            step = self._step
            if step is not None and step.cleared:  # before the present evaluation: a record of its own
                again = step.again(evaluation.names)
                self.finish(None, skipped=True)
                step = self._step = again
                self._clock.abandon(1)
            if step is not None:
                step.add(evaluation, combination, applied)

    def finish(self, optimizer: torch.optim.Optimizer | None, *, skipped: bool = False) -> None:
        """The step under way is over: its sums become a record."""
        step, self._step = self._step, None
        if step is None:
            return
        step.end()
        sums = step.sums
        with self._ledger.measuring("recording a step", step.index):
            if sums.begun > sums.counted:
                self._ledger.complain(
                    "an evaluation never went backward, and is left out (validate under torch.no_grad())", step.index
                )
            if step.curvature is not None:
                self._ledger.write(of_all_terms(step.curvature, sums.names if sums.counted else ()))
            if sums.counted and self._ledger.sink is not None:
                self._write(step, optimizer, skipped=skipped)

    def forget(self) -> None:
        """Leave the step under way out."""
        if self._step is not None:
            self._step.end()
            self._step = None

    def close(self) -> None:
        """Nothing follows: a step under way is recorded as far as it is certain."""
        if self.lost:
            self.finish(None, skipped=True)
        elif self._step is not None and self._step.curvature is not None:
            self._ledger.write(self._step.curvature)

    def _begin(self, evaluation: Evaluation, due: Due) -> None:
        """One more evaluation of a measured step."""
        step = self._step
        if self._clock.first or step is None:
            step = self._step = Step(evaluation.step, self._ledger.time, due)
            with self._ledger.measuring("the error", evaluation.step):
                step.error = None if self._error is None or not due.line else self._error.measured(evaluation)
        self._ledger.terms(evaluation)
        if due.gradients:
            step.sums.begin(evaluation.names)

    def _write(self, step: Step, optimizer: torch.optim.Optimizer | None, *, skipped: bool) -> None:
        sums = step.sums
        layers = step.due.layers and sums.measured
        structure = Structure.of(self._evaluations.subject.trainable) if layers else None
        tables = tables_of(sums, structure)
        if step.error is not None:
            tables["", "rel_l2"] = step.error.reshape(1, 1)
        self._ledger.add(
            Pending(
                step=step.index,
                time=step.time,
                lr=_rate(optimizer or next(iter(self._clock.optimizers), None)),
                names=sums.names,
                tables=tables,
                share=self._ledger.share() if step.due.line else None,
                batches=sums.batches,
                skipped=skipped,
                line=step.due.line,
                layers={} if structure is None else structure.entries,
            )
        )

    def _measure_curvature(self, evaluation: Evaluation, combination: Combination) -> None:
        assert self._step is not None
        began = self._ledger.time
        optimizer = next(iter(self._clock.optimizers), None)
        trainable = self._evaluations.subject.trainable
        line, behind = self._curvature.measured(evaluation, combination, trainable, optimizer)
        file, seconds = self._ledger.coefficients(evaluation.step, behind), self._ledger.time - began
        self._step.curvature = msgspec.structs.replace(line, time=began, seconds=seconds, file=file)


def _rate(optimizer: torch.optim.Optimizer | None) -> float | None:
    return None if optimizer is None else float(optimizer.param_groups[0]["lr"])
