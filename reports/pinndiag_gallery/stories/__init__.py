"""The stories, by name, in the order of the README."""

from __future__ import annotations

from collections.abc import Callable

from pinndiag_gallery.stories import allen_cahn, burgers, cavity, helmholtz, poisson_1d, poisson_2d, race, relobralo
from pinndiag_gallery.story import Story

__all__ = ["STORIES"]

STORIES: dict[str, Callable[..., Story]] = {
    "poisson_2d": poisson_2d.story,
    "helmholtz": helmholtz.story,
    "poisson_1d": poisson_1d.story,
    "race": race.story,
    "relobralo": relobralo.story,
    "burgers": burgers.story,
    "allen_cahn": allen_cahn.story,
    "cavity": cavity.story,
}
