"""Judging over time: runs written through the store, in which each check that can judge a run holds for a while."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pinndiag._history import diagnose_run
from pinndiag._records import (
    CurvatureLine,
    DiagnosisRecord,
    EventLine,
    Finding,
    OptimizerCard,
    Stability,
    StepLine,
    TermCurvature,
    Work,
)
from pinndiag._store import read_run
from pinndiag.checks._measures import start_gradients
from tests.checks.records import start
from tests.store.runs import curvature, header, put, step

COUNT = 48  # one record a judged step
Sick = Callable[[int], bool]

WHEN: dict[str, Sick] = {
    "always": lambda i: True,
    "start": lambda i: i < 6,
    "middle": lambda i: 6 <= i < 40,
    "late": lambda i: i >= 30,
    "last": lambda i: i == COUNT - 1,
    "never": lambda i: False,
}
COURSE = {"always": "persistent", "late": "recent", "middle": "now and then", "last": "recent"}


def healthy(i: int) -> tuple[StepLine, CurvatureLine]:
    """Both terms fall by a decade, with work left."""
    losses = {"pde": 10 ** (-i / COUNT), "bc": 0.1 * 10 ** (-i / COUNT)}
    return step(i, losses, {"pde": 1.0, "bc": 0.5}), worked(i, 1e-3, 1e-3)


def worked(i: int, pde: float, bc: float, sharpness: float = 0.3) -> CurvatureLine:
    line = curvature(i)
    assert line.stability is not None
    works = {"pde": Work(value=pde, how="residuals", points=100), "bc": Work(value=bc, how="residuals", points=100)}
    stability = msgspec.structs.replace(line.stability, sharpness=sharpness, limit=1e-3 / sharpness)
    return msgspec.structs.replace(line, work=works, stability=stability)


def nan(i: int) -> tuple[StepLine, CurvatureLine]:
    bad = {"pde": math.nan, "bc": 1.0}
    return step(i, bad, bad), healthy(i)[1]


def detached(i: int) -> tuple[StepLine, CurvatureLine]:
    return step(i, {"pde": 1.0, "bc": 0.5}, {"pde": 1.0, "bc": 0.0}), healthy(i)[1]


def dominated(i: int, more: float = 1.0) -> tuple[StepLine, CurvatureLine]:
    line = step(i, {"pde": 1e-2, "bc": 0.1}, {"pde": 500.0 * more, "bc": 1.0})
    return line, worked(i, 1e-6, 1e-2)


def growing(i: int) -> tuple[StepLine, CurvatureLine]:
    line, _ = dominated(i)
    return line, worked(i, 1e-4 * 10 ** (-i / 10), 1e-2)


def vanishing(i: int) -> tuple[StepLine, CurvatureLine]:
    return step(i, {"pde": 1e-2, "bc": 0.1}, {"pde": 1e4, "bc": 1.0}), worked(i, 1e-2, 1e-2)


def overshooting(i: int) -> tuple[StepLine, CurvatureLine]:
    return healthy(i)[0], worked(i, 1e-3, 1e-3, sharpness=5.0)


def parallel(i: int) -> tuple[StepLine, CurvatureLine]:
    loss = 10 ** (-i / COUNT)
    line = step(i, {"pde": loss, "bc": loss}, {"pde": 1.0, "bc": 1.0})
    return msgspec.structs.replace(line, cosine={"pde|bc": 1.0}), healthy(i)[1]


def judged(
    folder: Path, sick: Callable[[int], Any], when: Sick, *, ended: bool = True, **options: Any
) -> DiagnosisRecord:
    lines: list[Any] = []
    for i in range(COUNT):
        lines += (sick if when(i) else healthy)(i)
    if ended:
        lines.append(EventLine(step=COUNT - 1, event="closed", text="the training ended"))
    head = header(optimizers=[OptimizerCard(kind="Adam", lr=1e-3)])
    return diagnose_run(read_run(put(folder, lines, head)), **options)


def found(record: DiagnosisRecord, code: str) -> Finding | None:
    return next((finding for finding in record.findings if finding.code == code), None)


@pytest.mark.parametrize(
    ("code", "sick"),
    [("PD201", dominated), ("PD202", vanishing), ("PD501", overshooting)],
)
@pytest.mark.parametrize("when", WHEN)
def test_a_check_of_the_training(code: str, sick: Callable[[int], Any], when: str, tmp_path: Path) -> None:
    """Persistent: a problem. At the last step only: a warning. Over before the end: a warning, if it lasted."""
    finding = found(judged(tmp_path, sick, WHEN[when]), code)
    if when in ("never", "start"):
        assert finding is None
        return
    assert finding is not None
    assert finding.severity == ("problem" if when in ("always", "late") else "warning")
    assert finding.course == COURSE[when]
    first = {"always": 0, "middle": 6, "late": 30, "last": COUNT - 1}[when]
    assert finding.held[0].first == first
    assert finding.held[-1].last == (39 if when == "middle" else COUNT - 1)
    if when == "last":
        assert "It held in 1 of the steps judged in the second half of the run only" in finding.sure
    if when == "middle":
        assert "not at the end" in finding.sure


@pytest.mark.parametrize("when", WHEN)
def test_a_fault_is_a_problem_at_once(when: str, tmp_path: Path) -> None:
    finding = found(judged(tmp_path, nan, WHEN[when]), "PD001")
    severity = None if finding is None else finding.severity
    assert severity == {"always": "problem", "late": "problem", "last": "problem", "middle": "warning"}.get(when)


def test_a_term_without_gradient_never_had_one_or_lost_it(tmp_path: Path) -> None:
    never = found(judged(tmp_path / "never", detached, WHEN["always"]), "PD002")
    assert never is not None
    assert (never.severity, never.course) == ("problem", "persistent")
    late = judged(tmp_path / "late", detached, WHEN["late"])
    assert found(late, "PD002") is None
    lost = found(late, "PD501")  # the training took it
    assert lost is not None
    assert (lost.severity, lost.held[0].first) == ("problem", 30)


def test_a_term_that_is_there_twice_from_the_start_to_the_end(tmp_path: Path) -> None:
    twice = found(judged(tmp_path / "twice", parallel, WHEN["always"]), "PD004")
    assert twice is not None
    assert (twice.severity, twice.course) == ("warning", "persistent")
    assert found(judged(tmp_path / "start", parallel, WHEN["start"]), "PD004") is None


def test_what_grows_is_called_so(tmp_path: Path) -> None:
    finding = found(judged(tmp_path / "growing", growing, WHEN["always"]), "PD201")
    assert finding is not None
    assert (finding.severity, finding.course) == ("problem", "growing")
    level = found(judged(tmp_path / "level", dominated, WHEN["always"]), "PD201")
    assert level is not None
    assert level.course == "persistent"


def test_the_start_of_the_run_is_looked_at(tmp_path: Path) -> None:
    """Terms a million apart at the first step: the problem was not made dimensionless, whatever came later."""

    def apart(i: int) -> tuple[StepLine, CurvatureLine]:
        sizes = {"pde": 1e8, "bc": 1.0} if i == 0 else {"pde": 1.0, "bc": 0.5}
        return step(i, {"pde": 1.0, "bc": 0.5}, sizes), healthy(i)[1]

    finding = found(judged(tmp_path, apart, WHEN["always"]), "PD102")
    assert finding is not None
    assert (finding.severity, finding.course) == ("problem", "persistent")


def test_the_first_step_is_measured_by_the_parameters(tmp_path: Path) -> None:
    """Adam moves each of P entries by its rate: 0.1 sqrt(P) against a norm of 2."""
    lines = [line for i in range(COUNT) for line in healthy(i)]
    lines[0] = msgspec.structs.replace(lines[0], lr=0.1)
    head = header(optimizers=[OptimizerCard(kind="Adam", lr=1e-3)], size=2.0)
    record = diagnose_run(read_run(put(tmp_path, lines, head)))
    assert record.start is not None
    assert record.start.update == pytest.approx(0.05 * math.sqrt(sum(head.parameters.values())))
    lines[0] = msgspec.structs.replace(lines[0], skipped=True)
    skipped = diagnose_run(read_run(put(tmp_path / "skipped", lines, head)))
    assert skipped.start is not None
    assert skipped.start.update is None
    old = diagnose_run(read_run(put(tmp_path / "old", lines, header(optimizers=head.optimizers))))
    assert old.start is not None
    assert old.start.update is None


def test_a_rate_that_hardly_moves_anything(tmp_path: Path) -> None:
    def still(i: int) -> tuple[StepLine, CurvatureLine]:
        line = step(i, {"pde": 1.0 - 1e-4 * i, "bc": 0.5}, {"pde": 1.0, "bc": 0.5})
        return msgspec.structs.replace(line, lr=1e-7), healthy(i)[1]

    lines = [line for i in range(COUNT) for line in still(i)]
    head = header(optimizers=[OptimizerCard(kind="Adam", lr=1e-7)], size=2.0)
    finding = found(diagnose_run(read_run(put(tmp_path, lines, head))), "PD503")
    assert finding is not None
    assert (finding.pathology, finding.severity) == ("under_trained", "problem")
    assert "the rate is tiny" in finding.title


def test_losses_that_jump_to_and_fro(tmp_path: Path) -> None:
    """Every other record ten times higher: each lies a decade off the middle of its neighbours."""

    def jumping(i: int) -> tuple[StepLine, CurvatureLine]:
        return step(i, {"pde": 10.0 ** (i % 2), "bc": 0.0}, {"pde": 1.0, "bc": 0.5}), healthy(i)[1]

    record = judged(tmp_path, jumping, WHEN["always"])
    assert record.history is not None
    assert record.history.scatter == pytest.approx(1.0)
    assert found(record, "PD505") is not None
    smooth = judged(tmp_path / "smooth", healthy, WHEN["always"])
    assert smooth.history is not None
    assert smooth.history.scatter == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("ended", [True, False])
def test_a_training_that_still_gets_on(ended: bool, tmp_path: Path) -> None:
    finding = found(judged(tmp_path, healthy, WHEN["always"], ended=ended), "PD503")
    assert finding is not None
    assert "ended while the loss still fell" in finding.title
    assert finding.severity == ("problem" if ended else "warning")
    assert ("If the training goes on, nothing is wrong." in finding.sure) is not ended


def test_a_training_that_stood_still(tmp_path: Path) -> None:
    def still(i: int) -> tuple[StepLine, CurvatureLine]:
        return healthy(20)[0].__class__(**{**fields(healthy(20)[0]), "step": i, "time": 0.5 * i}), healthy(i)[1]

    record = judged(tmp_path, still, lambda i: i > 20)
    finding = found(record, "PD504")
    assert finding is not None
    assert finding.severity == "problem"
    assert "since step 20" in finding.title


def test_a_loss_that_rises_again(tmp_path: Path) -> None:
    def risen(i: int) -> tuple[StepLine, CurvatureLine]:
        return step(i, {"pde": 0.9, "bc": 0.09}, {"pde": 1.0, "bc": 0.5}), healthy(i)[1]

    def fallen(i: int) -> tuple[StepLine, CurvatureLine]:
        return step(i, {"pde": 1e-3, "bc": 1e-4}, {"pde": 1.0, "bc": 0.5}), healthy(i)[1]

    lines = [line for i in range(COUNT) for line in (fallen if 12 <= i < 36 else risen)(i)]
    finding = found(diagnose_run(read_run(put(tmp_path, lines))), "PD501")
    assert finding is not None
    assert finding.severity == "problem"
    assert finding.evidence[0].value == pytest.approx(900, rel=0.01)


def test_a_weight_that_runs_away(tmp_path: Path) -> None:
    def run(i: int) -> tuple[StepLine, CurvatureLine]:
        weight = 10 ** (i / 8)
        sizes = {"pde": 1.0, "bc": 50.0 / weight}
        return step(i, {"pde": 1.0, "bc": 1e-3}, sizes, weights={"bc": weight}), healthy(i)[1]

    finding = found(judged(tmp_path, run, WHEN["always"]), "PD205")
    assert finding is not None
    assert finding.severity == "problem"


def test_the_start_is_judged_by_the_weights_of_the_start(tmp_path: Path) -> None:
    """A scheme that has lowered a weight since then did not do so at the first step."""

    def weighed(i: int) -> tuple[StepLine, CurvatureLine]:
        weights = {"pde": 10.0 ** (-i / 16)}
        return step(i, {"pde": 1e-2, "bc": 1e-2}, {"pde": 8.0, "bc": 2.0}, weights=weights), healthy(i)[1]

    record = judged(tmp_path, weighed, WHEN["always"])
    assert record.terms["pde"].weight < 2e-3
    assert start_gradients(record) == {"pde": 8.0, "bc": 2.0}
    assert start_gradients(msgspec.structs.replace(record, start=start())) == pytest.approx(
        {"pde": 20 * record.terms["pde"].weight, "bc": 1.0}  # a checkpoint: the weights it is trained with
    )


def test_a_finished_run_has_no_findings_whatever_it_went_through(tmp_path: Path) -> None:
    """Every alarming figure in the first fifth, and a finished network at the end."""

    def wild(i: int) -> tuple[StepLine, CurvatureLine]:
        line = step(i, {"pde": 100.0, "bc": 1e-3}, {"pde": 3e3, "bc": 1.0})
        return line, worked(i, 1e-6, 1e-2, sharpness=5.0)

    def calm(i: int) -> tuple[StepLine, CurvatureLine]:
        return step(i, {"pde": 1e-6, "bc": 1e-7}, {"pde": 1e-3, "bc": 1e-3}), worked(i, 1e-8, 1e-8)

    lines = [line for i in range(COUNT) for line in (wild if i < 9 else calm)(i)]
    record = diagnose_run(read_run(put(tmp_path, lines)))
    assert [finding for finding in record.findings if finding.severity != "note"] == []
    assert "(finished)" in record.verdict.text


def test_few_records_are_judged_as_they_stand(tmp_path: Path) -> None:
    lines = [line for i in range(6) for line in (dominated if i == 5 else healthy)(i)]
    finding = found(diagnose_run(read_run(put(tmp_path, lines))), "PD201")
    assert finding is not None
    assert finding.severity == "problem"


def test_a_run_is_judged_by_other_thresholds(tmp_path: Path) -> None:
    record = judged(tmp_path, dominated, WHEN["always"], thresholds={"work_ratio": 1e6})
    assert found(record, "PD201") is None
    assert record.criteria.thresholds["work_ratio"]["value"] == 1e6
    assert record.verdict.text.endswith("Thresholds of your own: work_ratio.")


def fields(line: StepLine) -> dict[str, Any]:
    return {name: getattr(line, name) for name in line.__struct_fields__}


def test_the_tools_of_these_tests_are_what_they_say() -> None:
    line = worked(0, 1e-3, 1e-2, sharpness=2.0)
    assert isinstance(line.stability, Stability)
    assert line.stability.lr / line.stability.limit == pytest.approx(2.0)
    assert isinstance(line.total, TermCurvature)
