"""All checks, in the order of judgement: causes before symptoms."""

from __future__ import annotations

from collections.abc import Sequence

from pinndiag._errors import PinndiagError
from pinndiag.checks import (
    _pd001_nonfinite,
    _pd002_no_gradient,
    _pd003_wrong_gradient,
    _pd004_duplicate_term,
    _pd005_mislabeled_term,
    _pd101_input_scaling,
    _pd102_unscaled_problem,
    _pd103_precision_floor,
    _pd104_saturation,
    _pd201_domination,
    _pd202_vanishing_gradient,
    _pd203_gradient_conflict,
    _pd204_inconsistent_terms,
    _pd205_runaway_weights,
    _pd301_pointwise_imbalance,
    _pd302_propagation,
    _pd303_collocation_overfit,
    _pd304_aliasing,
    _pd401_spectral_bias,
    _pd402_trivial_solution,
    _pd403_insufficient_capacity,
    _pd404_bad_initialisation,
    _pd501_lr_too_high,
    _pd502_ill_conditioning,
    _pd503_under_trained,
    _pd504_premature_stop,
    _pd505_gradient_noise,
)
from pinndiag.checks._check import Check

__all__ = ["CHECKS", "by_code", "matching"]

CHECKS: tuple[Check, ...] = (
    _pd001_nonfinite.CHECK,
    _pd002_no_gradient.CHECK,
    _pd003_wrong_gradient.CHECK,
    _pd004_duplicate_term.CHECK,
    _pd005_mislabeled_term.CHECK,
    _pd103_precision_floor.CHECK,
    _pd101_input_scaling.CHECK,
    _pd102_unscaled_problem.CHECK,
    _pd404_bad_initialisation.CHECK,
    _pd304_aliasing.CHECK,
    _pd501_lr_too_high.CHECK,
    _pd504_premature_stop.CHECK,
    _pd104_saturation.CHECK,
    _pd303_collocation_overfit.CHECK,
    _pd402_trivial_solution.CHECK,
    _pd205_runaway_weights.CHECK,
    _pd204_inconsistent_terms.CHECK,
    _pd201_domination.CHECK,
    _pd202_vanishing_gradient.CHECK,
    _pd302_propagation.CHECK,
    _pd301_pointwise_imbalance.CHECK,
    _pd403_insufficient_capacity.CHECK,
    _pd401_spectral_bias.CHECK,
    _pd203_gradient_conflict.CHECK,
    _pd505_gradient_noise.CHECK,
    _pd502_ill_conditioning.CHECK,
    _pd503_under_trained.CHECK,
)


def by_code(code: str) -> Check:
    """The check with that code.

    Raises:
        PinndiagError: there is none.
    """
    for check in CHECKS:
        if check.code == code.strip().upper():
            return check
    raise _unknown(code)


def matching(patterns: Sequence[str]) -> set[str]:
    """The codes that equal one of the patterns or begin with it.

    Raises:
        PinndiagError: a pattern fits no code.
    """
    found: set[str] = set()
    for pattern in patterns:
        prefix = pattern.strip().upper()
        codes = {check.code for check in CHECKS if prefix and check.code.startswith(prefix)}
        if not codes:
            raise _unknown(pattern)
        found |= codes
    return found


def _unknown(code: str) -> PinndiagError:
    return PinndiagError(
        f"there is no check {code!r}",
        where=f"known: {', '.join(sorted(check.code for check in CHECKS))}",
        cause="a typing error, or a check of another version",
        fix="use one of these codes, or a prefix such as PD2; `pinndiag checks` lists them",
    )
