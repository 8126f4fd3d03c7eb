"""`pinndiag checks`: what is checked."""

from __future__ import annotations

import json

import click

from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE
from pinndiag_cli._streams import data, result, table

__all__ = ["checks"]


@click.command(
    epilog="""\b
Examples:
  pinndiag checks
  pinndiag explain PD201"""
)
@options.as_json("Print the list as JSON.")
@options.verbose()
def checks(as_json: bool, verbose: bool) -> int:
    """List the checks: code, what it finds, what it needs."""
    from pinndiag.checks import CHECKS, NEEDS

    listed = sorted(CHECKS, key=lambda check: check.code)
    if as_json:
        rows = [{"code": c.code, "pathology": c.pathology, "title": c.title, "needs": list(c.needs)} for c in listed]
        data(json.dumps(rows))
        return FINE
    needs = {c.code: ", ".join(NEEDS[need].words for need in c.needs) for c in listed}
    table(("code", "finds", "needs"), [(c.code, f"{c.title}\n{c.pathology}", needs[c.code]) for c in listed])
    result("  next: pinndiag explain CODE   (how it is detected, why it matters, how to fix)")
    return FINE
