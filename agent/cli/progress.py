"""Progress for people, on stderr: bars with rate and remaining time on a terminal, now and then a
line in a log.
"""

import threading
import time
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from limner.cli.text import clean, compact, duration

HEARTBEAT = 15.0
"""Seconds between two lines about the same work, where the output is no terminal."""
BESIDE_LABEL = 52
WORTH_A_LINE = 1.0
"""Work that took less leaves no line behind."""


def speed(rate: float) -> str:
    """`4.1 k/s`; of what is slower than one in ten seconds, how long each takes: `45 s each`."""
    return f"{duration(1 / rate)} each" if 0 < rate < 0.1 else f"{compact(rate)}/s"


@dataclass
class _ProgressTask:
    label: str
    total: int | None
    task: TaskID | None
    started: float = field(default_factory=time.monotonic)
    count: int = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        return self.count / max(self.seconds, 1e-9)

    def finished(self) -> str:
        if not self.count:
            return f"{self.label}: {duration(self.seconds)}"
        return (
            f"{self.label}: {compact(self.count)} in {duration(self.seconds)} ({speed(self.rate)})"
        )

    def so_far(self) -> str:
        if not self.count:
            return f"{self.label}: for {duration(self.seconds)} so far"
        if not self.total:
            return f"{self.label}: {compact(self.count)} so far ({speed(self.rate)})"
        left = duration((self.total - self.count) / self.rate) if self.rate else "?"
        return (
            f"{self.label}: {compact(self.count)} of {compact(self.total)} "
            f"({speed(self.rate)}, {left} left)"
        )


class CountColumn(ProgressColumn):
    """`31 k of 100 k · 4.1 k/s`"""

    def render(self, task: Task) -> Text:
        parts = (
            compact(task.completed)
            if task.total is None
            else f"{compact(task.completed)} of {compact(task.total)}"
        )
        pace = f" · {speed(task.speed)}" if task.speed else ""
        return Text(parts + pace, style="cyan")


class Bars:
    """`limner.core.progress`, drawn with rich. Work may nest; `done` ends what started last.
    Thread-safe.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console, self.quiet = console, quiet
        self._lock = threading.RLock()
        self._works: list[_ProgressTask] = []
        self._live: RichProgress | None = None
        self._ended: threading.Event | None = None
        """Ends the lines about long work, where the output is no terminal."""

    def start(self, label: str, total: int | None = None) -> None:
        label = clean(label)
        label = label[:1].upper() + label[1:]
        with self._lock:
            task = None
            if self.console.is_terminal and not self.quiet:
                if self._live is None:
                    self._live = self._bars()
                    self._live.start()
                task = self._live.add_task(self._fitting(label), total=total)
            elif not self.quiet and self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._beat, args=(self._ended,), daemon=True).start()
            self._works.append(_ProgressTask(label, total, task))

    def advance(self, n: int = 1) -> None:
        with self._lock:
            if not self._works:
                return
            work = self._works[-1]
            work.count += n
            if work.task is not None and self._live is not None:
                self._live.advance(work.task, n)

    def _beat(self, ended: threading.Event) -> None:
        """In a log, a line now and then about the work at hand, whether or not it advances."""
        while not ended.wait(HEARTBEAT):
            with self._lock:
                if self._works:
                    self._line(self._works[-1].so_far())

    def done(self) -> None:
        with self._lock:
            if not self._works:
                return
            work = self._works.pop()
            if work.task is not None and self._live is not None:
                self._live.remove_task(work.task)
            if not self._works:
                self._stop()
            if work.seconds >= WORTH_A_LINE and not self.quiet:
                self._line(work.finished())

    def say(self, text: str) -> None:
        with self._lock:
            self.console.print(Text(clean(text)), soft_wrap=not self.console.is_terminal)

    def close(self) -> None:
        """Take the bars off the screen, whatever was under way."""
        with self._lock:
            self._works.clear()
            self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def _fitting(self, label: str) -> str:
        """A label cut so that the bar, count, rate and time fit beside it."""
        room = max(12, self.console.width - BESIDE_LABEL)
        return label if cell_len(label) <= room else set_cell_size(label, room - 1).rstrip() + "…"

    def _line(self, text: str) -> None:
        self.console.print(Text(text, style="dim"), soft_wrap=not self.console.is_terminal)

    def _bars(self) -> RichProgress:
        return RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None if self.console.width < 70 else 20),
            CountColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self.console,
            transient=True,
        )
