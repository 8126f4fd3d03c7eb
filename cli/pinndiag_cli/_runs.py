"""Run folders: which diagnosis stands for one, and how a new one is made of its records; judging what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pinndiag_cli._stored import check_run_folder, existing, stored

if TYPE_CHECKING:
    from pinndiag import Diagnosis
    from pinndiag._records import DiagnosisRecord

__all__ = ["judged", "judged_again", "told"]


def judged(
    folder: Path,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    thresholds: Mapping[str, float] | None = None,
    *,
    base: DiagnosisRecord | None = None,
) -> Diagnosis:
    """Judge the run as far as it is recorded; `base` is an analysis of the network it trained.

    Raises:
        PinndiagError: not a run, damaged, or nothing recorded that could be judged.
    """
    from pinndiag import Diagnosis
    from pinndiag._history import diagnose_run
    from pinndiag._store import read_run

    record = diagnose_run(
        read_run(folder), base=base, select=select, ignore=ignore, thresholds=thresholds, source=str(folder)
    )
    return Diagnosis(record)


def judged_again(
    target: Path, select: tuple[str, ...], ignore: tuple[str, ...], thresholds: Mapping[str, float]
) -> Diagnosis:
    """What is stored, judged by other checks or thresholds; nothing is measured.

    Raises:
        PinndiagError: there is no diagnosis, or `target` is not there.
    """
    known = told(target)
    folder = target if target.is_dir() else stored(target).parent
    if known.record.history is None or not (folder / "run.json").is_file():
        return known.judged(select=select, ignore=ignore, thresholds=thresholds)
    base = known.record if known.record.run.mode != "run" else None
    return judged(folder, select, ignore, thresholds, base=base)


def told(target: Path) -> Diagnosis:
    """The diagnosis of what was typed: the stored one; of a run that was recorded further since, a new one.

    Raises:
        PinndiagError: there is none, or `target` is not there.
    """
    from pinndiag import Diagnosis

    existing(target)
    if target.is_dir():
        check_run_folder(target)
        if not _current(target):
            return judged(target)
    return Diagnosis.read(stored(target))


def _current(folder: Path) -> bool:
    """Whether diagnosis.json tells of all records, as far as the times of the files show."""
    try:
        return (folder / "diagnosis.json").stat().st_mtime >= (folder / "records.jsonl").stat().st_mtime
    except FileNotFoundError:
        return (folder / "diagnosis.json").is_file()
