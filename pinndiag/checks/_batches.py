"""Whether a training has seen other points than those given."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._measures import counted, held_out
from pinndiag.checks._thresholds import Thresholds

__all__ = ["drawn_anew"]

MANY = 10.0  # parameters a residual from which points that stay are learned by heart


def drawn_anew(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the training saw other points than those given.

    A network with many more parameters than residuals fits points that stay far better than others. With fewer,
    unfinished trainings at fixed points have not got so far (benchmarks/calibration).
    """
    terms = counted(record)
    if any(term.random for term in terms.values()):
        return True
    ratios = held_out(record)
    entries = sum(term.entries for term in terms.values())
    return (
        MANY * entries < record.run.parameters
        and bool(ratios)
        and not any(thresholds.held_out_start.passed(ratio) for ratio in ratios.values())
    )
