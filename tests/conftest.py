"""For every test: seeded, one thread, no device but the CPU."""

from __future__ import annotations

import pytest
import torch

torch.set_num_threads(1)  # many small tests side by side: threads would only wait for each other


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
