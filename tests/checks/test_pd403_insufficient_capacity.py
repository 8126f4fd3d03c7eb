import pytest

from pinndiag._diagnosis._judge import judge
from pinndiag._records import Kernel
from pinndiag._records._points import TermKernel
from tests.checks.records import (
    card,
    constant,
    finding,
    passes,
    probe,
    record,
    replace,
    skipped,
    start,
    unfinished,
    with_terms,
)


def kernel(rank, residuals=128):
    found = TermKernel(eigenvalues=[1.0], residuals=residuals, trace=1.0, condition=1.0, rank=rank, slow_share=0.5)
    return Kernel(terms={"pde": found, "bc": found})


def small(*, total=1.05, alone=1.05, parameters=22, rank=22):
    """A network of 22 parameters that are all in use, for 1200 residuals, and that falls no further."""
    stuck = with_terms(unfinished(pde=1e-1), pde={"probe_alone": probe(alone)}, bc={"probe_alone": probe(alone)})
    return replace(stuck, probe=probe(total), run=card(parameters=parameters), ntk=kernel(rank))


@pytest.mark.parametrize(("total", "severity"), [(1.05, "problem"), (1.5, "warning")])
def test_detects(total, severity):
    found = finding("PD403", small(total=total))
    assert (found.pathology, found.severity, found.terms) == ("insufficient_capacity", severity, ["pde"])
    assert found.title.startswith("22 parameters are in use for 1200 residuals")
    assert "wider" in found.prescriptions[0].title


def test_detects_a_missing_activation():
    flat = replace(constant(1.0), bend=1e-14)
    linear = replace(small(parameters=5000, rank=3), constant=flat, activations=None)
    found = finding("PD403", linear)
    assert "affine" in found.title
    assert "activation" in found.prescriptions[0].title
    assert passes("PD403", replace(linear, constant=replace(flat, bend=0.1)))
    assert passes("PD403", with_terms(linear, pde={"probe_alone": probe(50.0)}))  # it falls alone: others hold it
    partly = with_terms(replace(linear, probe=probe(1.05)), pde={"probe_alone": probe(3.0)})  # its affine part
    assert finding("PD403", partly).severity == "problem"
    assert passes("PD403", replace(linear, activations=record().activations))  # it has some, and does not use them


def test_terms_that_compete_for_few_parameters_look_like_a_contradiction():
    base = replace(small(alone=1e4), cancellation=0.01)
    assert finding("PD403", base).severity == "problem"
    assert "too small" in skipped("PD204", base)
    assert finding("PD204", replace(base, ntk=kernel(5))).severity == "problem"


def test_is_named_before_spectral_bias_which_looks_the_same_from_the_kernel():
    judged = judge(replace(small(), start=start(slow_share={"pde": 0.99, "bc": 0.5})))
    found = {f.code: f for f in judged.findings}
    assert found["PD401"].caused_by == "PD403"


def test_does_not_flag():
    assert passes("PD403", small(total=5.0))
    assert passes("PD403", small(parameters=125, rank=60))  # more than half of the directions are free
    assert passes("PD403", small(parameters=1200))  # as many parameters as residuals
    assert passes("PD403", small(parameters=300))  # more than the kernel has rows: its rank says nothing
    assert passes("PD403", replace(small(), terms=record().terms))  # finished


def test_not_applicable():
    assert "descent probe" in skipped("PD403", replace(record(), probe=None))
    failed = replace(probe(float("nan")), reason="the loss is not finite")
    assert "not finite" in skipped("PD403", replace(record(), probe=failed))
