"""One evaluation of all loss terms inside training: each term's gradient, and their weighted sum as one loss."""

from pinndiag._engine._evaluation import SCALE, Evaluation, Matrix
from pinndiag._engine._join import Combination, Measured, joined

__all__ = ["SCALE", "Combination", "Evaluation", "Matrix", "Measured", "joined"]
