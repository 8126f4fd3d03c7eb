"""`python -m pinndiag_cli`, for where the script is not on the path."""

from pinndiag_cli import main

main(prog_name="pinndiag")
