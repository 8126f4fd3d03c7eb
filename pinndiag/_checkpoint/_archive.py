"""Opening a file of weights without trusting it: the container, then the pickle, then torch.load or safetensors."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import safetensors
import torch
from safetensors.torch import load_file

from pinndiag._checkpoint._pickle import ForeignObjectError, UnsoundPickleError, inspect
from pinndiag._checkpoint._refusal import Refusal, listed

__all__ = ["read_archive"]

ZIP = b"PK\x03\x04"
KNOWN_STARTS = {
    b"PK\x05\x06": "an empty zip file",
    b"\x89HDF": "an HDF5 file (Keras, MATLAB)",
    b"\x93NUM": "a NumPy array",
    b"\x1f\x8b": "a gzip file",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"vers": "a pointer to a file in Git LFS",
}
OURS = "pinndiag reads files of torch.save (torch 1.6 or newer) and safetensors files"


def read_archive(path: Path, *, unsafe: bool = False) -> Any:
    """What a file of torch.save or safetensors holds, its tensors on the CPU.

    Args:
        path: the file.
        unsafe: unpickle objects as well, which may run any code that the file's author wrote.

    Raises:
        CheckpointError: no such file, a file of another kind, damaged, or one that would run code when it is opened.

    Cost: the size of the file in memory. Nothing larger is allocated, whatever the file claims.
    """
    refuse = Refusal(path)
    try:
        if not path.is_file():
            folder = path.is_dir()
            raise refuse(
                "is a folder" if folder else "there is no such file",
                cause="the name of a folder was given" if folder else "a typing error, or another current folder",
                fix="give the name of the checkpoint file",
            )
        with path.open("rb") as file:
            return _content(file, path, unsafe, refuse)
    except OSError as error:
        raise refuse(
            "cannot be read",
            cause=f"{type(error).__name__}: {error.strerror or error}",
            fix="check the name and the permissions of the file",
        ) from error


def _content(file: IO[bytes], path: Path, unsafe: bool, refuse: Refusal) -> Any:
    start = file.read(16)
    if not start:
        raise refuse("is empty", cause="writing it was interrupted, or the disk was full")
    if path.suffix == ".safetensors" or start[8:10] == b'{"':
        try:
            return load_file(path)
        except (safetensors.SafetensorError, ValueError, RuntimeError, KeyError) as error:
            raise refuse("is not a whole safetensors file", where=f"{path}: {_first_line(error)}") from error
    objects = not start.startswith(ZIP)
    if not objects:
        try:
            _check_zip(file, path.stat().st_size, refuse)
        except ForeignObjectError as error:
            objects = True
            if not unsafe:
                raise _objects(refuse, error) from error
    elif not (unsafe and start.startswith(b"\x80")):
        raise _other_kind(start, refuse)
    file.seek(0)
    try:
        return torch.load(file, map_location="cpu", weights_only=not objects)
    except Exception as error:  # torch, or with unsafe=True the file's own code, may raise anything
        where = f"{path}: {type(error).__name__}: {_first_line(error)}"
        if not objects:
            raise refuse("cannot be opened by torch.load", where=where) from error
        raise refuse(
            "cannot be opened by torch.load, even with weights_only=False",
            where=where,
            cause="the classes of its objects cannot be imported here, or the file is damaged",
            fix="run where the training script's modules can be imported, or save the state dict there",
        ) from error


def _check_zip(file: IO[bytes], size: int, refuse: Refusal) -> None:
    """Check that nothing in the zip file is larger than the file, and that its pickle is harmless."""
    try:
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        names = [member.filename for member in members]
        if any("/code/" in name for name in names):  # before its parts are looked at: some are compressed
            raise refuse(
                "holds a TorchScript or exported program",
                where=listed(names),
                cause="it was written by torch.jit.save or torch.export.save",
                fix="save the weights: torch.save(model.state_dict(), ...)",
            )
        if len(set(names)) != len(names) or any(m.compress_type != zipfile.ZIP_STORED for m in members):
            raise refuse(
                "its parts are compressed or occur twice, which torch.save does not do",
                where=listed(names),
                cause="it is a zip file of something else, or made to fill the memory",
                fix="use a file from a source you trust",
            )
        if sum(member.file_size for member in members) > size:
            raise refuse("its parts claim to be larger than the file")
        if (bad := archive.testzip()) is not None:
            raise refuse(
                f"is damaged: the check sum of {bad!r} is wrong",
                cause="bytes changed on the way, or it was written with torch.serialization.set_crc32_options(False)",
                fix="copy it again, or write it again with check sums",
            )
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if any(name.endswith("/constants.pkl") for name in names) or len(pickles) != 1:
            raise refuse(
                "is a zip file, but not one of torch.save",
                where=listed(names),
                cause="another program wrote it",
                fix="save the weights: torch.save(model.state_dict(), ...)",
            )
        prefix = pickles[0].removesuffix("data.pkl") + "data/"
        storages = {m.filename.removeprefix(prefix): m.file_size for m in members if m.filename.startswith(prefix)}
        inspect(archive.read(pickles[0]), storages)
    except UnsoundPickleError as error:
        raise refuse(f"is damaged or harmful: {error}", fix="use a file from a source you trust") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise refuse("is not a whole torch file", where=f"{refuse.path}: {_first_line(error)}") from error


def _objects(refuse: Refusal, error: ForeignObjectError) -> Exception:
    if any(name.startswith("torch.nn.modules") for name in error.names):
        what, cause = "a whole module", "it was written by torch.save(model, ...)"
    elif all(name.startswith(("numpy", "_codecs")) for name in error.names):
        what, cause = "numbers of numpy's types", "a loss or a setting was saved without float()"
    else:
        what, cause = "objects of classes of their own", "settings, a solver or a model were saved beside the weights"
    return refuse(
        f"holds {what} in a pickle, and opening that runs code",
        where=f"it would call {listed(error.names)}",
        cause=cause,
        fix="save the weights alone: torch.save(model.state_dict(), ...), or pinn.save(...); "
        "if you trust whoever wrote the file: unsafe=True (on the command line --unsafe-load)",
    )


def _other_kind(start: bytes, refuse: Refusal) -> Exception:
    kind = next((name for magic, name in KNOWN_STARTS.items() if start.startswith(magic)), None)
    if start.startswith(b"\x80"):
        kind = "a bare pickle, or of torch before 1.6; opening it may run code"
    elif kind is None:
        kind = "text" if all(32 <= byte < 127 or byte in b"\r\n\t" for byte in start) else "of an unknown kind"
    return refuse(
        f"is no checkpoint: it is {kind}",
        where=f"it starts with {start!r}",
        cause=OURS,
        fix="give the file that was written by pinn.save(), or by torch.save(model.state_dict(), ...)",
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return ascii(lines[0][:200])[1:-1] if lines else type(error).__name__
