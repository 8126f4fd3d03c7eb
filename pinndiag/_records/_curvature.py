"""Records of the Hessian's spectrum, of the step-size limits that follow from it, and of the predicted change."""

from __future__ import annotations

from pinndiag._records._record import Record

__all__ = [
    "Curvature",
    "Density",
    "Eigenvalue",
    "Estimate",
    "PredictedChange",
    "Stability",
    "TermCurvature",
    "Tridiagonal",
]


class Eigenvalue(Record):
    """An end of a spectrum, from Lanczos.

    Attributes:
        value: the Ritz value theta.
        residual: |Hv - theta v| with |v| = 1, absolute: an eigenvalue lies within it of `value`. It does not prove
            that no eigenvalue lies further out.
        converged: the residual is within the asked tolerance, relative to `value`.
        products: Hessian-vector products spent.
    """

    value: float
    residual: float
    converged: bool
    products: int

    @property
    def resolved(self) -> bool:
        """Whether the value tells more than its residual: its sign is certain, its size roughly known."""
        return self.residual < abs(self.value)


class Estimate(Record):
    """A random estimate: mean over probes and its standard error."""

    value: float
    error: float
    probes: int


class PredictedChange(Record):
    """Predicted change of a term for one gradient step theta <- theta - lr G.

    Attributes:
        lr: the step size used.
        first_order: -lr g_i.G. (The slides of Wang, Teng and Perdikaris 2021 print |g_i|^2 here, which is right for a
            single term only: a misprint.)
        curvature: 1/2 lr^2 G^T H_i G.
    """

    lr: float
    first_order: float
    curvature: float


class TermCurvature(Record):
    """Curvature of one term, or of the weighted total."""

    sigma_max: Eigenvalue
    sigma_min: Eigenvalue
    predicted: PredictedChange | None = None


class Tridiagonal(Record):
    """What the Lanczos process leaves of a Hessian: its eigenvalues are the Ritz values.

    Attributes:
        alpha: the diagonal, alpha_1..k.
        beta: beside it, beta_1..k; the last one couples to what was not explored.
    """

    alpha: list[float]
    beta: list[float]


class Density(Record):
    """Spectral density of the total by stochastic Lanczos quadrature.

    Attributes:
        nodes: Ritz values of each probe.
        weights: their weights; each probe's sum is 1.
        steps: Lanczos steps a probe.
    """

    nodes: list[list[float]]
    weights: list[list[float]]
    steps: int


class Stability(Record):
    """The largest stable learning rate beside the one in use.

    Attributes:
        optimizer: "gradient descent", "Adam", ...
        rule: the formula that was used, in words.
        lr: learning rate in use.
        limit: largest stable learning rate for the local quadratic model.
        sharpness: lr / limit; 1 is the edge.
        sigma_max: the eigenvalue that sets the limit (of H, or of P^-1/2 H P^-1/2 for Adam).
        preconditioned: whether `sigma_max` is of the preconditioned Hessian.
    """

    optimizer: str
    rule: str
    lr: float
    limit: float
    sharpness: float
    sigma_max: Eigenvalue
    preconditioned: bool


class Curvature(Record):
    """What the curvature analyzer returns.

    Attributes:
        terms: curvature of each unweighted term.
        total: curvature of the weighted total.
        density: spectral density of the total.
        trace: trace of the total's Hessian.
        stability: limit of the learning rate, of the total.
        shares: w_i v.H_i v / v.Hv along the total's sharpest direction v: what each term has in it. They add up to 1;
            a negative one belongs to a term that is concave along v.
        products: Hessian-vector products in all (one with the total counts as one).
        basis_limit: most Lanczos vectors of P float64 kept in memory at a time.
        reasons: why a part is absent or not a number: "terms.NAME", "total", "density", "stability", "predicted" or
            "shares" -> reason.
    """

    terms: dict[str, TermCurvature]
    total: TermCurvature
    density: Density | None = None
    trace: Estimate | None = None
    stability: Stability | None = None
    shares: dict[str, float] = {}
    products: int = 0
    basis_limit: int = 0
    reasons: dict[str, str] = {}
