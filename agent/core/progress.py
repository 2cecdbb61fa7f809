"""Progress of long work, reported by stages and shown by doors."""

from typing import Protocol


class Progress(Protocol):
    def start(self, label: str, total: int | None = None) -> None:
        """A new piece of work; `total` in the unit that `advance` counts, None where unknown."""

    def advance(self, n: int = 1) -> None:
        """`n` more are done."""

    def done(self) -> None:
        """The piece of work is finished."""

    def say(self, text: str) -> None:
        """One line that a person should read."""


class Quiet:
    """Reports no progress."""

    def start(self, label: str, total: int | None = None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def done(self) -> None: ...

    def say(self, text: str) -> None: ...
