"""Records of the network itself: activations, parameters, the solution it represents, the Pareto state."""

from __future__ import annotations

from typing import Literal

from pinndiag._records._points import Field
from pinndiag._records._record import Record

__all__ = [
    "SETTLED",
    "Activation",
    "Activations",
    "Constant",
    "EstimatedError",
    "LayerParameters",
    "Parameters",
    "Pareto",
    "Solution",
]

SETTLED = 1.2  # the factor by which an estimated error may move and still stands still


class Activation(Record):
    """One activation of the network, seen at a term's points.

    Attributes:
        layer: the layer whose output it squashes.
        function: "tanh", "sin", ...
        term: whose points it was seen at.
        units: number of units.
        saturated_units: share of the units with |tanh| > 0.99 on more than 90 % of the points; None where the function
            does not saturate.
        saturated_pairs: share of the (unit, point) pairs with |tanh| > 0.99.
        spread: standard deviation over the points, mean over units.
        dead_units: units whose output is the same at all points.
    """

    layer: str
    function: str
    term: str
    units: int
    saturated_units: float | None
    saturated_pairs: float | None
    spread: float
    dead_units: int


class Activations(Record):
    """What the activation analyzer returns: by term, and for each term in the network's order."""

    layers: list[Activation]


class LayerParameters(Record):
    """Weights of one layer.

    Attributes:
        name: layer.
        entries: number of real parameters, trainable or not (and of buffers, which a file does not tell apart).
        trainable: how many of them are trainable.
        nonfinite: entries that are NaN or infinite.
        zeros: share of entries that are exactly zero.
        norm: l2 norm.
        spectral_norm: largest singular value of the layer's matrix, if it has one; NaN if that is not finite.
        dead_rows: rows of the matrix that are all zero.
        moved: |theta - theta_initial| / |theta_initial|, if initial parameters are known and differ anywhere in the
            model; infinite where the initial ones are zero.
    """

    name: str
    entries: int
    trainable: int
    nonfinite: int
    zeros: float
    norm: float
    spectral_norm: float | None
    dead_rows: int
    moved: float | None = None


class Parameters(Record):
    """What the parameter analyzer returns; needs weights only.

    Attributes:
        layers: one entry a layer, in the network's order.
        entries, trainable, nonfinite: sums over the layers.
        frozen: names of tensors that are not trained.
    """

    layers: list[LayerParameters]
    entries: int
    trainable: int
    nonfinite: int
    frozen: list[str] = []


class Constant(Record):
    """The network against the simplest outputs: zero, and the best constant.

    Attributes:
        layers: the last layer of each network, which was set to zero.
        output: what the network gives then: "zero"; "constant" or "varies" (its output is transformed, so that zero and
            constant are said of what goes into the transformation); "unknown" (it cannot be evaluated by itself).
        zero: unweighted loss of each term with the last layers at zero.
        best: the same with the constant output whose weighted total is smallest.
        relative: present loss / `zero`; 1 where both are zero, infinite where only `zero` is.
        ratio: weighted total of `best` / at present; about 1: no better than a constant; below 1: worse.
        spread: standard deviation of the present output over points, root mean square over outputs.
        size: root mean square of the present output.
        response: unweighted loss that an output of the present spread, the same everywhere, adds to each term: what a
            residual of the output itself, such as a boundary condition, is measured by. Empty where it is not known.
        bend: share of the output's variance over the points that no affine function of the coordinates explains.
    """

    layers: list[str]
    output: Literal["zero", "constant", "varies", "unknown"]
    zero: dict[str, float]
    best: dict[str, float]
    relative: dict[str, float]
    ratio: float
    spread: float | None = None
    size: float | None = None
    bend: float | None = None
    response: dict[str, float] = {}


class Pareto(Record):
    """Stationarity in the sense of Pareto at the present parameters.

    Attributes:
        smallest_norm: smallest norm in the convex hull of the w_i g_i; terms of weight zero do not count.
        ratio: that norm / sum_i |w_i g_i|; below 0.05 the terms hold each other (design 4.3, "stalled").
        multipliers: the convex combination that reaches it.
        stalled: ratio < 0.05.
    """

    smallest_norm: float
    ratio: float
    multipliers: dict[str, float]
    stalled: bool


class Solution(Record):
    """The network against the reference solution.

    Attributes:
        rel_l2: |u - solution| / |solution| pooled over outputs; infinite, or NaN, where the solution is zero.
        outputs: the same for each output.
        max_error: largest absolute error.
        field: coordinates with "network_k", "solution_k" for each output k.
        spread: standard deviation of the network's output over the points / that of the solution, pooled over outputs.
        note: why a relative error is infinite or NaN, or "".
    """

    rel_l2: float
    outputs: list[float]
    max_error: float
    field: Field | None = None
    spread: float | None = None
    note: str = ""


class EstimatedError(Record):
    """An estimated error, where no solution is known.

    Attributes:
        value: relative L2 error; infinite where it is not a number.
        moved: the factor, at least 1, by which it moved when the points looked at were doubled last; 1 where all were
            looked at; None where no more could be had.
    """

    value: float
    moved: float | None

    @property
    def settled(self) -> bool:
        """Whether it stands still."""
        return self.moved is not None and self.moved < SETTLED
