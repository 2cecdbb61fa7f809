"""Verbs that keep a store: backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.session import Json, Session
from limner.cli.text import clean, counted


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, such as b.tar.gz.")],
    as_json: Json = False,
) -> None:
    """Write the whole store into one file, while servers and other commands go on."""
    from rich.text import Text

    with Session(ctx, as_json) as session:
        report = session.engine().back_up(file)
        held = report.manifest
        what = f"{counted(held.users, 'user')} and {counted(held.events, 'event')}"
        session.give(report, Text(f"Backed up {what} to {clean(str(file))}."))
        session.notes(report.notes)
        session.hint("Whoever is erased from now on is still in it; keep it no longer than needed.")


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `limner backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="In the place of the store that is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup where the store is, or was.

    Who was erased since from the store that it replaces is erased from it again.
    """
    from rich.text import Text

    from limner.engine import restore_backup

    with Session(ctx, as_json) as session:
        report = restore_backup(session.settings(), file, replace=replace)
        held = report.manifest
        what = f"{counted(held.users, 'user')} and {counted(held.events, 'event')}"
        lines = [f"Restored {what}, as they were at {held.at:%Y-%m-%d %H:%M} UTC."]
        if report.erased_again:
            lines.append(
                f"Erased again: {counted(report.erased_again, 'user')}, erased since then."
            )
        session.give(report, Text("\n".join(lines)))
        session.notes(report.notes)
