"""Probes: quadratic problems with known minima, planted causes, and a model that is left alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import pinndiag
from pinndiag import PINN
from pinndiag._records import from_plain, to_plain
from pinndiag._records._experiments import Probe
from pinndiag._terms._view import View
from pinndiag.analyzers import descent_probe, solution, term_probes
from tests.cases import CASES, linear, mlp, uniform


def over(terms: dict[str, Callable[[], Tensor]], weight: Tensor, **more: object) -> PINN:
    return pinndiag.wrap(lambda p: p["w"], terms, parameters={"w": weight}, **more)


def test_the_total_of_a_quadratic_reaches_its_minimum() -> None:
    pinn = linear()
    x, y = (pinn.infos[name].points.coordinates for name in ("data", "other"))
    # rows of the weighted least squares problem: mean over 5 points, 0.5 times the mean over 4
    rows = torch.cat(
        [torch.cat([x, torch.ones_like(x)], 1) / 5**0.5, 3 * torch.cat([y, torch.ones_like(y)], 1) / 8**0.5]
    )
    right = torch.cat([torch.sin(3 * x) / 5**0.5, torch.ones_like(y) / 8**0.5])
    best = torch.linalg.lstsq(rows, right).solution
    found = descent_probe(pinn)
    view = View(pinn)
    assert found.before == pytest.approx(view.losses["data"] + 0.5 * view.losses["other"], rel=1e-12)
    assert found.after == pytest.approx(float((rows @ best - right).square().sum()), rel=1e-9)
    assert found.factor == pytest.approx(found.before / found.after)
    assert found.terms["data"] + 0.5 * found.terms["other"] == pytest.approx(found.after)
    assert 1 <= found.iterations <= 100
    assert found.evaluations >= found.iterations


def test_each_term_alone_reaches_its_own_minimum() -> None:
    pinn = linear()
    x = pinn.infos["data"].points.coordinates
    rows = torch.cat([x, torch.ones_like(x)], 1)
    right = torch.sin(3 * x)
    residual = rows @ torch.linalg.lstsq(rows, right).solution - right
    found = term_probes(pinn)
    assert list(found) == ["data", "other"]
    assert found["data"].after == pytest.approx(float(residual.square().mean()), rel=1e-9)
    assert found["other"].after < 1e-20  # 3 u = 1 has a solution
    assert found["other"].before == pytest.approx(View(pinn).losses["other"], rel=1e-12)
    assert found["data"].iterations <= 60
    assert found["data"].terms == {}


@pytest.mark.parametrize("case", ["poisson", "shared", "noisy", "schroedinger", "single_precision"])
def test_the_model_is_left_alone_and_the_probe_repeats(case: str) -> None:
    pinn = CASES[case]()
    before = [t.detach().clone() for t in pinn.tensors]
    losses = View(pinn).losses
    found = descent_probe(pinn, iterations=10)
    assert found.factor > 1
    assert all(a.equal(b) and b.grad is None for a, b in zip(before, pinn.tensors, strict=True))
    assert found.before == pytest.approx(sum(pinn.weights[n] * losses[n] for n in losses), rel=1e-3)
    assert descent_probe(pinn, iterations=10) == found
    assert from_plain(to_plain(found), Probe) == found


def test_terms_and_error_after_are_those_of_the_parameters_found() -> None:
    pinn = CASES["poisson"]()
    found = descent_probe(pinn)
    assert found.after == pytest.approx(found.terms["pde"] + 10 * found.terms["bc"], rel=1e-12)
    assert found.rel_l2 < 0.05 * solution(pinn).rel_l2
    assert descent_probe(pinn, iterations=1).after > found.after
    assert descent_probe(CASES["beam"](), iterations=2).rel_l2 is None


def test_terms_that_contradict_each_other() -> None:
    # u = 1 and u = 3 at the same points: at the weighted mean the total cannot fall, each term alone can
    model = torch.nn.Linear(1, 1).double()
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.constant_(model.bias, 2.0)
    x = uniform(20)
    pinn = pinndiag.wrap(model, {"one": lambda: model(x) - 1, "three": lambda: model(x) - 3})
    assert descent_probe(pinn).factor == pytest.approx(1.0, abs=1e-9)
    alone = term_probes(pinn)
    assert min(alone["one"].factor, alone["three"].factor) > 50


def test_tiny_losses_are_descended_on_all_the_same() -> None:
    # torch's absolute thresholds would stop at once: the gradient is 2e-12
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    found = descent_probe(over({"tiny": lambda: 1e-6 * (weight - 3)}, weight))
    assert found.before == pytest.approx(1e-12 * (4 + 25) / 2)
    assert found.factor > 1e12


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_scaling_a_residual_leaves_the_factor(scale: float) -> None:
    model, x = mlp(), uniform(20)
    one = pinndiag.wrap(model, {"data": lambda: model(x) - torch.sin(5 * x)})
    scaled = pinndiag.wrap(model, {"data": lambda: scale * (model(x) - torch.sin(5 * x))})
    assert descent_probe(scaled, iterations=10).factor == pytest.approx(
        descent_probe(one, iterations=10).factor, rel=1e-3
    )


def test_the_best_finite_value_counts() -> None:
    # w - sqrt(w) + 0.35 has its minimum 0.1 at w = 1/4, beside a region where it is NaN
    weight = torch.nn.Parameter(torch.tensor([9.0], dtype=torch.float64))
    found = descent_probe(over({"edge": lambda: (weight - weight.sqrt()).sum() + 0.35}, weight))
    assert found.after == pytest.approx(0.1, abs=1e-9)
    assert found.factor == pytest.approx(63.5, rel=1e-6)


def test_weights_of_zero_and_a_solved_term() -> None:
    weight = torch.nn.Parameter(torch.tensor([0.0], dtype=torch.float64))
    terms = {"solved": lambda: 2 * weight, "off": lambda: weight - 1}
    found = descent_probe(over(terms, weight, weights={"off": 0.0}))
    assert (found.before, found.after, found.factor, found.iterations) == (0.0, 0.0, 1.0, 0)
    assert found.terms == {"solved": 0.0, "off": 1.0}


def test_what_cannot_be_probed_says_why() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    terms = {
        "negative": lambda: (weight - 5).sum(),
        "nan": lambda: weight * math.nan,
        "gradient": lambda: torch.where(weight > 1, weight, (weight - 2).sqrt()),  # 0 * infinity in backward
        "fine": lambda: weight - 1,
    }
    found = term_probes(over(terms, weight))
    assert set(found) == {"fine"}
    assert "negative" in found.reasons["negative"]
    assert found.reasons["nan"] == "the loss is not finite"
    assert found.reasons["gradient"] == "the gradient is not finite"
    total = descent_probe(over(terms, weight))
    assert "not finite" in total.reason
    assert math.isnan(total.factor)
    assert total.iterations == 0


def test_long_point_sets_are_descended_on_a_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = mlp(), uniform(600)
    terms = {"data": lambda x: model(x) - torch.sin(6 * x), "closure": lambda: model(x[:3])}
    pinn = pinndiag.wrap(model, terms, points={"data": x})
    whole = descent_probe(pinn, iterations=30)
    assert whole.subset == {}
    monkeypatch.setattr("pinndiag._descent._descent.POINTS", 200)
    part = descent_probe(pinn, iterations=30)
    assert part.subset == {"data": 200}
    assert part.before == pytest.approx(whole.before, rel=1e-12)  # of all points
    assert part.factor == pytest.approx(whole.factor, rel=0.5)
    assert part.after == pytest.approx(part.terms["data"] + part.terms["closure"], rel=1e-12)
    assert descent_probe(pinn, iterations=30) == part
    assert term_probes(pinn, iterations=5)["closure"].subset == {}
