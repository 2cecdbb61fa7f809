"""The command line. `main` is the entry point of the command `limner`."""

from agent.cli.app import main

__all__ = ["main"]
