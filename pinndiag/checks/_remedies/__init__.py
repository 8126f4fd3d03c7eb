"""Remedies as values: what to do, why here, what it did elsewhere, and lines to paste.

Lines use the names `model`, `initial` (its state dict before training), `optimizer`, `x`, `steps` and `losses` (a
dictionary of the unweighted losses by term); a term's name enters them only as a quoted string.
"""

from pinndiag.checks._remedies._network import (
    activation,
    affine_inputs,
    exact_condition,
    fourier_features,
    initialise_again,
    normalised_unknown,
    scale_output,
    wider_network,
)
from pinndiag.checks._remedies._program import (
    attach_term,
    check_create_graph,
    contradiction,
    one_term,
    rename_terms,
    safe_where,
    unused_layer,
    use_coefficient,
)
from pinndiag.checks._remedies._sampling import (
    adaptive_points,
    causal_weights,
    drop_points,
    more_points,
    point_weights,
    resample,
    shifted_points,
    time_windows,
)
from pinndiag.checks._remedies._training import (
    averaged_parameters,
    decayed_rate,
    float64,
    larger_batch,
    larger_rate,
    lbfgs,
    look_closer,
    scaled_lbfgs,
    smaller_rate,
    train_longer,
)
from pinndiag.checks._remedies._weights import (
    damped_weights,
    fixed_weight,
    gradient_norm_weights,
    joint_directions,
    lr_annealing,
    scale_losses,
)

__all__ = [
    "activation",
    "adaptive_points",
    "affine_inputs",
    "attach_term",
    "averaged_parameters",
    "causal_weights",
    "check_create_graph",
    "contradiction",
    "damped_weights",
    "decayed_rate",
    "drop_points",
    "exact_condition",
    "fixed_weight",
    "float64",
    "fourier_features",
    "gradient_norm_weights",
    "initialise_again",
    "joint_directions",
    "larger_batch",
    "larger_rate",
    "lbfgs",
    "look_closer",
    "lr_annealing",
    "more_points",
    "normalised_unknown",
    "one_term",
    "point_weights",
    "rename_terms",
    "resample",
    "safe_where",
    "scale_losses",
    "scale_output",
    "scaled_lbfgs",
    "shifted_points",
    "smaller_rate",
    "time_windows",
    "train_longer",
    "unused_layer",
    "use_coefficient",
    "wider_network",
]
