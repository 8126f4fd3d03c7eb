"""The command line of pinndiag: one file a command, no numerics. Result on stdout, everything else on stderr."""

from pinndiag_cli._main import main

__all__ = ["main"]
