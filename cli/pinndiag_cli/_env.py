"""`pinndiag env`: the block to paste into an issue."""

from __future__ import annotations

import os
import platform

import click

from pinndiag import __version__
from pinndiag_cli import _options as options
from pinndiag_cli._status import FINE
from pinndiag_cli._streams import result

__all__ = ["env"]

PACKAGES = ("numpy", "scipy", "matplotlib", "click", "rich", "jinja2", "msgspec", "safetensors", "jaxtyping")


@click.command(
    epilog="""\b
Examples:
  pinndiag env
  pinndiag env > environment.txt"""
)
@options.verbose()
def env(verbose: bool) -> int:
    """Print versions and devices, to paste into an issue."""
    rows = [
        ("pinndiag", __version__),
        ("python", f"{platform.python_version()} ({platform.python_implementation()}), {platform.platform()}"),
        *_torch(),
        ("cores", f"{os.cpu_count()}, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}"),
        *((name, _version(name)) for name in PACKAGES),
    ]
    result("\n".join(f"{name:<12}{value}" for name, value in rows))
    return FINE


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _torch() -> list[tuple[str, str]]:
    try:
        import torch
    except Exception as error:  # an installation that is broken is what this command is asked about
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        return [("torch", "not installed" if missing else f"cannot be imported: {type(error).__name__}: {error}")]
    rows = [("torch", f"{torch.__version__}, {torch.get_num_threads()} threads"), ("device", "cpu")]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            words = f"cuda:{index} {card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
            rows.append(("device", words))
    if torch.backends.mps.is_available():
        rows.append(("device", "mps"))
    return rows
