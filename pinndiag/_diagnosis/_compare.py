"""`compare`: two diagnoses, what is gone, what is new, and what else differs. Free of torch."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from pinndiag._diagnosis._diagnosis import Diagnosis
from pinndiag._diagnosis._fronts import pareto_fronts
from pinndiag._records import DiagnosisRecord, Finding, RunCard, TermRecord
from pinndiag._records._comparison import (
    COMPARISON_SCHEMA,
    ComparisonRecord,
    Figure,
    FindingPair,
    Setting,
    Side,
    TermPair,
)

__all__ = ["compare"]

Key = tuple[str, tuple[str, ...]]


def compare(
    a: DiagnosisRecord | Diagnosis, b: DiagnosisRecord | Diagnosis, *, names: tuple[str, str] | None = None
) -> ComparisonRecord:
    """Set two diagnoses side by side.

    Findings are the same when code and set of terms are. A finding that one side lacks because it did not judge that
    check (a quick diagnosis, a term without points) is marked so, and is not called cured.

    Args:
        a: the earlier one, or the one to measure against.
        b: the other one.
        names: what to call the two; default: the names of their run cards.

    Cost: none; nothing is measured.
    """
    a = a.record if isinstance(a, Diagnosis) else a
    b = b.record if isinstance(b, Diagnosis) else b
    pairs = _pairs(a, b)
    new = [pair for pair in pairs if pair.a is None]
    same = [pair for pair in pairs if pair.a is not None and pair.b is not None]
    return ComparisonRecord(
        schema=COMPARISON_SCHEMA,
        a=_side(a, names[0] if names else a.run.name),
        b=_side(b, names[1] if names else b.run.name),
        gone=[pair for pair in pairs if pair.b is None],
        new=new,
        same=same,
        problems_new=[
            pair.b
            for pair in pairs
            if pair.b is not None and pair.b.severity == "problem" and (pair.a is None or pair.a.severity != "problem")
        ],
        terms={name: _term(a.terms.get(name), b.terms.get(name)) for name in dict.fromkeys((*a.terms, *b.terms))},
        total=None if a.total is None and b.total is None else _term(a.total, b.total),
        figures=_whole(a, b),
        settings=_settings(a, b),
        fronts=pareto_fronts({"A": a, "B": b}),
    )


def _side(record: DiagnosisRecord, name: str) -> Side:
    run = record.run
    return Side(name=name, source=run.source, created=run.created, mode=run.mode, verdict=record.verdict)


def _keyed(findings: Iterable[Finding]) -> dict[Key, list[Finding]]:
    found: dict[Key, list[Finding]] = defaultdict(list)
    for finding in findings:
        found[finding.code, tuple(sorted(set(finding.terms)))].append(finding)
    return found


def _pairs(a: DiagnosisRecord, b: DiagnosisRecord) -> list[FindingPair]:
    """Every finding of either side once, B's order first: what is wrong now comes before what was wrong."""
    of_a, of_b = _keyed(a.findings), _keyed(b.findings)
    pairs = []
    for key in dict.fromkeys((*of_b, *of_a)):
        code, terms = key
        left, right = of_a.get(key, []), of_b.get(key, [])
        for index in range(max(len(left), len(right))):
            one = left[index] if index < len(left) else None
            other = right[index] if index < len(right) else None
            reason = _unjudged(a if one is None else b, code) if one is None or other is None else ""
            pairs.append(FindingPair(code=code, terms=list(terms), a=one, b=other, judged=not reason, reason=reason))
    return pairs


def _unjudged(record: DiagnosisRecord, code: str) -> str:
    """Why a diagnosis says nothing about a check, or ""."""
    if code in record.passed or any(finding.code == code for finding in record.findings):
        return ""
    for entry in record.not_applicable:
        if entry.code == code:
            return entry.reason
    return "that check was left out"


def _figure(a: float | None, b: float | None) -> Figure:
    if a is None or b is None:
        ratio = None
    elif a == b:
        ratio = 1.0
    elif a == 0:
        ratio = math.nan if math.isnan(b) else math.copysign(math.inf, b)
    else:
        ratio = b / a
    return Figure(a=a, b=b, ratio=ratio)


def _figures(term: TermRecord | None) -> dict[str, float]:
    if term is None:
        return {}
    found: dict[str, float | None] = {
        "loss": term.loss,
        "weight": term.weight,
        "grad_l2": term.grad_l2,
        "grad_l1": term.grad_l1,
        "grad_max": term.grad_max,
        "grad_mean": term.grad_mean,
        "grad_std": term.grad_std,
        "grad_kurtosis": term.grad_kurtosis,
        "sigma_max": None if term.sigma_max is None else term.sigma_max.value,
        "sigma_min": None if term.sigma_min is None else term.sigma_min.value,
        "work": None if term.work is None else term.work.value,
        "held_out": None if term.held_out is None else term.held_out.ratio,
    }
    return {name: value for name, value in found.items() if value is not None}


def _side_by_side(a: dict[str, float], b: dict[str, float]) -> dict[str, Figure]:
    return {name: _figure(a.get(name), b.get(name)) for name in dict.fromkeys((*a, *b))}


def _term(a: TermRecord | None, b: TermRecord | None) -> TermPair:
    upper: list[Literal["a", "b"]] = ["a"] if _upper(a) else []
    if _upper(b):
        upper.append("b")
    return TermPair(
        side="b" if a is None else "a" if b is None else "both",
        figures=_side_by_side(_figures(a), _figures(b)),
        upper=upper,
    )


def _upper(term: TermRecord | None) -> bool:
    return term is not None and term.work is not None and term.work.how == "scalar"


def _whole(a: DiagnosisRecord, b: DiagnosisRecord) -> dict[str, Figure]:
    return _side_by_side(_wholes(a), _wholes(b))


def _wholes(record: DiagnosisRecord) -> dict[str, float]:
    stability = record.spectrum.stability if record.spectrum is not None else None
    found: dict[str, float | None] = {
        "rel_l2": None if record.solution is None else record.solution.rel_l2,
        "alignment": record.alignment,
        "cancellation": record.cancellation,
        "pareto_ratio": None if record.pareto is None else record.pareto.ratio,
        "sharpness": None if stability is None else stability.sharpness,
        "constant_ratio": None if record.constant is None else record.constant.ratio,
        "probe_factor": None if record.probe is None else record.probe.factor,
        **{f"cosine {pair}": value for pair, value in record.cosine.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


def _settings(a: DiagnosisRecord, b: DiagnosisRecord) -> list[Setting]:
    left, right = _card(a.run), _card(b.run)
    left["terms"], right["terms"] = ", ".join(a.terms), ", ".join(b.terms)
    return [
        Setting(name=name, a=left.get(name, ""), b=right.get(name, ""))
        for name in dict.fromkeys((*left, *right))
        if left.get(name, "") != right.get(name, "")
    ]


def _card(run: RunCard) -> dict[str, str]:
    found = {
        "mode": run.mode,
        "seed": str(run.seed),
        "parameters": str(run.parameters),
        "dtype": run.dtype,
        "device": run.device,
        "pinndiag": run.pinndiag,
        "torch": run.torch,
        "python": run.python,
    }
    if run.optimizer is not None:
        found["optimizer"] = run.optimizer.kind
        found["lr"] = "" if run.optimizer.lr is None else repr(run.optimizer.lr)
        found |= {
            f"optimizer.{name}": value if isinstance(value, str) else json.dumps(value, default=str)
            for name, value in run.optimizer.settings.items()
            if name != "lr"
        }
    return found
