"""`pinndiag.load`: self-contained files, and files of weights with a factory."""

from __future__ import annotations

from pathlib import Path

import torch

from pinndiag._checkpoint._archive import read_archive
from pinndiag._checkpoint._factory import made
from pinndiag._checkpoint._foreign import fill, no_terms
from pinndiag._checkpoint._read import is_self_contained, rebuild
from pinndiag._terms._pinn import PINN

__all__ = ["load"]


def load(
    path: str | Path,
    *,
    factory: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    unsafe: bool = False,
) -> PINN:
    """A wrapped PINN from a file.

    A file of `pinn.save` needs nothing else. Its losses and gradient norms are recomputed first, in its own precision,
    and must be those it was written with (relative 1e-3 in float32, 1e-8 in float64, or rounding). No object of the
    file is unpickled, and nothing but operators on an allow list is called.

    Any other file of weights (a state dict, a checkpoint of a training script or of Lightning, safetensors) needs a
    factory, whose model is filled with them. `notes` of the result says which key was taken.

    Args:
        path: the file.
        factory: "FILE.py:NAME" or "module:NAME": a function without arguments that returns a wrapped PINN. It runs the
            user's own code. With a file of `pinn.save` its terms take the place of those in the file.
        device: where to put the result.
        dtype: floating dtype of the result.
        unsafe: open files that hold pickled objects. This runs whatever code their author wrote.

    Raises:
        NoTermsError: the file has weights only, and no factory was given. The error carries the weights.
        CheckpointError: not a checkpoint, damaged, harmful, changed, from a newer version, or one that does not fit.
        CaptureError: another device or dtype was asked of a factory's PINN that cannot be captured.

    Cost: reading the file, one evaluation of each term with a backward pass.

    >>> import torch, pinndiag, tempfile, os
    >>> model = torch.nn.Linear(1, 1)
    >>> pinn = pinndiag.wrap(model, {"data": lambda: model(torch.ones(3, 1)) - 2})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pinndiag.load(pinn.save(os.path.join(folder, "checkpoint.pt"))).names
    ['data']
    """
    path = Path(path)
    content = read_archive(path, unsafe=unsafe)
    if factory is not None:
        pinn = made(factory)
        fill(pinn, content, path)
    elif is_self_contained(content):
        pinn = rebuild(content, path)
    else:
        raise no_terms(path, content)
    moved = device is not None and torch.device(device) != pinn.device
    if moved or (dtype is not None and any(t.dtype != dtype for t in pinn.tensors)):
        pinn = pinn.copy(dtype=dtype, device=device)
    pinn.factory = factory or ""
    return pinn
