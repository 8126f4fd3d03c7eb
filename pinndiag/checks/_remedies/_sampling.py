"""Remedies that change the points, or weigh them."""

from __future__ import annotations

from pinndiag._records import Prescription
from pinndiag.checks._remedies._measured import MEASURED
from pinndiag.checks._wording import quoted

__all__ = [
    "adaptive_points",
    "causal_weights",
    "drop_points",
    "more_points",
    "point_weights",
    "resample",
    "shifted_points",
    "time_windows",
]


def resample(*, anew: bool = False) -> Prescription:
    """Fresh collocation points during training; `anew` where what was learned so far is another problem's solution."""
    begin = "Begin anew, and draw" if anew else "Draw"
    return Prescription(
        title=f"{begin} new points during the training, every 100 steps or at each.",
        why="The network cannot learn points by heart that change.",
        expect=f"{MEASURED}: with Fourier features 0.25 to 0.0098. Alone it often uncovers a second cause "
        "(1.8 to 1.6).",
        code="""\
low, high = x.detach().amin(0), x.detach().amax(0)

def draw(n):
    return low + (high - low) * torch.rand(n, len(low), dtype=low.dtype, device=low.device)

# in the loop, before the losses are formed:
#     if step % 100 == 0:
#         x = draw(len(x)).requires_grad_(True)
""",
    )


def more_points() -> Prescription:
    """More points, spread evenly."""
    return Prescription(
        title="Or use more points, spread by a low-discrepancy sequence.",
        why="A residual that is small at the points only has room to hide between few of them.",
        code="""\
low, high = x.detach().amin(0), x.detach().amax(0)
sobol = torch.quasirandom.SobolEngine(len(low), scramble=True, seed=0)
x = (low + (high - low) * sobol.draw(4 * len(x)).to(low)).requires_grad_(True)
""",
    )


def shifted_points() -> Prescription:
    """Random points instead of a regular grid."""
    return Prescription(
        title="Or replace the regular points by random ones.",
        why="Regular points can fall on the zeros of a source or of an oscillation: then they describe another "
        "problem.",
        expect="What appears next is often spectral bias: judge again afterwards.",
        code="""\
low, high = x.detach().amin(0), x.detach().amax(0)
x = (low + (high - low) * torch.rand_like(x)).detach().requires_grad_(True)
""",
    )


def adaptive_points() -> Prescription:
    """Points where the residual is large."""
    return Prescription(
        title="Or draw points where the residual is large.",
        why="A feature between the points is seen by none of them.",
        expect=f"{MEASURED}: R3 sampling 1.0 to 0.60 for a narrow source (Daw et al. 2023, Wu et al. 2023).",
        code="""\
low, high = x.detach().amin(0), x.detach().amax(0)

def redrawn(x, residual):  # every 100 steps: keep the worst half, draw the rest anew
    size = residual.detach().reshape(len(x), -1).norm(dim=1)
    kept = x.detach()[size.argsort(descending=True)[: len(x) // 2]]
    fresh = low + (high - low) * torch.rand(len(x) - len(kept), x.shape[1], dtype=x.dtype, device=x.device)
    return torch.cat([kept, fresh]).requires_grad_(True)
""",
    )


def point_weights(name: str) -> Prescription:
    """Residual-based attention."""
    return Prescription(
        title=f"Weight the points of {quoted(name)} by their residuals (residual-based attention).",
        why="The points that carry the loss get the attention; the others keep what they have.",
        expect=f"{MEASURED}: 0.056 to 3.1e-3 (SA-PINN 0.0175, L-BFGS 4.7e-4, just longer 3.6e-4). For a source of "
        "small support it did nothing, SA-PINN 1.0 to 0.16 (Anagnostopoulos et al. 2024).",
        code="""\
attention = torch.zeros(len(x), 1, dtype=x.dtype, device=x.device)  # the points must stay the same

def attended(residual):  # residual: (points, components)
    size = residual.detach().abs()
    attention.mul_(0.999).add_(0.01 * size / size.max())
    return (attention * residual).pow(2).mean()
""",
    )


def drop_points() -> Prescription:
    """Points where the residual has no value."""
    return Prescription(
        title="Or move or drop the points where the residual is not finite.",
        why="A point on a singularity (an axis, a corner, r = 0) has no residual.",
        code="""\
with torch.enable_grad():
    residual = residual_of(x)  # (points, components)
keep = residual.detach().reshape(len(x), -1).isfinite().all(dim=1)
x = x.detach()[keep].requires_grad_(True)
""",
    )


def causal_weights() -> Prescription:
    """Weights that let the residual count only where the past is solved (Wang, Sankaran, Perdikaris 2024)."""
    return Prescription(
        title="Or let the residual of later times count only when earlier times are solved (causal weights).",
        why="Far from the initial condition anything that solves the equation will do; the solution has to travel.",
        expect=f"{MEASURED}: 1.0 to 0.107 (Wang, Sankaran, Perdikaris 2024). epsilon goes by the size of the residual "
        "where the network rests: with 1 and 100 growth from an unstable state stayed at 1.0, 1e4 gave 0.18.",
        code="""\
def causal(residual, t, slabs=20, epsilon=1.0):  # residual and t: (points, 1)
    order = t.detach().flatten().argsort()
    means = torch.stack([part.pow(2).mean() for part in residual.flatten()[order].chunk(slabs)])
    before = torch.cumsum(means.detach(), 0) - means.detach()
    return (torch.exp(-epsilon * before) * means).mean()
""",
    )


def time_windows() -> Prescription:
    """Marching: a network for each time window, which starts from the end of the one before."""
    return Prescription(
        title="March: one network for each short time window, started from the end of the one before.",
        why="In a short window the condition is never far away and no resting point is cheaper than to follow the "
        "solution (Krishnapriyan et al. 2021). Weight the window's start so that it pulls as hard as the equation "
        "(Wang, Sankaran, Perdikaris 2024), and finish each window, best by L-BFGS, before the next.",
        expect="relative L2 error before and after as many evaluations, ten windows, L-BFGS in float64: 1.0 to 5e-4 "
        "and 4e-3 for oscillations of three and six periods, 1.0 to 8e-4 for growth from an unstable state; without "
        "the weight at the start 1.0 to 0.87. A fast wave stayed at 1.0.",
        code="""\
ends = torch.linspace(float(t.min()), float(t.max()), 11)
networks = []
for low, high in zip(ends, ends[1:]):
    network = new_network(low, high)  # a fresh one that maps [low, high] to [-1, 1]
    known = given_start() if not networks else start_of(networks[-1], low)  # u, and u_t if the equation has u_tt
    t = low + (high - low) * torch.rand(200, 1)
    ratio = gradient_norm(equation_loss(network, t)) / gradient_norm(start_loss(network, low, known))
    finish(lambda: equation_loss(network, t) + ratio * start_loss(network, low, known))  # L-BFGS, float64
    networks.append(network)
# at any t the network of its window gives the solution
""",
    )
