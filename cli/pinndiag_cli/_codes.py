"""The check that a person means."""

from __future__ import annotations

import re
from difflib import get_close_matches

from pinndiag import PinndiagError
from pinndiag.checks import CHECKS

__all__ = ["find"]


def find(typed: str) -> str:
    """The code of the check that `typed` names: a code, or a pathology.

    Raises:
        PinndiagError: neither; with the nearest that is.
    """
    wanted = typed.strip().lower().replace("-", "_").replace(" ", "_")
    names = {name.lower(): name for check in CHECKS for name in (check.code, check.pathology)}
    for check in CHECKS:
        if wanted in (check.code.lower(), check.pathology.lower()):
            return check.code
    for check in CHECKS:  # a finding may name a closer relative, which the check's explanation does too
        if wanted in re.findall(r"\w+", check.detected) and "_" in wanted:
            return check.code
    near = get_close_matches(wanted, names, 1, 0.5)
    raise PinndiagError(
        f"there is no check {typed!r}",
        where="neither a code nor a pathology of this version",
        cause="a misspelt name, or one of another version",
        fix=(f"did you mean {names[near[0]]}? " if near else "") + "`pinndiag checks` lists them",
    )
