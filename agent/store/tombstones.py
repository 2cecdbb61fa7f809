"""What is kept of ids that were erased: a hash, and when. Enough to know one again, and not to tell
it.
"""

import re
from datetime import UTC, datetime
from hashlib import blake2b

import sqlalchemy as sa

from limner.store import tables as t
from limner.store.changes import parts
from limner.store.dialects import upsert

_NAME = "erased:"
"""Beginning of the names of notes that tell of erasures."""
_WORD = re.compile(r"[^\s\"'`´,;:!?()\[\]{}<>\\]+")
_MIXED, _LONG = 8, 16


def tells(text: str) -> bool:
    """Whether an id stands for nothing else wherever it is read: 8 letters and digits, or 16
    characters.
    """
    mixed = any(one.isalpha() for one in text) and any(one.isdigit() for one in text)
    return len(text) >= (_MIXED if mixed else _LONG)


def tombstone_of(store_id: str, user_id: str) -> str:
    """The hash of an id, which is another one in each store."""
    return blake2b(user_id.encode(), key=store_id.encode(), digest_size=16).hexdigest()


def bury(connection: sa.Connection, store_id: str, user_id: str) -> None:
    """Note that a user was erased now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"name": _NAME + tombstone_of(store_id, user_id), "text": now}
    upsert(connection, t.notes, [row])


def tombstones(connection: sa.Connection) -> dict[str, datetime]:
    """When users were erased, by the hash of their id."""
    query = sa.select(t.notes).where(t.notes.c.name.startswith(_NAME))
    return {
        row.name.removeprefix(_NAME): datetime.fromisoformat(row.text)
        for row in connection.execute(query)
    }


def erased_at(connection: sa.Connection, store_id: str, user_id: str) -> datetime | None:
    """When a user of this id was erased last; None for nobody."""
    name = _NAME + tombstone_of(store_id, user_id)
    text = connection.scalar(sa.select(t.notes.c.text).where(t.notes.c.name == name))
    return datetime.fromisoformat(text) if text else None


def names_erased(connection: sa.Connection, store_id: str, text: str) -> bool:
    """Whether a text holds, as a word, a long id that was erased and did not come back."""
    words = {word.rstrip(".") for word in _WORD.findall(text)}
    sought = {_NAME + tombstone_of(store_id, one): one for one in words if tells(one)}
    gone = [
        sought[name]
        for part in parts(list(sought))
        for name in connection.scalars(sa.select(t.notes.c.name).where(t.notes.c.name.in_(part)))
    ]
    back = sa.select(sa.func.count()).where(t.users.c.user_id.in_(gone))
    return bool(gone) and (connection.scalar(back) or 0) < len(gone)
