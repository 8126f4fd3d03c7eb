"""The Allen-Cahn equation by a Fourier method."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

__all__ = ["allen_cahn"]


@lru_cache(maxsize=8)
def allen_cahn(
    end: float, times: int, *, diffusion: float = 1e-4, reaction: float = 5.0, modes: int = 1024
) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, " nodes"], Float[np.ndarray, "times nodes"]]:
    """The solution of u_t = diffusion u_xx + reaction (u - u^3), u(0, x) = x^2 cos(pi x), with period 2 on [-1, 1].

    Fourier collocation in x, Dormand-Prince of order 8 in t with relative tolerance 1e-10. The initial value has a kink
    at x = 1 when continued periodically, so that the error falls as a power of `modes` near it (tests).

    Args:
        end: the last time.
        times: how many times, from 0 to `end`, equidistant.
        diffusion: its coefficient.
        reaction: its coefficient.
        modes: nodes in x, from -1 on, without 1.

    Returns:
        Times, nodes, and u at each.

    Cost: a second; the last few results are kept in memory.
    """
    x = -1 + 2 * np.arange(modes) / modes
    decay = -diffusion * (np.pi * np.arange(modes // 2 + 1)) ** 2

    def slope(t: float, u: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.fft.irfft(decay * np.fft.rfft(u), modes) + reaction * (u - u**3)
        return found

    t = np.linspace(0.0, end, times)
    stable = 1 / -decay[-1]  # an explicit method must not step much farther
    start = x**2 * np.cos(np.pi * x)
    found = solve_ivp(slope, (0.0, end), start, "DOP853", t_eval=t, rtol=1e-10, atol=1e-12, max_step=stable)
    return t, x, found.y.T
