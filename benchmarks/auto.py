"""What `schemes="auto"` chooses on every problem of the literature, against each fixed scheme on an equal budget.

    nice -n 15 python benchmarks/auto.py [NAME ...] [--scale 1.0] [--store auto.jsonl] [--table auto.md]

Each problem is trained plainly for so many steps and diagnosed, as a user would. Then every scheme is trained from the
same initial parameters, at the same points (fresh ones at every step where the source draws them), with the problem's
optimizer, for as many steps; "auto" is what `remediate` decides of these runs: a training is the same whoever asked for
it, so that each is made once. An error is the median of ten over the last tenth of the steps (Adam's errors have
spikes), in brackets that of the last step. One thread; what is done is kept in the store, one line a training, and is
not done again. `--scale` shortens every training; the sizes below take about 40 minutes of one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import pinndiag
from pinndiag import PINN, PinndiagError, problems
from pinndiag._records import DiagnosisRecord, from_plain
from pinndiag._remediate._candidates import candidates, fitting
from pinndiag._remediate._choice import finalists, least
from pinndiag._remediate._measure import measured
from pinndiag._remediate._points import drawn
from pinndiag._remediate._training import Plan, advance
from pinndiag.analyzers import solution
from pinndiag.schemes import AbstractScheme

Options = dict[str, Any]
SIZES: dict[str, tuple[Options, int]] = {  # options of the problem, steps
    "poisson_1d": ({"C": 16.0}, 3000),
    "poisson_ntk": ({}, 5000),
    "poisson_2d": ({"omega": 2 * math.pi, "interior": 625}, 2000),
    "helmholtz": ({}, 5000),
    "kirchhoff": ({}, 2500),
    "klein_gordon": ({}, 2000),
    "cavity": ({}, 2000),
    "wave": ({}, 1500),
    "burgers": ({}, 2000),
    "allen_cahn": ({}, 1500),
}
PLAIN = "as it is"
FIXED = ("lra", "dynamic_norm", "ntk", "global_grad_norm", "config", "rba", "sa", "causal")  # what "auto" can choose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(SIZES), metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--store", type=Path, default=Path("auto.jsonl"))
    parser.add_argument("--table", type=Path, default=Path("auto.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store = Store(arguments.store)
    rows = []
    for name in arguments.names:
        options, steps = SIZES[name]
        steps = max(40, round(arguments.scale * steps))
        rows.append(row(name, steps, raced(name, options, steps, store)))
        print(rows[-1], flush=True)
        head = ["problem", "steps", PLAIN, *FIXED, "auto: its candidates", "auto", "auto / best"]
        lines = [head, ["---"] * len(head), *rows]
        arguments.table.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))


class Store:
    """Results by name, appended to a file as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.known: dict[str, Any] = dict(json.loads(line) for line in lines)

    def get(self, key: str, make: Any) -> Any:
        """What is stored under a name, made first if it is not there."""
        if key not in self.known:
            self.known[key] = make()
            with self.path.open("a") as file:
                file.write(json.dumps([key, self.known[key]]) + "\n")
        return self.known[key]


def raced(name: str, options: Options, steps: int, store: Store) -> dict[str, Any]:
    """Every training of a problem, and the candidates of its diagnosis."""
    pinn, fresh = sick(name, options, steps)
    key = f"{name} {options} {steps}"
    record = from_plain(store.get(f"{key} diagnosis", lambda: pinndiag.analyze(pinn).to_dict()), DiagnosisRecord)
    arms: dict[str, Any] = {}
    for arm, scheme in schemes(pinn, record, fresh):
        arms[arm] = store.get(f"{key} {arm}", lambda arm=arm, scheme=scheme: trained(pinn, arm, scheme, steps, fresh))
        print(f"{name:14s}{arm:18s}{shown(arms[arm])}", flush=True)
    return {"arms": arms, "candidates": [one.key for one in candidates(pinn, record, fresh=fresh)]}


def sick(name: str, options: Options, steps: int) -> tuple[PINN, bool]:
    """The problem after plain training, as its file has it, and whether its points are drawn anew at every step."""
    problem = problems.make(name, **options)
    fresh = any(term.resampled for term in problem.terms.values())
    # what is trained on parts of its points is given one part: an arm's step costs what a step of the source costs
    parts = {n: dataclasses.replace(t, points=t.points[: t.part], part=None) for n, t in problem.terms.items()}
    problem = dataclasses.replace(problem, terms=parts)
    path = Path(tempfile.gettempdir()) / f"pinndiag-auto-{name}-{steps}.pt"
    if not path.exists():
        problems.train(problem, steps)
        problem.wrap().save(path)
    return pinndiag.load(path), fresh


def schemes(pinn: PINN, record: DiagnosisRecord, fresh: bool) -> Iterator[tuple[str, AbstractScheme | None]]:
    yield PLAIN, None
    for key in FIXED:
        scheme = fitting(key, pinn, record, fresh=fresh)
        if scheme is not None:
            yield key, scheme


def trained(pinn: PINN, arm: str, scheme: AbstractScheme | None, steps: int, fresh: bool) -> dict[str, Any]:
    """Unfinished work at half of the steps and at the end; ten errors over the last tenth of them."""
    began = time.process_time()
    plan = Plan(arm, scheme, "initial", 0, steps, drawn(pinn, [], every=int(fresh), others=False))
    try:
        state, twin = advance(pinn, plan, None, steps // 2)
    except PinndiagError as error:
        return {"failed": str(error)}
    half, errors = measured(twin, state, 0).score, []
    for tenth in range(9, -1, -1):
        state, twin = advance(pinn, plan, state, steps - tenth * steps // 100)
        errors.append(solution(twin).rel_l2)
    end = measured(twin, state, 0).score
    return {"half": half, "end": end, "errors": errors, "seconds": time.process_time() - began}


def error(arm: dict[str, Any]) -> float:
    return statistics.median(arm["errors"]) if "errors" in arm else math.inf


def shown(arm: dict[str, Any]) -> str:
    return f"{error(arm):.1e} ({arm['errors'][-1]:.1e})" if "errors" in arm else "failed"


def row(name: str, steps: int, found: dict[str, Any]) -> list[str]:
    """A line of the table: what `remediate` decides of these runs, and how far it is from the best of them."""
    arms = {key: arm for key, arm in found["arms"].items() if "errors" in arm}
    tried = [key for key in found["candidates"] if key in arms]
    kept = finalists({key: arms[key]["half"] for key in tried})
    choice = least({key: arms[key]["end"] for key in kept}, arms[PLAIN]["end"]) or PLAIN
    best = min(error(arm) for arm in arms.values())
    cells = [shown(arms[key]) if key in arms else "" for key in (PLAIN, *FIXED)]
    return [name, str(steps), *cells, ", ".join(tried), choice, f"{error(arms[choice]) / best:.2f}"]


if __name__ == "__main__":
    main()
