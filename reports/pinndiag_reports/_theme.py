"""The colours, once: as style sheet for the page, and as stand-ins that figures draw with.

A figure is drawn with stand-in colours such as #0a1003, which are then replaced by var(--s0): so the same SVG follows
the light and the dark theme. The eight series colours start from Okabe and Ito's, darkened or lightened until each has
a contrast of at least 3 to 1 on its background; dashes and markers tell the series apart without colour.
"""

from __future__ import annotations

import re

__all__ = ["COLORS", "SERIES", "stand_in", "style_sheet", "themed"]

COLORS: dict[str, tuple[str, str]] = {  # name: (light, dark)
    "page": ("#ffffff", "#14171c"),
    "card": ("#f6f7f9", "#1c2027"),
    "ink": ("#1b1f24", "#e6e9ee"),
    "muted": ("#5a6470", "#a3adba"),
    "line": ("#d5dae1", "#39414d"),
    "shade": ("#8c96a3", "#77828f"),
    "link": ("#0b5cad", "#7cb8ff"),
    "problem": ("#b3261e", "#ff8a80"),
    "problem-soft": ("#fdecea", "#3a1f1f"),
    "warning": ("#8a5200", "#f2b84b"),
    "warning-soft": ("#fff4e0", "#352a17"),
    "note": ("#0b5cad", "#7cb8ff"),
    "note-soft": ("#e8f1fb", "#1a2a3d"),
    "none": ("#1a6b3c", "#6fd39b"),
    "none-soft": ("#e7f5ec", "#172e21"),
    "s0": ("#0072b2", "#56b4e9"),
    "s1": ("#c44e00", "#ff9350"),
    "s2": ("#00795a", "#35c79b"),
    "s3": ("#b0487f", "#eaa0c8"),
    "s4": ("#8f6400", "#f0c24a"),
    "s5": ("#6a4fb5", "#b7a3f3"),
    "s6": ("#4d5761", "#c3cad3"),
    "s7": ("#2a86b8", "#a8dcf8"),
}
SERIES = 8
_ORDER = list(COLORS)


def stand_in(name: str) -> str:
    """The colour that a figure draws with where the page shall show `name`."""
    return f"#0a10{_ORDER.index(name):02x}"


def themed(style: str) -> str:
    """`style` with every stand-in replaced by its variable."""
    return re.sub("#0a10([0-9a-f]{2})", lambda match: f"var(--{_ORDER[int(match[1], 16)]})", style)


def _variables(side: int) -> str:
    return "".join(f"--{name}:{pair[side]};" for name, pair in COLORS.items())


def style_sheet() -> str:
    """The variables of both themes: the system's choice, a choice made in the page, and light on paper."""
    light = f"color-scheme:light;{_variables(0)}"
    dark = f"color-scheme:dark;{_variables(1)}"
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}\n"
    )
