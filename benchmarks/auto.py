"""What `schemes="auto"` chooses on every problem of the literature, against each fixed scheme on an equal budget.

    nice -n 15 python benchmarks/auto.py [NAME ...] [--seed 0] [--scale 1.0] [--store auto] [--table auto.md]

Each problem is trained plainly for so many steps and diagnosed, as a user would. Then every scheme is trained from the
same initial parameters, at the same points (fresh ones at every step where the source draws them), with the problem's
optimizer, for as many steps; "auto" is what `remediate` decides of these runs: a training is the same whoever asked for
it, so that each is made once. An error is the median of ten over the last tenth of the steps (Adam's errors have
spikes), in brackets that of the last step. The second table has the estimate by which "auto" chooses over the true
error, both of the last step. Tables are put below their marks in the file. One thread. The store, a folder, keeps each
training as it was at half of the steps and at the end: none is made twice, and all are judged anew by the present
rules. `--scale` shortens every training; the sizes below take about 25 minutes of one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import pickle
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

import pinndiag
from pinndiag import PINN, PinndiagError, problems
from pinndiag._records import ArmRun, DiagnosisRecord
from pinndiag._remediate._candidates import candidates, fitting
from pinndiag._remediate._choice import chosen_by, finalists, least
from pinndiag._remediate._measure import measured
from pinndiag._remediate._points import drawn
from pinndiag._remediate._training import Plan, State, advance
from pinndiag.analyzers import solution
from pinndiag.schemes import AbstractScheme

Options = dict[str, Any]
SIZES: dict[str, tuple[Options, int]] = {  # options of the problem, steps
    "poisson_1d": ({"C": 16.0}, 3000),
    "poisson_ntk": ({}, 5000),
    "poisson_2d": ({"omega": 2 * math.pi, "interior": 625}, 2000),
    "helmholtz": ({}, 5000),
    "kirchhoff": ({}, 2500),
    "klein_gordon": ({}, 6000),
    "wave": ({}, 3000),
    "burgers": ({}, 2000),
    "allen_cahn": ({}, 1500),
    "cavity": ({}, 2000),
}
PLAIN = "as it is"
FIXED = ("lra", "dynamic_norm", "ntk", "global_grad_norm", "config", "rba", "sa", "causal")  # what "auto" can choose
HEAD = ("problem", "steps", PLAIN, *FIXED, "auto: its candidates", "auto", "auto / best")
ESTIMATES = ("problem", PLAIN, *FIXED)
MARKS = ("<!-- benchmarks/auto.py: errors -->", "<!-- benchmarks/auto.py: estimates -->")


@final
@dataclass(frozen=True, eq=False)
class Training:
    """An arm: where it was at half of the steps and at the end, and its last ten errors; `failed`: why it stopped."""

    half: State | None = None
    end: State | None = None
    errors: tuple[float, ...] = ()
    seconds: float = 0.0
    failed: str = ""

    @property
    def error(self) -> float:
        return statistics.median(self.errors) if self.errors else math.inf

    def __str__(self) -> str:
        return f"{self.error:.1e} ({self.errors[-1]:.1e})" if self.errors else "failed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(SIZES), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--store", type=Path, default=Path("auto"))
    parser.add_argument("--table", type=Path, default=Path("auto.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    errors, estimates = [[*HEAD], ["---"] * len(HEAD)], [[*ESTIMATES], ["---"] * len(ESTIMATES)]
    for name in arguments.names:
        found, estimated = rows(name, arguments.seed, arguments.scale, arguments.store)
        errors.append(found)
        estimates.append(estimated)
        print(found, estimated, sep="\n", flush=True)
        written(arguments.table, MARKS[0], errors)
        written(arguments.table, MARKS[1], estimates)


def written(path: Path, mark: str, lines: list[list[str]]) -> None:
    """Put a table into a file below its mark, in the place of the table that is there."""
    text = path.read_text() if path.exists() else ""
    before, found, after = text.partition(f"{mark}\n")
    rest = list(itertools.dropwhile(lambda line: line.startswith("|"), after.splitlines(keepends=True)))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    path.write_text(f"{before}{mark}\n{table}{''.join(rest)}" if found else f"{text}{mark}\n{table}\n")


def rows(name: str, seed: int, scale: float, store: Path) -> tuple[list[str], list[str]]:
    """Lines of the tables: what `remediate` decides of a problem's trainings and how far it is from the best of them,
    and the estimated errors over the true ones.
    """
    options, steps = SIZES[name]
    problem = problems.make(name, seed=seed, **options)
    steps = max(40, round(scale * steps))
    fresh = any(term.resampled for term in problem.terms.values())
    folder = store / f"{name}-{steps}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    pinn = sick(problem, steps, folder)
    record = kept(folder / "diagnosis", lambda: pinndiag.analyze(pinn).record)
    arms: dict[str, Training] = {}
    halves: dict[str, ArmRun] = {}
    ends: dict[str, ArmRun] = {}
    for plan in plans(pinn, record, steps, fresh):
        arm = arms[plan.key] = kept(folder / plan.key, lambda plan=plan: trained(pinn, plan))
        if arm.half is not None and arm.end is not None:
            halves[plan.key], ends[plan.key] = (measured_at(pinn, plan, state) for state in (arm.half, arm.end))
        print(f"{name:14s}{plan.key:18s}{arm}", flush=True)
    tried = [one.key for one in candidates(pinn, record, fresh=fresh) if one.key in ends]
    choice = chosen(tried, halves, ends)
    best = min(arm.error for arm in arms.values())
    cells = [str(arms[key]) if key in arms else "" for key in (PLAIN, *FIXED)]
    found = [name, str(steps), *cells, ", ".join(tried), choice, f"{arms[choice].error / best:.2f}"]
    ratios = [ratio(ends.get(key)) for key in (PLAIN, *FIXED)]
    return found, [name, *ratios]


def ratio(end: ArmRun | None) -> str:
    known = end is not None and end.estimate is not None and end.rel_l2
    return f"{end.estimate / end.rel_l2:.2f}" if known else ""


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What lies in a file, made first if it is not there."""
    if not path.exists():
        path.write_bytes(pickle.dumps(make()))
    return pickle.loads(path.read_bytes())


def sick(problem: problems.Problem, steps: int, folder: Path) -> PINN:
    """The problem after plain training, as its file has it."""
    # what is trained on parts of its points is given one part: an arm's step costs what a step of the source costs
    parts = {n: dataclasses.replace(t, points=t.points[: t.part], part=None) for n, t in problem.terms.items()}
    problem = dataclasses.replace(problem, terms=parts)
    path = folder / "plain.pt"
    if not path.exists():
        problems.train(problem, steps)
        problem.wrap().save(path)
    return pinndiag.load(path)


def plans(pinn: PINN, record: DiagnosisRecord, steps: int, fresh: bool) -> Iterator[Plan]:
    """The trainings: as it is, and under every scheme that fits."""
    schemes: dict[str, AbstractScheme | None] = {key: fitting(key, pinn, record, fresh=fresh) for key in FIXED}
    points = drawn(pinn, [], every=int(fresh), others=False)
    for key, scheme in {PLAIN: None, **schemes}.items():
        if key == PLAIN or scheme is not None:
            yield Plan(key, scheme, "initial", 0, steps, points)


def trained(pinn: PINN, plan: Plan) -> Training:
    """One training; ten errors over the last tenth of the steps."""
    began = time.process_time()
    try:
        half, _ = advance(pinn, plan, None, plan.steps // 2)
        state, errors = half, []
        for tenth in range(9, -1, -1):
            state, twin = advance(pinn, plan, state, plan.steps - tenth * plan.steps // 100)
            errors.append(solution(twin).rel_l2)
    except PinndiagError as error:
        return Training(failed=str(error))
    return Training(half, state, tuple(errors), time.process_time() - began)


def measured_at(pinn: PINN, plan: Plan, state: State) -> ArmRun:
    """What `remediate` sees of a training that has come so far."""
    _, twin = advance(pinn, plan, state, state.step)
    return measured(twin, state, 0)


def chosen(tried: list[str], halves: dict[str, ArmRun], ends: dict[str, ArmRun]) -> str:
    """The arm that `remediate` calls the treatment."""
    by = chosen_by([halves[key] for key in tried])
    last = finalists({key: halves[key].left(by) for key in tried})
    return least({key: ends[key].left(by) for key in last}, ends[PLAIN].left(by)) or PLAIN


if __name__ == "__main__":
    main()
