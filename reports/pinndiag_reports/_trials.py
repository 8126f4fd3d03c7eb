"""What the experiments of a thorough analysis came to, in a sentence each."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Trials, WeightTrials
from pinndiag.checks import DEFAULT, gate
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import number, times

__all__ = ["claims", "start_claim", "weights_claim"]


def claims(record: DiagnosisRecord) -> tuple[str, ...]:
    """The sentences of a record; none where no such experiment was made."""
    trials = record.trials
    if trials is None:
        return ()
    found = [] if trials.weights is None else [weights_claim(record, trials.weights)]
    found += [] if trials.restart is None and trials.rescaled is None else [start_claim(trials)]
    return tuple(found)


def weights_claim(record: DiagnosisRecord, found: WeightTrials) -> str:
    """What other weights would do."""
    fronts = found.fronts(fall=DEFAULT.trial.value, stuck=DEFAULT.stuck.value)
    if fronts:
        first, second = (shorten(name, 28) for name in fronts[0])
        return f"Other weights trade {first} against {second}: no weight lowers both"
    left = gate(record, DEFAULT).open
    better = found.better(left, rise=DEFAULT.trial.value)
    if better is not None and DEFAULT.trial.passed(better[1]):
        run, gain = better
        name = f"the weight of {shorten(run.term, 28)} times {number(run.factor)}"
        if len(left) == 1:
            return f"With {name}, {shorten(left[0], 28)} (the unfinished term) ends {times(gain)} times lower"
        return f"With {name}, every unfinished term ends at least {times(gain)} times lower"
    return "No other weight serves every unfinished term clearly better"


def start_claim(trials: Trials) -> str:
    """What another start and scaled inputs would do."""
    restart, rescaling = trials.restart, trials.rescaling
    words = []
    if restart is not None:
        words.append(f"another draw is {_ahead(restart.factor)} the stored start")
    if rescaling is not None:
        words.append(f"scaling the inputs and the output is {_ahead(rescaling)} leaving them")
    sentence = "; ".join(words)
    return f"Begun again: {sentence}" if sentence else "The training begun again with inputs and output scaled"


def _ahead(factor: float) -> str:
    """How a run compares with another whose total is `factor` times its own."""
    bound = DEFAULT.trial.value
    if factor > bound:
        return f"{times(factor)} times ahead of"
    if 0 < factor < 1 / bound:
        return f"{times(1 / factor)} times behind"
    return "much like" if factor > 0 else "not comparable to"
