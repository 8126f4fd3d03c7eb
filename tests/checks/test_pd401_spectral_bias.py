from tests.checks.records import finding, passes, probe, quick, record, replace, skipped, start, unfinished, with_terms


def slow(base, share, alone=1.5):
    shares = {"pde": share, "bc": 0.1}
    return with_terms(replace(base, start=start(slow_share=shares)), pde={"probe_alone": alone and probe(alone)})


def test_detects():
    found = finding("PD401", slow(unfinished(), 0.98))
    assert (found.pathology, found.severity, found.terms) == ("spectral_bias", "problem", ["pde"])
    assert finding("PD401", slow(unfinished(), 0.98, alone=10.0)).severity == "warning"
    assert finding("PD401", slow(unfinished(), 0.98, alone=None)).severity == "warning"


def test_does_not_flag():
    assert passes("PD401", slow(unfinished(), 0.64))
    assert passes("PD401", slow(unfinished(), 0.98, alone=1e3))
    assert passes("PD401", slow(record(), 0.98))


def test_not_applicable():
    assert "left out by quick" in skipped("PD401", quick(unfinished()))
    assert "kernel" in skipped("PD401", replace(unfinished(), start=start(slow_share={})))
