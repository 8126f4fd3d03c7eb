"""Before/after records of a network of a few dozen parameters, trained for a few steps."""

from __future__ import annotations

from functools import cache

import msgspec
import torch
from torch import nn

import pinndiag
from pinndiag import PINN
from pinndiag._records import Arm, RemedyRecord

HOSTILE = "</script><img src=x onerror=alert(2)>\x1b[31m\u202e"


def sick_pinn(dimensions: int = 2, second: str = "bc") -> PINN:
    """Two terms, one a hundred times the other; the start is stored, the checkpoint is ten steps on."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(dimensions, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    axis = torch.linspace(0, 1, 6, dtype=torch.float64)
    x = torch.cartesian_prod(*[axis] * dimensions).reshape(-1, dimensions)

    def exact(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(3 * x).sum(1, keepdim=True)

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        (10 * (model(x) - exact(x))).square().mean().backward()
        optimizer.step()
    return pinndiag.wrap(
        model,
        {"fit": lambda x: 10 * (model(x) - exact(x)), second: lambda x: model(x) - exact(x)},
        points={"fit": x, second: x[:6]},
        solution=(x, exact(x)),
        optimizer=optimizer,
        initial=initial,
    )


@cache
def remedy() -> RemedyRecord:
    """Two schemes, one of them with weights of points, for 12 steps from the checkpoint."""
    return pinndiag.remediate(sick_pinn(), ["dynamic_norm", "sa"], steps=12, name="tiny.pt").record


@cache
def hostile_remedy() -> RemedyRecord:
    """Two seeds from the initial parameters, one dimension, and names that are no friends."""
    pinn = sick_pinn(1, HOSTILE)
    record = pinndiag.remediate(pinn, "dynamic_norm", steps=12, seeds=2, start="initial", name=HOSTILE).record
    arm = msgspec.structs.replace(record.arms[0], key=HOSTILE, title=HOSTILE)
    return msgspec.structs.replace(record, arms=[arm], notes=[HOSTILE], reason=HOSTILE)


def without_solution(record: RemedyRecord) -> RemedyRecord:
    """The same where no reference solution is known."""

    def of(arm: Arm) -> Arm:
        runs = [
            msgspec.structs.replace(run, rel_l2=None, history=msgspec.structs.replace(run.history, rel_l2=None))  # type: ignore[type-var]
            for run in arm.runs
        ]
        diagnosis = msgspec.structs.replace(arm.diagnosis, solution=None)  # type: ignore[type-var]
        return msgspec.structs.replace(arm, runs=runs, diagnosis=diagnosis)

    assert record.baseline is not None
    return msgspec.structs.replace(
        record,
        measure="losses",
        diagnosis=msgspec.structs.replace(record.diagnosis, solution=None),
        baseline=of(record.baseline),
        arms=[of(arm) for arm in record.arms],
    )
