"""Which value of the tape a tensor holds, known without keeping any tensor alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import WeakTensorKeyDictionary

from pinndiag._capture._graph import DEVICE, Ref

__all__ = ["Memory"]

Emit = Callable[..., Ref]


class _Place(NamedTuple):
    """Which entries of a storage a tensor shows, and how."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    conjugate: bool
    negative: bool

    @staticmethod
    def of(tensor: Tensor) -> _Place:
        flags = tensor.is_conj(), tensor.is_neg()
        return _Place(int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride(), tensor.dtype, *flags)


@final
@dataclass
class _Storage:
    """What is known of one storage.

    Attributes:
        alive: a weak reference, which also keeps the address from being given to another storage.
        epoch: number of in-place changes so far.
        views: values known at the present epoch.
        whole: after an in-place change, the value of the whole storage as a vector, made when it is needed.
    """

    alive: StorageWeakRef
    epoch: int = 0
    views: dict[_Place, Ref] = field(default_factory=dict)
    whole: Ref | None = None


@final
class Memory:
    """Maps tensors to values of the tape.

    A tensor is recognised by itself (weakly: subclasses such as a labelled tensor need their raw tensor to be free), or
    by the memory it shows: autograd and functorch make copies of a tensor that no dispatch mode sees. In-place changes
    give the storage a new epoch; other views of it are then cut anew out of the changed whole.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._tensors: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._storages: dict[int, _Storage] = {}

    def bind(self, tensor: Tensor, ref: Ref, *, stopped: bool = False) -> None:
        """Remember that `tensor` holds `ref`; `stopped`: as a constant to differentiation, so not by its memory."""
        storage = self._storage(tensor)
        place = _Place.of(tensor)
        self._tensors[tensor] = (ref, place, id(storage), storage.epoch)
        if not stopped:
            storage.views.setdefault(place, ref)

    def find(self, tensor: Tensor) -> Ref | None:
        """The value that `tensor` holds, or None if the tape has not seen it."""
        storage = self._storage(tensor)
        place = _Place.of(tensor)
        known = self._tensors.get(tensor)
        if known is not None and known[1:] == (place, id(storage), storage.epoch):
            found: Ref = known[0]
            return found
        ref = storage.views.get(place)
        if ref is None and storage.whole is not None and not (place.conjugate or place.negative):
            ref = self._emit(
                "aten.as_strided.default", (storage.whole, list(place.shape), list(place.strides), place.offset)
            )
        if ref is not None:
            self.bind(tensor, ref)
        return ref

    def remember_whole(self, tensor: Tensor, snapshot: Callable[[Tensor], Ref]) -> None:
        """Before the first in-place change of a part of a storage: where the value of all of it stands."""
        storage = self._storage(tensor)
        if storage.whole is not None or _covers(tensor):
            return
        for place, ref in storage.views.items():
            seen = torch.empty(0, dtype=place.dtype, device=tensor.device)
            seen.set_(tensor.untyped_storage(), place.offset, place.shape, place.strides)
            if place.dtype == tensor.dtype and _covers(seen) and not (place.conjugate or place.negative):
                storage.whole = self._flat(ref, seen)
                return
        everything = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        storage.whole = snapshot(everything.set_(tensor.untyped_storage()))

    def change(self, tensor: Tensor, new: Ref) -> None:
        """`tensor` was changed in place and now holds `new`."""
        storage = self._storage(tensor)
        place = _Place.of(tensor)
        if _covers(tensor):
            storage.whole = self._flat(new, tensor)
        else:
            # not as_strided_scatter: its derivative is wrong in torch 2.13
            entries = tensor.untyped_storage().nbytes() // tensor.element_size()
            every = self._emit("aten.arange.default", (entries,), {"device": DEVICE})
            shown = self._emit("aten.as_strided.default", (every, list(place.shape), list(place.strides), place.offset))
            where, values = (self._emit("aten.reshape.default", (ref, [-1])) for ref in (shown, new))
            storage.whole = self._emit("aten.index_put.default", (storage.whole, [where], values))
        storage.epoch += 1
        storage.views = {}
        self.bind(tensor, new)

    def _flat(self, ref: Ref, tensor: Tensor) -> Ref:
        """The value of a tensor that covers its storage, as a vector in the order of memory."""
        order = sorted(range(tensor.ndim), key=lambda i: -tensor.stride()[i])
        dense = ref if order == list(range(tensor.ndim)) else self._emit("aten.permute.default", (ref, order))
        return self._emit("aten.reshape.default", (dense, [-1]))

    def forget(self, tensor: Tensor) -> None:
        """`tensor` was changed in place to values that the tape does not know."""
        storage = self._storage(tensor)
        storage.epoch += 1
        storage.views, storage.whole = {}, None

    def _storage(self, tensor: Tensor) -> _Storage:
        raw = tensor.untyped_storage()
        address = raw._cdata
        if address not in self._storages:
            self._storages[address] = _Storage(StorageWeakRef(raw))
        return self._storages[address]


def _covers(tensor: Tensor) -> bool:
    """Whether a tensor shows every entry of its storage once."""
    if tensor.numel() * tensor.element_size() != tensor.untyped_storage().nbytes() or tensor.storage_offset():
        return False
    expected = 1
    for stride, length in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if length > 1 and stride != expected:
            return False
        expected *= length
    return True
