"""What shows that a network is not the solution although little work is left. In words, for the gate."""

from __future__ import annotations

import math
from typing import NamedTuple

from pinndiag._records import DiagnosisRecord
from pinndiag.checks._constancy import Constancy, constancy
from pinndiag.checks._digits import lost_digits
from pinndiag.checks._measures import (
    between_points,
    counted,
    fall,
    first_layer_at_start,
    first_layer_now,
    held_out,
    noise_like,
)
from pinndiag.checks._shares import over_constant, unsolved, violated
from pinndiag.checks._thresholds import Thresholds
from pinndiag.checks._wording import number, quoted, worst_first

__all__ = ["Contradiction", "contradicted", "failing", "only_work"]

START = 1e-3  # remaining work of ordinary starts: 1e-3 to 50


class Contradiction(NamedTuple):
    """What contradicts little remaining work, and whether by the threefold of its bound."""

    words: str
    far: bool


def contradicted(record: DiagnosisRecord, thresholds: Thresholds) -> Contradiction | None:
    """What shows that the network is not the solution, whatever its remaining work; None if nothing does."""
    error = math.nan if record.solution is None else record.solution.rel_l2
    if math.isfinite(error) and thresholds.error.passed(error):
        words = f"its relative error against the known solution is {number(error)}"
        return Contradiction(words, thresholds.error.far(error))
    guessed = _estimated(record, thresholds)
    if guessed is not None and thresholds.error.passed(guessed):
        words = f"its relative error, estimated from the residuals, is {number(guessed)}"
        return Contradiction(words, thresholds.error.far(guessed))
    ratio = over_constant(record, thresholds)
    if ratio is not None and thresholds.over_constant.passed(ratio):
        words = f"its loss is only {number(ratio)} times smaller than that of the best constant"
        return Contradiction(words, thresholds.over_constant.far(ratio))
    fallen = fall(record)
    if record.constant is None and fallen is not None and thresholds.loss_fall.passed(fallen) and _had_work(record):
        words = f"its loss has fallen by {number(fallen)} decades only since the start"
        return Contradiction(words, thresholds.loss_fall.far(fallen))
    return None


def _estimated(record: DiagnosisRecord, thresholds: Thresholds) -> float | None:
    """The estimated error where no solution is known, and it can be relied on.

    Not where it still moves with the number of points looked at, for too few overstate it; nor beside noise in the
    data, which the estimate would fit as well.
    """
    found = record.estimated_error
    if record.solution is not None or found is None or not math.isfinite(found.value):
        return None
    unsettled = found.moved is None or thresholds.moved.passed(found.moved)
    return None if unsettled or noise_like(record, thresholds) else found.value


def _had_work(record: DiagnosisRecord) -> bool:
    """Whether there was anything to learn at the start: not where a trained network is trained on. True if unknown."""
    begun = {} if record.start is None else record.start.work
    known = [begun[n].value for n in counted(record) if n in begun]
    return not known or max(known) > START


def only_work(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether nothing but the work says that a network is not finished."""
    return not (contradicted(record, thresholds) or unsolved(record, thresholds) or violated(record, thresholds))


def failing(record: DiagnosisRecord, thresholds: Thresholds) -> str:
    """The first part of the conjunction that a network with little work fails, in words; "" when all hold."""
    ratios = held_out(record)
    between = between_points(record)
    high = {n: value for n, value in ratios.items() if thresholds.held_out.passed(value)}
    high = {n: value for n, value in high.items() if not thresholds.held_out_work.passed(between.get(n, math.inf))}
    if high:
        worst = worst_first(high)[0]
        return f"unfinished: between its points {quoted(worst)} is {number(high[worst])} times larger than on them"
    shape = constancy(record, thresholds)
    if shape.constant:
        return f"unfinished: the output is constant ({_known_by(shape, record)})"
    if _scaled_badly(record, thresholds):
        return "unfinished: the first layer is as it started, far from the inputs' scale, so little work means nothing"
    # of a converged network the gradient is rounding before long: a residual has to be lost
    lost = lost_digits(record, thresholds, work_left=False).rounding
    return "unfinished: a residual is lost in rounding" if lost else ""


def _known_by(shape: Constancy, record: DiagnosisRecord) -> str:
    if shape.by == "ratio" and record.constant is not None:
        ratio = number(record.constant.ratio)
        return f"the best constant has {'the same' if ratio == '1' else f'{ratio} times its'} loss"
    return shape.words


def _scaled_badly(record: DiagnosisRecord, thresholds: Thresholds) -> bool:
    """Whether the first layer was far from the inputs' scale at the start and still is.

    Coordinates of a thousand make every derivative with respect to the weights large, and so the work small.
    """
    start, now = first_layer_at_start(record), first_layer_now(record, every=False)
    if start is None or now is None:
        return False
    share, spread = thresholds.first_saturation, thresholds.first_spread
    saturated = share.far(start.saturation) and share.far(now.saturation)
    return saturated or (spread.far(start.spread) and spread.far(now.spread))
