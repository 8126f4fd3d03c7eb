"""Train a PINN on a 2D Poisson problem on which plain training fails, and save it for `pinndiag analyze`.

    lap u = q on [0, 1]^2,  u = cos(w x) sin(w y),  w = 4 pi,  Dirichlet values from the exact solution

Set-up of Deguchi & Asai 2023 (J. Phys. Commun. 7, 075005, section 4.2): 4 hidden layers of 50 tanh units, 2500 + 400
points, Adam 1e-3; fewer steps than theirs. Takes about a minute on two cores.

    python examples/poisson.py [--steps 1500] [--out poisson.pt]
"""

import argparse
import itertools
import math

import torch
from torch import Tensor, nn

import pinndiag

OMEGA = 4 * math.pi


def exact(x: Tensor) -> Tensor:
    return torch.cos(OMEGA * x[:, :1]) * torch.sin(OMEGA * x[:, 1:])


def network() -> nn.Sequential:
    sizes = [2, 50, 50, 50, 50]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def boundary(count: int) -> Tensor:
    """Points on the four sides of the unit square, as many on each."""
    points = torch.rand(count, 2)
    side = torch.arange(count) % 4
    points[torch.arange(count), side // 2] = (side % 2).float()
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", default="poisson.pt")
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # so small a network gains little from more, and waits for them on a busy machine
    torch.manual_seed(0)
    model = network()
    interior, edge = torch.rand(2500, 2), boundary(400)

    def pde(x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        laplacian = sum(
            torch.autograd.grad(gradient[:, i].sum(), x, create_graph=True)[0][:, i : i + 1] for i in range(2)
        )
        return laplacian + 2 * OMEGA**2 * exact(x)

    def bc(x: Tensor) -> Tensor:
        return model(x) - exact(x)

    side = torch.linspace(0, 1, 50)
    grid = torch.cartesian_prod(side, side)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = {name: value.clone() for name, value in model.state_dict().items()}

    for step in range(arguments.steps):
        optimizer.zero_grad()
        losses = {"pde": pde(interior).square().mean(), "bc": bc(edge).square().mean()}
        sum(losses.values()).backward()
        optimizer.step()
        if step % 100 == 0 or step == arguments.steps - 1:
            print(f"step {step:5d}  " + "  ".join(f"{name} {loss:.3e}" for name, loss in losses.items()), flush=True)

    pinn = pinndiag.wrap(
        model,
        {"pde": pde, "bc": bc},
        points={"pde": interior, "bc": edge},
        solution=(grid, exact(grid)),
        optimizer=optimizer,
        initial=start,
    )
    pinn.save(arguments.out)
    print(f"saved {arguments.out}")


if __name__ == "__main__":
    main()
