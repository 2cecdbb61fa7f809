"""Keys of the REST API."""

from typing import Annotated

import typer

from limner.cli.session import Json, Session
from limner.core.errors import UsageError
from limner.core.schema import Scope


def create(
    ctx: typer.Context,
    scope: Annotated[
        str, typer.Option("--scope", help="read, write or admin, each with those before it.")
    ] = "read",
    user: Annotated[
        str,
        typer.Option("--user", metavar="ID", help="Only for this end user, who sees nobody else."),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="Whose key it is, what for.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a key; it is shown once."""
    from limner.cli import show
    from limner.store.api_keys import create_key

    with Session(ctx, as_json) as session:
        made = create_key(session.engine().store, _scope(scope), name=name, user_id=user or None)
        session.give(made, show.new_key(made))
        session.hint(
            "Send it as `Authorization: Bearer KEY`. It is stored nowhere and cannot be "
            "shown again."
        )


def list_keys(ctx: typer.Context, as_json: Json = False) -> None:
    """List the keys, without their secrets."""
    from limner.cli import show

    with Session(ctx, as_json) as session:
        keys = session.engine().store.api_keys()
        session.give({"keys": keys}, show.keys(keys))


def revoke(
    ctx: typer.Context,
    key_id: Annotated[
        str, typer.Argument(metavar="KEY_ID", help="As `limner keys list` shows it.")
    ],
    as_json: Json = False,
) -> None:
    """Make a key useless, for running servers too, within a second."""
    from limner.cli import show
    from limner.store.api_keys import revoke_key

    with Session(ctx, as_json) as session:
        key = revoke_key(session.engine().store, key_id)
        session.give(key, show.keys([key]))


def _scope(text: str) -> Scope:
    from limner.store.api_keys import SCOPES

    for scope in SCOPES:
        if scope == text:
            return scope
    raise UsageError("keys.unknown_scope", scope=text)
