"""Codes of checks, as people type them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pinndiag import PinndiagError, checks

__all__ = ["check_codes", "find"]


def check_codes(typed: Iterable[str]) -> None:
    """Make sure that each code, or beginning of codes, means a check.

    Raises:
        PinndiagError: one does not; with the nearest that does.
    """
    known = [check.code for check in checks.CHECKS]
    for code in typed:
        if not any(one.startswith(code) for one in known) or not code:
            raise _unknown(code, known)


def find(typed: str) -> str:
    """The code of the check that `typed` names: a code, or a pathology.

    Raises:
        PinndiagError: neither; with the nearest that is.
    """
    wanted = typed.strip().lower().replace("-", "_").replace(" ", "_")
    for check in checks.CHECKS:
        if wanted in (check.code.lower(), check.pathology.lower()):
            return check.code
    raise _unknown(typed, [name for check in checks.CHECKS for name in (check.code, check.pathology)])


def _unknown(typed: str, known: Sequence[str]) -> PinndiagError:
    names = {name.lower(): name for name in known}
    near = get_close_matches(typed.lower(), names, 1, 0.5)
    return PinndiagError(
        f"there is no check {typed!r}",
        where=f"{len(checks.CHECKS)} checks are known",
        cause="a misspelt code, or a check of another version",
        fix=(f"did you mean {names[near[0]]}? " if near else "") + "`pinndiag checks` lists them",
    )
