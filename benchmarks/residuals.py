"""What a training step costs with derivatives propagated forward, beside nested reverse mode.

    python benchmarks/residuals.py [--repeat 30] [--dtype float32]

One step is the residual's operators, the mean of their squares and its gradient with respect to the parameters. The
two ways alternate, so that a busy moment hits both; one thread, CPU time. Given are medians in milliseconds and the
median over rounds of reverse / forward: above one, forward is faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pinndiag.nn import MLP, ModifiedMLP
from pinndiag.nn._operators import parsed
from pinndiag.nn._plan import plan
from pinndiag.nn._propagation import forward
from pinndiag.nn._reverse import reverse

# name, network, points, operators, axes
CASES: list[tuple[str, nn.Module, int, tuple[str, ...], str]] = [
    ("gradient, 1 axis", MLP(2, 1, width=50, depth=3), 128, ("t",), "tx"),
    ("gradient, 2 axes", MLP(2, 1, width=50, depth=3), 1000, ("t", "x"), "tx"),
    ("gradient, 2 axes, 3 outputs", MLP(2, 3, width=50, depth=3), 1000, ("t", "x"), "tx"),
    ("Poisson 1D, 5 x 50", MLP(1, 1, width=50, depth=5), 128, ("xx",), "x"),
    ("Helmholtz, 3 x 50", MLP(2, 1, width=50, depth=3), 128, ("xx+yy",), "xy"),
    ("Helmholtz, 3 x 50 modified", ModifiedMLP(2, 1, width=50, depth=3), 128, ("xx+yy",), "xy"),
    ("Poisson 2D, 4 x 50", MLP(2, 1, width=50, depth=4), 2500, ("xx+yy",), "xy"),
    ("Burgers, 8 x 20", MLP(2, 1, width=20, depth=8), 2000, ("t", "x", "xx"), "tx"),
    ("Allen-Cahn, 4 x 64", MLP(2, 1, width=64, depth=4), 1024, ("t", "xx"), "tx"),
    ("Klein-Gordon, 5 x 50", MLP(2, 1, width=50, depth=5), 128, ("tt-xx",), "tx"),
    ("cavity, u v p, 3 x 50", MLP(2, 3, width=50, depth=3), 128, ("x", "y", "xx+yy"), "xy"),
    (
        "cavity, stream function, 3 x 50",
        MLP(2, 2, width=50, depth=3),
        128,
        ("x", "y", "xx", "xy", "yy", "xxx+xyy", "xxy+yyy"),
        "xy",
    ),
    ("plate, 2 x 32", MLP(2, 1, width=32, depth=2), 512, ("xxxx+2xxyy+yyyy",), "xy"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'':34s}{'forward':>9s}{'reverse':>9s}  reverse / forward")
    for name, net, count, operators, axes in CASES:
        net.to(getattr(torch, arguments.dtype))
        x = torch.rand(count, len(axes), dtype=getattr(torch, arguments.dtype))
        wanted = [parsed(text, axes) for text in operators]
        parameters = list(net.parameters())

        def by_forward(net=net, x=x, operators=operators, axes=axes) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
            return forward(net, x, plan(operators, axes))

        def by_reverse(net=net, x=x, wanted=wanted) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
            return reverse(net, x, wanted)

        times = _alternating([by_forward, by_reverse], parameters, arguments.repeat)
        ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
        low, _, high = statistics.quantiles([b / a for a, b in zip(*times, strict=True)], n=4)
        medians = "".join(f"{1e3 * statistics.median(t):9.2f}" for t in times)
        print(f"{name:34s}{medians}  {ratio:5.2f} ({low:.2f} to {high:.2f})")


def _alternating(
    ways: list[Callable[[], tuple[Tensor, ...]]], parameters: list[nn.Parameter], repeat: int
) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in ways]
    for round_ in range(repeat + 3):
        for way, found in zip(ways, times, strict=True):
            began = time.process_time()
            loss = torch.stack([value.square().mean() for value in way()[1:]]).sum()
            torch.autograd.grad(loss, parameters, allow_unused=True)
            if round_ >= 3:  # the first rounds warm up
                found.append(time.process_time() - began)
    return times


if __name__ == "__main__":
    main()
