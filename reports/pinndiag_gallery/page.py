"""A story as a page: its claims and runs, then the product's own figures of its arms."""

from __future__ import annotations

import re
import statistics
from dataclasses import replace
from importlib.resources import files

from markupsafe import Markup, escape

from pinndiag._records import to_plain
from pinndiag_gallery.before_after import sections
from pinndiag_gallery.results import Results
from pinndiag_gallery.story import Story
from pinndiag_gallery.verdicts import ArmRow, Summary
from pinndiag_reports._embedded import embed
from pinndiag_reports._frame import environment, framed
from pinndiag_reports._names import shorten
from pinndiag_reports._numbers import count, number, percent, seconds
from pinndiag_reports._parts import Section, Table

__all__ = ["drawn", "page"]

FEW = 3  # seeds that are listed
POWER = re.compile(r"[\d.]+e-\d+")
SIGNS = {"reproduced": ("✔", "none"), "not reproduced": ("✖", "warning"), "not run": ("?", "note")}

Drawn = list[tuple[str, tuple[Section, ...]]]


def drawn(story: Story, results: Results) -> Drawn:
    """The sections of every group of a story, by its key."""
    return [(group.key, sections(story, group, results)) for group in story.groups]


def page(story: Story, told: Summary, figures: Drawn) -> str:
    """One file that asks for nothing and reads without JavaScript. It carries the summary as JSON."""
    template = (files("pinndiag_gallery") / "templates" / "story.html.j2").read_text(encoding="utf-8")
    return framed(
        environment().from_string(template),
        embed(to_plain(told), bulk=()),
        "page.js",
        told=told,
        signs=SIGNS,
        whole=whole,
        groups=[(group, dict(figures)[group.key]) for group in story.groups],
        runs=runs_tables(told),
        asked=Table(
            ("arm", "problem", "steps", "scheme", "its arguments"),
            tuple(
                (_name(row, told), row.problem, count(row.steps), row.scheme or "–", row.settings or "–")
                for row in told.arms
            ),
            folded="What each arm is",
            words=True,
        ),
    )


def whole(text: str) -> Markup:
    """`text` whose numbers are not broken at the minus of their exponents.

    >>> whole("< 1.1e-3 and 2")
    Markup('&lt; <span style="white-space:nowrap">1.1e-3</span> and 2')
    """
    return Markup(POWER.sub(r'<span style="white-space:nowrap">\g<0></span>', str(escape(text))))


def runs_tables(told: Summary) -> list[Table]:
    """A table a problem, the last one with the note of all."""
    problems: dict[str, list[ArmRow]] = {}
    for row in told.arms:
        problems.setdefault(row.problem.split(",")[0], []).append(row)
    tables = [_runs(rows, told) for rows in problems.values()]
    timed = any(row.overhead is not None for row in told.arms)
    note = (
        "Relative L2 errors, one a seed: the median of ten evaluations over the last tenth of the steps, and that "
        "at the last step. Losses are unweighted, of seed 0, as is what follows them. CPU time of that run, with what "
        "was measured in it, on a machine with other work: it says how long to wait, not what a scheme costs. "
        + ("Overhead does: CPU time of a step against the first arm's, in alternating blocks. " if timed else "")
        + 'In the figures below, "as it was given" is the network before training.'
    )
    return [*tables[:-1], *(replace(table, note=note) for table in tables[-1:])]


def _runs(rows: list[ArmRow], told: Summary) -> Table:
    """A row an arm: errors of every seed, losses of seed 0, time."""
    terms = list(dict.fromkeys(term for row in rows for term in row.losses[0]))
    extra = list(dict.fromkeys(name for row in rows for name in row.figures[0]))
    timed = any(row.overhead is not None for row in rows)
    head = ("arm", "error", "at the last step", *(f"loss {shorten(t, 16)}" for t in terms), *extra, "CPU time")
    return Table(
        head + (("overhead",) if timed else ()),
        tuple((_name(row, told), *_row(row, terms, extra, timed=timed)) for row in rows),
    )


def _name(row: ArmRow, told: Summary) -> str:
    """Its title, or where another arm bears it too, its key."""
    return row.title if sum(other.title == row.title for other in told.arms) == 1 else row.key


def _row(row: ArmRow, terms: list[str], extra: list[str], *, timed: bool) -> tuple[str, ...]:
    cells = (
        _several(row.late),
        _several(row.last),
        *(number(row.losses[0].get(term)) for term in terms),
        *(number(row.figures[0].get(name)) for name in extra),
        seconds(row.seconds[0]),
    )
    return (*cells, overhead(row.overhead)) if timed else cells


def _several(values: list[float]) -> str:
    """A few numbers as they are, more of them by their median and their ends."""
    if len(values) <= FEW:
        return ", ".join(map(number, values))
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))}, {len(values)} seeds)"


def overhead(share: float | None) -> str:
    """A share of time with its sign.

    >>> overhead(0.21), overhead(-0.004), overhead(None)
    ('+21 %', '-0.4 %', '–')
    """
    return number(None) if share is None else f"{'+' if share >= 0 else '-'}{percent(abs(share))}"
