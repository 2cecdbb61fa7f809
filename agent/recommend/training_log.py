"""What a training is doing now, kept where every process of the store can read it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from time import monotonic

from pydantic import ValidationError

from limner.core.atomic import replace_text
from limner.core.errors import LimnerError
from limner.core.progress import Progress
from limner.core.schema import TrainingStep

_EVERY = 1.0
"""Seconds between two writes of the file."""


class TrainingStoppedError(LimnerError):
    """A training that goes on behind a server is to end with it."""


class TrainingLog:
    """A `Progress` that passes on what it is told and writes it to a file of the store. Work may
    nest: the innermost is written.
    """

    def __init__(self, progress: Progress, folder: Path) -> None:
        """folder: of the store."""
        self._progress, self._file = progress, folder / "training.json"
        self._lock = Lock()
        self._steps: list[TrainingStep] = []
        self._written = 0.0
        self.stop = Event()
        """Set where whoever trains is to end at its next step."""

    def start(self, label: str, total: int | None = None) -> None:
        self._go_on()
        self._progress.start(label, total)
        with self._lock:
            self._steps.append(
                TrainingStep(process=os.getpid(), step=label, total=total, since=datetime.now(UTC))
            )
            self._write()

    def advance(self, n: int = 1) -> None:
        self._go_on()
        self._progress.advance(n)
        with self._lock:
            if self._steps:
                last = self._steps[-1]
                self._steps[-1] = last.model_copy(update={"done": last.done + n})
                if monotonic() - self._written > _EVERY:
                    self._write()

    def done(self) -> None:
        self._progress.done()
        with self._lock:
            if self._steps:
                self._steps.pop()

    def say(self, text: str) -> None:
        self._progress.say(text)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise TrainingStoppedError("training.stopped")

    def _write(self) -> None:
        # A full disk costs the display, not the training.
        with suppress(OSError):
            replace_text(self._file, self._steps[-1].model_dump_json())
        self._written = monotonic()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around a training: its file is gone at the end, whatever became of it."""
        try:
            yield
        finally:
            with self._lock, suppress(OSError):
                self._steps.clear()
                self._file.unlink(missing_ok=True)

    def current(self) -> TrainingStep | None:
        """What the process that trains this store is doing; None where none does."""
        try:
            step = TrainingStep.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None
        return step if _runs(step.process) else None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but there
        return True
    return True
