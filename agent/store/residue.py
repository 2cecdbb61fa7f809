"""Looking for what is left of somebody who was erased: in rows, in files, and in what files hold
beside their rows.

A short id is in every file, as a number or part of a word, so that it is looked for where an id
stands: in columns of ids, and as the value of `user_id` in JSON. What nobody else has (ids of
events, texts of reviews, long ids) is looked for byte by byte.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from limner.store import tables as t
from limner.store.changes import parts
from limner.store.database import Database
from limner.store.dead_bytes import dead_bytes
from limner.store.text_types import names
from limner.store.tombstones import tells

USER_TABLES = (
    t.users,
    t.profiles,
    t.unembedded,
    t.answers,
    t.ledger,
    t.keys,
    t.shown,
    t.outcomes,
    t.wordings,
)
"""Tables with a column `user_id`."""
_WORDY = 24
"""Characters from which on a text is taken to be one user's alone, if no event has it."""
_MOST_TEXTS = 50


@dataclass(frozen=True)
class Traces:
    """What tells that something is about a user."""

    user_id: str
    words: tuple[str, ...] = ()
    """Ids of events and texts that are nobody else's."""

    def anywhere(self) -> list[bytes]:
        """What is looked for in every byte: the id as JSON has it, and words."""
        quoted = json.dumps(self.user_id, ensure_ascii=False)
        keys = [f'"user_id":{gap}{quoted}' for gap in ("", " ")]
        return [text.encode() for text in (*keys, *self.words)]


class ResidueSearch:
    """Looks through one store. A user's traces are taken before they are erased."""

    def __init__(self, store: Database) -> None:
        self._store = store

    def traces(self, user_id: str) -> Traces:
        """What to look for once the user is gone: ids that their events came with, the longest of
        their texts.
        """
        e = t.events.c
        query = (
            sa.select(e.event_id, e.text)
            .join(t.users, t.users.c.key == e.user_key)
            .where(t.users.c.user_id == user_id)
        )
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        ids = sorted({row.event_id for row in rows if tells(row.event_id or "")})
        texts = sorted({row.text for row in rows if len(row.text or "") >= _WORDY}, key=len)
        return Traces(user_id, (*ids, *texts[-_MOST_TEXTS:]))

    def rows(self, user_id: str) -> dict[str, int]:
        """Rows that name a user, by table; tables without any are left out."""
        with self._store.reading() as connection:
            counts = {
                table.name: _count(connection, table, table.c.user_id == user_id)
                for table in USER_TABLES
            }
            talks = sa.select(t.conversations.c.body).where(names(t.conversations.c.body, user_id))
            counts[t.conversations.name] = sum(
                tells(user_id) or user_id in json.loads(body).get("about", ())
                for body in connection.scalars(talks)
            )
        return {name: count for name, count in counts.items() if count}

    def own_words(self, traces: Traces) -> Traces:
        """The traces without words that are others' too: a text that another event has."""
        with self._store.reading() as connection:
            others = {
                text
                for part in parts(traces.words)
                for text in connection.scalars(
                    sa.select(t.events.c.text).where(t.events.c.text.in_(part))
                )
            }
        return Traces(traces.user_id, tuple(one for one in traces.words if one not in others))

    def raw_id(self, user_id: str) -> bytes | None:
        """The id as bytes that stand for nothing else; None for a short one, and one that is part
        of another user's or of an item's.
        """
        if not tells(user_id):
            return None
        queries = [
            sa.select(sa.exists().where(column.contains(user_id, autoescape=True)))
            for column in (t.users.c.user_id, t.items.c.item_id)
        ]
        with self._store.reading() as connection:
            return None if any(map(connection.scalar, queries)) else user_id.encode()

    def database_files(self, traces: Traces, raw: bytes | None) -> list[str]:
        """Places of an SQLite store's own files, beside its rows, that hold a trace."""
        file = self._store.file
        if file is None:
            return []
        sought = [*traces.anywhere(), *([raw] if raw else [])]
        found = []
        if any(one in part for part in dead_bytes(file) for one in sought):
            found.append(f"{file.name}: free space")
        for ending in ("-wal", "-journal"):
            log = file.with_name(f"{file.name}{ending}")
            if log.exists() and _has(log.read_bytes(), sought):
                found.append(log.name)
        return found


def file_holds(path: Path, traces: Traces, raw: bytes | None) -> bool:
    """Whether a file that is no database holds a trace. A long id counts where no letter or digit
    stands beside it.
    """
    body = path.read_bytes()
    if _has(body, traces.anywhere()):
        return True
    if raw is None or raw not in body:
        return False
    return (
        re.search(rb"(?<![0-9A-Za-z_-])" + re.escape(raw) + rb"(?![0-9A-Za-z_-])", body) is not None
    )


def files_of(folder: Path) -> Iterator[Path]:
    """All files in a store's folder; folders that go meanwhile are passed over."""
    paths = (Path(home) / name for home, _, files in os.walk(folder) for name in files)
    return (path for path in sorted(paths) if not path.is_symlink())


def _count(connection: sa.Connection, table: sa.Table, which: "sa.ColumnElement[bool]") -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(which)) or 0


def _has(body: bytes, sought: Sequence[bytes]) -> bool:
    return any(one in body for one in sought)
