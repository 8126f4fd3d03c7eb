"""A tape: run the terms on real tensors and write down every operator call.

Below autograd every call passes `Tape`, inner derivatives included, for they are operators too. `_Above` sits above
autograd and tells the user's own `detach` from the copies that autograd makes of what it saves: both are
`aten.detach` below, but replaying the second kind as it stands would cut the graph.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, final

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pinndiag._capture._calls import (
    about_shapes,
    class_being_made,
    is_subclass,
    stays_inside,
    tensors_in,
    with_dtype,
    written_by,
)
from pinndiag._capture._decompose import decomposed
from pinndiag._capture._graph import DEVICE, Constant, Node, Ref, references
from pinndiag._capture._memory import Memory
from pinndiag._capture._operators import ALLOWED
from pinndiag._capture._plain import MAX_ENTRIES, MAX_ITEMS
from pinndiag._capture._recording import Hint, Recording

__all__ = ["DETACHES", "DROPPED", "taped"]

aten = torch.ops.aten

_QUESTIONS = frozenset(  # answers about shapes, which no value changes
    getattr(aten, name).default
    for name in ("is_same_size", "_has_same_storage_numel", "sym_size", "sym_numel", "sym_stride", "sym_storage_offset")
    if hasattr(aten, name) and "default" in getattr(aten, name).overloads()
)
_CHECKS = frozenset({aten._linalg_check_errors.default})  # raise or do nothing
_READERS = frozenset({aten._local_scalar_dense.default, aten.equal.default, aten.is_nonzero.default})
_BY_VALUE = frozenset(
    {aten.nonzero.default, aten.masked_select.default, aten._unique2.default, aten.unique_dim.default}
)
_INDEXED = frozenset({aten.index.Tensor, aten.index_put.default})
_SAME = frozenset({aten.alias.default, aten.lift_fresh.default, aten.detach.default})
_UNINITIALISED = {  # their entries are nobody's business: zeros instead
    aten.empty.memory_format: "aten.zeros.default",
    aten.empty_strided.default: "aten.zeros.default",
    aten.empty_like.default: "aten.zeros_like.default",
    aten.new_empty.default: "aten.new_zeros.default",
    aten.new_empty_strided.default: "aten.new_zeros.default",
}
_CONSTANT = {aten._native_batch_norm_legit.no_stats: (1, 2)}  # outputs that autograd takes for constants
_ZERO = aten._efficientzerotensor.default  # forward mode's zeros without memory
_FUNCTIONAL = {aten.transpose_.default: "aten.transpose.int", aten.squeeze_.dim: "aten.squeeze.dim"}
_STRIDED = frozenset({aten.empty_strided.default, aten.new_empty_strided.default})
DETACHES = frozenset(
    {Tensor.detach, torch.detach, Tensor.detach_, torch.detach_, Tensor.data.__get__}  # type: ignore[attr-defined]
)
_LEAVES_TORCH = frozenset({Tensor.numpy, Tensor.tolist, Tensor.__array__})
DROPPED = frozenset({"layout", "pin_memory", "non_blocking", "implicit"})


def taped(run: Callable[[], Mapping[str, Tensor]], inputs: Sequence[Tensor], frozen: Mapping[str, Tensor]) -> Recording:
    """Run the terms and record every call.

    Args:
        run: evaluates the terms.
        inputs: tensors the terms use, in the order of the graph's inputs.
        frozen: frozen parameters, by name.

    Cost: one evaluation of the terms, and about 30 microseconds a call.
    """
    tape = _Tape(inputs, frozen)
    with tape, _Above(tape):
        values = run()
    with torch._C.DisableTorchFunctionSubclass():
        tape.record.values = dict(values)
        for name, value in values.items():
            tape.record.outputs[name] = tape.ref(value)
    return tape.record


@final
class _Above(TorchFunctionMode):
    """Marks the user's own detach, and notes where a term leaves torch."""

    def __init__(self, tape: _Tape) -> None:
        super().__init__()
        self._tape = tape

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _LEAVES_TORCH and args:
            self._tape.note(Hint.NUMPY, f"{func.__name__}()", args[0])
        if func not in DETACHES:
            return func(*args, **(kwargs or {}))
        self._tape.detaching += 1
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._tape.detaching -= 1


@final
class _Tape(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here; the guard would import the compiler, which takes a second

    def __init__(self, inputs: Sequence[Tensor], frozen: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.record = Recording()
        self.detaching = 0  # depth of the user's own detach calls
        self._memory = Memory(self._emit)
        self._open: list[OpOverload] = []  # operators that are being rewritten
        self._reached: list[bool] = []  # node -> whether it depends on an input
        self._names = {(t.untyped_storage()._cdata, t.storage_offset(), t.shape): name for name, t in frozen.items()}
        self._frozen = list(frozen.values())  # keeps the addresses above from being used again
        for index, tensor in enumerate(inputs):
            self._memory.bind(tensor, Ref("input", index))

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            if func in _QUESTIONS or func in _CHECKS or about_shapes(args, kwargs):
                return func(*args, **kwargs)
            if func in _READERS:
                self.note(Hint.ITEM, str(func), *args)
                return func(*args, **kwargs)
            if func in _SAME:
                return self._same(func, args, kwargs, sys._getframe(1))
            if func is _ZERO:
                output = func(*args, **kwargs)
                self._memory.bind(output, self._call("aten.zeros.default", args, kwargs))
                return output
            if func in _UNINITIALISED:
                return self._uninitialised(func, args, kwargs)
            if torch.Tag.nondeterministic_seeded in func.tags:
                return self._random(func, args, kwargs)
            if func._schema.is_mutable:
                return self._in_place(func, args, kwargs)
            return self._plain(func, args, kwargs)

    def note(self, hint: Hint, detail: str, *args: Any) -> None:
        """Remember something doubtful, if one of the arguments depends on parameters or points."""
        if any(self._depends(t) for t in tensors_in(args)):
            self.record.hints.setdefault(hint, detail)

    def ref(self, tensor: Tensor) -> Ref:
        """Where the value of a tensor stands; what the tape has not seen becomes a constant."""
        tensor = tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor) if is_subclass(tensor) else tensor
        if tensor.layout is not torch.strided:
            self.record.hints.setdefault(Hint.LAYOUT, str(tensor.layout))
            return self._constant(torch.zeros((), dtype=tensor.dtype))
        found = self._memory.find(tensor)
        if found is None:
            found = self._snapshot(tensor)
            self._memory.bind(tensor, found)
        return found

    def _depends(self, tensor: Tensor) -> bool:
        if tensor.layout is not torch.strided or torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            return False
        found = self._memory.find(tensor)
        return found is not None and self._reaches(found)

    def _reaches(self, ref: Ref) -> bool:
        return ref.source == "input" or (ref.source == "node" and self._reached[ref.index])

    def _snapshot(self, tensor: Tensor) -> Ref:
        value = tensor.detach()
        if value._is_zerotensor():
            value = torch.zeros(value.shape, dtype=value.dtype, device=value.device)
        value = value.resolve_conj().resolve_neg().clone()
        place = (tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.shape)
        return self._constant(value, self._names.get(place))

    def _constant(self, value: Tensor, name: str | None = None) -> Ref:
        self.record.constants.append(Constant(value, name))
        return Ref("constant", len(self.record.constants) - 1)

    def _emit(self, operator: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Ref:
        kwargs = kwargs or {}
        self.record.nodes.append(Node(operator, args, kwargs, torch.is_grad_enabled()))
        self.record.backward.append(torch._C._current_autograd_node() is not None)
        self._reached.append(any(self._reaches(r) for r in references((args, list(kwargs.values())))))
        return Ref("node", len(self.record.nodes) - 1)

    def _arguments(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.ref(value)
        if isinstance(value, (list, tuple)):
            return [self._arguments(item) for item in value]
        if isinstance(value, torch.device):
            return DEVICE
        if isinstance(value, torch.memory_format):
            return value if value is torch.contiguous_format else torch.preserve_format
        if isinstance(value, float):
            return float(value)  # numpy's numbers are floats of another class
        return value

    def _call(self, operator: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Ref:
        plain = tuple(self._arguments(a) for a in args)
        return self._emit(operator, plain, {k: self._arguments(a) for k, a in kwargs.items() if k not in DROPPED})

    def _bind(self, output: Any, ref: Ref, constant: Sequence[int] = ()) -> None:
        if isinstance(output, Tensor):
            self._memory.bind(output, ref)
        elif isinstance(output, (list, tuple)):
            for item, tensor in enumerate(output):
                if isinstance(tensor, Tensor):
                    piece = Ref(ref.source, ref.index, item)
                    piece = self._emit("aten.detach.default", (piece,)) if item in constant else piece
                    self._memory.bind(tensor, piece)

    def _plain(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is aten.masked_select.default and args[0].shape == args[1].shape:
            func, args = aten.index.Tensor, (args[0], [args[1]])
        if func is aten._reshape_alias.default:  # the same with strides, which are this run's own
            ref = self._emit("aten.reshape.default", (self.ref(args[0]), self._arguments(args[1])))
            output = func(*args, **kwargs)
            self._bind(output, ref)
            return output
        if func is aten.as_strided.default and not (args[0].is_contiguous() and stays_inside(*args)):
            self.note(Hint.OPERATOR, "as_strided of a part of a tensor's memory", args[0])
        if str(func) not in ALLOWED:
            composed = NotImplemented if func in _BY_VALUE else self._composed(func, args, kwargs)
            if composed is not NotImplemented:
                return composed
            given = tensors_in((args, list(kwargs.values())))
            sparse = any(t.layout is not torch.strided for t in given)
            hint = Hint.LAYOUT if sparse else Hint.SHAPE if func in _BY_VALUE else Hint.OPERATOR
            self.note(hint, str(func), *given)
            return func(*args, **kwargs)
        shown = (args[0], self._positions(args[1]), *args[2:]) if func in _INDEXED else args
        output = func(*args, **kwargs)
        ref = self._call(str(func), shown, with_dtype(func, args, kwargs, output))
        if isinstance(output, Tensor) and output.numel() > MAX_ENTRIES:
            self.record.hints.setdefault(Hint.LARGE, f"{func} of shape {tuple(output.shape)}")
        if isinstance(output, (list, tuple)) and len(output) > MAX_ITEMS:
            self.record.hints.setdefault(Hint.MANY, f"{func} makes {len(output)}")
        self._bind(output, ref, _CONSTANT.get(func, ()))
        return output

    def _composed(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result by operators that pass this tape in turn, or NotImplemented."""
        if func in self._open:  # a rewriting may lead back to itself
            return NotImplemented
        self._open.append(func)
        try:
            with self:
                return decomposed(func, args, kwargs)
        finally:
            self._open.pop()

    def _positions(self, indices: list[Tensor | None]) -> list[Tensor | None]:
        """Indexing by a mask as indexing by its positions, so that the shape does not depend on values."""
        found: list[Tensor | None] = []
        for index in indices:
            if index is None or index.dtype not in (torch.bool, torch.uint8):
                found.append(index)
                continue
            self.note(Hint.SHAPE, "indexing by a mask", index)
            found += index.nonzero(as_tuple=True)
        return found

    def _same(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
        source = self.ref(args[0])
        output = func(*args, **kwargs)
        if self.detaching and func is aten.detach.default:
            self._memory.bind(output, self._emit("aten.detach.default", (source,)), stopped=True)
        else:
            self._memory.bind(output, source)
        made = class_being_made(frame) if func is aten.alias.default else None
        return output if made is None else output.as_subclass(made)

    def _uninitialised(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kept = args[:-1] if func in _STRIDED and len(args) > 1 else args
        options = {k: v for k, v in kwargs.items() if k not in ("memory_format", "stride")}
        output = func(*args, **kwargs).zero_()
        ref = self._call(_UNINITIALISED[func], kept, with_dtype(func, args, options, output))
        self._memory.bind(output, ref)
        return output

    def _random(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = func(*args, **kwargs)  # its values are constants, taken when they are used
        if func._schema.is_mutable:
            for tensor in written_by(func, args, kwargs):
                self._memory.forget(tensor)
        elif func is aten.native_dropout.default and args[2] is not False:
            # fused on GPUs: the mask is drawn, the product is not
            kept = self._emit("aten.mul.Tensor", (self.ref(args[0]), self.ref(output[1])))
            self._memory.bind(output[0], self._emit("aten.div.Scalar", (kept, 1 - float(args[1]))))
        return output

    def _in_place(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        written = written_by(func, args, kwargs)
        if torch.Tag.inplace_view in func.tags:
            return self._opaque(func, args, kwargs, written)
        if len(written) != 1 or written[0] is not args[0]:
            composed = self._composed(func, args, kwargs)
            return self._opaque(func, args, kwargs, written) if composed is NotImplemented else composed
        [target] = written
        before = self.ref(target)
        new = self._changed(func, target, before, args, kwargs)
        if new is None:
            return self._opaque(func, args, kwargs, written)
        self._memory.remember_whole(target, self._snapshot)
        output = func(*args, **kwargs)
        self._memory.change(target, new)
        if output is not target and isinstance(output, Tensor):
            self._memory.bind(output, new)
        return output

    def _changed(
        self, func: OpOverload, target: Tensor, before: Ref, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Ref | None:
        """The value of `target` after an in-place call, as a new value."""
        packet, _, overload = str(func).removeprefix("aten.").partition(".")
        others = [t for t in tensors_in((args[1:], list(kwargs.values()))) if isinstance(t, Tensor)]
        if packet == "copy_":
            new, shape = self.ref(args[1]), args[1].shape
            if args[1].dtype != target.dtype:
                new = self._emit("aten._to_copy.default", (new,), {"dtype": target.dtype})
            elif shape == target.shape:  # a copy all the same: the source may be changed later
                return new
            return new if shape == target.shape else self._emit("aten.expand.default", (new, list(target.shape)))
        if packet == "zero_":
            return self._emit("aten.zeros_like.default", (before,))
        packet = "index_put" if packet == "_index_put_impl_" else packet.removesuffix("_")
        operator = f"aten.{packet}.{overload}"
        if operator not in ALLOWED:
            return None
        if packet == "index_put":
            args = (args[0], self._positions(args[1]), *args[2:4])
            kwargs = {k: v for k, v in kwargs.items() if k != "unsafe"}
        new = self._call(operator, args, kwargs)
        if any(t.dtype != target.dtype for t in others):  # in place, the target keeps its dtype
            new = self._emit("aten._to_copy.default", (new,), {"dtype": target.dtype})
        return new

    def _opaque(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], written: list[Tensor]) -> Any:
        """An in-place call that is not recorded: what it wrote is a constant, unless it depended on an input."""
        if torch.Tag.inplace_view in func.tags:  # changes the shape of a tensor, not its values
            functional = _FUNCTIONAL.get(func, str(func).replace("_.", ".", 1))
            ref = None
            if func is aten.detach_.default:
                ref = self._emit("aten.detach.default", (self.ref(args[0]),)) if self.detaching else self.ref(args[0])
            elif functional in ALLOWED:
                ref = self._call(functional, args, kwargs)
            if ref is not None:
                output = func(*args, **kwargs)
                self._memory.bind(args[0], ref, stopped=func is aten.detach_.default)
                return output
        self.note(Hint.OPERATOR, str(func), args, list(kwargs.values()))
        output = func(*args, **kwargs)
        for tensor in written:
            self._memory.forget(tensor)
        return output

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frozen = []
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
