"""Derivatives of the terms in the parameters: Jacobian rows of residuals, Hessian operators, stability limits."""
