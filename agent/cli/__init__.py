"""The command line. `main` is the entry point of the command `limner`."""

from limner.cli.app import main

__all__ = ["main"]
