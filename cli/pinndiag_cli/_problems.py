"""`pinndiag problems`: the problems of the literature that `train` can train."""

from __future__ import annotations

import json

import click

from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE
from pinndiag_cli._streams import data, result, table

__all__ = ["problems"]


@click.command(
    epilog="""\b
Examples:
  pinndiag problems
  pinndiag train helmholtz --save helmholtz.pt"""
)
@options.as_json("Print the list as JSON.")
@options.verbose()
def problems(as_json: bool, verbose: bool) -> int:
    """List the literature's problems: equation, domain, source."""
    from pinndiag.problems import catalogue

    known = catalogue()
    if as_json:
        data(json.dumps([{"name": p.name, "title": p.title, "source": p.source} for p in known]))
        return FINE
    table(("name", "equation and domain", "source"), [(p.name, p.title, p.source) for p in known])
    result("  next: pinndiag train NAME --save NAME.pt   (then: pinndiag analyze NAME.pt)")
    return FINE
