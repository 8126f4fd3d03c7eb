"""The stories: well formed in both sizes, and claims that follow the figures of hand-made runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from msgspec import structs

from pinndiag import problems, schemes
from pinndiag._records import PointWeights
from pinndiag.problems import make
from pinndiag_gallery.results import Results, Run
from pinndiag_gallery.store import place
from pinndiag_gallery.stories import STORIES
from pinndiag_gallery.stories.allen_cahn import TIMES, steep
from pinndiag_gallery.stories.cavity import PUBLISHED as PUBLISHED_CAVITY
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
    reduced, full = ({place(tmp_path, arm, 0): arm for arm in STORIES[name](full=size).arms} for size in (False, True))
    shared = {reduced[path].key for path in reduced.keys() & full.keys()}
    if name == "race":  # both sizes are the same
        assert shared == {arm.key for arm in full.values()}
    else:
        assert shared == (set(PUBLISHED_CAVITY) if name == "cavity" else set())


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
        ("burgers", "does not slow the start", {"DN": 0.01, "DN 0.999": 0.016}),
        ("allen_cahn", "converge alike", {"DN corrected": 0.01, "DN 0.999 corrected": 0.021}),
        ("burgers", "No scheme helps", {"PINN": 0.1, "MA": 0.03, "ID": 0.1, "DN": 0.1}),
        ("allen_cahn", "order of magnitude", {"PINN": 0.1, "MA": 0.05, "ID": 0.01, "DN": 0.01}),
        ("helmholtz", "M4:", {"M1": 0.3, "M2": 0.01, "M3": 0.1, "M4": 0.02}),
        ("poisson_1d", "fails at C = 16", {"C = 1": 0.1, "C = 2": 0.1, "C = 4": 0.1, "C = 8": 0.1, "C = 16": 0.9}),
    ],
)
def test_other_figures_do_not(name: str, text: str, errors: Mapping[str, float]) -> None:
    assert outcome(name, text, results(errors)) == "not reproduced"


def test_norms_that_differ_are_told_with_their_weights_and_the_scatter_of_the_seeds() -> None:
    def arm(*late: float, weight: float) -> list[Run]:
        return [run(error, seed=k, weights={"bc": weight}) for k, error in enumerate(late)]

    found = {
        "DN p = 1": arm(0.03, weight=5.0),
        "DN": arm(0.01, 0.04, weight=50.0),
        "DN p = inf": arm(0.01, weight=500.0),
    }
    (claim,) = (claim for claim in STORIES["poisson_2d"](full=False).claims if "norm does not matter" in claim.text)
    told = judged(claim, Results(found))
    assert told.outcome == "not reproduced"
    assert "5 (DN p = 1), 50 (DN), 500 (DN p = inf)" in told.why
    assert "The 2 seeds of DN alone are up to 4 times apart" in told.why
    assert judged(claim, Results({**found, "DN p = 1": arm(0.015, weight=5.0)})).outcome == "reproduced"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((1, 2, 3, 2), "reproduced"),
        ((2, 2, 3, 1), "not reproduced"),  # not later from 0.9 to 0.99
        ((1, 3, 2, 1), "not reproduced"),  # nor from 0.99 to 0.999
        ((1, 2, 4, 3), "not reproduced"),  # the correction leaves it later than 0.99
    ],
)
def test_a_delay_is_counted_in_steps_to_a_fifth_of_the_error(steps: tuple[int, ...], expected: str) -> None:
    keys = ("DN 0.9", "DN", "DN 0.999", "DN 0.999 corrected")
    courses = [[1.0] * step + [0.1] * (5 - step) for step in steps]
    arms = {key: [run(history=history({"pde": c}, errors=c))] for key, c in zip(keys, courses, strict=True)}
    assert outcome("poisson_2d", "needs more steps", Results(arms)) == expected


def test_unrest_is_told_by_the_moves_of_the_error_in_the_second_half() -> None:
    def arm(*errors: float) -> list[Run]:
        return [run(errors[-1], weights={"ic": 7.0}, history=history({"pde": errors}, errors=errors))]

    falling = arm(9.0, 0.1, 1e-2, 1e-2, 1e-2, 1e-2)
    jumping = arm(1.0, 1.0, 1.0, 1e-2, 1.0, 1e-2)
    for name in ("burgers", "allen_cahn"):
        found = Results({"DN 0.9": falling, "DN 0.9 corrected": jumping})
        assert outcome(name, "unstable", found) == "reproduced"
        swapped = Results({"DN 0.9": jumping, "DN 0.9 corrected": falling})
        assert outcome(name, "unstable", swapped) == "not reproduced"
        assert "0.01 with a weight of the initial condition of 7 (DN 0.9 corrected)" in told_why(
            name, "unstable", swapped
        )


def test_self_adaptive_points_are_judged_where_the_solution_is_steep() -> None:
    def arm(steep: float) -> list[Run]:
        return [run(figures={"steep": steep, "elsewhere": 1.0})]

    gain = "grows to 5 to 10 times"
    assert outcome("race", gain, Results({"Allen-Cahn": arm(0.51), "Allen-Cahn, SA": arm(0.1)})) == "reproduced"
    found = Results({"Allen-Cahn": arm(0.4), "Allen-Cahn, SA": arm(0.1), "Allen-Cahn, SA, mean 1": arm(0.375)})
    assert outcome("race", gain, found) == "not reproduced"
    words = told_why("race", gain, found)
    assert "falls 4-fold at the steep points and 1-fold elsewhere" in words
    assert "the steep error is 0.375" in words


def test_weights_by_gradient_norms_are_told_with_their_places_and_errors() -> None:
    def arm(centre: float, outer: float) -> list[Run]:
        mask = PointWeights(term="data", coordinates=[[-0.5, -0.12, 0.03, 0.6]], values=[1.0, 1.75, 0.5, 0.75])
        return [structs.replace(run(figures={"centre": centre, "outer": outer}), points=(mask,))]

    worse = Results({"uniform": arm(0.2, 0.02), "gradient norm": arm(0.4, 0.01)})
    words = told_why("race", "better than uniform", worse)
    assert "the smallest, 0.5, is at |x| = 0.03, and the largest, 1.75, at |x| = 0.12" in words
    assert "at the centre goes from 0.2 to 0.4, that elsewhere from 0.02 to 0.01" in words
    better = Results({"uniform": arm(0.2, 0.02), "gradient norm": arm(0.1, 0.02)})
    assert outcome("race", "better than uniform", better) == "reproduced"


def test_steep_is_the_tenth_of_the_reference_with_the_largest_slopes() -> None:
    problem = make("allen_cahn")
    points, values = problem.solution
    grid = values.reshape(TIMES, -1)
    inner = (grid[:, 2:] - grid[:, :-2]).abs()  # central differences, but for their common factor
    limit = torch.cat([(grid[:, 1:2] - grid[:, :1]).abs() * 2, inner, (grid[:, -1:] - grid[:, -2:-1]).abs() * 2], dim=1)
    hard = (limit >= limit.flatten().sort().values[-len(points) // 10]).reshape(-1, 1)
    object.__setattr__(problem, "model", lambda x: values + torch.where(hard, 3.0, 0.5))
    found = steep(problem)
    assert found["steep"] == pytest.approx(3.0, rel=0.01)
    assert found["elsewhere"] == pytest.approx(0.5, rel=0.01)


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
        course = history({"ic": losses}, errors=[1.0] * len(losses))
        return Results({"PINN": [run(seed=k, losses={"ic": loss}, history=course) for k, loss in enumerate(losses)]})

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
    def pair(first: str, before: float, second: str, after: float) -> Results:
        losses = {"pde": 1.0, "deflection": 1.0}
        return Results({first: [run(before, losses=losses)], second: [run(after, losses=losses)]})

    halved = pair("Helmholtz, unscaled", 1.0, "Helmholtz, ReLoBRaLo", 0.59)
    assert outcome("relobralo", "65 %", halved) == "reproduced"  # 1 - 0.59^2 = 0.65
    for after, expected in ((0.5, "not reproduced"), (0.3, "reproduced")):  # 4 and 11 times lower
        assert outcome("relobralo", "order of magnitude", pair("plate", 1.0, "plate, ReLoBRaLo", after)) == expected


def test_a_boundary_is_sooner_where_its_loss_is_a_thousandth_in_half_the_steps() -> None:
    slow, fast = [1.0, 0.5, 0.1, 0.01, 9e-4], [1.0, 0.1, 9e-4, 9e-4, 0.5]
    plate = [run(history=history({"pde": slow, "deflection": fast, "moment": fast}))]
    assert outcome("relobralo", "far sooner", Results({"plate": plate})) == "reproduced"
    plate = [run(history=history({"pde": fast, "deflection": fast, "moment": slow}))]
    assert outcome("relobralo", "far sooner", Results({"plate": plate})) == "not reproduced"


def test_the_cavity_is_judged_at_the_published_size_of_both_formulations() -> None:
    def arm(speed: float) -> list[Run]:
        return [run(figures={"speed": speed}, history=history({"pde": [1.0, 1.0]}, errors=[1.0, speed]))]

    short = {"velocity M4": arm(0.41), "stream M4": arm(0.40)}
    text = "Velocity-pressure fails"
    assert outcome("cavity", text, Results(short)) == "not reproduced"
    velocity, stream = PUBLISHED_CAVITY
    assert outcome("cavity", text, Results({**short, velocity: arm(0.3)})) == "not reproduced"
    assert outcome("cavity", text, Results({**short, velocity: arm(0.31), stream: arm(0.1)})) == "reproduced"


def told_why(name: str, text: str, found: Results) -> str:
    (claim,) = (claim for claim in STORIES[name](full=False).claims if text in claim.text)
    return judged(claim, found).why


def test_a_reason_is_made_of_the_weights_and_errors_that_were_measured() -> None:
    plain, balanced = run(0.4, weights={"pde": 1.0, "bc": 1.0}), run(0.5, weights={"pde": 0.7, "bc": 1.3})
    found = Results({"Helmholtz": [run(0.3)], "Helmholtz, unscaled": [plain], "Helmholtz, ReLoBRaLo": [balanced]})
    words = told_why("relobralo", "65 %", found)
    assert "0.7 for the equation and 1.3 for the boundary" in words
    assert "0.5 with it, 0.4 with all weights 1, and 0.3 with 4 for the boundary" in words
    assert told_why("relobralo", "fixed weight of 4", found) == words


def test_a_reason_tells_how_far_the_plates_and_the_cavities_came() -> None:
    def plate(late: float, equation: float, edges: float) -> list[Run]:
        return [run(late, losses={"pde": equation, "deflection": edges**2, "moment": 0.0})]

    load = (0.015 / 20.83) ** 2 / 4  # mean square of the load over the rigidity; the plate bends by 18.5 mm
    flat = {"plate": plate(1.25, 3 * load, 0.00185), "plate, ReLoBRaLo": plate(1.0, load, 0.0185)}
    words = told_why("relobralo", "order of magnitude", Results(flat))
    assert "the errors are 1.25 (plate) and 1 (plate, ReLoBRaLo)" in words
    assert "3.1 and 10 % (plate); 1 and 100 % (plate, ReLoBRaLo)" in words  # the grid has the edges, of no load
    scaled = {"plate": plate(1.25, 3 * load, 0.00185), "scaled plate": plate(0.9, 4 * math.pi**8, 0.25)}
    assert "; 1 and 25 % (scaled plate)" in told_why("relobralo", "Units of measurement", Results(scaled))
    course = history({"pde": [1.0] * 4}, errors=[2.0, 1.0, 0.8, 0.6])
    arm = [run(figures={"speed": 0.4}, history=course)]
    lower = [structs.replace(arm[0], figures={"speed": 0.2})]
    words = told_why("cavity", "Velocity-pressure fails", Results({"velocity M4": arm, "stream M4": lower}))
    assert "After 100 steps the velocity-pressure form is at 0.4" in words
    assert "the stream function is 2 times lower" in words
    assert "from 0.8 to 0.6 (velocity M4) and from 0.8 to 0.6 (stream M4)" in words


def test_a_run_leaves_the_plateau_where_its_error_halves() -> None:
    def arm(*errors: float) -> list[Run]:
        return [run(errors[-1], losses={"ic": 1.0}, history=history({"ic": errors}, errors=errors))]

    found = Results({"PINN": arm(1.0, 0.9, 0.6, 0.55), "MA": arm(1.0, 0.4, 0.3, 0.3), "ID": arm(1.0, 1.0, 0.4, 0.4)})
    words = told_why("allen_cahn", "order of magnitude", found)
    assert "step: PINN never, MA 1, ID 2" in words
    assert "at step 25: MA 0.3, ID 0.4;" in words  # 100 steps; the last record stands for all after it
    assert "bias correction" not in words
    corrected = Results({**found.runs, "DN corrected": arm(1.0, 0.5, 0.275, 0.275)})  # half of the error of PINN
    words = told_why("allen_cahn", "order of magnitude", corrected)
    assert "the weight of DN is 0.28 there, the error halves at step 2 and ends at 0.275, 2 times below PINN." in words
    assert (
        outcome("allen_cahn", "MA is the fastest", Results({**found.runs, "DN": arm(1.0, 1.0, 0.1)}))
        == "not reproduced"
    )
    early = {"PINN": arm(1.0, 0.5, 0.05), "MA": arm(1.0, 0.05), "ID": arm(1.0, 1.0), "DN": arm(1.0, 0.2, 0.05)}
    assert outcome("allen_cahn", "MA is the fastest", Results(early)) == "reproduced"


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
