"""The command line of pinndiag: one file a command, no numerics. Result on stdout, everything else on stderr."""

import os

# Must be set before torch starts its threads. By default they spin while they wait, and on a machine whose cores are
# taken that made an analysis ten times slower; asleep they cost a few per cent.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pinndiag_cli._main import main

__all__ = ["main"]
