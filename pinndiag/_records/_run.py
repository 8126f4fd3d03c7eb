"""Records of a training run: its header, and one line for each thing measured (design 5, run folder)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from pinndiag._records._curvature import Stability, TermCurvature
from pinndiag._records._experiments import Work
from pinndiag._records._optimizer import OptimizerCard
from pinndiag._records._record import Record

__all__ = [
    "RUN_SCHEMA",
    "CurvatureLine",
    "Environment",
    "EventLine",
    "HistogramLine",
    "Line",
    "RunHeader",
    "RunTerm",
    "Schedules",
    "StepLine",
    "TermFigures",
    "TotalFigures",
]

RUN_SCHEMA = "pinndiag.run/1"

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # what a column can hold; a file may come from a stranger


class RunTerm(Record):
    """A term as it was first handed over.

    Attributes:
        kind: "residual" or "loss".
        shape: shape of what was handed over; the number of points may change later.
        since: the step at which it first came.
        reached: share of the trainable parameters that its graph reached then.
    """

    kind: str
    shape: list[int]
    since: int = 0
    reached: float = 1.0


class Schedules(Record):
    """When what is measured, in words: "every 100 steps", "never", "a function of the step"."""

    every: str
    histograms: str
    curvature: str


class Environment(Record):
    """Where the run was made."""

    pinndiag: str
    torch: str
    python: str
    device: str
    dtype: str
    processes: int = 1


class RunHeader(Record):
    """`run.json`.

    Attributes:
        schema: version of the format.
        name: how reports call the run.
        created: when the run began (ISO 8601, UTC).
        terms: the terms, by name, in the order in which they came.
        parameters: trainable tensor -> number of its real entries.
        layers: layer -> names of its parameters.
        weights: the user's fixed weights.
        schedules: when what is measured.
        pending: most records that a killed process loses (on a GPU they are brought over in batches).
        scheme: key of the balancing scheme, or "".
        settings: its hyper-parameters.
        optimizers: the optimizers.
        environment: versions and device.
        reference: whether a known solution was given.
        size: l2 norm of the trainable parameters when the run began; None in runs of older versions.
        notes: what a report should say about the run.
    """

    schema: str
    name: str
    created: str
    terms: dict[str, RunTerm]
    parameters: dict[str, int]
    layers: dict[str, list[str]]
    weights: dict[str, float]
    schedules: Schedules
    pending: int
    environment: Environment
    scheme: str = ""
    settings: dict[str, Any] = {}
    optimizers: list[OptimizerCard] = []
    reference: bool = False
    size: float | None = None
    notes: list[str] = []


class TermFigures(Record, omit_defaults=True):
    """A term at one step: its unweighted loss, its weight, and the figures of its unweighted gradient.

    Attributes:
        weight: with per-point weights, their mean times the term's.
        weight_min: the smallest, where a scheme weights the points of the term.
        weight_max: the largest.
    """

    loss: float
    weight: float
    weight_min: float | None = None
    weight_max: float | None = None
    grad_l2: float | None = None
    grad_l1: float | None = None
    grad_max: float | None = None
    grad_mean: float | None = None
    grad_std: float | None = None
    grad_kurtosis: float | None = None
    nonfinite: Count = 0


class TotalFigures(Record, omit_defaults=True):
    """The weighted sum at one step, and the figures of its gradient: what the optimizer sees."""

    loss: float
    grad_l2: float | None = None
    grad_l1: float | None = None
    grad_max: float | None = None
    grad_mean: float | None = None
    grad_std: float | None = None
    grad_kurtosis: float | None = None
    nonfinite: Count = 0


class StepLine(Record, omit_defaults=True, tag_field="kind", tag="step"):
    """One optimizer step.

    Attributes:
        step: the optimizer's step, counted from 0.
        time: seconds since the run began.
        lr: learning rate of the (first) optimizer that took the step.
        terms: the terms evaluated, with accumulation the mean over the micro-batches.
        total: the weighted sum.
        cosine: "a|b" -> cosine of the unweighted gradients.
        applied: norm of what the optimizer sees of each term, |w_i g_i|; with per-point weights theirs.
        alignment: as in `Gradients`.
        share: share of the wall time since the last record that was spent in watching.
        batches: micro-batches of the step.
        rel_l2: relative L2 error against the known solution.
        skipped: the optimizer did not take the step: GradScaler met infinities, or the loop threw the gradient away.
    """

    step: Count
    time: float
    lr: float | None
    terms: dict[str, TermFigures]
    total: TotalFigures
    cosine: dict[str, float] = {}
    applied: dict[str, float] = {}
    alignment: float | None = None
    share: float | None = None
    batches: Count = 1
    rel_l2: float | None = None
    skipped: bool = False


class CurvatureLine(Record, omit_defaults=True, tag_field="kind", tag="curvature"):
    """The Hessians at one step, by Lanczos on the graph of that step.

    Attributes:
        step: as in `StepLine`.
        time: as in `StepLine`.
        terms: both ends of the spectrum of each unweighted term.
        total: the same of the weighted total.
        stability: limit of the learning rate of the optimizer in use.
        shares: each term's part of the curvature along the total's sharpest direction.
        work: remaining work of each term.
        products: Hessian-vector products in all.
        seconds: what it cost.
        reasons: why a part is absent.
        file: path of the Lanczos coefficients, relative to the run folder; "" where there are none.
    """

    step: Count
    time: float
    terms: dict[str, TermCurvature]
    total: TermCurvature
    stability: Stability | None = None
    shares: dict[str, float] = {}
    work: dict[str, Work] = {}
    products: Count = 0
    seconds: float = 0.0
    reasons: dict[str, str] = {}
    file: str = ""


class HistogramLine(Record, omit_defaults=True, tag_field="kind", tag="histograms"):
    """Histograms and figures per layer at one step; the numbers lie in a file of their own.

    Attributes:
        step: as in `StepLine`.
        time: as in `StepLine`.
        terms: names of the terms, in the order of the tables' rows.
        layers: layer -> entries of its parameters, at that step.
        file: path of the arrays, relative to the run folder.
        losses: unweighted losses.
        weights: weights in use.
    """

    step: Count
    time: float
    terms: list[str]
    layers: dict[str, Count]
    file: str
    losses: dict[str, float]
    weights: dict[str, float]


class EventLine(Record, omit_defaults=True, tag_field="kind", tag="event"):
    """Something that happened once.

    Attributes:
        step: as in `StepLine`.
        event: "analyzer_failed", "term", "resumed", "closed", "runaway", ...
        text: what, in words.
        time: as in `StepLine`.
    """

    step: Count
    event: str
    text: str
    time: float = 0.0


Line = StepLine | CurvatureLine | HistogramLine | EventLine
