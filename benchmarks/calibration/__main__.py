"""Train, judge and treat the cases, and write the tables.

    python -m benchmarks.calibration [--quick | --subset] [--seed N] [--jobs 2] [--to runs/calibration] [--only TEXT]
                                     [--no-treatment] [--report] [--into benchmarks/calibration]

--quick takes about 6 minutes of CPU time (3 on two idle cores), --subset about 18 (9), everything about 50 (25), as
measured with seed 1. Each case leaves its files in a folder of its own under --to: the command goes on where it was
interrupted, and --report writes the tables again from there, judged by the checks as they are now, without training.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from benchmarks.calibration.case import Case, halves
from benchmarks.calibration.cases import CASES
from benchmarks.calibration.report import write
from benchmarks.calibration.scores import Outcome
from benchmarks.calibration.work import judged, work


def main() -> None:
    """Parse the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="about 3 minutes on two idle cores")
    size.add_argument("--subset", action="store_true", help="about 9 minutes on two idle cores")
    parser.add_argument("--seed", type=int, help="only cases of this seed; of --quick and --subset: 0 where not given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--to", type=Path, default=Path("runs/calibration"), help="where each case leaves its files")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--no-treatment", action="store_true")
    parser.add_argument("--report", action="store_true", help="write the tables from what is there")
    parser.add_argument("--into", type=Path, help="where the tables are written; default: --to")
    arguments = parser.parse_args()
    chosen = "quick" if arguments.quick else "subset" if arguments.subset else "full"
    seed = 0 if arguments.seed is None and chosen != "full" else arguments.seed
    cases = [c for c in CASES if arguments.only in c.name and (chosen == "full" or getattr(c, chosen))]
    cases = [c for c in cases if seed in (None, c.setup.seed)]
    cases.sort(key=lambda case: (not case.quick, case.state != "healthy"))
    torch.set_num_threads(1)
    if not arguments.report:
        _run(cases, arguments.to, arguments.jobs, treat=not arguments.no_treatment)
    sides = halves(CASES)
    there = [c for c in cases if (arguments.to / c.name.replace("/", "--")).exists()]
    outcomes = [_outcome(case, arguments.to / case.name.replace("/", "--"), sides[case.name]) for case in there]
    seconds = sum(_seconds(arguments.to / case.name.replace("/", "--")) for case in there)
    command = " ".join(["python -m benchmarks.calibration", *_options(chosen, arguments.seed)])
    print(write(outcomes, arguments.into or arguments.to, command, seconds, of=len(CASES)))


def _options(chosen: str, seed: int | None) -> list[str]:
    return [*([] if chosen == "full" else [f"--{chosen}"]), *([] if seed is None else [f"--seed {seed}"])]


def _run(cases: Sequence[Case], to: Path, jobs: int, *, treat: bool) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {pool.submit(work, case.name, to, treat=treat): case for case in cases}
        for count, done in enumerate(as_completed(waiting), 1):
            print(f"[{count}/{len(cases)}] {done.result()}", flush=True)


def _outcome(case: Case, home: Path, half: str) -> Outcome:
    known: dict[str, Any] = {
        "name": case.name,
        "half": half,
        "state": case.state,
        "pathology": case.pathology,
        "right": case.right,
        "curable": case.curable,
    }
    failed = home / "failed.json"
    if failed.exists() or not (home / "case.json").exists():
        return Outcome(**known, failed=_read(failed).get("error", "not finished"))
    error = float(_read(home / "case.json")["error"])
    if case.state == "healthy" and not error < case.solved:
        return Outcome(**known, error=error, failed=f"no healthy control: its error is {error:.2g}")
    if case.state == "sick" and error < case.unsolved:
        return Outcome(**known, error=error, failed=f"not sick after all: its error is {error:.2g}")
    found = judged(case, home)
    chosen = _read(home / "treatment.json")
    if chosen.get("title") != (found.first or {"title": "nothing is prescribed"})["title"]:
        chosen = {}  # of an earlier judgement
    effect = _read(home / f"treated-{chosen.get('key', '')}.json")
    if chosen.get("key") and not effect:
        chosen = {}  # interrupted
    return Outcome(
        **known,
        found=found.found,
        figures=found.figures,
        treatment=chosen.get("key", ""),
        words=chosen.get("title", ""),
        factor=float(effect.get("factor", math.nan)),
        error=error,
    )


def _seconds(home: Path) -> float:
    parts = [_read(path).get("seconds", {}) for path in (home / "case.json", *home.glob("treated-*.json"))]
    return float(sum(sum(p.values()) for p in parts))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


if __name__ == "__main__":
    main()
