"""What is said about a scheme: its key, what it needs, where it comes from, how it is known to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

__all__ = ["About", "Needs"]

Needs = Literal["nothing", "losses", "gradients", "residuals", "residual Jacobians"]


@final
@dataclass(frozen=True)
class About:
    """Facts about one scheme.

    Attributes:
        key: its name on the command line and in files.
        title: what it does, in a few words.
        needs: what it looks at to decide.
        source: where the formula comes from.
        failure: how it is known to fail.
    """

    key: str
    title: str
    needs: Needs
    source: str
    failure: str
