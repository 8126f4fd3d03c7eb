"""The verdict: order, causes, selection, and what holds for any record."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinndiag import PinndiagError
from pinndiag._diagnosis._judge import judge
from pinndiag._records import DiagnosisRecord, Parameters, Precision, from_plain, to_plain
from pinndiag.checks import CHECKS
from tests.checks.records import (
    field,
    held_out,
    pointwise,
    probe,
    quick,
    record,
    replace,
    spectrum,
    start,
    unfinished,
    with_terms,
    work,
)


def dominated() -> DiagnosisRecord:
    terms = {"bc": {"loss": 1e-2, "work": work(1e-1)}, "pde": {"loss": 1e-5, "work": work(1e-6)}}
    return with_terms(unfinished(), **terms)


def scaled_badly() -> DiagnosisRecord:
    return replace(dominated(), start=start(spread={"0": 1e-6, "2": 1e-7}, saturation={"0": 0.0, "2": 0.0}))


def everywhere() -> DiagnosisRecord:
    """As much wrong at once as goes without a fault."""
    inside = field([[i / 100 for i in range(100)], [i / 100 for i in range(100)]], [1.0] * 100)
    low = field([[i / 100 for i in range(100)], [0.0] * 100])
    return replace(
        with_terms(scaled_badly(), pde={"held_out": held_out(1e4), "work": work(1e-4)}, bc={"work": work(1.0)}),
        spectrum=spectrum(5.0),
        probe=probe(1e4),
        alignment=-0.9,
        cancellation=0.01,
        pointwise={"pde": pointwise(0.95, field=inside, time_contrast=1e3), "bc": pointwise(field=low)},
    )


def detached() -> DiagnosisRecord:
    return with_terms(dominated(), bc={"grad_l2": 0.0, "grad_l1": 0.0, "grad_max": 0.0, "reached": 0.0})


RECORDS = [record, unfinished, dominated, scaled_badly, everywhere, detached, lambda: quick(dominated())]


def test_a_fault_hides_the_rest():
    judged = judge(detached())
    assert [f.code for f in judged.findings] == ["PD002"]
    hidden = {n.code: n.reason for n in judged.not_applicable}
    assert hidden["PD201"] == "not judged before PD002 (no_gradient) is mended"
    assert judged.verdict.text.startswith("1 problem: no parameter can change 'bc'")


def test_a_fault_hides_the_rest_though_it_is_not_selected_but_not_when_it_is_ignored():
    assert judge(detached(), select=["PD2"]).not_applicable[0].reason.startswith("not judged before PD002")
    ignoring = judge(detached(), ignore=["PD002"])
    assert "PD201" in ignoring.passed  # judged: a term that has no gradient is dominated by none
    assert not any("not judged before" in item.reason for item in ignoring.not_applicable)


def test_worst_first_then_causes_first_and_causes_are_named():
    judged = judge(scaled_badly())
    assert [f.code for f in judged.findings][:2] == ["PD101", "PD201"]
    assert judged.findings[1].caused_by == "PD101"
    assert judged.findings[0].caused_by == ""


def test_a_symptom_stands_below_its_cause_whatever_the_order_of_judgement():
    lost = Precision(gradient=0.5, rounding={"pde": 0.1}, distinct={})
    aliased = replace(unfinished(), precision=lost, start=start(held_out={"pde": held_out(1e9)}))
    found = [(f.code, f.caused_by) for f in judge(aliased).findings]
    assert found == [("PD304", ""), ("PD103", "PD304")]


def test_a_cause_seen_before_the_training_is_as_grave_as_what_it_causes():
    """Half of the first layer saturated at the start is a warning by itself."""
    half = replace(dominated(), start=start(saturation={"0": 0.5, "2": 0.0}))
    assert [(f.code, f.severity) for f in judge(half, select=["PD101"]).findings] == [("PD101", "problem")]
    found = [(f.code, f.severity, f.caused_by) for f in judge(half).findings]
    assert found[:2] == [("PD101", "problem", ""), ("PD201", "problem", "PD101")]
    alone = replace(unfinished(), start=start(saturation={"0": 0.5, "2": 0.0}))
    assert [(f.code, f.severity) for f in judge(alone).findings] == [("PD101", "warning")]


def test_order_of_severity():
    ranks = [["problem", "warning", "note"].index(f.severity) for f in judge(everywhere()).findings]
    assert ranks == sorted(ranks)
    assert len(ranks) >= 5


@pytest.mark.parametrize("make", RECORDS)
def test_every_check_is_accounted_for_once(make):
    judged = judge(make())
    codes = [*judged.passed, *(n.code for n in judged.not_applicable), *(f.code for f in judged.findings)]
    assert sorted(codes) == sorted(check.code for check in CHECKS)
    assert all(n.reason for n in judged.not_applicable)


@pytest.mark.parametrize("make", RECORDS)
def test_every_finding_says_how_sure_it_is_and_what_would_overturn_it(make):
    for found in judge(make()).findings:
        assert found.sure, found.code
        assert found.overturned_by, found.code


def test_select_and_ignore_take_codes_and_prefixes():
    judged = judge(everywhere(), select=["PD2", "pd303"], ignore=["PD202"])
    codes = {*judged.passed, *(n.code for n in judged.not_applicable), *(f.code for f in judged.findings)}
    assert codes == {"PD201", "PD203", "PD204", "PD205", "PD303"}


@pytest.mark.parametrize("how", ["select", "ignore"])
@pytest.mark.parametrize("code", ["PD999", "", "201"])
def test_an_unknown_code_is_an_error_that_lists_the_known_ones(how, code):
    with pytest.raises(PinndiagError, match="known: PD001"):
        judge(record(), **{how: [code]})


def test_measurements_stay_as_they_are():
    before, after = dominated(), judge(dominated())
    judged = {"verdict", "findings", "passed", "not_applicable"}
    for name in set(DiagnosisRecord.__struct_fields__) - judged:
        assert getattr(before, name) == getattr(after, name)
    assert judge(after) == after


def test_verdicts():
    assert judge(record()).verdict.text == "No problem found: the largest remaining work is 1e-7, in 'bc' (finished)."
    open_end = judge(replace(unfinished(), probe=probe(1.5))).verdict
    assert open_end.text.startswith("No cause found, yet the training is not finished.")
    assert open_end.severity == "warning"
    unknown = judge(with_terms(record(), bc={"work": None})).verdict
    assert "not known" in unknown.text
    assert unknown.severity == "none"


def test_weights_only():
    bare = replace(
        record(), terms={}, total=None, pointwise={}, activations=None, start=None, probe=None, precision=None,
        solution=None, spectrum=None, reasons={"gradients": "needs the loss terms; the file holds weights only"},
    )  # fmt: skip
    judged = judge(bare)
    assert judged.verdict.severity == "unknown"
    assert judged.passed == ["PD001"]
    broken = Parameters(layers=[], entries=10, trainable=10, nonfinite=2)
    assert judge(replace(bare, parameters=broken)).verdict.severity == "problem"


def test_unknown_work_is_never_a_problem_except_for_faults():
    blind = with_terms(everywhere(), pde={"work": None}, bc={"work": None})
    found = judge(blind).findings
    assert found
    assert {f.severity for f in found} <= {"warning", "note"}
    assert any("warning at most" in f.sure for f in found)


def test_hostile_names():
    name = "</script>{0}%s[bold]\n" + "x" * 500
    base = dominated()
    terms = {name: base.terms["bc"], "{}": base.terms["pde"]}
    judged = judge(replace(base, terms=terms, start=None, cosine={f"{name}|{{}}": 0.0}))
    assert judged.problems[0].terms == [name, "{}"]
    assert "\n" not in judged.verdict.text
    assert len(judged.verdict.text) < 300


SPOILED = ["NaN", "Infinity", "-Infinity", 0, -1.0, 1e300, 1e-300, None]


def leaves(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in leaves(item, (*path, i))]
    return [path] if path and path[0] not in ("schema", "verdict", "run") else []


PLAIN = [to_plain(make()) for make in RECORDS]
PATHS = [leaves(plain) for plain in PLAIN]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_never_raises_and_survives_the_file(data):
    which = data.draw(st.integers(0, len(PLAIN) - 1))
    plain = json.loads(json.dumps(PLAIN[which]))
    for path in data.draw(st.lists(st.sampled_from(PATHS[which]), max_size=12)):
        place = plain
        for key in path[:-1]:
            place = place[key]
        before, place[path[-1]] = place[path[-1]], data.draw(st.sampled_from(SPOILED))
        try:
            from_plain(plain, DiagnosisRecord)
        except msgspec.ValidationError:  # the field does not take that value
            place[path[-1]] = before
    judged = judge(from_plain(plain, DiagnosisRecord))
    assert to_plain(from_plain(json.loads(json.dumps(to_plain(judged))), DiagnosisRecord)) == to_plain(judged)
    assert judged.verdict.text


def summary(judged: DiagnosisRecord) -> list[tuple[object, ...]]:
    return [(f.code, f.pathology, f.severity, f.caused_by, tuple(f.terms), f.title) for f in judged.findings]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(RECORDS) - 1), st.integers(0, 2**32))
def test_the_order_of_the_terms_does_not_matter(which, seed):
    base, shuffled = RECORDS[which](), random.Random(seed)

    def permuted(mapping):
        return dict(shuffled.sample(sorted(mapping.items()), len(mapping)))

    other = replace(base, terms=permuted(base.terms), pointwise=permuted(base.pointwise), cosine={"bc|pde": 0.1})
    if base.start is not None:
        parts = ("losses", "grad_l2", "work", "held_out", "slow_share")
        other = replace(other, start=replace(base.start, **{p: permuted(getattr(base.start, p)) for p in parts}))
    assert summary(judge(other)) == summary(judge(base))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(RECORDS) - 1), st.sampled_from(["pde", "bc"]), st.integers(-20, 20))
def test_units_do_not_matter(which, name, power):
    """A residual times c with its weight over c^2: the same training, the same findings."""
    c = 2.0**power
    base = RECORDS[which]()
    old = base.terms[name]
    figures = {key: getattr(old, key) * c**2 for key in ("loss", "grad_l2", "grad_l1", "grad_max", "grad_std")}
    other = replace(base, terms={**base.terms, name: replace(old, weight=old.weight / c**2, **figures)})
    if base.start is not None:
        losses = {**base.start.losses, name: base.start.losses[name] * c**2}
        gradients = {**base.start.grad_l2, name: base.start.grad_l2[name] * c**2}
        other = replace(other, start=replace(base.start, losses=losses, grad_l2=gradients))
    assert summary(judge(other)) == summary(judge(base))


def test_a_factor_that_matters_is_seen():
    """The two properties above would hold for a judge that never finds anything."""
    assert {f.code for f in judge(everywhere()).findings} >= {"PD101", "PD303", "PD201", "PD302", "PD301"}


def test_a_verdict_on_chosen_checks_says_which_and_claims_no_more():
    chosen = judge(unfinished(), select=["pd2"]).verdict
    assert chosen.text.startswith("Only PD2 was judged: no problem found there. Unfinished: remaining work ")
    assert chosen.severity == "warning"
    assert judge(unfinished(), ignore=["PD503", "PD1"]).verdict.text.startswith("All but PD503 and PD1 were judged: ")
    both = judge(record(), select=["PD2", "PD3"], ignore=["PD202"]).verdict
    assert both.text.startswith("Only PD2 and PD3 were judged, without PD202: no problem found there. Finished: ")
    assert both.severity == "none"
    assert judge(dominated(), select=["PD2"]).verdict.text.endswith(" (only PD2 was judged).")
