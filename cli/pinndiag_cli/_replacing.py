"""Say beforehand that an analysis will take the place of a fuller one; the names of the files stay the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pinndiag import Diagnosis, PinndiagError
from pinndiag._records import DiagnosisRecord
from pinndiag_cli._streams import note

__all__ = ["warn_if_fuller"]

RANK: Final = {"weights": 0, "run": 1, "quick": 1, "standard": 2, "thorough": 3}


def warn_if_fuller(file: Path, mode: str, codes: Iterable[str]) -> bool:
    """Write a line to stderr if `file` holds a diagnosis that tells more than one of this mode and these checks will.

    Returns:
        Whether it does.
    """
    if not file.is_file():
        return False
    try:
        old = Diagnosis.read(file).record
    except PinndiagError:  # damaged, or of another version: nothing that could be read is lost
        return False
    richer = RANK.get(old.run.mode, 0) > RANK[mode]
    if richer or _codes(old) - set(codes):
        made = old.run.created.replace("T", " ")[:16] + (" UTC" if old.run.created.endswith("+00:00") else "")
        note(f"{file}: replaces the {old.run.mode} diagnosis of {made} (-o to keep it)")
        return True
    return False


def _codes(record: DiagnosisRecord) -> set[str]:
    return {*record.passed, *(f.code for f in record.findings), *(n.code for n in record.not_applicable)}
