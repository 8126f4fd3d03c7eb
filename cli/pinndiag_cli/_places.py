"""Where the files of a command go: beside the target, into a folder, or beside the page that was named."""

from __future__ import annotations

from pathlib import Path

from pinndiag import PinndiagError
from pinndiag_cli._stored import beside

__all__ = ["folder_made", "places"]


def places(target: Path, output: Path | None, page: str, *others: str) -> list[Path]:
    """The page and the files that go with it.

    Args:
        target: what was typed.
        output: what `-o` was given: a folder, or FILE.html.
        page: how the page's name ends, such as "report.html".
        others: how the others' names end.

    Raises:
        PinndiagError: `output` is neither.
    """
    if output is None and target.is_dir():
        return [target / ending for ending in (page, *others)]
    if output is None:
        return [beside(target, ending) for ending in (page, *others)]
    if output.is_dir() or (not output.suffix and not output.exists()):
        return [beside(output / target.name, ending) for ending in (page, *others)]
    if output.suffix.lower() in (".html", ".htm"):
        stem = output.name.removesuffix(output.suffix).removesuffix(f".{page.split('.')[0]}")
        return [output, *(output.with_name(f"{stem}.{ending}") for ending in others)]
    raise PinndiagError(
        f"cannot write to {output}",
        where="-o, --output",
        cause="it is neither a folder, nor a name that ends in .html",
        fix="give a folder, or FILE.html; `pinndiag report` writes other formats",
    )


def folder_made(folder: Path) -> None:
    """Make a folder that files will be written to.

    Raises:
        PinndiagError: the file system refused.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PinndiagError(
            f"cannot make the folder {folder}",
            where=error.strerror or str(error),
            cause="no permission, or a file of that name",
            fix="give another place with -o PATH",
        ) from None
