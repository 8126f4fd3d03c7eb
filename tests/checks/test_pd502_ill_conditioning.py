import math

from pinndiag._records import Density, Spectrum
from tests.checks.records import finding, passes, probe, quick, record, replace, skipped, spectrum, unfinished


def crawling(base, factor=1e3, sharpness=0.9):
    return replace(base, probe=probe(factor), spectrum=spectrum(sharpness))


def test_detects():
    found = finding("PD502", crawling(unfinished()))
    assert (found.pathology, found.severity) == ("ill_conditioning", "problem")
    assert "LBFGS" in found.prescriptions[0].code


def test_detects_by_the_density_where_the_limit_is_unknown():
    wide = Spectrum(density=Density(nodes=[[1e-6, 1.0, 1e3]], weights=[[0.9, 0.05, 0.05]], steps=3))
    assert finding("PD502", replace(crawling(unfinished()), spectrum=wide)).severity == "problem"


def test_does_not_flag_a_finished_network_or_small_steps():
    assert passes("PD502", crawling(record(), 7e3))
    assert passes("PD502", crawling(unfinished(), sharpness=0.01))
    assert passes("PD502", crawling(unfinished(), factor=3.0))


def test_not_applicable():
    assert "left out by quick" in skipped("PD502", quick(unfinished()))
    broken = replace(probe(1.0), factor=math.nan, reason="a negative loss has no factor")
    assert "negative loss" in skipped("PD502", replace(unfinished(), probe=broken))
