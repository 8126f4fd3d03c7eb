"""`remediate`: train on, as it is and under schemes, from equal starts, and report before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, final

import msgspec

from pinndiag._analysis._analyze import analyze
from pinndiag._analysis._plan import Event
from pinndiag._diagnosis._compare import compare
from pinndiag._records import (
    REMEDY_SCHEMA,
    Arm,
    ArmRun,
    DiagnosisRecord,
    OptimizerCard,
    RemedyRecord,
    Trial,
)
from pinndiag._remediate._candidates import Candidate, candidates
from pinndiag._remediate._choice import FINALISTS, chosen_by, finalists, least
from pinndiag._remediate._comparison import Comparison
from pinndiag._remediate._lanes import Lane, run
from pinndiag._remediate._measure import diagnosed
from pinndiag._remediate._optimizers import card, made
from pinndiag._remediate._points import Draws, drawn
from pinndiag._remediate._request import AUTO, Schemes, asked, check_start, is_auto, whole
from pinndiag._remediate._training import Plan, arrived
from pinndiag._remediate._verdict import judged, measure_of, reason, verdict
from pinndiag._terms._pinn import PINN
from pinndiag.schemes import AbstractScheme

__all__ = ["Progress", "remediate"]

AS_IT_IS = "as it is"


@final
@dataclass(frozen=True)
class Progress:
    """How far a remediation is.

    Attributes:
        words: what is being done.
        done: steps taken in all.
        total: steps there will be, as far as is known.
    """

    words: str
    done: int
    total: int


def remediate(
    pinn: PINN,
    schemes: Schemes = AUTO,
    *,
    steps: int = 2000,
    seeds: int = 1,
    start: str = "checkpoint",
    resample: int = 0,
    jobs: int = 1,
    diagnosis: DiagnosisRecord | None = None,
    name: str = "",
    source: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Train a wrapped PINN on, as it is and under balancing schemes, and say what helped. The PINN is not changed.

    Every arm begins at the same parameters and points, and takes as many steps of the same optimizer; the arm "as it
    is" trains on with the user's own weights for just as long. No arm is chosen by its error against the solution.

    Args:
        pinn: from `wrap` or `load`; its terms must be capturable.
        schemes: keys of schemes, schemes or their classes, or "auto": candidates by the diagnosis, all trained for half
            of the steps, the two with the least estimated error to the end, and of these the better one by the same
            measure. A healthy network is not treated unless a scheme is named. A scheme begins anew, in a copy.
        steps: optimizer steps of each run.
        seeds: runs of each arm. From the initial parameters, seeds beyond the first redraw them; from the checkpoint
            only arms that draw random numbers run more than once.
        start: "checkpoint" (the present parameters, and the optimizer's state) or "initial".
        resample: steps after which every term that takes its points gets fresh ones, the same in every arm; 0: they
            train where the PINN's points are.
        jobs: processes, with one torch thread each. Called from a script, that needs the usual
            `if __name__ == "__main__":`.
        diagnosis: of the PINN as it is, if it was made before.
        name: how the report calls the PINN.
        source: the file it came from.
        progress: called now and then.

    Returns:
        the comparison: `to_html`, `to_dict`, `treated`.

    Raises:
        PinndiagError: a scheme is unknown, does not fit the terms, or remembers points that are to change; the start is
            unknown; a number makes no sense.
        CaptureError: a term cannot be captured, so that there is no copy to train.

    An interrupt (Ctrl-C) ends it with what is done by then.

    Cost: (arms + 1) x seeds x steps gradients, and the analysis of the PINN and of the treated network.

    References: design 7; Deguchi, Asai 2023 and Wang, Teng, Perdikaris 2021 for the comparisons it repeats.
    """
    check_start(pinn, start)
    steps, seeds, resample, jobs = whole(steps=steps, seeds=seeds, resample=resample, jobs=jobs)
    auto = is_auto(schemes)
    began = time.perf_counter()
    work = _Work(pinn, steps, seeds, start, resample, jobs, progress)
    record = diagnosis or analyze(pinn, name=name, source=source, progress=work.stage("the network as it is")).record
    wanted = candidates(pinn, record, fresh=resample > 0) if auto else asked(schemes, pinn, record)
    if wanted:
        work.race(wanted, auto=auto)
    return work.comparison(record, name or record.run.name, source, time.perf_counter() - began, auto=auto)


@final
@dataclass
class _Work:
    """One remediation under way."""

    pinn: PINN
    steps: int
    seeds: int
    start: str
    resample: int
    jobs: int
    progress: Callable[[Progress], None] | None
    draws: Draws = field(default_factory=Draws)
    baseline: list[Lane] = field(default_factory=list)
    arms: dict[str, tuple[Candidate, list[Lane]]] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    dropped: list[Lane] = field(default_factory=list)
    interrupted: bool = False
    begun: OptimizerCard | None = None  # the optimizer that every arm begins with

    def say(self, words: str, done: int, total: int = 0) -> None:
        """Tell how far it is."""
        if self.progress is not None:
            self.progress(Progress(words, done, total))

    def stage(self, what: str) -> Callable[[Event], None]:
        """Tell the stages of an analysis."""
        self.say(f"analysing {what}", 0)
        return lambda event: self.say(f"analysing {what}: {event.stage}", 0)

    def race(self, wanted: Sequence[Candidate], *, auto: bool) -> None:
        """Train the arms; an interrupt keeps those that have arrived."""
        others = self.seeds > 1 and self.start == "initial"
        self.draws = drawn(self.pinn, [one.scheme for one in wanted], every=self.resample, others=others)
        self.baseline = self._lanes(AS_IT_IS, None)
        self.arms = {one.key: (one, self._lanes(one.key, one.scheme)) for one in wanted}
        self.begun = self._fresh()  # torch imports much for the first one, and is no use once that was interrupted
        try:
            if auto and len(wanted) > FINALISTS:
                self._halve()
            self._train("training every arm", self._all(), self.steps)
        except KeyboardInterrupt:
            self.interrupted = True

    def _halve(self) -> None:
        """All candidates for half of the steps; those that promise least stay behind."""
        first = [lanes[0] for _, lanes in self.arms.values()]
        self._train(f"trying {len(first)} candidates for half of the steps", first, self.steps // 2)
        halves = {key: _run(lanes[0]) for key, (_, lanes) in self.arms.items()}
        by = chosen_by(halves.values())
        order = finalists({key: half.left(by) for key, half in halves.items()})
        for key, half in halves.items():
            self.trials.append(
                Trial(
                    key=key,
                    why=self.arms[key][0].why,
                    score=half.score,
                    losses=half.losses,
                    kept=key in order,
                    steps=half.steps,
                    evaluations=half.evaluations,
                    seconds=half.seconds,
                    estimate=half.estimate,
                )
            )
        self.dropped = [lanes[0] for key, (_, lanes) in self.arms.items() if key not in order]
        self.arms = {key: arm for key, arm in self.arms.items() if key in order}

    def _train(self, words: str, lanes: list[Lane], until: int) -> None:
        total = sum(until - lane.step for lane in lanes)
        self.say(words, 0, total)
        run(self.pinn, lanes, until, self.jobs, lambda done: self.say(words, done, total))
        self.say(words, total, total)

    def _all(self) -> list[Lane]:
        return [*self.baseline, *(lane for _, lanes in self.arms.values() for lane in lanes)]

    def _lanes(self, key: str, scheme: AbstractScheme | None) -> list[Lane]:
        """One lane a seed; from the checkpoint a second one only where something is drawn at random."""
        seeds = self.seeds if self.start == "initial" or hasattr(scheme, "seed") or self.resample else 1
        plans = [
            Plan(key, _anew(scheme, self.pinn, seed), self.start, seed, self.steps, self.draws) for seed in range(seeds)
        ]
        return [Lane(plan, diagnose=plan.seed == 0) for plan in plans]

    def comparison(self, record: DiagnosisRecord, name: str, source: str, seconds: float, *, auto: bool) -> Comparison:
        """What it came to."""
        done = [arm for one, lanes in self.arms.values() if (arm := _arm(one, lanes, self.steps)) is not None]
        own = Candidate(AS_IT_IS, None, "")  # type: ignore[arg-type]
        baseline = _arm(own, self.baseline, self.steps) if self.baseline else None
        runs = [run_ for arm in [*done, *([baseline] if baseline else [])] for run_ in arm.runs]
        measure, by = measure_of(runs) if runs else "losses", chosen_by(runs)
        if baseline is not None:
            baseline = judged(baseline, baseline, measure)
            done = [judged(arm, baseline, measure) for arm in done]
        chosen, treated, pair = None, None, None
        if baseline is not None:
            best = least({arm.key: arm.left(by) for arm in done}, baseline.left(by) if auto else None)
            chosen = next((i for i, arm in enumerate(done) if arm.key == best), None)
        if chosen is not None and baseline is not None:
            after, before = done[chosen].diagnosis, baseline.diagnosis
            if after is not None and before is not None:  # both by the same analyzers
                pair = compare(before, after, names=("trained on as it is", done[chosen].title))
            treated, done[chosen] = self._treated(done[chosen])
        text, severity = verdict(record, baseline, done, chosen, measure, by, auto=auto, interrupted=self.interrupted)
        return Comparison(
            RemedyRecord(
                schema=REMEDY_SCHEMA,
                name=name,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                start=self.start,
                steps=self.steps,
                seeds=self.seeds,
                resample=self.resample,
                optimizer=self._optimizer(),
                measure=measure,
                diagnosis=record,
                baseline=baseline,
                arms=done,
                chosen=chosen,
                reason=reason(done, chosen, self.trials, by, auto=auto, interrupted=self.interrupted),
                trials=self.trials,
                comparison=pair,
                severity=severity,
                text=text,
                evaluations=sum(
                    lane.state.evaluations for lane in [*self._all(), *self.dropped] if lane.state is not None
                ),
                seconds=seconds,
                interrupted=self.interrupted,
                notes=self._notes(),
                source=source,
                chosen_by=by,
            ),
            treated,
        )

    def _treated(self, arm: Arm) -> tuple[PINN, Arm]:
        """The network of seed 0 that an arm trained, and the arm with its whole diagnosis."""
        lane = self.arms[arm.key][1][0]
        assert lane.state is not None
        twin = arrived(self.pinn, lane.plan, lane.state)
        twin.weights = {name: lane.state.weights.get(name, weight) for name, weight in twin.weights.items()}
        twin.notes = [*twin.notes, f"trained for {lane.state.step} steps under {arm.title}"]
        if not self.interrupted and arm.runs[0].finite:
            told = self.stage("the treated network")
            try:
                arm = msgspec.structs.replace(arm, diagnosis=diagnosed(twin, arm.title, whole=True, progress=told))
            except KeyboardInterrupt:  # the training is done, and so is a shorter diagnosis
                self.interrupted = True
        return twin, arm

    def _optimizer(self) -> OptimizerCard:
        known = next((lane.state.card for lane in self._all() if lane.state is not None), None)
        return known or self.begun or self._fresh()

    def _fresh(self) -> OptimizerCard:
        return card(made(self.pinn.optimizer, self.pinn.parameters, anew=True)[0], resumed=False)

    def _notes(self) -> list[str]:
        found = dict.fromkeys(note for lane in self._all() if lane.state is not None for note in lane.state.notes)
        if self.seeds > 1 and self.start == "checkpoint" and not self.resample:
            found["from the checkpoint, arms without randomness are deterministic: one run"] = None
        kept = [f"the points of {name!r} stay as they are: {why}" for name, why in self.draws.reasons.items()]
        return [*found, *kept]


def _anew(scheme: AbstractScheme | None, pinn: PINN, seed: int) -> AbstractScheme | None:
    """A copy that begins anew, with other draws for another seed, and the PINN's weights where it leaves them."""
    if scheme is None:
        return None
    found: Any = scheme.anew(pinn.tensors)
    if hasattr(found, "seed"):
        found.seed += seed
    found.take_over(pinn.weights)
    return found  # type: ignore[no-any-return]


def _arm(one: Candidate, lanes: Sequence[Lane], steps: int) -> Arm | None:
    """What the lanes of an arm came to, those that arrived; None if none did."""
    arrived = [lane for lane in lanes if lane.result is not None and lane.step == steps]
    results = [lane.result for lane in arrived if lane.result is not None]
    if not results:
        return None
    scheme = one.scheme
    return Arm(
        key=one.key,
        title="trained on as it is" if scheme is None else f"{type(scheme).__name__} ({one.key})",
        settings={} if scheme is None else _trained(lanes[0], scheme).settings,
        runs=[result.run for result in results],
        diagnosis=results[0].diagnosis,
        points=results[0].points,
    )


def _trained(lane: Lane, scheme: AbstractScheme) -> AbstractScheme:
    """A scheme as it is at the end, when it knows its reference."""
    return scheme if lane.state is None or lane.state.scheme is None else lane.state.scheme


def _run(lane: Lane) -> ArmRun:
    assert lane.result is not None
    return lane.result.run
