"""`python -m pinndiag_gallery NAME...`: train, and write the pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from pinndiag_gallery.cost import hours
from pinndiag_gallery.runner import run, stored
from pinndiag_gallery.stories import STORIES
from pinndiag_gallery.writing import write_readme, write_story

GALLERY = Path(__file__).resolve().parents[1] / "gallery"


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(prog="python -m pinndiag_gallery", description="Train stories, write their pages.")
    parser.add_argument("names", nargs="*", help=f"stories, default all: {', '.join(STORIES)}")
    parser.add_argument("--full", action="store_true", help="the published sizes: hours to days")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one torch thread each")
    parser.add_argument("--seeds", type=int, help="at most so many runs of an arm, for a first look")
    parser.add_argument("--pages", action="store_true", help="train nothing: write the pages of what is there")
    parser.add_argument("--to", type=Path, default=GALLERY, help="where the pages go")
    parser.add_argument("--cache", type=Path, default=Path("runs/gallery"), help="where runs are kept")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in STORIES]
    if unknown:
        parser.error(f"there is no story {', '.join(unknown)}; known: {', '.join(STORIES)}")
    names = arguments.names or list(STORIES)
    full, folder = arguments.full, arguments.cache
    if not arguments.pages:
        run(names, full=full, folder=folder, jobs=arguments.jobs, most=arguments.seeds)
    for name in names:
        story = STORIES[name](full=full)
        results = stored(story, folder)
        if results.runs:
            published = STORIES[name](full=True)
            takes = hours(published, folder) if published.arms != STORIES[name](full=False).arms else None
            told = write_story(story, results, arguments.to, full=full, hours=takes)
            print(f"{arguments.to / told.name}.html: {told.counts}")
    write_readme(arguments.to)


if __name__ == "__main__":
    main()
