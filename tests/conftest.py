"""For every test: seeded, one thread, no device but the CPU."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

# the same examples at each run: a failure is the change's, not the day's
settings.register_profile("seeded", derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("seeded")

torch.set_num_threads(1)  # many small tests side by side: threads would only wait for each other


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
