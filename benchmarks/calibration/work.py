"""One case from training to treatment; each stage leaves one file, so that an interrupted calibration goes on."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

import pinndiag
from benchmarks.calibration.case import Case
from benchmarks.calibration.cases import by_name
from benchmarks.calibration.figures import figures
from benchmarks.calibration.training import Training
from benchmarks.calibration.treatments import effect, treatment
from pinndiag._diagnosis._diagnosis import Diagnosis
from pinndiag._diagnosis._judge import judge
from pinndiag._files import write_atomically
from pinndiag._history import diagnose_run
from pinndiag._records import to_plain
from pinndiag._store import read_run

__all__ = ["Judged", "judged", "work"]

RECORDS = 60  # measured steps of a run


@final
@dataclass(frozen=True)
class Judged:
    """What the checks, as they are now, say of a case that was trained before.

    Attributes:
        found: (code, pathology, severity) of every finding, worst first.
        prescriptions: of the first finding that is no note.
        figures: threshold's name -> figure.
    """

    found: list[tuple[str, str, str]]
    prescriptions: list[dict[str, Any]]
    figures: dict[str, float]

    @property
    def first(self) -> dict[str, Any] | None:
        """The first prescription that changes something, and does not ask to look closer."""
        return next((p for p in self.prescriptions if "experiments" not in p["title"]), None)


def work(name: str, folder: Path, *, treat: bool) -> str:
    """Train and measure a case, and treat it if it is sick, unless that was done before. Returns a line to print."""
    torch.set_num_threads(1)
    case, home = by_name(name), folder / name.replace("/", "--")
    home.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    try:
        mark = _fingerprint(case)
        if _stored(home / "case.json").get("fingerprint") != mark:
            for old in home.glob("treated-*.json"):
                old.unlink()
            _measure(case, home, mark)
        found = judged(case, home)
        done = _treat(case, home, found) if treat and case.state == "sick" else ""
    except Exception as error:  # a case that fails is a result, and the others go on
        write_atomically(home / "failed.json", json.dumps({"error": repr(error), "trace": traceback.format_exc()}))
        return f"{name}: failed: {error!r}"
    (home / "failed.json").unlink(missing_ok=True)
    first = found.found[0][1:] if found.found else "nothing found"
    return f"{name}: {first} {done} ({time.process_time() - began:.1f} s)"


def judged(case: Case, home: Path) -> Judged:
    """Judge the stored measurements of a case again."""
    if case.judged != "checkpoint":
        record = diagnose_run(read_run(home / case.judged))
    else:
        record = judge(Diagnosis.read(home / "diagnosis.json").record)
    serious = [f for f in record.findings if f.severity != "note"]
    prescriptions = [] if not serious else [to_plain(p) for p in serious[0].prescriptions]
    found = [(f.code, f.pathology, f.severity) for f in record.findings]
    return Judged(found, prescriptions, figures(record))


def _measure(case: Case, home: Path, mark: str) -> None:
    began = time.process_time()
    training = Training(case.setup)
    if case.judged != "checkpoint":
        _watched(case, training, home / "run")
    else:
        training.run()
    trained = time.process_time() - began
    torch.save(training.state(), home / "state.pt")
    if case.judged == "checkpoint":
        diagnosis = pinndiag.analyze(training.wrap(case.given), name=case.name, source="checkpoint.pt")
        diagnosis.save(home / "diagnosis.json")
    seconds = {"training": trained, "analysis": time.process_time() - began - trained}
    fields = {"fingerprint": mark, "error": _number(training.error()), "seconds": seconds, "losses": training.losses()}
    write_atomically(home / "case.json", json.dumps(fields))


def _watched(case: Case, training: Training, to: Path) -> None:
    """The training in a user's loop, with the one line changed; a run has one phase."""
    (phase,) = case.setup.phases
    every = max(1, phase.budget // RECORDS)
    weights = {n: t.weight for n, t in training.equation.terms.items()}
    with pinndiag.watch(
        training.model,
        training.begin(phase),
        to=to,
        every=every,
        histograms=0,
        curvature=10 * every,
        weights=weights if training.scheme is None else None,
        scheme=training.scheme,
        solution=training.equation.solution,
        overwrite=True,
    ) as watch:
        training.go_on(phase, watch)
        if case.judged == "live":  # as it is before the training says that it has ended
            shutil.copytree(to, to.with_name("live"), dirs_exist_ok=True)


def _treat(case: Case, home: Path, found: Judged) -> str:
    """Apply the first prescription."""
    prescription = found.first
    chosen = None if prescription is None else treatment(case, prescription)
    title = "nothing is prescribed" if prescription is None else prescription["title"]
    key = "" if chosen is None else chosen.key
    told = json.dumps({"key": key, "title": title})
    if chosen is None:
        write_atomically(home / "treatment.json", told)
        return f"not applied: {title}"
    path, before = home / f"treated-{key}.json", _stored(home / "treatment.json")
    if not path.exists() or (before.get("key") == key and before["title"] != title):  # another rate, say
        began = time.process_time()
        state = torch.load(home / "state.pt", weights_only=False)
        result = effect(case, chosen, state, float(_stored(home / "case.json")["error"]))
        seconds = {"treatment": time.process_time() - began}
        errors = {"untreated": result.untreated, "treated": result.treated, "before": result.before}
        plain = {k: _number(v) for k, v in {"factor": result.factor, **errors}.items()}
        write_atomically(path, json.dumps({"key": key, "budget": result.budget, "seconds": seconds, **plain}))
    write_atomically(home / "treatment.json", told)  # last: an interrupted treatment is none
    return f"{key}: {_stored(path)['factor']:.3g}"


def _fingerprint(case: Case) -> str:
    """Of what is trained and judged: the settings, and the losses at the start."""
    setup = case.setup
    losses = {name: f"{loss:.5e}" for name, loss in Training(setup).losses().items()}
    settings = (setup.phases, setup.dtype, setup.seed, setup.scale, case.judged, sorted(case.given), losses)
    weights = {n: (t.weight, t.batch, t.resample) for n, t in setup.pose(setup.dtype).terms.items()}
    return hashlib.sha256(repr((settings, weights)).encode()).hexdigest()[:16]


def _stored(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)
