"""A hook at every term: terms that are modules with a weight each, which another method of the framework sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from torch import Tensor

from pinndiag.integrations._applied import weighted_sum
from pinndiag.integrations._observer import Observer
from pinndiag.integrations._taps import Removable, Replaced

__all__ = ["WeightedTerms"]


@final
class WeightedTerms:
    """The terms of a framework whose `weight` is looked up at each evaluation.

    Args:
        terms: the modules, by the names of the terms.
        observe: takes what they gave.
        loss: a module, what it was given, what it gave -> its loss, unweighted.
    """

    def __init__(self, terms: Mapping[str, Any], observe: Observer, loss: Callable[[Any, Any, Any], Tensor]) -> None:
        self._terms, self._observe = terms, observe
        self._live: dict[str, Tensor] = {}

        def hooked(name: str, term: Any) -> Removable:
            def keep(module: Any, inputs: Any, output: Any) -> None:  # no method: a copy of the module shares it
                self._live[name] = loss(module, inputs, output).reshape(())

            handle: Removable = term.register_forward_hook(keep)
            return handle

        self._hooks = [hooked(name, term) for name, term in terms.items()]
        owners = terms.items() if observe.balanced else ()
        self._moved = {name: Replaced(term, "weight", term.weight) for name, term in owners}

    def evaluated(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Tensor | None]:
        """Call the method that sums the terms, and hand them over.

        Returns:
            what it gave, and the weighted sum where a scheme has moved the weights since, else None.
        """
        self._live.clear()
        found = method(*args, **kwargs)
        asked = self._observe(self._live, {name: float(term.weight) for name, term in self._terms.items()})
        for name, moved in self._moved.items():
            moved.set(asked[name])
        return found, weighted_sum(self._live, asked) if self._moved else None

    def remove(self) -> None:
        """Take the hooks away, and put the weights back."""
        for part in (*self._hooks, *self._moved.values()):
            part.remove()
