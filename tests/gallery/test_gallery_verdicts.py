"""Claims against results made by hand: reproduced, not, or left open; and the summary that holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pinndiag._records import from_plain, to_plain
from pinndiag_gallery import store
from pinndiag_gallery.cost import hours, measure_rates
from pinndiag_gallery.results import NotRunError, Results, errors, medians
from pinndiag_gallery.story import Arm, Claim, Group, Story
from pinndiag_gallery.verdicts import Judged, Summary, judged, summary
from tests.gallery.results_by_hand import results, run

HALVED = Claim(
    "dn halves the error",
    "a paper, table 1",
    "0.2 to 0.1",
    errors("plain", "dn"),
    "at most half",
    lambda ours: 2 * ours["dn"] <= ours["plain"],
    why="a reason",
)


def outcome(claim: Claim, errors: Mapping[str, float]) -> Judged:
    return judged(claim, results(errors))


def test_a_claim_whose_rule_holds_is_reproduced() -> None:
    found = outcome(HALVED, {"plain": 0.2, "dn": 0.1})
    assert found.outcome == "reproduced"
    assert found.ours == "plain: 0.2; dn: 0.1"
    assert (found.published, found.rule, found.why) == ("0.2 to 0.1", "at most half", "")


def test_a_claim_whose_rule_fails_says_why() -> None:
    found = outcome(HALVED, {"plain": 0.2, "dn": 0.11})
    assert (found.outcome, found.why) == ("not reproduced", "a reason")


def test_why_can_be_made_of_what_was_measured() -> None:
    claim = replace(HALVED, why=lambda found: f"dn stays at {found.median('dn'):g}")
    assert outcome(claim, {"plain": 0.2, "dn": 0.15}).why == "dn stays at 0.15"
    assert outcome(claim, {"plain": 0.2, "dn": 0.05}).why == ""
    silent = outcome(replace(HALVED, why=lambda found: f"{found.median('sa')}"), {"plain": 0.2, "dn": 0.15})
    assert (silent.outcome, silent.why) == ("not reproduced", "")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_diverged_reproduces_nothing(bad: float) -> None:
    assert outcome(HALVED, {"plain": bad, "dn": 0.1}).outcome == "not reproduced"


def test_a_claim_on_an_arm_that_was_not_trained_stays_open() -> None:
    found = outcome(HALVED, {"plain": 0.2})
    assert (found.outcome, found.ours, found.why) == ("not run", "", "")


def test_a_fault_of_a_claim_is_no_missing_run() -> None:
    broken = Claim("", "", "", lambda found: {"": {}["no such figure"]}, "", lambda ours: True)
    with pytest.raises(KeyError):
        judged(broken, results({"plain": 1.0}))


def test_a_figure_without_a_name_stands_alone() -> None:
    claim = Claim("", "", "", lambda found: {"": 0.25}, "", lambda ours: True, shown=lambda value: f"{value:.0%}")
    assert judged(claim, results({})).ours == "25%"


def test_figures_are_medians_over_the_seeds() -> None:
    found = results({"plain": [0.1, 0.5, 0.2], "dn": [0.4, 0.2]})
    assert found.median("plain") == 0.2
    assert medians(lambda one: one.error, "dn")(found) == {"dn": pytest.approx(0.6)}


def test_arms_are_compared_over_the_seeds_they_share() -> None:
    found = results({"plain": [0.3, 0.1, 0.1], "dn": 0.4})
    assert errors("plain", "dn")(found) == {"plain": 0.3, "dn": 0.4}
    assert errors("plain")(found) == {"plain": 0.1}


def test_overheads_need_to_be_measured() -> None:
    found = results({"plain": 1.0}, {"dn": 0.1})
    assert found.overheads("dn") == {"dn": 0.1}
    with pytest.raises(NotRunError):
        found.overheads("dn", "ma")


def story() -> Story:
    return Story(
        name="tiny",
        title="A tiny story",
        source="a paper",
        setting="small.",
        arms=(Arm("plain", "as it is", "burgers", 100), Arm("dn", "DN", "burgers", 100, scheme="dynamic_norm")),
        claims=(HALVED,),
        groups=(Group("all", "All", ("plain", "dn"), ("outcome",)),),
        picture=("all", "all-fig-seeds"),
    )


def test_a_summary_states_runs_machine_date_and_command() -> None:
    early, late = run(0.4, made="2026-01-02T00:00:00+00:00"), run(0.1, made="2026-01-03T00:00:00+00:00")
    told = summary(story(), Results({"plain": [early], "dn": [late]}, {"dn": 0.05}), full=True)
    assert (told.name, told.command) == ("tiny-full", "python -m pinndiag_gallery tiny --full")
    assert (told.made, told.machine) == ("2026-01-03", "a machine, one thread")
    assert [(row.key, row.late, row.overhead) for row in told.arms] == [("plain", [0.4], None), ("dn", [0.1], 0.05)]
    assert told.counts == "1 of 1 claims reproduced"
    assert from_plain(to_plain(told), Summary) == told


def test_a_summary_leaves_out_what_was_not_trained() -> None:
    told = summary(story(), results({"plain": 0.4}), full=False)
    assert [row.key for row in told.arms] == ["plain"]
    assert told.counts == "0 of 1 claims reproduced, 1 not run"


def test_a_summary_tells_what_the_published_size_takes() -> None:
    assert summary(story(), results({"plain": 0.4}), full=False, hours=12.34).published_size.startswith(
        "The published size takes 12 CPU hours"
    )
    assert summary(story(), results({"plain": 0.4}), full=False).published_size == ""
    assert summary(story(), results({"plain": 0.4}), full=True, hours=12.34).published_size == ""


def test_hours_are_rates_times_steps_times_seeds(tmp_path: Path) -> None:
    told = story()
    assert hours(told, tmp_path) is None
    store.write(store.place_of_rate(tmp_path, told.arms[0]), 9.0)
    assert hours(told, tmp_path) is None  # one is missing
    store.write(store.place_of_rate(tmp_path, told.arms[1]), 3.0)
    assert hours(told, tmp_path) == pytest.approx(100 * 3 * (9.0 + 3.0) / 3600)


def test_a_rate_is_measured_once_for_all_settings_of_a_scheme(tmp_path: Path) -> None:
    arms = (Arm("a", "A", "regression", 12, scheme="rba"), Arm("b", "B", "regression", 99, {}, "rba", {"every": 2}))
    tale = replace(story(), arms=arms)
    measure_rates(tale, tmp_path)
    (found,) = tmp_path.iterdir()
    assert 0 < json.loads(found.read_text()) < 1
    found.write_text("7200.0")
    measure_rates(tale, tmp_path)
    assert hours(tale, tmp_path) == pytest.approx(2 * 3 * (12 + 99))
