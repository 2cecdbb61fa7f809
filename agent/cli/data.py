"""Verbs that bring data in, show it, correct it and take it out: init, data list, data fetch,
ingest, history, correct, erase.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.session import Json, Session, tell
from limner.cli.text import clean, counted
from limner.core.errors import BadInputError, UnknownIdError, UsageError

TIMES = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")

if TYPE_CHECKING:
    from limner.engine import Engine
    from limner.ingest import Sources

Files = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Tables to look at: events, items, users.")
]


def init(
    ctx: typer.Context,
    files: Files,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the mapping there; never overwrites."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at tables and propose a mapping file for you to check.

    Prints YAML with comments; hand it to `limner ingest --mapping`.
    """
    from rich.text import Text
    from yaml import safe_load

    from limner.ingest import propose_mapping

    with Session(ctx, as_json) as session:
        if output is not None and output.exists():
            raise UsageError("init.output_exists", file=output)
        if output is not None and not output.parent.is_dir():
            raise UsageError("init.no_parent", folder=output.parent, name=output.name)
        text = propose_mapping(files)
        if output is not None:
            output.write_text(text, encoding="utf-8")
        document = {
            "mapping": safe_load(text),
            "yaml": text,
            "file": str(output) if output else None,
        }
        if output is not None:
            session.give(document, Text(f"Wrote {output}."))
            session.hint(f"Check it, then: {session.limner} ingest --events … --mapping {output}")
        elif as_json:
            session.give(document)
        else:
            sys.stdout.write(
                text
            )  # as it is: a file wrapped at the terminal's width would not be YAML any more


def data_list(ctx: typer.Context, as_json: Json = False) -> None:
    """The public data sets that Limner reads without a mapping file."""
    from limner.cli import show
    from limner.ingest.datasets import MIRRORS, list_datasets

    with Session(ctx, as_json) as session:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "terms": one.terms,
                "fetched_by_name": one.name in MIRRORS,
            }
            for one in list_datasets()
        ]
        session.give({"datasets": rows}, show.datasets(list_datasets(), set(MIRRORS)))
        session.hint(
            "Get one: limner data fetch ml-100k. Have one of the others: limner ingest FOLDER."
        )


def data_fetch(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A data set that `limner data list` says can be fetched."
        ),
    ],
    into: Annotated[
        Path, typer.Option("--into", metavar="DIR", help="Where its folder goes.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Get a public data set, checked against its checksum, and print its terms."""
    from rich.text import Text

    from limner.ingest.datasets import fetch, list_datasets

    with Session(ctx, as_json) as session:
        folder = fetch(name, into, session.progress)
        terms = next((one.terms for one in list_datasets() if one.name == name), "")
        document = {"name": name, "folder": str(folder), "terms": terms}
        session.give(document, Text(f"{name} is in {folder}"), Text(f"Terms: {terms}", style="dim"))
        session.hint(f"Next: {session.limner} ingest {folder}")


def ingest(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Folder of a data set that `limner data list` names."
        ),
    ] = None,
    events: Annotated[
        list[str] | None,
        typer.Option("--events", metavar="F", help="Events table; may be repeated."),
    ] = None,
    items: Annotated[
        list[str] | None, typer.Option("--items", metavar="F", help="Items table; may be repeated.")
    ] = None,
    users: Annotated[
        list[str] | None, typer.Option("--users", metavar="F", help="Users table; may be repeated.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping", metavar="F.yaml", help="Which column means what; see `limner init`."
        ),
    ] = None,
    allow_unknown_items: Annotated[
        bool,
        typer.Option(
            "--allow-unknown-items",
            help="Store events though none is about an item of the items table.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Read events, items and users into the store, and report what became of every row.

    A table is a file (CSV, TSV, `::`, RecBole, JSON lines, Parquet, Excel, gzip, xz), a folder, a
    glob, a tar archive, or a query: `sqlite:///shop.db#SELECT * FROM orders`. Reading the same
    table again changes nothing.
    """
    from limner.cli import show

    with Session(ctx, as_json) as session:
        sources = [
            replace(part, allow_unknown_items=allow_unknown_items)
            for part in _sources(folder, events or [], items or [], users or [], mapping)
        ]
        engine = session.engine(create=True)
        with _few_collections():
            report = engine.ingest(*sources)
        session.give(report, show.ingest_report(report))
        counts = engine.data.counts()
        session.hint(
            f"The store holds {counted(counts.users, 'user')}, {counted(counts.items, 'item')} and"
            f" {counted(counts.events, 'event')}. Next: {session.limner} recommend USER."
        )


@contextmanager
def _few_collections() -> Iterator[None]:
    """Run Python's cycle collector once a chunk of rows instead of hundreds of times: rows form no
    cycles, and it takes a third of the time.

    The threshold is the whole process's, so only the command, which owns its process, sets it.
    """
    before = gc.get_threshold()
    gc.set_threshold(500_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _sources(
    folder: Path | None,
    events: Sequence[str],
    items: Sequence[str],
    users: Sequence[str],
    mapping: Path | None,
) -> "list[Sources]":
    from limner.ingest import Sources

    if folder is None:
        if not (events or items or users):
            raise UsageError("ingest.nothing_or_folder")
        return [Sources(events, items, users, str(mapping) if mapping else None)]
    if events or items or users or mapping:
        raise UsageError("ingest.folder_or_tables")
    if not folder.is_dir():
        code = "ingest.not_a_folder" if folder.exists() else "ingest.no_folder"
        raise BadInputError(code, folder=folder)
    from limner.ingest.datasets import known

    found = known(folder)
    if found is None:
        raise BadInputError("ingest.no_data_set", folder=folder)
    return found[1]


def history(
    ctx: typer.Context,
    user: Annotated[
        str, typer.Argument(metavar="USER", help="The user's id, exactly as in the data.")
    ],
    last: Annotated[
        int, typer.Option("--last", min=0, metavar="N", help="Only the newest N; 0 shows all.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """All events of a user, oldest first."""
    from limner.cli import show

    with Session(ctx, as_json) as session:
        engine = session.engine()
        events = engine.data.history(user)
        shown = events[-last:] if last else events
        document = {"user_id": user, "events": shown}
        if as_json:
            session.give(document)
            return
        items = engine.data.items_by_id(
            {event.item_id for event in shown if event.item_id is not None}
        )
        session.give(document, show.history(user, shown, items, engine.data.scales(), len(events)))


def erase(
    ctx: typer.Context,
    users: Annotated[
        list[str], typer.Argument(metavar="USER", help="Their ids, exactly as in the data.")
    ],
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event", metavar="ID", help="Only this event of the one user; may be repeated."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """Erase users and all that names them, for good: events, portraits, vectors, lists,
    conversations, keys.

    Ends with a look through every file of the store for what is left. Who is gone already may be
    erased again.
    """
    from limner.cli import show

    with Session(ctx, as_json) as session:
        engine = session.engine()
        wanted = list(dict.fromkeys(users))
        if event:
            _erase_events(session, engine, wanted, event, yes)
            return
        if not yes and not _agreed(wanted):
            tell(session.err, "Nobody was erased.")
            raise typer.Exit(1)
        erased = []
        for user_id in wanted:
            erased.append(engine.erase(user_id))
            if not as_json:  # at once: should the next one fail, it stands there who is gone
                session.give(erased[-1], show.erased(erased[-1]))
        if as_json:
            session.give({"erased": erased})
        session.notes(list(dict.fromkeys(note for one in erased for note in one.notes)))
        if any(one.residue.found for one in erased):
            raise typer.Exit(1)


def _erase_events(
    session: Session, engine: "Engine", users: Sequence[str], ids: Sequence[str], yes: bool
) -> None:
    """Raises UsageError for several users, UnknownIdError for an event that is not the user's."""
    from rich.text import Text

    if len(users) > 1:
        raise UsageError("erase.events_of_one")
    wanted = list(dict.fromkeys(ids))
    for event_id in wanted:  # all of them first: a wrong id erases nothing
        if engine.edits.event(event_id).user_id != users[0]:
            raise UnknownIdError("event.unknown", event=event_id)
    if not yes and not _agreed_to(f"{counted(len(wanted), 'event')} of user '{clean(users[0])}'"):
        tell(session.err, "Nothing was erased.")
        raise typer.Exit(1)
    erased = [engine.erase_event(event_id) for event_id in wanted]
    what = counted(len(erased), "event")
    session.give({"erased": erased}, Text(f"Erased {what} of user {clean(users[0])}."))


def correct(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id.")],
    type: Annotated[
        str | None, typer.Option("--type", metavar="T", help="What was done: view, rating, …")
    ] = None,
    value: Annotated[
        float | None, typer.Option("--value", metavar="X", help="On the scale of the data.")
    ] = None,
    time: Annotated[
        datetime | None,
        typer.Option(
            "--time", formats=list(TIMES), metavar="TIME", help="ISO 8601; UTC without an offset."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What the user wrote.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Correct an event. What rests on it is counted anew.

    Its id is in `limner history USER --json`.
    """
    from rich.text import Text

    from limner.recommend.edits import EventPatch

    with Session(ctx, as_json) as session:
        when = time if time is None or time.tzinfo else time.replace(tzinfo=UTC)
        given = {"type": type, "value": value, "timestamp": when, "text": text}
        patch = EventPatch.model_validate(
            {name: one for name, one in given.items() if one is not None}
        )
        changed = session.engine().correct_event(event, patch)
        session.give(changed, Text(f"Corrected event {clean(event)}."))


def _agreed(users: Sequence[str]) -> bool:
    named = f"user '{clean(users[0])}'" if len(users) == 1 else f"{len(users):,} users"
    return _agreed_to(f"{named} and all that names them")


def _agreed_to(what: str) -> bool:
    """Raises UsageError where nobody is there to ask."""
    if not sys.stdin.isatty():
        raise UsageError("erase.no_terminal")
    return typer.confirm(f"Erase {what}? This cannot be undone.", err=True)
