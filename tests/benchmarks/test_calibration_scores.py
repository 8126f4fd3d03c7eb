"""What the calibration counts, on outcomes made by hand."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.calibration.case import Case
from benchmarks.calibration.report import write
from benchmarks.calibration.scores import Outcome, confusion, first_found, remedies, summary, told
from benchmarks.calibration.training import Setup
from benchmarks.calibration.treatments import Effect, treatment
from pinndiag.schemes import DynamicNorm, LRAnnealing

ALIAS = ("PD304", "aliasing", "problem")
BIAS = ("PD401", "spectral_bias", "warning")
NOTE = ("PD304", "aliasing", "note")


def case(name, state="sick", pathology="aliasing", found=(), **more):
    right = () if state == "healthy" else (pathology,)
    return Outcome(name, "set", state, pathology if right else "", right, more.pop("curable", ""), list(found), **more)


TABLE = [
    case(
        "found first", found=[ALIAS, BIAS], curable="points", treatment="resample", words="Draw new points.", factor=2.0
    ),
    case(
        "found second",
        found=[BIAS, ALIAS],
        curable="points",
        treatment="resample",
        words="Draw new points.",
        factor=0.5,
    ),
    case("a note is nothing", found=[NOTE], curable="points", words="nothing is prescribed"),
    case("missed", found=[BIAS], curable="points"),  # and not treated: no part of the count of remedies
    case("well", "healthy", found=[BIAS]),
    case("alarmed", "healthy", found=[ALIAS]),
    case("short and called", "short", found=[ALIAS]),
    case("short of something else", "short", found=[("PD401", "spectral_bias", "problem")]),
    case("broken", failed="it did not train"),
]


def test_summary_by_hand():
    found = summary(TABLE)
    assert found.named == (2, 4)
    assert found.first == (1, 4)
    assert found.quiet == (1, 2)
    assert found.short == (1, 2)
    assert found.helped == (1, 3)  # nothing tried is no help


def test_a_pathology_that_overlaps_counts_as_right():
    outcome = Outcome("x", "set", "sick", "aliasing", ("aliasing", "spectral_bias"), "", [BIAS])
    assert outcome.first
    assert outcome.named


def test_confusion_by_hand():
    rows = {row.code: row for row in confusion(TABLE)}
    row = rows["PD304"]
    assert (row.found, row.missed) == (2, 2)
    assert (row.alarms, row.quiet) == (2, 2)  # two healthy ones and two that are just short of it
    assert (row.elsewhere, row.others) == (0, 0)
    row = rows["PD401"]
    assert (row.found, row.missed) == (0, 0)
    assert (row.elsewhere, row.others) == (3, 4)
    assert (row.alarms, row.quiet) == (0, 2)  # a warning is no alarm


def test_checks_with_two_words_count_both():
    assert told("PD201") == told("PD202") == {"pde_dominates", "condition_dominates"}
    assert told("PD302") == {"propagation_failure", "causality_violation"}
    assert told("PD304") == {"aliasing"}


def test_what_came_first():
    found = first_found(TABLE)
    assert found["aliasing"] == {"aliasing": 1, "spectral_bias": 2, "nothing": 1}
    assert found["healthy"] == {"spectral_bias": 1, "aliasing": 1}


def test_remedies_by_hand():
    (row,) = remedies(TABLE)
    assert (row.key, row.helped, row.alike, row.hurt) == ("resample", 1, 0, 1)


@pytest.mark.parametrize(
    ("untreated", "treated", "factor"),
    [(0.3, 0.1, 3.0), (math.nan, 0.1, 1e7), (0.1, math.inf, 1e-7), (1e-9, 1e-12, 1.0)],
)
def test_the_factor_of_an_effect(untreated, treated, factor):
    """What diverged is as bad as an error of a million; what is below 1e-7 is alike."""
    assert Effect("lbfgs", untreated, treated, 1.0, 10).factor == pytest.approx(factor)


def test_a_command_is_tried_by_remediate():
    mine = Case("aliasing/x@0", "sick", Setup(lambda dtype: None), "aliasing")  # type: ignore[arg-type, return-value]
    command = "pinndiag remediate checkpoint.pt --scheme dynamic_norm --from initial"
    found = treatment(mine, {"title": "Balance the gradient norms.", "command": command})
    assert found is not None
    assert (found.scheme, found.start, found.setup) == ("dynamic_norm", "initial", None)


def test_a_scheme_takes_the_place_of_another_one():
    setup = Setup(lambda dtype: None, scheme=LRAnnealing)  # type: ignore[arg-type, return-value]
    found = treatment(
        Case("runaway_weights/x@0", "sick", setup, "runaway_weights"), {"title": "Balance the gradient norms."}
    )
    assert found is not None
    assert found.setup is not None
    assert (found.setup.scheme, found.start) == (DynamicNorm, "initial")


def test_lines_that_only_a_person_can_write_come_from_the_case():
    setup, mended = (Setup(lambda dtype: None) for _ in range(2))  # type: ignore[arg-type, return-value]
    advice = {"title": "Guard the argument of sqrt, log, division or power, not its result."}
    with_code = Case("nonfinite/x@0", "sick", setup, "nonfinite", code={"safe_where": mended})
    found = treatment(with_code, advice)
    assert found is not None
    assert found.setup is mended
    assert treatment(Case("nonfinite/x@0", "sick", setup, "nonfinite"), advice) is None
    assert treatment(with_code, {"title": "Pray."}) is None


def test_the_report_is_written_from_the_outcomes(tmp_path):
    table = write(TABLE, tmp_path, "python -m benchmarks.calibration --quick", 60.0, of=254)
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert table in text
    assert "50 % (2 of 4)" in table
    assert "broken (it did not train)" in text
    assert f"{len(TABLE)} of 254 cases" in text
    cases = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["cases"]
    assert [row["name"] for row in cases] == [outcome.name for outcome in TABLE]
    assert cases[2]["factor"] == "nan"
