"""The flat real vector of parameters."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pinndiag import TermError
from pinndiag._terms._parameters import collect, flatten, layers, sizes, unflatten

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


def test_tensors_without_entries_are_left_out() -> None:
    model, empty = nn.Linear(1, 1), nn.Parameter(torch.empty(1, 0))
    assert list(collect({"": model}, {"k": empty}, [empty])) == ["weight", "bias"]


def test_layers_in_order() -> None:
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))
    assert layers(dict(model.named_parameters())) == {"0": ["0.weight", "0.bias"], "2": ["2.weight", "2.bias"]}
    assert layers(dict(nn.Linear(1, 2).named_parameters())) == {"(model)": ["weight", "bias"]}


def test_coefficients_stand_by_themselves() -> None:
    model, k, nu = nn.Linear(2, 1), nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(2))
    assert list(layers(collect({"": model}, {"k": k}, []))) == ["(model)", "k"]
    assert list(layers(collect({"u": model}, {"nu": nu, "k": k}, []))) == ["u", "nu", "k"]
    assert list(layers(collect({"u": model}, [nu, k], []))) == ["u", "parameters.0", "parameters.1"]
    mapping = {"w": nn.Parameter(torch.ones(2, 1)), "b": nu}  # in the style of functional_call: a bias has its matrix
    assert layers(mapping) == {"(model)": ["w", "b"]}


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
