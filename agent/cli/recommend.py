"""Verbs that recommend: recommend, rank, users and, on data that it gets itself, demo."""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from limner.cli.request_options import joined, read_options, request_options
from limner.cli.session import Json, Session, print_json
from limner.cli.table_writer import check_ending
from limner.cli.tables import write_recommendations, write_users
from limner.core.errors import BadInputError, UsageError
from limner.core.request_fields import read_request
from limner.core.schema import Recommendations

if TYPE_CHECKING:
    from limner.engine import Engine


@request_options
def recommend(
    ctx: typer.Context,
    users: Annotated[
        list[str] | None,
        typer.Argument(metavar="USER", help="For whom; ids exactly as in the data."),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="For every user of the store; needs --out.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a row an item: .parquet, .csv or .jsonl."
        ),
    ] = None,
    fields: Mapping[str, object] = MappingProxyType({}),
    as_json: Json = False,
) -> None:
    """Recommend items that a user has not had yet, each with a reason that cites the user's own
    events.

    Without USER, --context names the items of a visit, and the list is for its visitor, of whom
    nothing else is known. On a store that was only ingested, what is missing (training, the
    portrait) is done first. Without --no-explain every item of a named user's list has its reason,
    with --all only where --explain asks for it.
    """
    from limner.cli import show

    asked = list(dict.fromkeys(users or []))
    _check_targets(asked, everyone, bool(fields.get("context")), out)
    request = read_options({"explain": not everyone, **fields})
    with Session(ctx, as_json) as session:
        engine = session.engine()
        if everyone and out is not None:
            lists = engine.recommend_all(request)
            written = session.wait(write_recommendations(out, lists, request))
            session.give(written, show.written_table(written))
            session.notes(written.notes)
            return
        for user_id in asked:  # all of them first: a wrong id costs nothing
            engine.data.user(user_id)
        requests = [request.model_copy(update={"user_id": user_id}) for user_id in asked]
        answers = [session.wait(engine.recommend(one)) for one in requests or [request]]
        notes = list(dict.fromkeys(note for answer in answers for note in answer.notes))
        if out is not None:
            written = session.wait(write_recommendations(out, _each(answers), request))
            session.give(written, show.written_table(written))
        else:
            document = answers[0] if len(answers) == 1 else {"users": answers}
            session.give(document, *(show.recommendations(one) for one in answers))
        session.notes(notes)


def _check_targets(users: list[str], everyone: bool, has_visit: bool, out: Path | None) -> None:
    """Raises UsageError unless a list is for exactly one of named users, all users and a visit."""
    if users and everyone:
        raise UsageError("recommend.two_targets")
    if not (users or everyone or has_visit):
        raise UsageError("recommend.no_target")
    if everyone and out is None:
        raise UsageError("recommend.all_needs_file")
    if out is not None:
        check_ending(out)


async def _each(answers: list[Recommendations]) -> AsyncIterator[Recommendations]:
    for one in answers:
        yield one


def users(
    ctx: typer.Context,
    for_item: Annotated[
        str,
        typer.Option("--for-item", metavar="ITEM", help="The item; its id exactly as in the data."),
    ] = "",
    like: Annotated[
        str,
        typer.Option(
            "--like", metavar="WORDS", help='What they are like: "gardeners who buy gifts".'
        ),
    ] = "",
    n: Annotated[
        int | None,
        typer.Option(
            "-n", min=1, metavar="N", help="How many users; 10, or all of them with --out."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="CONDITION", help='Only users that fit: "age < 30 and gender = F".'
        ),
    ] = None,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Users who had the item already may come too.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write a row a user: .parquet, .csv or .jsonl."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find users, best first: those that an item is likeliest for, whose portraits are likest to
    words, or who fit.

    With --for-item they are ordered by the calibrated probability that they have the item next, and
    those who had it are left out; with --like by the likeness of their portraits to the words; with
    --where alone by their activity.
    """
    from limner.cli import show

    condition = joined(where)
    _check_order(for_item, like, condition, repeats)
    if out is not None:
        check_ending(out)
    with Session(ctx, as_json) as session:
        engine = session.engine()
        most = n if n is not None or out is not None else 10
        answer = engine.users(
            most, for_item=for_item or None, like=like or None, where=condition, repeats=repeats
        )
        if out is not None:
            write_users(out, answer)
        document = (
            {**answer.model_dump(exclude={"users"}), "file": str(out), "rows": len(answer.users)}
            if out
            else answer
        )
        session.give(document, show.audience(answer, str(out) if out else ""))
        session.notes(answer.notes)


def _check_order(for_item: str, like: str, condition: str, repeats: bool) -> None:
    """Raises UsageError for options that name no order of users, or contradict each other."""
    if for_item and like:
        raise UsageError("audience.two_orders")
    if not (for_item or like or condition):
        raise UsageError("audience.no_order")
    if repeats and not for_item:
        raise UsageError("audience.repeats_alone")


def demo(
    ctx: typer.Context,
    users: Annotated[
        int, typer.Option("--users", min=1, help="How many users' portraits to paint.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """From nothing to portraits and explained recommendations on MovieLens-100K, in one go.

    Everything goes into ./demo-data (or --data). Safe to run twice. With LIMNER_LLM=none no model
    is fetched.
    """
    from limner.cli.demo import run

    run(ctx, users, as_json)


class RankRequest(BaseModel):
    """One line of `rank --requests`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: str
    items: list[str]


def rank(
    ctx: typer.Context,
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="For whom; the id exactly as in the data.")
    ] = None,
    items: Annotated[
        str,
        typer.Option(
            "--items", metavar="F", help="Item ids, one a line or a JSON list; - reads stdin."
        ),
    ] = "",
    requests: Annotated[
        str,
        typer.Option(
            "--requests", metavar="F.jsonl", help='{"user_id", "items"} a line; - reads stdin.'
        ),
    ] = "",
    explain: Annotated[
        bool, typer.Option("--explain/--no-explain", help="With a reason for each item.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Order given items for a user, best first.

    With --requests, answers one JSON document a line for each line that was asked, in order, with
    or without --json; a line that cannot be answered gets {"line", "error"}, and the exit code is
    2.
    """
    from limner.cli import show

    if bool(items) == bool(requests):
        raise UsageError("rank.two_inputs")
    if bool(user) == bool(requests):
        raise UsageError("rank.user_alone")
    with Session(ctx, as_json) as session:
        if requests:
            lines = _read(requests).split("\n")  # a JSON string may hold other separators of lines
            if not any(line.strip() for line in lines):
                raise BadInputError("rank.no_requests", file=requests)
            engine = session.engine()
            unanswered = sum(
                not _answer(session, engine, number, line, explain)
                for number, line in _numbered(lines)
            )
            if unanswered:
                raise typer.Exit(2)
            return
        wanted = _item_ids(_read(items), items)
        engine = session.engine()
        request = read_options({"user_id": user, "items": wanted, "explain": explain})
        answer = session.wait(engine.recommend(request))
        session.give(answer, show.recommendations(answer, ranked=True))
        session.notes(answer.notes)


def _numbered(lines: list[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _answer(session: Session, engine: "Engine", number: int, line: str, explain: bool) -> bool:
    """Print the answer to one line of requests. False if the line cannot be answered."""
    try:
        asked = RankRequest.model_validate_json(line)
        request = read_request({**asked.model_dump(), "explain": explain})
        answer: Recommendations = session.wait(engine.recommend(request))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = (
            f'Line {number} is not {{"user_id", "items"}}: '
            f"{where + ': ' if where else ''}{first['msg']}."
        )
        print_json(
            {"line": number, "error": {"code": "bad_input", "message": message}}, indent=None
        )
        return False
    except UsageError as error:
        print_json(
            {"line": number, "error": {"code": error.code, "message": str(error)}}, indent=None
        )
        return False
    print_json(answer, indent=None)
    return True


def _read(place: str) -> str:
    """The text of a file or, for `-`, of stdin; raises BadInputError."""
    try:
        return (
            sys.stdin.buffer.read().decode("utf-8-sig")
            if place == "-"
            else Path(place).read_text("utf-8-sig")
        )
    except FileNotFoundError as error:
        raise BadInputError("rank.no_file", file=place) from error
    except IsADirectoryError as error:
        raise BadInputError("file.is_folder", file=place) from error
    except UnicodeDecodeError as error:
        raise BadInputError("file.not_utf8", file=place) from error


def _item_ids(text: str, place: str) -> list[str]:
    """Item ids of a file, in order, each once: a JSON list of ids, or one id a line."""
    item_ids: list[str] = []
    if text.lstrip().startswith("["):
        try:
            loaded: object = json.loads(text)
        except ValueError as error:
            raise BadInputError("rank.wrong_list", file=place, error=error) from error
        if not isinstance(loaded, list) or not all(isinstance(one, str | int) for one in loaded):
            raise BadInputError("rank.no_list", file=place)
        item_ids = [str(one) for one in loaded]
    else:
        item_ids = [line.strip() for line in text.splitlines() if line.strip()]
    if not item_ids:
        raise BadInputError("rank.no_items", file=place)
    return list(dict.fromkeys(item_ids))
