"""The texts of the checks as Markdown: `explain CODE` and docs/checks.md are the same words."""

from __future__ import annotations

from pinndiag.checks._check import Check
from pinndiag.checks._needs import NEEDS
from pinndiag.checks._registry import CHECKS, by_code
from pinndiag.checks._thresholds import DEFAULT, Threshold

__all__ = ["explain", "guide"]

SECTIONS = {
    "PD0": "Faults of the program",
    "PD1": "Scaling and precision",
    "PD2": "Balance between terms",
    "PD3": "Points",
    "PD4": "What the network can say",
    "PD5": "Optimisation",
}

OPENING = """\
# The checks

Each check has a stable code. `pinndiag checks` lists them, `pinndiag explain CODE` prints a section of this page, and
`--select` and `--ignore` take codes or prefixes such as `PD2`.

Almost every statistic that is called alarming is also seen in healthy networks: ratios of gradients of 3000, cosines
of -0.97, terms that cancel to 2 %, half the units saturated. So every check but the faults speaks only together with
unfinished work. **Remaining work** of a term is mean(r^2) / mean |dr/dtheta|^2, the squared distance in parameter
space that would make its residual vanish. A network is **finished** when the largest remaining work is below 2e-5,
fresh points agree with the training points, the output is not constant and the gradient is not lost in rounding. A
finished network gets notes at most; where the work is not known, warnings at most. Nor is it known where what is left
does not agree between neighbouring points: noise in the data cannot be learned, and should not be.

A **problem** is unfinished work (or a fault) and a threshold passed as far as its second bound, as a rule threefold; a
**warning** is a threshold passed; a **note** is an unusual figure. Where a check compares several figures, it needs the
unusual ones that its text names, and one of them at its second bound makes the problem, unless the text says otherwise.
The checks are judged causes first: a fault hides what follows it. At most three findings are shown open.

How often each check was right on networks made sick on purpose and on healthy ones, and what the first prescription
did there: `benchmarks/calibration/RESULTS.md`, made by `python -m benchmarks.calibration`.

## Other checks, other thresholds

Both are data. The nearest `pyproject.toml` from the working directory upwards that has the table may hold

```toml
[tool.pinndiag]
select = ["PD"]                                # codes or prefixes; default all
ignore = ["PD301"]

[tool.pinndiag.thresholds]
work_ratio = 50                                # the second bound moves with it: 150
top_share = { value = 0.7, grave = 0.95 }      # or both
```

`--select`, `--ignore` and `--threshold work_ratio=50`, and `select=`, `ignore=` and `thresholds=` of `analyze` and
`watch.diagnose`, win over the file. What was measured can be judged again without measuring: `pinndiag report FILE
--threshold work_ratio=50` (or `--judge` after a change of the file), `pinndiag analyze RUN`, `diagnosis.judged(...)`. A
finding, the verdict and the page say which thresholds were not the default ones. `pinndiag explain CODE` names those
of a check.
"""


def explain(code: str) -> str:
    """What a check looks at, why it matters and how to fix it, as Markdown.

    Args:
        code: a check's code, in any case.

    Raises:
        PinndiagError: there is no such check; the message lists those there are.

    >>> print(explain("pd001").splitlines()[0])
    ## PD001 nonfinite
    """
    return _section(by_code(code))


def guide() -> str:
    """All checks as one page, in the order of their codes."""
    parts, ordered = [OPENING], sorted(CHECKS, key=lambda check: check.code)
    for prefix, title in SECTIONS.items():
        group = [check for check in ordered if check.code.startswith(prefix)]
        parts += [f"# {title}\n", *[_section(check) for check in group]] if group else []
    return "\n".join(parts)


def _section(check: Check) -> str:
    needs = ", ".join(NEEDS[path].words for path in check.needs)
    paragraphs = [
        f"## {check.code} {check.pathology}",
        f"{check.title}. (When it passes: {check.passing[0].lower()}{check.passing[1:]}.)",
        f"**How it is detected.** {check.detected}",
        f"**Needs.** {needs[0].upper()}{needs[1:]}." if needs else "",
        _thresholds(check),
        f"**Why it matters.** {check.why}",
        f"**How to fix it.** {check.fix}",
        f"**What would overturn it.** {check.overturned_by}",
        f"**Reference.** {check.reference}." if check.reference else "",
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _thresholds(check: Check) -> str:
    if not check.thresholds:
        return ""
    rows = [(name, getattr(DEFAULT, name)) for name in check.thresholds]
    lines = [f"| `{name}` | {bound.rule} | {bound.source} |" for name, bound in rows if isinstance(bound, Threshold)]
    return "\n".join(["| threshold | unusual | source |", "| --- | --- | --- |", *lines])
