"""How a checkpoint is loaded: device and precision by name, and what to say where it holds no terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinndiag import PinndiagError
from pinndiag_reports._numbers import plural

if TYPE_CHECKING:
    import torch

    from pinndiag import PINN

__all__ = ["FACTORY", "described", "device_of", "dtype_of", "needs_factory"]

FACTORY = "heat.py"  # the one name that examples use


def described(pinn: PINN, name: str) -> str:
    """`heat.pt: 2 terms, 7801 trainable parameters, float32 on cpu`."""
    kind = str(pinn.dtype).removeprefix("torch.")
    return f"{name}: {plural(len(pinn.names), 'term')}, {pinn.size} trainable parameters, {kind} on {pinn.device}"


def needs_factory(lacking: PinndiagError, command: str) -> PinndiagError:
    """The error for mere weights, in as few lines as say what to do.

    Args:
        lacking: what the library said.
        command: the command line that `--factory` is to be added to.
    """
    return PinndiagError(
        lacking.what,
        where=lacking.where,
        cause=lacking.cause,
        fix=f"`pinndiag init {FACTORY}` writes a template; put your terms in it, then: "
        f"{command} --factory {FACTORY}:make",
    )


def device_of(name: str | None) -> torch.device | None:
    """The device of that name; None for None.

    Raises:
        PinndiagError: this machine has no such device.
    """
    if name is None:
        return None
    import torch

    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA fails an assertion
        raise PinndiagError(
            f"there is no device {name!r} here",
            where=str(error).splitlines()[0],
            cause="a misspelt name, or a device that this machine or this build of torch does not have",
            fix="pinndiag env lists the devices; --device cpu is always there",
        ) from None
    return device


def dtype_of(name: str | None) -> torch.dtype | None:
    """float32 or float64 by name; None for None."""
    if name is None:
        return None
    import torch

    return {"float32": torch.float32, "float64": torch.float64}[name]
