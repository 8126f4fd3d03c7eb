"""Balance between terms: one dominates, two pull against each other, two contradict each other, a weight runs away."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.calibration.case import Case
from benchmarks.calibration.equation import Equation, Term, equals
from benchmarks.calibration.equations import (
    burgers,
    decay_inverse,
    heat,
    literature,
    oscillator,
    poisson,
    square,
)
from benchmarks.calibration.training import Phase, Setup, mlp
from pinndiag import schemes

__all__ = ["CASES"]

USUAL = (Phase(budget=1500, lr=2e-3),)
LONG = (Phase(budget=1500, lr=3e-3),)


def _wrong_data(size: float) -> Setup:
    """Poisson with values inside that do not fit the equation."""

    def posed(equation: Equation) -> Equation:
        assert equation.solution is not None
        x, u = equation.solution
        shift = size * torch.sin(3 * math.pi * x[100::200])
        known = u[100::200] + shift

        def residual(net: nn.Module, x: Tensor) -> Tensor:
            return net(x) - known

        data = Term(residual, equation.box.inside, 5, x[100::200])
        return replace(equation, terms={**equation.terms, "data": data})

    return Setup(poisson(0.5), phases=(Phase(budget=1500, decay=0.1), Phase("lbfgs", budget=300))).posed(posed)


def _wrong_end(size: float) -> Setup:
    """The oscillator with a value at its end that its beginning does not lead to."""

    def posed(equation: Equation) -> Equation:
        end = equation.box.faces([(0, 1)])
        known = -math.cos(2.0) * size + (1 - size) * math.cos(2.0)
        data = Term(equals(lambda x: torch.full_like(x, known)), end, 1)
        return replace(equation, terms={**equation.terms, "end": data})

    return Setup(oscillator(2.0), phases=(Phase(budget=1500, decay=0.1), Phase("lbfgs", budget=300))).posed(posed)


def _valley(slope: float, lr: float, kind: str = "sgd") -> Setup:
    """Two fields and two nearly parallel demands on them: u + v = f, u + (1 - slope) v = g."""

    def pose(dtype: torch.dtype) -> Equation:
        base = poisson()(dtype)
        box = base.box

        def fields(x: Tensor) -> Tensor:
            angle = 2 * math.pi * x
            return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)

        def demand(part: float):
            def residual(net: nn.Module, x: Tensor) -> Tensor:
                u, known = net(x), fields(x)
                return (u - known)[:, :1] + part * (u - known)[:, 1:]

            return residual

        x = box.grid(1001)
        terms = {
            "first": Term(demand(1.0), box.inside, 100),
            "second": Term(lambda net, x: -demand(1.0 - slope)(net, x), box.inside, 100),
        }
        return Equation(box, terms, (x, fields(x)), outputs=2)

    return Setup(pose, phases=(Phase(kind, lr=lr, budget=1500),))  # type: ignore[arg-type]


def _named(name: str, counts: dict[str, int], budget: int, **options: object) -> Setup:
    pose, network = literature(name, counts, **options)
    return Setup(pose, network, phases=(Phase(budget=budget, lr=1e-3),))


CASES = [
    Case(
        "pde_dominates/poisson/three-waves",
        "sick",
        Setup(poisson(3.0), mlp(30), LONG).terms(resample=1),
        "pde_dominates",
        strength="the gradient of the residual is about a thousand times that of the ends",
        curable="gradient-norm weights, a larger weight",
        quick=True,
    ),
    Case(
        "pde_dominates/square/one-wave-and-a-half",
        "sick",
        Setup(square(1.5), mlp(30), LONG).terms(resample=1),
        "pde_dominates",
        strength="the gradient of the residual is hundreds of times that of the boundary",
        curable="gradient-norm weights, a larger weight",
    ),
    Case(
        "pde_dominates/poisson-literature/C16",
        "sick",
        _named("poisson_1d", {}, 2500, C=16.0),
        "pde_dominates",
        strength="as published: Wang, Teng, Perdikaris 2021, section 2.3",
        curable="gradient-norm weights, a larger weight",
        subset=False,
    ),
    Case(
        "pde_dominates/burgers/light-conditions",
        "sick",
        Setup(burgers(), phases=USUAL).weighted(bc=1e-5, ic=1e-5),
        "pde_dominates",
        strength="conditions of weight 1e-5",
        curable="gradient-norm weights, a larger weight",
        subset=False,
    ),
    Case(
        "pde_dominates/heat/just-beyond",
        "sick",
        Setup(heat(), phases=USUAL).weighted(bc=1e-3, ic=1e-3),
        "pde_dominates",
        strength="just beyond: conditions of weight 1e-3",
        curable="gradient-norm weights, a larger weight",
    ),
    Case(
        "pde_dominates/heat/just-short",
        "short",
        Setup(heat(), phases=(Phase(budget=1500, decay=0.05),)).weighted(bc=0.2, ic=0.2),
        "pde_dominates",
        strength="just short: conditions of weight 0.2",
    ),
    Case(
        "condition_dominates/poisson/heavy-ends",
        "sick",
        Setup(poisson(), phases=USUAL).weighted(bc=1e7),
        "condition_dominates",
        strength="ends of weight 1e7",
        curable="gradient-norm weights, a smaller weight",
        quick=True,
    ),
    Case(
        "condition_dominates/heat/heavy-start",
        "sick",
        Setup(heat(), phases=USUAL).weighted(ic=1e5),
        "condition_dominates",
        strength="an initial condition of weight 1e5",
        curable="gradient-norm weights, a smaller weight",
    ),
    Case(
        "condition_dominates/inverse/heavy-data",
        "sick",
        Setup(decay_inverse(), phases=USUAL).weighted(data=1e6),
        "condition_dominates",
        strength="data of weight 1e6",
        curable="gradient-norm weights, a smaller weight",
        subset=False,
    ),
    Case(
        "condition_dominates/poisson/just-short",
        "short",
        Setup(poisson(0.5), phases=(Phase(budget=1500, decay=0.05),)).weighted(bc=100.0),
        "condition_dominates",
        strength="just short: ends of weight 100, which are right",
    ),
    Case(
        "gradient_conflict/fields/nearly-parallel",
        "sick",
        _valley(0.1, 0.02),
        "gradient_conflict",
        also=("ill_conditioning",),
        strength="two demands that differ by 10 %",
        curable="directions that serve both, second-order steps",
        quick=True,
    ),
    Case(
        "gradient_conflict/fields/nearly-parallel-adam",
        "sick",
        _valley(0.05, 1e-3, "adam"),
        "gradient_conflict",
        also=("ill_conditioning",),
        strength="two demands that differ by 5 %",
        curable="directions that serve both, second-order steps",
    ),
    Case(
        "gradient_conflict/fields/across",
        "short",
        _valley(1.0, 2e-3, "adam"),
        "gradient_conflict",
        strength="two demands that differ as much as two can",
        subset=False,
    ),
    Case(
        "inconsistent_terms/poisson/wrong-data",
        "sick",
        _wrong_data(0.5),
        "inconsistent_terms",
        strength="values inside that are off by a half",
    ),
    Case(
        "inconsistent_terms/oscillator/wrong-end",
        "sick",
        _wrong_end(1.0),
        "inconsistent_terms",
        strength="the end has the wrong sign",
        quick=True,
    ),
    Case(
        "inconsistent_terms/inverse/wave-in-the-data",
        "sick",
        Setup(decay_inverse(wrong=0.3), phases=(Phase(budget=2000, decay=0.1), Phase("lbfgs", budget=300))),
        "inconsistent_terms",
        strength="data that no rate explains",
        subset=False,
    ),
    Case(
        "inconsistent_terms/poisson/just-beyond",
        "sick",
        _wrong_data(0.1),
        "inconsistent_terms",
        strength="just beyond: values inside that are off by a tenth",
    ),
    Case(
        "inconsistent_terms/poisson/just-short",
        "short",
        _wrong_data(1e-3),
        "inconsistent_terms",
        strength="just short: values inside that are off by a thousandth",
    ),
    Case(
        "runaway_weights/poisson/ratio-annealing",
        "sick",
        replace(
            Setup(poisson(3.0), phases=LONG),
            scheme=lambda: schemes.LRAnnealing(preset="arxiv", reference="pde"),
        ),
        "runaway_weights",
        also=("condition_dominates",),
        strength="learning-rate annealing as first printed",
        curable="its feedback form",
        judged="run",
        quick=True,
    ),
    Case(
        "runaway_weights/heat/ratio-annealing",
        "sick",
        replace(Setup(heat(), phases=LONG), scheme=lambda: schemes.LRAnnealing(preset="arxiv", reference="pde")),
        "runaway_weights",
        also=("condition_dominates",),
        strength="learning-rate annealing as first printed",
        curable="its feedback form",
        judged="run",
    ),
    Case(
        "runaway_weights/square/dynamic-norm",
        "short",
        replace(Setup(square(), phases=LONG), scheme=lambda: schemes.DynamicNorm(reference="pde")),
        "runaway_weights",
        strength="weights that grow and level off",
        judged="run",
        subset=False,
    ),
]
