"""What a scheme is made with: looked at when it is made, told in its settings and when it is printed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

from torch import nn

from pinndiag.schemes._about import About
from pinndiag.schemes._arguments import looked_at
from pinndiag.schemes._guards import Limits
from pinndiag.schemes._numbers import COUNT, FINITE, Range, Ranges
from pinndiag.schemes._options import Options, names_of, no_preset, refuse_unknown, written

__all__ = ["Configured"]

# what a repr leaves out
USUAL: Mapping[str, Any] = {"preset": None, "exclude": (), "eps_rel": 1e-7, "normalise": None, "weights": {}}
GUARDS = ("w_min", "w_max", "max_growth")


class Configured(nn.Module):
    """The arguments of a scheme, see `AbstractScheme`.

    Each is an attribute of its name, but for `weights` (`given`), the guards (`limits`) and what is no plain value.
    """

    about: ClassVar[About]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    ranges: ClassVar[Ranges] = {
        "every": COUNT,
        "first": Range(-1, whole=True, meaning="-1: the last step of the first interval"),
        "eps_rel": Range(0, 1, below=True, meaning="a small share of the numerator; 0 for no guard"),
        "w_min": Range(below=True),
        "w_max": Range(above=True),
        "max_growth": Range(1, meaning="the largest factor between two refreshes, such as 10"),
        "weights": FINITE,
    }
    """Where arguments make sense; a class names those that it adds or changes."""

    shaping: ClassVar[Sequence[str]] = ()
    """Arguments without which what is remembered cannot be read: a state goes with them."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            cls.__init__ = looked_at(cls.__dict__["__init__"])  # type: ignore[method-assign]

    def __init__(self, *, every: int = 1, **options: Unpack[Options]) -> None:
        super().__init__()
        refuse_unknown(type(self), options)
        self.preset = options.get("preset")
        if self.preset is not None and self.preset not in self.presets:
            raise no_preset(type(self).__name__, self.preset, self.presets)
        first = options.get("first", 0)
        self.every, self.first = every, every - 1 if first == -1 else first
        self.exclude = names_of("exclude", options.get("exclude", ()))
        self.given = dict(options.get("weights") or {})
        self.eps_rel = options.get("eps_rel", 1e-7)
        self.limits = Limits(options.get("w_min"), options.get("w_max"), options.get("max_growth"))
        self.normalise = options.get("normalise")
        self.reference = options.get("reference")

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments it was made with or has from its preset, each by its name; in words what no file can hold."""
        names = {"every", *self._own(), *Options.__annotations__}
        return {name: written(self.argument(name)) for name in sorted(names)}

    def argument(self, name: str) -> Any:
        """What it was made with under that name."""
        if name == "weights":
            return self.given
        return getattr(self.limits if name in GUARDS else self, name)

    def extra_repr(self) -> str:
        """Its own arguments, the first refresh and the reference; of the others those that are not the usual ones."""
        shown = {name: repr(written(self.argument(name))) for name in [*self._own(), "first"] if name != "weights"}
        shown["reference"] = repr(self.argument("reference")) if self.argument("reference") else "the first term given"
        for name in [name for name in Options.__annotations__ if name not in shown]:
            value = self.argument(name)
            if value != USUAL.get(name):
                shown[name] = repr(written(value))
        return ", ".join(f"{name}={value}" for name, value in shown.items())

    def _own(self) -> Mapping[str, inspect.Parameter]:
        """The arguments of its constructor that not every scheme takes, in their order."""
        parameters = inspect.signature(type(self)).parameters
        return {name: parameter for name, parameter in parameters.items() if name != "options"}
