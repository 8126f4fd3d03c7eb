"""The page as plain values: what HTML, text and Markdown all show, worded and formatted once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pinndiag._errors import PinndiagError
from pinndiag._records import ONLY_THOROUGH, DiagnosisRecord, Evidence, Finding, Prescription, TermRecord
from pinndiag.checks import by_code
from pinndiag_reports._baseline import baseline_claim
from pinndiag_reports._names import one_line, slug
from pinndiag_reports._numbers import at_most, count, number, percent, plural, seconds, setting, times
from pinndiag_reports._parts import Absent, Table
from pinndiag_reports._run import RunView, run_view
from pinndiag_reports._trials import claims

__all__ = ["COLUMNS", "Column", "FindingView", "Row", "View", "view"]

_OPEN = 3
_SIGNS = {"problem": "✖", "warning": "▲", "note": "●", "none": "✔", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of terms: short and long head, what it means, and that in a few words if it needs any."""

    head: str
    plain: str
    meaning: str
    brief: str = ""


COLUMNS = (
    Column("loss", "loss", "unweighted loss: mean of |r|² over all entries"),
    Column("weight", "weight", "the fixed weight w that the term is trained with"),
    Column("|g|", "|g|", "l2 norm of the unweighted gradient over all trainable parameters"),
    Column("|w g|", "|w g|", "the same times the weight: what the optimizer sees; the bar is its share of the sum"),
    Column("σ max", "sigma_max", "largest eigenvalue of the term's Hessian, unweighted", "largest curvature"),
    Column(
        "work left",
        "work",
        "remaining work: squared distance in parameters that would make the typical residual vanish; "
        "≤: an upper figure, of a term known only as a loss",
        "what is left to be solved",
    ),
    Column(
        "held-out", "held-out", "mean |r|² at fresh points over that at the training points", "loss at fresh / own ones"
    ),
    Column(
        "reached", "reached", "share of the trainable parameters that the term's graph reaches", "share of parameters"
    ),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A term in the table of terms.

    Attributes:
        cells: one text for each of `COLUMNS`.
        share: |w g| over the sum of all, 0 to 1; None where it is not finite.
        codes: code, anchor and severity of the findings that name the term.
        severity: the worst of them, or "".
    """

    name: str
    anchor: str
    cells: tuple[str, ...]
    share: float | None = None
    codes: tuple[tuple[str, str, str], ...] = ()
    severity: str = ""


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding, ready to show.

    Attributes:
        held: of a run: the steps in which it held, in words; else "".
    """

    anchor: str
    code: str
    pathology: str
    title: str
    severity: str
    sign: str
    terms: tuple[tuple[str, str], ...]
    evidence: Table
    why: str
    prescriptions: tuple[Prescription, ...]
    overturned_by: str
    caused_by: tuple[str, str] | None
    reference: str
    sure: str
    held: str
    open: bool


@dataclass(frozen=True, slots=True)
class View:
    """A diagnosis, ready to show; figures apart."""

    name: str
    created: str
    subtitle: str
    severity: str
    sign: str
    verdict: str
    counts: str
    rows: tuple[Row, ...]
    rows_absent: str
    total: Row | None
    findings: tuple[FindingView, ...]
    passed: tuple[tuple[str, str], ...]
    not_applicable: tuple[tuple[str, str, str], ...]
    error: str
    error_at: str
    baseline: str
    trials: tuple[str, ...]
    run: RunView | None
    missing: tuple[Absent, ...]
    gaps: int
    card: tuple[Table, ...]
    notes: tuple[str, ...]


def view(record: DiagnosisRecord) -> View:
    """The page model of a cleaned record."""
    findings = _findings(record)
    run = record.run
    parts = [plural(run.parameters, "trainable parameter"), run.dtype, run.device]
    if run.optimizer is not None:
        lr = "" if run.optimizer.lr is None else f", learning rate {number(run.optimizer.lr)}"
        parts.append(f"{run.optimizer.kind}{lr}")
    pull = [abs(term.weight) * term.grad_l2 for term in record.terms.values()]
    whole = sum(value for value in pull if math.isfinite(value))
    return View(
        name=one_line(run.name) or "diagnosis",
        created=run.created.replace("T", " ", 1).removesuffix("+00:00")
        + (" UTC" if run.created.endswith("+00:00") else ""),
        subtitle=", ".join(part for part in parts if part),
        severity=record.verdict.severity,
        sign=_SIGNS[record.verdict.severity],
        verdict=record.verdict.text,
        counts=_counts(record),
        rows=tuple(_row(name, term, whole, findings) for name, term in record.terms.items()),
        rows_absent=(record.reasons.get("gradients") or record.reasons.get("terms") or "the file holds no loss terms")
        if not record.terms
        else "",
        total=None if record.total is None else _row("total", record.total, math.nan, ()),
        findings=findings,
        passed=tuple((code, _claims(code)[1]) for code in record.passed),
        not_applicable=tuple((item.code, _claims(item.code)[0], item.reason) for item in record.not_applicable),
        error=_error(record),
        error_at="glossary" if record.solution is None else "solution",
        baseline=baseline_claim(record.constant),
        trials=claims(record),
        run=run_view(record),
        missing=_missing(record),
        gaps=sum(why != ONLY_THOROUGH for why in record.reasons.values()),
        card=_card(record),
        notes=tuple(run.notes),
    )


def _error(record: DiagnosisRecord) -> str:
    """How far the network is from the solution, or may be where that is not known."""
    found, guess = record.solution, record.estimated_error
    if found is not None:
        return f"Relative L2 error against the reference solution: {number(found.rel_l2)}"
    if guess is None or not math.isfinite(guess.value):
        return ""
    room = "" if guess.settled else "; it still moves with the points looked at, and may be far off"
    return f"Relative L2 error as estimated from the residuals (no solution is known): {number(guess.value)}{room}"


def _claims(code: str) -> tuple[str, str]:
    """What a check claims when it fires and when it does not; empty for a code of another version."""
    try:
        check = by_code(code)
    except PinndiagError:
        return "", ""
    return check.title, check.passing


def _missing(record: DiagnosisRecord) -> tuple[Absent, ...]:
    """Absent parts, those with the same reason together."""
    together: dict[str, list[str]] = {}
    for what, why in record.reasons.items():
        together.setdefault(why, []).append(what)
    return tuple(Absent(", ".join(names), why) for why, names in together.items())


def _counts(record: DiagnosisRecord) -> str:
    found = [
        plural(amount, severity)
        for severity in ("problem", "warning", "note")
        if (amount := sum(finding.severity == severity for finding in record.findings))
    ]
    checks = [f"{plural(len(record.passed), 'check')} passed"]
    if record.not_applicable:
        checks.append(f"{count(len(record.not_applicable))} not applicable")
    return f"{', '.join(found) or 'no findings'}; {', '.join(checks)}"


def _row(name: str, term: TermRecord, whole: float, findings: tuple[FindingView, ...]) -> Row:
    pull = abs(term.weight) * term.grad_l2
    codes = tuple(
        (item.code, item.anchor, item.severity) for item in findings if any(name == one for one, _ in item.terms)
    )
    worst = [item.severity for item in findings if any(name == one for one, _ in item.terms)]
    total = term.kind == "total"
    cells = (
        number(term.loss),
        number(None if total else term.weight),
        number(term.grad_l2),
        number(None if total else pull),
        number(term.sigma_max.value if term.sigma_max else None),
        at_most(term.work.value, upper=term.work.how == "scalar") if term.work else number(None),
        times(term.held_out.ratio if term.held_out else None),
        percent(None if total else term.reached),
    )
    share = pull / whole if math.isfinite(pull) and math.isfinite(whole) and whole > 0 else None
    return Row(name, slug("term-", name), cells, share, codes, worst[0] if worst else "")


def _findings(record: DiagnosisRecord) -> tuple[FindingView, ...]:
    anchors: dict[str, str] = {}
    seen: dict[str, int] = {}
    names = []
    for finding in record.findings:
        base = slug("", finding.code)
        seen[base] = seen.get(base, 0) + 1
        anchor = base if seen[base] == 1 else f"{base}-{seen[base]}"
        anchors.setdefault(finding.code, anchor)
        names.append(anchor)
    return tuple(
        _finding(finding, anchor, anchors, position < _OPEN)
        for position, (finding, anchor) in enumerate(zip(record.findings, names, strict=True))
    )


def _finding(finding: Finding, anchor: str, anchors: dict[str, str], unfolded: bool) -> FindingView:
    cause = (finding.caused_by, anchors.get(finding.caused_by, "")) if finding.caused_by else None
    return FindingView(
        anchor=anchor,
        code=finding.code,
        pathology=finding.pathology,
        title=one_line(finding.title),
        severity=finding.severity,
        sign=_SIGNS[finding.severity],
        terms=tuple((name, slug("term-", name)) for name in finding.terms),
        evidence=_evidence(finding.evidence),
        why=finding.why,
        prescriptions=tuple(finding.prescriptions),
        overturned_by=finding.overturned_by,
        caused_by=cause,
        reference=finding.reference,
        sure=finding.sure,
        held=_held(finding),
        open=unfolded,
    )


def _held(finding: Finding) -> str:
    """When a finding of a run held, in words."""
    if not finding.held:
        return ""
    first, last = finding.held[0], finding.held[-1]
    words = f"step {count(last.last)}"
    if first.first < last.last:
        words = f"steps {count(first.first)} to {count(last.last)}"
    if len(finding.held) > 1:
        words += f", in {count(len(finding.held))} intervals"
    return f"{words} ({finding.course})" if finding.course else words


def _evidence(evidence: list[Evidence]) -> Table:
    return Table(
        ("measured", "value", "threshold", "where the threshold comes from"),
        tuple(
            (item.name, number(item.value), number(item.threshold), item.source or number(None)) for item in evidence
        ),
        words=True,
    )


def _own(record: DiagnosisRecord) -> str:
    places = record.criteria.thresholds.items()
    return ", ".join(
        f"{name} {number(at.get('value'))} (a problem from {number(at.get('grave'))})" for name, at in places
    )


def _card(record: DiagnosisRecord) -> tuple[Table, ...]:
    run = record.run
    settings = [
        ("name", run.name),
        ("made", run.created),
        ("source", run.source),
        ("origin of the terms", run.origin),
        ("mode", run.mode),
        ("seed", str(run.seed)),
        ("checks judged", ", ".join(record.criteria.select)),
        ("checks left out", ", ".join(record.criteria.ignore)),
        ("thresholds of your own", _own(record)),
        ("trainable parameters", count(run.parameters)),
        ("dtype, device", f"{run.dtype}, {run.device}"),
        ("wall time", seconds(run.seconds)),
        ("pinndiag", run.pinndiag),
        ("torch", run.torch),
        ("Python", run.python),
        ("schema", record.schema),
    ]
    tables = [Table(("setting", "value"), tuple(row for row in settings if row[1]), title="Settings and environment")]
    if run.optimizer is not None:
        rows = [("kind", run.optimizer.kind), ("learning rate", number(run.optimizer.lr))]
        rows += [(key, setting(value)) for key, value in run.optimizer.settings.items() if key != "lr"]
        rows.append(("state in the file", "yes" if run.optimizer.has_state else "no"))
        tables.append(Table(("setting", "value"), tuple(rows), title="Optimizer"))
    if run.costs:
        costs = tuple((name, seconds(value)) for name, value in sorted(run.costs.items(), key=lambda item: -item[1]))
        apart = sum(run.costs.values()) > run.seconds
        note = "Stages run at the same time, so that they add up to more than the wall time." if apart else ""
        tables.append(Table(("what", "time"), costs, title="Costs", note=note))
    return tuple(tables)
