"""The equations of the cases, each small enough for some seconds of one core. Points are (t, x) where there is a time.

Each is a maker: options, then a dtype, give an `Equation` whose points come from torch's global generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.calibration.equation import Equation, Exact, Term, equals
from pinndiag import problems
from pinndiag.nn import derivatives
from pinndiag.problems import Box

__all__ = [
    "Factor",
    "advection",
    "burgers",
    "decay_inverse",
    "eigen",
    "fit",
    "heat",
    "layer",
    "literature",
    "logistic",
    "oscillator",
    "poisson",
    "source",
    "square",
]

Pose = Callable[[torch.dtype], Equation]


class Factor(nn.Module):
    """g + distance * network: what satisfies u = g where the distance is zero."""

    def __init__(self, net: nn.Module, distance: Callable[[Tensor], Tensor], g: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.distance, self.g = net, distance, g

    def forward(self, x: Tensor) -> Tensor:
        """The product."""
        return self.g(x) + self.distance(x) * self.net(x)


def _box(low: list[float], high: list[float], dtype: torch.dtype) -> Box:
    return Box(tuple(low), tuple(high), torch.empty(0, dtype=dtype))


def _known(box: Box, exact: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The solution on a regular grid of about a thousand points."""
    x = box.grid(1001 if len(box.low) == 1 else 32)
    return x, exact(x)


def _zero(x: Tensor) -> Tensor:
    return torch.zeros_like(x[:, :1])


def poisson(
    waves: float = 1.0,
    *,
    length: float = 1.0,
    offset: float = 0.0,
    size: float = 1.0,
    pde: float = 1.0,
    extra: tuple[float, float] = (0.0, 0.0),
    points: int = 100,
    grid: bool = False,
) -> Pose:
    """Poisson, u'' = f on an interval, u = size (sin(2 pi waves s) + extra[0] sin(2 pi extra[1] s) + s), s from 0 to 1.

    Args:
        waves: periods of the solution.
        length: of the interval; derivatives are taken with respect to s, so that the equation keeps its size.
        offset: where the interval begins.
        size: of the solution.
        pde: a factor of the residual.
        extra: amplitude and periods of a second wave.
        points: inside.
        grid: regular ones, both ends included.
    """
    pairs = ((1.0, 2 * math.pi * waves), (extra[0], 2 * math.pi * extra[1]))

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([offset], [offset + length], dtype)

        def unit(x: Tensor) -> Tensor:
            return (x - offset) / length

        def exact(x: Tensor) -> Tensor:
            return size * (unit(x) + sum(a * torch.sin(w * unit(x)) for a, w in pairs))

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, second = derivatives(net, x, "xx")
            f = -size * sum(a * w**2 * torch.sin(w * unit(x)) for a, w in pairs)
            return pde * (length**2 * second - f)

        hard = Exact(lambda net: Factor(net, lambda x: unit(x) * (1 - unit(x)), lambda x: size * unit(x)), ("bc",))
        terms = {
            "pde": Term(equation, box.inside, points, box.grid(points) if grid else None),
            "bc": Term(equals(exact), box.boundary, 2, box.grid(2)),
        }
        return Equation(box, terms, _known(box, exact), exact=hard)

    return pose


def square(waves: float = 0.5, *, points: int = 300, edge: int = 80) -> Pose:
    """Laplace u = f on the unit square, u = sin(2 pi waves x) cos(2 pi waves y)."""
    w = 2 * math.pi * waves

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0, 0.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.sin(w * x[:, :1]) * torch.cos(w * x[:, 1:])

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, laplacian = derivatives(net, x, "xx+yy")
            return laplacian + 2 * w**2 * exact(x)

        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(exact), box.boundary, edge),
        }
        return Equation(box, terms, _known(box, exact))

    return pose


def heat(diffusivity: float = 0.3, *, points: int = 300) -> Pose:
    """Heat, u_t = a u_xx on [0, 1]^2, u = exp(-a pi^2 t) sin(pi x)."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0, 0.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-diffusivity * math.pi**2 * x[:, :1]) * torch.sin(math.pi * x[:, 1:])

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, u_t, u_xx = derivatives(net, x, "t", "xx", axes="tx")
            return u_t - diffusivity * u_xx

        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(exact), box.faces([(1, 0), (1, 1)]), 60),
            "ic": Term(equals(exact), box.faces([(0, 0)]), 60),
        }
        return Equation(box, terms, _known(box, exact))

    return pose


def advection(speed: float = 1.0, *, points: int = 300) -> Pose:
    """Advection, u_t + c u_x = 0 on [0, 1]^2, periodic, u = sin(2 pi (x - c t)); hard for c of 10 and more.

    Krishnapriyan et al. 2021.
    """

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0, 0.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.sin(2 * math.pi * (x[:, 1:] - speed * x[:, :1]))

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, u_t, u_x = derivatives(net, x, "t", "x", axes="tx")
            return u_t + speed * u_x

        def periodic(net: nn.Module, x: Tensor) -> Tensor:
            left, right = x.clone(), x.clone()
            left[:, 1], right[:, 1] = 0.0, 1.0
            jump: Tensor = net(left) - net(right)
            return jump

        terms = {
            "pde": Term(equation, box.inside, points),
            "ic": Term(equals(exact), box.faces([(0, 0)]), 60),
            "periodic": Term(periodic, box.faces([(1, 0)]), 60),
        }
        return Equation(box, terms, _known(box, exact))

    return pose


def oscillator(frequency: float = 4.0, *, damping: float = 0.0, points: int = 150) -> Pose:
    """Oscillation, u'' + 2 d u' + w^2 u = 0 on [0, 1], u(0) = 1, u'(0) = -d: u = exp(-d t) cos(sqrt(w^2 - d^2) t)."""
    turn = math.sqrt(frequency**2 - damping**2)

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-damping * x) * torch.cos(turn * x)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t, u_tt = derivatives(net, x, "t", "tt", axes="t")
            return u_tt + 2 * damping * u_t + frequency**2 * u

        def start(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t = derivatives(net, x, "t", axes="t")
            return torch.cat([u - 1, u_t + damping], dim=1)

        first = box.faces([(0, 0)])
        hard = Exact(lambda net: Factor(net, lambda x: x**2, lambda x: 1 - damping * x), ("ic",))
        terms = {"ode": Term(equation, box.inside, points), "ic": Term(start, first, 1)}
        return Equation(box, terms, _known(box, exact), exact=hard)

    return pose


def logistic(first: float = 0.01, *, rate: float = 10.0, weight: float = 1.0) -> Pose:
    """Growth, u' = r u (1 - u) on [0, 1] from a small u(0); 0 and 1 solve it too (Rohrhofer et al. 2022)."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            grown = first * torch.exp(rate * x)
            return grown / (1 - first + grown)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t = derivatives(net, x, "t", axes="t")
            return u_t - rate * u * (1 - u)

        hard = Exact(lambda net: Factor(net, lambda x: x, lambda x: torch.full_like(x, first)), ("ic",))
        terms = {
            "ode": Term(equation, box.inside, 100),
            "ic": Term(equals(exact), box.faces([(0, 0)]), 1, weight=weight),
        }
        return Equation(box, terms, _known(box, exact), exact=hard)

    return pose


def eigen(*, normalised: bool = False) -> Pose:
    """Eigenvector, u'' + pi^2 u = 0, u(0) = u(1) = 0: zero solves it; `normalised`: its mean square is a half."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.sin(math.pi * x)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_xx = derivatives(net, x, "xx")
            return u_xx + math.pi**2 * u

        def size(net: nn.Module, x: Tensor) -> Tensor:
            values: Tensor = net(x)
            # the sign of an eigenvector is free: here its middle is positive
            return (values.square().mean() - 0.5) ** 2 + (0.5 - values.mean()).clamp(min=0.0) ** 2

        terms = {
            "pde": Term(equation, box.inside, 100),
            "bc": Term(equals(_zero), box.boundary, 2, box.grid(2)),
        }
        if normalised:
            terms["size"] = Term(size, box.inside, 100)
        return Equation(box, terms, _known(box, exact))

    return pose


def layer(width: float = 0.1, *, points: int = 200) -> Pose:
    """The steady Burgers layer: w u'' + 2 u u' = 0 on [-1, 1], u = tanh(x / w), its values given at both ends."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([-1.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.tanh(x / width)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_x, u_xx = derivatives(net, x, "x", "xx")
            return width * u_xx + 2 * u * u_x

        hard = Exact(lambda net: Factor(net, lambda x: 1 - x**2, lambda x: x * math.tanh(1 / width)), ("bc",))
        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(exact), box.boundary, 2, box.grid(2)),
        }
        return Equation(box, terms, _known(box, exact), exact=hard)

    return pose


def source(width: float = 0.05, *, points: int = 200) -> Pose:
    """Poisson, u'' = f on [0, 1], with a Gaussian source of a given width in f; u(0) = u(1) = 0."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0], [1.0], dtype)
        middle = 0.4

        def bump(x: Tensor) -> Tensor:
            """Twice integrated exp(-z^2 / 2) / (w sqrt(2 pi)), z = (x - middle) / w."""
            z = (x - middle) / width
            density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            below = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
            return width * (z * below + density)

        ends = bump(box.grid(2))

        def exact(x: Tensor) -> Tensor:
            return bump(x) - ends[0] - (ends[1] - ends[0]) * x

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            _, second = derivatives(net, x, "xx")
            z = (x - middle) / width
            return second - torch.exp(-z * z / 2) / (width * math.sqrt(2 * math.pi))

        hard = Exact(lambda net: Factor(net, lambda x: x * (1 - x), _zero), ("bc",))
        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(_zero), box.boundary, 2, box.grid(2)),
        }
        return Equation(box, terms, _known(box, exact), exact=hard)

    return pose


def burgers(viscosity: float = 0.1, *, points: int = 300) -> Pose:
    """Burgers, u_t + u u_x = v u_xx on [0, 1] x [-1, 1] with the source that makes exp(-t) sin(pi x) its solution."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0, -1.0], [1.0, 1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-x[:, :1]) * torch.sin(math.pi * x[:, 1:])

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t, u_x, u_xx = derivatives(net, x, "t", "x", "xx", axes="tx")
            e, angle = torch.exp(-x[:, :1]), math.pi * x[:, 1:]
            known = exact(x)
            f = -known + known * e * math.pi * torch.cos(angle) + viscosity * math.pi**2 * known
            return u_t + u * u_x - viscosity * u_xx - f

        terms = {
            "pde": Term(equation, box.inside, points),
            "bc": Term(equals(exact), box.faces([(1, 0), (1, 1)]), 60),
            "ic": Term(equals(exact), box.faces([(0, 0)]), 60),
        }
        return Equation(box, terms, _known(box, exact))

    return pose


def decay_inverse(rate: float = 2.0, *, wrong: float = 0.0, weight: float = 1.0) -> Pose:
    """Decay, u' = -k u on [0, 1], k sought from data of exp(-rate t), to which a wave of size `wrong` is added."""

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([0.0], [1.0], dtype)

        def exact(x: Tensor) -> Tensor:
            return torch.exp(-rate * x)

        def measured(x: Tensor) -> Tensor:
            return exact(x) + wrong * torch.sin(4 * math.pi * x)

        def equation(net: nn.Module, x: Tensor) -> Tensor:
            u, u_t = derivatives(net, x, "t", axes="t")
            return u_t + net.coefficient * u

        terms = {
            "ode": Term(equation, box.inside, 100),
            "data": Term(equals(measured), box.inside, 40, weight=weight),
        }
        return Equation(box, terms, _known(box, exact), coefficient=1.0)

    return pose


def fit(waves: float = 1.0, *, width: float = 0.0, points: int = 200, dimensions: int = 1, grid: bool = False) -> Pose:
    """A plain fit, one term: a wave along every coordinate, and a step of a given width if asked for.

    With `grid` there are regular points, so many along each coordinate.
    """

    def pose(dtype: torch.dtype) -> Equation:
        box = _box([-1.0] * dimensions, [1.0] * dimensions, dtype)

        def exact(x: Tensor) -> Tensor:
            wave = torch.sin(math.pi * waves * x).prod(dim=1, keepdim=True)
            return wave + torch.tanh(x[:, :1] / width) if width else wave

        regular = box.grid(points) if grid else None
        term = Term(equals(exact), box.inside, points if regular is None else len(regular), regular)
        return Equation(box, {"data": term}, _known(box, exact))

    return pose


def literature(name: str, counts: dict[str, int] | None = None, **options: object) -> tuple[Pose, Callable]:
    """A problem of `pinndiag.problems` and the maker of its network; `counts` replaces numbers of points."""
    made: list[problems.Problem] = []

    def pose(dtype: torch.dtype) -> Equation:
        seed = int(torch.randint(2**31, (1,)))
        problem = problems.make(name, seed=seed, dtype=dtype, **options)
        made[:] = [problem]
        box = _hull(problem)
        terms = {}
        for key, term in problem.terms.items():
            count = (counts or {}).get(key, len(term.points))
            points = None if count != len(term.points) else term.points

            def residual(net: nn.Module, x: Tensor, term: problems.Term = term) -> Tensor:
                return term.residual(x)  # it refers to the problem's own network

            every = 1 if term.resampled else 0
            terms[key] = Term(residual, term.draw, count, points, weight=term.weight, resample=every)
        return Equation(box, terms, problem.solution)

    return pose, lambda equation: made[0].model


def _hull(problem: problems.Problem) -> Box:
    points = torch.cat([term.points for term in problem.terms.values()])
    return Box(tuple(points.amin(0).tolist()), tuple(points.amax(0).tolist()), points[:0])
