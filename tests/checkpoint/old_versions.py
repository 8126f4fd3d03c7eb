"""Writes data/version_1.pt, a file in the first version of the format: `python tests/checkpoint/old_versions.py`.

It stands in the repository so that files of that version stay readable. Write it again only if the operators of its
graph can no longer be read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd import grad

import pinndiag

PATH = Path(__file__).parent / "data" / "version_1.pt"


def make() -> pinndiag.PINN:
    """u'' = -sin(3 x) on four points, a learnable coefficient at the boundary, Adam after one step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    slope = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([*model.parameters(), slope], lr=1e-2)
    x = torch.linspace(0, 1, 4, dtype=torch.float64)[:, None]

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        first = grad(model(x).sum(), x, create_graph=True)[0]
        return grad(first.sum(), x, create_graph=True)[0] + torch.sin(3 * x)

    def bc() -> Tensor:
        return model(torch.zeros(1, 1, dtype=torch.float64)) - slope

    initial = {name: value.clone() for name, value in model.state_dict().items()}
    (pde(x.clone()).square().mean() + bc().square().mean()).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    terms = {"pde": pde, "bc": bc}
    return pinndiag.wrap(
        model, terms, points={"pde": x}, weights={"bc": 5.0}, parameters={"slope": slope},
        optimizer=optimizer, initial=initial, solution=(x, torch.sin(3 * x) / 9),
    )  # fmt: skip


def as_version_1(path: Path) -> None:
    """Turn a file of version 2 into one of version 1: weights and figures in tables of their own, no fresh points."""
    content = torch.load(path)
    entry = content["pinndiag"]
    entry["format"] = 1
    for table, column in (("weights", "weight"), ("losses", "loss"), ("gradients", "grad_l2")):
        entry[table] = {term["name"]: term.pop(column) for term in entry["terms"]}
    for term in entry["terms"]:
        del term["fresh"]
    torch.save(content, path)


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    as_version_1(make().save(PATH))
    sys.stdout.write(f"{PATH}: {PATH.stat().st_size} bytes\n")
