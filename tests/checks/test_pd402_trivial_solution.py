from pinndiag._diagnosis._judge import judge
from tests.checks.records import (
    activation,
    activations,
    constant,
    field,
    finding,
    passes,
    pointwise,
    probe,
    quick,
    record,
    replace,
    skipped,
    start,
    unfinished,
    with_terms,
)


def collapsed(base, spread=1e-3, factor=1.02):
    return replace(base, solution=replace(base.solution, spread=spread), probe=probe(factor))


def test_detects_a_standstill():
    found = finding("PD402", collapsed(unfinished()))
    assert (found.pathology, found.severity) == ("trivial_solution", "problem")


def test_detects_a_collapse_that_looks_finished():
    assert finding("PD402", collapsed(record(), factor=1e3)).severity == "problem"


def test_detects_by_the_last_hidden_layer():
    layers = activations(
        activation("0", of="pde"), activation("2", 0.0, 1e-6), activation("0"), activation("2", 0.0, 0.0)
    )
    assert finding("PD402", replace(unfinished(), solution=None, activations=layers)).terms == ["bc"]


def test_does_not_flag_a_network_near_its_start():
    assert passes("PD402", collapsed(unfinished(), factor=1e6))


def test_does_not_flag_a_network_that_varies():
    assert passes("PD402", collapsed(unfinished(), spread=0.6))


def unsolved(base, ratio, factor=1.02, fall=1e3, **outputs):
    """No solution is known; the loss of the best constant is `ratio` times the present one."""
    found = with_terms(base, **{name: {"probe_alone": probe(fall, 60)} for name in base.terms})
    return replace(found, solution=None, constant=constant(ratio, **outputs), probe=probe(factor))


def test_detects_by_the_loss_of_the_best_constant():
    found = finding("PD402", unsolved(unfinished(), 1.02))
    assert (found.pathology, found.severity) == ("trivial_solution", "problem")
    assert found.evidence[0].value == 1.02
    assert finding("PD402", unsolved(record(), 1.02)).severity == "problem"  # it looks finished
    assert passes("PD402", unsolved(record(), 1.02, factor=1e3))  # and is not: it has not left its start


def test_a_term_that_is_solved_shows_that_the_output_is_no_constant():
    # two terms that contradict each other keep the total at that of a constant; a third one is solved all the same
    losses = {"pde": 2e-3, "bc": 0.9}
    base = with_terms(unsolved(unfinished(), 1.02), **{n: {"loss": loss} for n, loss in losses.items()})
    best = replace(base.constant, best={"pde": 0.1, "bc": 0.82})
    assert passes("PD402", replace(base, constant=best))
    assert finding("PD402", replace(base, constant=replace(best, best={"pde": 2e-3, "bc": 0.92})))
    assert finding("PD402", with_terms(replace(base, constant=best), pde={"weight": 1e-2}))  # a hundredth of the total


def test_does_not_flag_what_beats_the_best_constant():
    assert passes("PD402", unsolved(unfinished(), 1.4))
    assert passes("PD402", unsolved(unfinished(), 0.5))  # worse than any constant, and so none
    assert finding("PD402", unsolved(unfinished(), 0.5, spread=1e-3)).severity == "problem"  # another constant


def test_does_not_call_trivial_what_cannot_be_learned_or_still_moves():
    assert passes("PD402", unsolved(unfinished(), 1.02, fall=1.5))
    assert passes("PD402", unsolved(unfinished(), 1.02, factor=3.0))


def test_where_a_constant_solves_everything_it_warns_of_an_output_that_hardly_varies():
    flat = unsolved(record(), 0.0, spread=1e-4, size=1e-4)
    found = finding("PD402", flat)
    assert found.severity == "problem"  # zero is hardly the solution that was wanted, another constant may be
    assert found.title.startswith("The output is zero, and zero solves every term")
    other = replace(flat.constant, zero={"pde": 2.0, "bc": 1.0}, size=3.0)
    assert finding("PD402", replace(flat, constant=other)).severity == "warning"
    assert "do not tell" in skipped("PD402", unsolved(record(), 0.0))
    assert "do not tell" in skipped("PD402", unsolved(record(), 0.0, spread=None))


def test_without_the_probe_it_may_be_near_its_start():
    quickly = quick(unsolved(unfinished(), 1.0))
    assert finding("PD402", quickly).severity == "warning"


def test_not_applicable_where_nothing_tells():
    assert "no solution is known" in skipped("PD402", replace(record(), solution=None))
    nothing = replace(record(), solution=None, reasons={"constant": "the last layer cannot be told"})
    assert "the last layer cannot be told" in skipped("PD402", nothing)


def in_time(base):
    """One coordinate; the condition lies at its low end."""
    inside = pointwise(field=field([[i / 99 for i in range(100)]]))
    return replace(base, pointwise={"pde": inside, "bc": pointwise(field=field([[0.0]]), points=1)})


def test_an_initial_value_problem_is_marched_through():
    assert finding("PD402", in_time(collapsed(unfinished()))).prescriptions[0].title.startswith("March")
    assert finding("PD402", collapsed(unfinished())).prescriptions[0].title.startswith("Satisfy")


def test_is_a_warning_where_the_weights_force_it():
    left = collapsed(unfinished(pde=1e-9, bc=1e-2))
    assert finding("PD402", left).severity == "problem"  # at the start the two pulled alike
    outweighed = replace(left, start=start(grad_l2={"pde": 1e3, "bc": 1.0}))
    assert finding("PD402", outweighed).severity == "warning"
    assert finding("PD402", in_time(outweighed)).severity == "problem"
    assert [f.code for f in judge(outweighed).problems] == ["PD201"]
