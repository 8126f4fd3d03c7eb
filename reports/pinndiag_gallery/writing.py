"""Write the files of the gallery: a page, a picture and the numbers of each story, and the README of all."""

from __future__ import annotations

import json
from pathlib import Path

from pinndiag._files import write_atomically
from pinndiag._records import from_plain, to_plain
from pinndiag_gallery.page import Drawn, drawn, page
from pinndiag_gallery.pictures import picture
from pinndiag_gallery.readme import readme
from pinndiag_gallery.results import Results
from pinndiag_gallery.stories import STORIES
from pinndiag_gallery.story import Story
from pinndiag_gallery.verdicts import Summary, command, summary
from pinndiag_reports._parts import Figure

__all__ = ["write_readme", "write_story"]


def write_story(story: Story, results: Results, folder: Path, *, full: bool, hours: float | None = None) -> Summary:
    """NAME.html, NAME.json and NAME.svg of a story that was run; `hours` is what its published size would take."""
    told, figures = summary(story, results, full=full, hours=hours), drawn(story, results)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{told.name}.html", page(story, told, figures))
    write_atomically(folder / f"{told.name}.json", json.dumps(to_plain(told), indent=1, ensure_ascii=False) + "\n")
    shown = _shown(story, figures)
    if shown is not None:
        write_atomically(folder / f"{told.name}.svg", picture(shown))
    return told


def _shown(story: Story, figures: Drawn) -> Figure | None:
    """The figure that a story names as its picture."""
    group, name = story.picture
    for section in dict(figures)[group]:
        for part in section.parts:
            if isinstance(part, Figure) and part.id == name:
                return part
    return None


def write_readme(folder: Path) -> None:
    """README.md, from the summaries in the folder."""
    told, missing = [], {}
    for name in STORIES:
        for full in (False, True):
            path = folder / f"{name}{'-full' if full else ''}.json"
            if path.exists():
                told.append(from_plain(json.loads(path.read_text(encoding="utf-8")), Summary))
            elif not full:
                missing[name] = command(name, full=False)
    pictures = {one.name: f"{one.name}.svg" for one in told if (folder / f"{one.name}.svg").exists()}
    write_atomically(folder / "README.md", readme(told, pictures, missing))
