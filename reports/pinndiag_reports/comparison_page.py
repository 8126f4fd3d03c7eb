"""Two diagnoses side by side as a page: findings gone and new, figures, trajectories of both together."""

from __future__ import annotations

from pinndiag._records import to_plain
from pinndiag._records._comparison import ComparisonRecord
from pinndiag_reports._embedded import embed
from pinndiag_reports._frame import framed
from pinndiag_reports._parts import Absent, Part, Table
from pinndiag_reports.comparison import changes, cleaned, comparison_to_markdown, latest, remark, rows_of, summary
from pinndiag_reports.figures._plot import drawing
from pinndiag_reports.figures.fronts import fronts

__all__ = ["comparison_to_html"]

SIGNS = {"new": "▲", "gone": "✔", "open": "?", "same": "●"}


def comparison_to_html(comparison: ComparisonRecord) -> str:
    """The page of a comparison: one file that asks for nothing and reads without JavaScript.

    Args:
        comparison: from `pinndiag.compare`.

    Cost: a fraction of a second.
    """
    shown = cleaned(comparison)
    with drawing():
        trajectories = fronts(shown.fronts, {"A": shown.a.name, "B": shown.b.name})
    return framed(
        "comparison.html.j2",
        embed(to_plain(comparison), bulk=()),
        "page.js",
        shown=shown,
        severity="problem" if shown.problems_new else "none",
        summary=summary(shown),
        changes=[(change, SIGNS[change], pair, latest(pair), remark(pair)) for change, pair in changes(shown)],
        figures=Table(("term", "figure", "A", "B", "B / A"), tuple(rows_of(shown))),
        trajectories=trajectories,
        settings=_settings(shown),
        markdown=comparison_to_markdown(comparison),
    )


def _settings(shown: ComparisonRecord) -> Part:
    if not shown.settings:
        return Absent("What else differs", "nothing in the run cards")
    return Table(("setting", "A", "B"), tuple((item.name, item.a, item.b) for item in shown.settings), words=True)
