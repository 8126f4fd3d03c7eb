"""Differential operators of a network, by whichever way is faster."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from pinndiag._errors import PinndiagError
from pinndiag.nn._mlp import MLP
from pinndiag.nn._modified_mlp import ModifiedMLP
from pinndiag.nn._operators import ORDERS, parsed
from pinndiag.nn._plan import Plan, plan
from pinndiag.nn._propagation import forward, is_known
from pinndiag.nn._reverse import reverse

__all__ = ["derivatives"]

Network = Callable[[Tensor], Tensor]
Values = Float[Tensor, "points outputs"]


def derivatives(net: Network, x: Float[Tensor, "points d"], *operators: str, axes: str = "xyz") -> tuple[Values, ...]:
    """The network's output and differential operators of it at some points, with their graphs to the parameters.

    Networks of this room, and `nn.Sequential` of `nn.Linear` and `nn.Tanh`, propagate derivatives forward together
    with the value: along a few directions up to the order asked for, and sums of highest derivatives (a Laplacian, a
    biharmonic operator) as one ("forward Laplacian", Li et al. 2024, Nat. Mach. Intell. 6, 209; "collapsed Taylor
    mode", Dangel et al. 2025, arXiv:2505.13644). Any other callable is differentiated by nested `torch.autograd.grad`;
    so are orders above four, and the few cases in which that is faster. Both give the same numbers up to rounding.

    Args:
        net: a network that treats each point by itself.
        x: points.
        operators: sums of products of axes, all of one order: "t", "xx+yy", "xxxx+2xxyy+yyyy".
        axes: one letter for each coordinate, in the order of the columns of x; may be longer than needed.

    Returns:
        The output, then each operator of each output, of shape (points, outputs).

    Raises:
        PinndiagError: an operator cannot be read, or there are more coordinates than axes.

    Cost: of forward propagation along m_k directions to order k, about 1 + m_1 + ... + m_K passes (the last m_K counts
    as the number of operators of highest order, if that is smaller), forward and backward.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(2, 1, bias=False))
    >>> _ = nn.init.constant_(net[0].weight, 3.0)
    >>> u, u_x, laplacian = derivatives(net, torch.ones(1, 2), "x", "xx+yy", axes="xy")
    >>> u.item(), u_x.item(), laplacian.item()
    (6.0, 3.0, 0.0)
    """
    if x.ndim != 2 or x.shape[1] > len(axes):
        raise PinndiagError(
            "the points do not fit the axes",
            where=f"points of shape {tuple(x.shape)}, axes {axes!r}",
            cause="each column of the points needs a letter of its own",
            fix='pass points of shape (N, d) and one letter for each column, such as axes="tx"',
        )
    axes = axes[: x.shape[1]]
    wanted = [parsed(text, axes) for text in operators]
    orders = [len(next(iter(operator))) for operator in wanted]
    if wanted and max(orders) <= ORDERS and isinstance(net, nn.Module) and is_known(net):
        chosen = plan(operators, axes)
        if not _reverse_is_faster(net, chosen):
            return forward(net, x, chosen)
    return reverse(net, x, wanted)


def _reverse_is_faster(net: nn.Module, chosen: Plan) -> bool:
    """Measured by benchmarks/residuals.py.

    One backward pass gives every first derivative of one output at once, which makes up for its higher price as long
    as no more than one second derivative is asked for beside them (by 5 to 25 %).
    """
    one_output = isinstance(net, (MLP, ModifiedMLP)) and net.output.out_features == 1
    return one_output and chosen.directions.shape[1] > 1 and sum(chosen.counts[1:]) < 2
