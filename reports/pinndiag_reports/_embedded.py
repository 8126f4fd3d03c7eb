"""The record inside the page, small enough for a page and unable to break out of its element."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

__all__ = ["REMEDY", "Embedded", "embed"]

_COMFORT = 250_000  # bytes of JSON that a page of half a megabyte can carry
_LIMIT = 400_000
_LONG = 24
_FEW = 100

Plain = dict[str, Any]
Bulk = tuple[tuple[str, Callable[[Plain], None]], ...]


@dataclass(frozen=True, slots=True)
class Embedded:
    """JSON for a script element, and what was left out of it ("" if nothing)."""

    json: Markup
    left_out: str


def embed(plain: Plain, bulk: Bulk | None = None) -> Embedded:
    """`plain` as it is while it is small; else long lists with five digits; else without the bulkiest parts.

    What is left over is a record of the same shape, down to the last resort. `plain` itself is not changed.

    Args:
        plain: the record.
        bulk: what to leave out in turn; default: the parts of a diagnosis.
    """
    text = _dump(plain)
    if len(text) <= _COMFORT:
        return Embedded(_safe(text), "")
    plain = _rounded(plain)  # a copy
    text = _dump(plain)
    words = f"numbers in lists of more than {_LONG} are rounded to five digits"
    for what, drop in _BULK if bulk is None else bulk:
        if len(text) <= _LIMIT:
            break
        drop(plain)
        text = _dump(plain)
        words += f"; {what} left out"
    if len(text) > _LIMIT:
        text, words = "null", "the record is too large to be embedded"
    return Embedded(_safe(text), words)


def _without_layer_histograms(plain: Plain) -> None:
    for layer in plain["layers"]:
        layer |= {"histograms": {}, "weighted": {}, "magnitudes": {}}


def _without_fields(plain: Plain) -> None:
    for item in plain["pointwise"].values():
        item |= {"field": None, "gradient_norms": [], "gradient_points": []}
    if plain["solution"] is not None:
        plain["solution"]["field"] = None


def _without_layer_snapshots(plain: Plain) -> None:
    if plain["history"] is not None:
        for shot in plain["history"]["snapshots"]:
            shot["layers"] = [layer for layer in shot["layers"] if not layer["layer"]]


def _with_few_measurements(plain: Plain) -> None:
    """Of a run: a hundred measurements of curvature, and as many events and stalled stretches."""
    history = plain["history"]
    if history is None:
        return
    history["events"], history["stalled"] = history["events"][:_FEW], history["stalled"][:_FEW]
    found = history["curvature"]
    if found is not None and (count := len(found["steps"])) > _FEW:
        kept = [place * (count - 1) // (_FEW - 1) for place in range(_FEW)]
        for key, values in found.items():
            if isinstance(values, list):
                found[key] = [values[place] for place in kept]
            elif isinstance(values, dict):
                found[key] = {name: [series[place] for place in kept] for name, series in values.items()}


def _with_wide_columns(plain: Plain) -> None:
    """Bands of a run with four columns made one: smallest and largest values stay."""
    history = plain["history"]
    if history is None:
        return
    for key in ("columns", "time"):
        history[key] = [part[-1] for part in _fours(history[key])]
    for key in ("total", "alignment", "lr", "rel_l2", "stationarity"):
        history[key] = history[key] and _widened(history[key])
    for key in ("losses", "weights", "gradients", "applied", "cosine"):
        history[key] = {name: _widened(band) for name, band in history[key].items()}


def _widened(band: Plain) -> Plain:
    return {end: [_extreme(part, pick) for part in _fours(band[end])] for end, pick in (("low", min), ("high", max))}


def _extreme(values: list[Any], pick: Callable[[list[float]], float]) -> Any:
    """The smallest or largest of some; what is not finite, and so spelled as a string, before all others."""
    odd = [value for value in values if isinstance(value, str)]
    known = [value for value in values if isinstance(value, int | float)]
    return odd[0] if odd else pick(known) if known else None


def _fours(values: list[Any]) -> list[list[Any]]:
    return [values[start : start + 4] for start in range(0, len(values), 4)]


def _without_spectra(plain: Plain) -> None:
    for term in plain["terms"].values():
        term |= {"histogram": None, "histogram_weighted": None, "magnitudes": None}
    if plain["ntk"] is not None:
        for item in plain["ntk"]["terms"].values():
            item["eigenvalues"] = []
    if plain["spectrum"] is not None:
        plain["spectrum"]["density"] = None


def _without_layers(plain: Plain) -> None:
    plain |= {"layers": [], "activations": None, "parameters": None}


_BULK: Bulk = (
    ("histograms of the layers", _without_layer_histograms),
    ("layers of the histograms over the run", _without_layer_snapshots),
    ("maps over the coordinates", _without_fields),
    ("all but a hundred measurements of curvature, events and stalled stretches", _with_few_measurements),
    ("three of four columns over the run (the smallest and largest values stay)", _with_wide_columns),
    ("histograms of the terms and spectra", _without_spectra),
    ("figures of the layers", _without_layers),
)


def _diagnoses(plain: Plain) -> list[Plain]:
    """Those of a remediation: of the network as it was given, then of the arms."""
    arms = [*([plain["baseline"]] if plain["baseline"] else []), *plain["arms"]]
    return [plain["diagnosis"], *(arm["diagnosis"] for arm in arms if arm["diagnosis"])]


def _runs(plain: Plain) -> list[Plain]:
    arms = [*([plain["baseline"]] if plain["baseline"] else []), *plain["arms"]]
    return [run for arm in arms for run in arm["runs"]]


def _of(parts: Callable[[Plain], list[Plain]], drop: Callable[[Plain], None]) -> Callable[[Plain], None]:
    """`drop` for each of some parts of a record."""

    def dropped(plain: Plain) -> None:
        for part in parts(plain):
            drop(part)

    return dropped


def _without_other_seeds(plain: Plain) -> None:
    for run in _runs(plain):
        if run["seed"] != 0:
            run["history"] = None


def _without_history(run: Plain) -> None:
    run["history"] = None


REMEDY: Bulk = (
    ("maps over the coordinates", _of(_diagnoses, _without_fields)),
    ("histograms of the layers", _of(_diagnoses, _without_layer_histograms)),
    ("courses of all seeds but the first", _without_other_seeds),
    ("three of four columns over the steps", _of(_runs, _with_wide_columns)),
    ("histograms of the terms and spectra", _of(_diagnoses, _without_spectra)),
    ("figures of the layers", _of(_diagnoses, _without_layers)),
    ("courses over the steps", _of(_runs, _without_history)),
)


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
            return [_short(item) if isinstance(item, float) else _rounded(item) for item in value]
        return [_rounded(item) for item in value]
    return value


def _short(value: float) -> float | int:
    short = float(f"{value:.5g}")
    return int(short) if short.is_integer() and abs(short) < 1e5 else short
