"""The README's Python runs as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from pinndiag import PINN
from tests.cases import derivative, mlp, uniform

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = mlp()

    def residual(x: torch.Tensor) -> torch.Tensor:
        x = x.requires_grad_(True)
        return derivative(derivative(model(x), x), x) + 1

    grid = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    names = {
        "model": model,
        "pde_residual": residual,
        "bc_residual": lambda x: model(x),
        "x": uniform(8),
        "xb": torch.tensor([[0.0], [1.0]], dtype=torch.float64),
        "grid": grid,
        "exact": grid * (1 - grid) / 2,
        "start": {name: value.clone() for name, value in model.state_dict().items()},
        "optimizer": torch.optim.Adam(model.parameters(), lr=1e-3),
    }
    assert len(BLOCKS) >= 2
    for block in BLOCKS:
        exec(block, names)
    assert isinstance(names["pinn"], PINN)
    assert (tmp_path / "checkpoint.pt").exists()
    assert "state_dict" in torch.load(tmp_path / "checkpoint.pt")
