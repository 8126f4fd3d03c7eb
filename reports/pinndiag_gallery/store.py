"""Runs on disk, each under a name made of what it was asked for: a story goes on where it was left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pinndiag._files import write_atomically
from pinndiag._records import from_plain, to_plain
from pinndiag_gallery.story import Arm

__all__ = ["known", "place", "place_of_overheads", "place_of_rate", "write"]

Stored = TypeVar("Stored")


def place(folder: Path, arm: Arm, seed: int) -> Path:
    """The file of a run. Two arms that ask for the same training share it."""
    return folder / f"{arm.problem}-{arm.scheme or 'plain'}-{seed}-{_digest({**_asked(arm), 'seed': seed})}.json"


def place_of_overheads(folder: Path, arms: Sequence[Arm]) -> Path:
    """The file of the time that some arms cost."""
    return folder / f"overhead-{_digest([_asked(arm) for arm in arms])}.json"


def place_of_rate(folder: Path, arm: Arm) -> Path:
    """The file of the time that a step of an arm takes, whatever the settings of its scheme."""
    asked = _asked(arm)
    return folder / f"rate-{_digest([asked[name] for name in ('problem', 'options', 'scheme')])}.json"


def known(path: Path, kind: type[Stored]) -> Stored | None:
    """What a file holds; None where there is none."""
    return from_plain(json.loads(path.read_text(encoding="utf-8")), kind) if path.exists() else None


def write(path: Path, value: object) -> None:
    """Write a run; the file appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(to_plain(value), allow_nan=False))


def _asked(arm: Arm) -> dict[str, object]:
    return {
        "problem": arm.problem,
        "options": dict(arm.options),
        "scheme": arm.scheme,
        "settings": dict(arm.settings),
        "steps": arm.steps,
        "curvature": arm.curvature,
        "measure": None if arm.measure is None else arm.measure.__qualname__,
    }


def _digest(asked: object) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
