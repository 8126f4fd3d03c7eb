"""Per-term gradients: figures over all parameters and per layer, histograms, cosines, ratios, alignment."""

from __future__ import annotations

import torch

from pinndiag._records import Gradients
from pinndiag._statistics import _gradient_tables
from pinndiag._terms._pinn import PINN
from pinndiag._terms._view import View

__all__ = ["gradients"]


def gradients(subject: PINN | View) -> Gradients:
    """Measure the gradient of every term at the present parameters, as seeds of a diagnosis.

    Figures are those of the unweighted g_i over all P trainable parameters (a parameter that the term does not reach
    counts as zeros), and on each layer: weight and bias pooled, and apart (weight: parameters of two or more
    dimensions). `total` is the same of G = sum_i w_i g_i, what the optimizer sees.

    Histograms have 100 bins that the terms of a layer share: of g_i and of w_i g_i over +- the largest 99.9 % quantile
    of the moduli, and of log10 |g_i| from the smallest 0.1 % quantile to the largest modulus, zeros apart. Each counts
    every entry once, in a bin or outside them.

    `alignment` is 2 |mean_i g_i / |g_i||^2 - 1 over the terms whose gradient has a direction; a zero or non-finite one
    has none.

    NaN and infinities are findings: they are counted, they make the figures of their own term NaN or infinite, and
    leave those of the other terms alone.

    Cost: one forward and one backward pass of each term (shared through a `View`), and a few passes over the terms x P
    matrix of gradients in float64; memory of about six copies of that matrix.

    Sources: per-layer histograms of Wang, Teng, Perdikaris 2021 (SIAM J. Sci. Comput. 43, A3055); distributions over
    all parameters of Deguchi, Asai 2023 (J. Phys. Commun. 7, 075005), figures 3, 6, 9; alignment of Wang et al. 2025
    (arXiv:2502.00604).

    >>> import torch, pinndiag
    >>> k = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> terms = {"a": lambda: 3 * k[0], "b": lambda: 2 * k.sum()}   # g_a = (3, 0), g_b = (2, 2)
    >>> pinn = pinndiag.wrap(lambda p, x: x, terms, parameters={"k": k}, weights={"b": 2.0})
    >>> found = gradients(pinn)
    >>> found.terms["a"].grad_l2, found.total.grad_max              # G = (3 + 2 * 2, 2 * 2)
    (3.0, 7.0)
    >>> round(found.cosine["a|b"], 6), found.terms["b"].grad_l1
    (0.707107, 4.0)
    """
    view = View.of(subject)
    pinn = view.pinn
    matrix = torch.stack([view.gradients[name].double() for name in pinn.names])
    weights = torch.tensor(list(pinn.weights.values()), dtype=torch.float64, device=pinn.device)
    structure = _gradient_tables.Structure.of(pinn.parameters)
    (pages,) = _gradient_tables.fetched([_gradient_tables.tables(structure, matrix, weights[:, None] * matrix)])
    return _gradient_tables.read(
        pages, structure.entries, losses=view.losses, weights=pinn.weights, reached=view.reached, names=pinn.names
    )
