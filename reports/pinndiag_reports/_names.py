"""Names and texts that came from a user, made safe to show and to point at."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

__all__ = ["clean", "clean_all", "one_line", "shorten", "shorten_all", "slug"]

_STEERING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")


def _steers(char: str) -> bool:
    return (char in _STEERING) or (char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs"))


def clean(text: str) -> str:
    r"""`text` with control characters, lone surrogates and marks that reverse the writing shown as `\x1b`, `\u202e`.

    A terminal obeys escape sequences, a browser obeys direction marks, and neither can encode a lone surrogate.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char.encode("unicode_escape").decode("ascii") if _steers(char) else char for char in text)


def clean_all(plain: Any) -> Any:
    """`clean` on every string, key or value, of a plain structure."""
    if isinstance(plain, str):
        return clean(plain)
    if isinstance(plain, dict):
        return {clean_all(key): clean_all(item) for key, item in plain.items()}
    if isinstance(plain, list):
        if plain and isinstance(plain[0], (int, float)) and not any(isinstance(item, str) for item in plain):
            return plain
        return [clean_all(item) for item in plain]
    return plain


def one_line(text: str) -> str:
    """`text` on one line."""
    return " ".join(text.split())


def shorten(text: str, length: int) -> str:
    """`text` on one line and at most `length` characters, the middle left out."""
    text = one_line(text)
    if len(text) <= length:
        return text
    tail = (length - 1) // 3
    return text[: length - 1 - tail] + "…" + text[len(text) - tail :]


def shorten_all(names: Iterable[str], length: int) -> list[str]:
    """Names that stand under one another, each shortened, and told apart where what is left would be the same.

    >>> shorten_all(["momentum in x, upper wall", "momentum in y, upper wall", "mass"], 12)
    ['…um in x, u…', '…um in y, u…', 'mass']
    """
    given = [one_line(name) for name in names]
    short = [shorten(name, length) for name in given]
    alike = Counter(short)
    pairs = zip(given, short, strict=True)
    return [cut if alike[cut] == 1 else _around(name, _parting(name, given), length) for name, cut in pairs]


def _parting(name: str, names: Iterable[str]) -> int:
    """The place at which `name` parts from the name most like it."""
    alike = [
        takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)) for other in names if other != name
    ]
    return max((sum(1 for _ in pairs) for pairs in alike), default=0)


def _around(name: str, place: int, length: int) -> str:
    """The part of `name` in which the letter at `place` stands, towards its end."""
    start = max(0, min(place - length // 2, len(name) - length + 2))
    kept = name[start : start + length - 2]
    return ("…" if start else "") + kept + ("…" if start + len(kept) < len(name) else "")


def slug(prefix: str, name: str) -> str:
    """An anchor for `name`: the same at every rendering, and different for different names.

    Letters, digits, "-" and "_" stay; a name that had anything else gets a digest of itself appended.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:48]
    if plain != name:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        plain = f"{plain}-{digest}" if plain else digest
    return f"{prefix}{plain}"
