"""Files that are damaged, foreign, or made to do harm: each is refused, nothing runs, nothing large is allocated."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import struct
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from pinndiag import CheckpointError
from pinndiag._checkpoint._archive import read_archive
from pinndiag._checkpoint._pickle import ForeignObjectError, UnsoundPickleError, inspect

Made = Callable[..., Path]


@pytest.fixture
def little_memory() -> Iterator[None]:
    """At most 2 GiB more address space than now: a larger allocation fails the test at once."""
    if not sys.platform.startswith("linux"):
        yield
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


class Runs:
    """Creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.trace}",)


def every_kind() -> dict[str, Any]:
    base = torch.arange(12.0).reshape(3, 4)
    return {
        "state": torch.nn.Linear(2, 3).state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "view": base[1:, ::2],
        "transposed": base.T,
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 3),
        "expanded": torch.ones(1).expand(50),
        "kinds": [torch.zeros(2, dtype=d) for d in (torch.bool, torch.complex64, torch.bfloat16, torch.uint16)],
        "plain": (1, -2, 10**30, 1.5, True, None, "naïve", b"bytes", 1j, {1, 2}, torch.Size([1, 2]), torch.float32),
        "counter": Counter({3: 1}),
        "ordered": OrderedDict([("a", 1)]),
        "device": torch.device("cpu"),
        3: [[]],
    }


def test_ordinary_files_are_read(saved: Made) -> None:
    content = every_kind()
    found = read_archive(saved(content))
    assert found["plain"] == content["plain"]
    assert found["counter"] == content["counter"]
    for name in ("parameter", "view", "transposed", "scalar", "empty", "expanded"):
        assert torch.equal(found[name], content[name])
    assert all(torch.equal(a, b) for a, b in zip(found["kinds"], content["kinds"], strict=True))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"w": torch.ones(3, 2)}, tmp_path / "w.safetensors")
    (tmp_path / "other_name").write_bytes((tmp_path / "w.safetensors").read_bytes())
    for name in ("w.safetensors", "other_name"):
        assert torch.equal(read_archive(tmp_path / name)["w"], torch.ones(3, 2))


def test_broken_safetensors(tmp_path: Path, refused: Any, little_memory: None) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.ones(3, 2)}, path)
    whole = path.read_bytes()
    lying = b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    for content in (
        whole[:-4],
        whole[:30],
        struct.pack("<Q", 2**60) + whole[8:],
        struct.pack("<Q", len(lying)) + lying,
    ):
        path.write_bytes(content)
        with refused("safetensors"):
            read_archive(path)


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (b"", "is empty"),
        (b"step,loss\n1,2\n", "it is text"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
        (b"PK\x05\x06" + bytes(18), "empty zip"),
        (b"PK\x03\x04" + bytes(40), "not a whole torch file"),
        (b"PK\x03\x04", "not a whole torch file"),
        (bytes(range(200, 256)), "unknown kind"),
        (pickle.dumps({"a": 1}), "bare pickle"),
        (b"\x80", "bare pickle"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, refused: Any, content: bytes, pattern: str) -> None:
    path = tmp_path / "file.pt"
    path.write_bytes(content)
    with refused(pattern):
        read_archive(path)


def test_no_file_and_folder(tmp_path: Path, refused: Any) -> None:
    with refused("there is no such file"):
        read_archive(tmp_path / "absent.pt")
    with refused("is a folder"):
        read_archive(tmp_path)
    with refused(""):
        read_archive(tmp_path / ("x" * 5000))
    with refused(""):
        read_archive(Path("a\0b"))


def test_every_truncation_is_refused(saved: Made, refused: Any) -> None:
    path = saved({"state_dict": torch.nn.Linear(2, 3).state_dict()})
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with refused():
            read_archive(path)


def test_a_changed_byte_of_a_tensor_is_noticed(saved: Made, refused: Any) -> None:
    path = saved({"w": torch.full((64,), 1.5)})
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((64,), 1.5).numpy().tobytes()) + 17] ^= 1
    path.write_bytes(content)
    with refused("check sum"):
        read_archive(path)


def test_code_is_not_run(saved: Made, tmp_path: Path, refused: Any) -> None:
    trace = tmp_path / "trace"
    path = saved({"state_dict": {"w": torch.ones(2)}, "extra": Runs(trace)})
    with refused("runs code") as found:
        read_archive(path)
    assert "system" in found[0].where
    assert not trace.exists()
    read_archive(path, unsafe=True)
    assert trace.exists()


def test_legacy_files_run_nothing_either(tmp_path: Path, refused: Any) -> None:
    path, trace = tmp_path / "file.pt", tmp_path / "trace"
    torch.save({"a": Runs(trace)}, path, _use_new_zipfile_serialization=False)
    with refused("before 1.6"):
        read_archive(path)
    assert not trace.exists()


def test_whole_module_is_refused(saved: Made, refused: Any) -> None:
    path = saved(torch.nn.Sequential(torch.nn.Linear(1, 2)))
    with refused("whole module") as found:
        read_archive(path)
    assert "unsafe" in found[0].fix
    assert isinstance(read_archive(path, unsafe=True), torch.nn.Module)


def test_numbers_of_numpy(saved: Made, refused: Any) -> None:
    path = saved({"state_dict": {"w": torch.ones(2)}, "best": np.float64(0.5)})
    with refused("numpy") as found:
        read_archive(path)
    assert "float()" in found[0].cause
    assert read_archive(path, unsafe=True)["best"] == 0.5


def test_unsafe_still_refuses_what_cannot_be_opened(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "file.pt"
    path.write_bytes(pickle.dumps({"a": 1}))
    with refused("weights_only=False"):
        read_archive(path, unsafe=True)


def test_torchscript_is_refused(tmp_path: Path, refused: Any, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "file.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"archive/{name}", b"")
    with refused("TorchScript"):
        read_archive(path)


def test_other_zip_files(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "file.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    with refused("not one of torch.save"):
        read_archive(path)


def test_zip_bomb(pickled: Made, refused: Any, little_memory: None) -> None:
    path = pickled(b"\x80\x02}q\x00.", {"0": bytes(2**25)}, compress=True)
    assert path.stat().st_size < 2**20
    with refused("compressed"):
        read_archive(path)


def test_lengths_beyond_the_file(saved: Made, refused: Any, little_memory: None) -> None:
    path = saved({"w": torch.ones(8)})
    whole = path.read_bytes()
    for claimed in (2**31, 2**32 - 2, len(whole) + 1):
        # the uncompressed size of each member in the central directory
        changed, at = bytearray(whole), 0
        while (at := changed.find(b"PK\x01\x02", at)) >= 0:
            changed[at + 20 : at + 28] = struct.pack("<II", claimed, claimed)
            at += 4
        path.write_bytes(bytes(changed))
        with refused():
            read_archive(path)


# --- the pickle ---------------------------------------------------------------------------------------------------


def call(function: str, arguments: Any) -> bytes:
    """A pickle that calls `function` ("module name") with a tuple of plain values."""
    body = pickle.dumps(arguments, protocol=2)[2:-1]
    return b"\x80\x02c" + function.replace(" ", "\n").encode() + b"\n" + body + b"R."


ALLOCATIONS = [
    ("__builtin__ bytearray", (10**12,)),
    ("torch Tensor", (10**11,)),
    ("torch FloatTensor", (10**11,)),
    ("torch.storage UntypedStorage", (10**12,)),
    ("torch FloatStorage", (10**12,)),
    ("torch._utils _rebuild_meta_tensor_no_storage", (1, (10**12,), (1,), False)),
    ("torch._utils _rebuild_sparse_tensor", (1, 2)),
    ("numpy zeros", (10**12,)),
    ("__builtin__ list", ((1, 2),)),
]


@pytest.mark.parametrize(("function", "arguments"), ALLOCATIONS)
def test_calls_that_allocate(pickled: Made, refused: Any, little_memory: None, function: str, arguments: Any) -> None:
    with refused():
        read_archive(pickled(call(function, arguments)))


def tensor(
    entries: object = 4, shape: object = (2, 2), strides: object = (2, 1), offset: object = 0, key: object = "0"
) -> bytes:
    """A pickle of one tensor of a float storage, whatever the numbers say."""

    def plain(value: object) -> bytes:
        return pickle.dumps(value, protocol=2)[2:-1]

    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("
        + plain("storage")
        + b"ctorch\nFloatStorage\n"
        + plain(key)
        + plain("cpu")
        + plain(entries)
        + b"tQ"
        + plain(offset)
        + plain(shape)
        + plain(strides)
        + b"\x89ccollections\nOrderedDict\n)RtR."
    )


def test_the_made_tensor_is_sound(pickled: Made) -> None:
    path = pickled(tensor(), {"0": struct.pack("<4f", 1, 2, 3, 4)})
    assert read_archive(path).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "numbers",
    [
        {"entries": 10**9},
        {"entries": -1},
        {"entries": 5},
        {"entries": "4"},
        {"entries": True},
        {"shape": (10**12, 1)},
        {"shape": (10**5, 10**5), "strides": (0, 0)},
        {"shape": (2**20, 2), "strides": (0, 1)},
        {"shape": (2, 2), "strides": (2, 2)},
        {"shape": (2, 2), "strides": (-1, 1)},
        {"shape": (2, 2), "strides": (10**18, 1)},
        {"shape": (2, 2), "offset": 1},
        {"shape": (2, 2), "offset": -1},
        {"shape": (2, 2, 1)},
        {"shape": [2, 2]},
        {"shape": 4},
        {"shape": (0.5, 2)},
        {"shape": (1,) * 70, "strides": (1,) * 70},
        {"key": "1"},
        {"key": "../version"},
        {"key": 0},
        {"key": ("0",)},
    ],
)
def test_impossible_tensors(pickled: Made, refused: Any, little_memory: None, numbers: dict[str, Any]) -> None:
    with refused():
        read_archive(pickled(tensor(**numbers), {"0": struct.pack("<4f", 1, 2, 3, 4)}))


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x02\x8a\xff" + b"\x01" * 10 + b".",  # a long that is cut short
        b"\x80\x02X\xff\xff\xff\xffabc.",  # a string of four gigabytes
        b"\x80\x02}r\xff\xff\xff\xff.",  # four billion memo entries
        b"\x80\x02h\x05.",  # a memo entry that is not there
        b"\x80\x02.",  # an empty stack
        b"\x80\x02}",  # no end
        b"",
        b"\x80\x02]]a}s.",  # stack underflow
        b"\x80\x02}]K\x01s.",  # a list as a key
        b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aK\x01sb(.",
        b"\x80\x02ccollections\nCounter\n}X\x01\x00\x00\x00aK\x01sb.",  # changes the class, if it is handed out
        b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",  # protocol 4
        b"cos\nsystem\n(S'touch trace'\ntR.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02(tQ.",
        b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x02c__builtin__\ngetattr\n.",
        b"\x80\x02c\xff\xfe\n\xff\n.",
        b"\x80\x02ctorch\nfloat32\n)R.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00bz2\x86R.",
    ],
)
def test_damaged_pickles(pickled: Made, refused: Any, little_memory: None, stream: bytes) -> None:
    with refused():
        read_archive(pickled(stream))


def test_a_pickle_cannot_change_the_reader() -> None:
    before = dict(vars(Counter))
    with pytest.raises((UnsoundPickleError, ForeignObjectError)):
        inspect(b"\x80\x02ccollections\nCounter\nN}X\x06\x00\x00\x00updateK\x01s\x86b)R.", {})
    assert dict(vars(Counter)) == before
    inspect(b"\x80\x02ccollections\nCounter\n)R.", {})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes(saved: Made, data: st.DataObject) -> None:
    path = saved({"state_dict": torch.nn.Linear(1, 2).state_dict(), "epoch": 3})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with contextlib.suppress(CheckpointError):  # anything else fails the test
        read_archive(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_pickles(saved: Made, rewritten: Made, data: st.DataObject) -> None:
    def change(stream: bytes) -> bytes:
        content = bytearray(stream)
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        return bytes(content)

    path = rewritten(saved({"state_dict": torch.nn.Linear(1, 2).state_dict(), "epoch": 3}), "data.pkl", change)
    with contextlib.suppress(CheckpointError):
        read_archive(path)
