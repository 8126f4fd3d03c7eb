"""Maps as small palette images: one byte a pixel, whatever the number of points."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pinndiag_reports.figures._scale import Array

__all__ = ["MISSING", "NOT_FINITE", "Colors", "dots", "lattice", "png"]

_LEVELS = 128
NOT_FINITE = 254
MISSING = 255
_ALARM = (255, 0, 200)  # no colour of the maps is near it

Indices = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Colors:
    """A colour map over [low, high].

    Attributes:
        name: of one of matplotlib's maps.
    """

    name: str
    low: float
    high: float

    def indices(self, values: Array) -> Indices:
        """Palette indices; `NOT_FINITE` where a value is not."""
        span = self.high - self.low
        level = np.where(np.isfinite(values), (values - self.low) / span if span > 0 else 0.5, 0.0)
        index = np.rint(np.clip(level, 0, 1) * (_LEVELS - 1)).astype(np.uint8)
        return np.where(np.isfinite(values), index, np.uint8(NOT_FINITE))

    @property
    def palette(self) -> bytes:
        """256 RGB triples."""
        table = np.zeros((256, 3), dtype=np.uint8)
        table[:_LEVELS] = matplotlib.colormaps[self.name](np.linspace(0, 1, _LEVELS), bytes=True)[:, :3]
        table[NOT_FINITE] = _ALARM
        return table.tobytes()


def lattice(x: Array, y: Array, indices: Indices) -> Indices | None:
    """The points as an image, the first row on top, if they fill a regular lattice; else None."""
    columns, rows = _steps(x), _steps(y)
    if columns is None or rows is None:
        return None
    width, height = int(columns.max()) + 1, int(rows.max()) + 1
    if min(width, height) < 4 or max(width, height) > 400 or width * height > 1.05 * x.size:
        return None
    image = np.full((height, width), MISSING, dtype=np.uint8)
    image[height - 1 - rows, columns] = indices
    return image


def _steps(values: Array) -> NDArray[np.int64] | None:
    span = float(np.ptp(values))
    if not span > 0:
        return None
    levels = np.unique(np.round((values - values.min()) / span, 5))
    if levels.size < 2 or levels.size > 400:
        return None
    steps = (values - values.min()) / span * (levels.size - 1)
    if np.abs(steps - np.rint(steps)).max() > 0.05:
        return None
    places: NDArray[np.int64] = np.rint(steps).astype(np.int64)
    return places


def dots(across: Array, up: Array, indices: Indices, *, width: int, height: int, size: int, order: Array) -> Indices:
    """Square dots on an empty image: positions between 0 and 1, drawn in ascending `order`."""
    image = np.full((height, width), MISSING, dtype=np.uint8)
    sequence = np.argsort(np.where(np.isfinite(order), order, np.inf), kind="stable")
    column = np.rint(across[sequence] * (width - size)).astype(np.int64)
    row = np.rint((1 - up[sequence]) * (height - size)).astype(np.int64)
    for down in range(size):
        for right in range(size):
            image[row + down, column + right] = indices[sequence]
    return image


def png(indices: Indices, colors: Colors) -> bytes:
    """The image as a palette PNG; `MISSING` is transparent."""
    height, width = indices.shape
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(indices).tobytes())
    image.putpalette(colors.palette)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", transparency=MISSING, compress_level=9)
    return buffer.getvalue()
