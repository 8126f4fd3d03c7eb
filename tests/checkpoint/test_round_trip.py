"""A file gives back what was saved: figures, points, weights, optimizer; and it is there whole or not at all."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pinndiag
from pinndiag import PINN, CaptureError, CheckpointError
from pinndiag._checkpoint import _write, load, save
from pinndiag._terms._view import View


def from_file(name: str, path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
cases = from_file("cases_for_checkpoints", HERE.parent / "cases.py")
old_versions = from_file("old_versions", HERE / "old_versions.py")


@pytest.fixture(scope="module", params=list(cases.CASES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[PINN, Path]:
    pinn = cases.CASES[request.param]()
    return pinn, pinn.save(tmp_path_factory.mktemp("case") / "checkpoint.pt")


def agree(live: PINN, loaded: PINN, tolerance: float) -> None:
    a, b = View(live), View(loaded)
    assert list(a.losses) == list(b.losses)
    for name, loss in a.losses.items():
        assert b.losses[name] == pytest.approx(loss, rel=tolerance)
        difference = torch.linalg.vector_norm(a.gradients[name] - b.gradients[name].to(a.gradients[name].dtype))
        assert difference <= tolerance * torch.linalg.vector_norm(a.gradients[name])


def test_figures_of_every_case(case: tuple[PINN, Path]) -> None:
    live, path = case
    agree(live, load(path), 1e-5 if live.dtype == torch.float32 else 1e-12)


def test_everything_else_of_every_case(case: tuple[PINN, Path]) -> None:
    live, path = case
    loaded = load(path)
    assert loaded.origin == str(path)
    assert loaded.weights == live.weights
    assert loaded.notes == live.notes
    assert list(loaded.parameters) == list(live.parameters)
    assert all(torch.equal(loaded.parameters[n].detach(), t.detach()) for n, t in live.parameters.items())
    assert set(loaded.state) == set(live.state)
    assert all(torch.equal(loaded.state[n].detach(), t.detach()) for n, t in live.state.items())
    assert all(torch.equal(loaded.initial[n], t) for n, t in live.initial.items())
    for name, info in live.infos.items():
        other = loaded.infos[name]
        for field in ("name", "kind", "shape", "takes_points", "random", "repeatable", "note"):
            assert getattr(other, field) == getattr(info, field)
        assert (other.points is None) == (info.points is None)
        if info.points is not None:
            assert torch.equal(other.points.coordinates, info.points.coordinates)
            assert isinstance(other.points.value, tuple) == isinstance(info.points.value, tuple)
    assert (loaded.optimizer is None) == (live.optimizer is None)
    if live.optimizer is not None:
        assert loaded.optimizer.groups == live.optimizer.groups
        assert loaded.optimizer.kind == live.optimizer.kind
    assert (loaded.reference is None) == (live.reference is None)
    if live.reference is not None:
        assert torch.equal(loaded.reference.values, live.reference.values)
        solved = loaded.solve(loaded.reference.points)
        assert torch.allclose(solved, live.solve(live.reference.points), rtol=1e-12)


def test_fresh_points_of_every_case(case: tuple[PINN, Path]) -> None:
    live, path = case
    loaded = load(path)
    for name, info in live.infos.items():
        if not info.takes_points:
            continue
        points = loaded.fresh_points(name, info.points.count, seed=5)[0]
        a, b = live.outputs([name], {name: points})[name], loaded.outputs([name], {name: points})[name]
        assert torch.allclose(a, b, rtol=1e-5 if live.dtype == torch.float32 else 1e-10)


def test_torch_reads_the_file(case: tuple[PINN, Path]) -> None:
    live, path = case
    state = torch.load(path, weights_only=True)["state_dict"]
    for module in live.modules[:1]:
        if len(live.modules) == 1:
            module.load_state_dict({n: state[n] for n in module.state_dict()})
    assert all(torch.equal(state[name], tensor.detach()) for name, tensor in live.state.items())


def test_files_of_files(case: tuple[PINN, Path], tmp_path: Path) -> None:
    live, path = case
    again = load(load(path).save(tmp_path / "again.pt"))
    agree(live, again, 1e-5 if live.dtype == torch.float32 else 1e-12)
    assert again.notes == live.notes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_another_precision(case: tuple[PINN, Path], dtype: torch.dtype) -> None:
    live, path = case
    loaded = load(path, dtype=dtype)
    assert loaded.dtype == dtype
    agree(live, loaded, 1e-12 if live.dtype == dtype == torch.float64 else 2e-4)


def test_another_precision_is_kept_by_copies_and_files(case: tuple[PINN, Path], tmp_path: Path) -> None:
    live, path = case
    loaded = load(path, dtype=torch.float32)
    for twin in (loaded.copy(), load(loaded.save(tmp_path / "single.pt"))):
        assert twin.dtype == torch.float32
        agree(loaded, twin, 1e-5)
    agree(live, loaded.copy(dtype=torch.float64), 1e-4)


def test_the_device_is_taken(case: tuple[PINN, Path]) -> None:
    live, path = case
    loaded = load(path, device="cpu")
    assert loaded.device == live.device
    if torch.cuda.is_available():
        agree(live, load(path, device="cuda").copy(device="cpu"), 1e-4 if live.dtype == torch.float32 else 1e-10)


def net(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)).to(dtype)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


# --- contents ---------------------------------------------------------------------------------------------------------


def test_points_of_a_sampler_are_stored(tmp_path: Path) -> None:
    model = net()
    points = column(*torch.linspace(0, 1, 7).tolist())
    pinn = pinndiag.wrap(
        model, {"data": lambda x: model(x) - 1, "other": lambda x: model(x)}, points={"data": points, "other": points},
        sampler={"data": lambda n: 5 + torch.rand(n, 1, dtype=torch.float64)},
    )  # fmt: skip
    loaded = load(pinn.save(tmp_path / "a.pt"))
    points_, how = loaded.fresh_points("data", 10)
    assert how == "drawn by sampler= when the file was written"
    assert points_.count == 4096
    assert (points_.coordinates >= 5).all()
    assert loaded.outputs(["data"], {"data": points_})["data"].shape == (4096, 1)
    assert "uniform in the box" in loaded.fresh_points("other", 10)[1]
    again = load(loaded.save(tmp_path / "b.pt"))
    assert torch.equal(again.fresh_points("data", 1)[0].coordinates, points_.coordinates)


def test_a_sampler_that_fails_is_a_note(tmp_path: Path) -> None:
    def broken(n: int) -> Tensor:
        raise ValueError("only 7 points")

    model = net()
    pinn = pinndiag.wrap(
        model, {"data": lambda x: model(x)}, points={"data": column(0, 1, 2)}, sampler={"data": broken}
    )
    loaded = load(pinn.save(tmp_path / "a.pt"))
    assert any("only 7 points" in note for note in loaded.notes)


def test_optimizer_state(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model(column(1, 2)).sum().backward()
    optimizer.step()
    pinn = pinndiag.wrap(model, {"data": lambda: model(column(1, 2))}, optimizer=optimizer)
    loaded = load(pinn.save(tmp_path / "a.pt"))
    assert loaded.optimizer is not None
    assert loaded.optimizer.kind == "AdamW"
    assert loaded.optimizer.lr == 3e-3
    for name, entries in pinn.optimizer.state.items():  # type: ignore[union-attr]
        assert loaded.optimizer.state[name]["step"] == entries["step"]
        assert torch.equal(loaded.optimizer.state[name]["exp_avg_sq"], entries["exp_avg_sq"])


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "L-BFGS": lambda p: torch.optim.LBFGS(p, max_iter=4, line_search_fn="strong_wolfe"),
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-2, amsgrad=True),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=1e-2),
    "SGD": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_from_a_file_as_if_nothing_had_happened(tmp_path: Path, kind: str) -> None:
    model, x = net(), column(0, 0.3, 0.7, 1)
    optimizer = OPTIMIZERS[kind](model.parameters())
    pinn = pinndiag.wrap(model, {"data": lambda: model(x) - torch.sin(4 * x)}, optimizer=optimizer)

    def trained(pinn: PINN, optimizer: torch.optim.Optimizer, steps: int) -> None:
        def closure() -> float:
            optimizer.zero_grad()
            loss = pinn.losses()["data"]
            loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())

        for _ in range(steps):
            optimizer.step(closure)

    trained(pinn, optimizer, 3)
    pinn = pinndiag.wrap(model, {"data": lambda: model(x) - torch.sin(4 * x)}, optimizer=optimizer)
    pinn.save(tmp_path / "a.pt")
    loaded = load(tmp_path / "a.pt")
    assert loaded.optimizer is not None
    other = OPTIMIZERS[kind](loaded.tensors)
    loaded.optimizer.resume(other, {id(tensor): name for name, tensor in loaded.parameters.items()})
    trained(pinn, optimizer, 3)
    trained(loaded, other, 3)
    for name, tensor in pinn.parameters.items():
        torch.testing.assert_close(loaded.parameters[name], tensor, rtol=1e-12, atol=1e-14)


def test_directions_of_lbfgs_in_another_precision(tmp_path: Path) -> None:
    model, x = net(), column(0, 0.3, 0.7, 1)
    optimizer = torch.optim.LBFGS(model.parameters())
    optimizer.step(lambda: (lambda loss: (loss.backward(), float(loss.detach()))[1])(model(x).square().mean()))
    pinn = pinndiag.wrap(model, {"data": lambda: model(x)}, optimizer=optimizer)
    loaded = load(pinn.save(tmp_path / "a.pt"), dtype=torch.float32)
    assert loaded.optimizer is not None
    [state] = loaded.optimizer.state.values()
    assert state["old_dirs"]
    assert {direction.dtype for direction in [*state["old_dirs"], *state["old_stps"], state["d"]]} == {torch.float32}


def test_points_of_a_frameworks_class_are_stored_as_tensors(tmp_path: Path) -> None:
    class Labelled(Tensor):
        pass

    model = net()
    x = column(1, 2, 3).as_subclass(Labelled)
    pinn = pinndiag.wrap(model, {"data": lambda x: model(x) - 1}, points={"data": x})
    loaded = load(pinn.save(tmp_path / "a.pt"))
    torch.testing.assert_close(loaded.losses()["data"], pinn.losses()["data"], rtol=1e-12, atol=0)


def test_initial_parameters(tmp_path: Path) -> None:
    model = net()
    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model[0].weight.add_(1)
    pinn = pinndiag.wrap(model, {"data": lambda: model(column(1, 2))}, initial=initial)
    loaded = load(pinn.save(tmp_path / "a.pt"))
    assert torch.equal(loaded.initial["0.weight"], initial["0.weight"])  # type: ignore[index]
    assert float(loaded.copy(initial=True).losses()["data"].detach()) == pytest.approx(
        float(model[2](torch.tanh(column(1, 2) @ initial["0.weight"].T + initial["0.bias"])).square().mean().detach())
    )


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "Wärmeleitung ∂u/∂t", "a.b[0]", "x" * 200, " ", "'\"\\"])
def test_names_of_terms(tmp_path: Path, name: str) -> None:
    model = net()
    pinn = pinndiag.wrap(model, {name: lambda x: model(x)}, points={name: column(1, 2)})
    assert load(pinn.save(tmp_path / "a.pt")).names == [name]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_losses_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    model = net()
    pinn = pinndiag.wrap(model, {"bad": lambda: model(column(1, 2)) * value, "good": lambda: model(column(1, 2))})
    loaded = load(pinn.save(tmp_path / "a.pt"))
    assert str(View(loaded).losses["bad"]) == str(View(pinn).losses["bad"])


def test_buffers_tied_weights_and_views(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2).double()
            self.b = nn.Linear(2, 2).double()
            self.b.weight = self.a.weight
            self.register_buffer("scale", torch.arange(1e6, dtype=torch.float64)[2:4])

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.tanh(self.a(x * self.scale)))

    model = Tied()
    x = torch.ones(3, 2, dtype=torch.float64)
    pinn = pinndiag.wrap(model, {"data": lambda: model(x)})
    path = pinn.save(tmp_path / "a.pt")
    assert path.stat().st_size < 2**16  # the buffer's million numbers are not in the file
    agree(pinn, load(path), 1e-12)
    fresh = Tied()
    fresh.load_state_dict(torch.load(path)["state_dict"])
    assert torch.equal(fresh(x), model(x))


def test_a_term_that_cannot_be_captured(tmp_path: Path) -> None:
    model, x = net(), column(1, 2)

    def restless() -> Tensor:
        return model(x) * model(x).sum().item()

    pinn = pinndiag.wrap(model, {"restless": restless, "good": lambda: model(x)})
    with pytest.raises(CaptureError, match="restless"):
        pinn.save(tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []
    loaded = load(pinn.save(tmp_path / "a.pt", skip_uncapturable=True))
    assert loaded.names == ["good"]
    assert any("term 'restless' is not in the file" in note for note in loaded.notes)


# --- whole or not at all ----------------------------------------------------------------------------------------------


def test_nothing_is_left_when_writing_fails(tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    pinn = pinndiag.wrap(model, {"data": lambda: model(column(1, 2))})
    path = pinn.save(tmp_path / "a.pt")
    before = path.read_bytes()

    def full(content: Any, scratch: Path) -> None:
        scratch.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_write.torch, "save", full)
        with refused("cannot be written") as found:
            pinn.save(path)
    assert "No space left" in found[0].cause
    with monkeypatch.context() as patch:
        patch.setattr(_write.torch, "save", lambda content, scratch: scratch.write_bytes(before[:-100]))
        with refused("was not written"):
            pinn.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written_to(tmp_path: Path, refused: Any) -> None:
    model = net()
    pinn = pinndiag.wrap(model, {"data": lambda: model(column(1, 2))})
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "absent" / "a.pt"):
        with refused("cannot be written"):
            save(pinn, path)
    assert [p.name for p in tmp_path.rglob("*")] == ["folder"]


# --- changed files ----------------------------------------------------------------------------------------------------


def changed(path: Path, change: Callable[[Any], Any]) -> Path:
    content = torch.load(path)
    change(content)
    torch.save(content, path)
    return path


def test_changed_files_are_refused(tmp_path: Path, refused: Any) -> None:
    def weight(c: Any) -> None:
        c["state_dict"]["0.weight"] += 1e-5

    def point(c: Any) -> None:
        c["pinndiag"]["terms"][0]["points"]["columns"][0] += 1e-5

    def loss(c: Any) -> None:
        c["pinndiag"]["terms"][0]["loss"] *= 1 + 1e-6

    def gradient(c: Any) -> None:
        c["pinndiag"]["terms"][0]["grad_l2"] *= 1 - 1e-6

    def no_number(c: Any) -> None:
        c["pinndiag"]["terms"][0]["loss"] = float("nan")

    model = net()
    pinn = pinndiag.wrap(model, {"data": lambda x: model(x)}, points={"data": column(1, 2, 4)})
    for change in (weight, point, loss, gradient, no_number):
        with refused("of term 'data' is not the one") as found:
            load(changed(pinn.save(tmp_path / "a.pt"), change))
        assert "stored " in found[0].where
        assert "found " in found[0].where


def test_rounding_is_forgiven_but_not_more(tmp_path: Path) -> None:
    model = net()
    x = column(1, 2, 4)
    close = model(x).detach() + 1e-9  # a residual of 1e-9 between numbers of 1: seven digits of it are rounding
    pinn = pinndiag.wrap(model, {"data": lambda: model(x) - close})

    def by(factor: float) -> Callable[[Any], None]:
        def change(c: Any) -> None:
            c["pinndiag"]["terms"][0]["loss"] *= factor

        return change

    load(changed(pinn.save(tmp_path / "a.pt"), by(1 + 1e-7)))
    with pytest.raises(CheckpointError, match="loss of term 'data'"):
        load(changed(pinn.save(tmp_path / "a.pt"), by(1 + 1e-2)))


def test_a_file_of_the_first_version() -> None:
    loaded = load(old_versions.PATH)
    agree(old_versions.make(), loaded, 1e-10)
    assert loaded.weights == {"pde": 1.0, "bc": 5.0}
    assert loaded.optimizer is not None
    assert loaded.optimizer.lr == 1e-2
    assert torch.load(old_versions.PATH)["pinndiag"]["format"] == 1


def test_a_file_of_a_newer_version(tmp_path: Path, refused: Any) -> None:
    def newer(c: Any) -> None:
        c["pinndiag"]["format"] = 99

    model = net()
    pinn = pinndiag.wrap(model, {"data": lambda: model(column(1, 2))})
    with refused("version 99") as found:
        load(changed(pinn.save(tmp_path / "a.pt"), newer))
    assert "upgrade" in found[0].fix


def test_a_factory_takes_the_place_of_the_stored_terms(tmp_path: Path) -> None:
    (tmp_path / "heat.py").write_text(
        "import torch, pinndiag\n"
        "def make():\n"
        "    net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()\n"
        "    x = torch.ones(2, 1, dtype=torch.float64)\n"
        "    return pinndiag.wrap(net, {'other': lambda: net(x) * 2})\n"
    )
    model = net()
    path = pinndiag.wrap(model, {"data": lambda: model(column(1, 1))}).save(tmp_path / "a.pt")
    loaded = load(path, factory=f"{tmp_path}/heat.py:make")
    assert loaded.names == ["other"]
    assert View(loaded).losses["other"] == pytest.approx(4 * float(model(column(1, 1)).square().mean().detach()))
    assert load(path, factory=f"{tmp_path}/heat.py:make", dtype=torch.float32).dtype == torch.float32
