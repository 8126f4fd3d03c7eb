"""Capture: the terms of a PINN as a graph of ATen operators, and terms that replay it."""

from __future__ import annotations

from pinndiag._capture._captured import Captured, captured
from pinndiag._capture._ends import End, first_layers, last_layer
from pinndiag._capture._graph import Graph
from pinndiag._capture._shapes import checked_shapes
from pinndiag._capture._terms import CapturedTerms

__all__ = ["Captured", "CapturedTerms", "End", "Graph", "captured", "checked_shapes", "first_layers", "last_layer"]
