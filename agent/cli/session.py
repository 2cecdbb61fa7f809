"""One run of a command: its settings, its engine, its two streams, and how it ends."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from limner.cli.progress import Bars
from limner.cli.text import clean
from limner.core.errors import SettingsError
from limner.core.messages import Message
from limner.core.progress import Progress
from limner.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from limner.engine import Engine

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


class Opener(Protocol):
    def __call__(
        self, settings: Settings, *, create: bool = False, progress: Progress | None = None
    ) -> "Engine": ...


def _open_engine(
    settings: Settings, *, create: bool = False, progress: Progress | None = None
) -> "Engine":
    from limner.engine import open_engine

    return open_engine(settings, create=create, progress=progress)


@dataclass
class Globals:
    """Options before the verb, and collaborators that tests replace."""

    open_engine: Opener = _open_engine
    overrides: dict[tuple[str, ...], object] = field(default_factory=dict)
    project: Path | None = None
    quiet: bool = False


class PipeConsole(Console):
    """A console that lets a reader that went away end the command, instead of ending the process
    itself.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def stdout_console() -> Console:
    return PipeConsole(markup=False, emoji=False, highlight=False, soft_wrap=False)


def stderr_console() -> Console:
    return PipeConsole(stderr=True, markup=False, emoji=False, highlight=False)


def tell(console: Console, text: str, style: str = "") -> None:
    """One line of prose; wrapped at words on a terminal, left whole in a log."""
    console.print(Text(clean(text), style=style), soft_wrap=not console.is_terminal)


class Session:
    """Used as `with Session(ctx, as_json) as session:` around the body of every command.

    Opens engines, runs their coroutines on one event loop, shows progress on stderr, and gives the
    result on stdout: as one JSON document, or drawn for people. Closes everything at the end,
    however it ends.
    """

    def __init__(self, ctx: typer.Context, as_json: bool = False) -> None:
        found = ctx.find_object(Globals)
        self.globals = found if found is not None else Globals()
        self.as_json = as_json
        self.out, self.err = stdout_console(), stderr_console()
        self.progress = Bars(self.err, self.globals.quiet)
        self._runner = asyncio.Runner()
        self._engines: list[Engine] = []

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.close()
        try:
            for engine in self._engines:
                self.wait(engine.close())
        finally:
            self._engines.clear()
            self._runner.close()

    def settings(self, extra: Mapping[tuple[str, ...], object] | None = None) -> Settings:
        """Settings from limner.yaml, the environment and the options before the verb; `extra` has
        the last word. Raises SettingsError.
        """
        settings = load_settings(
            project=self.globals.project, overrides={**self.globals.overrides, **(extra or {})}
        )
        if settings.log != "off":
            from limner.core.telemetry import log_to_stderr

            log_to_stderr(settings.log)
        return settings

    def default_settings(self) -> Settings:
        """The settings without `limner.yaml`; where the environment is what is wrong, without that
        too, but for where the store is.
        """
        overrides = self.globals.overrides
        try:
            return load_settings(None, Path(os.devnull), overrides)
        except SettingsError:
            data = os.environ.get("LIMNER_DATA")
            given: dict[tuple[str, ...], object] = {("data",): data} if data else {}
            return load_settings({}, Path(os.devnull), {**given, **overrides})

    def engine(self, settings: Settings | None = None, *, create: bool = False) -> "Engine":
        """An engine over the store. Raises UsageError if there is no store and `create` is
        False.
        """
        engine = self.globals.open_engine(
            settings or self.settings(), create=create, progress=self.progress
        )
        self._engines.append(engine)
        return engine

    @property
    def limner(self) -> str:
        """The command line up to its verb, for hints that can be copied."""
        data = self.globals.overrides.get(("data",))
        return f"limner --data {shlex.quote(str(data))}" if data else "limner"

    def shut(self, engine: "Engine") -> None:
        """Close an engine before the command ends."""
        self._engines.remove(engine)
        self.wait(engine.close())

    def wait(self, work: Coroutine[object, object, T]) -> T:
        return self._runner.run(work)

    def give(self, document: object, *drawn: RenderableType) -> None:
        """The command's result: `document` for programs, or `drawn` for people."""
        self.progress.close()
        if self.as_json:
            print_json(document)
        else:
            for one in drawn:
                self.out.print(one)

    def hint(self, text: str) -> None:
        """Print a suggestion for the next step on stderr; nothing with --json or --quiet."""
        if not self.as_json and not self.globals.quiet:
            tell(self.err, text, "dim")

    def notes(self, notes: Iterable[Message]) -> None:
        """Print notes for people on stderr; nothing with --json, where the document has them."""
        if not self.as_json:
            for note in notes:
                tell(self.err, f"Note: {note.text}", "yellow")


def to_json(document: object, indent: int | None = 2) -> str:
    """One JSON document; values become objects, NaN becomes null, as the encoding of stdout
    allows.
    """
    from pydantic_core import to_jsonable_python

    plain = to_jsonable_python(document, inf_nan_mode="null")
    return json.dumps(plain, ensure_ascii=not _speaks_unicode(), indent=indent, allow_nan=False)


def print_json(document: object, indent: int | None = 2) -> None:
    sys.stdout.write(to_json(document, indent) + "\n")


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
