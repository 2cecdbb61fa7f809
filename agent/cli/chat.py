"""`limner chat`: one question, or a conversation at the terminal.

In a conversation Ctrl-C stops the answer and not the program, as soon as what runs outside of
Python returns. Ctrl-D, /quit or an empty line ends.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from limner.cli.session import Json, Session, tell
from limner.cli.text import clean
from limner.core.errors import LimnerError, UsageError

if TYPE_CHECKING:
    from limner.chat import Answer, CitedEvent, Conversation, ToolStarted
    from limner.engine import Engine

_HELP = """Ask in words, in English or Chinese:
  What did user 13 watch last?   Who liked film noir and stopped?   Recommend 3 comedies to user 13.
/user ID   speak of this user from now on; without an ID, say who it is
/why       the grounds of the last answer
/sources   the events behind the marks [e1], [e2], … of the last answer
/help      this
/quit      the end (Ctrl-D too); Ctrl-C stops an answer"""


def chat(
    ctx: typer.Context,
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Ask once; leave out to converse.")
    ] = None,
    user: Annotated[
        str, typer.Option("--user", metavar="ID", help="Whom it is about where no user is named.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Ask about users in words, in English or Chinese; answers cite the events that they rest
    on.
    """
    from limner.chat import Conversation

    if question is None and as_json:
        raise UsageError("chat.cli_no_question")
    if question is not None and not question.strip():
        raise UsageError("chat.cli_empty")
    with Session(ctx, as_json) as session:
        engine = session.engine()
        talk = Conversation()
        if user:
            engine.data.user(user)
            talk.spoke_of([user])
        if question is None:
            _Terminal(session, engine, talk).run()
        elif as_json:
            from limner.chat import answer

            session.give(session.wait(answer(engine, question, talk)))
        else:
            terminal = _Terminal(session, engine, talk)
            terminal.answer(question)
            session.notes(terminal.last.notes if terminal.last else [])


@dataclass
class _Terminal:
    """One conversation."""

    session: Session
    engine: "Engine"
    talk: "Conversation"
    last: "Answer | None" = None
    commands: dict[str, Callable[[str], None]] = field(default_factory=dict)
    _task: "asyncio.Task[object] | None" = None

    def __post_init__(self) -> None:
        self.commands = {
            "/user": self._user,
            "/why": self._why,
            "/sources": self._sources,
            "/help": self._help,
        }

    def run(self) -> None:
        """Until the end of input, /quit or an empty line."""
        _edit_lines()
        if sys.stdin.isatty():
            tell(
                self.session.err,
                "Ask about users in words. /help says what else there is; Ctrl-D ends.",
                "dim",
            )
        while True:
            try:
                line = input("> " if sys.stdin.isatty() else "").strip()
            except EOFError:
                break
            except KeyboardInterrupt:
                tell(self.session.err, "", "")
                tell(self.session.err, "Ctrl-D ends.", "dim")
                continue
            if not line or line == "/quit":
                break
            self._take(line)

    def _take(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        command = self.commands.get(name)
        try:
            if command is not None:
                command(rest.strip())
            elif line.startswith("/"):
                tell(self.session.err, f"There is no command '{name}'; /help lists them.", "yellow")
            else:
                self.answer(line)
                self.session.notes(self.last.notes if self.last else [])
        except KeyboardInterrupt:
            tell(self.session.err, "")
            tell(self.session.err, "Stopped.", "yellow")
        except LimnerError as error:
            tell(self.session.err, f"Error: {error}", "red")

    def answer(self, question: str) -> None:
        """Print an answer in pieces as they arrive. Raises KeyboardInterrupt at the first Ctrl-C,
        after all work has stopped.
        """
        # asyncio's own handler only asks the task to end, which work without a pause in it never
        # hears.
        before = signal.signal(signal.SIGINT, _interrupt)
        try:
            self.session.wait(self._stream(question))
        except KeyboardInterrupt:
            self.session.wait(self._stop())
            self.session.progress.close()
            raise
        finally:
            signal.signal(signal.SIGINT, before)

    async def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _stream(self, question: str) -> None:
        from contextlib import aclosing

        self._task = asyncio.current_task()

        from limner.chat import Finished, TextDelta, ToolStarted, stream

        async with aclosing(stream(self.engine, question, self.talk)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ToolStarted):
                    self._started(piece)
                elif isinstance(piece, TextDelta):
                    self.session.progress.close()
                    self._print(piece.text)
                elif isinstance(piece, Finished):
                    self.last = piece.answer
        self.session.out.print()

    def _started(self, piece: "ToolStarted") -> None:
        if not self.session.globals.quiet:
            given = ", ".join(f"{name} {value}" for name, value in piece.arguments.items())
            tell(self.session.err, f"{piece.tool}: {given}" if given else piece.tool, "dim")

    def _print(self, text: str) -> None:
        shown = Text("\n").join(_marked(line) for line in text.split("\n"))
        self.session.out.print(shown, end="", soft_wrap=True)

    # ------------------------------------------------------------ commands

    def _user(self, user_id: str) -> None:
        if user_id:
            self.engine.data.user(user_id)
            self.talk.spoke_of([user_id])
        known = self.talk.user_id
        tell(
            self.session.err,
            f"Speaking of user {known}." if known else "Of no user yet; /user ID names one.",
            "dim",
        )

    def _why(self, rest: str) -> None:
        if not self.talk.steps:
            tell(self.session.err, "Nothing was answered yet.", "yellow")
            return
        self.answer(f"why {rest}".strip())

    def _sources(self, _: str) -> None:
        if self.last is None or not self.last.sources:
            tell(self.session.err, "The last answer cites no events.", "yellow")
            return
        self.session.out.print(_table(self.last.sources))

    def _help(self, _: str) -> None:
        for line in _HELP.splitlines():
            self.session.out.print(Text(line))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _edit_lines() -> None:
    """Turn on arrow keys and a history of the questions, where readline is installed. The history
    is not saved.
    """
    if sys.stdin.isatty():
        try:
            import readline
        except ImportError:
            return
        readline.set_auto_history(True)


def _marked(line: str) -> Text:
    """A line as safe text, with its marks (`[e1]`) dimmed. Blanks at both ends stay."""
    body = clean(line)
    before = line[: len(line) - len(line.lstrip())]
    behind = line[len(line.rstrip()) :] if body else ""
    text = Text(f"{before.replace(chr(9), ' ')}{body}{behind.replace(chr(9), ' ')}")
    text.highlight_regex(r"\[e\d+\]", "dim cyan")
    return text


def _table(sources: "list[CitedEvent]") -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "event", "user", "what", "when"):
        table.add_column(name, style="dim" if name == "event" else "")
    for event in sources:
        value = f" {event.value:g}" if event.value is not None else ""
        day = f"{event.timestamp:%Y-%m-%d}" if event.timestamp else ""
        cells = (
            f"[e{event.number}]",
            event.event_id,
            event.user_id,
            f"{event.type}{value} of {event.title}",
            day,
        )
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table
