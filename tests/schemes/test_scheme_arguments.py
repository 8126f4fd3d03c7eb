"""Arguments that make no sense are refused where a scheme is made, not trained with in silence."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pinndiag import PinndiagError, schemes
from pinndiag.schemes._registry import scheme_of

WRONG: dict[str, Callable[[], object]] = {
    "variant='center'": lambda: schemes.DCGD(variant="center"),  # type: ignore[arg-type]
    "stat='max_mean'": lambda: schemes.LRAnnealing(stat="max_mean"),  # type: ignore[arg-type]
    "ascent='Adam'": lambda: schemes.GradNorm(ascent="Adam"),  # type: ignore[arg-type]
    "mask='squares'": lambda: schemes.SelfAdaptive(mask="squares"),  # type: ignore[arg-type]
    "scale='max'": lambda: schemes.AlignedMTL(scale="max"),  # type: ignore[arg-type]
    "begin='start'": lambda: schemes.ReLoBRaLo(begin="start"),  # type: ignore[arg-type]
    "terms='pde'": lambda: schemes.RBA(terms="pde"),
    "normalise='max'": lambda: schemes.SoftAdapt(normalise="max"),  # type: ignore[arg-type]
    "eps_rel=-1.0": lambda: schemes.DynamicNorm(eps_rel=-1.0),
    "weights={'bc': nan}": lambda: schemes.Fixed({"bc": float("nan")}),
    "every=0": lambda: schemes.DynamicNorm(every=0),
    "every=2.5": lambda: schemes.LRAnnealing(every=2.5),  # type: ignore[arg-type]
    "first=-2": lambda: schemes.ConFIG(first=-2),
    "eps_rel=1.0": lambda: schemes.NTKWeights(eps_rel=1.0),
    "max_growth=0.5": lambda: schemes.LRAnnealing(max_growth=0.5),
    "w_min=2.0 is larger": lambda: schemes.LRAnnealing(w_min=2.0, w_max=1.0),
    "w_max=nan": lambda: schemes.Fixed(w_max=float("nan")),
    "keep=1.0": lambda: schemes.InverseDirichlet(keep=1.0),
    "keep=True": lambda: schemes.InverseDirichlet(keep=True),
    "keep='0.9'": lambda: schemes.GlobalGradNorm(keep="0.9"),  # type: ignore[arg-type]
    "keep=-0.1": lambda: schemes.BRDR(keep=-0.1),
    "p=0.5": lambda: schemes.DynamicNorm(p=0.5),
    "p='two'": lambda: schemes.DynamicNorm(p="two"),  # type: ignore[arg-type]
    "power=0.0": lambda: schemes.DynamicNorm(power=0.0),
    "points=0": lambda: schemes.NTKWeights(points=0),
    "probes=0": lambda: schemes.NTKWeights(probes=0),
    "seed=-1": lambda: schemes.PCGrad(seed=-1),
    "alpha=-1.5": lambda: schemes.GradNorm(alpha=-1.5),
    "lr=0.0": lambda: schemes.GradNorm(lr=0.0),
    "order=0": lambda: schemes.SoftAdapt(order=0),
    "beta=inf": lambda: schemes.SoftAdapt(beta=float("inf")),
    "T=0.0": lambda: schemes.ReLoBRaLo(T=0.0),
    "E_rho=1.5": lambda: schemes.ReLoBRaLo(E_rho=1.5),
    "alpha=2.0": lambda: schemes.ReLoBRaLo(alpha=2.0),
    "warmup_average=0": lambda: schemes.ReLoBRaLo(warmup_average=0),
    "clamp=-1.0": lambda: schemes.Uncertainty(clamp=-1.0),
    "sigma=0.0": lambda: schemes.Uncertainty(parametrisation="sigma", init=0.0),
    "sharpness=-1.0": lambda: schemes.SelfAdaptive(sharpness=-1.0),
    "betas=(0.9, 1.0)": lambda: schemes.SelfAdaptive(betas=(0.9, 1.0)),
    "init={'pde': (0.0, inf)}": lambda: schemes.SelfAdaptive(init={"pde": (0.0, float("inf"))}),
    "floor=2.0": lambda: schemes.PointGradNorm(floor=2.0),
    "gamma=1.0": lambda: schemes.RBA(gamma=1.0),
    "eta=0.0": lambda: schemes.RBA(eta=0.0),
    "slabs=0": lambda: schemes.Causal(time={}, slabs=0),
    "eps=(1.0, 0.1)": lambda: schemes.Causal(time={}, eps=(1.0, 0.1)),
    "regularisation=-1.0": lambda: schemes.UPGrad(regularisation=-1.0),
    "exclude='bc' is one word": lambda: schemes.LRAnnealing(exclude="bc"),
    "terms='pde' is one word": lambda: schemes.NTKWeights(terms="pde"),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_makes_no_sense_is_refused(words: str) -> None:
    with pytest.raises(PinndiagError) as raised:
        WRONG[words]()
    assert words in str(raised.value)


def test_the_nearest_word_is_named() -> None:
    with pytest.raises(PinndiagError, match="did you mean 'centre'"):
        schemes.DCGD(variant="center")  # type: ignore[arg-type]


def test_every_number_of_every_scheme_has_its_range() -> None:
    for scheme in schemes.SCHEMES.values():
        known = {name for base in scheme.__mro__ for name in base.__dict__.get("ranges", {})}
        for name, parameter in inspect.signature(scheme).parameters.items():
            numeric = isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool)
            assert name in known or not numeric, (scheme.__name__, name)


def test_numbers_of_numpy_are_those_of_python() -> None:
    scheme = schemes.DynamicNorm(
        keep=np.float32(0.5),
        every=np.int64(7),
        w_max=np.float64(9.0),
        weights={"bc": np.float32(2.0)},
        first=np.int32(3),
    )
    assert (scheme.keep, scheme.every, scheme.first, scheme.limits.w_max) == (0.5, 7, 3, 9.0)
    assert {type(value) for value in scheme.settings.values()} <= {int, float, bool, str, type(None), dict, tuple}
    assert schemes.SelfAdaptive(betas=(np.float64(0.5), 0.9)).betas == (0.5, 0.9)
    assert schemes.DynamicNorm(p="inf").p == math.inf == schemes.DynamicNorm(p=math.inf).p
    gradients = torch.tensor([[3.0, -4.0], [0.0, 0.5]])
    assert schemes.DynamicNorm(p="inf", eps_rel=0.0).weigh(torch.ones(2), gradients).tolist() == [1.0, 8.0]


def test_the_guards_hold_from_the_start() -> None:
    def losses() -> dict[str, torch.Tensor]:
        return {"pde": weight[:3] * 2, "bc": weight[3:] - 1.0}

    weight = torch.nn.Parameter(torch.ones(6, dtype=torch.float64))
    given = {"pde": 0.5, "bc": 100.0}
    fixed = schemes.Fixed(given, w_min=0.75, w_max=10.0)
    fixed(losses())
    assert fixed.weights == {"pde": 0.75, "bc": 10.0}
    for scheme in (schemes.LRAnnealing, schemes.SoftAdapt, schemes.ConFIG, schemes.GradNorm):
        late = scheme(first=5, w_max=10.0, weights=given)
        late(losses())
        assert late.weights == {"pde": 0.5, "bc": 10.0}
    late = schemes.LRAnnealing(first=5, w_min=0.75, w_max=10.0, weights=given, exclude=["bc"])
    late(losses())
    assert late.weights == {"pde": 0.5, "bc": 100.0}  # the reference and what is excluded are not weighed
    points = schemes.RBA(first=5, w_max=0.5, normalise=None)
    points(losses())
    assert points.weights["pde"].tolist() == [0.5] * 3


def test_from_zero_and_below_any_growth_is_allowed() -> None:
    limits = schemes.DCGD(max_growth=2.0).limits
    before, wanted = torch.tensor([0.0, -1.0, 1.0]), torch.tensor([5.0, 0.5, 5.0])
    assert limits(wanted, before).tolist() == [5.0, 0.5, 2.0]


def test_the_weight_of_a_term_multiplies_those_of_its_points() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 1.0]))
    for scheme in (schemes.RBA, schemes.BRDR, schemes.SelfAdaptive, schemes.PointGradNorm):
        plain, scaled = scheme(), scheme(weights={"pde": 5.0})
        for one in (plain, scaled):
            for _ in range(3):
                one({"pde": weight[:3].square(), "bc": weight[3:]}).backward()
        assert torch.equal(scaled.weights["pde"], 5 * plain.weights["pde"])
        assert float(plain.weights["pde"].mean()) == pytest.approx(1)


def test_weights_of_a_training_hold_where_a_scheme_leaves_it_alone() -> None:
    training = {"pde": 0.1, "bc": 100.0, "ic": 7.0}
    expected = {
        schemes.LRAnnealing(): {},
        schemes.LRAnnealing(exclude=["ic"]): {"ic": 7.0},
        schemes.LRAnnealing(first=10): training,
        schemes.DynamicNorm(preset="paper"): training,  # refreshes first at the end of the first interval
        schemes.GlobalGradNorm(): training,  # starts from the user's weights by its source
        schemes.RBA(): training,
        schemes.Fixed(): training,
        schemes.ConFIG(exclude=["bc"]): {"bc": 100.0},
        schemes.NTKWeights(terms=["pde", "bc"]): {"ic": 7.0},
        schemes.LRAnnealing(first=10, weights={"bc": 3.0}): {"bc": 3.0},
    }
    for scheme, given in expected.items():
        scheme.take_over(training)
        assert scheme.given == given, scheme
    used = schemes.RBA()
    used({"pde": torch.ones(3, requires_grad=True)})
    used.take_over(training)
    assert used.given == {}


def test_a_forgotten_past_is_no_past() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))

    def losses(scale: float) -> dict[str, torch.Tensor]:
        return {"pde": (weight[:1] * scale).square().mean(), "bc": (weight[1:] - 1.0).square().mean()}

    used = schemes.DynamicNorm(every=1)
    new = copy.deepcopy(used)
    for _ in range(5):
        used(losses(30.0)).backward()
    assert used.weights != new.weights
    used.forget()
    assert used(losses(3.0)).item() == new(losses(3.0)).item()
    assert used.weights == new.weights


def test_a_scheme_may_be_given_by_its_class() -> None:
    assert isinstance(scheme_of(schemes.DynamicNorm), schemes.DynamicNorm)
    with pytest.raises(PinndiagError, match="not a balancing scheme"):
        scheme_of({"bc": 3.0})
