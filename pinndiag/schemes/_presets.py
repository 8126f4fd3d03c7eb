"""Presets: settings of a paper or a public code under one name, where sources disagree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["PUBLISHED", "presets"]

Scheme = TypeVar("Scheme", bound=type)

# no guard: a published formula must come out to the last digit
PUBLISHED: Mapping[str, Any] = {"eps_rel": 0.0}


def presets(**table: Mapping[str, Any]) -> Callable[[Scheme], Scheme]:
    """Let a scheme's `preset=` set defaults of its other arguments; arguments that are given win.

    Args:
        table: preset -> arguments of the constructor.
    """

    def bind(scheme: Scheme) -> Scheme:
        plain = scheme.__init__  # type: ignore[misc]

        @functools.wraps(plain)
        def settled(self: Any, *args: Any, **given: Any) -> None:
            plain(self, *args, **{**table.get(given.get("preset") or "", {}), **given})

        scheme.__init__ = settled  # type: ignore[misc]
        scheme.presets = table  # type: ignore[attr-defined]
        return scheme

    return bind
