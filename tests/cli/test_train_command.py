"""train, problems and demo."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import pinndiag
from pinndiag import PINN, problems
from pinndiag_cli import _demo, _progress

Run = Callable[..., Result]


def values(pinn: PINN) -> dict[str, float]:
    return {name: float(loss.detach()) for name, loss in pinn.losses().items()}


def test_problems_lists_them_all(run: Run) -> None:
    done = run("problems")
    assert done.exit_code == 0
    for name in problems.names():
        assert name in done.stdout
    assert [row["name"] for row in json.loads(run("problems", "--json").stdout)] == problems.names()


def test_train_saves_a_checkpoint_that_can_be_loaded(run: Run) -> None:
    done = run("train", "regression", "--steps", "7", "--seed", "3", "--save", "r.pt", "--dtype", "float64")
    assert done.exit_code == 0, done.stderr
    twin = problems.make("regression", seed=3, dtype=pinndiag.load("r.pt").dtype)
    problems.train(twin, 7)
    found = pinndiag.load("r.pt")
    assert values(found) == pytest.approx(values(twin.wrap()))
    assert "7 steps in" in done.stdout
    assert "next: pinndiag analyze r.pt" in done.stdout
    assert "regression: " in done.stderr


def test_train_under_a_scheme_records_the_run_and_its_weights(run: Run) -> None:
    done = run("train", "poisson_1d", "--scheme", "lra", "--steps", "12", "--to", "run", "--save", "p.pt", "-q")
    assert done.exit_code == 0, done.stderr
    assert json.loads(Path("run/run.json").read_text())["scheme"]
    weights = pinndiag.load("p.pt").weights
    assert any(weight != problems.make("poisson_1d").weights[name] for name, weight in weights.items())
    again = run("train", "poisson_1d", "--steps", "2", "--to", "run")
    assert again.exit_code == 2
    assert "fix: give a new folder with --to" in again.stderr


def test_an_interrupt_saves_what_is_done(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(self: object, what: str, done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(_progress._Lines, "steps", steps)
    done = run("train", "regression", "--steps", "50", "--save", "r.pt", "--to", "run")
    assert done.exit_code == 130
    assert "interrupted after 20 of 50 steps; what is done is kept" in done.stderr
    twin = problems.make("regression")
    problems.train(twin, 20)
    assert values(pinndiag.load("r.pt")) == pytest.approx(values(twin.wrap()), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("helmhotz",), "helmholtz"),
        (("regression", "--scheme", "nothing"), "nothing"),
        (("regression", "--save", "no/where.pt"), "the folder does not exist"),
        (("regression", "--arch", "cnn"), "cnn"),
    ],
)
def test_what_cannot_be_trained(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("train", *arguments, "--steps", "1")
    assert done.exit_code == 2
    assert words in done.stderr


def test_the_demo_is_sick_enough_to_be_diagnosed_quickly() -> None:
    """A demo whose diagnosis misses what its treatment then cures would teach nothing."""
    problem = problems.make("poisson_2d", omega=_demo.OMEGA, interior=_demo.POINTS)
    problems.train(problem, _demo.FEW)
    worst = pinndiag.analyze(problem.wrap(), quick=True).findings[0]
    assert (worst.code, worst.severity) == ("PD201", "problem")
    assert "Balance" in worst.prescriptions[0].title


def test_the_demo_tells_four_steps_and_writes_its_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_demo, "POINTS", 36)
    monkeypatch.setattr(_demo, "FEW", 20)
    done = run("demo", "--quick", "-q", "-o", "here")
    assert done.exit_code == 0, done.stderr
    for step in ("1 of 4  Train", "2 of 4  Diagnose", "3 of 4  Treat", "4 of 4  Look"):
        assert step in done.stdout
    assert "In 20 steps of Adam the losses went: pde from" in done.stdout
    assert {"poisson.pt", "poisson.pt.diagnosis.json", "poisson.pt.remedy.html", "poisson.pt.report.html"} <= set(
        os.listdir("here")
    )
