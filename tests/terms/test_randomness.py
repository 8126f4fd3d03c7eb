"""Random numbers held still."""

from __future__ import annotations

import random

import numpy as np
import torch

from pinndiag._terms._randomness import RandomState, replayed


def draw() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()


def test_every_generator_is_replayed_and_put_back() -> None:
    state = RandomState.now()
    expected = draw()
    after = RandomState.now()
    with replayed(state):
        assert draw() == expected
        draw()
    with replayed(after):
        following = draw()
    assert draw() == following


def test_seeding_does_not_disturb() -> None:
    before = RandomState.now()
    a, b = RandomState.seeded(1), RandomState.seeded(2)
    following = draw()
    with replayed(before):
        assert draw() == following
    with replayed(a):
        first = draw()
    with replayed(b):
        assert draw() != first
    with replayed(RandomState.seeded(1)):
        assert draw() == first


def test_generators_are_put_back_after_an_error() -> None:
    before = torch.get_rng_state()
    try:
        with replayed(RandomState.seeded(3)):
            torch.rand(5)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert torch.equal(before, torch.get_rng_state())
