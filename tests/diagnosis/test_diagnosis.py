"""The diagnosis as a file and as a value."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from pinndiag import Diagnosis, PinndiagError, analyze
from pinndiag._records import SCHEMA, to_plain
from tests.cases import CASES


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return analyze(CASES["poisson"](), quick=True, name="poisson")


def test_the_contract_of_diagnosis_json(diagnosis: Diagnosis) -> None:
    plain = diagnosis.to_dict()
    assert plain["schema"] == SCHEMA
    assert set(plain["verdict"]) >= {"text", "severity"}
    assert {"findings", "passed", "not_applicable", "total", "alignment", "layers"} <= set(plain)
    assert {"spectrum", "ntk", "pointwise", "pareto", "solution"} <= set(plain)
    for term in plain["terms"].values():
        assert {"loss", "weight", "grad_l2", "grad_l1", "grad_max", "grad_mean", "grad_std", "grad_kurtosis"} <= set(
            term
        )
        assert set(term["sigma_max"]) == {"value", "residual", "converged", "products"}
    assert list(plain["cosine"]) == ["pde|bc"]
    assert plain["solution"]["rel_l2"] > 0


def test_it_survives_the_file(diagnosis: Diagnosis, tmp_path: Path) -> None:
    path = diagnosis.save(tmp_path / "d.json")
    again = Diagnosis.read(path)
    assert again.to_dict() == diagnosis.to_dict()
    assert json.loads(path.read_text()) == diagnosis.to_dict()


def test_nan_and_infinities_survive(diagnosis: Diagnosis) -> None:
    plain = diagnosis.to_dict()
    plain["terms"]["pde"] |= {"loss": "NaN", "grad_l2": "Infinity", "grad_max": "-Infinity"}
    term = Diagnosis.of(plain).measurements.terms["pde"]
    assert math.isnan(term.loss)
    assert term.grad_l2 == math.inf
    assert term.grad_max == -math.inf
    assert to_plain(term)["loss"] == "NaN"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"schema": "other/9"}', '{"schema": "pinndiag.diagnosis/1"}', "[" * 100_000]
)
def test_what_is_not_a_diagnosis_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(PinndiagError) as caught:
        Diagnosis.read(path)
    assert caught.value.fix


def test_it_prints_and_renders_in_notebooks(diagnosis: Diagnosis, tmp_path: Path) -> None:
    assert "pde" in str(diagnosis)
    assert diagnosis.record.verdict.text in repr(diagnosis)
    assert diagnosis._repr_html_().startswith("<iframe")
    assert diagnosis.to_html(tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")


def test_reading_needs_no_torch(diagnosis: Diagnosis, tmp_path: Path) -> None:
    path = diagnosis.save(tmp_path / "d.json")
    code = (
        f"import sys, pinndiag; pinndiag.Diagnosis.read({str(path)!r}).to_markdown(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
