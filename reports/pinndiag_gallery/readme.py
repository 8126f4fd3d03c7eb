"""The README of the gallery: the pictures, one table of all claims, how to make it again; from the summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pinndiag_gallery.verdicts import Judged, Summary
from pinndiag_reports._markdown import escaped

__all__ = ["readme"]

SIGNS = {"reproduced": "✔ reproduced", "not reproduced": "✖ not reproduced", "not run": "not run"}
HEAD = ("story", "claim", "published", "ours", "outcome", "why, or what counts")

TEXT = """# Gallery

Published effects of unbalanced training, trained again with `pinndiag` and set beside the printed numbers. Each page is
one file that opens offline and follows the light or dark theme: open it from a checkout. This README and every number
in it are written by the code in [`reports/pinndiag_gallery`](../pinndiag_gallery) from what the runs came to.

From an editable install, one command makes a page again and goes on where it was left; `--full` takes the published
sizes:

```bash
python -m pinndiag_gallery poisson_2d
```

Runs are **reduced** unless a story says otherwise: fewer steps, points or units, as each page states. What is compared
is the effect, not the digit; the last column says what counts. Errors are relative L2 errors: medians over the seeds of
the median over the last tenth of the steps. The papers print means over 10 runs, with standard errors (Deguchi, Asai)
or standard deviations (Wang, Teng, Perdikaris).
"""


def readme(told: Sequence[Summary], pictures: Mapping[str, str], missing: Mapping[str, str]) -> str:
    """Markdown, the same for the same summaries.

    Args:
        told: the stories, in order.
        pictures: name of a story -> file beside the README.
        missing: name of a story that was not run -> the command that runs it.
    """
    blocks = [TEXT, "## All claims\n", _total(told), _table(told)]
    blocks += [_missing(missing)] if missing else []
    blocks += ["## The stories\n", *(_story(one, pictures.get(one.name)) for one in told)]
    return "\n".join(blocks)


def _total(told: Sequence[Summary]) -> str:
    outcomes = [claim.outcome for one in told for claim in one.claims]
    return (
        f"{outcomes.count('reproduced')} of {len(outcomes)} claims reproduced, "
        f"{outcomes.count('not reproduced')} not, {outcomes.count('not run')} not run.\n"
    )


def _table(told: Sequence[Summary]) -> str:
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    for one in told:
        for claim in one.claims:
            lines.append(_line([f"[{one.name}]({one.name}.html)", *map(escaped, _cells(claim))]))
    return "\n".join([*lines, ""])


def _cells(claim: Judged) -> tuple[str, ...]:
    return (
        f"{claim.text} ({claim.source})",
        claim.published or "–",
        claim.ours or "–",
        SIGNS[claim.outcome],
        claim.why or claim.rule,
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _missing(missing: Mapping[str, str]) -> str:
    rows = [f"- {name}: `{command}`" for name, command in missing.items()]
    return "\n".join(["Not run yet:\n", *rows, ""])


def _story(one: Summary, picture: str | None) -> str:
    parts = [
        f"### {escaped(one.title)}\n",
        f"[The page]({one.name}.html), [the numbers]({one.name}.json). {one.counts}.\n",
        f"After {escaped(one.source)}. {escaped(one.setting)}\n",
        f"{escaped(one.trained)} Made {one.made} on {escaped(one.machine)}.\n",
        f"```bash\n{one.command}\n```\n",
    ]
    parts += [f"{one.published_size}: `{one.command} --full`\n"] if one.published_size else []
    parts += [f"![{escaped(one.title)}]({picture})\n"] if picture else []
    return "\n".join(parts)
