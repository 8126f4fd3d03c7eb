"""Per-term gradients against Jacobians built row by row, closed forms, and what must hold for any PINN."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN
from pinndiag._records import GradientFigures, Gradients, Histogram, from_plain, to_plain
from pinndiag._terms._view import View
from pinndiag.analyzers import gradients
from tests.cases import CASES, linear, mlp, poisson, uniform


def reals(tensor: Tensor) -> np.ndarray:
    parts = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return parts.detach().double().reshape(-1).numpy()


def pulled(scalar: Tensor, pinn: PINN) -> np.ndarray:
    found = torch.autograd.grad(scalar, pinn.tensors, retain_graph=True, allow_unused=True)
    pairs = zip(found, pinn.tensors, strict=True)
    return np.concatenate([reals(torch.zeros_like(p) if g is None else g) for g, p in pairs])


def dense(pinn: PINN) -> dict[str, np.ndarray]:
    """Gradient of each loss as 2/n J^T r, with the Jacobian one residual entry at a time."""
    found = {}
    for name, output in pinn.outputs().items():
        if output.ndim == 0:
            found[name] = pulled(output, pinn)
            continue
        entries = torch.view_as_real(output) if output.is_complex() else output
        jacobian = np.stack([pulled(entry, pinn) for entry in entries.reshape(-1)])
        found[name] = 2 / output.numel() * jacobian.T @ reals(output)
    return found


def columns(pinn: PINN) -> dict[str, np.ndarray]:
    """Parameter -> its places in the flat vector."""
    sizes = [reals(p).size for p in pinn.tensors]
    ends = np.cumsum(sizes)
    return {n: np.arange(e - s, e) for n, s, e in zip(pinn.parameters, sizes, ends, strict=True)}


def assert_figures(found: GradientFigures, g: np.ndarray, rel: float, abs: float = 0.0) -> None:
    expected = {
        "grad_l2": np.linalg.norm(g),
        "grad_l1": np.abs(g).sum(),
        "grad_max": np.abs(g).max(),
        "grad_mean": np.abs(g).mean(),
        "grad_std": g.std(),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=rel, abs=abs), name
    if g.std() > 1e-6 * np.abs(g).max():
        kurtosis = ((g - g.mean()) ** 4).mean() / g.var() ** 2
        assert found.grad_kurtosis == pytest.approx(kurtosis, rel=10 * rel)
    assert found.nonfinite == 0


@pytest.mark.parametrize("name", CASES)
def test_every_figure_has_its_dense_twin(name: str) -> None:
    pinn = CASES[name]()
    single = pinn.dtype == torch.float32
    rel, tiny = (2e-4, 1e-7) if single else (1e-10, 1e-14)
    g = dense(pinn)
    w = pinn.weights
    losses = pinn.losses()
    found = gradients(pinn)
    total = sum(w[n] * g[n] for n in g)
    for term in pinn.names:
        assert_figures(found.terms[term], g[term], rel, tiny)
        assert found.losses[term] == pytest.approx(losses[term].item(), rel=1e-6 if single else 1e-12)
    assert_figures(found.total, total, rel, tiny)
    assert found.total_loss == pytest.approx(sum(w[n] * found.losses[n] for n in g))
    lengths = {n: np.linalg.norm(g[n]) for n in g}
    for a, b in itertools.combinations(pinn.names, 2):
        cosine = g[a] @ g[b] / (lengths[a] * lengths[b])
        assert found.cosine[f"{a}|{b}"] == pytest.approx(cosine, abs=1e-5 if single else 1e-10)
        assert found.ratio[f"{a}|{b}"] == pytest.approx(w[a] * lengths[a] / (w[b] * lengths[b]), rel=rel)
    mean = np.mean([g[n] / lengths[n] for n in g], axis=0)
    assert found.alignment == pytest.approx(2 * mean @ mean - 1, abs=1e-5 if single else 1e-10)
    cancellation = np.linalg.norm(total) / sum(abs(w[n]) * lengths[n] for n in g)
    assert found.cancellation == pytest.approx(cancellation, rel=rel)
    places = columns(pinn)
    assert [layer.name for layer in found.layers] == list(pinn.layers)
    for layer in found.layers:
        members = pinn.layers[layer.name]
        parts: dict[str, tuple[list[str], dict[str, GradientFigures] | None]] = {
            "all": (members, layer.terms),
            "weight": ([m for m in members if pinn.parameters[m].ndim >= 2], layer.weight),
            "bias": ([m for m in members if pinn.parameters[m].ndim < 2], layer.bias),
        }
        for chosen, figures in parts.values():
            assert (figures is None) == (not chosen)
            if figures is not None:
                index = np.concatenate([places[m] for m in chosen])
                for term in pinn.names:
                    assert_figures(figures[term], g[term][index], rel, tiny)
        index = np.concatenate([places[m] for m in members])
        assert layer.parameters == len(index)
        assert_figures(layer.total, total[index], rel, tiny)


def test_linear_case_in_closed_form() -> None:
    x, y = uniform(5).numpy()[:, 0], uniform(4, seed=4).numpy()[:, 0]
    data = 2 * x - 1 - np.sin(3 * x)
    other = 3 * (2 * y - 1) - 1
    a = np.array([2 * (data * x).mean(), 2 * data.mean()])
    b = np.array([2 * (other * 3 * y).mean(), 2 * (3 * other).mean()])
    found = gradients(linear())
    assert_figures(found.terms["data"], a, 1e-13)
    assert_figures(found.terms["other"], b, 1e-13)
    assert_figures(found.total, a + 0.5 * b, 1e-13)
    assert found.losses == pytest.approx({"data": (data**2).mean(), "other": (other**2).mean()})
    assert found.weights == {"data": 1.0, "other": 0.5}
    assert found.ratio["data|other"] == pytest.approx(np.linalg.norm(a) / (0.5 * np.linalg.norm(b)))
    assert found.layers[0].name == "(model)"
    assert found.layers[0].bias is not None
    assert found.layers[0].bias["other"].grad_mean == pytest.approx(abs(b[1]))


@pytest.mark.parametrize("name", CASES)
def test_weighted_term_gradients_add_up_to_one_backward_of_the_sum(name: str) -> None:
    pinn = CASES[name]()
    loss = sum(pinn.weights[n] * loss for n, loss in pinn.losses().items())
    assert isinstance(loss, Tensor)
    g = pulled(loss, pinn)
    rel, tiny = (2e-4, 1e-6) if pinn.dtype == torch.float32 else (1e-10, 1e-13)
    assert_figures(gradients(pinn).total, g, rel, tiny)


def entries(histogram: Histogram) -> int:
    outside = histogram.below + histogram.above + histogram.zeros + histogram.nonfinite
    return sum(histogram.counts) + outside


@pytest.mark.parametrize("name", CASES)
def test_histograms_count_every_entry_once_in_bins_that_the_terms_share(name: str) -> None:
    pinn = CASES[name]()
    found = gradients(pinn)
    rooms: list[tuple[Gradients | pinndiag._records.LayerGradients, int]] = [(found, pinn.size)]
    rooms += [(layer, layer.parameters) for layer in found.layers]
    for room, size in rooms:
        for group in (room.histograms, room.weighted, room.magnitudes):
            assert list(group) == pinn.names
            assert {entries(h) for h in group.values()} == {size}
            assert {len(h.counts) for h in group.values()} == {100}
            assert len({(h.low, h.high) for h in group.values()}) == 1
        assert all(h.low == -h.high for h in (*room.histograms.values(), *room.weighted.values()))


def test_histograms_are_numpys() -> None:
    pinn = poisson()
    g = dense(pinn)
    found = gradients(pinn)
    layer = found.layers[1]
    index = np.concatenate([columns(pinn)[m] for m in pinn.layers[layer.name]])
    for group, factor in ((layer.histograms, {"pde": 1.0, "bc": 1.0}), (layer.weighted, pinn.weights)):
        values = {n: factor[n] * g[n][index] for n in g}
        edge = max(np.quantile(np.abs(v), 0.999) for v in values.values())
        for n, v in values.items():
            assert group[n].high == pytest.approx(edge, rel=1e-9)
            counts = np.histogram(v, bins=np.linspace(-group[n].high, group[n].high, 101))[0]
            # an entry on an edge may fall to either side of it by rounding
            assert np.abs(np.array(group[n].counts) - counts).sum() <= 2
    assert layer.weighted["bc"].high > layer.histograms["bc"].high


def test_an_unreached_parameter_is_a_zero_and_not_a_gap() -> None:
    pinn = poisson()
    found = gradients(pinn)
    assert found.reached == pytest.approx({"pde": 1 - 1 / pinn.size, "bc": 1.0})
    last = found.layers[-1]
    assert last.bias is not None
    assert last.bias["pde"].grad_max == 0
    assert math.isnan(last.bias["pde"].grad_kurtosis)
    assert last.magnitudes["pde"].zeros == 1
    assert found.magnitudes["pde"].zeros == 1


def small(scales: dict[str, float], order: list[str], weights: dict[str, float] | None = None) -> PINN:
    """Three terms of one network, each multiplied by a number, in some order."""
    model = mlp()
    x = uniform(9)
    plain: dict[str, Callable[[], Tensor]] = {
        "a": lambda: model(x) - 1,
        "b": lambda: model(2 * x),
        "c": lambda: (model(x) ** 2 - x).mean(),
    }
    terms = {n: (lambda n=n: scales.get(n, 1.0) * plain[n]()) for n in order}
    return pinndiag.wrap(model, terms, weights=weights)


def test_scaling_one_term_scales_its_figures_alone() -> None:
    order = ["a", "b", "c"]
    plain, scaled = gradients(small({}, order)), gradients(small({"b": 3.0}, order))
    assert scaled.terms["a"] == plain.terms["a"]
    assert scaled.terms["b"].grad_l2 == pytest.approx(9 * plain.terms["b"].grad_l2)  # a residual: its loss is quadratic
    assert scaled.terms["b"].grad_std == pytest.approx(9 * plain.terms["b"].grad_std)
    assert scaled.terms["b"].grad_kurtosis == pytest.approx(plain.terms["b"].grad_kurtosis)
    assert scaled.cosine == pytest.approx(plain.cosine)
    assert scaled.alignment == pytest.approx(plain.alignment)
    assert scaled.ratio["a|b"] == pytest.approx(plain.ratio["a|b"] / 9)
    undone = gradients(small({"b": 3.0}, order, weights={"b": 1 / 9}))
    assert undone.total.grad_l2 == pytest.approx(plain.total.grad_l2)
    assert undone.ratio == pytest.approx(plain.ratio)
    assert undone.weighted["b"].counts == plain.weighted["b"].counts


def test_the_order_of_the_terms_does_not_matter() -> None:
    first, second = gradients(small({}, ["a", "b", "c"])), gradients(small({}, ["c", "a", "b"]))
    assert second.terms == first.terms
    assert second.histograms == first.histograms
    assert second.total.grad_l2 == pytest.approx(first.total.grad_l2)
    assert second.alignment == pytest.approx(first.alignment)
    assert second.cancellation == pytest.approx(first.cancellation)
    assert list(first.cosine) == ["a|b", "a|c", "b|c"]
    assert list(second.cosine) == ["c|a", "c|b", "a|b"]
    assert second.cosine["c|a"] == pytest.approx(first.cosine["a|c"])
    assert second.ratio["c|a"] == pytest.approx(1 / first.ratio["a|c"])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_spoiled_term_leaves_the_others_alone(bad: float) -> None:
    order = ["a", "b", "c"]
    sound, found = gradients(small({}, ["a", "c"])), gradients(small({"b": bad}, order))
    for n in ("a", "c"):
        assert found.terms[n] == sound.terms[n]
        assert found.histograms[n] == sound.histograms[n]
        assert found.weighted[n] == sound.weighted[n]
        assert found.magnitudes[n] == sound.magnitudes[n]
        assert [layer.terms[n] for layer in found.layers] == [layer.terms[n] for layer in sound.layers]
    assert found.cosine["a|c"] == pytest.approx(sound.cosine["a|c"])
    assert found.ratio["a|c"] == sound.ratio["a|c"]
    assert found.alignment == pytest.approx(sound.alignment)  # over the terms that have a direction
    assert found.terms["b"].nonfinite > 0
    assert found.total.nonfinite > 0
    assert math.isnan(found.cosine["a|b"])
    assert math.isnan(found.cancellation)
    assert entries(found.histograms["b"]) == found.layers[0].parameters + sum(
        layer.parameters for layer in found.layers[1:]
    )
    again = from_plain(to_plain(found), Gradients)
    assert to_plain(again) == to_plain(found)


def test_a_term_without_gradient_has_no_direction() -> None:
    order = ["a", "b"]
    found = gradients(small({"b": 0.0}, order))
    assert found.terms["b"].grad_l2 == 0
    assert math.isnan(found.cosine["a|b"])
    assert found.ratio["a|b"] == math.inf
    assert found.alignment == pytest.approx(1)
    assert found.cancellation == pytest.approx(1)
    assert found.layers[0].magnitudes["b"].zeros == found.layers[0].parameters
    none = gradients(small({"a": 0.0, "b": 0.0}, order))
    assert math.isnan(none.ratio["a|b"])
    assert math.isnan(none.alignment)
    assert math.isnan(none.cancellation)


def test_opposed_terms() -> None:
    k = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    terms = {"up": lambda: 3 * k.sum(), "down": lambda: -k.sum()}
    found = gradients(pinndiag.wrap(lambda p, x: x, terms, parameters={"k": k}, weights={"down": 3.0}))
    assert found.cosine["up|down"] == pytest.approx(-1)
    assert found.cosine["up|down"] >= -1
    assert found.alignment == pytest.approx(-1)
    assert found.cancellation == 0
    assert found.ratio["up|down"] == pytest.approx(1)
    assert found.total.grad_l2 == 0


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_joint_figures_hold_for_terms_of_any_size(scale: float) -> None:
    plain = gradients(small({}, ["a", "b", "c"]))
    found = gradients(small({"a": scale, "c": 1 / scale}, ["a", "b", "c"]))
    assert found.cosine == pytest.approx(plain.cosine, abs=1e-12)
    assert found.alignment == pytest.approx(plain.alignment)
    assert found.cancellation == pytest.approx(1)  # the largest term is all there is


def test_a_view_shares_the_gradients() -> None:
    calls = 0
    model = nn.Linear(1, 1).double()

    def term() -> Tensor:
        nonlocal calls
        calls += 1
        return model(torch.ones(3, 1, dtype=torch.float64)) - 5

    view = View.of(pinndiag.wrap(model, {"only": term}))
    first = gradients(view)
    before = calls
    assert to_plain(gradients(view)) == to_plain(first)
    assert calls == before
    assert first.cosine == {}
    assert first.alignment == pytest.approx(1)
