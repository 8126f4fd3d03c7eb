"""PhysicsNeMo-Sym (archived in 2026): a tap on `solver.domain.compute_losses`, which gives all terms by output name.

Written from its sources (2.4.0) and from what was tried by hand; its tests use an object of the same shape, as the
package itself installs only beside a CUDA build of torch. Losses of several constraints on one output are one term.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor

from pinndiag._errors import PinndiagError
from pinndiag.integrations._framework import About, AbstractFramework, Trained, no_terms
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, tapped
from pinndiag.integrations._terms import Terms

__all__ = ["PhysicsNeMoSym"]


@final
class PhysicsNeMoSym(AbstractFramework):
    """A solver of PhysicsNeMo-Sym with the aggregator "sum". The weights of a scheme act in their own step."""

    about = About(
        key="physicsnemo-sym",
        package="physicsnemo.sym.solver",
        distribution="nvidia-physicsnemo-sym",
        tested=(),
        takes="a Solver of PhysicsNeMo-Sym",
        has=("domain.compute_losses",),
        caution="leave PhysicsNeMo-Sym's aggregator at `sum` while a scheme moves the weights",
    )

    def trained(self) -> Trained:
        """See `AbstractFramework`.

        Raises:
            PinndiagError: CUDA graphs are on: after the first steps Python is not called any more.
        """
        solver = self.subject
        if getattr(getattr(solver, "cfg", None), "cuda_graphs", False):
            raise PinndiagError(
                "PhysicsNeMo-Sym replays CUDA graphs, and its steps cannot be seen",
                where="cfg.cuda_graphs is true",
                cause="after about 20 steps no Python function is called any more",
                fix="set cuda_graphs: false in the configuration",
            )
        networks = list(solver.domain.create_global_optimizer_model())
        return Trained(networks[0] if len(networks) == 1 else {network.name: network for network in networks})

    def attach(self, observe: Observer) -> list[Removable]:
        """See `AbstractFramework`."""

        def compute_losses(method: Callable[..., dict[str, Tensor]], step: int) -> dict[str, Tensor]:
            losses = method(step)
            asked = observe(losses, {})
            return {name: asked[name] * loss for name, loss in losses.items()} if observe.balanced else losses

        return [tapped(self.subject.domain, "compute_losses", compute_losses)]

    def terms(self) -> Terms:
        """See `AbstractFramework`.

        Raises:
            PinndiagError: always: its constraints draw a batch each time they are evaluated.
        """
        raise no_terms(self.subject, "its constraints take the next batch of their loaders at each evaluation")
