"""The files that belong to what was typed: a checkpoint, the diagnosis beside it, a run folder."""

from __future__ import annotations

import shlex
from pathlib import Path

from pinndiag import PinndiagError

__all__ = ["beside", "check_run_folder", "existing", "report_name", "stored"]


def existing(target: Path) -> Path:
    """`target`, which must be there.

    Raises:
        PinndiagError: it is not; with the name of a neighbour that may have been meant.
    """
    if target.exists():
        return target
    from difflib import get_close_matches

    folder = target.parent
    near = get_close_matches(target.name, [p.name for p in folder.iterdir()], 1, 0.7) if folder.is_dir() else []
    raise PinndiagError(
        f"there is no file {target}",
        where=f"folder {folder.absolute()}" + ("" if folder.is_dir() else ", which does not exist"),
        cause="a misspelt name, or another working directory",
        fix=f"did you mean {folder / near[0]}?" if near else "check the path",
    )


def check_run_folder(folder: Path) -> None:
    """Refuse a folder that is not a run.

    Raises:
        PinndiagError: it has no run.json.
    """
    if not (folder / "run.json").is_file():
        raise PinndiagError(
            f"{folder} is a folder without run.json, so it is not a run",
            where=str(folder.absolute()),
            cause="the folder of the checkpoints, or of several runs, was given instead of one of them",
            fix=f"name one: {shlex.quote(str(folder))}/CHECKPOINT.pt, or the folder that was passed to "
            "pinndiag.watch(..., to=FOLDER)",
        )


def beside(checkpoint: Path, suffix: str) -> Path:
    """`checkpoint.pt` -> `checkpoint.pt.SUFFIX`."""
    return checkpoint.with_name(f"{checkpoint.name}.{suffix}")


def stored(target: Path) -> Path:
    """The diagnosis.json that `target` is or has.

    Raises:
        PinndiagError: there is none, or `target` is not there.
    """
    existing(target)
    if target.is_dir():
        check_run_folder(target)
        found = target / "diagnosis.json"
    elif target.suffix.lower() == ".json":
        found = target
    else:
        found = beside(target, "diagnosis.json")
    if not found.is_file():
        raise PinndiagError(
            f"there is no diagnosis of {target} yet",
            where=f"looked for {found}",
            cause="it was not analysed",
            fix=f"pinndiag analyze {shlex.quote(str(target))}",
        )
    return found


def report_name(target: Path) -> Path:
    """The page of what was typed: `x.pt`, `x.pt.diagnosis.json` -> `x.pt.report.html`; of a run, `RUN/report.html`."""
    if target.is_dir():
        return target / "report.html"
    diagnosis = stored(target)
    if diagnosis.name == "diagnosis.json":
        return diagnosis.with_name("report.html")
    stem = diagnosis.name.removesuffix(".json").removesuffix(".diagnosis")
    return diagnosis.with_name(f"{stem}.report.html")
