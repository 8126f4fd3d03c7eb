"""Numbers as people read them: three digits, no padded exponents, and words for what is not a number."""

from __future__ import annotations

import math

__all__ = ["ABSENT", "at_most", "count", "estimate", "number", "percent", "plural", "seconds", "setting", "times"]

ABSENT = "–"


def number(value: float | str | None, digits: int = 3) -> str:
    """`value` with at most `digits` significant digits: 0.0123, 1.2e-5, NaN, ∞; a dash where nothing was measured."""
    if value is None:
        return ABSENT
    if isinstance(value, str):  # the record spells infinities, where a text may stand as well
        return value.replace("Infinity", "∞") if value in ("Infinity", "-Infinity") else value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if isinstance(value, int) and abs(value) < 1_000_000:
        return str(value)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if -4 < exponent < max(digits, 4):
        return _bare(f"{value:.{max(digits - 1 - exponent, 0)}f}")
    return f"{_bare(mantissa)}e{exponent}"


def _bare(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def at_most(value: float, *, upper: bool) -> str:
    """`value`, marked as an upper figure where it is one: ≤ 1.38e-4. Zero and infinity need no mark."""
    return f"≤ {number(value)}" if upper and math.isfinite(value) and value > 0 else number(value)


def estimate(value: float, error: float) -> str:
    """A value and its standard error to the same digit, two of the error: 1.30e7 ± 0.29e7, 12.3 ± 1.4."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return f"{number(value)} ± {number(error)}"
    exponent = math.floor(math.log10(max(abs(value), error)))
    shared = 0 if -4 < exponent < 4 else exponent
    decimals = min(max(1 + shared - math.floor(math.log10(error)), 0), 8)
    unit = f"e{shared}" if shared else ""
    return f"{value / 10.0**shared:.{decimals}f}{unit} ± {error / 10.0**shared:.{decimals}f}{unit}"


def times(value: float | None) -> str:
    """A ratio as a factor: 3.1, 42, 1300, 2.6e5."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    if 100 <= abs(value) < 1e5:
        return f"{round(value, 1 - math.floor(math.log10(abs(value)))):.0f}"
    return number(value, 2)


def percent(share: float | None) -> str:
    """A share between 0 and 1 in per cent; 100 % is the whole and never rounded up to."""
    if share is None:
        return ABSENT
    if not math.isfinite(share):
        return number(share)
    value = 100 * share
    if 99.5 <= value < 100 * (1 - 1e-9):
        return f"{math.floor(10 * value) / 10:.1f} %"
    if value == 0 or abs(value) >= 10:
        return f"{value:.0f} %"
    return f"{number(value, 2)} %"


def count(value: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def plural(amount: int, one: str, many: str = "") -> str:
    """`1 warning`, `2 warnings`."""
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    """A duration."""
    if not math.isfinite(value):
        return number(value)
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def setting(value: object) -> str:
    """An argument of an optimizer or a scheme, whatever it is: numbers with three digits."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list):
        return ", ".join(setting(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {setting(item)}" for key, item in value.items())
    return " ".join(str(value).split())
