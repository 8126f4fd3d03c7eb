"""Marching: what a window starts from, and that decay is followed."""

from __future__ import annotations

import pytest
import torch

from benchmarks.calibration.equation import equals
from benchmarks.calibration.equations import heat, logistic
from benchmarks.calibration.marching import marched
from benchmarks.calibration.training import Setup, mlp


def test_growth_from_an_unstable_state_is_followed() -> None:
    found = marched(Setup(logistic(0.01, rate=8.0), mlp(8, 2)), 600)
    assert found is not None
    assert found < 0.05


def test_only_where_a_term_lies_at_the_beginning() -> None:
    """The first coordinate is the time; without an initial condition there is nothing to start from."""

    def still(equation):
        return type(equation)(equation.box, {"pde": equation.terms["pde"]}, equation.solution)

    assert marched(Setup(heat(), mlp(4, 1)).posed(still), 20) is None


def test_what_no_network_can_leave_is_kept() -> None:
    """A constant start and an equation that asks for a constant: each window hands on what it was given."""

    def constant(equation):
        terms = dict(equation.terms)
        flat = type(terms["ode"])(lambda net, x: net(x) - 0.5, terms["ode"].draw, 20)
        first = type(terms["ic"])(equals(lambda x: torch.full_like(x, 0.5)), terms["ic"].draw, 1)
        x = equation.solution[0]
        return type(equation)(equation.box, {"ode": flat, "ic": first}, (x, torch.full_like(x, 0.5)))

    assert marched(Setup(logistic(), mlp(4, 1)).posed(constant), 300) == pytest.approx(0.0, abs=1e-3)
