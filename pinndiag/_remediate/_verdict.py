"""Better, worse or alike: an arm against training on, beyond the spread over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

from pinndiag._records import Arm, ArmRun, ChosenBy, DiagnosisRecord, Outcome, Trial
from pinndiag.checks._wording import number

__all__ = ["judged", "measure_of", "reason", "verdict"]

ALIKE = 1.1  # one seed: figures that differ by less are called alike
UNSOLVED = 0.3  # relative L2 error above which a better network is still no solution
ERRORS = 2.0  # several seeds: standard errors of the mean ratio that it must differ from 1


def measure_of(runs: Sequence[ArmRun]) -> str:
    """The figure of comparison: the error where a solution is known, else the losses."""
    return "rel_l2" if all(run.rel_l2 is not None for run in runs) else "losses"


def judged(arm: Arm, baseline: Arm, measure: str) -> Arm:
    """The arm with its outcome against the baseline, seed by seed."""
    mine = {run.seed: run.figure(measure) for run in arm.runs}
    theirs = {run.seed: run.figure(measure) for run in baseline.runs}
    pairs = [(theirs.get(seed, theirs[min(theirs)]), value) for seed, value in mine.items()]
    values = list(mine.values())
    spread = (
        statistics.stdev(values) / math.sqrt(len(values))
        if len(values) > 1 and all(map(math.isfinite, values))
        else None
    )
    logs = [_log(before, after) for before, after in pairs]
    factor = math.exp(statistics.fmean(logs)) if all(map(math.isfinite, logs)) else (math.inf if logs[0] > 0 else 0.0)
    outcome = _outcome(logs, any(math.isinf(value) for value in values))
    return msgspec.structs.replace(
        arm,
        outcome=outcome,
        words=_words(outcome, factor, len(pairs)),
        factor=factor,
        mean=statistics.fmean(values),
        error=spread,
    )


def _sentence(arm: Arm, baseline: Arm, measure: str) -> str:
    """What the treatment did, in a sentence."""
    what = "relative L2 error" if measure == "rel_l2" else "geometric mean of the losses"
    before, after = (statistics.fmean(run.figure(measure) for run in a.runs) for a in (baseline, arm))
    if arm.outcome == "diverged":
        return f"{arm.title}: {arm.words}; trained on as it is, the {what} came to {number(before)}."
    unsolved = measure == "rel_l2" and after > UNSOLVED
    rest = " It is still unsolved: a network that says 0 everywhere has an error of 1." if unsolved else ""
    return (
        f"{arm.title}: {what} {number(after)} instead of {number(before)} when trained on as it is; {arm.words}.{rest}"
    )


def verdict(
    record: DiagnosisRecord,
    baseline: Arm | None,
    arms: Sequence[Arm],
    chosen: int | None,
    measure: str,
    by: ChosenBy,
    *,
    auto: bool,
    interrupted: bool,
) -> tuple[str, Outcome]:
    """What came of a remediation in a sentence, and whether that is better."""
    if chosen is not None and baseline is not None:
        return _sentence(arms[chosen], baseline, measure), arms[chosen].outcome
    if interrupted:
        return "Interrupted before an arm was trained to its end.", "unknown"
    if not arms and auto:
        return f"Nothing was treated: {record.verdict.text[:1].lower()}{record.verdict.text[1:]}", "alike"
    less = "is estimated to err less" if by == "estimate" else "left less work"
    return f"No scheme {less} than training on as it is; none is recommended.", "alike"


def reason(
    arms: Sequence[Arm],
    chosen: int | None,
    trials: Sequence[Trial],
    by: ChosenBy,
    *,
    auto: bool,
    interrupted: bool,
) -> str:
    """Why that arm was chosen, or why nothing was treated."""
    if chosen is None:
        if interrupted:
            return "it was interrupted before an arm could be compared"
        return "" if arms else "the diagnosis names nothing that a scheme could cure"
    if not auto:
        least = "has the least estimated error" if by == "estimate" else "left the least work unfinished"
        return "it was asked for" if len(arms) == 1 else f"of the schemes asked for it {least}"
    left = f"{arms[chosen].left(by):.3g}"
    how = (
        f"its error is estimated to be the least ({left}), by the change of the output that makes the residuals vanish"
        if by == "estimate"
        else f"it left the least work unfinished ({left}), median of the last quarter of the steps"
    )
    return f"of {len(trials) or len(arms)} candidates {how}; the solution was not looked at"


def _outcome(logs: Sequence[float], diverged: bool) -> Outcome:
    if diverged:
        return "diverged"
    mean = statistics.fmean(logs)
    if len(logs) > 1:
        room = ERRORS * statistics.stdev(logs) / math.sqrt(len(logs))
        return "alike" if abs(mean) <= max(room, 1e-12) else "better" if mean > 0 else "worse"
    return "alike" if abs(mean) <= math.log(ALIKE) else "better" if mean > 0 else "worse"


def _words(outcome: Outcome, factor: float, seeds: int) -> str:
    how = "one seed, not evidence" if seeds == 1 else f"{seeds} seeds"
    match outcome:
        case "diverged":
            return f"it diverged ({how})"
        case "better":
            return f"{number(factor)} times better ({how})"
        case "worse":
            return f"{number(1 / factor)} times worse ({how})" if factor > 0 else f"worse ({how})"
        case _:
            return f"no difference beyond the spread ({how})" if seeds > 1 else f"no clear difference ({how})"


def _log(before: float, after: float) -> float:
    if before == after:
        return 0.0
    if before <= 0 or after <= 0 or math.isinf(before) or math.isinf(after):
        return math.inf if before > after else -math.inf
    return math.log(before / after)
