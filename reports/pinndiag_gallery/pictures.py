"""A figure of a page as one SVG file of its own, in the reader's light or dark theme."""

from __future__ import annotations

import math

from markupsafe import escape

from pinndiag_reports._parts import Figure, Key
from pinndiag_reports._theme import style_sheet

__all__ = ["picture"]

GAP, LINE, LETTER = 16.0, 22.0, 6.6  # pixels: between panels, of a line of keys, of a letter
ROWS = 2
STYLE = "text{fill:var(--ink);font:11px system-ui,sans-serif}.title{font-weight:600}.crisp{image-rendering:pixelated}"


def picture(figure: Figure) -> str:
    """Its first panels under their titles, two rows of them, and the keys above."""
    most = 3 if figure.size == "small" else 2
    panels = figure.panels[: ROWS * most]
    columns = min(most, len(panels))
    boxes = [_size(str(panel.svg)) for panel in panels]
    width = max(across for across, _ in boxes) * columns + GAP * (columns + 1)
    keys, top = _keys(figure.keys, width)
    parts = [keys]
    for row in range(math.ceil(len(panels) / columns)):
        found = list(zip(panels, boxes, strict=True))[row * columns : (row + 1) * columns]
        for place, (panel, (across, _)) in enumerate(found):
            left = GAP + place * (across + GAP)
            parts.append(f'<text x="{left:g}" y="{top + 14:g}" class="title">{_cut(panel.title, across)}</text>')
            parts.append(str(panel.svg).replace("<svg ", f'<svg x="{left:g}" y="{top + LINE:g}" ', 1))
        top += LINE + max(height for _, (_, height) in found) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {top:g}" width="{width:g}" height="{top:g}" '
        f'role="img" aria-label="{escape(figure.title)}"><style>{style_sheet()}{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="var(--page)"/>{"".join(parts)}</svg>\n'
    )


def _size(svg: str) -> tuple[float, float]:
    """Width and height of a panel."""
    head = svg[: svg.index(">")]
    across, height = (float(head.split(f' {name}="')[1].split('"')[0]) for name in ("width", "height"))
    return across, height


def _cut(words: str, width: float) -> str:
    room = int(width / LETTER)
    return str(escape(words if len(words) <= room else f"{words[: room - 1]}…"))


def _keys(keys: tuple[Key, ...], width: float) -> tuple[str, float]:
    """Swatches with names, line by line, and where the panels begin."""
    parts, left, top = [], GAP, GAP
    for key in keys:
        room = 44 + LETTER * len(key.name)
        if left + room > width and left > GAP:
            left, top = GAP, top + LINE
        dash = f' stroke-dasharray="{key.dash}"' if key.dash else ""
        parts.append(
            f'<path d="M{left:g} {top:g}h28" stroke="var(--{key.color})" stroke-width="2.2" fill="none"{dash}/>'
            f'<text x="{left + 34:g}" y="{top + 4:g}">{escape(key.name)}</text>'
        )
        left += room
    return "".join(parts), top + LINE / 2 if keys else GAP / 2
