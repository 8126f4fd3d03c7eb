"""Arguments that make no sense are refused where a scheme is made, not trained with in silence."""

from __future__ import annotations

import copy
from collections.abc import Callable

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
    "'bc' is not a finite number": lambda: schemes.Fixed({"bc": float("nan")}),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_makes_no_sense_is_refused(words: str) -> None:
    with pytest.raises(PinndiagError) as raised:
        WRONG[words]()
    assert words in str(raised.value)


def test_the_nearest_word_is_named() -> None:
    with pytest.raises(PinndiagError, match="did you mean 'centre'"):
        schemes.DCGD(variant="center")  # type: ignore[arg-type]


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
