"""Thresholds as data: where a figure becomes a warning, where a problem, and who says so."""

from __future__ import annotations

import msgspec

from pinndiag._records import SETTLED, Record

__all__ = ["DEFAULT", "Threshold", "Thresholds"]

FACTOR = 3.0  # a problem needs its threshold passed by this factor


class Threshold(Record):
    """A bound on a figure.

    Attributes:
        value: the figure is unusual beyond this.
        grave: the figure is a problem from here on, if the work is unfinished.
        source: where the bound comes from.
        falling: small figures are the unusual ones.
        of_one: the figure is a share of one, of which large values are the unusual ones.
    """

    value: float
    grave: float
    source: str
    falling: bool = False
    of_one: bool = False

    @staticmethod
    def above(value: float, source: str) -> Threshold:
        """Unusual above `value`, a problem from three times `value` on."""
        return Threshold(value=value, grave=FACTOR * value, source=source)

    @staticmethod
    def below(value: float, source: str) -> Threshold:
        """Unusual below `value` (positive), a problem from a third of `value` on."""
        return Threshold(value=value, grave=value / FACTOR, source=source, falling=True)

    @staticmethod
    def share(value: float, source: str) -> Threshold:
        """A share: unusual above `value`, a problem when a third of the distance to 1 is left."""
        return Threshold(value=value, grave=1 - (1 - value) / FACTOR, source=source, of_one=True)

    def at(self, value: float) -> Threshold:
        """The same bound at another place: `grave` keeps its factor, of a share its part of the distance to one.

        >>> Threshold.above(30.0, "measured").at(50.0).grave, round(Threshold.share(0.6, "measured").at(0.7).grave, 3)
        (150.0, 0.9)
        """
        if self.of_one:
            grave = 1 - (1 - value) * (1 - self.grave) / (1 - self.value)
        else:
            grave = value * self.grave / self.value
        return msgspec.structs.replace(self, value=value, grave=grave)

    def passed(self, figure: float) -> bool:
        """Whether the figure lies beyond `value`; NaN never does."""
        return figure < self.value if self.falling else figure > self.value

    def far(self, figure: float) -> bool:
        """Whether the figure lies at `grave` or beyond; NaN never does."""
        return figure <= self.grave if self.falling else figure >= self.grave

    @property
    def rule(self) -> str:
        """The rule in words."""
        side, end = ("below", "down") if self.falling else ("above", "up")
        return f"{side} {self.value:.3g}; a problem from {self.grave:.3g} {end}"


def _measured(text: str) -> str:
    return f"measured on 12 healthy and 48 sick runs: {text}"


class Thresholds(Record):
    """Every bound the checks use. Other values are given by name: `thresholds={"work_ratio": 50}`, `[tool.pinndiag]`.

    The measured ones come from small 1-D and 2-D problems; single thresholds travel badly, which is why no check fires
    on one figure alone.
    """

    work: Threshold = Threshold.above(
        2e-5,
        "measured: 29 of 30 healthy runs (12, and 18 of a second collection) ended below; of 48 sick runs, 4 in 5 of "
        "those with something left to learn above 1e-4",
    )
    relative: Threshold = Threshold.above(
        0.05, "own estimate: loss / that of a zero output; the square of a relative error of 22 %"
    )
    error: Threshold = Threshold.above(
        0.05, "convention: the relative L2 error below which benchmarks/calibration counts a network as healthy"
    )
    moved: Threshold = Threshold.above(
        SETTLED, "own estimate: an estimated error that moves by more with twice the points is not relied on"
    )
    over_constant: Threshold = Threshold.below(
        100.0,
        "measured: loss of the best constant / present loss; 32 healthy networks end at 2e3 to 1e8; one of the setting "
        "half of benchmarks/calibration, with an error of 16 % and little work, at 22",
    )
    work_scalar: Threshold = Threshold.above(
        0.2, "own estimate: of a scalar loss only an upper figure is known, up to 1e4 too large"
    )
    held_out: Threshold = Threshold.above(30.0, _measured("healthy 0.8 to 7, overfitted 480 to 9e5"))
    held_out_work: Threshold = Threshold.below(
        2e-7, "own estimate: a hundredth of finished work, so small that the points between hardly matter"
    )
    held_out_start: Threshold = Threshold.above(3.0, _measured("healthy 0.98 to 1.2 at the start, aliased 9e11"))
    agreement: Threshold = Threshold.below(
        0.3, "own estimate: of noise 0, give or take 0.24 for 30 points; smooth residuals have 0.8 and more"
    )
    alias_points: Threshold = Threshold.below(30.0, _measured("two points a batch give a ratio of 3 by chance"))
    output_spread: Threshold = Threshold.below(0.05, _measured("share of the solution's spread where collapsed"))
    constant_ratio: Threshold = Threshold(
        value=1.3, grave=1.3, source=_measured("0.8 to 1.3 where collapsed to a constant"), falling=True
    )
    beaten: Threshold = Threshold.above(
        10.0, "own estimate: a term that the network solves so much better than the best constant shows it is none"
    )
    hidden_spread: Threshold = Threshold.below(1e-3, "own estimate: healthy networks have 0.04 to 0.4")
    precision: Threshold = Threshold.above(1e-3, _measured("healthy below 1e-5, sick 0.01 to 1.9"))
    rounding: Threshold = Threshold.above(0.02, _measured("healthy below 1e-3, sick 0.02 to 0.6"))
    distinct: Threshold = Threshold.below(0.9, _measured("healthy 1, sick 0.39; shared corners cost a few per cent"))
    derivative: Threshold = Threshold.above(0.05, _measured("healthy up to 8e-3, wrong gradients 0.2 to 1"))
    reached: Threshold = Threshold.below(0.5, "convention: most of the network should be trained")
    duplicate: Threshold = Threshold.below(1e-6, "convention: 1 - cosine of two gradients that are one")
    first_saturation: Threshold = Threshold(
        value=0.4,
        grave=0.8,
        source=_measured("first layer at the start: healthy 0, badly scaled inputs 0.8 to 0.95"),
        of_one=True,
    )
    first_spread: Threshold = Threshold.below(1e-2, _measured("at the start: healthy 0.04 to 0.4, sick 1e-7 to 6e-6"))
    saturation: Threshold = Threshold(
        value=0.8, grave=0.93, source=_measured("trained healthy networks reach 0.47 in a layer"), of_one=True
    )
    layer_fall: Threshold = Threshold.below(1e-3, _measured("spread of the last layer against the first: fell to 1e-7"))
    start_ratio: Threshold = Threshold.above(1e6, _measured("healthy starts reach 570"))
    start_work: Threshold = Threshold.above(1e6, _measured("healthy starts 1e-3 to 50, oscillating ones to 1e4"))
    loss_fall: Threshold = Threshold.below(1.0, _measured("decades lost where only the scale was wrong"))
    work_ratio: Threshold = Threshold.above(30.0, _measured("1e3 and 80 where one term dominated, 1 where not"))
    pull_ratio: Threshold = Threshold.above(10.0, _measured("ratio of gradients over most of a run; Wang et al. 2021"))
    vanishing: Threshold = Threshold.above(1e3, _measured("healthy unfinished runs reach 570"))
    alignment: Threshold = Threshold(value=-0.3, grave=-0.9, source="Wang et al. 2025, and measured", falling=True)
    cancellation: Threshold = Threshold.below(0.3, _measured("in unfinished runs; healthy ends reach 0.016"))
    standstill: Threshold = Threshold.below(0.1, _measured("cancellation where the terms contradict each other"))
    common_way: Threshold = Threshold.above(10.0, _measured("descent probe where a way down for all terms exists"))
    conflict_way: Threshold = Threshold.above(
        3.0,
        "measured: descent probe where terms are opposed and not at rest: 5 and 10 in the setting half of "
        "benchmarks/calibration, below 1.2 where they contradict each other",
    )
    probe: Threshold = Threshold.above(30.0, _measured("descent probe where the optimizer is the bottleneck"))
    stuck: Threshold = Threshold.below(1.2, _measured("descent probe where the optimizer is not the bottleneck"))
    alone_falls: Threshold = Threshold.above(
        10.0,
        "measured: each term alone, where together they do not move: 50 and more in sick runs, 15 in one of the "
        "setting half of benchmarks/calibration",
    )
    alone_stuck: Threshold = Threshold.below(2.0, _measured("a term that does not fall even alone"))
    top_share: Threshold = Threshold.share(0.6, _measured("worst 5 % of points: healthy to 0.51, sick 0.58 to 1"))
    time_contrast: Threshold = Threshold.above(30.0, _measured("healthy up to 5, sick 330 to 2600"))
    slow_share: Threshold = Threshold.share(
        0.7,
        "measured at the start: healthy up to 0.64, sick 0.94 to 1, and 0.73 in the setting half of "
        "benchmarks/calibration; asked for together with a term that does not fall alone",
    )
    sharpness: Threshold = Threshold.above(1.2, _measured("healthy 0.56 to 1.02; Cohen et al. 2021, 2022"))
    start_sharpness: Threshold = Threshold(
        value=1.2, grave=1.5, source=_measured("plain descent that started at 1.5 diverged at once")
    )
    update: Threshold = Threshold(
        value=0.15,
        grave=0.6,
        source="measured on 30 runs of Adam, learning rates 1e-3 to 0.1 on 6 networks: steps of up to 0.07 of the "
        "parameters' size did no harm, 0.13 to 0.45 cost one half of the runs a factor of 10 and more, 0.7 lost all",
    )
    tiny_update: Threshold = Threshold.below(1e-4, _measured("first steps of healthy runs 3e-3 to 1.6e-2"))
    weight_growth: Threshold = Threshold.above(
        1e3, "measured: within 1000 steps the printed form of LR annealing grew without end, to 1e6 and more"
    )
    runaway_pull: Threshold = Threshold.above(
        10.0, "measured: 16 to 53 at the fixed point of the printed form, about 1 where a scheme balances"
    )
    edge: Threshold = Threshold.above(0.5, _measured("runs at the edge of stability have 0.56 to 1.02"))
    rise: Threshold = Threshold.above(3.0, "own estimate: the total loss against its start")
    leap: Threshold = Threshold.above(
        10.0, "own estimate: spikes of healthy runs reach 200 times the median, but not the loss they began with"
    )
    trial: Threshold = Threshold.above(3.0, "own estimate: short runs on a copy that differ by less are alike")
    stop_probe: Threshold = Threshold(
        value=10.0,
        grave=100.0,
        source=_measured(
            "float64 probe where L-BFGS had stopped by its tolerances: 100 and more; 15 and 22 in two others"
        ),
    )
    on_faces: Threshold = Threshold.share(0.9, "convention: the points of a condition lie on the faces of the box")
    inside: Threshold = Threshold.below(0.1, "convention: points drawn inside a box hit none of its faces")
    full_rank: Threshold = Threshold.below(
        0.5, "measured on 8 networks that were too small: 0.55 to 0.8; large ones have fewer than 0.2"
    )
    bend: Threshold = Threshold.below(1e-6, "own estimate: rounding in float32 is 1e-13, a bent output 1e-3 and more")
    noise: Threshold = Threshold.below(2.0, _measured("1.4 where batches were too small, and in a finished network"))
    scatter: Threshold = Threshold(
        value=0.1,
        grave=0.15,
        source="measured on 20 runs: full batches 0 to 0.03, half of the points a step 0.055, batches of 2 to 14 "
        "points 0.19 to 0.47",
    )
    rate_left: Threshold = Threshold.below(1e-3, "own estimate: a rate that has decayed so far moves nothing")
    late_fall: Threshold = Threshold.above(0.04, _measured("decades lost in the last quarter where training went on"))
    standing: Threshold = Threshold.above(0.1, "own estimate: share of a run without any change to six digits")
    stop_loss: Threshold = Threshold.below(1e-3, "own estimate: torch's L-BFGS stops at absolute 1e-7 and 1e-9")

    def changed(self) -> dict[str, Threshold]:
        """The bounds that are not the default ones, by name."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: bound for name, bound in found.items() if bound != getattr(DEFAULT, name)}


DEFAULT = Thresholds()
