"""Keys of the REST API."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from limner.cli.show.layout import plain_table, words
from limner.cli.text import day
from limner.core.schema import ApiKey

if TYPE_CHECKING:
    from limner.store.api_keys import NewKey


def new_key(made: "NewKey") -> RenderableType:
    return Group(keys([made.key]), words(made.secret, "bold"))


def keys(found: Sequence[ApiKey]) -> RenderableType:
    if not found:
        return words("No keys yet; `limner keys create` makes one.")
    table = plain_table("key", "scope", "user", "name", "created", "revoked")
    for key in found:
        table.add_row(
            words(key.key_id),
            key.scope,
            words(key.user_id or "everyone"),
            words(key.name),
            day(key.created),
            words(day(key.revoked) if key.revoked else "", "yellow"),
        )
    return table
