"""`pinndiag schemes`: the balancing schemes, and one of them in full."""

from __future__ import annotations

import json

import click

from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE
from pinndiag_cli._streams import data, markdown, result, table

__all__ = ["schemes"]


@click.command(
    epilog="""\b
Examples:
  pinndiag schemes
  pinndiag schemes dynamic_norm"""
)
@click.argument("key", required=False)
@options.as_json("Print the list as JSON.")
@options.verbose()
def schemes(key: str | None, as_json: bool, verbose: bool) -> int:
    """List the balancing schemes, or explain one.

    KEY is a scheme's key or class: its formula, arguments with defaults, presets, cost, source.
    """
    from pinndiag.schemes import SCHEMES, by_key, explain

    chosen = list(SCHEMES.values()) if key is None else [by_key(key)]
    if as_json:
        rows = [
            {
                "key": scheme.about.key,
                "class": scheme.__name__,
                "title": scheme.about.title,
                "needs": scheme.about.needs,
                "source": scheme.about.source,
                "failure": scheme.about.failure,
                "presets": list(scheme.presets),
            }
            for scheme in chosen
        ]
        data(json.dumps(rows))
    elif key is not None:
        markdown(explain(key))
    else:
        table(
            ("key", "needs", "what it does"),
            [(s.about.key, s.about.needs.removeprefix("residual "), s.about.title) for s in chosen],
        )
        result("  next: pinndiag schemes KEY   (formula, arguments, presets, cost, source, known failure)")
    return FINE
