"""A record as users hold it: a value that prints, saves and renders itself. Free of torch."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pinndiag._errors import PinndiagError
from pinndiag._files import write_atomically
from pinndiag._records import Record, to_plain

__all__ = ["AbstractDocument"]


R = TypeVar("R", bound=Record)


class AbstractDocument(ABC, Generic[R]):
    """What diagnoses and comparisons have in common.

    Attributes:
        record: everything the page shows, as fields.
    """

    record: R

    renderers: ClassVar[str]
    """What the names of its entry points begin with: `html` and `text` follow."""

    @property
    @abstractmethod
    def text(self) -> str:
        """It in a sentence."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers: the content of the JSON file."""
        plain: dict[str, Any] = to_plain(self.record)
        return plain

    def to_json(self) -> str:
        """The content of the JSON file, in full precision; plain ASCII, so that no name can steer a terminal."""
        # names may also hold lone surrogates (a file name that is not UTF-8), which no encoding could write
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, path: str | Path) -> Path:
        """Write `to_json`; the file appears under its name only when it is whole."""
        return write_atomically(Path(path), self.to_json() + "\n")

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one self-contained HTML page."""
        return write_atomically(Path(path), self._rendered("html"))

    def to_markdown(self) -> str:
        """It as Markdown, to paste into an issue."""
        return self._rendered("markdown")

    def __str__(self) -> str:
        return self._rendered("text")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.text}>"

    def _repr_html_(self) -> str:
        # an iframe keeps the page's style and the notebook's apart; srcdoc needs the page escaped as an attribute
        page = self._rendered("html").replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" style="width:100%;height:80vh;border:0" sandbox="allow-scripts"></iframe>'

    def _rendered(self, kind: str) -> str:
        """Through the entry point of that name, so that the library imports no report code."""
        name = f"{self.renderers}{kind}"
        for entry in entry_points(group="pinndiag.renderers", name=name):
            return str(entry.load()(self.record))
        raise PinndiagError(
            f"no renderer for {name} is installed",
            cause="pinndiag runs from a folder that was not installed",
            fix="pip install -e . in the checkout, or pip install pinndiag",
        )
