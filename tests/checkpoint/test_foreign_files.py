"""Other programs' files: which weights are taken, into which parameters, and what is said when they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, CheckpointError
from pinndiag._checkpoint import NoTermsError, load
from pinndiag._checkpoint._foreign import fill, tables

Made = Callable[..., Path]


def net(seed: int, width: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.BatchNorm1d(width), nn.Linear(width, 1)).eval().double()


def wrapped(model: nn.Module, **options: Any) -> PINN:
    x = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    return pinndiag.wrap(model, {"data": lambda: model(x) - 1}, **options)


def stepped(model: nn.Module, kind: type[torch.optim.Optimizer] = torch.optim.Adam, **settings: Any) -> Any:
    optimizer = kind(model.parameters(), lr=1e-3, **settings)
    model(torch.ones(3, 1, dtype=torch.float64)).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return optimizer


def same(pinn: PINN, model: nn.Module) -> bool:
    return all(torch.equal(pinn.state[name], tensor) for name, tensor in model.state_dict().items())


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


SHAPES: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "top level": lambda s: s,
    "model_state_dict": lambda s: {"epoch": 3, "model_state_dict": s, "loss": 0.5},
    "state_dict": lambda s: {"state_dict": s},
    "model": lambda s: {"model": s},
    "net": lambda s: {"net": s},
    "unknown key": lambda s: {"my weights": s, "history": [1.0]},
    "nested": lambda s: {"checkpoint": {"solver": {"state_dict": s}}},
    "in a list": lambda s: {"models": [s]},
    "lightning": lambda s: {
        "epoch": 1,
        "global_step": 10,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": prefixed("model.", s),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {},
        "optimizer_states": [],
    },
    "lightning, net": lambda s: {"state_dict": prefixed("net.", s)},
    "data parallel": lambda s: prefixed("module.", s),
    "compiled": lambda s: prefixed("_orig_mod.", s),
    "compiled in lightning": lambda s: {"state_dict": prefixed("model._orig_mod.", s)},
    "pina": lambda s: {"state_dict": prefixed("_pina_models.0.", s)},
    "torchphysics": lambda s: {
        "state_dict": prefixed("train_conditions.0.module.", s) | prefixed("train_conditions.1.module.", s)
    },
    "other tensors beside": lambda s: {"state_dict": prefixed("model.", s) | {"balancer.weights": torch.ones(3)}},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_found(saved: Made, shape: str) -> None:
    trained, fresh = net(1), net(2)
    path = saved(SHAPES[shape](trained.state_dict()))
    pinn = wrapped(fresh)
    assert not same(pinn, trained)
    fill(pinn, torch.load(path), path)
    assert same(pinn, trained)
    assert torch.equal(fresh[0].weight, trained[0].weight)  # in place
    assert pinn.origin == str(path)
    assert any(note.startswith("weights taken from") for note in pinn.notes)


def test_notes_name_the_key_and_the_prefix(saved: Made) -> None:
    path = saved({"state_dict": prefixed("model.", net(1).state_dict())})
    pinn = wrapped(net(2))
    fill(pinn, torch.load(path), path)
    assert "weights taken from key 'state_dict' of file.pt (without 'model.')" in pinn.notes


def test_the_likelier_key_is_taken_and_the_other_is_named(saved: Made) -> None:
    trained, average = net(1), net(3)
    path = saved({"ema": average.state_dict(), "model_state_dict": trained.state_dict()})
    pinn = wrapped(net(2))
    fill(pinn, torch.load(path), path)
    assert same(pinn, trained)
    assert any("'ema'" in note and "would fit too" in note for note in pinn.notes)


def test_several_networks_and_a_coefficient(saved: Made) -> None:
    u, k = net(1), net(2)
    path = saved({"u": u.state_dict(), "k": k.state_dict(), "diffusivity": torch.tensor(0.7)})
    new_u, new_k = net(3), net(4)
    diffusivity = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    x = torch.ones(3, 1, dtype=torch.float64)
    pinn = pinndiag.wrap(
        {"u": new_u, "k": new_k}, {"pde": lambda: new_u(x) * diffusivity - new_k(x)},
        parameters={"diffusivity": diffusivity},
    )  # fmt: skip
    fill(pinn, torch.load(path), path)
    assert torch.equal(new_u[0].weight, u[0].weight)
    assert torch.equal(new_k[0].weight, k[0].weight)
    assert float(diffusivity.detach()) == pytest.approx(0.7)


def test_one_network_of_a_dictionary_and_a_missing_coefficient(saved: Made) -> None:
    trained, fresh = net(1), net(2)
    path = saved(trained.state_dict())
    k = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    x = torch.ones(3, 1, dtype=torch.float64)
    pinn = pinndiag.wrap({"u": fresh}, {"pde": lambda: fresh(x) * k}, parameters=[k])
    fill(pinn, torch.load(path), path)
    assert torch.equal(fresh[3].bias, trained[3].bias)
    assert float(k.detach()) == 0.1
    assert any("keeps the factory's value" in note for note in pinn.notes)


def test_a_function_of_a_mapping(saved: Made) -> None:
    trained, module = net(1), net(2)
    parameters = {n: p.detach().clone().requires_grad_(True) for n, p in module.named_parameters()}
    x = torch.ones(3, 1, dtype=torch.float64)

    def model(p: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(module, p, (x,))

    pinn = pinndiag.wrap(model, {"data": lambda: model(parameters, x)}, parameters=parameters)
    path = saved({"params": trained.state_dict()})
    fill(pinn, torch.load(path), path)
    assert torch.equal(parameters["0.weight"].detach(), trained[0].weight)


def test_precision_of_the_factory_wins(saved: Made) -> None:
    trained = net(1)
    pinn = wrapped(net(2))
    path = saved({name: t.float() if t.is_floating_point() else t for name, t in trained.state_dict().items()})
    fill(pinn, torch.load(path), path)
    assert pinn.dtype == torch.float64
    assert torch.allclose(pinn.state["0.weight"], trained[0].weight, atol=1e-7)


def test_mismatch_lists_both_sides(saved: Made, refused: Any) -> None:
    path = saved({"model_state_dict": prefixed("model.", net(1, width=5).state_dict())})
    with refused("do not fit the model") as found:
        fill(wrapped(net(2)), torch.load(path), path)
    assert "0.weight [5, 1]" in found[0].where
    assert "0.weight [4, 1]" in found[0].where
    assert "model_state_dict" in found[0].where
    with refused("do not fit the model") as found:
        fill(wrapped(net(2)), {"linears.0.weight": torch.ones(4, 1)}, path)
    assert "linears.0.weight [4, 1]" in found[0].where
    assert "not in the file" in found[0].cause


def test_a_file_of_one_framework_does_not_fit_the_object_of_another(saved: Made, refused: Any) -> None:
    """Equal shapes are not enough: here a checkpoint of TorchPhysics is given to a solver of PINA."""
    content = SHAPES["torchphysics"](prefixed("sequential.", net(1).state_dict()))
    path = saved(content)
    fresh = net(2)
    pinn = wrapped(fresh)
    fill(pinn, content, path)  # a network wrapped by hand may have been trained by anything
    pinn.namings = [
        {f"_pina_models.0.{name}": tensor for name, tensor in fresh.state_dict(keep_vars=True).items()},
        fresh.state_dict(keep_vars=True),
    ]
    with refused("do not fit the model") as found:
        fill(pinn, content, path)
    assert "train_conditions.0.sequential.0.weight [4, 1]" in found[0].where
    assert "_pina_models.0.0.weight [4, 1]" in found[0].where
    fill(pinn, SHAPES["pina"](net(3).state_dict()), path)
    assert same(pinn, net(3))
    fill(pinn, net(4).state_dict(), path)
    assert same(pinn, net(4))


def test_a_level_of_the_networks_own_is_not_left_out(saved: Made, refused: Any) -> None:
    path = saved(net(1).state_dict())
    model = nn.ModuleDict({"model": net(2)})
    x = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    with refused("do not fit the model"):
        fill(pinndiag.wrap(model, {"data": lambda: model["model"](x)}), net(1).state_dict(), path)


def test_nothing_is_changed_by_a_mismatch(saved: Made) -> None:
    fresh = net(2)
    before = fresh[0].weight.detach().clone()
    with pytest.raises(CheckpointError):
        fill(wrapped(fresh), net(1, width=5).state_dict(), Path("file.pt"))
    assert torch.equal(fresh[0].weight, before)


# --- the optimizer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settings", "name", "moment"),
    [
        (torch.optim.Adam, {}, "Adam", "exp_avg_sq"),
        (torch.optim.AdamW, {}, "AdamW", "exp_avg_sq"),
        (torch.optim.SGD, {"momentum": 0.9}, "SGD", "momentum_buffer"),
        (torch.optim.RMSprop, {}, "RMSprop", "square_avg"),
        (torch.optim.Adagrad, {}, "Adagrad", "sum"),
    ],
)
@pytest.mark.parametrize("lightning", [False, True])
def test_optimizer_is_taken_over(kind: Any, settings: Any, name: str, moment: str, lightning: bool) -> None:
    trained = net(1)
    optimizer = stepped(trained, kind, **settings)
    state = optimizer.state_dict()
    content = {"state_dict": trained.state_dict()}
    content |= {"optimizer_states": [state]} if lightning else {"optimizer_state_dict": state}
    pinn = wrapped(net(2))
    fill(pinn, content, Path("file.pt"))
    assert pinn.optimizer is not None
    assert pinn.optimizer.kind == name
    assert pinn.optimizer.lr == 1e-3
    assert list(pinn.optimizer.state) == list(pinn.parameters)
    for parameter, key in zip(trained.parameters(), pinn.parameters, strict=True):
        assert torch.equal(pinn.optimizer.state[key][moment], optimizer.state[parameter][moment])


def test_optimizer_with_frozen_parameters() -> None:
    trained, fresh = net(1), net(2)
    state = stepped(trained).state_dict()
    fresh[0].requires_grad_(False)
    pinn = wrapped(fresh)
    fill(pinn, {"model": trained.state_dict(), "optimizer": state}, Path("file.pt"))
    assert pinn.optimizer is not None
    assert pinn.optimizer.groups[0]["parameters"] == list(pinn.parameters)
    assert torch.equal(pinn.optimizer.state["3.weight"]["exp_avg"], state["state"][4]["exp_avg"])


def test_optimizer_that_does_not_fit_is_left_out() -> None:
    trained = net(1)
    pinn = wrapped(net(2))
    other = stepped(net(1, width=7)).state_dict()
    fill(pinn, {"model_state_dict": trained.state_dict(), "optimizer_state_dict": other}, Path("file.pt"))
    assert pinn.optimizer is None
    assert any("does not fit" in note for note in pinn.notes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": 3, "param_groups": 4},
        {"state": {}, "param_groups": []},
        {"state": {0: 3}, "param_groups": [{"params": [0] * 6}]},
        {"state": {}, "param_groups": [{"params": [[1]] * 6}]},
        {"state": {}, "param_groups": [{}]},
        {"state": {0: {"a": torch.ones(9)}}, "param_groups": [{"params": list(range(6))}]},
        [None, {"state": 1, "param_groups": 2}],
        7,
    ],
)
def test_malformed_optimizers_are_left_out(wrong: Any) -> None:
    pinn = wrapped(net(2))
    fill(pinn, {"model_state_dict": net(1).state_dict(), "optimizer_state_dict": wrong}, Path("file.pt"))
    assert pinn.optimizer is None


# --- without a factory ----------------------------------------------------------------------------------------------


def test_weights_without_terms(saved: Made, refused: Any) -> None:
    path = saved({"model_state_dict": net(1).state_dict()})
    with refused("holds weights") as found:
        load(path)
    error = found[0]
    assert isinstance(error, NoTermsError)
    assert error.key == "model_state_dict"
    assert error.dtype == "float64"
    assert error.numbers == sum(t.numel() for t in error.weights.values())
    assert set(error.weights) == set(net(1).state_dict())
    assert "--factory heat.py:make" in error.fix
    assert "pinndiag init" in error.fix
    assert "(9 tensors, 30 numbers, float64)" in error.what


def test_large_numbers_are_grouped(saved: Made) -> None:
    with pytest.raises(NoTermsError, match="8 577 numbers, float32"):
        load(saved({"w": torch.zeros(8577)}))


def test_files_without_weights(saved: Made, refused: Any) -> None:
    for content in ({"epoch": 3}, [], 5, None, "text", {}, {3: torch.ones(2)}, torch.ones(3)):
        with refused("holds no weights"):
            load(saved(content))


def test_circles_and_depth_end(refused: Any) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    circle["list"] = [circle]
    assert tables(circle) == []
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert tables(deep) == []
    wide = {str(i): {str(j): torch.ones(1) for j in range(3)} for i in range(10)}
    many = [wide] * 1000
    assert tables({"x": [many] * 1000})


@settings(max_examples=80, deadline=None)
@given(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
            st.builds(torch.ones, st.integers(0, 3)),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.one_of(st.sampled_from(["state_dict", "model", "optimizer_state_dict", "state", "param_groups",
                                           "params", "0.weight", "weight"]), st.integers(0, 3), st.text(max_size=3)),
                inner, max_size=4,
            ),
        ),
        max_leaves=20,
    )
)  # fmt: skip
def test_any_structure(content: Any) -> None:
    model = nn.Linear(1, 1)
    pinn = pinndiag.wrap(model, {"data": lambda: model(torch.ones(2, 1))})
    with pytest.raises(CheckpointError):
        fill(pinn, content, Path("file.pt"))
