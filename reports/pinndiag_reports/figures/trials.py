"""The active tests of a thorough analysis: other weights, another start, rescaled inputs."""

from __future__ import annotations

from pinndiag._records import WeightTrial
from pinndiag_reports._numbers import count, number
from pinndiag_reports._parts import Absent, Part, Table
from pinndiag_reports._trials import start_claim, weights_claim
from pinndiag_reports.figures._scene import Scene

__all__ = ["another_start", "other_weights"]

_NOT_RUN = "only a thorough analysis runs it: pinndiag analyze FILE --thorough"


def other_weights(scene: Scene) -> Part:
    """Loss of every term after short runs with other weights."""
    trials = scene.record.trials
    found = trials.weights if trials is not None else None
    if found is None:
        return Absent("Other weights on a copy", scene.why("weight_trials", default=_NOT_RUN))
    rows = [("now", *(number(found.before.get(name)) for name in scene.names))]
    rows += [
        (_words(run), *(number(run.losses.get(name)) for name in scene.names))
        for run in (found.unchanged, *found.trials)
    ]
    note = f"Unweighted losses after {count(found.unchanged.iterations)} iterations of L-BFGS in float64 on a copy, "
    note += "from the present parameters. Terms that contradict each other trade along a front: what lowers one "
    note += "raises another. Where a weight is at fault, another one ends lower in every unfinished term."
    if len(found.weighted) == 2:
        note += " Of two terms only one weight is changed: times 100 it is the other one's times 0.01."
    if found.subset:
        note += " " + _subset(found.subset)
    return Table(("weights", *scene.names), tuple(rows), title=weights_claim(scene.record, found), note=note)


def _words(run: WeightTrial) -> str:
    return f"weight of {run.term} x {number(run.factor)}" if run.term else "as they are"


def another_start(scene: Scene) -> Part:
    """Short runs from the stored start, from another draw, and from that draw with inputs and output scaled."""
    trials = scene.record.trials
    restart = trials.restart if trials is not None else None
    rescaled = trials.rescaled if trials is not None else None
    if trials is None or (restart is None and rescaled is None):
        return Absent("The training begun again", scene.why("restart", "rescaled", default=_NOT_RUN))
    runs = [] if restart is None else [("stored start", restart.stored), ("another draw", restart.redrawn)]
    runs += [] if rescaled is None else [("that draw, inputs and output scaled", rescaled.run)]
    rows = tuple(
        (
            name,
            number(run.total_before),
            number(run.total_after),
            *(number(run.after.get(term)) for term in scene.names),
            number(run.rel_l2),
        )
        for name, run in runs
    )
    steps, lr = next((r.steps, r.lr) for r in (restart, rescaled) if r is not None)
    note = (
        f"{count(steps)} steps of Adam with learning rate {number(lr)} on copies. Losses of the terms are unweighted."
    )
    note += " Another draw: matrices by Glorot's rule, with one seed."
    if rescaled is not None:
        ranges = "; ".join(
            f"{weight} meets {', '.join(f'{number(low)} to {number(high)}' for low, high in box[:6])}"
            for weight, box in list(rescaled.ranges.items())[:3]
        )
        scale = ", ".join(number(value) for value in rescaled.scale[:6])
        note += f" Scaled: inputs to [-1, 1] ({ranges}), output times {scale} ({rescaled.scale_from})."
    subset = next((r.subset for r in (restart, rescaled) if r is not None and r.subset), None)
    if subset:
        note += " " + _subset(subset)
    head = ("start", "total, before", "total, after", *(f"{name}, after" for name in scene.names), "relative L2 error")
    return Table(head, rows, title=start_claim(trials), note=note)


def _subset(subset: dict[str, int]) -> str:
    return "Descended on " + ", ".join(f"{count(points)} points of {name}" for name, points in subset.items()) + "."
