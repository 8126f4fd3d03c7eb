"""The diagnosis as a value: everything a page shows, in the shape of diagnosis.json."""

from __future__ import annotations

import shlex
from typing import Literal

from pinndiag._records._curvature import Density, Eigenvalue, Estimate, PredictedChange, Stability
from pinndiag._records._experiments import DerivativeCheck, Noise, Precision, Probe, Start, Trials, Work
from pinndiag._records._gradients import LayerGradients
from pinndiag._records._history import History, Interval
from pinndiag._records._network import Activations, Constant, EstimatedError, Parameters, Pareto, Solution
from pinndiag._records._optimizer import OptimizerCard
from pinndiag._records._points import HeldOut, Kernel, Pointwise
from pinndiag._records._record import Histogram, Record

__all__ = [
    "ONLY_THOROUGH",
    "SCHEMA",
    "Criteria",
    "DiagnosisRecord",
    "Evidence",
    "Finding",
    "NotApplicable",
    "Prescription",
    "RunCard",
    "Severity",
    "Spectrum",
    "TermRecord",
    "Verdict",
]

SCHEMA = "pinndiag.diagnosis/1"
ONLY_THOROUGH = "only a thorough analysis runs it"  # a reason: no gap of an ordinary analysis
Severity = Literal["problem", "warning", "note"]


class Evidence(Record):
    """One number that speaks for a finding.

    Attributes:
        name: what was measured, in the field's terms, with its unit.
        value: the number.
        threshold: the number it was compared with, if any.
        source: where the threshold comes from.
    """

    name: str
    value: float | str
    threshold: float | None = None
    source: str = ""


class Prescription(Record):
    """One remedy, ready to use.

    Attributes:
        title: what to do, in one sentence.
        why: why it should help here.
        expect: the effect measured elsewhere, with its source.
        code: lines of Python to change or add, if any.
        command: command line that applies or tries it, if any.
    """

    title: str
    why: str = ""
    expect: str = ""
    code: str = ""
    command: str = ""


class Finding(Record):
    """A named pathology with its evidence.

    Attributes:
        code: stable code of the check, such as "PD101".
        pathology: identifier of the pathology, such as "pde_dominates".
        title: the claim, with its number.
        severity: "problem", "warning" or "note".
        terms: names of the terms concerned, the worst first.
        evidence: numbers, thresholds, sources.
        prescriptions: remedies, the first to try first.
        why: why it matters, in two sentences.
        overturned_by: what would overturn it.
        caused_by: code of an earlier finding that probably causes this one, or "".
        reference: literature.
        sure: how sure the judgement is: what was looked at and what was not.
        held: of a run: the steps in which it held.
        course: of a run: "persistent", "growing", "recent" or "now and then"; "" at one moment.
    """

    code: str
    pathology: str
    title: str
    severity: Severity
    terms: list[str]
    evidence: list[Evidence]
    prescriptions: list[Prescription]
    why: str = ""
    overturned_by: str = ""
    caused_by: str = ""
    reference: str = ""
    sure: str = ""
    held: list[Interval] = []
    course: str = ""


class NotApplicable(Record):
    """A check that could not be judged, and why."""

    code: str
    reason: str


class Verdict(Record):
    """The verdict in one sentence; severity "none" when nothing was found, "unknown" when nothing could be judged."""

    text: str
    severity: Literal["problem", "warning", "note", "none", "unknown"]


class TermRecord(Record):
    """Everything known of one term, or of the weighted total; the first nine fields are always there.

    Attributes:
        kind: "residual" (a tensor whose mean square is the loss), "loss" (a scalar), or "total".
        entries: entries of the residual; 1 for a scalar loss.
        points: number of points, if the term's points are known.
        reached: share of the trainable parameters the term's graph reaches.
        random: the term draws random numbers; they were held fixed.
    """

    loss: float
    weight: float
    grad_l2: float
    grad_l1: float
    grad_max: float
    grad_mean: float
    grad_std: float
    grad_kurtosis: float
    nonfinite: int = 0
    kind: str = "residual"
    shape: list[int] = []
    entries: int = 1
    points: int | None = None
    reached: float = 1.0
    random: bool = False
    sigma_max: Eigenvalue | None = None
    sigma_min: Eigenvalue | None = None
    predicted: PredictedChange | None = None
    work: Work | None = None
    held_out: HeldOut | None = None
    derivative_check: DerivativeCheck | None = None
    probe_alone: Probe | None = None
    histogram: Histogram | None = None
    histogram_weighted: Histogram | None = None
    magnitudes: Histogram | None = None


class Spectrum(Record):
    """Spectrum of the total's Hessian; `shares` is each term's part of the curvature along its sharpest direction."""

    density: Density | None = None
    trace: Estimate | None = None
    stability: Stability | None = None
    shares: dict[str, float] = {}
    products: int = 0
    basis_limit: int = 0


class RunCard(Record):
    """Under what circumstances the diagnosis was made.

    Attributes:
        source: the file that was analysed, "" for a live PINN.
        origin: where its PINN came from, as in `PINN`; "run" for a watched training.
        factory: the function that made it, as `--factory` takes it, or "".
    """

    name: str
    created: str
    pinndiag: str
    torch: str
    python: str
    device: str
    dtype: str
    parameters: int
    mode: str
    seed: int
    seconds: float
    costs: dict[str, float] = {}
    source: str = ""
    origin: str = ""
    factory: str = ""
    optimizer: OptimizerCard | None = None
    notes: list[str] = []

    @property
    def target(self) -> str:
        """What a command is given to load the same again; "" where there is no file."""
        words = [self.source, "--factory", self.factory] if self.factory else [self.source]
        return shlex.join(words) if self.source else ""


class Criteria(Record):
    """By what the measurements were judged, where it is not everything by the default thresholds.

    Attributes:
        select: codes or prefixes of the checks that were judged; empty: all.
        ignore: codes or prefixes of the checks that were left out.
        thresholds: name -> where that threshold was instead: "value" and "grave".
    """

    select: list[str] = []
    ignore: list[str] = []
    thresholds: dict[str, dict[str, float]] = {}


class DiagnosisRecord(Record):
    """`diagnosis.json`. Absent parts are null, and `reasons` says why: section -> reason."""

    schema: str
    verdict: Verdict
    findings: list[Finding]
    passed: list[str]
    not_applicable: list[NotApplicable]
    terms: dict[str, TermRecord]
    total: TermRecord | None
    cosine: dict[str, float]
    ratio: dict[str, float]
    alignment: float | None
    cancellation: float | None
    layers: list[LayerGradients]
    spectrum: Spectrum | None
    ntk: Kernel | None
    pointwise: dict[str, Pointwise]
    pareto: Pareto | None
    solution: Solution | None
    activations: Activations | None
    parameters: Parameters | None
    precision: Precision | None
    probe: Probe | None
    start: Start | None
    run: RunCard
    reasons: dict[str, str]
    trials: Trials | None = None
    history: History | None = None
    constant: Constant | None = None
    noise: Noise | None = None
    estimated_error: EstimatedError | None = None
    criteria: Criteria = Criteria()

    @property
    def problems(self) -> list[Finding]:
        """The findings of severity "problem", worst first."""
        return [finding for finding in self.findings if finding.severity == "problem"]
