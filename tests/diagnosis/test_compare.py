"""compare: what is gone, new, the same; ratios; what differs; and what may not be called cured."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest

import pinndiag
from pinndiag import Diagnosis
from pinndiag._diagnosis._compare import compare
from pinndiag._records import NotApplicable, Solution, Work, from_plain, to_plain
from pinndiag._records._comparison import ComparisonRecord
from pinndiag_reports.comparison import comparison_to_markdown, comparison_to_text
from tests.cli.diagnoses import card, diagnosis, finding, term


def test_findings_are_paired_by_code_and_set_of_terms() -> None:
    a = diagnosis(finding("PD201", terms=("bc", "ic")), finding("PD101"), finding("PD301", "warning"))
    b = diagnosis(finding("PD201", terms=("ic", "bc")), finding("PD401"), passed=["PD101", "PD301"])
    found = compare(a, b)
    assert [pair.code for pair in found.same] == ["PD201"]
    assert [pair.code for pair in found.gone] == ["PD101", "PD301"]
    assert [pair.code for pair in found.new] == ["PD401"]
    assert found.same[0].a == a.findings[0]
    assert found.same[0].b == b.findings[0]
    assert [f.code for f in found.problems_new] == ["PD401"]


def test_the_same_code_on_other_terms_is_another_finding() -> None:
    found = compare(diagnosis(finding(terms=("bc",))), diagnosis(finding(terms=("ic",))))
    assert [pair.terms for pair in found.gone] == [["bc"]]
    assert [pair.terms for pair in found.new] == [["ic"]]
    assert found.gone[0].judged


def test_a_diagnosis_compared_with_itself_differs_in_nothing() -> None:
    record = diagnosis(finding(), finding("PD301", "warning"))
    found = compare(record, record)
    assert (found.gone, found.new, found.problems_new, found.settings) == ([], [], [], [])
    assert len(found.same) == 2
    ratios = [figure.ratio for pair in found.terms.values() for figure in pair.figures.values()]
    assert ratios
    assert set(ratios) == {1.0}


def test_exchanging_the_sides_exchanges_new_and_gone() -> None:
    a, b = diagnosis(finding("PD101")), diagnosis(finding("PD201"), terms={"pde": term(4.0)})
    forth, back = compare(a, b), compare(b, a)
    assert [p.code for p in forth.new] == [p.code for p in back.gone] == ["PD201"]
    assert forth.terms["pde"].figures["loss"].ratio == pytest.approx(4000.0)
    assert back.terms["pde"].figures["loss"].ratio == pytest.approx(1 / 4000.0)


@pytest.mark.parametrize(
    ("before", "after", "new"), [("warning", "problem", 1), ("problem", "problem", 0), ("problem", "warning", 0)]
)
def test_a_warning_that_became_a_problem_is_a_new_problem(before: str, after: str, new: int) -> None:
    found = compare(diagnosis(finding("PD201", before)), diagnosis(finding("PD201", after)))  # type: ignore[arg-type]
    assert len(found.problems_new) == new
    assert not found.new


def test_new_warnings_are_not_new_problems() -> None:
    found = compare(diagnosis(), diagnosis(finding("PD201", "warning"), finding("PD301", "note")))
    assert len(found.new) == 2
    assert not found.problems_new


def test_what_was_not_judged_is_not_cured() -> None:
    a = diagnosis(finding("PD201"), finding("PD301"), finding("PD101"))
    b = diagnosis(passed=["PD101"], not_applicable=[NotApplicable(code="PD201", reason="left out by quick")])
    found = {pair.code: pair for pair in compare(a, b).gone}
    assert found["PD101"].judged
    assert not found["PD201"].judged
    assert found["PD201"].reason == "left out by quick"
    assert not found["PD301"].judged  # neither passed nor not applicable: left out by --select or --ignore


def test_several_findings_of_one_code_and_terms_are_paired_in_order() -> None:
    found = compare(diagnosis(finding(), finding()), diagnosis(finding()))
    assert len(found.same) == 1
    assert len(found.gone) == 1


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [(2.0, 1.0, 0.5), (0.0, 0.0, 1.0), (0.0, 3.0, math.inf), (0.0, -3.0, -math.inf), (math.inf, math.inf, 1.0)],
)
def test_ratios(a: float, b: float, ratio: float) -> None:
    figures = compare(diagnosis(terms={"x": term(a)}), diagnosis(terms={"x": term(b)})).terms["x"].figures
    assert figures["loss"].ratio == ratio


@pytest.mark.parametrize(("a", "b"), [(math.nan, 1.0), (1.0, math.nan), (0.0, math.nan), (math.nan, math.nan)])
def test_a_ratio_with_nan_is_nan(a: float, b: float) -> None:
    figure = compare(diagnosis(terms={"x": term(a)}), diagnosis(terms={"x": term(b)})).terms["x"].figures["loss"]
    assert figure.ratio is not None
    assert math.isnan(figure.ratio)


def test_terms_and_figures_of_one_side_only_are_kept_without_a_ratio() -> None:
    found = compare(diagnosis(terms={"pde": term()}), diagnosis(terms={"bc": term()}))
    assert found.terms["pde"].side == "a"
    assert found.terms["bc"].side == "b"
    figure = found.terms["bc"].figures["loss"]
    assert (figure.a, figure.b, figure.ratio) == (None, 0.5, None)


def test_work_of_a_scalar_loss_is_marked_as_an_upper_figure() -> None:
    exact, upper = (Work(value=v, how=how, points=1) for v, how in ((4e-3, "residuals"), (2e-3, "scalar")))
    a, b = diagnosis(terms={"pde": term(work=upper)}), diagnosis(terms={"pde": term(work=exact)})
    found = compare(a, b)
    assert found.terms["pde"].upper == ["a"]
    assert found.terms["pde"].figures["work"].a == 2e-3
    (row,) = (line.split() for line in comparison_to_text(found).splitlines() if "remaining work" in line)
    assert row == ["remaining", "work", "≤", "0.002", "0.004"]  # and no ratio of one to the other
    assert "≤ 0.002 | ≤ 0.002 | 1 |" in comparison_to_markdown(compare(a, a)).replace("×", "")


def test_figures_of_the_whole() -> None:
    a = diagnosis(solution=Solution(rel_l2=1.8, outputs=[1.8], max_error=2.0))
    b = diagnosis(solution=Solution(rel_l2=0.018, outputs=[0.018], max_error=0.1), cosine={"pde|bc": 0.5})
    figures = compare(a, b).figures
    assert figures["rel_l2"].ratio == pytest.approx(0.01)
    assert figures["cosine pde|bc"].b == 0.5


def test_settings_that_differ_are_listed_and_no_others() -> None:
    b = diagnosis(run=card(mode="quick", created="2027-01-01", seconds=9.0, optimizer=None), terms={"pde": term()})
    settings = {s.name: (s.a, s.b) for s in compare(diagnosis(), b).settings}
    assert settings == {
        "mode": ("standard", "quick"),
        "optimizer": ("Adam", ""),
        "lr": ("0.001", ""),
        "optimizer.betas": ("[0.9, 0.999]", ""),
        "terms": ("pde, bc", "pde"),
    }


def test_diagnoses_are_taken_too_and_the_public_name_is_the_same() -> None:
    a, b = diagnosis(), diagnosis(finding())
    assert pinndiag.compare(Diagnosis(a), Diagnosis(b)) == compare(a, b)


def test_the_comparison_survives_json() -> None:
    found = compare(diagnosis(terms={"x": term(0.0)}), diagnosis(finding(), terms={"x": term(math.inf)}))
    assert from_plain(to_plain(found), ComparisonRecord) == found


def test_nothing_of_it_loads_torch() -> None:
    code = "import sys, pinndiag._diagnosis._compare, pinndiag_reports.comparison; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


HOSTILE = "[red]x\x1b[31m\x9b2J\n<script>alert(1)</script>|`*_\u202e"


def _hostile() -> ComparisonRecord:
    a = diagnosis(finding(terms=(HOSTILE,)), terms={HOSTILE: term()}, run=card(HOSTILE, mode=HOSTILE))
    b = diagnosis(
        finding("PD401", terms=(HOSTILE,)),
        not_applicable=[NotApplicable(code="PD201", reason=HOSTILE)],
        terms={HOSTILE: term(9.0)},
        cosine={HOSTILE: 1.0},
    )
    return compare(a, b)


@pytest.mark.parametrize("color", [False, True])
def test_text_says_what_changed(color: bool) -> None:
    a = diagnosis(finding("PD201"), finding("PD301", "warning"), run=card("before.pt"))
    b = diagnosis(finding("PD401"), finding("PD301", "problem"), run=card("after.pt", mode="quick"), passed=[])
    text = comparison_to_text(compare(a, b), width=100, color=color)
    assert ("\x1b[" in text) is color
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for words in (
        "before.pt",
        "after.pt",
        "open problem  PD201",
        "not judged in B",
        "was: warning",
        "gradient norm",
        "quick",
    ):
        assert words in text
    assert text.splitlines()[-1] == (
        "B has 2 problems that A has not; findings: 1 new, 0 gone, 1 not judged in B, 1 the same"
    )


def test_text_obeys_no_name() -> None:
    text = comparison_to_text(_hostile(), width=80)
    assert "[red]x" in text.replace("\n", "")
    assert not [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")]
    assert max(len(line) for line in text.splitlines()) <= 80


def test_markdown_obeys_no_name() -> None:
    text = comparison_to_markdown(_hostile())
    assert "<script>" not in text
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("|") and "loss" in line]
    assert rows
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)


def test_markdown_says_what_changed() -> None:
    text = comparison_to_markdown(compare(diagnosis(finding("PD201")), diagnosis(finding("PD401"))))
    assert "- **new** problem PD401: bc receives" in text
    assert "(not judged in B: that check was left out)" in text


def test_two_clean_diagnoses() -> None:
    found = compare(diagnosis(), diagnosis())
    assert "no findings on either side" in comparison_to_text(found)
    assert "none on either side" in comparison_to_markdown(found)


def test_the_sides_have_the_names_that_are_given() -> None:
    found = compare(diagnosis(), diagnosis(), names=("before", "after"))
    assert (found.a.name, found.b.name) == ("before", "after")
    assert compare(diagnosis(run=card("x.pt")), diagnosis()).a.name == "x.pt"
