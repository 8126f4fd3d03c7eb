"""What a scheme remembers between steps: tensors for each term by name, and a few for the scheme as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor

__all__ = ["Fields", "Memory"]

Fields = dict[str, Tensor]


@final
class Memory:
    """A term that stays away keeps what is remembered of it. Tensors are replaced, never changed in place."""

    def __init__(self) -> None:
        self._shared: Fields = {}
        self._generator: torch.Generator | None = None  # newer than what `_shared` says of it
        self._terms: dict[str, Fields] = {}
        self._names: tuple[str, ...] = ()  # of the rows of `_table`, which is newer than `_terms`
        self._table: Fields | None = None

    @property
    def terms(self) -> dict[str, Fields]:
        """Term -> field -> tensor."""
        if self._table is not None:
            columns = {field: values.unbind() for field, values in self._table.items()}
            for i, name in enumerate(self._names):
                self._terms[name] = {field: column[i] for field, column in columns.items()}
            self._table = None
        return self._terms

    @terms.setter
    def terms(self, terms: dict[str, Fields]) -> None:
        self._terms, self._table = terms, None

    def stacked(
        self, names: tuple[str, ...], start: Callable[[str], Mapping[str, float | Tensor]], like: Tensor
    ) -> Fields:
        """Field -> its values for the named terms, stacked; a new term begins with what `start` gives."""
        if self._table is not None and names == self._names:
            return self._table
        rows: list[Fields] = []
        for name in names:
            if name not in self.terms:
                begin = {field: torch.as_tensor(value, dtype=like.dtype) for field, value in start(name).items()}
                self.terms[name] = begin
            rows.append(self.terms[name])
        fields = {field: torch.stack([row[field].to(like.device) for row in rows]) for field in rows[0]}
        self._names, self._table = names, fields
        return fields

    def keep(self, fields: Fields) -> None:
        """Remember the values that `stacked` gave last, after they changed."""
        self._table = fields

    @property
    def shared(self) -> Fields:
        """Tensors that belong to no single term."""
        if self._generator is not None:
            self._shared["generator"] = self._generator.get_state()
        return self._shared

    @shared.setter
    def shared(self, shared: Fields) -> None:
        self._shared, self._generator = shared, None

    def generator(self, seed: int) -> torch.Generator:
        """Random numbers that go on where they stopped; drawn on the CPU, so that a seed means the same everywhere."""
        if self._generator is None:
            self._generator = torch.Generator()
            if "generator" in self._shared:
                self._generator.set_state(self._shared["generator"].cpu())
            else:
                self._generator.manual_seed(seed)
        return self._generator

    def __getstate__(self) -> dict[str, Any]:
        """A generator is copied as its state."""
        return {**self.__dict__, "_shared": dict(self.shared), "_generator": None}
