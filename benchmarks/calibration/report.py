"""RESULTS.md and results.json, from what was measured: nothing is typed in by hand."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch

import pinndiag
from benchmarks.calibration.figures import FIGURES
from benchmarks.calibration.scores import HELPS, Outcome, confusion, first_found, remedies, summary
from pinndiag._files import write_atomically
from pinndiag.checks import DEFAULT, Threshold

__all__ = ["write"]

GOALS = {"named": 0.9, "first": 0.75, "quiet": 1.0, "helped": 0.8}
WORDS = {
    "named": "sick: the right pathology among the findings",
    "first": "sick: the right pathology first",
    "quiet": "healthy: nothing called a problem",
    "short": "just short: not called a problem",
    "helped": f"curable and treated: the first prescription helps by {HELPS} or more",
}


REMEDIES = (
    "Curable cases of both halves. The factor is the error of training on as it is, divided by the error after the "
    "treatment, for as many evaluations of the loss: the relative L2 error where the solution is known, else the worst "
    "unweighted term at fresh points. A treatment that begins anew gets as many evaluations as the first training and "
    "training on together, and so does a scheme that takes the place of another one; else `remediate` from the start "
    "compares two trainings from the start."
)
SEEN = (
    "What had been seen before: the reported half with seed 0. Its misses were known when the checks were changed last "
    "(noise told by how the losses of a run jump, conditions measured by the output, small losses of L-BFGS), and so "
    "was its table of treatments when the order of prescriptions was (a larger learning rate before more steps, a "
    "smaller one by the figures of the start, dynamic norm before damped weights). Of seed 1 some cases of the "
    "reported half were mended after they had been seen: insufficient_capacity/heat/no-activation, "
    "gradient_noise/fit/two-points, collocation_overfit/poisson/few-points (float64 was prescribed for points learned "
    "to their last digit) and spectral_bias/poisson/eight-waves (balance was prescribed to an equation that is not "
    "learned even alone). The order of prescriptions was decided on the setting half. What a remedy can help was "
    "written down beforehand and stays so, also where none was found that helps within the budget: the fast wave "
    "(time windows left it at 1.0 as well), Allen-Cahn, seven points for three waves (28 are too few still), ten "
    "periods in ten windows. Other seeds are other draws of the same plants, not other plants; thresholds were set on "
    "the setting half, and on networks that are not in here."
)


def write(outcomes: Sequence[Outcome], to: Path, command: str, seconds: float, *, of: int) -> str:
    """Both files: of so many cases in all those that were run by the command. Returns the table of the summary."""
    table = _summary(outcomes)
    pages = [
        "# Calibration of the checks",
        _circumstances(outcomes, command, seconds, of),
        f"## Summary\n\n{table}\n\n{SEEN}",
        "## Every check\n\n" + _checks(outcomes),
        "## What came first\n\n" + _matrix(outcomes),
        "## Figures and thresholds\n\n" + _figures(outcomes),
        "## First prescriptions\n\n" + _remedies(outcomes),
        "## Every case\n\n" + _cases(outcomes),
    ]
    to.mkdir(parents=True, exist_ok=True)
    write_atomically(to / "RESULTS.md", "\n\n".join(pages) + "\n")
    rows = [_plain(asdict(outcome)) for outcome in outcomes]
    fields = {"command": command, "seconds": seconds, "machine": _machine(), "cases": rows}
    write_atomically(to / "results.json", json.dumps(fields, indent=1) + "\n")
    return table


def _circumstances(outcomes: Sequence[Outcome], command: str, seconds: float, of: int) -> str:
    halves = {half: sum(o.half == half for o in outcomes) for half in ("set", "report")}
    seeds = sorted({o.name.partition("@")[2] for o in outcomes})
    failed = [f"{o.name} ({o.failed})" for o in outcomes if o.failed]
    return (
        f"Written by `{command}` on {datetime.now(UTC):%d %B %Y}; "
        f"{_machine()}; {seconds / 60:.0f} minutes of CPU time in all.\n\n"
        f"{len(outcomes)} of {of} cases, with the seeds {', '.join(seeds)}: {halves['set']} to set thresholds by, "
        f"{halves['report']} to report. What each case suffers from, and whether a remedy can help, is stated in "
        "`benchmarks/calibration/cases/`, before anything is trained. A finding counts if it is a warning or a "
        f"problem; a note never does. Cases that do not count: {', '.join(failed) or 'none'}."
    )


def _machine() -> str:
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, pinndiag {pinndiag.__version__}"
    return f"{platform.machine()}, one torch thread a process, {versions}"


def _summary(outcomes: Sequence[Outcome]) -> str:
    parts = {
        "reported half": [o for o in outcomes if o.half == "report"],
        "setting half": [o for o in outcomes if o.half == "set"],
    }
    counted = {name: asdict(summary(part)) for name, part in parts.items()}
    rows = []
    for key, words in WORDS.items():
        goal = f"{100 * GOALS[key]:.0f} %" if key in GOALS else ""
        rows.append([words, goal, *(_share(*counted[name][key]) for name in parts)])
    return _table(["", "goal", *parts], rows)


def _checks(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for half in ("report", "set"):
        for row in confusion([o for o in outcomes if o.half == half]):
            rows.append(
                [
                    half,
                    row.code,
                    row.pathology,
                    _share(row.found, row.found + row.missed),
                    _share(row.quiet, row.quiet + row.alarms),
                    f"{row.elsewhere} of {row.others}",
                ]
            )
    head = [
        "half",
        "check",
        "pathology",
        "sick of it: spoke",
        "healthy or just short: no problem",
        "sick of another: spoke",
    ]
    return _table(head, rows) + (
        "\n\nA check that speaks in a network that is sick of something else is not always wrong: one illness brings "
        "others with it."
    )


def _matrix(outcomes: Sequence[Outcome]) -> str:
    found = first_found(outcomes)
    rows = [
        [planted, ", ".join(f"{name} {n}" for name, n in counts.most_common())] for planted, counts in found.items()
    ]
    return "Both halves.\n\n" + _table(["planted", "first finding, and how often"], rows)


def _figures(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for figure in FIGURES:
        bound: Threshold = getattr(DEFAULT, figure.name)
        sick = [
            o.figures[figure.name] for o in outcomes if _sick_of(o, figure.pathologies) and figure.name in o.figures
        ]
        well = [o.figures[figure.name] for o in outcomes if o.state == "healthy" and figure.name in o.figures]
        rows.append([f"`{figure.name}`", bound.rule, _range(sick), _range(well)])
    head = ["threshold", "unusual", "sick of it: lowest, quartiles, highest", "healthy: lowest, quartiles, highest"]
    return _table(head, rows) + (
        "\n\nNo check speaks on one figure alone, so these may overlap. `work` is taken over all sick cases, and "
        "`pull_ratio` is shown by the weighted gradients at the start."
    )


def _sick_of(outcome: Outcome, pathologies: tuple[str, ...]) -> bool:
    return outcome.state == "sick" and (not pathologies or outcome.pathology in pathologies)


def _remedies(outcomes: Sequence[Outcome]) -> str:
    rows = [[r.key, str(r.helped), str(r.alike), str(r.hurt), f"{r.median:.3g}"] for r in remedies(outcomes)]
    curable = [o for o in outcomes if o.curable and o.state == "sick" and not o.failed]
    useless = "; ".join(f"{o.name} ({o.words})" for o in curable if o.words and math.isnan(o.factor)) or "none"
    untreated = ", ".join(o.name for o in curable if not o.words) or "none"
    head = ["treatment", f"helped ({HELPS} or more)", "alike", f"hurt ({1 / HELPS:.2f} or less)", "median factor"]
    return (
        f"{REMEDIES}\n\n{_table(head, rows)}\n\nNo lines of code for the case, or nothing prescribed (counted as no "
        f"help): {useless}.\n\nNot treated in this run, and not counted: {untreated}."
    )


def _cases(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for o in sorted(outcomes, key=lambda o: (o.half, o.state, o.name)):
        said = ", ".join(f"{pathology} ({severity})" for _, pathology, severity in o.serious[:3]) or "nothing"
        mark = "failed" if o.failed else "yes" if _as_expected(o) else "no"
        effect = "" if math.isnan(o.factor) else f"{o.treatment}: {o.factor:.3g}"
        error = "" if math.isnan(o.error) else f"{o.error:.2g}"
        rows.append([o.half, o.state, o.name, error, said, mark, effect, "yes" if o.curable else ""])
    head = [
        "half",
        "state",
        "case",
        "error",
        "first three findings",
        "as expected",
        "first prescription: factor",
        "curable",
    ]
    return _table(head, rows)


def _as_expected(outcome: Outcome) -> bool:
    return outcome.first if outcome.state == "sick" else not outcome.alarmed


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} % ({part} of {whole})" if whole else "-"


def _range(values: list[float]) -> str:
    known = sorted(values)
    if not known:
        return "-"
    places = [known[round(q * (len(known) - 1))] for q in (0, 0.25, 0.5, 0.75, 1)]
    return " · ".join(f"{v:.2g}" for v in places) + f" ({len(known)})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(value: object) -> object:
    """Without numbers that JSON has no word for."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
