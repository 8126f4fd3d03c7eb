"""Distributions of the weighted gradients at the first, the worst and the last recorded step."""

from __future__ import annotations

from pinndiag._records import History, Snapshot
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, times
from pinndiag_reports._parts import Absent, Figure, Panel, Part, Table
from pinndiag_reports.figures._scene import Scene
from pinndiag_reports.figures.distributions import drawable, histogram_plot

__all__ = ["snapshots"]

LAYERS = 4  # of the worst step, drawn apart


def snapshots(scene: Scene, history: History) -> Part:
    """A panel for each of the steps, the whole network; then some layers at the worst one."""
    panels = [panel for shot in history.snapshots if (panel := _panel(scene, shot, 0)) is not None]
    if not panels:
        why = f"schedule of histograms: {history.schedules.histograms}"
        return Absent("Gradients at chosen steps", why if not history.snapshots else "nothing to draw: all zero or NaN")
    worst = next((shot for shot in history.snapshots if shot.which == "worst"), history.snapshots[-1])
    chosen = _layers(worst)
    panels += [panel for index in chosen if (panel := _panel(scene, worst, index)) is not None]
    note = "w g of each term, what the optimizer sees: share of the parameters in each of 100 bins, logarithmic. "
    note += "A spike at zero beside a wide distribution is a term that hardly moves the parameters. "
    if chosen:
        note += f"Then layers at step {count(worst.step)}. "
    return Figure(
        "fig-snapshots",
        _claim(history),
        tuple(panels),
        note=note + scene.limited,
        keys=scene.keys_of(scene.over_time),
        tables=(_table(history),),
        size="small",
    )


def _layers(shot: Snapshot) -> list[int]:
    """The first, the last and some layers between; index 0 is the whole network."""
    count_ = len(shot.layers) - 1
    if count_ < 2:
        return []
    return sorted({1 + k * (count_ - 1) // (min(LAYERS, count_) - 1) for k in range(min(LAYERS, count_))})


def _panel(scene: Scene, shot: Snapshot, index: int) -> Panel | None:
    if index >= len(shot.layers):
        return None
    layer = shot.layers[index]
    good = {name: item for name, item in layer.weighted.items() if name in scene.over_time and drawable(item)}
    if not good:
        return None
    where = f"layer {shorten(layer.layer, 28)}" if layer.layer else f"{shot.which}, step {count(shot.step)}"
    ratio = "" if layer.layer or len(good) < 2 else f": norms {times(shot.ratio)}-fold apart"
    plot = histogram_plot(scene, good, "weight x gradient entry", small=True)
    svg = plot.svg(f"snapshot-{shot.which}-{shot.step}-{index}")
    return Panel(svg, f"Histogram of w g, {where}, terms {', '.join(shorten(n, 30) for n in good)}", f"{where}{ratio}")


def _claim(history: History) -> str:
    shots = history.snapshots
    worst = max(shots, key=lambda shot: shot.ratio if shot.ratio == shot.ratio else -1.0)
    if len(history.losses) < 2 or worst.ratio != worst.ratio:
        return "Distribution of the gradient at chosen steps"
    if len(shots) == 1:
        return f"The terms' weighted gradients were {times(worst.ratio)}-fold apart at step {count(worst.step)}"
    return (
        f"The terms' weighted gradients were {times(worst.ratio)}-fold apart at worst (step {count(worst.step)}), "
        f"{times(shots[-1].ratio)}-fold at step {count(shots[-1].step)}"
    )


def _table(history: History) -> Table:
    rows = []
    for shot in history.snapshots:
        for layer in shot.layers[:1]:
            for name, item in layer.weighted.items():
                rows.append(
                    (
                        f"{shot.which}, step {count(shot.step)}",
                        shorten(name, 60),
                        number(item.low),
                        number(item.high),
                        count(item.zeros),
                        count(item.nonfinite),
                    )
                )
    head = ("when", "term", "left end", "right end", "zeros", "not finite")
    return Table(head, tuple(rows), folded="Numbers: ranges of the histograms")
