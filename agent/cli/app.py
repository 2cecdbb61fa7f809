"""The command `limner`: its verbs, the options before them, and its exit codes.

Exit codes: 0 done; 1 failed; 2 wrong usage or bad input; 100 an evaluation below its threshold; 130
interrupted. Results go to stdout, prose and progress to stderr. A failure is one sentence;
LIMNER_DEBUG=1 adds its traceback.
"""

import contextlib
import errno
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from limner.cli import backups, chat, connect, data, keys, profiles, recommend, serve, studies
from limner.cli.session import Globals, Opener, print_json, stderr_console, tell
from limner.cli.text import clean
from limner.core.errors import LimnerError
from limner.core.settings import debugging

app = typer.Typer(
    name="limner",
    help="Paints a portrait of each user from what they did, and recommends from it, saying why.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(no_args_is_help=True, help="Public data sets to try Limner on.")
profile_app = typer.Typer(no_args_is_help=True, help="Portraits: build them, show them.")

eval_app = typer.Typer(no_args_is_help=True, help="Offline evaluation: systems against each other.")

keys_app = typer.Typer(no_args_is_help=True, help="Keys of the REST API: make, list, revoke.")

DATA, PORTRAITS, OTHER = "Data", "Portraits and recommendations", "More"


def _add(group: typer.Typer, name: str, verb: Callable[..., object], panel: str = "") -> None:
    """Make a function a verb; its docstring is the help, each paragraph laid out to the width."""
    paragraphs = inspect.getdoc(verb) or ""
    text = "\n\n".join(" ".join(lines.split()) for lines in paragraphs.split("\n\n"))
    group.command(name, help=text, rich_help_panel=panel or None)(verb)


_add(app, "init", data.init, DATA)
app.add_typer(data_app, name="data", rich_help_panel=DATA)
_add(data_app, "list", data.data_list)
_add(data_app, "fetch", data.data_fetch)
_add(app, "ingest", data.ingest, DATA)
_add(app, "history", data.history, DATA)
_add(app, "correct", data.correct, DATA)
_add(app, "erase", data.erase, DATA)
_add(app, "train", profiles.train, PORTRAITS)
app.add_typer(profile_app, name="profile", rich_help_panel=PORTRAITS)
_add(profile_app, "build", profiles.build)
_add(profile_app, "show", profiles.show_profile)
_add(app, "recommend", recommend.recommend, PORTRAITS)
_add(app, "rank", recommend.rank, PORTRAITS)
_add(app, "users", recommend.users, PORTRAITS)
_add(app, "chat", chat.chat, OTHER)
_add(app, "serve", serve.serve, OTHER)
_add(app, "mcp", connect.mcp, OTHER)
app.add_typer(keys_app, name="keys", rich_help_panel=OTHER)
_add(keys_app, "create", keys.create)
_add(keys_app, "list", keys.list_keys)
_add(keys_app, "revoke", keys.revoke)
app.add_typer(eval_app, name="eval", rich_help_panel=OTHER)
_add(eval_app, "run", serve.eval_run)
_add(eval_app, "compare", serve.eval_compare)
_add(eval_app, "report", serve.eval_report)
_add(eval_app, "portraits", studies.portraits)
_add(eval_app, "reasons", studies.reasons)
_add(eval_app, "chat", studies.chat)
_add(app, "backup", backups.backup, OTHER)
_add(app, "restore", backups.restore, OTHER)
_add(app, "doctor", profiles.doctor, OTHER)
_add(app, "demo", recommend.demo, OTHER)


def _version(wanted: bool) -> None:
    if wanted:
        from limner.cli.text import version

        sys.stdout.write(f"limner {version()}\n")
        raise typer.Exit


@app.callback()
def before_the_verb(
    ctx: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DIR",
            help="The store: a folder or a database URL (LIMNER_DATA; .limner).",
        ),
    ] = "",
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings", metavar="FILE", help="A settings file instead of ./limner.yaml."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no hints on stderr.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    before = ctx.ensure_object(Globals)
    before.project, before.quiet = settings, quiet
    if data:
        before.overrides[("data",)] = data


def main(argv: Sequence[str] | None = None, *, open_engine: Opener | None = None) -> int:
    """Run one command; the exit code. `open_engine` lets tests pass a fake."""
    if sys.stdout is None:  # started with stdout closed
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    if not debugging():
        _hush()
    before = Globals(open_engine) if open_engine else Globals()
    try:
        status = app(args, prog_name="limner", standalone_mode=False, obj=before)
        sys.stdout.flush()
        if status == 130:
            return _interrupted()
        return status if isinstance(status, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except LimnerError as error:
        return _fail(error, error.code, str(error), error.exit_code, as_json)
    except OSError as error:
        if error.errno == errno.EPIPE or isinstance(error, BrokenPipeError):
            _leave_nothing_to_flush()
            return 0
        return _fail(error, "os", _system_sentence(error), 1, as_json)
    except USAGE_ERRORS as error:
        if not str(error):  # a bare `limner`, answered by its help
            return 2
        return _fail(error, "usage", _usage_sentence(error), 2, as_json)
    except Exception as error:  # noqa: BLE001  the last stop before a person: a sentence instead of a traceback
        words = (
            f"Limner failed inside ({type(error).__name__}: {error}); LIMNER_DEBUG=1 "
            "shows where, please report it."
        )
        return _fail(error, "internal", words, 1, as_json)


def _usage_error() -> type[Exception]:
    # Typer carries its own copy of click since 0.26 and used click's before; both share this
    # ancestor of BadParameter.
    return next(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")


USAGE_ERRORS = _usage_error()


def _usage_sentence(error: Exception) -> str:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "limner"
    return f"{message.rstrip('.')}; see {where} --help."


def _system_sentence(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"No space is left on the device{_at(error)}; free some and run the command again."
    return (
        f"{error.strerror or error}{_at(error)}; check that the path exists and may be "
        "read and written."
    )


def _at(error: OSError) -> str:
    return f" at '{error.filename}'" if error.filename else ""


def _fail(error: Exception, code: str, message: str, status: int, as_json: bool) -> int:
    message = clean(message)
    if debugging():
        import traceback

        traceback.print_exception(error)
    with contextlib.suppress(OSError):
        tell(stderr_console(), f"Error: {message}", "red")
    try:
        if as_json:
            print_json({"error": {"code": code, "message": message}})
            sys.stdout.flush()
    except OSError:  # stdout itself is what failed: a full disk, a reader that left
        _leave_nothing_to_flush()
    return status


def _interrupted() -> int:
    tell(
        stderr_console(),
        "Interrupted; what was finished is kept, and the same command goes on from there.",
    )
    return 130


def _leave_nothing_to_flush() -> None:
    """Whatever stdout still holds goes nowhere, so that Python does not complain about it at its
    end.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _hush() -> None:
    """Libraries' warnings are for programmers; LIMNER_DEBUG=1 lets them through."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
