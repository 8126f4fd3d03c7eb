"""Remedies for faults of the program and of the problem."""

from __future__ import annotations

from collections.abc import Sequence

from pinndiag._records import Prescription
from pinndiag.checks._wording import listed, quoted

__all__ = [
    "attach_term",
    "check_create_graph",
    "contradiction",
    "one_term",
    "rename_terms",
    "safe_where",
    "unused_layer",
    "use_coefficient",
]


def safe_where() -> Prescription:
    """A guard on the argument, not on the result."""
    return Prescription(
        title="Guard the argument of sqrt, log, division or power, not its result.",
        why="torch.where hides an infinite value in the forward pass and multiplies it by zero in the backward pass: "
        "NaN.",
        code="""\
safe = torch.where(r > 0, r, torch.ones_like(r))  # the argument first
value = torch.where(r > 0, torch.sqrt(safe), torch.zeros_like(r))
""",
    )


def attach_term(name: str) -> Prescription:
    """A term without gradient."""
    return Prescription(
        title=f"Keep {quoted(name)} attached to the network: form it anew at every step, from the network's output.",
        why="detach(), no_grad(), .item(), .data, numpy or a value computed once before the loop cut the gradient.",
        code="""\
u = model(x)  # inside the loop; no detach(), no torch.no_grad(), no .item() between here and the loss
u_x = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
# an activation whose needed derivative vanishes does the same: ReLU has no second derivative, use tanh
""",
    )


def check_create_graph(name: str) -> Prescription:
    """Derivatives that keep their graph."""
    return Prescription(
        title=f"In {quoted(name)}, take every derivative with create_graph=True and detach no factor.",
        why="The gradient is not that of the loss: some part of the graph is missing on the way back.",
        code="""\
u_x = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
u_xx = torch.autograd.grad(u_x.sum(), x, create_graph=True)[0]
# also look for .data, .detach(), in-place changes, and custom autograd.Function backwards; and for nn.LayerNorm and
# nn.BatchNorm1d, whose higher derivatives torch 2.13 gets wrong: nn.GroupNorm(1, width) is right, and normalises alike
""",
    )


def one_term(kept: str, dropped: str) -> Prescription:
    """A residual that is there twice."""
    return Prescription(
        title=f"Drop {quoted(dropped)}, or keep it knowing that it doubles the weight of {quoted(kept)}.",
        why="Two terms with one gradient are one term with a larger weight.",
        code=f"losses.pop({dropped!r})\n",
    )


def rename_terms(condition: str, equation: str) -> Prescription:
    """Names that stand at the wrong terms."""
    return Prescription(
        title=f"Exchange the names {quoted(condition)} and {quoted(equation)}.",
        why="What is called a condition has its points inside the domain, and the other way round.",
        code=f"losses[{condition!r}], losses[{equation!r}] = losses[{equation!r}], losses[{condition!r}]\n",
    )


def use_coefficient() -> Prescription:
    """A learnable coefficient that no residual uses."""
    return Prescription(
        title="Use the coefficient itself in the residual, as a tensor that requires grad, and give it to the "
        "optimizer.",
        why="float(k), k.item(), k.data or torch.tensor(k) make a number of it, and the gradient stops there.",
        code="""\
k = torch.nn.Parameter(torch.tensor(1.0))
optimizer = torch.optim.Adam([*model.parameters(), k], lr=1e-3)
# in the residual: k * u_xx, never k.item() * u_xx
""",
    )


def unused_layer() -> Prescription:
    """A layer that takes no part."""
    return Prescription(
        title="Use the layer in forward, or remove it.",
        why="What no term reaches keeps its initial values.",
        code="""\
for name, p in model.named_parameters():
    print(name, "no gradient" if p.grad is None or not p.grad.any() else "ok")  # after loss.backward()
""",
    )


def contradiction(names: Sequence[str]) -> Prescription:
    """Terms that no function satisfies."""
    return Prescription(
        title=f"Look for the contradiction between {listed(list(names))}: signs, coefficients, data, corner values.",
        why="No weight can cure it: a scheme that lowers the error here does so by silencing a term.",
        expect="One scheme lowered an error from 0.34 to 0.013 by silencing the wrong term: that is luck, not a cure.",
        code="""\
# put an exact or manufactured solution into every residual: each must vanish
for name, residual in residuals_of(exact_solution).items():
    print(name, residual.abs().max().item())
""",
    )
