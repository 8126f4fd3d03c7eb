"""One panel: lines, steps, bars, dots and maps on two axes, drawn by matplotlib into an SVG for the page.

The artists sit on a bare figure in pixel coordinates: a panel costs a few milliseconds where matplotlib's own axes cost
fifty, and a page holds dozens. Nothing global is touched but for the time of `drawing()`.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform
from numpy.typing import NDArray

from pinndiag_reports._names import shorten
from pinndiag_reports._theme import stand_in, themed
from pinndiag_reports.figures._scale import Array, Scale, array
from pinndiag_reports.figures._scene import Style

__all__ = ["Plot", "drawing"]

_FONT = 11.0
_GROUND = "#c3c8ce"


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's own defaults, whatever the user's style sheet says, and nothing that differs from run to run.

    Figures that are NaN or infinite are data here and draw nothing: numpy need not warn of them.
    """
    with matplotlib.rc_context(), warnings.catch_warnings(), np.errstate(all="ignore"):
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "text.parse_math": False,  # a term may be called "$"
                "path.simplify_threshold": 0.2,
                "font.size": _FONT,
            }
        )
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has its own fonts
        yield


class Plot:
    """A panel of `width` x `height` CSS pixels.

    Args:
        x: the horizontal axis.
        y: the vertical one.
        left, right, top, bottom: margins.
        x_label: below the axis.
        y_label: above the axis, at its top left.
    """

    def __init__(
        self,
        x: Scale,
        y: Scale,
        *,
        width: float = 360,
        height: float = 220,
        left: float = 48,
        right: float = 14,
        top: float = 26,
        bottom: float = 38,
        x_label: str = "",
        y_label: str = "",
        grid: Literal["both", "x", "y", "none"] = "both",
    ) -> None:
        self.width, self.height = width, height
        self.x, self.y = x, y
        self.box = (left, bottom, width - right, height - top)
        self._figure = Figure(figsize=(width / 72, height / 72), dpi=72, frameon=False)
        self._canvas = FigureCanvasSVG(self._figure)
        self._images: list[str] = []
        self._group = ""
        self._clip = Bbox.from_extents(left - 3, bottom - 3, width - right + 3, height - top + 3)
        self._axes(x_label, y_label, grid)

    def _axes(self, x_label: str, y_label: str, grid: str) -> None:
        left, bottom, right, top = self.box
        lines: list[tuple[float, float]] = []
        for place, label in self.x.ticks:
            across = left + place * (right - left)
            if grid in ("both", "x"):
                lines += [(across, bottom), (across, top), (np.nan, np.nan)]
            if label:
                with self.grouped("axis", "x"):
                    self._text(across, bottom - 6, shorten(label, 26), align="center", vertical="top")
        for place, label in self.y.ticks:
            up = bottom + place * (top - bottom)
            if grid in ("both", "y"):
                lines += [(left, up), (right, up), (np.nan, np.nan)]
            if label:
                self._text(left - 6, up, shorten(label, 22), align="right", vertical="center")
        if lines:
            points = np.array(lines)
            self._line(points[:, 0], points[:, 1], color="line", width=0.8, clip=False)
        self._line(array([left, right]), array([bottom, bottom]), color="muted", width=1.0, clip=False)
        if x_label:
            self._text((left + right) / 2, 4, x_label, align="center", vertical="bottom", color="muted")
        if y_label:
            self._text(4, self.height - 3, y_label, align="left", vertical="top", color="muted")

    def _pixels(self, x: Array, y: Array) -> tuple[Array, Array]:
        left, bottom, right, top = self.box
        return left + self.x.place(x) * (right - left), bottom + self.y.place(y) * (top - bottom)

    def _line(
        self,
        across: Array,
        up: Array,
        *,
        color: str,
        width: float,
        dash: str = "",
        marker: str = "",
        size: float = 5.5,
        alpha: float | None = None,
        clip: bool = True,
        hollow: bool = False,
    ) -> None:
        pattern = tuple(float(part) / max(width, 1e-9) for part in dash.split()) if dash else ()
        line = Line2D(
            across,
            up,
            color=stand_in(color),
            linewidth=width,
            linestyle=(0, pattern) if pattern else ("-" if width else "none"),
            marker=marker or "none",
            markersize=size,
            markeredgewidth=1.2 if hollow or marker in ("x", "+", "|") else 0.0,
            markerfacecolor="none" if hollow else None,
            alpha=alpha,
            solid_capstyle="butt",
            dash_capstyle="butt",
            transform=IdentityTransform(),
        )
        if clip:
            line.set_clip_box(self._clip)
        self._add(line)

    def _add(self, artist: Artist) -> None:
        if self._group:
            artist.set_gid(self._group)
        self._figure.add_artist(artist)

    @contextmanager
    def grouped(self, what: str, value: str) -> Iterator[None]:
        """What is drawn inside carries `data-WHAT="VALUE"`, by which the page's script finds it."""
        before, self._group = self._group, f"data-{what}={value}"
        yield
        self._group = before

    def _text(
        self,
        across: float,
        up: float,
        text: str,
        *,
        align: Literal["left", "center", "right"],
        vertical: Literal["top", "center", "bottom"],
        color: str = "ink",
    ) -> None:
        self._add(
            Text(
                across,
                up,
                text,
                ha=align,
                va=vertical,
                color=stand_in(color),
                fontsize=_FONT,
                transform=IdentityTransform(),
                parse_math=False,
            )
        )

    def line(
        self,
        x: Iterable[float],
        y: Iterable[float],
        style: Style,
        *,
        width: float = 1.8,
        markers: bool = False,
        alpha: float | None = None,
    ) -> None:
        """A line through the points that have a place; gaps where one has none."""
        across, up = self._pixels(array(x), array(y))
        marker = style.marker if markers else ""
        self._line(across, up, color=style.color, width=width, dash=style.dash, marker=marker, alpha=alpha)

    def band(self, x: Array, low: Array, high: Array, style: Style) -> None:
        """The area between two lines; nothing where either has no place."""
        across, down = self._pixels(x, low)
        _, up = self._pixels(x, high)
        for part in _stretches(np.isfinite(across) & np.isfinite(down) & np.isfinite(up)):
            there = np.concatenate([across[part], across[part][::-1]])
            self._polygon(np.column_stack([there, np.concatenate([down[part], up[part][::-1]])]), style, 0.3)

    def _polygon(self, shape: Array, style: Style, alpha: float) -> None:
        area = Polygon(
            shape,
            closed=True,
            facecolor=stand_in(style.color),
            edgecolor="none",
            alpha=alpha,
            transform=IdentityTransform(),
        )
        area.set_clip_box(self._clip)
        self._add(area)

    def dots(self, x: Iterable[float], y: Iterable[float], style: Style, *, size: float = 7) -> None:
        """Markers."""
        across, up = self._pixels(array(x), array(y))
        self._line(across, up, color=style.color, width=0, marker=style.marker, size=size)

    def rings(self, x: Iterable[float], y: Iterable[float], style: Style, *, size: float = 6) -> None:
        """Hollow markers."""
        across, up = self._pixels(array(x), array(y))
        self._line(across, up, color=style.color, width=0, marker=style.marker, size=size, hollow=True)

    def steps(self, edges: Array, values: Array, style: Style, *, fill: bool = True) -> None:
        """A histogram: `values` between `edges`; bins without a place lie on the floor."""
        left, bottom, right, top = self.box
        across = left + np.clip(self.x.place(edges), 0, 1) * (right - left)
        place = self.y.place(values)
        up = bottom + np.clip(np.where(np.isfinite(place), place, 0), 0, 1) * (top - bottom)
        path_x = np.concatenate([across[:1], np.repeat(across[1:-1], 2), across[-1:]]) if edges.size > 2 else across
        path_y = np.repeat(up, 2)
        corner = np.ones(path_y.size, dtype=bool)
        corner[1:-1] = (path_y[1:-1] != path_y[:-2]) | (path_y[1:-1] != path_y[2:])
        path_x, path_y = path_x[corner], path_y[corner]
        floor = path_y <= bottom + 0.01
        hidden = floor & np.append(floor[1:], True) & np.insert(floor[:-1], 0, True)
        if fill:
            shape = np.column_stack(
                [np.concatenate([path_x[:1], path_x, path_x[-1:]]), np.concatenate([[bottom], path_y, [bottom]])]
            )
            self._polygon(shape, style, 0.13)
        self._line(path_x, np.where(hidden, np.nan, path_y), color=style.color, width=1.5, dash=style.dash)

    def across(self, start: float, end: float) -> float:
        """Distance in pixels between two places of the horizontal axis; 0 where one has none."""
        across, _ = self._pixels(array([start, end]), array([0.0, 0.0]))
        distance = float(across[1] - across[0])
        return distance if np.isfinite(distance) else 0.0

    def bar(self, row: float, start: float, end: float, style: Style, *, thickness: float = 10) -> None:
        """A horizontal bar in a row of a `Rows` axis."""
        self.bars(row, [(start, end)], style, thickness=thickness)

    def bars(
        self, row: float, parts: Iterable[tuple[float, float]], style: Style, *, thickness: float = 10, least: float = 0
    ) -> None:
        """Horizontal bars in a row, in order; at least `least` pixels long, and as one where they are nearer."""
        drawn: list[list[float]] = []
        for start, end in parts:
            across, _ = self._pixels(array([start, end]), array([row, row]))
            if not np.isfinite(across).all():
                continue
            outward = max(0.0, (least - float(across[1] - across[0])) / 2)
            a, b = float(across[0]) - outward, float(across[1]) + outward
            if drawn and least and a - drawn[-1][1] < least:
                drawn[-1][1] = max(drawn[-1][1], b)
            else:
                drawn.append([a, b])
        if drawn:
            _, up = self._pixels(array([0.0]), array([row]))
            points = array([value for a, b in drawn for value in (a, b, np.nan)])
            self._line(points, np.full(points.shape, up[0]), color=style.color, width=thickness, alpha=0.85)

    def label(
        self,
        x: float,
        y: float,
        text: str,
        *,
        color: str = "ink",
        align: Literal["left", "center", "right"] = "left",
        lift: float = 0,
        shift: float = 0,
    ) -> None:
        """Text at a point, moved by `shift` to the right and `lift` upward; kept inside the panel's width."""
        across, up = self._pixels(array([x]), array([y]))
        if np.isfinite(across[0]) and np.isfinite(up[0]):
            self._text(float(across[0]) + shift, float(up[0]) + lift, text, align=align, vertical="center", color=color)

    def upright(self, x: float, text: str = "", *, color: str = "problem", dash: str = "4 3") -> None:
        """A vertical line through the whole panel, with words above it."""
        left, bottom, right, top = self.box
        place = float(self.x.place(array([x]))[0])
        if not 0 <= place <= 1:
            return
        across = left + place * (right - left)
        self._line(array([across, across]), array([bottom, top]), color=color, width=1.4, dash=dash)
        if text:
            align: Literal["left", "center", "right"] = "right" if place > 0.7 else "left" if place < 0.3 else "center"
            self._text(across, top + 4, text, align=align, vertical="bottom", color=color)

    def level(self, y: float, text: str = "", *, color: str = "muted", dash: str = "4 3") -> None:
        """A horizontal line through the whole panel, with words at its right end."""
        left, bottom, right, top = self.box
        place = float(self.y.place(array([y]))[0])
        if not 0 <= place <= 1:
            return
        up = bottom + place * (top - bottom)
        self._line(array([left, right]), array([up, up]), color=color, width=1.2, dash=dash)
        if text:
            self._text(right, up + 3, text, align="right", vertical="bottom", color=color)

    def image(self, data: bytes, *, box: tuple[float, float, float, float] | None = None, crisp: bool = True) -> None:
        """A PNG over the panel, or over `box` (left, bottom, right, top in pixels)."""
        left, bottom, right, top = box or self.box
        source = base64.b64encode(data).decode("ascii")
        kind = ' class="crisp"' if crisp else ""
        self._images.append(
            f'<image x="{left:g}" y="{self.height - top:g}" width="{right - left:g}" height="{top - bottom:g}" '
            f'preserveAspectRatio="none"{kind} href="data:image/png;base64,{source}"/>'
        )

    def backing(self) -> None:
        """A framed grey ground for maps, the same in both themes: both ends of a colour map stand out from it."""
        left, bottom, right, top = self.box
        self._images.append(
            f'<rect x="{left - 3:g}" y="{self.height - top - 3:g}" width="{right - left + 6:g}" '
            f'height="{top - bottom + 6:g}" fill="{_GROUND}" stroke="var(--muted)" stroke-width="0.8"/>'
        )

    def side_axis(self, scale: Scale, across: float) -> None:
        """Tick labels of a colour bar, to the right of `across`."""
        _, bottom, _, top = self.box
        for place, label in scale.ticks:
            self._text(across, bottom + place * (top - bottom), label, align="left", vertical="center", color="muted")

    def edge(self, start: float, end: float, style: Style, *, top: bool, row: int = 0) -> None:
        """A bar along the upper or lower edge, for values that have no place on the vertical axis."""
        left, bottom, right, above = self.box
        across, _ = self._pixels(array([start, end]), array([0.0, 0.0]))
        if np.isfinite(across).all():
            ends = np.clip(array([across[0] - 1.5, across[1] + 1.5]), left, right)
            up = above - 2 - 5 * row if top else bottom + 2 + 5 * row
            self._line(ends, array([up, up]), color=style.color, width=4)

    def at_top(self, x: float, text: str, rows: int) -> None:
        """Words below the bars of that many rows along the upper edge, from `x` on."""
        left, _, right, above = self.box
        across, _ = self._pixels(array([x]), array([0.0]))
        late = across[0] > (left + right) / 2
        self._text(
            float(min(across[0], right)) - (4 if late else -1),
            above - 2 if late else above - 4 - 5 * rows,
            text,
            align="right" if late else "left",
            vertical="top",
            color="problem",
        )

    def svg(self, salt: str, **data: str) -> Markup:
        """The panel as SVG to be placed in a page.

        Args:
            salt: keeps its inner references apart from other panels'.
            data: `data-` attributes of the drawing, for the page's script.
        """
        buffer = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": salt}):
            self._canvas.print_svg(  # type: ignore[no-untyped-call]
                buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
            )
        told = "".join(f' data-{key}="{escape(value)}"' for key, value in data.items())
        return Markup(_for_page(buffer.getvalue(), self._images, self.width, self.height, told))


def _stretches(mask: NDArray[np.bool_]) -> Iterator[slice]:
    """The runs of true entries.

    >>> list(_stretches(np.array([True, False, True, True])))
    [slice(0, 1, None), slice(2, 4, None)]
    """
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for start, end in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
        yield slice(start, end)


def _for_page(svg: str, images: list[str], width: float, height: float, told: str) -> str:
    """The drawing without what a page must not take over: its style sheet, its names, its own width and fonts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^<>!?]+>", lambda match: _tag(match[0]), svg)
    svg = re.sub(r"\s*\n\s*", "", svg)
    svg = re.sub(r"<defs></defs>", "", svg)
    svg = re.sub(r"<g>(<(?:text|path)[^<>]*>(?:[^<>]*</text>)?)</g>", r"\1", svg)
    body = svg[svg.index(">") + 1 :]
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" aria-hidden="true"{told}>'
        f"{''.join(images)}{body}"
    )


def _tag(tag: str) -> str:
    tag = themed(tag)
    if tag.startswith('<g id="data-'):
        tag = re.sub(r' id="(data-[a-z]+)=([^"]*)"', r' \1="\2"', tag)
    elif not tag.startswith(("<clipPath", '<path id="m')):
        tag = re.sub(r' id="[^"]*"', "", tag)
    tag = tag.replace("xlink:href", "href").replace(' transform="rotate(-0 ', ' data-x="(')
    tag = re.sub(r' data-x="[^"]*"', "", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = tag.replace("; stroke-dashoffset: 0", "").replace(f"font-size: {_FONT:g}px; ", "")
    return re.sub(r' (d|x|y)="([^"]*)"', _shorter, tag)


def _shorter(match: re.Match[str]) -> str:
    """Coordinates to a tenth of a pixel."""
    short = re.sub(r"-?\d+\.\d+", lambda digits: f"{float(digits[0]):.1f}".removesuffix(".0"), match[2])
    short = re.sub(r"\s*([MLCQz])\s*", r"\1", short)
    return f' {match[1]}="{short}"'
