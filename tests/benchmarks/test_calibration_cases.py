"""The cases of the calibration are well-formed. Nothing is trained."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.calibration.case import Case, halves
from benchmarks.calibration.cases import CASES
from benchmarks.calibration.figures import FIGURES
from benchmarks.calibration.prescriptions import RULES
from benchmarks.calibration.scores import told
from benchmarks.calibration.training import Setup
from pinndiag.checks import CHECKS, DEFAULT

KNOWN = set().union(*(told(check.code) for check in CHECKS))
# checks of which there is no case "just short", and why
WITHOUT_SHORT: dict[str, str] = {}


def test_names_are_unique_and_seeds_are_told_apart():
    assert max(Counter(case.name for case in CASES).values()) == 1
    for case in CASES:
        plant, seed = case.name.split("@")
        assert plant == case.plant
        assert int(seed) == case.setup.seed


def test_every_pathology_is_one_that_a_check_can_name():
    for case in CASES:
        assert set(case.right) <= KNOWN, case.name
        assert bool(case.pathology) == (case.state != "healthy"), case.name
        assert case.pathology == "" or case.name.startswith(case.pathology + "/"), case.name
        assert case.strength, case.name


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_every_check_has_sick_cases_and_one_just_short(check):
    mine = told(check.code)
    planted = {case.state: case for case in CASES if case.pathology in mine}
    assert "sick" in planted
    assert "short" in planted or check.code in WITHOUT_SHORT


def test_healthy_controls_are_of_many_kinds():
    healthy = [case for case in CASES if case.state == "healthy"]
    assert len({case.plant for case in healthy}) >= 12
    assert {case.judged for case in healthy} == {"checkpoint", "run", "live"}
    assert all(not case.curable for case in healthy)
    assert {phase.kind for case in healthy for phase in case.setup.phases} >= {"adam", "lbfgs"}
    assert len({case.setup.dtype for case in healthy}) == 2


def test_the_parts_are_nested():
    assert all(case.subset for case in CASES if case.quick)
    assert 0 < sum(case.quick for case in CASES) < sum(case.subset for case in CASES) < len(CASES)


def test_halves_keep_seeds_together_and_split_every_pathology():
    sides = halves(CASES)
    by_plant: dict[str, set[str]] = {}
    for case in CASES:
        by_plant.setdefault(case.plant, set()).add(sides[case.name])
    assert all(len(found) == 1 for found in by_plant.values())
    for pathology in {case.pathology for case in CASES}:
        plants = {case.plant for case in CASES if case.pathology == pathology and case.state != "short"}
        seen = {next(iter(by_plant[plant])) for plant in plants}
        assert len(plants) < 2 or seen == {"set", "report"}, pathology


def test_halves_do_not_depend_on_the_order_of_the_cases():
    assert halves(CASES[::-1]) == halves(CASES)


def test_halves_alternate():
    setup = Setup(lambda dtype: None)  # type: ignore[arg-type, return-value]
    cases = [Case(f"nonfinite/{i}@0", "sick", setup, "nonfinite") for i in range(7)]
    count = Counter(halves(cases).values())
    assert sorted(count.values()) == [3, 4]


def test_code_of_a_case_answers_to_a_prescription():
    keys = {key for _, key, _, _ in RULES}
    for case in CASES:
        assert set(case.code) <= keys, case.name


def test_figures_are_thresholds():
    assert all(hasattr(DEFAULT, figure.name) for figure in FIGURES)
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    assert {p for figure in FIGURES for p in figure.pathologies} <= KNOWN
