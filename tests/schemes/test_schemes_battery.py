"""What holds of every scheme, whatever its formula."""

from __future__ import annotations

import copy
import inspect
import io
import json
import math

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag._errors import PinndiagError
from pinndiag.schemes import SCHEMES, AbstractPointScheme, AbstractScheme
from pinndiag.schemes._options import Options
from tests.schemes.toys import KEYS, made, network, terms, timed, train, weighted

# of arguments whose value is no number, one that is not the usual one
CHOICES: dict[str, dict[str, object]] = {
    "inverse_dirichlet": {"reference": "max"},
    "dynamic_norm": {"p": "inf"},
    "gradnorm": {"layer": "last", "ascent": "sgd"},
    "lra": {"stat": "mean/mean", "pooling": "layer_mean"},
    "ntk": {"terms": ("pde", "bc"), "estimate": "signs"},
    "relobralo": {"begin": "averaged", "alpha": 0.5},
    "sa": {"mask": "sigmoid", "betas": (0.5, 0.9)},
    "rba": {"terms": "all", "outside_square": True},
    "causal": {"before": "bc", "eps": (0.1, 1.0)},
}
every_scheme = pytest.mark.parametrize("key", KEYS)


def same(a: dict[str, Tensor], b: dict[str, Tensor], *, exact: bool = True) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        if exact:
            assert torch.equal(value, b[name]), name
        else:
            torch.testing.assert_close(value, b[name], rtol=1e-9, atol=1e-12)


@every_scheme
@pytest.mark.parametrize("shared", [False, True])
def test_value_and_gradient_are_those_of_the_weighted_sum(key: str, shared: bool) -> None:
    net, scheme = network(), made(key)
    for _ in range(3):
        net.zero_grad()
        loss = scheme(terms(net, shared=shared))
        loss.backward()
        assert list(scheme.weights) == ["pde", "bc", "ic"]
        wanted = weighted(terms(net, shared=shared), scheme.weights)
        found = weighted(terms(net, shared=shared), dict.fromkeys(scheme.weights, 1.0)) if scheme.directs else wanted
        torch.testing.assert_close(loss, found)
        for p, g in zip(net.parameters(), torch.autograd.grad(wanted, list(net.parameters())), strict=True):
            torch.testing.assert_close(p.grad, g, rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            for p in net.parameters():
                p -= 1e-3 * p.grad


@every_scheme
def test_weights_are_positive_and_finite(key: str) -> None:
    for weights in train(network(), made(key), 5):
        for weight in weights.values():
            assert bool(torch.isfinite(weight).all())
            assert bool((weight >= 0).all()) or SCHEMES[key].directs


@every_scheme
def test_the_order_of_the_other_terms_does_not_matter(key: str) -> None:
    if key == "pcgrad":
        pytest.skip("its partners are taken in random order")
    turned = lambda step, outputs: {name: outputs[name] for name in ("pde", "ic", "bc")}  # noqa: E731
    for a, b in zip(train(network(), made(key), 4), train(network(), made(key), 4, turned), strict=True):
        same(a, b, exact=False)


@every_scheme
@pytest.mark.parametrize("after", [0, 3])
def test_a_run_goes_on_bit_for_bit_from_its_saved_state(key: str, after: int) -> None:
    whole_net, whole = network(), made(key)
    net, first = network(), made(key)
    train(whole_net, whole, after)
    train(net, first, after)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = made(key)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert dict(second.weights).keys() == dict(first.weights).keys()
    for a, b in zip(train(whole_net, whole, 4), train(net, second, 4), strict=True):
        same(a, b)
    same(dict(whole_net.state_dict()), dict(net.state_dict()))


@every_scheme
def test_a_copy_goes_on_like_the_original(key: str) -> None:
    net, scheme = network(), made(key)
    train(net, scheme, 3)
    other_net, other = copy.deepcopy((net, scheme))
    for a, b in zip(train(net, scheme, 3), train(other_net, other, 3), strict=True):
        same(a, b)


@every_scheme
def test_the_state_of_another_scheme_is_refused(key: str) -> None:
    other = made("lra" if key != "lra" else "dynamic_norm")
    with pytest.raises(PinndiagError, match="not of"):
        other.load_state_dict(made(key).state_dict())


@every_scheme
def test_without_grad_the_last_weights_are_applied_and_nothing_advances(key: str) -> None:
    net, scheme = network(), made(key)
    train(net, scheme, 3)
    before = copy.deepcopy(scheme.state_dict())
    with torch.no_grad():
        outputs = {name: output.detach() for name, output in _outputs_with_grad(net).items()}
        weights = dict.fromkeys(outputs, 1.0) if scheme.directs else scheme.weights
        torch.testing.assert_close(scheme(outputs), weighted(outputs, weights))
    assert _flat(before) == _flat(scheme.state_dict())


@every_scheme
def test_a_frozen_scheme_keeps_its_weights(key: str) -> None:
    net, scheme = network(), made(key)
    train(net, scheme, 3)
    scheme.eval()
    kept = [train(net, scheme, 1)[0] for _ in range(3)]
    same(kept[0], kept[1])
    same(kept[0], kept[2])


@every_scheme
@pytest.mark.parametrize("known", [False, True])
def test_weights_stay_as_they_are_within_a_step_of_lbfgs(key: str, known: bool) -> None:
    net = network()
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=4)
    scheme = made(key, optimizer=optimizer if known else None, every=1)
    seen: list[list[dict[str, Tensor]]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = scheme(terms(net))
        loss.backward()
        seen[-1].append({name: torch.as_tensor(w).clone() for name, w in scheme.weights.items()})
        return loss

    for _ in range(2):
        seen.append([])
        if scheme.directs:
            with pytest.raises(PinndiagError, match="L-BFGS cannot train with"):
                optimizer.step(closure)
            return
        optimizer.step(closure)
        assert len(seen[-1]) > 1
        for weights in seen[-1]:
            same(weights, seen[-1][0])
    assert scheme.state_dict()["_extra_state"]["step"] == 2


@every_scheme
def test_a_term_whose_gradient_is_zero_keeps_its_weight(key: str) -> None:
    def still(step: int, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**outputs, "ic": torch.zeros(5, dtype=torch.float64, requires_grad=False)}

    scheme = made(key, weights={"ic": 3.0})
    for weights in train(network(), scheme, 4, still):
        assert all(bool(torch.isfinite(w).all()) for w in weights.values())
    if scheme.about.needs == "gradients" and not scheme.directs and key != "gradnorm":
        assert weights["ic"] == 3.0
        assert scheme.skipped["ic"] > 0
        assert scheme.skipped["bc"] == 0


@every_scheme
@pytest.mark.parametrize("bad", ["pde", "bc"])
def test_one_refresh_with_nan_changes_nothing(key: str, bad: str) -> None:
    """What is remembered of the step is as if it had not been; the trained parameters are left alone here."""
    by_point = issubclass(SCHEMES[key], AbstractPointScheme) and key != "causal"
    scheme, net = made(key, every=1, **({"terms": "all"} if by_point else {})), network()
    for _ in range(2):
        scheme(terms(net))
    before = copy.deepcopy(scheme.state_dict()["_extra_state"])
    spoiled = terms(net)
    spoiled[bad] = spoiled[bad] * math.nan
    scheme(spoiled)
    after = scheme.state_dict()["_extra_state"]
    for name in before["terms"]:
        for field, value in before["terms"][name].items():
            if name == bad and field not in ("skipped", "vanishing"):
                assert torch.equal(value, after["terms"][name][field]), (name, field)
    for weight in scheme.weights.values():
        assert bool(torch.isfinite(torch.as_tensor(weight)).all())
    if key != "fixed" and (key, bad) != ("causal", "bc"):
        assert scheme.skipped[bad] == 1


@every_scheme
def test_excluded_terms_keep_the_weight_they_were_given(key: str) -> None:
    scheme = made(key, exclude=["ic"], weights={"ic": 5.0})
    for weights in train(network(), scheme, 3):
        assert weights["ic"] == 5.0


@every_scheme
def test_before_the_first_refresh_the_given_weights_are_applied(key: str) -> None:
    scheme = made(key, first=2, weights={"bc": 4.0})
    history = train(network(), scheme, 3)
    for weights in history[:2]:
        torch.testing.assert_close(weights["bc"], torch.tensor(4.0), check_dtype=False)
        assert bool((weights["pde"] == 1).all())
        assert weights["ic"] == 1


@every_scheme
def test_a_term_may_stay_away_and_come_back(key: str) -> None:
    def away(step: int, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: o for name, o in outputs.items() if name != "ic"} if step in (2, 3) else outputs

    history = train(network(), made(key), 6, away)
    assert torch.equal(history[1]["ic"], history[2]["ic"])
    assert torch.equal(history[1]["ic"], history[3]["ic"])
    assert all(bool(torch.isfinite(w).all()) for w in history[-1].values())


@every_scheme
def test_unknown_names_and_presets_are_refused(key: str) -> None:
    with pytest.raises(PinndiagError, match="no preset"):
        made(key, preset="nobody")
    with pytest.raises(TypeError, match="did you mean 'exclude'"):
        made(key, exlude=["bc"])
    for option in ({"reference": "dpe"}, {"exclude": ["dpe"]}):
        with pytest.raises(PinndiagError, match="'dpe'"):
            made(key, **option)(terms(network()))


@pytest.mark.parametrize(("key", "preset"), [(key, preset) for key in KEYS for preset in SCHEMES[key].presets])
def test_every_preset_runs_and_yields_to_what_is_given(key: str, preset: str) -> None:
    net = network()
    scheme = made(key, preset=preset, every=3, parameters=net.parameters())
    assert scheme.every == 3
    train(net, scheme, 4)
    assert preset in repr(scheme)


@every_scheme
def test_leaves_that_are_not_parameters_get_their_gradient(key: str) -> None:
    net, k = network(), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    scheme = made(key)
    outputs = terms(net)
    scheme({**outputs, "pde": outputs["pde"] * k}).backward()
    assert k.grad is not None
    assert float(k.grad) != 0 or float(torch.as_tensor(scheme.weights["pde"]).abs().sum()) == 0


@every_scheme
def test_single_precision(key: str) -> None:
    net, scheme = network(torch.float32), made(key)
    for weights in train(net, scheme, 3):
        for weight in weights.values():
            assert bool(torch.isfinite(weight).all())
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())


def _outputs_with_grad(net: nn.Module) -> dict[str, Tensor]:
    with torch.enable_grad():
        return terms(net)


def _flat(state: dict[str, object]) -> str:
    torch.set_printoptions(precision=17)
    try:
        return repr(state)
    finally:
        torch.set_printoptions(profile="default")


def test_it_is_one_scheme_a_key() -> None:
    for key, scheme in SCHEMES.items():
        assert scheme.about.key == key
        assert issubclass(scheme, AbstractScheme)
        assert scheme.__doc__


@every_scheme
def test_settings_are_plain_values_under_the_names_of_the_arguments(key: str) -> None:
    settings = made(key, every=3, w_max=50.0).settings
    assert json.loads(json.dumps(settings)).keys() == settings.keys()
    assert (settings["every"], settings["w_max"]) == (3, 50.0)
    for name in inspect.signature(SCHEMES[key]).parameters.keys() - {"options"} | Options.__annotations__.keys():
        assert name in settings, name


@every_scheme
def test_a_scheme_can_be_made_again_from_its_settings(key: str) -> None:
    """So that none is missing, and none says anything else than what was given."""
    words = CHOICES.get(key, {})
    scheme = made(key, every=3, first=-1, w_max=50.0, exclude=["ic"], weights={"ic": 4.0}, eps_rel=1e-3, **words)
    settings = scheme.settings
    for name, word in words.items():
        assert settings[name] == word
        assert f"{name}={word!r}" in repr(scheme)
    if key == "causal":
        assert settings["time"] == {"pde": "a tensor of 12 numbers"}
        settings = {**settings, **timed(key)}
    again = SCHEMES[key](**settings)
    assert again.settings == scheme.settings
    assert repr(again) == repr(scheme)


@every_scheme
def test_its_own_arguments_are_shown(key: str) -> None:
    scheme = made(key, w_max=50.0)
    for name in inspect.signature(SCHEMES[key]).parameters.keys() - {"options", "weights"}:
        assert f"{name}=" in repr(scheme), name
    assert "w_max=50.0" in repr(scheme)
    assert "reference=the first term given" in repr(scheme)
    scheme(terms(network()))
    assert "reference='pde'" in repr(scheme)


@every_scheme
def test_alone_and_in_watch_it_does_the_same(key: str) -> None:
    alone, watched = network(), network()
    train(alone, made(key), 4)
    optimizer = torch.optim.SGD(watched.parameters(), lr=1e-3)
    with pinndiag.watch(watched, optimizer, every=1, scheme=made(key)) as watch:
        for _ in range(4):
            optimizer.zero_grad()
            watch(terms(watched)).backward()
            optimizer.step()
    for a, b in zip(alone.parameters(), watched.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_copy_of_the_scheme_alone_serves_another_network() -> None:
    scheme = made("lra", every=1)
    train(network(), scheme, 3)
    other = network()
    train(other, copy.deepcopy(scheme), 1)
    assert all(p.grad is not None for p in other.parameters())


def test_another_network_under_a_used_scheme_is_an_error() -> None:
    scheme = made("lra", every=1)
    train(network(), scheme, 3)
    with pytest.raises(PinndiagError, match="has weighed the terms of another network"):
        train(network(), scheme, 1)
