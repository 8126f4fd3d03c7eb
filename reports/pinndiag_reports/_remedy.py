"""Before and after as plain values: what page, text and Markdown all show, worded and formatted once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pinndiag._records import SETTLED, Arm, Outcome, RemedyRecord
from pinndiag._records._comparison import ComparisonRecord, FindingPair
from pinndiag_reports._names import one_line
from pinndiag_reports._numbers import count, estimate, number, percent, plural, seconds, times
from pinndiag_reports.comparison import changes

__all__ = ["SEVERITIES", "SIGNS", "ArmRow", "RemedyView", "all_arms", "chosen_as", "measured_as", "remedy_view"]

SIGNS: dict[Outcome, str] = {"better": "✔", "worse": "✖", "alike": "=", "diverged": "✖", "unknown": "?"}
SEVERITIES: dict[Outcome, str] = {
    "better": "none",
    "worse": "problem",
    "alike": "note",
    "diverged": "problem",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True)
class ArmRow:
    """An arm in the table of arms.

    Attributes:
        key: of the arm; "" for the network as it was given.
        sign: of the outcome; "" for what nothing is compared with.
        severity: of the outcome, as colours have it.
        outcome: in words.
        figure: the figure of comparison: mean and standard error over the seeds.
        losses: unweighted loss of each term, mean over the seeds.
        time: wall time of a run.
        evaluations: of loss and gradient, of a run.
        overhead: time of a step against training on.
        chosen: whether it is called the treatment.
        verdict: what the diagnosis of its network says.
    """

    key: str
    title: str
    sign: str
    severity: str
    outcome: str
    figure: str
    losses: tuple[str, ...]
    time: str
    evaluations: str
    overhead: str
    chosen: bool = False
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class RemedyView:
    """A remediation, ready to show; figures apart.

    Attributes:
        severity: as colours have it.
        sure: how sure the verdict is.
        setting: what every arm had in common.
        cost: of everything.
        measure: head of the figure of comparison.
        terms: names, in the order of `ArmRow.losses`.
        runs: every run: arm, seed, figure, losses, time, evaluations.
        trials: the candidates of "auto": key, why, what it is chosen by, losses, what became of it.
        trials_note: what they are chosen by, in a sentence.
    """

    name: str
    created: str
    sign: str
    severity: str
    verdict: str
    reason: str
    sure: str
    setting: str
    cost: str
    measure: str
    terms: tuple[str, ...]
    arms: tuple[ArmRow, ...]
    runs: tuple[tuple[str, ...], ...]
    trials: tuple[tuple[str, ...], ...]
    trials_head: tuple[str, ...]
    trials_note: str
    notes: tuple[str, ...]


def all_arms(record: RemedyRecord) -> list[Arm]:
    """Training on as it is, then the schemes."""
    return [*([record.baseline] if record.baseline is not None else []), *record.arms]


def measured_as(record: RemedyRecord) -> str:
    """The figure of comparison in words."""
    return "rel. L2 error" if record.measure == "rel_l2" else "mean loss"


def chosen_as(record: RemedyRecord) -> str:
    """What arms are chosen by, in words."""
    return "est. error" if record.chosen_by == "estimate" else "work left"


def findings_changed(pair: ComparisonRecord) -> list[tuple[str, FindingPair]]:
    """Findings of training on against the treated network; "open" where one of the two was not judged."""
    return [(change if item.judged else "open", item) for change, item in changes(pair)]


def remedy_view(record: RemedyRecord) -> RemedyView:
    """The view of a record whose texts are safe to show."""
    terms = tuple(record.diagnosis.terms) or tuple(dict.fromkeys(t for a in all_arms(record) for t in a.runs[0].losses))
    return RemedyView(
        name=record.name or "unnamed",
        created=record.created.replace("T", " ")[:16] + (" UTC" if record.created.endswith("+00:00") else ""),
        sign=SIGNS[record.severity],
        severity=SEVERITIES[record.severity],
        verdict=one_line(record.text),
        reason=_reason(record),
        sure=_sure(record),
        setting=_setting(record),
        cost=f"{plural(record.evaluations, 'gradient')} and {seconds(record.seconds)} in all, analyses included",
        measure=measured_as(record),
        terms=terms,
        arms=(_given(record, terms), *(_arm(record, arm, terms) for arm in all_arms(record))),
        runs=tuple(_runs(record, terms)),
        trials=tuple(_trials(record, terms)),
        trials_head=(
            "tried",
            "because of",
            chosen_as(record),
            *(f"loss of {one_line(t)}" for t in terms),
            "steps",
            "gradients",
            "time",
            "then",
        ),
        trials_note=_chosen_by(record),
        notes=tuple(one_line(note) for note in record.notes),
    )


def _reason(record: RemedyRecord) -> str:
    reason = one_line(record.reason)
    if record.interrupted and record.chosen is None:
        return ""
    if record.chosen is None:
        return f"Why: {reason}" if reason else ""
    return f"Why {record.arms[record.chosen].title}: {reason}"


def _chosen_by(record: RemedyRecord) -> str:
    if record.chosen_by == "estimate":
        moved = max((run.estimate_moved or 1.0 for arm in all_arms(record) for run in arm.runs), default=1.0)
        room = f"; doubling the points looked at still moved it, by a factor of up to {times(moved)}"
        return (
            "est. error: the relative change of the output that makes the residuals vanish, to first order; no "
            "solution is needed for it" + (room if moved > SETTLED else "")
        )
    return (
        "work left: squared distance in parameters that would make the typical residuals vanish, summed over the "
        "terms; median over the last quarter of the steps taken"
    )


def _sure(record: RemedyRecord) -> str:
    parts = []
    if record.interrupted:
        done = plural(len(all_arms(record)), "arm")
        parts.append(f"Interrupted: shown is what was done by then ({done} trained to the end)")
    runs = max((len(arm.runs) for arm in all_arms(record)), default=0)
    if runs == 1:
        again = "--seeds 3" if record.start == "initial" else "--from initial --seeds 3"
        parts.append(f"One seed is not evidence: {again} shows the spread")
    elif runs > 1:
        parts.append(f"Mean ± standard error over {plural(runs, 'seed')}; an outcome is beyond twice that, or alike")
    return ". ".join(parts)


def _setting(record: RemedyRecord) -> str:
    place = "initial parameters" if record.start == "initial" else "parameters of the checkpoint"
    optimizer = record.optimizer
    rate = f", learning rate {number(optimizer.lr)}" if optimizer.lr is not None else ""
    runs = max((len(arm.runs) for arm in all_arms(record)), default=record.seeds)
    seeds = plural(runs, "seed") + (f" of {record.seeds} asked for" if runs < record.seeds else "")
    points = f"the same fresh points every {plural(record.resample, 'step')}" if record.resample else "the same points"
    against = {str(arm.settings["reference"]) for arm in record.arms if arm.settings.get("reference") is not None}
    terms = f"; reference term {one_line(against.pop())!r}" if len(against) == 1 else ""
    return (
        f"Every arm: from the {place}, {plural(record.steps, 'step')} of {one_line(optimizer.kind)}{rate}, "
        f"{seeds}, {points}{terms}"
    )


def _outcome(arm: Arm) -> str:
    factor = arm.factor
    if arm.outcome == "better" and factor is not None:
        return f"{times(factor)} times better"
    if arm.outcome == "worse" and factor is not None:
        return f"{times(1 / factor)} times worse" if factor > 0 else "worse"
    return {"alike": "no clear difference", "diverged": "diverged", "unknown": "not known"}.get(
        arm.outcome, arm.outcome
    )


def _given(record: RemedyRecord, terms: Sequence[str]) -> ArmRow:
    """The network before any of it."""
    diagnosis = record.diagnosis
    known = diagnosis.solution
    figure = number(known.rel_l2) if record.measure == "rel_l2" and known is not None else number(None)
    return ArmRow(
        key="",
        title="as it was given",
        sign="",
        severity="",
        outcome="",
        figure=figure,
        losses=tuple(number(diagnosis.terms[t].loss if t in diagnosis.terms else None) for t in terms),
        time="",
        evaluations="",
        overhead="",
        verdict=one_line(diagnosis.verdict.text),
    )


def _arm(record: RemedyRecord, arm: Arm, terms: Sequence[str]) -> ArmRow:
    own = arm is record.baseline
    chosen = record.chosen is not None and arm is record.arms[record.chosen]
    mean = arm.mean if arm.mean is not None else statistics.fmean(run.figure(record.measure) for run in arm.runs)
    return ArmRow(
        key=arm.key,
        title=one_line(arm.title),
        sign="" if own else SIGNS[arm.outcome],
        severity="" if own else SEVERITIES[arm.outcome],
        outcome="" if own else _outcome(arm),
        figure=number(mean) if arm.error is None else estimate(mean, arm.error),
        losses=tuple(number(_mean([run.losses.get(term, math.nan) for run in arm.runs])) for term in terms),
        time=seconds(_mean([run.seconds for run in arm.runs])),
        evaluations=count(round(_mean([float(run.evaluations) for run in arm.runs]))),
        overhead="" if own else _overhead(arm, record.baseline),
        chosen=chosen,
        verdict=_left_with(arm),
    )


def _left_with(arm: Arm) -> str:
    if arm.diagnosis is None:
        return ""
    shorter = "descent_probe" in arm.diagnosis.reasons  # only the treated network gets the long experiments
    text = one_line(arm.diagnosis.verdict.text)
    return f"{text.removesuffix('.')} (by a shorter analysis)." if shorter else text


def _overhead(arm: Arm, baseline: Arm | None) -> str:
    """Time of a step against training on."""
    if baseline is None:
        return number(None)
    mine, theirs = (_mean([run.seconds / max(run.steps, 1) for run in a.runs]) for a in (arm, baseline))
    if not theirs > 0:
        return number(None)
    share = mine / theirs - 1
    return f"{'+' if share >= 0 else '-'}{percent(round(abs(share), 3))}"


def _mean(values: list[float]) -> float:
    return statistics.fmean(values) if values else math.nan


def _runs(record: RemedyRecord, terms: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for arm in all_arms(record):
        for run in arm.runs:
            held = (
                f"{number(run.losses.get(t))}" + (f" ({number(run.held_out[t])})" if t in run.held_out else "")
                for t in terms
            )
            rows.append(
                (
                    one_line(arm.title),
                    str(run.seed),
                    number(run.figure(record.measure)),
                    number(run.left(record.chosen_by)),
                    *held,
                    seconds(run.seconds),
                    count(run.evaluations),
                )
            )
    return rows


def _trials(record: RemedyRecord, terms: Sequence[str]) -> list[tuple[str, ...]]:
    chosen = record.arms[record.chosen].key if record.chosen is not None else None
    rows = []
    for trial in sorted(record.trials, key=lambda trial: trial.left(record.chosen_by)):
        then = "trained to the end" if trial.kept else "left behind"
        if trial.key == chosen:
            then += ", chosen"
        losses = (number(trial.losses.get(term)) for term in terms)
        cost = (count(trial.steps), count(trial.evaluations), seconds(trial.seconds))
        rows.append(
            (one_line(trial.key), one_line(trial.why), number(trial.left(record.chosen_by)), *losses, *cost, then)
        )
    return rows
