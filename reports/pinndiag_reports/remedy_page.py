"""Before and after as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pinndiag._records import RemedyRecord
from pinndiag_reports._embedded import REMEDY, embed
from pinndiag_reports._frame import framed
from pinndiag_reports._input import read_remedy
from pinndiag_reports._names import one_line
from pinndiag_reports._numbers import number, plural, seconds, setting
from pinndiag_reports._parts import Part, Table
from pinndiag_reports._remedy import RemedyView, all_arms, findings_changed, remedy_view
from pinndiag_reports.comparison import latest, remark, rows_of
from pinndiag_reports.comparison_page import SIGNS
from pinndiag_reports.figures.remedy import remedy_sections
from pinndiag_reports.remedy import remedy_to_markdown

__all__ = ["remedy_to_html"]


def remedy_to_html(record: RemedyRecord | Mapping[str, Any]) -> str:
    """The page of a remediation: one file that asks for nothing and reads without JavaScript.

    Args:
        record: from `pinndiag.remediate`, or the dictionary that its JSON file holds.

    Raises:
        PinndiagError: `record` is a dictionary of another shape.

    Cost: about a second.
    """
    plain, shown = read_remedy(record)
    page = remedy_view(shown)
    sections = remedy_sections(shown)
    pair = shown.comparison
    scripts = ["page.js"] + (["timeline.js"] if any(section.id == "over-time" for section in sections) else [])
    return framed(
        "remedy.html.j2",
        embed(plain, REMEDY),
        *scripts,
        page=page,
        shown=shown,
        sections=sections,
        pair=pair,
        changes=[] if pair is None else [(c, SIGNS[c], p, latest(p), remark(p)) for c, p in findings_changed(pair)],
        figures=None if pair is None else Table(("term", "figure", "A", "B", "B / A"), tuple(rows_of(pair))),
        trials=_trials(page),
        settings=_settings(shown),
        card=_card(shown),
        markdown=remedy_to_markdown(plain),
    )


def _trials(page: RemedyView) -> Part | None:
    if not page.trials:
        return None
    return Table(
        page.trials_head, page.trials, note=f"{page.trials_note}. Losses are unweighted, at half of the steps."
    )


def _settings(shown: RemedyRecord) -> list[Table]:
    """The arguments of each scheme."""
    return [
        Table(
            ("argument", "value"),
            tuple((key, setting(value)) for key, value in arm.settings.items() if value not in (None, [], {})),
            title=one_line(arm.title),
        )
        for arm in shown.arms
        if arm.settings
    ]


def _card(shown: RemedyRecord) -> list[Table]:
    optimizer = shown.optimizer
    rows = [
        ("name", shown.name),
        ("source", shown.source),
        ("made", shown.created),
        ("start of every arm", "initial parameters" if shown.start == "initial" else "checkpoint"),
        ("steps of each run", str(shown.steps)),
        ("seeds", str(shown.seeds)),
        ("fresh points", f"every {plural(shown.resample, 'step')}" if shown.resample else ""),
        ("arms", str(len(all_arms(shown)))),
        ("figure of comparison", "relative L2 error" if shown.measure == "rel_l2" else "geometric mean of the losses"),
        ("gradients in all", str(shown.evaluations)),
        ("wall time", seconds(shown.seconds)),
        ("interrupted", "yes" if shown.interrupted else "no"),
        ("pinndiag", shown.diagnosis.run.pinndiag),
        ("torch", shown.diagnosis.run.torch),
        ("device", shown.diagnosis.run.device),
        ("dtype", shown.diagnosis.run.dtype),
        ("schema", shown.schema),
    ]
    settings = [("kind", optimizer.kind), ("learning rate", number(optimizer.lr))]
    settings += [(key, setting(v)) for key, v in optimizer.settings.items() if key != "lr" and v is not None]
    settings.append(("went on with its state", "yes" if optimizer.has_state else "no"))
    return [
        Table(("setting", "value"), tuple(row for row in rows if row[1]), title="Settings and environment"),
        Table(("setting", "value"), tuple(settings), title="Optimizer of every arm"),
    ]
