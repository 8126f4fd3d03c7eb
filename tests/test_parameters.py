"""The flat real vector of parameters."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pinndiag import TermError
from pinndiag._parameters import collect, flatten, layer_of, layers, sizes, unflatten

SHAPES = st.lists(st.lists(st.integers(1, 3), max_size=3), min_size=1, max_size=4)


@given(SHAPES, st.lists(st.booleans(), min_size=4, max_size=4))
def test_unflatten_inverts_flatten(shapes: list[list[int]], is_complex: list[bool]) -> None:
    like = [
        torch.randn(s, dtype=torch.complex128 if c else torch.float64) for s, c in zip(shapes, is_complex, strict=False)
    ]
    flat = flatten(like, like)
    assert flat.shape == (sum(sizes(like)),)
    assert not flat.is_complex()
    assert all(torch.equal(a, b) for a, b in zip(unflatten(flat, like), like, strict=True))


def test_none_counts_as_zeros() -> None:
    like = [torch.ones(2), torch.ones(3)]
    assert flatten([None, torch.full((3,), 2.0)], like).tolist() == [0, 0, 2, 2, 2]


def test_the_norm_of_a_complex_gradient_is_that_of_its_real_pairs() -> None:
    z = torch.tensor([3 + 4j])
    assert flatten([z], [z]).norm() == 5


def test_layers_in_order() -> None:
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))
    assert layers(dict(model.named_parameters())) == {"0": ["0.weight", "0.bias"], "2": ["2.weight", "2.bias"]}
    assert layer_of("weight") == "(model)"


def test_shared_tensors_are_collected_once() -> None:
    model = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})
    model["b"].weight = model["a"].weight
    assert list(collect({"": model}, None, model.parameters())) == ["a.weight", "a.bias", "b.bias"]


def test_names_given_by_the_user_are_kept() -> None:
    nu = nn.Parameter(torch.ones(()))
    assert list(collect({"u": nn.Linear(1, 1)}, {"nu": nu}, [])) == ["u.weight", "u.bias", "nu"]


def test_a_tensor_without_gradient_is_refused() -> None:
    with pytest.raises(TermError, match="cannot be trained"):
        collect({}, {"k": torch.ones(1)}, [])
