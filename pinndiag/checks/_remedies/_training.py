"""Remedies that change the optimizer, its settings, or the precision."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord, Prescription
from pinndiag.checks._remedies._measured import MEASURED

__all__ = [
    "averaged_parameters",
    "decayed_rate",
    "float64",
    "larger_batch",
    "larger_rate",
    "lbfgs",
    "look_closer",
    "scaled_lbfgs",
    "smaller_rate",
    "train_longer",
]


def float64(*, points_lost: bool = False) -> Prescription:
    """Double precision; `points_lost` where points fell together when they were rounded."""
    points = (
        """\
# the points given have been rounded already: make them anew, in float64 from the beginning, or subtract the offset of
# their coordinates while they are float64, and then cast
"""
        if points_lost
        else "x = x.detach().double().requires_grad_(True)  # and every other set of points and data\n"
    )
    return Prescription(
        title="Go on in float64, at least for the last phase.",
        why="float32 has no digits left for what the optimizer still has to see.",
        expect=f"{MEASURED}: 3.8e-4 to 5.5e-5 with L-BFGS in float64 (see also Xu et al. 2025).",
        code=f"torch.set_default_dtype(torch.float64)\nmodel = model.double()\n{points}",
    )


def larger_batch() -> Prescription:
    """More points at each step."""
    return Prescription(
        title="Draw more points for each step.",
        why="The noise of the gradient falls with the root of the number of points.",
        expect=f"{MEASURED}: 0.11 to 0.018.",
        code="""\
x = draw(16 * batch).requires_grad_(True)  # or keep one large set and take all of it at each step
""",
    )


def averaged_parameters() -> Prescription:
    """A running mean of the parameters."""
    return Prescription(
        title="Or use a running mean of the parameters.",
        why="The steps wander about a point that their mean is close to.",
        code="""\
average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999))

# in the loop, after optimizer.step():
#     average.update_parameters(model)
# afterwards average(x) takes the place of model(x)
""",
    )


def decayed_rate() -> Prescription:
    """A smaller learning rate towards the end."""
    return Prescription(
        title="And let the learning rate decay, together with the larger batch.",
        why="The distance at which the network wanders is proportional to the rate.",
        expect=f"{MEASURED}: decay alone froze the network at 0.39 (0.11 without).",
        code="""\
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
# in the loop, after optimizer.step():
#     schedule.step()
""",
    )


def lbfgs() -> Prescription:
    """L-BFGS after Adam."""
    return Prescription(
        title="Add an L-BFGS phase after the present optimizer, in float64 and with a scaled loss.",
        why="A hundred iterations of it on a copy found a way down that the present optimizer did not.",
        expect=f"{MEASURED}: 0.37 to 0.08, with balanced terms 2.8e-3; 0.056 to 4.7e-4 at a sharp layer.",
        code="""\
optimizer = torch.optim.LBFGS(
    model.parameters(), max_iter=500, history_size=50, line_search_fn="strong_wolfe",
    tolerance_grad=0, tolerance_change=0,
)
scale = 1e4 / float(total_loss())  # torch's L-BFGS stops at absolute sizes; total_loss() is your weighted sum

def closure():
    optimizer.zero_grad()
    loss = scale * total_loss()
    loss.backward()
    return loss

optimizer.step(closure)
""",
    )


def scaled_lbfgs() -> Prescription:
    """L-BFGS that does not stop by itself."""
    found = lbfgs()
    return Prescription(
        title="Scale the loss to about 1e4, set the tolerances to zero, and use float64.",
        why="torch's L-BFGS stops at absolute sizes (gradient 1e-7, change 1e-9), which a small loss reaches early.",
        expect=f"{MEASURED}: 6.4e-3 to 8.2e-4.",
        code=found.code,
    )


def smaller_rate(rate: float | None, *, anew: bool = False) -> Prescription:
    """A smaller learning rate, with a number where one is known; `anew` where the parameters are past saving."""
    new = 'group["lr"] / 10' if rate is None else f"{rate:.2g}"
    lower = "Lower the learning rate by 5 to 25" if rate is None else f"Lower the learning rate to about {new}"
    why = "The steps overshoot." if rate is None else "There the steps are stable, with room for the curvature to grow."
    begin = """\
model.load_state_dict(initial)  # the parameters before training, or the last that were sound
optimizer.state.clear()  # its moments belong to the spoiled ones
"""
    return Prescription(
        title=f"{lower}, and begin anew." if anew else f"{lower}.",
        why=f"{why} No small step leads back from where the large ones went." if anew else why,
        expect=f"{MEASURED}: 0.53 to between 3e-3 and 1e-2 with rates 5 to 25 times smaller, or with decay.",
        code=(begin if anew else "") + f'for group in optimizer.param_groups:\n    group["lr"] = {new}\n',
    )


def larger_rate(rate: float | None) -> Prescription:
    """A larger learning rate, with a number where there is known to be room for it."""
    new = '3 * group["lr"]' if rate is None else f"{rate:.2g}"
    return Prescription(
        title="Or try a three times larger learning rate." if rate is None else f"Raise the learning rate to {new}.",
        why="Small steps may be all that is wrong."
        if rate is None
        else "The steps are short, and the stability limit is far away: more of them would go nowhere soon.",
        code=f'for group in optimizer.param_groups:\n    group["lr"] = {new}\n',
    )


def train_longer(*, at_its_limit: bool = False) -> Prescription:
    """More steps, with a decay at the end; `at_its_limit` where the rate is known to have no room left."""
    return Prescription(
        title="Train on, three times as long to begin with, and let the rate decay at the end.",
        why="The optimizer still finds a way down, and its rate leaves little room: what is missing is steps."
        if at_its_limit
        else "The optimizer still finds a way down; no other cause was found.",
        expect="relative L2 error before and after three times the steps: 1.07 to 0.27 and 0.14 to 7e-3, in runs that "
        "also had an imbalance.",
        code="""\
steps = 3 * steps  # three times the number of steps so far
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
# in the loop, after optimizer.step():
#     schedule.step()
""",
    )


def look_closer(record: DiagnosisRecord) -> list[Prescription]:
    """Run the experiments that were left out, if any were."""
    if record.run.mode == "thorough":
        return []
    if record.run.mode == "run":
        return [
            Prescription(
                title="Judge the run together with the trained network, with experiments on a copy of it.",
                why="They tell apart causes that look alike in what a training records.",
                code="pinn = pinndiag.wrap(model, terms, points=points, optimizer=optimizer)\n"
                "print(watch.diagnose(pinn))\n",
            )
        ]
    target, depth = record.run.target or "FILE", "" if record.run.mode == "quick" else " --thorough"
    return [
        Prescription(
            title="Run the experiments that were left out, then judge again.",
            why="They tell apart causes that look alike in what was measured.",
            command=f"pinndiag analyze {target}{depth}",
        )
    ]
