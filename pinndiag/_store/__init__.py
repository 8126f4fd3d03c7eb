"""The run folder: what a watched training leaves on disk, readable while it is written and after a kill."""

from pinndiag._store._columns import Columns
from pinndiag._store._layout import Layout
from pinndiag._store._reader import Following, read_header, read_run
from pinndiag._store._run import LANCZOS, Run, packed
from pinndiag._store._sink import MemorySink, Sink
from pinndiag._store._tensorboard import TensorBoardSink
from pinndiag._store._writer import RunWriter

__all__ = [
    "LANCZOS",
    "Columns",
    "Following",
    "Layout",
    "MemorySink",
    "Run",
    "RunWriter",
    "Sink",
    "TensorBoardSink",
    "packed",
    "read_header",
    "read_run",
]
