from pinndiag._records import GradientFigures, LayerGradients, Parameters
from tests.checks.records import finding, passes, record, replace, skipped, start, unfinished, with_terms


def layer(name, grad, parameters=1, matrix=False, **others):
    figures = GradientFigures(
        grad_l2=grad, grad_l1=grad, grad_max=grad, grad_mean=grad, grad_std=0.0, grad_kurtosis=3.0
    )
    terms = {"pde": figures, "bc": figures} | {n: replace(figures, grad_l2=value) for n, value in others.items()}
    return LayerGradients(
        name=name,
        parameters=parameters,
        terms=terms,
        weight=terms if matrix else None,
        bias=terms,
        histograms={},
        weighted={},
        magnitudes={},
        total=figures,
    )


def test_detects_a_detached_term():
    found = finding("PD002", with_terms(record(), bc={"loss": 0.3, "grad_l2": 0.0, "reached": 0.0}))
    assert (found.pathology, found.severity, found.terms) == ("no_gradient", "problem", ["bc"])


def test_does_not_call_a_fault_what_lost_its_gradient_in_the_training():
    lost = {"loss": 0.3, "grad_l2": 0.0, "reached": 1.0}
    assert passes("PD002", with_terms(record(), bc=lost))
    begun = replace(record(), start=start(grad_l2={"pde": 20.0, "bc": 0.0}))
    assert finding("PD002", with_terms(begun, bc=lost)).severity == "problem"
    assert finding("PD002", with_terms(replace(record(), start=None), bc=lost)).severity == "problem"


def test_detects_a_coefficient_that_nobody_reaches():
    found = finding("PD002", replace(record(), layers=[layer("0", 1.0, 100, True), layer("viscosity", 0.0)]))
    assert found.severity == "problem"
    assert found.title == "No term changes the coefficient 'viscosity'"


def test_a_layer_that_nobody_reaches_is_a_warning():
    found = finding("PD002", replace(record(), layers=[layer("head", 0.0, 100, True)]))
    assert found.severity == "warning"


def test_frozen_parameters_are_a_note_in_a_finished_network():
    frozen = Parameters(layers=[], entries=1000, trainable=300, nonfinite=0, frozen=["0.weight"])
    found = finding("PD002", replace(record(), parameters=frozen))
    assert found.severity == "note"
    assert "0.weight" in found.title
    assert finding("PD002", replace(unfinished(), parameters=frozen)).severity == "warning"


def test_a_term_of_half_the_network_is_a_note():
    found = finding("PD002", with_terms(record(), bc={"reached": 0.4}))
    assert (found.severity, found.title) == ("note", "'bc' reaches 40 % of the parameters")
    both = finding("PD002", with_terms(record(), bc={"reached": 0.4}, pde={"reached": 0.4}))
    assert both.title == "'bc' and 'pde' reach 40 % of the parameters"
    apart = finding("PD002", with_terms(record(), bc={"reached": 0.4}, pde={"reached": 0.3}))
    assert apart.title == "'pde' and 'bc' reach at most 40 % of the parameters"


def test_a_term_that_reaches_one_of_several_networks_whole_is_as_meant():
    base = with_terms(record(), bc={"reached": 0.4})
    names = ("left.0", "left.2", "right.0", "right.2")
    own = [layer(name, 1.0, 100, bc=float(name.startswith("left"))) for name in names]
    assert passes("PD002", replace(base, layers=own))
    part = [layer(name, 1.0, 100, bc=float(name == "left.0")) for name in names]
    assert finding("PD002", replace(base, layers=part)).terms == ["bc"]
    single = [layer(name, 1.0, 100, bc=float(name == "0")) for name in ("0", "2")]
    assert finding("PD002", replace(base, layers=single)).terms == ["bc"]


def test_does_not_flag_a_term_solved_exactly_or_without_weight():
    assert passes("PD002", with_terms(record(), bc={"loss": 0.0, "grad_l2": 0.0}))
    assert passes("PD002", with_terms(record(), bc={"weight": 0.0, "loss": 0.3, "grad_l2": 0.0}))
    assert passes("PD002", replace(record(), layers=[layer("0", 1e-9)]))


def test_not_applicable_without_terms():
    bare = replace(record(), terms={}, reasons={"gradients": "the file holds weights only"})
    assert "weights only" in skipped("PD002", bare)
