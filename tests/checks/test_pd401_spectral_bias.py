from pinndiag._records import Kernel, OptimizerCard
from pinndiag._records._points import TermKernel
from tests.checks.records import (
    card,
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


def slow_kernel(share):
    return TermKernel(eigenvalues=[1.0], residuals=128, trace=1.0, condition=1.0, rank=9, slow_share=share)


def slow(base, share, alone=1.5):
    shares = {"pde": share, "bc": 0.1}
    return with_terms(replace(base, start=start(slow_share=shares)), pde={"probe_alone": alone and probe(alone)})


def test_detects():
    found = finding("PD401", slow(unfinished(), 0.98))
    assert (found.pathology, found.severity, found.terms) == ("spectral_bias", "problem", ["pde"])
    assert finding("PD401", slow(unfinished(), 0.98, alone=5.0)).severity == "warning"
    assert finding("PD401", slow(unfinished(), 0.98, alone=None)).severity == "warning"


def now(base, share, alone=1.5):
    """Nothing is known of the start; the kernel of the trained network is."""
    ntk = Kernel(terms={"pde": slow_kernel(share), "bc": slow_kernel(0.1)})
    known = {"pde": pointwise(agreement=0.9), "bc": pointwise(points=200, agreement=0.9)}
    return with_terms(replace(base, start=None, ntk=ntk, pointwise=known), pde={"probe_alone": alone and probe(alone)})


def test_the_trained_network_speaks_where_the_term_is_stuck():
    found = finding("PD401", now(unfinished(), 0.98))
    assert (found.severity, found.terms) == ("problem", ["pde"])
    assert "lies in directions" in found.title
    begun = replace(now(unfinished(), 0.98), start=start(slow_share={"pde": 0.64, "bc": 0.1}))
    assert finding("PD401", begun).severity == "warning"  # the start does not accuse it
    one = replace(now(unfinished(), 0.98), terms={"pde": now(unfinished(), 0.98).terms["pde"]})
    assert finding("PD401", one).severity == "problem"  # a fit of data by itself


def test_a_share_of_the_trained_network_alone_says_nothing():
    assert passes("PD401", now(unfinished(), 0.98, alone=10.0))
    assert passes("PD401", now(unfinished(), 0.98, alone=None))
    assert passes("PD401", now(unfinished(), 0.64))


def test_does_not_flag():
    assert passes("PD401", slow(unfinished(), 0.64))
    assert passes("PD401", slow(unfinished(), 0.98, alone=1e3))
    assert passes("PD401", slow(record(), 0.98))


def test_not_applicable():
    assert "left out by quick" in skipped("PD401", quick(unfinished()))
    assert "kernel" in skipped("PD401", replace(unfinished(), start=start(slow_share={})))


def test_does_not_flag_noise():
    noisy = {"pde": pointwise(agreement=0.05), "bc": pointwise(points=200)}
    assert passes("PD401", replace(slow(unfinished(), 0.98), pointwise=noisy))
    assert passes("PD401", replace(now(unfinished(), 0.98), pointwise=noisy))


def test_under_plain_descent_another_optimizer_comes_first_where_it_lowers_the_term():
    descent = card(optimizer=OptimizerCard(kind="SGD", lr=1e-2))
    falls = replace(slow(unfinished(), 0.98, alone=5.0), run=descent)
    assert "L-BFGS" in finding("PD401", falls).prescriptions[0].title
    assert "Fourier" in finding("PD401", slow(falls, 0.98)).prescriptions[0].title
    assert "Fourier" in finding("PD401", slow(unfinished(), 0.98, alone=5.0)).prescriptions[0].title


def test_the_trained_network_alone_accuses_no_term_that_may_be_noise_or_was_ordinary_at_its_start():
    blind = replace(now(unfinished(), 0.98), pointwise={"pde": pointwise(agreement=None), "bc": pointwise(points=200)})
    found = finding("PD401", blind)
    assert found.severity == "warning"
    assert "Noise in the data" in found.sure
    begun = replace(now(unfinished(), 0.98), start=start(slow_share={"pde": 0.01, "bc": 0.1}))
    assert finding("PD401", begun).severity == "warning"
