"""A run that goes on: at which step, with which state, and what is refused before anything is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import pinndiag
from pinndiag import PinndiagError
from pinndiag._store import read_header, read_run
from tests.watch.loops import Problem, Terms

ROOT = Path(__file__).parents[2]

KILLED = """
import os, signal, sys, torch, pinndiag
from tests.watch.test_watch_resume import trained
from pinndiag._watch import _ledger
_ledger.STATE_EVERY = _ledger.STATE_SELDOM = float(sys.argv[2])
watch = trained(sys.argv[1], steps=7, close=False, every=2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def trained(
    to: Path | str,
    steps: int = 3,
    *,
    terms: Any = None,
    close: bool = True,
    problem: Problem | None = None,
    **options: Any,
) -> pinndiag.Watch:
    problem = problem or Problem()
    optimizer = torch.optim.SGD(problem.parameters, lr=1e-3)
    given = {"every": 1, "histograms": 0, "curvature": 0, "scheme": pinndiag.schemes.DynamicNorm(every=1), **options}
    watch = pinndiag.watch(problem.net, optimizer, to=to, parameters={"k": problem.k}, **given)
    for _ in range(steps):
        optimizer.zero_grad()
        losses: Terms = problem.terms() if terms is None else terms(problem)
        watch(losses).backward()
        optimizer.step()
    if close:
        watch.close()
    return watch


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_closed_run_goes_on_exactly(tmp_path: Path) -> None:
    problem, whole = Problem(), Problem()
    first = trained(tmp_path / "a", 3, problem=problem)
    second = trained(tmp_path / "a", 2, problem=problem, resume=True)
    wanted = trained(tmp_path / "b", 5, problem=whole)
    assert second.weights == pytest.approx(wanted.weights, rel=1e-12) != pytest.approx(first.weights, rel=1e-6)
    a, b = read_run(tmp_path / "a").steps, read_run(tmp_path / "b").steps
    assert a.steps.tolist() == b.steps.tolist() == [0, 1, 2, 3, 4]
    assert a.term("bc", "weight").tolist() == pytest.approx(b.term("bc", "weight").tolist(), rel=1e-12)


@pytest.mark.parametrize(("every", "kept"), [(0.0, 7), (1e6, 1)])
def test_a_killed_run_says_where_it_goes_on(tmp_path: Path, every: float, kept: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path / "run"), str(every)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    words = f"goes on at step 7: the last record is of step 6, the scheme's state of step {kept}"
    before = content(tmp_path / "run")
    with pytest.warns(RuntimeWarning, match=f"was not closed; it {words}"):
        trained(tmp_path / "run", 0, resume=True)
    after = content(tmp_path / "run")
    assert after.pop("writer.lock", None) is None
    assert before.pop("writer.lock")
    assert after == before  # nothing was evaluated
    with pytest.warns(RuntimeWarning, match=words):
        trained(tmp_path / "run", 2, every=1, resume=True)
    run = read_run(tmp_path / "run")
    assert run.steps.steps.tolist() == [0, 2, 4, 6, 7, 8]
    assert [event.text for event in run.events if event.event == "resumed"] == [words]


def test_the_time_of_a_run_goes_on_from_its_last_record(tmp_path: Path) -> None:
    trained(tmp_path / "run", 2)
    records = tmp_path / "run" / "records.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    lines[1]["time"] = 50.0  # the state that was kept is older
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    trained(tmp_path / "run", 1, resume=True)
    assert read_run(tmp_path / "run").steps.run("time")[-1] > 50


def test_a_state_that_is_kept_with_a_checkpoint_goes_on_there(tmp_path: Path) -> None:
    watch = trained(tmp_path / "run", 2, close=False)
    state = watch.state_dict()
    weights = watch.weights
    watch.close()
    trained(tmp_path / "run", 2, resume=True)
    again = trained(tmp_path / "run", 0, close=False, resume=True)
    again.load_state_dict(state)
    assert again.weights == weights
    again.close()
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 1, 2, 3]  # nothing was evaluated
    problem = Problem()
    again = pinndiag.watch(
        problem.net,
        every=1,
        to=tmp_path / "run",
        scheme=pinndiag.schemes.DynamicNorm(every=1),
        resume=True,
        parameters={"k": problem.k},
    )
    again.load_state_dict(state)
    again(problem.terms()).backward()
    again.step()
    again.close()
    assert read_run(tmp_path / "run").steps.steps.tolist() == [0, 1, 2]


def wider() -> Problem:
    problem = Problem()
    problem.net = nn.Sequential(nn.Linear(1, 11), nn.Tanh(), nn.Linear(11, 1)).double()
    return problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "softadapt"}, "made with another scheme"),
        ({"scheme": None}, "made with another scheme"),
        ({"problem": wider}, "made with another network"),
        ({"terms": lambda problem: {"heat": problem.terms()["pde"]}}, "has other terms"),
    ],
)
def test_another_training_is_refused_and_nothing_is_lost(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    trained(tmp_path / "run", 3)
    before = content(tmp_path / "run")
    made = {key: value() if key == "problem" else value for key, value in change.items()}
    with pytest.raises(PinndiagError, match=words) as raised:
        trained(tmp_path / "run", 2, resume=True, **made)
    assert raised.value.fix
    assert content(tmp_path / "run") == before


def test_layers_may_be_frozen_and_terms_may_come(tmp_path: Path) -> None:
    trained(tmp_path / "run", 2)
    problem = Problem()
    next(problem.net.parameters()).requires_grad_(False)
    more = lambda p: {**p.terms(), "data": p.net(p.x) - 1}  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(tmp_path / "run", 2, problem=problem, terms=more, resume=True)
    run = read_run(tmp_path / "run")
    assert run.steps.steps.tolist() == [0, 1, 2, 3]
    assert [(e.event, e.step) for e in run.events if e.event == "term"] == [("term", 2)]
    assert list(read_header(tmp_path / "run").terms) == ["pde", "bc", "data"]


def test_the_weights_of_a_scheme_are_taken_up_while_measuring_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = trained(tmp_path / "run", 3).weights
    before = content(tmp_path / "run")
    monkeypatch.setenv("PINNDIAG_OFF", "1")
    watch = trained(tmp_path / "run", 0, resume=True)
    assert watch.weights == weights
    assert content(tmp_path / "run") == before
    trained(tmp_path / "none", 1, resume=True)
    assert not (tmp_path / "none").exists()


def test_other_weights_and_settings_are_told_of(tmp_path: Path) -> None:
    trained(tmp_path / "a", 2, scheme=None, weights={"bc": 1.0})
    trained(tmp_path / "a", 2, scheme=None, weights={"bc": 10.0}, resume=True)
    trained(tmp_path / "b", 2, scheme=pinndiag.schemes.DynamicNorm(keep=0.9, every=1))
    trained(tmp_path / "b", 2, scheme=pinndiag.schemes.DynamicNorm(keep=0.5, every=1), resume=True)
    texts = [[e.text for e in read_run(tmp_path / run).events if e.event == "resumed"] for run in ("a", "b")]
    assert texts == [
        ["goes on at step 2 with other weights (bc 1.0 -> 10.0)"],
        ["goes on at step 2 with other settings (keep 0.9 -> 0.5)"],
    ]


def test_a_damaged_state_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    trained(tmp_path / "run", 3)
    (tmp_path / "run" / "state.pt").write_bytes(b"PK")
    before = content(tmp_path / "run")
    with pytest.raises(PinndiagError, match=r"state\.pt cannot be read"):
        trained(tmp_path / "run", 2, resume=True)
    assert content(tmp_path / "run") == before
