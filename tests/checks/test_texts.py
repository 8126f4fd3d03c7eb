"""The words: one source, complete, free of torch."""

import subprocess
import sys
from pathlib import Path

import pytest

import pinndiag
from pinndiag.checks import CHECKS, NEEDS, Thresholds, explain, guide

ROOT = Path(pinndiag.__file__).parent.parent


def test_the_guide_is_the_generated_one():
    assert (ROOT / "docs" / "checks.md").read_text() == guide(), "write it anew from pinndiag.checks.guide()"


def test_codes_are_unique_and_files_are_called_after_them():
    codes = [check.code for check in CHECKS]
    assert len(set(codes)) == len(codes)
    files = {p.name[1:6].upper() for p in (ROOT / "pinndiag" / "checks").glob("_pd*.py")}
    assert files == set(codes)
    tests = {p.name[5:10].upper() for p in Path(__file__).parent.glob("test_pd*.py")}
    assert tests == set(codes)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.code)
def test_every_check_is_explained(check):
    text = explain(check.code.lower())
    for part in ("How it is detected", "Why it matters", "How to fix it", "What would overturn it", check.pathology):
        assert part in text
    assert set(check.needs) <= set(NEEDS)
    assert set(check.thresholds) <= set(Thresholds.__struct_fields__)
    assert all(name in text for name in check.thresholds)
    assert set(check.symptom_of) <= {c.pathology for c in CHECKS} | {"condition_dominates", "causality_violation"}


def test_every_threshold_is_used_and_has_a_source():
    used = {name for check in CHECKS for name in check.thresholds}
    assert set(Thresholds.__struct_fields__) <= used | {
        "work_scalar",
        "relative",
        "error",
        "moved",
        "over_constant",
    }  # the gate's own
    assert all(getattr(Thresholds(), name).source for name in Thresholds.__struct_fields__)


def test_an_unknown_code_lists_the_known_ones():
    with pytest.raises(pinndiag.PinndiagError, match="PD201"):
        explain("PD999")


def test_no_torch():
    code = "import pinndiag.checks, pinndiag._diagnosis._judge, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
