"""`watch`: one changed line in a training loop, and the story of the run in a folder."""

from __future__ import annotations

import atexit
import os
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from pinndiag._diagnosis._rules import Changes
from pinndiag._engine import Combination, Matrix, joined
from pinndiag._engine._processes import Processes
from pinndiag._errors import PinndiagError
from pinndiag._store import Layout, MemorySink, Run, RunWriter, Sink, TensorBoardSink, read_header, read_run
from pinndiag._terms._checked import checked
from pinndiag._terms._wrap import Model, modules_of, optimized_by
from pinndiag._watch._balance import Balance
from pinndiag._watch._clock import Clock, weakly
from pinndiag._watch._evaluations import Evaluations
from pinndiag._watch._ledger import Ledger, loaded
from pinndiag._watch._rates import Due, Rates, When
from pinndiag._watch._recorder import Recorder
from pinndiag._watch._setup import Subject, check_continued, differences, header, run_name

if TYPE_CHECKING:
    from pinndiag._diagnosis._diagnosis import Diagnosis
    from pinndiag._terms._pinn import PINN
    from pinndiag.schemes import AbstractScheme

__all__ = ["Watch", "watch"]

OFF = "PINNDIAG_OFF"  # environment variable: 1 switches all measuring off
WAITING = 64  # records that may wait on a GPU
WITHOUT_STEP = 1000  # evaluations after which a step should have been counted


def watch(
    model: Model,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] | None = None,
    *,
    to: str | Path | None = None,
    every: When = 100,
    histograms: When | None = None,
    curvature: When | None = None,
    weights: Mapping[str, float] | None = None,
    scheme: AbstractScheme | str | None = None,
    solution: tuple[Any, Tensor] | None = None,
    parameters: Mapping[str, Tensor] | Iterable[Tensor] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: str | Path | None = None,
) -> Watch:
    """Watch a training loop. One line of it changes: the sum of the losses is handed to the watch.

        watch = pinndiag.watch(model, optimizer, to="runs/heat", every=100)
        for step in range(20_000):
            optimizer.zero_grad()
            loss = watch({"pde": pde(), "bc": bc()})      # residuals or unweighted losses
            loss.backward()
            optimizer.step()
        watch.close()

    Works with closures (L-BFGS: the first evaluation of a step is recorded), gradient accumulation, clipping,
    schedulers, `torch.amp.GradScaler`, several optimizers, DistributedDataParallel (figures are those of the whole
    batch) and Lightning. Each term's gradient is formed in the loss's own backward pass, so that a measured step costs
    little more than a plain one where terms have points of their own; on other steps the plain loss is returned. The
    gradients of a measured step are those of the plain loop up to the order of additions (1e-12 in float64).

    Where a term's gradient cannot be formed by itself (re-entrant checkpointing, a compiled forward pass that terms
    share, a hook or function in the graphs that is not linear in the gradient, which is looked for at the first and
    every 50th measured step where terms share a pass or `weights` are not 1), the plain loss is returned, the losses
    are recorded alone, and a diagnosis lacks what needs gradients. Hooks inside the graphs run once for each term;
    under a scheme they see the gradient without its weight. `retain_grad` there keeps the gradient of a single term.

    Several calls within a step make one record, and an evaluation counts once its backward pass has run. Micro-batches
    count by what their loss is multiplied by before `backward`. A gradient that the loop throws away before the
    optimizer steps is recorded as skipped, as one that a gradient scaler refuses.

    Args:
        model: as in `wrap`: a module, a dictionary of modules, or a function (then `parameters` is its mapping).
        optimizer: whose steps count; a list where there are several (also one after the other); None: call
            `watch.step()` after each step.
        to: the run folder; None keeps the records in memory.
        every: when losses, weights, gradient figures, cosines and the error are recorded: a number of steps, a
            function of the step, or a `torch.profiler.schedule`. 0 switches all measuring off that is not asked for by
            name. The error comes at least 10 steps apart where there are as many reference points as residuals, more
            with more of them, up to 100 steps: a percent or so of the time.
        histograms: when figures and histograms per layer are recorded; default at the steps 0, 100, 200, 400 and 800,
            then every 1000.
        curvature: when the Hessians' largest eigenvalues, the stability limit and the remaining work are recorded, on
            the graph of the step; default as for histograms. Costs about 40 gradients.
        weights: the fixed weights to train with (default 1).
        scheme: a balancing scheme, or its key in `pinndiag.schemes`; it sets the weights, also while measuring is off.
            All terms have to come in one call. One that weighs points wants the same points of a term at every step,
            all at once: others are refused, where they require grad (else only their number is seen).
        solution: (points, values) of a known solution, for the relative L2 error.
        parameters: trainable tensors outside the module.
        resume: go on with the run in `to`: its step number and the scheme's state, new records after the old ones. Of a
            run that was killed it is told where; `state_dict` and `load_state_dict` go on exactly at your checkpoint.
        overwrite: replace the run in `to`.
        tensorboard: a folder for TensorBoard, where the figures are written as well (`pip install
            'pinndiag[tensorboard]'`).

    Raises:
        PinndiagError: a run lies in `to`; `resume` and `overwrite` both; a sharded model, or one whose graph was
            declared static; schedules or weights that make no sense.

    Cost: `benchmarks/watch.py` measures it. Memory of a few copies of the terms x P matrix of gradients, constant in
        the number of steps (without `to` the records stay in memory: some kB each).

    `PINNDIAG_OFF=1` in the environment (anything but 0) switches all measuring off: the plain loop.
    """
    if resume and overwrite:
        raise PinndiagError(
            "resume= and overwrite= exclude each other",
            where=f"to={str(to)!r}",
            cause="one goes on with the run in the folder, the other replaces it",
            fix="pass the one that is meant",
        )
    subject = Subject.of(model, optimizer, parameters, solution)
    given = [model] if isinstance(model, torch.nn.Module) else list(modules_of(model).values())
    processes = Processes.of(given)
    rates, balance = Rates.of(every, histograms, curvature), Balance.of(weights, scheme)
    off = os.environ.get(OFF, "") not in ("", "0") or rates.never
    sink: Sink | None = None
    changed = ""
    waiting = 1 if subject.device.type == "cpu" else WAITING
    before = read_header(Path(to)) if resume and to is not None and Layout(Path(to)).exists else None
    if before is not None:
        check_continued(before, subject, balance)
    if not off and processes.writes:
        head = header(subject, balance, rates, name=run_name(to), waiting=waiting, processes=processes.count)
        changed = "" if before is None else differences(before, head)
        sink = MemorySink(head) if to is None else RunWriter(Path(to), head, resume=resume, overwrite=overwrite)
    try:
        sink = sink if sink is None or tensorboard is None else TensorBoardSink(sink, tensorboard)
        found = Watch(subject, processes, rates, balance, Ledger(sink, waiting), off=off)
        if before is not None and to is not None:
            found.go_on(Path(to), changed)
    except BaseException:
        if sink is not None:
            sink.close()
        raise
    return found


@final
class Watch:
    """A watched training; made by `watch`. Also a context manager, and closed when the program ends."""

    def __init__(
        self, subject: Subject, processes: Processes, rates: Rates, balance: Balance, ledger: Ledger, *, off: bool
    ) -> None:
        self._rates, self._balance = rates, balance
        self._ledger = ledger
        self._off = off
        self._clock = Clock(subject.optimizers, self._stepped)
        self._evaluations = Evaluations(subject, processes, self._clock)
        self._recorder = Recorder(self._evaluations, processes, self._clock, ledger)
        self._closed = False
        self._resumed = ""  # where a run goes on, until its first evaluation
        self._met = register_optimizer_step_pre_hook(weakly(self._meet))
        weakref.finalize(self, self._met.remove).atexit = False
        if ledger.sink is not None:
            atexit.register(_close, weakref.ref(self))
            weakref.finalize(self, ledger.sink.close).atexit = False  # one that was dropped has written its records

    def __call__(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the terms, to call `backward` on.

        Args:
            losses: name -> residual tensor (its loss is the mean of |r|^2) or scalar loss, unweighted. Terms may come
                and go. Without grad (validation) it is the weighted sum, and nothing is counted.

        Raises:
            TermError: a value is no loss.
        """
        terms = checked(losses)
        if not _trained(terms):
            return self._balance.plain(terms)
        due = self._due(terms)
        if not due.anything and self._balance.scheme is None:
            return self._balance.plain(terms)
        keep = due.curvature or self._balance.keeps_graphs
        evaluation = self._evaluations.of(terms, due, keep=keep, weighted=self._balance.weighs)
        combination = self._balance.combination(evaluation, first=self._clock.first)
        self._recorder.evaluated(evaluation, combination, due)
        with self._ledger.measuring("a remark", self._clock.step):
            for text in self._balance.remarks():
                self._ledger.complain(text, self._clock.step)
        return joined(evaluation, combination, partial(self._recorder.passed, combination) if due.gradients else None)

    def observe(self, losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> dict[str, float]:
        """Record the terms of a training that puts its loss together by itself; its graphs are left whole.

        The gradients of the terms are formed here, beside the training's own backward pass: a measured step costs one
        more. The training is that without the watch, bit for bit.

        Args:
            losses: as for a call, unweighted.
            weights: what the terms are multiplied by in this evaluation, where the caller applies the answer later or
                not at all (1 for a term that is not named). None: the answer is applied at once.

        Returns:
            the weights that the scheme asks for (within one step of the optimizer they stay the same); without a
            scheme those given.

        Raises:
            TermError: a value is no loss.
        """
        terms = checked(losses)
        given = dict.fromkeys(terms, 1.0) | dict(self.weights if weights is None else weights)
        if not _trained(terms):
            return self.weights if self._balance.scheme is not None else given
        due = self._due(terms)
        if not due.anything and self._balance.scheme is None:
            return given
        evaluation = self._evaluations.of(terms, due, keep=True)
        wanted = applied = self._balance.combination(evaluation, first=self._clock.first)
        if weights is not None:
            applied = Combination(wanted.weights.new_tensor([given[name] for name in terms], dtype=torch.float64))
        self._recorder.evaluated(evaluation, applied, due)
        if due.gradients:
            rows: Matrix | None = None
            with self._ledger.measuring("forming the gradients of single terms", evaluation.step):
                rows = None if evaluation.whole else evaluation.gradients
            self._recorder.passed(applied, evaluation, rows)
        return given if self._balance.scheme is None else dict(zip(terms, wanted.weights.tolist(), strict=True))

    def leave(self, weights: Mapping[str, float]) -> None:
        """Before the first evaluation: terms that the scheme was told to leave alone (`exclude=`) keep these weights,
        unless it was given some. Asked again it does nothing.
        """
        self._balance.leave(weights)

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Count the steps of this optimizer from now on, if it trains what is watched. Asked again it does nothing."""
        if self._closed or self._clock.follows(optimizer):
            return
        watched = {id(tensor) for tensor in self._evaluations.subject.parameters.values()}
        if any(id(tensor) in watched for tensor in optimized_by(optimizer)):
            self._clock.follow(optimizer)
            self._ledger.optimizers(self._evaluations.subject.cards([optimizer]))

    @property
    def weights(self) -> dict[str, float]:
        """The fixed weights, or those of the scheme's last step (of per-point weights the mean)."""
        if self._balance.scheme is None:
            return dict(self._balance.weights)
        return {
            name: float(weight.mean()) if isinstance(weight, Tensor) else weight
            for name, weight in self._balance.scheme.weights.items()
        }

    @property
    def point_weights(self) -> dict[str, Tensor]:
        """The per-point weights of a scheme's last step, for the terms that have such."""
        known = {} if self._balance.scheme is None else self._balance.scheme.weights
        return {name: weight.detach() for name, weight in known.items() if isinstance(weight, Tensor)}

    def step(self) -> None:
        """Count a step; only needed when no optimizer was given."""
        self._clock.tick()

    def run(self) -> Run:
        """The records so far. Those of a run folder are read from it."""
        self._ledger.flush()
        if self._ledger.sink is None:
            raise PinndiagError(
                "nothing was recorded",
                cause="measuring is switched off (every=0, PINNDIAG_OFF), or another process writes the run",
                fix="switch it on, or ask the process of rank 0",
            )
        return self._ledger.sink.run()

    def diagnose(
        self,
        pinn: PINN | None = None,
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        thresholds: Changes = None,
    ) -> Diagnosis:
        """Judge the run so far.

        Args:
            pinn: the trained PINN, wrapped: it is analysed as it is now, with its experiments, and the run completes
                the picture.
            select: codes or prefixes of the checks to report; default those of `[tool.pinndiag]`, or all.
            ignore: codes or prefixes of the checks to leave out; default likewise.
            thresholds: other bounds than the default ones, such as `{"work_ratio": 50}`.

        Where measuring is switched off, and in processes that do not write, the PINN is judged without a run, or else
        its parameters alone.

        Raises:
            PinndiagError: nothing was recorded that could be judged.
        """
        # the analysis of a network is no part of a training loop
        from pinndiag._analysis._analyze import analyze, analyze_weights
        from pinndiag._diagnosis._diagnosis import Diagnosis
        from pinndiag._history import diagnose_run

        if self._ledger.sink is None:
            if pinn is not None:
                return analyze(pinn, select=select, ignore=ignore, thresholds=thresholds)
            return analyze_weights(self._evaluations.subject.trainable, why="measuring is switched off in this process")
        run = self.run()
        base = None if pinn is None else analyze(pinn, name=run.header.name).record
        source = "" if run.layout is None else str(run.layout.folder)
        return Diagnosis(
            diagnose_run(run, base=base, select=select, ignore=ignore, thresholds=thresholds, source=source)
        )

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later: the step number and the scheme's state."""
        return {"step": self._clock.step, "scheme": self._balance.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave; records of later steps are replaced."""
        self._balance.load_state_dict(state["scheme"])
        self._clock.step = int(state["step"])
        self._clock.abandon()
        self._recorder.forget()
        text = f"goes on at step {self._clock.step}"
        if self._resumed:
            self._resumed = text
        else:
            self._ledger.event("resumed", text, self._clock.step)

    def go_on(self, folder: Path, changed: str = "") -> None:
        """Take up the run in a folder where it stopped. Nothing is written before the first evaluation.

        After a kill it is told at which step the run goes on, and how old the scheme's state is.

        Args:
            folder: of the run.
            changed: what else is different now, in words.
        """
        layout = Layout(folder)
        state, run = loaded(layout.state), read_run(folder)
        kept = int(state.get("step", 0))
        step = max(kept, run.last_step + 1)
        self._balance.load_state_dict(state.get("scheme", {}))
        self.continue_at(step, max(float(state.get("seconds", 0.0)), run.last_time))
        self._resumed = f"goes on at step {step}" + (f" with other {changed}" if changed else "")
        scheme = self._balance.scheme is not None
        if step == 0 or (run.ended and (kept == step or not scheme)):
            return
        self._resumed += f": the last record is of step {run.last_step}"
        if scheme:
            self._resumed += f", the scheme's state of step {kept}" if state else ", the scheme begins anew"
        warnings.warn(
            f"pinndiag: the run in {folder} was not closed; it {self._resumed}. To go on exactly at a checkpoint of "
            "yours, keep watch.state_dict() in it and call watch.load_state_dict()",
            RuntimeWarning,
            stacklevel=3,
        )

    def continue_at(self, step: int, seconds: float) -> None:
        """Count on from a step, of a run that has lasted so long."""
        self._clock.step = step
        self._ledger.go_on(seconds)

    def close(self) -> None:
        """Write what waits and let go of the optimizers. Nothing is recorded any more; a scheme goes on, if called."""
        if self._closed:
            return
        with self._ledger.measuring("closing", self._clock.step):
            self._recorder.close()
            if not self._resumed:  # else nothing was done, and the run stays as it was
                self._ledger.event("closed", "the training ended", self._clock.step)
                self._ledger.state(self.state_dict, now=True)
        self._closed = True
        self._recorder.forget()
        self._clock.close()
        self._met.remove()
        if self._ledger.sink is not None:
            self._ledger.sink.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _meet(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """An optimizer is about to step: one that was made later may take the place of those that are known."""
        if self._clock.follows(optimizer) or self._clock.inside:
            return
        known = {id(tensor) for other in self._clock.optimizers for tensor in optimized_by(other)}
        if not known or any(id(tensor) in known for tensor in optimized_by(optimizer)):
            self.follow(optimizer)

    def _due(self, terms: Mapping[str, Tensor]) -> Due:
        """One more evaluation begins: what is measured at it."""
        if self._closed:
            return self._due_when_closed()
        if self._resumed:
            self._take_up(terms)
        with self._ledger.measuring("looking for a gradient that was thrown away", self._clock.step):
            between = self._clock.evaluations and not self._clock.inside
            if between and self._recorder.lost:
                self._recorder.finish(None, skipped=True)
                self._clock.abandon()
        self._clock.evaluated()
        if self._clock.evaluations == WITHOUT_STEP:
            with self._ledger.measuring("a remark", self._clock.step):
                self._ledger.complain(
                    f"no optimizer step was counted in {WITHOUT_STEP} evaluations: was watch.step() forgotten?",
                    self._clock.step,
                )
        if not self._clock.counted or self._off:
            return Due()
        with self._ledger.measuring("the schedule", self._clock.step):
            return self._rates.due(self._clock.step)
        return Due()

    def _due_when_closed(self) -> Due:
        scheme = self._balance.scheme is not None
        self._ledger.once(
            "closed",
            "pinndiag: this watch is closed, and records nothing any more"
            + ("; its scheme goes on" if scheme else "; the loss is the plain weighted sum"),
        )
        if scheme:
            self._clock.open()
            self._clock.evaluated()
        return Due()

    def _take_up(self, terms: Mapping[str, Tensor]) -> None:
        """The first evaluation of a run that goes on."""
        sink = self._ledger.sink
        known = {} if sink is None else sink.header.terms
        if known and not set(terms) & set(known):
            self.close()
            raise PinndiagError(
                "the run that is to go on has other terms",
                where=f"in the folder: {', '.join(known)}; now: {', '.join(terms)}",
                cause="to= is the folder of another training, or the terms were renamed",
                fix="choose another folder, or pass overwrite=True instead of resume=True",
            )
        text, self._resumed = self._resumed, ""
        with self._ledger.measuring("going on with the run", self._clock.step):
            self._ledger.event("resumed", text, self._clock.step)

    def _stepped(self, optimizer: torch.optim.Optimizer | None, taken: bool) -> None:
        """The step that the evaluations belong to is over."""
        if self._closed:
            return
        self._recorder.finish(optimizer, skipped=not taken)
        with self._ledger.measuring("keeping the state", self._clock.step):
            self._ledger.state(lambda: {**self.state_dict(), "step": self._clock.step + taken})


def _trained(terms: Mapping[str, Tensor]) -> bool:
    """Whether an evaluation is one of the training, and not of a validation."""
    return torch.is_grad_enabled() and any(term.requires_grad for term in terms.values())


def _close(found: weakref.ref[Watch]) -> None:
    """A program that ends without closing loses nothing."""
    watch_ = found()
    if watch_ is not None:
        watch_.close()
