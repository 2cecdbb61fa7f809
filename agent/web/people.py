"""Who is in the store: found by id or attribute, the most active, those recently active."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from time import monotonic

from limner.core.errors import BadInputError, NotAllowedError
from limner.core.filters import fitting, values_of
from limner.core.messages import Message
from limner.core.schema import User
from limner.engine import Engine
from limner.store import Counts
from limner.web.words import Words

SHOWN, FIRST = 24, 12
"""Users that a search names, and a list on the first page."""
_PATIENCE = 20
"""Times as long as they took to read, users may be out of date: counting all events again costs
seconds where they are many.
"""
_SIGNS = ("=", "<", ">", "~")


@dataclass(frozen=True)
class ListedPerson:
    user_id: str
    about: str
    """Attributes, in a line."""
    events: int
    last: str = ""
    """Day of the last event, where it is what the user is listed for."""


@dataclass(frozen=True)
class People:
    """What the first page shows."""

    query: str
    found: Sequence[ListedPerson]
    total: int
    """Number of users that match the query."""
    lately: Sequence[ListedPerson]
    """The latest first; nobody where events have no times."""
    example: str
    """A condition on attributes that this store's users have; empty where they have none."""
    counts: Counts
    complaint: Message | None = None


@dataclass(frozen=True)
class _Read:
    at: float
    seconds: float
    revision: int
    users: dict[str, User]
    events: dict[str, int]
    """By user id, most first; those without any come last."""
    counts: Counts
    lately: Sequence[tuple[str, int]]
    """(user id, milliseconds of the last event), the latest first."""
    example: str


class Directory:
    """The users of a store, kept for a while."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._read: _Read | None = None

    def people(self, query: str, words: Words) -> People:
        query = query.strip()
        directory = self._held()
        complaint = None
        try:
            ids = self._matching(query, directory)
        except (BadInputError, NotAllowedError) as error:
            ids, complaint = [], error.message
        return People(
            query=query,
            found=[
                self._person(user_id, directory, words)
                for user_id in ids[: SHOWN if query else FIRST]
            ],
            total=len(ids),
            lately=[]
            if query
            else [
                self._person(
                    user_id, directory, words, words.day(datetime.fromtimestamp(last / 1000, UTC))
                )
                for user_id, last in directory.lately
                if user_id in directory.users
            ],
            example=directory.example,
            counts=directory.counts,
            complaint=complaint,
        )

    def _matching(self, query: str, directory: _Read) -> list[str]:
        """Most active first; the id itself before all. Raises BadInputError for a condition that
        cannot be read.
        """
        if not query:
            return list(directory.events)
        if any(sign in query for sign in _SIGNS):
            self._engine.data.allow(query)
            fit = {user.user_id for user in fitting(list(directory.users.values()), query, "users")}
            return [user_id for user_id in directory.events if user_id in fit]
        wanted = query.casefold()
        matching = [
            user_id
            for user_id in directory.events
            if user_id in directory.users and _says(directory.users[user_id], wanted)
        ]
        return sorted(
            matching,
            key=lambda user_id: (user_id != query, not user_id.casefold().startswith(wanted)),
        )

    def _person(self, user_id: str, held: _Read, words: Words, last: str = "") -> ListedPerson:
        return ListedPerson(user_id, about(held.users[user_id], words), held.events[user_id], last)

    def _held(self) -> _Read:
        with self._lock:
            held, now, revision = self._read, monotonic(), self._engine.data.revision()
            if held is not None and (
                held.revision == revision or now - held.at < _PATIENCE * held.seconds
            ):
                return held
            users = {user.user_id: user for user in self._engine.data.users()}
            active = {one: n for one, n in self._engine.data.active_users() if one in users}
            events = active | {one: 0 for one in users if one not in active}
            counts = self._engine.data.counts()
            lately = self._engine.data.recently_active(FIRST)
            example = _example(users.values())
            self._read = _Read(
                monotonic(), monotonic() - now, revision, users, events, counts, lately, example
            )
            return self._read


def about(user: User, words: Words) -> str:
    """A user's attributes in a line."""
    shown = []
    for name, value in user.attributes.items():
        said = words("comma").join(value) if isinstance(value, list) else str(value)
        if said:
            shown.append(words("attribute", name=name.replace("_", " "), value=said))
    return " · ".join(shown)


def _example(users: Iterable[User]) -> str:
    """A condition that some of the users fit, on two attributes at most."""
    first = next((user for user in users if user.attributes), None)
    if first is None:
        return ""
    parts = []
    for name, value in first.attributes.items():
        if isinstance(value, bool) or not name.isidentifier():
            continue
        if isinstance(value, int | float):
            parts.append(f"{name} >= {value:g}")
        elif isinstance(value, str) and value.isalpha():
            parts.append(f"{name} = {value}")
    return " and ".join(parts[:2])


def _says(user: User, wanted: str) -> bool:
    return wanted in user.user_id.casefold() or any(
        wanted in str(value).casefold()
        for name in user.attributes
        for value in values_of(user, name)
    )
