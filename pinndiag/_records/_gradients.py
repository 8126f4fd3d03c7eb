"""Records of the per-term gradients (design: per-term figures, layers, cosines, alignment)."""

from __future__ import annotations

from pinndiag._records._record import Histogram, Record

__all__ = ["GradientFigures", "Gradients", "LayerGradients"]


class GradientFigures(Record):
    """Figures of one gradient vector g over P entries; entries that a term does not reach count as zeros.

    Attributes:
        grad_l2: sqrt(sum g^2).
        grad_l1: sum |g|.
        grad_max: max |g|.
        grad_mean: mean |g|.
        grad_std: sqrt(mean (g - mean g)^2), divided by P.
        grad_kurtosis: fourth standardised moment; 3 for a normal distribution, NaN for a constant vector.
        nonfinite: entries that are NaN or infinite.
    """

    grad_l2: float
    grad_l1: float
    grad_max: float
    grad_mean: float
    grad_std: float
    grad_kurtosis: float
    nonfinite: int = 0


class LayerGradients(Record):
    """Gradients of every term restricted to one layer.

    Attributes:
        name: the module that owns the parameters, as in `named_modules()`.
        parameters: number of entries.
        terms: unweighted figures of each term, weight and bias pooled.
        weight: the same for the parameters of two or more dimensions (absent if there is none).
        bias: the same for the parameters of fewer dimensions (absent if there is none).
        histograms: unweighted g of each term, 100 bins common to the terms, over +- the largest 99.9 % quantile of |g|.
        weighted: the same of w_i g_i, what the optimizer sees.
        magnitudes: log10 |g| of each term, unweighted, 100 common bins; zeros counted apart.
        total: figures of the weighted total G on this layer.
    """

    name: str
    parameters: int
    terms: dict[str, GradientFigures]
    weight: dict[str, GradientFigures] | None
    bias: dict[str, GradientFigures] | None
    histograms: dict[str, Histogram]
    weighted: dict[str, Histogram]
    magnitudes: dict[str, Histogram]
    total: GradientFigures


class Gradients(Record):
    """What the gradient analyzer returns.

    Attributes:
        losses: unweighted loss of each term.
        weights: the fixed weight of each term.
        terms: figures of each unweighted gradient over all P trainable parameters.
        total: figures of G = sum_i w_i g_i.
        total_loss: sum_i w_i L_i.
        reached: share of the trainable parameters that each term's graph reaches (0 to 1).
        histograms, weighted, magnitudes: as in `LayerGradients`, over all parameters.
        cosine: "a|b" -> cosine between g_a and g_b, for every pair in the order given; NaN where one is zero.
        ratio: "a|b" -> |w_a g_a| / |w_b g_b|; infinite where the second is zero, NaN where both are.
        alignment: 2 |mean_i g_i/|g_i||^2 - 1 (Wang et al. 2025) over the terms whose gradient has a direction (is not
            zero and is finite); 1 aligned, negative opposed, NaN if no term has one.
        cancellation: |G| / sum_i |w_i g_i|; 1 no cancellation, 0 the terms hold each other in balance.
        layers: one entry a layer, in the network's order.
    """

    losses: dict[str, float]
    weights: dict[str, float]
    terms: dict[str, GradientFigures]
    total: GradientFigures
    total_loss: float
    reached: dict[str, float]
    histograms: dict[str, Histogram]
    weighted: dict[str, Histogram]
    magnitudes: dict[str, Histogram]
    cosine: dict[str, float]
    ratio: dict[str, float]
    alignment: float
    cancellation: float
    layers: list[LayerGradients]
