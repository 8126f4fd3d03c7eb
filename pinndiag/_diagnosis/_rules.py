"""By what a record is judged: which checks, with which thresholds; from the caller, and from `[tool.pinndiag]`.

[tool.pinndiag]
ignore = ["PD301"]

[tool.pinndiag.thresholds]
work_ratio = 50                            # unusual beyond this; a problem from 150 on, as by default threefold
top_share = { value = 0.7, grave = 0.95 }  # both places
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from pinndiag._errors import PinndiagError
from pinndiag.checks import CHECKS, DEFAULT, Threshold, Thresholds, matching

__all__ = ["Changes", "Rules", "rules"]

TABLE = "tool.pinndiag"
KEYS = ("select", "ignore", "thresholds")
PLACES = ("value", "grave")

Changes = Thresholds | Mapping[str, Any] | None  # as users give them: name -> number, or {"value": ..., "grave": ...}


class Rules(TypedDict):
    """The keyword arguments of `judge`."""

    select: Sequence[str]
    ignore: Sequence[str]
    thresholds: Thresholds


def rules(
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Changes = None,
    *,
    folder: Path | None = None,
    where: str = "thresholds=",
) -> Rules:
    """What is judged, and how: what the caller says, and for the rest what the nearest `[tool.pinndiag]` says.

    Args:
        select: codes or prefixes of the checks to report; empty: those of the file, or all.
        ignore: codes or prefixes of the checks to leave out; empty: those of the file, or none.
        thresholds: bounds by name, which win over those of the file; or all of them as `Thresholds`.
        folder: where the search for a pyproject.toml begins, upwards; default: the working directory.
        where: how an error calls the place of `thresholds`.

    Raises:
        PinndiagError: an unknown key, code or name (with the nearest one that is known), or a value of a wrong type.
    """
    matching([*select, *ignore])  # raises where a code is none
    path, table = _table(Path.cwd() if folder is None else folder)
    place = f"{path}, [{TABLE}" if path is not None else ""
    of_file = {key: _codes(table, key, f"{place}]") for key in ("select", "ignore")}
    bounds = _changed(DEFAULT, table.get("thresholds", {}), f"{place}.thresholds]", path.name if path else "")
    if isinstance(thresholds, Thresholds):
        bounds = thresholds
    elif thresholds is not None:
        bounds = _changed(bounds, thresholds, where, "given with the call")
    return Rules(
        select=tuple(select or of_file["select"]), ignore=tuple(ignore or of_file["ignore"]), thresholds=bounds
    )


def _table(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The nearest pyproject.toml upwards that has the table, and the table."""
    for path in (parent / "pyproject.toml" for parent in (folder.absolute(), *folder.absolute().parents)):
        if not path.is_file():
            continue
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("pinndiag")
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise PinndiagError(
                f"{path} cannot be read",
                where=str(error),
                cause=f"it is looked through for [{TABLE}], and is not TOML or not readable",
                fix="mend the file, or work in another folder",
            ) from error
        if table is None:
            continue
        if not isinstance(table, dict):
            raise _wrong(TABLE, table, str(path), "a table")
        for key in table:
            if key not in KEYS:
                raise _unknown(f"setting {key!r}", key, KEYS, f"{path}, [{TABLE}]", f"settings are {', '.join(KEYS)}")
        return path, table
    return None, {}


def _codes(table: Mapping[str, Any], key: str, where: str) -> list[str]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(code, str) for code in found):
        raise _wrong(key, found, where, 'a list of codes or prefixes, such as ["PD201", "PD3"]')
    known = [check.code for check in CHECKS]
    for code in found:
        if not any(code.strip() and name.startswith(code.strip().upper()) for name in known):
            raise _unknown(f"check {code!r}", code.upper(), known, f"{where} {key}", "`pinndiag checks` lists them")
    return found


def _changed(bounds: Thresholds, changes: Any, where: str, origin: str) -> Thresholds:
    """The bounds with those named in `changes` at other places."""
    if not isinstance(changes, Mapping):
        raise _wrong("thresholds", changes, where, "names with numbers")
    new = {}
    for name, value in changes.items():
        if name not in Thresholds.__struct_fields__:
            known = Thresholds.__struct_fields__
            lists = "`pinndiag explain CODE` lists those of a check"
            raise _unknown(f"threshold {name!r}", str(name), known, where, lists)
        new[name] = _bound(name, getattr(DEFAULT, name), value, where, origin)
    return msgspec.structs.replace(bounds, **new)


def _bound(name: str, usual: Threshold, value: Any, where: str, origin: str) -> Threshold:
    places = value if isinstance(value, Mapping) else {"value": value}
    for key in places:
        if key not in PLACES:
            raise _unknown(f"key {key!r} of {name}", str(key), PLACES, where, "keys are value and grave")
    moved = usual.at(_number(name, usual, places.get("value", usual.value), where))
    if "grave" in places:
        grave = _number(f"{name}.grave", usual, places["grave"], where)
        if grave > moved.value if usual.falling else grave < moved.value:
            raise _wrong(f"{name}.grave", grave, where, f"at the graver side of {moved.value:g}, or equal to it")
        moved = msgspec.structs.replace(moved, grave=grave)
    if (moved.value, moved.grave) == (usual.value, usual.grave):
        return usual
    return msgspec.structs.replace(moved, source=f"{origin}; by default {usual.value:.3g}, {usual.source}")


def _number(name: str, usual: Threshold, value: Any, where: str) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if known and value * usual.value > 0 and not (usual.of_one and value >= 1):
        return float(value)
    sort = "a number between 0 and 1" if usual.of_one else f"a {'negative' if usual.value < 0 else 'positive'} number"
    raise _wrong(name, value, where, f"{sort}, such as {usual.value:g}")


def _wrong(name: str, value: Any, where: str, wanted: str) -> PinndiagError:
    return PinndiagError(
        f"{name} is {value!r}", where=where, cause="a value of another type or size", fix=f"give {wanted}"
    )


def _unknown(what: str, name: str, known: Sequence[str], where: str, lists: str) -> PinndiagError:
    near = get_close_matches(name, known, 1, 0.5)
    return PinndiagError(
        f"there is no {what}",
        where=where,
        cause="a misspelt name, or one of another version",
        fix=(f"did you mean {near[0]}? " if near else "") + lists,
    )
