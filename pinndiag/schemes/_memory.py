"""What a scheme remembers between steps: tensors for each term by name, and a few for the scheme as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor

__all__ = ["Fields", "Memory"]

Fields = dict[str, Tensor]


@final
class Memory:
    """A term that stays away keeps what is remembered of it. Tensors are replaced, never changed in place.

    Attributes:
        terms: term -> field -> tensor.
        shared: tensors that belong to no single term.
    """

    def __init__(self) -> None:
        self.terms: dict[str, Fields] = {}
        self.shared: Fields = {}

    def stacked(
        self, names: Sequence[str], start: Callable[[str], Mapping[str, int | float | Tensor]], like: Tensor
    ) -> Fields:
        """Field -> its values for the named terms, stacked; a new term begins with what `start` gives."""
        rows: list[Fields] = []
        for name in names:
            if name not in self.terms:
                begin = {field: torch.as_tensor(value, dtype=like.dtype) for field, value in start(name).items()}
                self.terms[name] = begin
            rows.append(self.terms[name])
        device = like.device
        return {field: torch.stack([row[field].to(device) for row in rows]) for field in rows[0]}

    def keep(self, names: Sequence[str], fields: Fields) -> None:
        """Remember the values that `stacked` gave, after they changed."""
        columns = {field: values.unbind() for field, values in fields.items()}
        for i, name in enumerate(names):
            self.terms[name] = {field: column[i] for field, column in columns.items()}

    @contextmanager
    def generator(self, seed: int) -> Iterator[torch.Generator]:
        """Random numbers that go on where they stopped; drawn on the CPU, so that a seed means the same everywhere."""
        generator = torch.Generator()
        if "generator" in self.shared:
            generator.set_state(self.shared["generator"].cpu())
        else:
            generator.manual_seed(seed)
        yield generator
        self.shared["generator"] = generator.get_state()
