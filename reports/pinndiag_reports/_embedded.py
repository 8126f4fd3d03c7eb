"""The record inside the page, small enough for a page and unable to break out of its element."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

__all__ = ["Embedded", "embed"]

_COMFORT = 250_000  # bytes of JSON that a page of half a megabyte can carry
_LIMIT = 400_000
_LONG = 24


@dataclass(frozen=True, slots=True)
class Embedded:
    """JSON for a script element, and what was left out of it ("" if nothing)."""

    json: Markup
    left_out: str


def embed(plain: dict[str, Any]) -> Embedded:
    """`plain` as it is while it is small; else long lists with five digits; else without the bulkiest lists."""
    text = _dump(plain)
    if len(text) <= _COMFORT:
        return Embedded(_safe(text), "")
    plain = _rounded(plain)
    text = _dump(plain)
    words = f"numbers in lists of more than {_LONG} are rounded to five digits"
    for keys in _BULK:
        if len(text) <= _LIMIT:
            break
        plain = _without(plain, keys)
        text = _dump(plain)
        words += f"; {', '.join(sorted(keys))} left out"
    if len(text) > _LIMIT:
        plain = {key: plain[key] for key in ("schema", "verdict", "findings", "run") if key in plain}
        text = _dump(plain)
        words = "only verdict, findings and settings are embedded"
    if len(text) > _LIMIT:
        text, words = "null", "the record is too large to be embedded"
    return Embedded(_safe(text), words)


_BULK = (
    frozenset({"histograms", "magnitudes", "weighted"}),
    frozenset({"field", "gradient_norms", "gradient_points"}),
    frozenset({"histogram", "histogram_weighted", "eigenvalues", "density", "bias"}),
)
_NULLABLE = frozenset({"field", "histogram", "histogram_weighted", "density", "bias"})


def _dump(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _safe(text: str) -> Markup:
    """JSON that neither closes a script element nor opens a comment: such signs as escapes of JSON itself."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) > _LONG:
            return [float(f"{item:.5g}") if isinstance(item, float) else _rounded(item) for item in value]
        return [_rounded(item) for item in value]
    return value


def _without(value: Any, keys: frozenset[str]) -> Any:
    """The value with the named bulky parts emptied: lists to [], mappings to {}, records that may be null to null."""
    if isinstance(value, list):
        return [_without(item, keys) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _emptied(key, item) if key in keys else _without(item, keys) for key, item in value.items()}


def _emptied(key: str, item: Any) -> Any:
    if key in _NULLABLE:
        return None
    if isinstance(item, list):
        return []
    return {} if isinstance(item, dict) else item
