"""A scheme in full, as Markdown, out of its class: the docstring, the defaults, the presets."""

from __future__ import annotations

import inspect
import re

from pinndiag.schemes._registry import by_key
from pinndiag.schemes._scheme import AbstractScheme

__all__ = ["explain"]

_ENTRY = re.compile(r"    (?P<names>\w+(?:, \w+)*): (?P<words>.*)")


def explain(key: str) -> str:
    """What a scheme does, its arguments with their defaults, its presets, its cost, source and known failure.

    Args:
        key: a scheme's key or class name, in any case.

    Raises:
        PinndiagError: there is no such scheme; the message lists those there are.

    >>> print(explain("RBA").splitlines()[0])
    ## rba (RBA)
    """
    scheme = by_key(key)
    about = scheme.about
    doc, _, _ = (inspect.getdoc(scheme) or "").partition("\n>>>")
    before, _, rest = doc.partition("\nArgs:\n")
    arguments, _, after = rest.partition("\n\n")
    shared = (inspect.getdoc(AbstractScheme) or "").partition("\nArgs:\n")[2]
    parts = [
        f"## {about.key} ({scheme.__name__})",
        f"{about.title[0].upper()}{about.title[1:]}. Needs: {about.needs}.",
        _formulas(before),
        "**Arguments**\n\n" + "\n".join(_entries(arguments, _defaults(scheme))),
        "**Arguments of every scheme**\n\n" + "\n".join(_entries(shared, {})),
    ]
    if scheme.presets:
        rows = [f"- `{name}`: {_settings(settings)}" for name, settings in scheme.presets.items()]
        parts.append("**Presets**\n\n" + "\n".join(rows))
    parts += [_formulas(after), f"**Known failure** {about.failure}."]
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def _defaults(scheme: type[AbstractScheme]) -> dict[str, str]:
    found = {}
    for name, parameter in inspect.signature(scheme).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            found[name] = repr(parameter.default)
    return found


def _entries(text: str, defaults: dict[str, str]) -> list[str]:
    """The lines of an Args section, as a list."""
    found: list[str] = []
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry is not None and entry["names"] == "options":
            found.append(f"- further: {entry['words']}")
        elif entry is not None:
            names = entry["names"].split(", ")
            shown = ", ".join(f"`{name}={defaults[name]}`" if name in defaults else f"`{name}`" for name in names)
            found.append(f"- {shown}: {entry['words']}")
        elif line.strip():
            found[-1] += f" {line.strip()}"
    return found


def _settings(settings: object) -> str:
    assert isinstance(settings, dict)
    return ", ".join(f"{name}={value!r}" for name, value in settings.items()) or "the defaults"


def _formulas(text: str) -> str:
    """Paragraphs with their line breaks mended; indented lines stay as they are, for they are formulas."""
    paragraphs = text.strip("\n").split("\n\n")
    return "\n\n".join(p if p.startswith("    ") else " ".join(p.split()) for p in paragraphs)
