"""What a replay leaves behind: no tensor for the garbage collector, no compiler of torch in the process."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

from tests.cases import poisson

ANALYSED = """
import sys
import pinndiag
from pinndiag import analyzers
pinn = pinndiag.load(sys.argv[1])
analyzers.constant(pinn)
analyzers.descent_probe(pinn, iterations=2)
assert "torch._dynamo" not in sys.modules
"""


def test_a_replay_leaves_no_tensor_to_the_collector() -> None:
    copy = poisson().copy()
    gc.collect()
    gc.disable()
    try:
        torch.stack(list(copy.losses().values())).sum().backward()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(item) for item in gc.garbage if isinstance(item, Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def test_a_file_is_read_and_descended_on_without_the_compiler_of_torch(tmp_path: Path) -> None:
    poisson().save(tmp_path / "poisson.pt")
    command = [sys.executable, "-c", ANALYSED, str(tmp_path / "poisson.pt")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
