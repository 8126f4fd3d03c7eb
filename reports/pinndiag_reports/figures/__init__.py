"""The figures of the page, one a file, gathered into sections."""

from __future__ import annotations

from pinndiag._records import DiagnosisRecord
from pinndiag_reports._parts import Absent, Part, Section
from pinndiag_reports.figures._plot import drawing
from pinndiag_reports.figures._scene import Scene
from pinndiag_reports.figures.baseline import baseline
from pinndiag_reports.figures.concentration import concentration
from pinndiag_reports.figures.conflicts import conflicts
from pinndiag_reports.figures.density import density
from pinndiag_reports.figures.distributions import distributions
from pinndiag_reports.figures.kernel import kernel, kernel_figures
from pinndiag_reports.figures.layers import layer_heat, layer_histograms
from pinndiag_reports.figures.network import activations, weights
from pinndiag_reports.figures.pareto import pareto
from pinndiag_reports.figures.probes import probes, trust
from pinndiag_reports.figures.residuals import residuals
from pinndiag_reports.figures.run import run_sections
from pinndiag_reports.figures.sharpness import sharpness
from pinndiag_reports.figures.solution import solution
from pinndiag_reports.figures.start import start
from pinndiag_reports.figures.trials import another_start, other_weights

__all__ = ["sections"]


def sections(record: DiagnosisRecord) -> tuple[Section, ...]:
    """Every section between the findings and the run card, in the order of the page."""
    scene = Scene(record)
    with drawing():
        if not record.terms:
            why = scene.why("gradients", "terms", default="the file holds no loss terms")
            bare = Absent("Gradients, curvature, kernel, points, active tests", why)
            return (
                Section("gradients", "Measurements of the terms", "", (bare,)),
                Section("network", "Network", _NETWORK, (activations(scene), weights(scene))),
            )
        return (
            *run_sections(scene),
            _section(
                "gradients",
                "Gradients",
                _GRADIENTS,
                distributions(scene),
                layer_histograms(scene),
                layer_heat(scene),
                conflicts(scene),
                pareto(scene),
            ),
            _section("curvature", "Curvature", _CURVATURE, sharpness(scene), density(scene)),
            _section("kernel", "Kernel", _KERNEL, kernel(scene), *kernel_figures(scene)),
            _section("points", "Points", _POINTS, residuals(scene), concentration(scene)),
            _section(
                "tests", "Active tests", _TESTS, probes(scene), trust(scene), other_weights(scene), another_start(scene)
            ),
            _section("solution", "Solution", _SOLUTION, solution(scene), baseline(scene)),
            _section("start", "Start against now", _START, start(scene)),
            _section("network", "Network", _NETWORK, activations(scene), weights(scene)),
        )


def _section(key: str, title: str, lead: str, *parts: Part) -> Section:
    return Section(key, title, lead, parts)


_GRADIENTS = "What each term asks of the parameters, and whether the terms agree."
_CURVATURE = "How steep the loss is, and what step size it bears."
_KERNEL = "Which residuals gradient descent can move, and how fast."
_POINTS = "Where the residuals sit, and whether they stay small between the training points."
_TESTS = "Experiments on a copy: what a better optimizer would reach from here, and whether the gradient is right."
_SOLUTION = "The network against the reference solution, and against the simplest outputs there are."
_START = "The same network at its stored initial parameters."
_NETWORK = "The state of the layers themselves."
