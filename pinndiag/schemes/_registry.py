"""All schemes by key."""

from __future__ import annotations

from difflib import get_close_matches

from pinndiag._errors import PinndiagError
from pinndiag.schemes._dynamic_norm import DynamicNorm
from pinndiag.schemes._fixed import Fixed
from pinndiag.schemes._global_grad_norm import GlobalGradNorm
from pinndiag.schemes._inverse_dirichlet import InverseDirichlet
from pinndiag.schemes._lr_annealing import LRAnnealing
from pinndiag.schemes._scheme import AbstractScheme

__all__ = ["SCHEMES", "by_key"]

SCHEMES: dict[str, type[AbstractScheme]] = {
    scheme.about.key: scheme
    for scheme in (
        Fixed,
        LRAnnealing,
        InverseDirichlet,
        DynamicNorm,
        GlobalGradNorm,
    )
}


def by_key(key: str) -> type[AbstractScheme]:
    """The scheme with that key, in any case, or with that class name.

    Raises:
        PinndiagError: there is none.

    >>> by_key("dynamic-norm").__name__, by_key("LRAnnealing").about.key
    ('DynamicNorm', 'lra')
    """
    wanted = key.strip().lower().replace("-", "_")
    for known, scheme in SCHEMES.items():
        if wanted in (known, scheme.__name__.lower()):
            return scheme
    near = get_close_matches(wanted, SCHEMES, 1)
    raise PinndiagError(
        f"there is no scheme {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        where=f"known: {', '.join(SCHEMES)}",
        fix="use one of these; `pinndiag schemes` lists them",
    )
