"""Published pathologies that show without long training."""

from __future__ import annotations

import pytest
import torch

from pinndiag import analyzers, problems


def test_imbalance_of_the_1d_poisson_problem_grows_with_its_frequency() -> None:
    """Wang, Teng, Perdikaris 2021, section 2.3: the residual's gradients grow against the boundary's as C does."""
    ratios = []
    for frequency in (1.0, 4.0, 16.0):
        terms = analyzers.gradients(problems.make("poisson_1d", C=frequency).wrap()).terms
        ratios.append(terms["pde"].grad_std / terms["bc"].grad_std)
    assert ratios[1] > 5 * ratios[0]
    assert ratios[2] > 1.5 * ratios[1]
    assert ratios[2] > 100


def test_the_boundary_of_the_2d_poisson_problem_is_left_behind() -> None:
    """Deguchi, Asai 2023, figure 7: without weights the loss of the equation falls, that of the boundary does not."""
    problem = problems.make("poisson_2d", interior=225)
    before = problem.wrap().losses()
    problems.train(problem, 300)
    after = problem.wrap().losses()
    fallen = {name: float((before[name] / after[name]).detach()) for name in before}
    assert fallen["pde"] > 10
    assert fallen["bc"] < 2


def test_the_plate_bends_little_in_its_own_units() -> None:
    """A units pathology (Bischof, Kraus 2021): the solution is of order 1e-2, that of the scaled plate of order one."""
    size = {u: problems.make("kirchhoff", units=u).solution[1].abs().max().item() for u in ("physical", "scaled")}
    assert size["physical"] == pytest.approx(0.0185, rel=0.01)
    assert size["scaled"] == pytest.approx(1.0, rel=0.01)


def test_the_transition_of_the_regression_carries_the_error() -> None:
    """Within 0.1 of the centre the error is some times larger than elsewhere, after 300 steps."""
    problem = problems.make("regression")
    problems.train(problem)
    points, values = problem.solution
    error = (problem.model(points) - values).detach().square()
    centre = points.abs() < 0.1
    ratio = torch.sqrt(error[centre].mean() / error[~centre].mean())
    assert ratio > 2
    assert problem.error() < 0.05
