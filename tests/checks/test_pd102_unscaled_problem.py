from tests.checks.records import finding, passes, quick, record, replace, skipped, start, unfinished, with_terms, work


def test_detects_losses_of_different_scale():
    found = finding("PD102", replace(unfinished(), start=start(grad_l2={"pde": 1e9, "bc": 1e2})))
    assert (found.pathology, found.severity, found.terms) == ("unscaled_problem", "problem", ["bc", "pde"])


def test_detects_an_output_out_of_reach():
    begun = start(work={"pde": work(1e8), "bc": work(1e7)}, losses={"pde": 0.02, "bc": 0.02})
    found = finding("PD102", replace(unfinished(), start=begun))
    assert (found.severity, found.terms) == ("problem", ["pde", "bc"])
    assert "ScaledOutput" in found.prescriptions[0].code


def test_a_network_that_got_there_gets_a_note():
    assert finding("PD102", replace(record(), start=start(grad_l2={"pde": 1e9, "bc": 1e2}))).severity == "note"


def test_does_not_flag_a_user_who_scaled_by_weights():
    base = unfinished()
    scaled = replace(base, terms={**base.terms, "pde": replace(base.terms["pde"], weight=1e-7)})
    assert passes("PD102", replace(scaled, start=start(grad_l2={"pde": 1e9, "bc": 1e2})))


def test_does_not_flag_weights_that_make_the_ratio_by_themselves():
    base = with_terms(unfinished(), bc={"weight": 1e-6})
    assert passes("PD102", replace(base, start=start(grad_l2={"pde": 20.0, "bc": 1.0})))
    assert finding("PD102", replace(base, start=start(grad_l2={"pde": 1e9, "bc": 1e2}))).severity == "problem"


def test_does_not_flag_much_work_that_fell():
    assert passes("PD102", replace(unfinished(), start=start(work={"pde": work(1e8)}, losses={"pde": 1e5, "bc": 1.0})))


def test_not_applicable_without_the_start():
    assert "left out by quick" in skipped("PD102", quick(record()))
