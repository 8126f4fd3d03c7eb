"""All schemes by key."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

from pinndiag._errors import PinndiagError
from pinndiag.schemes._aligned_mtl import AlignedMTL
from pinndiag.schemes._brdr import BRDR
from pinndiag.schemes._causal import Causal
from pinndiag.schemes._config import ConFIG
from pinndiag.schemes._dcgd import DCGD
from pinndiag.schemes._dynamic_norm import DynamicNorm
from pinndiag.schemes._fixed import Fixed
from pinndiag.schemes._global_grad_norm import GlobalGradNorm
from pinndiag.schemes._grad_norm import GradNorm
from pinndiag.schemes._inverse_dirichlet import InverseDirichlet
from pinndiag.schemes._lr_annealing import LRAnnealing
from pinndiag.schemes._ntk_weights import NTKWeights
from pinndiag.schemes._pcgrad import PCGrad
from pinndiag.schemes._point_grad_norm import PointGradNorm
from pinndiag.schemes._rba import RBA
from pinndiag.schemes._relobralo import ReLoBRaLo
from pinndiag.schemes._scheme import AbstractScheme
from pinndiag.schemes._self_adaptive import SelfAdaptive
from pinndiag.schemes._softadapt import SoftAdapt
from pinndiag.schemes._uncertainty import Uncertainty
from pinndiag.schemes._upgrad import UPGrad

__all__ = ["SCHEMES", "by_key", "make", "scheme_of"]

SCHEMES: dict[str, type[AbstractScheme]] = {
    scheme.about.key: scheme
    for scheme in (
        Fixed,
        LRAnnealing,
        InverseDirichlet,
        DynamicNorm,
        GlobalGradNorm,
        NTKWeights,
        GradNorm,
        SoftAdapt,
        ReLoBRaLo,
        Uncertainty,
        SelfAdaptive,
        PointGradNorm,
        RBA,
        BRDR,
        Causal,
        PCGrad,
        ConFIG,
        DCGD,
        AlignedMTL,
        UPGrad,
    )
}


def by_key(key: str) -> type[AbstractScheme]:
    """The scheme with that key or class name, however its words are joined.

    Raises:
        PinndiagError: there is none; the message names the nearest.

    >>> by_key("dynamic-norm").__name__, by_key("RBA").__name__, by_key("lr_annealing").__name__
    ('DynamicNorm', 'RBA', 'LRAnnealing')
    """
    wanted = _joined(key)
    known = {_joined(name): scheme for k, scheme in SCHEMES.items() for name in (scheme.__name__, k)}
    if wanted in known:
        return known[wanted]
    near = [known[name].about.key for name in get_close_matches(wanted, known, 1)]
    raise PinndiagError(
        f"there is no scheme {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        where=f"known: {', '.join(SCHEMES)}",
        fix="use one of these; `pinndiag schemes` lists them",
    )


def _joined(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "")


def scheme_of(given: Any) -> AbstractScheme:
    """A scheme as a user hands it over: itself, by its key, or its class, of which one is made.

    Raises:
        PinndiagError: something else, an unknown key, or a scheme that needs arguments.
    """
    if isinstance(given, AbstractScheme):
        return given
    if isinstance(given, str):
        return make(given)
    if isinstance(given, type) and issubclass(given, AbstractScheme):
        return make(given)
    raise PinndiagError(
        "scheme= is not a balancing scheme",
        where=f"got {type(given).__name__}",
        cause="a number, a dictionary of weights or a function was passed",
        fix='pass a key such as "lra", or pinndiag.schemes.LRAnnealing(); fixed weights go into weights=',
    )


def make(key: str | type[AbstractScheme], **options: Any) -> AbstractScheme:
    """A new scheme by its key or class, with arguments of its constructor.

    Raises:
        PinndiagError: there is no such scheme, or it needs arguments that were not given.

    >>> make("config", every=100)
    ConFIG(every=100, first=0, reference=the first term given)
    """
    scheme = by_key(key) if isinstance(key, str) else key
    needed = [
        name
        for name, parameter in inspect.signature(scheme).parameters.items()
        if parameter.default is parameter.empty and name not in ("options", *options)
    ]
    if needed:
        raise PinndiagError(
            f"the scheme {scheme.about.key!r} cannot be made without {', '.join(needed)}",
            cause="it needs to know more than the terms",
            fix=f"make it by hand: pinndiag.schemes.{scheme.__name__}({needed[0]}=...)",
        )
    return scheme(**options)
