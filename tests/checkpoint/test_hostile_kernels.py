"""Graphs that call kernels with arguments that do not fit: refused, and never the end of the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pinndiag._capture import checked_shapes
from pinndiag._capture._graph import Constant, Graph, Node, Ref
from pinndiag._errors import CheckpointError

ROOT = Path(__file__).parents[2]


def test_changed_calls_in_a_process_of_their_own(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.checkpoint.kernel_trials", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert lines[-1:] == ["survived"], (run.returncode, lines[-1:], run.stderr[-2000:])


def graph(operator: str, *arguments: Any) -> Graph:
    """A graph of one call; tensors become constants."""
    constants = [Constant(a) for a in arguments if isinstance(a, torch.Tensor)]
    places = iter(range(len(constants)))
    given = tuple(Ref("constant", next(places)) if isinstance(a, torch.Tensor) else a for a in arguments)
    return Graph((), tuple(constants), (Node(f"aten.{operator}", given, {}),), {})


def t(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.float64)


MASK = [True, True, True]


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("_weight_norm_interface.default", (t(8, 5), t(1, 1), 0)),
        ("_weight_norm_interface.default", (t(2, 8, 5), t(1, 8, 1), 1)),
        ("_weight_norm_interface_backward.default", (t(8, 5), t(8, 6), t(8, 1), t(8, 1), 0)),
        ("_weight_norm_interface_backward.default", (t(8, 5), t(8, 5), t(8, 1), t(1), 0)),
        ("native_layer_norm_backward.default", (t(6, 8), t(6, 8), [8], t(6, 1), t(1), t(8), t(8), MASK)),
        ("native_layer_norm_backward.default", (t(2, 8), t(6, 8), [8], t(6, 1), t(6, 1), t(8), t(8), MASK)),
        ("_native_batch_norm_legit.no_stats", (t(6, 8), t(), t(8), True, 0.1, 1e-5)),
        ("native_batch_norm_backward.default", (t(6, 8), t(6, 8), t(8), None, None, t(8), t(), True, 1e-5, MASK)),
        ("native_batch_norm_backward.default", (t(6, 8), t(6, 8), t(8), t(8), None, t(8), t(8), False, 1e-5, MASK)),
        ("convolution_backward.default", (t(2, 4), t(2, 3, 8), t(4, 3, 3), None, [1], [0], [1], False, [0], 1, MASK)),
        ("convolution_backward.default", (t(2, 4, 6), t(2, 3, 8), t(4, 3, 3), [5], [1], [0], [1], False, [0], 1, MASK)),
        ("log_sigmoid_backward.default", (t(8), t(8), t(1))),
        ("_adaptive_avg_pool2d_backward.default", (t(1, 2, 2, 2), t(1, 2, 4, 0))),
        ("_fft_c2r.default", (t(4, 3).to(torch.complex128), [0, 1], 1, 2)),
        ("linalg_lu_solve.default", (t(2, 2), torch.tensor([9, 10**6], dtype=torch.int32), t(2, 1))),
    ],
)  # fmt: skip
def test_sizes_that_no_forward_pass_gives(operator: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(CheckpointError, match="arguments that it does not check itself"):
        checked_shapes(graph(operator, *arguments))


def test_pivots_come_from_the_factorisation_of_the_same_matrix() -> None:
    tall, wide, right = (Constant(t(*shape)) for shape in ((4, 2), (2, 2), (2, 1)))
    factor = "aten.linalg_lu_factor_ex.default"
    nodes = (Node(factor, (Ref("constant", 0),), {}), Node(factor, (Ref("constant", 1),), {}))

    def solving(factors: Ref, pivots: Ref) -> Graph:
        solve = Node("aten.linalg_lu_solve.default", (factors, pivots, Ref("constant", 2)), {})
        return Graph((), (tall, wide, right), (*nodes, solve), {})

    checked_shapes(solving(Ref("node", 1, 0), Ref("node", 1, 1)))
    for pivots in (Ref("node", 0, 1), Ref("node", 1, 2)):
        with pytest.raises(CheckpointError, match="arguments that it does not check itself"):
            checked_shapes(solving(Ref("node", 1, 0), pivots))
