"""Fits on a copy of a PINN: L-BFGS with a strong line search, the last layer by least squares."""
