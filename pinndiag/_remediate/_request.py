"""What is asked of a remediation, refused where it makes no sense before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pinndiag._errors import PinndiagError
from pinndiag._records import DiagnosisRecord
from pinndiag._remediate._candidates import Candidate, named
from pinndiag._terms._pinn import PINN
from pinndiag.schemes import AbstractScheme
from pinndiag.schemes._numbers import COUNT, Range, plain

__all__ = ["AUTO", "Schemes", "asked", "check_start", "is_auto", "whole"]

AUTO = "auto"

Schemes = str | AbstractScheme | type[AbstractScheme] | Sequence[str | AbstractScheme | type[AbstractScheme]]

NUMBERS: Mapping[str, Range] = {
    "steps": Range(2, whole=True),
    "seeds": Range(1, whole=True, meaning="seeds= is how many runs each arm has, not a list of seeds"),
    "resample": Range(0, whole=True, meaning="steps after which the points change; 0 for never"),
    "jobs": COUNT,
}


def whole(**numbers: Any) -> list[int]:
    """The numbers of a remediation, each where it makes sense.

    Raises:
        PinndiagError: one is not.

    >>> whole(steps=300, jobs=1)
    [300, 1]
    """
    found: list[int] = []
    for name, value in numbers.items():
        number = plain(value)
        if number not in NUMBERS[name]:
            raise PinndiagError(
                f"remediate cannot be asked for {name}={value!r}",
                where=f"{name} is {NUMBERS[name]}",
                cause=NUMBERS[name].meaning,
                fix="give such a number",
            )
        found.append(number)
    return found


def check_start(pinn: object, start: str) -> None:
    """Raise where training cannot begin there."""
    if not isinstance(pinn, PINN):
        raise PinndiagError(
            f"remediate treats a wrapped PINN, and this is a {type(pinn).__name__}",
            fix="pass what pinndiag.wrap(model, terms) or pinndiag.load('checkpoint.pt') returns",
        )
    if start not in ("checkpoint", "initial"):
        raise PinndiagError(f"there is no start {start!r}", fix="start='checkpoint' or start='initial'")
    if start == "initial" and pinn.initial is not None:
        same = all(torch.equal(pinn.initial[name].to(t.device), t.detach()) for name, t in pinn.parameters.items())
        if same:
            raise PinndiagError(
                "the initial parameters are those of the checkpoint",
                where=f"{len(pinn.parameters)} tensors, all equal",
                cause="the model was wrapped after training, without initial=",
                fix="wrap before training or pass initial=, and save again; or start from the checkpoint",
            )


def is_auto(schemes: Any) -> bool:
    """Whether the diagnosis is to name the schemes.

    Raises:
        PinndiagError: it is asked for beside others.
    """
    given = _listed(schemes)
    if not any(isinstance(one, str) and one == AUTO for one in given):
        return False
    if len(given) > 1:
        raise PinndiagError(
            "'auto' is asked for beside other schemes",
            where=", ".join(one if isinstance(one, str) else type(one).__name__ for one in given),
            cause="'auto' tries those that the diagnosis speaks for",
            fix="ask for 'auto' alone, or name every scheme",
        )
    return True


def asked(schemes: Any, pinn: PINN, record: DiagnosisRecord) -> list[Candidate]:
    """The schemes that were asked for, each under a name of its own.

    Raises:
        PinndiagError: there is none, or one that does not fit.
    """
    found: list[Candidate] = []
    for one in _listed(schemes):
        scheme = named(one, pinn, record)
        key = scheme.about.key
        count = sum(known.key.split(" ")[0] == key for known in found)
        found.append(Candidate(key if count == 0 else f"{key} ({count + 1})", scheme, "asked for"))
    if not found:
        raise PinndiagError("no scheme was named", fix='pass schemes="auto", or keys such as ["lra"]')
    return found


def _listed(schemes: Any) -> list[Any]:
    if isinstance(schemes, (str, type, AbstractScheme)):
        return [schemes]
    try:
        return list(schemes)
    except TypeError:
        raise PinndiagError(
            f"schemes= is a {type(schemes).__name__}",
            fix='pass "auto", keys such as ["lra"], or schemes such as [pinndiag.schemes.LRAnnealing()]',
        ) from None
