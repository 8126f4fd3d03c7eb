import pytest

from pinndiag._diagnosis._judge import judge
from tests.checks.records import field, finding, passes, pointwise, record, replace, skipped, unfinished

SIDES = field([[0.0, 1.0, 0.0, 1.0, 0.3, 0.8], [0.1, 0.4, 0.6, 0.9, 0.0, 1.0]])
FILLED = field([[0.2, 0.4, 0.6, 0.8, 0.3, 0.7], [0.5, 0.1, 0.9, 0.3, 0.6, 0.2]])


def named(base, **places):
    """The record with terms of these names, whose points lie on the faces of a square or inside it."""
    terms = dict(zip(places, [base.terms["pde"], base.terms["bc"], base.terms["bc"]], strict=False))
    return replace(base, terms=terms, start=None, pointwise={n: pointwise(field=at) for n, at in places.items()})


@pytest.mark.parametrize("names", [("pde", "bc"), ("residual", "bc_left"), ("f", "boundary"), ("u_t", "u_ic")])
def test_detects(names):
    found = finding("PD005", named(unfinished(), **{names[0]: SIDES, names[1]: FILLED}))
    assert (found.pathology, found.severity) == ("mislabeled_term", "warning")
    assert found.terms == [names[1], names[0]]
    assert [e.value for e in found.evidence] == [0.0, 1.0]


def test_a_fact_in_a_finished_network_too():
    assert finding("PD005", named(record(), pde=SIDES, bc=FILLED)).severity == "warning"


def test_nothing_has_to_wait_for_a_name():
    judged = judge(named(unfinished(), pde=SIDES, bc=FILLED))
    assert not any("mended" in n.reason for n in judged.not_applicable)


@pytest.mark.parametrize(
    "places",
    [
        {"pde": FILLED, "bc": SIDES},
        {"f": FILLED, "g": SIDES},
        {"a": SIDES, "data": FILLED},  # measurements inside, no name of a condition
        {"data": FILLED, "interface_bc": FILLED, "wall": SIDES},  # a condition inside, beside a term that belongs there
        {"pde": FILLED, "bc": FILLED},
    ],
)
def test_does_not_flag(places):
    assert passes("PD005", named(unfinished(), **places))


def test_not_applicable():
    assert "points" in skipped("PD005", unfinished())
    assert "point by point" in skipped("PD005", replace(record(), pointwise={}))
