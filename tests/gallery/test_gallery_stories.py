"""The stories: well formed in both sizes, and claims that follow the figures of hand-made runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from pinndiag import problems, schemes
from pinndiag.problems import make
from pinndiag_gallery.results import Results
from pinndiag_gallery.store import place
from pinndiag_gallery.stories import STORIES
from pinndiag_gallery.stories.cavity import speed
from pinndiag_gallery.stories.race import centre_and_outer
from pinndiag_gallery.verdicts import judged
from tests.gallery.results_by_hand import history, results, run

BOTH = [(name, full) for name in STORIES for full in (False, True)]


@pytest.mark.parametrize(("name", "full"), BOTH)
def test_arms_are_distinct_and_can_be_made(name: str, full: bool) -> None:
    story = STORIES[name](full=full)
    assert story.name == name
    assert len({arm.key for arm in story.arms}) == len(story.arms)
    for arm in story.arms:
        assert set(arm.options) <= {"arch", "size", *problems.options(arm.problem)}
        if arm.scheme is not None:
            schemes.make(arm.scheme, reference="pde", **arm.settings)


@pytest.mark.parametrize(("name", "full"), BOTH)
def test_what_is_drawn_and_timed_is_trained(name: str, full: bool) -> None:
    story = STORIES[name](full=full)
    keys = {arm.key for arm in story.arms}
    assert {key for group in story.groups for key in group.arms} | set(story.timed) <= keys
    assert story.picture[0] in {group.key for group in story.groups}
    assert story.picture[1].startswith(f"{story.picture[0]}-fig-")


@pytest.mark.parametrize("name", STORIES)
def test_every_claim_is_open_where_nothing_was_trained(name: str) -> None:
    story = STORIES[name](full=False)
    assert {judged(claim, Results({})).outcome for claim in story.claims} == {"not run"}


@pytest.mark.parametrize("name", STORIES)
def test_reduced_and_full_runs_are_kept_apart(name: str, tmp_path: Path) -> None:
    if name == "race":
        pytest.skip("both sizes are the same")
    found = [{place(tmp_path, arm, 0) for arm in STORIES[name](full=full).arms} for full in (False, True)]
    assert not found[0] & found[1]


def outcome(name: str, text: str, found: Results) -> str:
    (claim,) = (claim for claim in STORIES[name](full=False).claims if text in claim.text)
    return judged(claim, found).outcome


PUBLISHED = {  # as printed; then the same with nothing gained
    "poisson_2d": {"PINN": 0.23229, "MA": 2.06e-3, "ID": 1.13e-3, "DN": 1.11e-3},
    "burgers": {"PINN": 9.26e-3, "MA": 8.58e-3, "ID": 7.12e-3, "DN": 7.49e-3},
    "allen_cahn": {"PINN": 22.79e-2, "MA": 2.60e-2, "ID": 1.50e-2, "DN": 1.58e-2},
    "helmholtz": {
        "M1 longer": 1.94e-1,
        "M2 longer": 1.44e-2,
        "M1": 1.94e-1,
        "M2": 1.44e-2,
        "M3": 2.12e-2,
        "M4": 3.30e-3,
    },
    "poisson_1d": {"C = 1": 1.34e-4, "C = 2": 4.65e-4, "C = 4": 3.82e-3, "C = 8": 1.3e-2, "C = 16": 9.44},
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("poisson_2d", "The plain PINN fails"),
        ("poisson_2d", "two orders of magnitude"),
        ("poisson_2d", "MA helps as well"),
        ("poisson_2d", "almost the same scheme"),
        ("burgers", "No scheme helps"),
        ("allen_cahn", "order of magnitude"),
        ("helmholtz", "M1, the plain network"),
        ("helmholtz", "M2:"),
        ("helmholtz", "M3: the modified network lowers"),
        ("helmholtz", "M4:"),
        ("poisson_1d", "fails at C = 16"),
    ],
)
def test_the_printed_figures_count_as_reproduced(name: str, text: str) -> None:
    assert outcome(name, text, results(PUBLISHED[name])) == "reproduced"


@pytest.mark.parametrize(
    ("name", "text", "errors"),
    [
        ("poisson_2d", "two orders of magnitude", {"PINN": 0.2, "ID": 0.03, "DN": 0.01}),
        ("poisson_2d", "MA helps as well", {"PINN": 0.2, "MA": 0.001, "DN": 0.01}),
        ("poisson_2d", "The norm does not matter", {"DN p = 1": 0.03, "DN": 0.01, "DN p = inf": 0.01}),
        ("burgers", "No scheme helps", {"PINN": 0.1, "MA": 0.03, "ID": 0.1, "DN": 0.1}),
        ("allen_cahn", "order of magnitude", {"PINN": 0.1, "MA": 0.05, "ID": 0.01, "DN": 0.01}),
        ("helmholtz", "M4:", {"M1": 0.3, "M2": 0.01, "M3": 0.1, "M4": 0.02}),
        ("poisson_1d", "fails at C = 16", {"C = 1": 0.1, "C = 2": 0.1, "C = 4": 0.1, "C = 8": 0.1, "C = 16": 0.9}),
    ],
)
def test_other_figures_do_not(name: str, text: str, errors: Mapping[str, float]) -> None:
    assert outcome(name, text, results(errors)) == "not reproduced"


@pytest.mark.parametrize(("share", "expected"), [(0.2, "reproduced"), (0.22, "not reproduced")])
def test_overhead_is_set_against_the_printed_one(share: float, expected: str) -> None:
    found = results({}, {"MA": 0.01, "ID": 0.01, "DN": share})
    assert outcome("poisson_2d", "cost little time", found) == expected


def test_boundary_losses_are_compared_in_decades() -> None:
    stuck = run(history=history({"pde": [10.0, 1.0, 1e-3], "bc": [1.0, 1.0, 0.1]}))  # 4 decades against 1
    equal = run(history=history({"pde": [10.0, 1.0, 1e-3], "bc": [1.0, 1.0, 1e-3]}))  # 4 against 3
    assert outcome("poisson_2d", "orders of magnitude above", Results({"PINN": [stuck], "DN": [equal]})) == "reproduced"
    assert outcome("poisson_2d", "orders of magnitude above", Results({"PINN": [equal], "DN": [equal]})) != "reproduced"


def test_two_clusters_are_a_gap_between_neighbours() -> None:
    def found(*losses: float) -> Results:
        return Results({"PINN": [run(seed=k, losses={"ic": loss}) for k, loss in enumerate(losses)]})

    assert outcome("allen_cahn", "two clusters", found(1e-2, 1.2e-4, 2e-2, 1e-4)) == "reproduced"
    assert outcome("allen_cahn", "two clusters", found(1e-2, 3e-3, 1e-3, 3e-4)) == "not reproduced"


def test_stiffness_is_the_typical_eigenvalue_of_training() -> None:
    def arm(*sigma: float) -> list[object]:
        return [run(history=history({"pde": [1.0]}, {"pde": sigma, "bc": [1.0] * len(sigma)}))]

    found = Results({"M1": arm(3e5, 1e5, 9.9), "M1 simple": arm(1e4, 9e9, 1e4), "M3": arm(5e4, 1e9, 1.0)})  # type: ignore[dict-item]
    assert outcome("helmholtz", "more complex solution", found) == "reproduced"
    assert outcome("helmholtz", "reach 1e5", found) == "reproduced"
    assert outcome("helmholtz", "less stiff", found) == "reproduced"
    complex_one, simple = found.of("M1"), found.of("M1 simple")
    swap = (simple, complex_one, complex_one)
    swapped = Results(dict(zip(("M1", "M1 simple", "M3"), swap, strict=True)))
    assert outcome("helmholtz", "more complex solution", swapped) == "not reproduced"
    assert outcome("helmholtz", "reach 1e5", swapped) == "not reproduced"
    assert outcome("helmholtz", "less stiff", swapped) == "not reproduced"


def test_relobralo_is_judged_by_squared_errors() -> None:
    halved = results({"Helmholtz": 1.0, "Helmholtz, ReLoBRaLo": 0.59, "plate": 1.0, "plate, ReLoBRaLo": 0.5})
    assert outcome("relobralo", "65 %", halved) == "reproduced"  # 1 - 0.59^2 = 0.65
    assert outcome("relobralo", "order of magnitude", halved) == "not reproduced"  # 4 times, not 10


def test_centre_and_outer_are_root_mean_squares() -> None:
    problem = make("regression")
    found = centre_and_outer(problem)
    points, values = problem.solution
    error = [(float(x), float(e)) for x, e in zip(points[:, 0], (problem.model(points) - values).detach(), strict=True)]
    near = [e * e for x, e in error if abs(x) < 0.1]
    far = [e * e for x, e in error if abs(x) >= 0.1]
    assert found["centre"] == pytest.approx((sum(near) / len(near)) ** 0.5, rel=1e-5)
    assert found["outer"] == pytest.approx((sum(far) / len(far)) ** 0.5, rel=1e-5)


def test_the_speed_of_a_turned_velocity_is_right() -> None:
    problem = make("cavity")
    _, values = problem.solution
    turned = torch.stack([-values[:, 1], values[:, 0]], dim=1)
    object.__setattr__(problem, "model", lambda x: turned)
    assert speed(problem)["speed"] == pytest.approx(0.0, abs=1e-6)
    object.__setattr__(problem, "model", lambda x: 1.5 * turned)
    assert speed(problem)["speed"] == pytest.approx(0.5, rel=1e-5)
