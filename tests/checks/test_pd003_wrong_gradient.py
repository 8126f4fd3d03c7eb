import pytest

from pinndiag._records import DerivativeCheck
from tests.checks.records import finding, passes, quick, record, skipped, with_terms


def checked(error, settled=True, reason=""):
    check = DerivativeCheck(error=error, settled=settled, directions=3, reason=reason)
    return with_terms(record(), pde={"derivative_check": check})


@pytest.mark.parametrize(("error", "severity"), [(0.06, "warning"), (0.2, "problem"), (1.0, "problem")])
def test_detects(error, severity):
    found = finding("PD003", checked(error))
    assert (found.pathology, found.severity, found.terms) == ("wrong_gradient", severity, ["pde"])
    assert "create_graph=True" in found.prescriptions[0].code


def test_does_not_flag_rounding_or_what_did_not_settle():
    assert passes("PD003", checked(8e-3))
    assert passes("PD003", checked(0.5, settled=False))


def test_not_applicable():
    assert "left out by quick" in skipped("PD003", quick(record()))
    check = DerivativeCheck(error=None, settled=False, directions=0, reason="the term draws random numbers")
    neither = with_terms(record(), pde={"derivative_check": check}, bc={"derivative_check": check})
    assert "random numbers" in skipped("PD003", neither)
