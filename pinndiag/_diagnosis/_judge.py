"""The verdict: every check on one record, causes before symptoms."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pinndiag._records import Criteria, DiagnosisRecord, Finding, NotApplicable, Verdict
from pinndiag.checks import CHECKS, DEFAULT, Outcome, Thresholds, by_code, gate, matching

__all__ = ["RANK", "judge", "verdict_of"]

RANK = {"problem": 0, "warning": 1, "note": 2}


def judge(
    record: DiagnosisRecord,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
) -> DiagnosisRecord:
    """The record with its verdict, findings, passed and not applicable checks; the measurements stay as they are.

    A fault of the program hides what comes after it, also where `select` leaves the fault itself out; `ignore` takes it
    out of the judgement altogether. Findings are ordered worst first; among equals causes come before what they cause,
    then the order of judgement decides.

    Args:
        record: the measurements of one PINN.
        select: codes or prefixes of the checks to report; default all.
        ignore: codes or prefixes of the checks to leave out.
        thresholds: default `pinndiag.checks.DEFAULT`.

    Raises:
        PinndiagError: a code or prefix in `select` or `ignore` fits no check.

    Cost: no measurement, a few milliseconds.
    """
    bounds = thresholds or DEFAULT
    left_out = matching(ignore)
    wanted = (matching(select) if select else {check.code for check in CHECKS}) - left_out
    outcomes = {code: o for code, o in _outcomes(record, bounds, left_out).items() if code in wanted}
    found = [o for o in outcomes.values() if isinstance(o, Finding)]
    # stable: the order of judgement among findings of one severity, symptoms after what has no known cause
    found.sort(key=lambda finding: (RANK[finding.severity], bool(finding.caused_by)))
    skipped = [o for o in outcomes.values() if isinstance(o, NotApplicable)]
    passed = [code for code, o in outcomes.items() if not isinstance(o, Finding | NotApplicable)]
    verdict = verdict_of(record, found, passed, select=select, ignore=ignore, thresholds=bounds)
    own = {name: {"value": bound.value, "grave": bound.grave} for name, bound in bounds.changed().items()}
    return msgspec.structs.replace(
        record,
        findings=found,
        passed=passed,
        not_applicable=skipped,
        verdict=verdict,
        criteria=Criteria(select=list(select), ignore=list(ignore), thresholds=own),
    )


def _outcomes(record: DiagnosisRecord, thresholds: Thresholds, left_out: set[str]) -> dict[str, Outcome]:
    """What each check says, in the order of judgement."""
    outcomes: dict[str, Outcome] = {}
    fault, spoken = "", set[str]()
    for check in CHECKS:
        if check.code in left_out:
            continue
        if fault and not check.fault:
            outcomes[check.code] = check.not_applicable(f"not judged before {fault} is mended")
            continue
        outcome = check.judge(record, thresholds)
        if isinstance(outcome, Finding):
            if check.last and spoken & {"problem", outcome.severity}:
                outcome = check.not_applicable("another finding explains the unfinished work")
            elif outcome.severity != "note":
                spoken.add(outcome.severity)
                if check.fault and outcome.severity == "problem" and not fault:
                    fault = f"{check.code} ({outcome.pathology})"
        outcomes[check.code] = outcome
    return _with_causes(outcomes)


def _with_causes(outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    """Name for each finding the one that probably causes it; never two that cause each other.

    Never one less grave, but for those seen before the training: such a cause is as grave as what it causes.
    """
    found = [o for o in outcomes.values() if isinstance(o, Finding) and o.severity != "note"]
    codes = {finding.pathology: finding.code for finding in reversed(found)}
    ranks = {finding.code: RANK[finding.severity] for finding in found}
    causes: dict[str, str] = {}
    for check in CHECKS:
        outcome = outcomes.get(check.code)
        if not isinstance(outcome, Finding) or outcome.severity == "note":
            continue
        rank = RANK[outcome.severity]
        candidates = [codes[p] for p in check.symptom_of if p in codes and p != outcome.pathology]
        candidates = [code for code in candidates if ranks[code] <= rank or by_code(code).early]
        cause = next((c for c in candidates if c != check.code and not _leads_to(causes, c, check.code)), "")
        if cause:
            if ranks[cause] > rank:
                ranks[cause] = rank
                outcomes[cause] = msgspec.structs.replace(outcomes[cause], severity=outcome.severity)
            causes[check.code] = cause
            outcomes[check.code] = msgspec.structs.replace(outcome, caused_by=cause)
    return outcomes


def _leads_to(causes: dict[str, str], code: str, target: str) -> bool:
    """Whether following the causes from `code` on arrives at `target`."""
    while code in causes:
        code = causes[code]
        if code == target:
            return True
    return False


def verdict_of(
    record: DiagnosisRecord,
    found: list[Finding],
    passed: list[str],
    *,
    select: Sequence[str],
    ignore: Sequence[str],
    thresholds: Thresholds | None,
) -> Verdict:
    """The verdict in a sentence, given the findings, worst first, and what was chosen to be judged."""
    bounds = thresholds or DEFAULT
    verdict = _verdict(record, found, passed, bounds, _scope(select, ignore))
    own = list(bounds.changed())
    if not own:
        return verdict
    words = f"Thresholds of your own: {_row(own)}."
    return Verdict(text=f"{verdict.text} {words}", severity=verdict.severity)


def _scope(select: Sequence[str], ignore: Sequence[str]) -> str:
    """Which checks were judged, in a clause without a capital; "" for all."""
    only, without = _codes(select), _codes(ignore)
    if only:
        return f"only {only} {'was' if len(set(select)) == 1 else 'were'} judged" + (without and f", without {without}")
    return without and f"all but {without} were judged"


def _codes(patterns: Sequence[str]) -> str:
    return _row(list(dict.fromkeys(pattern.strip().upper() for pattern in patterns)))


def _row(named: Sequence[str]) -> str:
    """Up to four names in a row: a, b and c."""
    shown = named if len(named) <= 4 else [*named[:3], f"{len(named) - 3} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def _verdict(
    record: DiagnosisRecord, found: list[Finding], passed: list[str], thresholds: Thresholds, scope: str
) -> Verdict:
    counts = {severity: sum(f.severity == severity for f in found) for severity in RANK}
    serious = [
        f"{counts[severity]} {severity}{'s' if counts[severity] > 1 else ''}"
        for severity in ("problem", "warning")
        if counts[severity]
    ]
    if serious:
        head = ", ".join(serious) if counts["problem"] else f"No problem, {serious[0]}"
        text = f"{head}: {_clause(found[0].title)}{scope and f' ({scope})'}."
        return Verdict(text=text, severity=found[0].severity)
    if not record.terms:
        looked = "the weights are finite" if passed else "nothing could be judged"
        text = f"Not judged: {looked}, and everything else needs the loss terms."
        return Verdict(text=text, severity="unknown")
    if not passed and not found:
        what = "no check" if not scope else "none of the chosen checks"
        return Verdict(text=f"Not judged: {what} could be applied.", severity="unknown")
    state = gate(record, thresholds)
    words = state.words[0].upper() + state.words[1:]
    if scope:  # what was not judged may be the cause
        text = f"{scope[0].upper()}{scope[1:]}: no problem found there. {words}."
        if state.state == "unfinished":
            return Verdict(text=text, severity="warning")
    elif state.state == "finished":
        worst = f"{state.words.removeprefix('finished: ')} (finished)"
        unseen = f"; not looked at: {', '.join(state.unseen)}" if state.unseen else ""
        text = f"No problem found: {worst}{unseen}."
    elif state.state == "unfinished":
        text = f"No cause found, yet the training is not finished. {words}."
        return Verdict(text=text, severity="warning")
    else:
        text = f"No problem found, but whether the training is finished is not known. {words}."
    return Verdict(text=text, severity="note" if found else "none")


def _clause(title: str) -> str:
    """A title inside a sentence: its first word without a capital, unless that is an abbreviation."""
    return title[:1].lower() + title[1:] if title[1:2].islower() or title[1:2] == " " else title
