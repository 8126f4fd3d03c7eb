"""pinndiag init: a factory that runs as it stands, and never over a file of the user's."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

import pinndiag
from pinndiag import integrations
from pinndiag_cli._init import FRAMEWORKS

Run = Callable[..., Result]


@pytest.fixture
def written(run: Run) -> Path:
    done = run("init", "heat.py")
    assert done.exit_code == 0
    assert "  next: python heat.py " in done.stdout
    assert "\n        pinndiag analyze WEIGHTS.pt --factory heat.py:make   (" in done.stdout
    return Path("heat.py")


def test_the_factory_takes_weights(written: Path) -> None:
    torch.manual_seed(3)
    sizes = ((1, 20), (20, 20), (20, 1))
    one, two, three = (torch.nn.Linear(*size) for size in sizes)
    model = torch.nn.Sequential(one, torch.nn.Tanh(), two, torch.nn.Tanh(), three)
    torch.save(model.state_dict(), "weights.pt")
    pinn = pinndiag.load("weights.pt", factory="heat.py:make")
    assert pinn.names == ["pde", "bc"]
    torch.testing.assert_close(pinn.tensors, list(model.parameters()))
    x = torch.tensor([[0.0], [1.0]])
    torch.testing.assert_close(pinn.losses()["bc"], model(x).square().mean())
    assert pinn.reference is not None


def test_its_residual_is_that_of_the_equation(written: Path) -> None:
    pinn = runpy.run_path(str(written))["make"]()
    with torch.no_grad():
        for tensor in pinn.tensors:
            tensor.zero_()  # u = 0: the residual is the right-hand side pi^2 sin(pi x)
    x = torch.linspace(0, 1, 100)[:, None]
    expected = torch.pi**2 * torch.sin(torch.pi * x)
    torch.testing.assert_close(pinn.outputs(["pde"])["pde"].detach(), expected, rtol=1e-5, atol=1e-5)


def test_it_runs_as_a_script(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(written), run_name="__main__")
    assert capsys.readouterr().out.startswith("PINN(pde[100, 1], bc[2, 1]; 481 trainable parameters")
    assert "heat.py:make" in written.read_text()


def test_nothing_is_overwritten(run: Run) -> None:
    Path("heat.py").write_text("mine")
    Path("dangling.py").symlink_to("elsewhere.py")
    for name in ("heat.py", "dangling.py"):
        done = run("init", name)
        assert done.exit_code == 2
        assert f"{name} is there already" in done.stderr
    assert Path("heat.py").read_text() == "mine"
    assert not Path("elsewhere.py").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("heat", "pinndiag init heat.py"), ("absent/heat.py", "cannot write absent/heat.py")]
)
def test_what_cannot_be_written_is_said(run: Run, name: str, words: str) -> None:
    done = run("init", name)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not list(Path().iterdir())


def test_the_commands_have_the_file_as_it_was_typed(run: Run) -> None:
    Path("my models").mkdir()
    shown = run("init", "my models/heat.py", "--framework", "pina").stdout
    assert "  next: python 'my models/heat.py' " in shown
    assert "        pinndiag watch runs/heat " in shown
    assert "pinndiag analyze solver.ckpt --factory 'my models/heat.py':make   (" in shown


def test_quiet(run: Run) -> None:
    assert run("init", "heat.py", "-q").stdout == ""
    assert Path("heat.py").exists()


def test_every_framework_has_a_template_that_says_how_to_go_on(run: Run) -> None:
    for framework in FRAMEWORKS:
        done = run("init", f"{framework}.py", "--framework", framework)
        assert done.exit_code == 0, done.output
        assert f"  next: python {framework}.py " in done.stdout
        assert f"--factory {framework}.py:make   (" in done.stdout
        text = Path(f"{framework}.py").read_text()
        tree = ast.parse(text)
        assert "make" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert f"--factory {framework}.py:make" in text
        assert "FILE" not in text
    attached = set(integrations.FRAMEWORKS) - {"physicsnemo-sym", "pytorch-lightning"}
    assert set(FRAMEWORKS) == {"torch", "physicsnemo", *attached}  # those two have loops of one's own


def test_an_unknown_framework_is_refused_with_those_that_are_known(run: Run) -> None:
    done = run("init", "heat.py", "--framework", "keras")
    assert done.exit_code == 2
    assert "deepxde" in done.stderr
    assert not list(Path().iterdir())
