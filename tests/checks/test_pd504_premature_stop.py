import pytest

from pinndiag._records import Band, Finding, OptimizerCard
from pinndiag.checks import by_code
from tests.checks.records import (
    card,
    course,
    finding,
    passes,
    probe,
    quick,
    record,
    replace,
    run,
    skipped,
    unfinished,
)


def stopped(base, factor=1e3, kind="LBFGS"):
    return replace(base, probe=probe(factor), run=card(optimizer=OptimizerCard(kind=kind, lr=1.0)))


def test_detects():
    found = finding("PD504", stopped(unfinished(pde=1e-4, bc=1e-4)))
    assert (found.pathology, found.severity) == ("premature_stop", "problem")
    assert "tolerance_grad=0" in found.prescriptions[0].code


def test_a_finished_network_gets_a_note():
    assert finding("PD504", stopped(record())).severity == "note"


def test_does_not_flag():
    assert passes("PD504", stopped(unfinished(pde=1e-4, bc=1e-4), factor=2.0))
    assert passes("PD504", stopped(unfinished(pde=10.0, bc=10.0)))


def test_not_applicable():
    assert "not L-BFGS" in skipped("PD504", stopped(unfinished(), kind="Adam"))
    lbfgs = replace(quick(record()), run=card(optimizer=OptimizerCard(kind="LBFGS", lr=1.0)))
    assert "left out by quick" in skipped("PD504", lbfgs)


def counting(base, n_iter=37, func_evals=45, **settings):
    """A plateau (the probe gains nothing), and what torch's L-BFGS says of itself."""
    settings = {"max_iter": 3000, "max_eval": 3750, "tolerance_grad": 1e-7, "tolerance_change": 1e-9, **settings}
    counts = {"n_iter": n_iter, "func_evals": func_evals}
    card_of = OptimizerCard(kind="LBFGS", lr=1.0, settings=settings, counts=counts)
    return replace(base, probe=probe(1.03), run=card(optimizer=card_of))


def test_an_optimizer_that_counts_fewer_iterations_than_it_may_stopped_by_itself():
    found = finding("PD504", counting(unfinished()))
    assert found.severity == "warning"
    assert "stopped by itself after 37 of 3000 iterations" in found.title
    assert {"L-BFGS: n_iter of max_iter 3000": 37, "L-BFGS: tolerance_change": 1e-9}.items() <= {
        e.name: e.value for e in found.evidence
    }.items()
    assert "37 of 3000" in finding("PD504", replace(counting(unfinished()), probe=None)).title
    assert (
        "falls 1000-fold" in finding("PD504", replace(counting(unfinished(pde=1e-4, bc=1e-4)), probe=probe(1e3))).title
    )


def test_an_optimizer_that_used_what_it_may_or_finished_did_not_stop_too_early():
    assert passes("PD504", counting(unfinished(), n_iter=3000))
    assert passes("PD504", counting(unfinished(), n_iter=2900, func_evals=3751))  # line searches used it up
    assert passes("PD504", counting(unfinished(), n_iter=500, max_iter=20, max_eval=25))  # many calls: not known
    assert passes("PD504", counting(record()))
    assert passes("PD504", counting(unfinished(), n_iter=0, func_evals=0))  # not begun


@pytest.mark.parametrize(("moving", "severity"), [(35, "warning"), (20, "problem")])
def test_a_run_that_stood_still_to_its_end(moving, severity):
    losses = [1 / (1 + min(i, moving)) for i in range(40)]
    still = run([100 * i for i in range(40)], total=Band(low=losses, high=losses))
    found = finding("PD504", replace(unfinished(), history=still))
    assert found.severity == severity
    assert f"since step {100 * moving}" in found.title
    assert not isinstance(by_code("PD504").judge(replace(record(), history=still)), Finding)


def test_a_last_record_alone_does_not_stand_still():
    losses = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3]
    moved = run([50 * i for i in range(6)], total=Band(low=losses, high=losses))
    assert passes("PD504", replace(unfinished(), history=moved))


def test_a_run_whose_learning_rate_has_decayed_is_told_by_another_check():
    losses = [1 / (1 + min(i, 20)) for i in range(40)]
    rates = [10 ** (-i / 8) for i in range(40)]
    band, lr = Band(low=losses, high=losses), Band(low=rates, high=rates)
    still = replace(unfinished(), probe=None, history=run(list(range(40)), total=band, lr=lr))
    assert passes("PD504", still)
    assert "decayed" in finding("PD503", still).title


def test_a_run_that_moved_to_its_end():
    assert passes("PD504", replace(unfinished(), history=course(0.001)))
