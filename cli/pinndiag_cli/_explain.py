"""`pinndiag explain CODE`: how a pathology is detected, why it matters, how to fix it."""

from __future__ import annotations

import click

from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE
from pinndiag_cli._streams import markdown

__all__ = ["explain"]


@click.command(
    epilog="""\b
Examples:
  pinndiag explain PD201
  pinndiag explain pde_dominates"""
)
@click.argument("code")
@options.verbose()
def explain(code: str, verbose: bool) -> int:
    """Explain a check: how it is told, why it matters, what helps.

    CODE is a code such as PD201, or the name of a pathology.
    """
    from pinndiag.checks import explain as explained
    from pinndiag_cli._codes import find

    markdown(explained(find(code)))
    return FINE
