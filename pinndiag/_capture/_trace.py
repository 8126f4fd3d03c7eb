"""The second way to record: torch's own tracer, which follows some transforms that the tape misses."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pinndiag._capture._graph import DEVICE, Constant, Node, Ref
from pinndiag._capture._operators import ALLOWED
from pinndiag._capture._recording import Hint, Recording
from pinndiag._capture._tape import DETACHES, DROPPED
from pinndiag._terms._points import PointSet

__all__ = ["traced"]

aten = torch.ops.aten


def traced(
    evaluate: Callable[[Mapping[str, PointSet]], Mapping[str, Tensor]],
    parameters: Mapping[str, Tensor],
    points: Mapping[str, PointSet],
) -> Recording:
    """Trace an evaluation of the terms. Cost: seconds; used where the tape's graph was refused.

    Raises:
        Exception: whatever stops the tracer, such as a number taken out of the graph.
    """
    values: dict[str, Tensor] = {}

    def run(*_: Tensor) -> list[Tensor]:  # the tracer knows the parameters by identity
        graph = get_proxy_mode().tracer.graph  # type: ignore[union-attr]
        marks = _Marks(graph)
        with marks, _Above(marks):
            values.update(evaluate(points))
        return list(values.values())

    inputs = [*parameters.values(), *(t for chosen in points.values() for t in chosen.tensors)]
    module = make_fx(run, tracing_mode="real")(*inputs)
    return _converted(module, values)


@final
class _Marks(TorchDispatchMode):
    """Notes on each traced call whether it ran under no_grad, in a backward pass, or in a detach of the user's."""

    def __init__(self, graph: fx.Graph) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._graph = graph
        self.detaching = 0

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = len(self._graph.nodes)
        output = func(*args, **(kwargs or {}))
        for node in list(reversed(self._graph.nodes))[: len(self._graph.nodes) - before]:
            node.meta["grad"] = torch.is_grad_enabled()
            node.meta["backward"] = torch._C._current_autograd_node() is not None
            node.meta["stopped"] = self.detaching > 0
        return output


@final
class _Above(TorchFunctionMode):
    def __init__(self, marks: _Marks) -> None:
        super().__init__()
        self._marks = marks

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self._marks.detaching += func in DETACHES
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._marks.detaching -= func in DETACHES


def _converted(module: fx.GraphModule, values: Mapping[str, Tensor]) -> Recording:
    recording = Recording(values=values)
    known: dict[fx.Node, Ref] = {}
    inputs = 0

    def plain(value: Any) -> Any:
        if isinstance(value, fx.Node):
            return known[value]
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, torch.device):
            return DEVICE
        return value

    for node in module.graph.nodes:
        if node.op == "placeholder":
            known[node] = Ref("input", inputs)
            inputs += 1
        elif node.op == "get_attr":
            recording.constants.append(Constant(getattr(module, node.target).detach().clone()))
            known[node] = Ref("constant", len(recording.constants) - 1)
        elif node.op == "output":
            for name, source in zip(values, node.args[0], strict=True):
                recording.outputs[name] = known[source]
        elif node.target is operator.getitem:
            source = known[node.args[0]]
            known[node] = Ref(source.source, source.index, node.args[1])
        elif node.target in (aten.detach.default, aten.alias.default) and not node.meta.get("stopped"):
            known[node] = known[node.args[0]]
        else:
            if str(node.target) not in ALLOWED:
                recording.hints.setdefault(Hint.OPERATOR, str(node.target))
            kwargs = {key: plain(a) for key, a in node.kwargs.items() if key not in DROPPED}
            args = tuple(plain(a) for a in node.args)
            recording.nodes.append(Node(str(node.target), args, kwargs, node.meta.get("grad", True)))
            recording.backward.append(node.meta.get("backward", False))
            known[node] = Ref("node", len(recording.nodes) - 1)
    return recording
