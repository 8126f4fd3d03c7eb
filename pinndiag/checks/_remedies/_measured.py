"""How an expected effect is stated."""

__all__ = ["MEASURED"]

MEASURED = "relative L2 error before and after the same number of steps"
