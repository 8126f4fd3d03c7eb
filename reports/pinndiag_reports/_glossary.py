"""What the figures mean, in two lines each."""

from __future__ import annotations

__all__ = ["GLOSSARY"]

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("loss", "Mean of |r|² over all entries of a term's residual r, before any weight. A scalar term is its own loss."),
    (
        "g, w g, G",
        "Gradient of a term's unweighted loss over all trainable parameters; times its weight; the sum of the "
        "weighted ones, which the optimizer follows.",
    ),
    (
        "remaining work",
        "Mean r² over the mean squared gradient norm of one residual: the squared distance in parameter space that "
        "would make the typical residual vanish. It does not change when the term or its weight is scaled. "
        "Healthy runs end below 2e-5.",
    ),
    (
        "held-out ratio",
        "Mean r² at fresh points over that at the training points. Around 1 the equation is learned; in the "
        "hundreds, only the points.",
    ),
    (
        "reached",
        "Share of the trainable parameters that a term's graph touches. A bias of the last layer is often out of "
        "reach of a derivative.",
    ),
    (
        "σ max",
        "Largest eigenvalue of the Hessian. Plain gradient descent is unstable above 2/lr; Adam scales the Hessian "
        "first, so its own limit is compared with its own eigenvalue. Riding the edge is normal in training.",
    ),
    (
        "residual of an eigenvalue",
        "|Hv - θv|: an eigenvalue lies within that distance. It does not exclude a larger one elsewhere.",
    ),
    (
        "cosine",
        "Of the angle between two terms' gradients. Near a minimum of the sum of two terms it is -1 by definition.",
    ),
    (
        "alignment, cancellation",
        "2 |mean of unit gradients|² - 1, from 1 (aligned) to negative (opposed); |G| / sum |w g|, from 1 (nothing "
        "cancels) to 0 (the terms hold each other).",
    ),
    (
        "kernel",
        "J J' of the residuals: how fast each residual moves under gradient descent. Directions with small "
        "eigenvalues are learned last.",
    ),
    (
        "descent probe",
        "A short L-BFGS run on a copy from the present parameters: the factor by which the loss falls. It tells what "
        "the optimizer leaves from what the network cannot do.",
    ),
    (
        "other weights, another start",
        "Experiments of a thorough analysis: short runs on a copy with one weight times 100 or times 0.01, from "
        "redrawn initial parameters, and with inputs and output scaled to order one.",
    ),
    ("Gini index", "0: all points carry the same share of the loss; 1: one point carries all."),
    (
        "saturation, spread",
        "Share of activations with |tanh| > 0.99; standard deviation of a unit over the points. A layer without "
        "spread passes nothing on.",
    ),
    (
        "derivative check",
        "Central difference of the loss against the gradient, in float64. A disagreement means that the gradient is "
        "not that of the loss.",
    ),
    (
        "best constant output",
        "The constant of each output for which the weighted total is smallest (the last layer's weights at zero). "
        "A network whose loss is no smaller has learned nothing but that: a trivial solution.",
    ),
    ("relative L2 error", "|network - solution| / |solution|, pooled over the outputs."),
    (
        "estimated error",
        "The relative change of the output that makes all residuals vanish, to first order; no solution is needed. "
        "Right where the problem has one solution and the network can express it; noise in data counts as error.",
    ),
)
