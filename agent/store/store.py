"""One store: a folder with a SQLite file, or any database that SQLAlchemy reaches. The only place
for SQLAlchemy.

One process writes (`writing()` holds the lock), any number read.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from threading import RLock, local
from time import monotonic
from typing import TypeVar

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from limner.core.errors import StoreBusyError, StoreError, UnknownIdError, UsageError
from limner.core.interactions import NO_TIME, Interactions
from limner.core.schema import ApiKey, Event, Item, LedgerRow, Profile, Scale, StoredAnswer, User
from limner.core.telemetry import logged
from limner.store import schema_version
from limner.store import tables as t
from limner.store.bulk import insert_columns
from limner.store.columns import Added, Counts, EventColumns, State, event_hash, made_id
from limner.store.dialects import make_engine, sqlite_file, translated, upsert
from limner.store.locks import process_lock

T = TypeVar("T")

_OPEN_WAIT = 30.0
"""Seconds for which an opening waits for another process that makes or upgrades the store."""

_CHUNK = 100_000
_MANY = 500
"""Ids in one IN (...), well under every database's limit."""


def open_store(data: str, *, create: bool = True, folder: Path | None = None) -> "Store":
    """The store in a folder or behind a database URL.

    Raises UsageError where there is none and `create` is false, StoreError where it cannot be read.
    """
    if "://" in data:
        return Store(data, folder or Path(".limner"), create=create)
    home = Path(data)
    file = home / "limner.db"
    if home.exists() and not home.is_dir():
        raise UsageError("store.is_file", folder=data)
    if not file.exists() and not create:
        raise UsageError("store.missing", folder=data)
    made = [file, home] if not home.exists() else [] if file.exists() else [file]
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("store.no_folder", folder=data, error=error.strerror) from error
    return Store(f"sqlite:///{file}", home, is_folder=True, made=made)


class Store:
    """Events as they came, and everything derived from them, versioned."""

    id: str
    """32 hex digits, kept in the database."""
    folder: Path
    """Where the store's files lie, no other store's."""

    def __init__(
        self,
        url: str,
        files: Path,
        *,
        is_folder: bool = False,
        create: bool = True,
        made: Sequence[Path] = (),
    ) -> None:
        """files: the folder that is the store's (`is_folder`), or in which it makes one that its id
        names. made: the file and the folder that are only now made; they go again if nothing is
        ever stored in them.
        """
        self._made = made
        self._engine = make_engine(url)
        self._address = str(files) if is_folder else self._engine.url.render_as_string()
        # What a reader reads is of one moment, however many queries it makes.
        self._reader = (
            self._engine
            if sqlite_file(self._engine)
            else self._engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._lock = process_lock(self._engine, "write")
        self._loading = process_lock(self._engine, "load")
        self._changing, self._guard = RLock(), RLock()
        self._own = local()
        try:
            self.id = self._prepare(create)
            self.folder = files if is_folder else files / self.id
            self.folder.mkdir(parents=True, exist_ok=True)
        except BaseException:
            if self._made:
                self._unmake()
            raise

    def _prepare(self, create: bool) -> str:
        """See that the tables are there, and today's; the store's id. Raises StoreError, and
        UsageError where there is no store and `create` is false.
        """
        try:
            store_id = schema_version.current_id(self._engine)
            if store_id is None:
                with self.writing(_OPEN_WAIT):
                    self._make_or_upgrade(create)
                store_id = schema_version.current_id(self._engine)
        except sa.exc.DatabaseError as error:
            raise translated(error) from error
        if store_id is None:
            raise StoreError("store.no_id", address=self._address)
        return store_id

    def _make_or_upgrade(self, create: bool) -> None:
        """Alone: what another process did meanwhile is not done again."""
        version = schema_version.stored_version(self._engine)
        if version is None and not create:
            raise UsageError("store.missing", folder=self._address)
        if version is None:
            schema_version.make_tables(self._engine)
        elif version != schema_version.HEAD:
            schema_version.upgrade(self._engine, version)

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self, wait: float = 0.0) -> Iterator[None]:
        """Be the one process that writes, with all its threads. Re-entrant.

        Raises StoreBusyError if another process is writing, and does not end within `wait` seconds.
        """
        if not self._acquired(wait):
            raise StoreBusyError("store.other_writer", folder=self._address)
        try:
            yield
        finally:
            self._lock.release()

    def _acquired(self, wait: float) -> bool:
        try:
            return self._lock.acquire(wait)
        except sa.exc.DatabaseError as error:
            raise translated(error) from error

    @contextmanager
    def changing(self, wait: float = 0.0) -> Iterator[None]:
        """Be the one thread of the one process that writes, so that what it reads stays true until
        it has written.

        Re-entrant. Threads that only add, as those of a build of minutes, are not kept out:
        `writing` is theirs. Raises StoreBusyError if another thread changes something, or another
        process writes, and does not end within `wait` seconds.
        """
        until = monotonic() + wait
        if not self._changing.acquire(timeout=wait):
            raise StoreBusyError("store.other_request")
        try:
            with self.writing(max(0.0, until - monotonic())):
                yield
        finally:
            self._changing.release()

    @property
    def _load(self) -> "_Load | None":
        """The bulk load of this thread: others read what is stored until it is done."""
        load: _Load | None = getattr(self._own, "load", None)
        return load

    @contextmanager
    def loading(self, *, few: bool = False, wait: float = 0.0) -> Iterator[None]:
        """A bulk load as one transaction; an exception leaves the store as it was. A first load
        indexes last.

        few: only some rows come, so that each is looked up, rather than all that is known read
        before. Raises StoreBusyError as `writing` does.
        """
        with self.writing(wait), self._guard, self._loading:
            try:
                self._checkpoint("PASSIVE")
                with self._engine.begin() as connection:
                    self._own.load = load = _Load(connection, few=few)
                    yield
                    load.finish()
            except sa.exc.DatabaseError as error:
                self._shrink()
                raise translated(error) from error
            except BaseException:
                self._shrink()
                raise
            finally:
                self._own.load = None

    def is_loaded_elsewhere(self) -> bool:
        """Whether another process is in the middle of a bulk load, so that nothing can be added
        before its end.
        """
        if self._load is not None:
            return False
        if not self._loading.acquire(0.1):
            return True
        self._loading.release()
        return False

    def _checkpoint(self, mode: str) -> None:
        """Move what is committed from SQLite's log into its file."""
        if sqlite_file(self._engine):
            with self._engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA wal_checkpoint({mode})")

    def _shrink(self) -> None:
        """Give back the space of a load that failed: on a full disk it is what filled it."""
        with suppress(sa.exc.DatabaseError):
            self._checkpoint("TRUNCATE")

    @contextmanager
    def _begin(self, *, beside: bool = False) -> Iterator[sa.Connection]:
        """The load's transaction if one is open, else one of its own.

        beside: rows that concern nobody else, and that a process may add beside the one that
        writes.
        """
        with self._guard:
            if self._load is not None:
                yield self._load.connection
                return
            try:
                with (
                    nullcontext() if beside else self.writing(),
                    self._engine.begin() as connection,
                ):
                    yield connection
            except sa.exc.DatabaseError as error:
                raise translated(error) from error

    def adding(self) -> AbstractContextManager[sa.Connection]:
        """A transaction for rows that concern nobody else, beside whichever process writes."""
        return self._begin(beside=True)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        return self._read()

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        if self._load is not None:
            yield self._load.connection
            return
        try:
            with self._reader.connect() as connection:
                yield connection
        except sa.exc.DatabaseError as error:
            raise translated(error) from error

    def add_events(self, columns: EventColumns) -> Added:
        """Add a chunk inside `loading()`; events whose id is stored already are merged."""
        if self._load is None:
            with self.loading():
                return self.add_events(columns)
        return self._load.events(columns)

    def add_items(self, items: Sequence[Item]) -> Added:
        """Insert or replace; a row that says what is stored already is merged. The last of equal
        ids wins.
        """
        rows = {
            item.item_id: {
                "item_id": item.item_id,
                "source": item.source,
                "title": item.title,
                "text": item.text,
                "categories": _dump(item.categories),
                "price": item.price,
                "image": item.image,
                "audio": item.audio,
                "attributes": _dump(item.attributes),
            }
            for item in items
        }
        with self._begin() as connection:
            return _upsert(connection, t.items, "item_id", rows, len(items))

    def add_users(self, users: Sequence[User]) -> Added:
        rows = {
            user.user_id: {
                "user_id": user.user_id,
                "source": user.source,
                "attributes": _dump(user.attributes),
            }
            for user in users
        }
        with self._begin() as connection:
            return _upsert(connection, t.users, "user_id", rows, len(users))

    def set_scale(self, scale: Scale) -> None:
        """Declared scales win; observed ones only widen."""
        old = self.scales().get(scale.source)
        if old is not None and not scale.declared:
            if old.declared:
                return
            scale = scale.model_copy(
                update={"low": min(old.low, scale.low), "high": max(old.high, scale.high)}
            )
        with self._begin() as connection:
            upsert(connection, t.scales, [scale.model_dump()])

    def first_source(self) -> str:
        """The source of the first event; empty where there is none."""
        with self._read() as connection:
            found = connection.scalar(
                sa.select(t.events.c.source).order_by(t.events.c.seq).limit(1)
            )
        return found or ""

    def scales(self) -> dict[str, Scale]:
        with self._read() as connection:
            return {
                row.source: Scale(**row._mapping) for row in connection.execute(sa.select(t.scales))
            }

    # ------------------------------------------------------------ reading

    def counts(self) -> Counts:
        with self._read() as connection:

            def size(table: sa.Table) -> int:
                return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0

            profiles = (
                connection.scalar(sa.select(sa.func.count(sa.distinct(t.profiles.c.user_id)))) or 0
            )
            return Counts(size(t.users), size(t.items), size(t.events), profiles)

    def last_seq(self, *, of_items: bool = False) -> int:
        """Number of the newest event, or of the newest that names an item; 0 where there is
        none.
        """
        query = sa.select(t.events.c.seq).order_by(t.events.c.seq.desc()).limit(1)
        if of_items:
            query = query.where(t.events.c.item_key.is_not(None))
        with self._read() as connection:
            return connection.scalar(query) or 0

    def revision(self) -> int:
        """Counts up whenever events, items or users change."""
        return int(self.note("revision") or 0)

    def state(self) -> State:
        """How far the store has come."""
        with self._read() as connection:
            counted = {row.name: int(row.text) for row in connection.execute(_COUNTERS)}
            events = connection.scalar(_NEWEST) or 0
        return State(
            counted.get("revision", 0),
            counted.get("users changed", 0),
            counted.get("items changed", 0),
            events,
            counted.get("users erased", 0),
        )

    def user_ids(self) -> list[str]:
        with self._read() as connection:
            return list(connection.scalars(sa.select(t.users.c.user_id).order_by(t.users.c.key)))

    def known_users(self, among: Collection[str]) -> set[str]:
        """Those of some ids that are users'."""
        u = t.users.c.user_id
        with self._read() as connection:
            return {
                one
                for part in _parts(list(set(among)))
                for one in connection.scalars(sa.select(u).where(u.in_(part)))
            }

    def require_user(self, user_id: str) -> User:
        """Raises UnknownIdError."""
        found = self.user(user_id)
        if found is None:
            raise UnknownIdError("user.unknown", user=user_id)
        return found

    def newest(self, user_id: str) -> tuple[int, int] | None:
        """(a number that is another whenever an event of a user came or went, version of their
        newest portrait), each 0 where there is none; None for nobody.
        """
        with self._read() as connection:
            row = connection.execute(_NEWEST_OF, {"one": user_id}).first()
        return ((row.seq or 0) * _EVENTS + row.events, row.version or 0) if row else None

    def user(self, user_id: str) -> User | None:
        with self._read() as connection:
            row = connection.execute(sa.select(t.users).where(t.users.c.user_id == user_id)).first()
        return (
            User(user_id=row.user_id, source=row.source, attributes=json.loads(row.attributes))
            if row
            else None
        )

    def users(self) -> list[User]:
        """All users by key."""
        with self._read() as connection:
            rows = connection.execute(sa.select(t.users).order_by(t.users.c.key))
            return [
                User(user_id=r.user_id, source=r.source, attributes=json.loads(r.attributes))
                for r in rows
            ]

    def item(self, item_id: str) -> Item | None:
        found = self.items([item_id])
        return found[0] if found else None

    def items(self, ids: Sequence[str] | None = None) -> list[Item]:
        """All items by key, or those of the given ids that exist."""
        query = sa.select(t.items).order_by(t.items.c.key)
        with self._read() as connection:
            if ids is None:
                return [item_of(row) for row in connection.execute(query)]
            return [
                item_of(row)
                for part in _parts(ids)
                for row in connection.execute(query.where(t.items.c.item_id.in_(part)))
            ]

    def events(self, user_id: str, *, after_seq: int = 0) -> list[Event]:
        """A user's events, those without an item too, by (time, seq)."""
        query = EVENT_QUERY.where(t.users.c.user_id == user_id, t.events.c.seq > after_seq)
        with self._read() as connection:
            found = [event_of(row) for row in connection.execute(query)]
        found.sort(key=_when)
        return found

    def events_by_id(self, ids: Sequence[str]) -> list[Event]:
        with self._read() as connection:
            found = [
                event_of(row)
                for part in _parts(ids)
                for row in connection.execute(
                    EVENT_QUERY.where(t.events.c.id_hash.in_([event_hash(one) for one in part]))
                )
            ]
        wanted = set(ids)
        return [event for event in found if event.event_id in wanted]

    def events_by_seq(self, seqs: Sequence[int]) -> list[Event]:
        """The events of those numbers that are there, in order of number."""
        with self._read() as connection:
            found = [
                event_of(row)
                for part in _parts(list(seqs))
                for row in connection.execute(EVENT_QUERY.where(t.events.c.seq.in_(part)))
            ]
        return sorted(found, key=lambda one: one.seq)

    def period(self) -> tuple[datetime, datetime] | None:
        """First and last time of all events; None where none has one."""
        with self._read() as connection:
            first, last = connection.execute(
                sa.select(sa.func.min(t.events.c.time), sa.func.max(t.events.c.time))
            ).one()
        if first is None:
            return None
        return datetime.fromtimestamp(first / 1000, UTC), datetime.fromtimestamp(last / 1000, UTC)

    def event_types(self) -> dict[str, int]:
        """Events by type, those without an item too; most first."""
        count = sa.func.count()
        query = (
            sa.select(t.events.c.type, count)
            .group_by(t.events.c.type)
            .order_by(count.desc(), t.events.c.type)
        )
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def reviews(self, per_item: int = 3) -> dict[str, list[str]]:
        """Up to `per_item` texts that users wrote about each item, in order of arrival."""
        query = (
            sa.select(t.items.c.item_id, t.events.c.text)
            .join(t.items, t.items.c.key == t.events.c.item_key)
            .where(t.events.c.text.is_not(None))
            .order_by(t.events.c.seq)
        )
        found: dict[str, list[str]] = {}
        with self._read() as connection:
            for row in connection.execute(query, execution_options={"yield_per": 10_000}):
                texts = found.setdefault(row.item_id, [])
                if len(texts) < per_item:
                    texts.append(row.text)
        return found

    def active_users(self, min_events: int = 1) -> list[tuple[str, int]]:
        """(user id, events), most first, then by id."""
        count = sa.func.count().label("n")
        query = (
            sa.select(t.users.c.user_id, count)
            .join(t.events, t.events.c.user_key == t.users.c.key)
            .group_by(t.users.c.user_id)
            .having(count >= min_events)
            .order_by(count.desc(), t.users.c.user_id)
        )
        with self._read() as connection:
            return [(row.user_id, row.n) for row in connection.execute(query)]

    def heard_lately(self, limit: int) -> list[tuple[str, int]]:
        """(user id, milliseconds of their last event), the latest first; only of those whose events
        have times.
        """
        last = sa.func.max(t.events.c.time).label("last")
        query = (
            sa.select(t.users.c.user_id, last)
            .join(t.events, t.events.c.user_key == t.users.c.key)
            .where(t.events.c.time.is_not(None))
            .group_by(t.users.c.user_id)
            .order_by(last.desc(), t.users.c.user_id)
            .limit(limit)
        )
        with self._read() as connection:
            return [(row.user_id, row.last) for row in connection.execute(query)]

    def interactions(self) -> Interactions:
        """Every event that names an item, as columns sorted by (user, time, seq)."""
        e = t.events.c
        query = sa.select(e.user_key, e.item_key, e.type, e.source, e.value, e.time, e.seq).where(
            e.item_key.is_not(None)
        )
        types: dict[str, int] = {}
        sources: dict[str, int] = {}
        parts: list[list[NDArray[np.float64] | NDArray[np.int64]]] = []
        with self._read() as connection:
            user_keys, user_ids = _keys(connection, t.users, t.users.c.user_id)
            item_keys, item_ids = _keys(connection, t.items, t.items.c.item_id)
            result = connection.execute(query, execution_options={"yield_per": _CHUNK})
            for chunk in result.partitions(_CHUNK):
                users_, items_, types_, sources_, values_, times_, seqs_ = zip(*chunk, strict=True)
                parts.append(
                    [
                        np.searchsorted(user_keys, np.fromiter(users_, np.int64, len(chunk))),
                        np.searchsorted(item_keys, np.fromiter(items_, np.int64, len(chunk))),
                        np.fromiter(
                            (types.setdefault(one, len(types)) for one in types_),
                            np.int64,
                            len(chunk),
                        ),
                        np.fromiter(
                            (sources.setdefault(one, len(sources)) for one in sources_),
                            np.int64,
                            len(chunk),
                        ),
                        np.array(values_, dtype=np.float64),
                        np.fromiter(
                            (NO_TIME if one is None else one for one in times_),
                            np.int64,
                            len(chunk),
                        ),
                        np.fromiter(seqs_, np.int64, len(chunk)),
                    ]
                )
        columns = (
            [np.concatenate(column) for column in zip(*parts, strict=True)]
            if parts
            else [np.empty(0)] * 7
        )
        user, item, type_, source, value, time, seq = columns
        order = np.lexsort((seq, time, user))
        return Interactions(
            user_ids,
            item_ids,
            list(types),
            list(sources),
            user[order].astype(np.int32),
            item[order].astype(np.int32),
            type_[order].astype(np.int16),
            source[order].astype(np.int16),
            value[order].astype(np.float64),
            time[order].astype(np.int64),
            seq[order].astype(np.int64),
        )

    # ------------------------------------------------------------ what is derived

    def save_profile(self, profile: Profile) -> Profile:
        """Store as the next version, which waits to be embedded, and return it with its number."""
        p = t.profiles.c
        with self._begin() as connection:
            last = (
                connection.scalar(
                    sa.select(sa.func.max(p.version)).where(p.user_id == profile.user_id)
                )
                or 0
            )
            profile = profile.model_copy(update={"version": last + 1})
            connection.execute(
                sa.insert(t.profiles),
                {
                    "user_id": profile.user_id,
                    "version": profile.version,
                    "as_of": int(profile.as_of.timestamp() * 1000),
                    "body": profile.model_dump_json(),
                },
            )
            waiting = {"user_id": profile.user_id, "version": profile.version}
            upsert(connection, t.unembedded, [waiting])
        return profile

    def count_unembedded(self) -> int:
        """How many portraits wait to be embedded."""
        with self._read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(t.unembedded)) or 0

    def unembedded(self, n: int) -> dict[str, int]:
        """Users whose newest portrait waits to be embedded, and its version; the first n by user
        id.
        """
        w = t.unembedded.c
        with self._read() as connection:
            rows = connection.execute(sa.select(w.user_id, w.version).order_by(w.user_id).limit(n))
            return {row.user_id: row.version for row in rows}

    def set_embedded(self, versions: Mapping[str, int]) -> None:
        """These portraits wait no more; newer ones of the same users do."""
        w = t.unembedded.c
        if versions:
            done = sa.delete(t.unembedded).where(
                w.user_id == sa.bindparam("user"), w.version == sa.bindparam("held")
            )
            with self._begin() as connection:
                connection.execute(
                    done, [{"user": user, "held": version} for user, version in versions.items()]
                )

    def set_unembedded(self) -> None:
        """Everyone's newest portrait waits to be embedded."""
        p, names = t.profiles.c, ["user_id", "version"]
        newest = sa.select(p.user_id, sa.func.max(p.version)).group_by(p.user_id)
        with self._begin() as connection:
            connection.execute(sa.delete(t.unembedded))
            connection.execute(sa.insert(t.unembedded).from_select(names, newest))

    def profile(self, user_id: str, version: int | None = None) -> Profile | None:
        found = self.profile_body(user_id, version)
        return Profile.model_validate_json(found[1]) if found else None

    def profile_body(
        self, user_id: str, version: int | None = None, as_of: datetime | None = None
    ) -> tuple[int, str] | None:
        """(version, JSON) of a portrait: the newest, or of a version, or the newest painted no
        later than `as_of`.
        """
        p = t.profiles.c
        query = (
            sa.select(p.version, p.body)
            .where(p.user_id == user_id)
            .order_by(p.version.desc())
            .limit(1)
        )
        if version is not None:
            query = query.where(p.version == version)
        if as_of is not None:
            query = query.where(p.as_of <= int(as_of.timestamp() * 1000))
        with self._read() as connection:
            row = connection.execute(query).first()
        return (row.version, row.body) if row else None

    def profile_versions(self, user_id: str) -> list[Profile]:
        p = t.profiles.c
        with self._read() as connection:
            bodies = connection.scalars(
                sa.select(p.body).where(p.user_id == user_id).order_by(p.version)
            )
            return [Profile.model_validate_json(body) for body in bodies]

    def profiles(self, holding: str = "") -> list[Profile]:
        """Everyone's newest portrait, by user id; only those that hold a text somewhere, where one
        is given.
        """
        p = t.profiles.c
        newest = (
            sa.select(p.user_id, sa.func.max(p.version).label("version"))
            .group_by(p.user_id)
            .subquery()
        )
        query = (
            sa.select(p.body)
            .join(newest, (p.user_id == newest.c.user_id) & (p.version == newest.c.version))
            .order_by(p.user_id)
        )
        if holding:
            # Reading a body is the slow part; a database passes over those without the text far
            # faster.
            query = query.where(
                p.body.icontains(json.dumps(holding, ensure_ascii=False)[1:-1], autoescape=True)
            )
        with self._read() as connection:
            return [Profile.model_validate_json(body) for body in connection.scalars(query)]

    def profiled_users(self) -> list[str]:
        with self._read() as connection:
            query = sa.select(t.profiles.c.user_id).distinct().order_by(t.profiles.c.user_id)
            return list(connection.scalars(query))

    def answer(self, key: str) -> StoredAnswer | None:
        with self._read() as connection:
            body = connection.scalar(sa.select(t.answers.c.body).where(t.answers.c.key == key))
        return StoredAnswer.model_validate_json(body) if body else None

    def save_answer(self, key: str, user_id: str | None, answer: StoredAnswer) -> None:
        with self._begin(beside=True) as connection:
            row = {"key": key, "user_id": user_id, "body": answer.model_dump_json()}
            upsert(connection, t.answers, [row])

    def add_ledger(self, row: LedgerRow) -> None:
        with self._begin(beside=True) as connection:
            connection.execute(
                sa.insert(t.ledger), {"user_id": row.user_id, "body": row.model_dump_json()}
            )

    def ledger_since(self, row: int) -> Iterator[tuple[int, LedgerRow]]:
        """Rows above a row's number, each with its own."""
        query = (
            sa.select(t.ledger.c.row, t.ledger.c.body)
            .where(t.ledger.c.row > row)
            .order_by(t.ledger.c.row)
        )
        with self._read() as connection:
            for number, body in connection.execute(query, execution_options={"yield_per": 10_000}):
                yield number, LedgerRow.model_validate_json(body)

    def ledger(self, user_id: str | None = None) -> list[LedgerRow]:
        query = sa.select(t.ledger.c.body).order_by(t.ledger.c.row)
        if user_id is not None:
            query = query.where(t.ledger.c.user_id == user_id)
        with self._read() as connection:
            return [LedgerRow.model_validate_json(body) for body in connection.scalars(query)]

    def add_api_key(self, key: ApiKey, hash_: str) -> None:
        """hash_: SHA-256 of the key, in hex."""
        row = {
            "key_id": key.key_id,
            "hash": hash_,
            "user_id": key.user_id,
            "body": key.model_dump_json(),
        }
        with self._begin(beside=True) as connection:
            connection.execute(sa.insert(t.keys), row)

    def api_key(self, hash_: str) -> ApiKey | None:
        """The key with this hash, revoked or not."""
        with self._read() as connection:
            body = connection.scalar(sa.select(t.keys.c.body).where(t.keys.c.hash == hash_))
        return ApiKey.model_validate_json(body) if body else None

    def api_keys(self) -> list[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        with self._read() as connection:
            found = [
                ApiKey.model_validate_json(body)
                for body in connection.scalars(sa.select(t.keys.c.body))
            ]
        return sorted(found, key=lambda key: (key.created, key.key_id))

    def change_api_key(self, key: ApiKey) -> None:
        with self._begin(beside=True) as connection:
            update = sa.update(t.keys).where(t.keys.c.key_id == key.key_id)
            connection.execute(update.values(body=key.model_dump_json()))

    def note(self, name: str) -> str | None:
        """A small text that the store remembers about itself."""
        with self._read() as connection:
            return connection.scalar(sa.select(t.notes.c.text).where(t.notes.c.name == name))

    def set_note(self, name: str, text: str) -> None:
        with self._begin() as connection:
            upsert(connection, t.notes, [{"name": name, "text": text}])

    @logged("store", "erase_user", lambda events: {"events": events})
    def erase_user(self, user_id: str) -> int:
        """Erase a user and all that was derived from them; how many events went."""
        with self._begin() as connection:
            key = connection.scalar(sa.select(t.users.c.key).where(t.users.c.user_id == user_id))
            gone = connection.execute(
                sa.delete(t.events).where(t.events.c.user_key == key)
            ).rowcount
            _revise(connection, "users erased")
            for table in (
                t.users,
                t.profiles,
                t.unembedded,
                t.answers,
                t.ledger,
                t.keys,
                t.shown,
                t.outcomes,
                t.wordings,
            ):
                connection.execute(sa.delete(table).where(table.c.user_id == user_id))
            # What was said of them is theirs too; a name in half a word costs a conversation, and
            # nothing else.
            said = t.conversations.c.body.contains(
                json.dumps(user_id, ensure_ascii=False)[1:-1], autoescape=True
            )
            connection.execute(sa.delete(t.conversations).where(said))
        with suppress(StoreError):
            self._checkpoint("TRUNCATE")  # the log holds the rows that are gone
        return gone

    def erase_event(self, event: Event) -> None:
        """Erase an event, what it counted for on a list, and the reasons in a model's words, which
        may name it.
        """
        with self._begin() as connection:
            connection.execute(sa.delete(t.events).where(t.events.c.seq == event.seq))
            _revise(connection)
            o = t.outcomes.c
            shown = str(event.context.get("recommendation_id", ""))
            told = (
                (o.recommendation_id == shown)
                & (o.item_id == event.item_id)
                & (o.user_id == event.user_id)
            )
            connection.execute(sa.delete(t.outcomes).where(told & o.type.in_((event.type, "hide"))))
            connection.execute(sa.delete(t.wordings).where(t.wordings.c.user_id == event.user_id))

    def erase_profiles(self, user_id: str, versions: Sequence[int]) -> None:
        p = t.profiles.c
        with self._begin() as connection:
            connection.execute(
                sa.delete(t.profiles).where(p.user_id == user_id, p.version.in_(versions))
            )

    def close(self) -> None:
        if self._made:
            with suppress(StoreError), self.writing():
                counts = self.counts()
                if not (counts.users or counts.items or counts.events):
                    self._unmake()
        self._engine.dispose()

    def _unmake(self) -> None:
        """Remove the store that this object made, as if it had never been opened."""
        self._engine.dispose()
        with suppress(OSError):
            for ending in ("", "-wal", "-shm"):
                Path(f"{self._made[0]}{ending}").unlink(missing_ok=True)
            for lock in (self._lock, self._loading):
                lock.remove()
            for folder in self._made[1:]:
                folder.rmdir()
        self._made = ()


class _Load:
    """State of one bulk load: the transaction, the keys and hashes that are known."""

    def __init__(self, connection: sa.Connection, *, few: bool) -> None:
        self.connection, self.few = connection, few
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.seen = np.empty(0, np.int64)
        if not few:
            self._read_all()

    def _read_all(self) -> None:
        connection = self.connection
        self.users = dict(connection.execute(sa.select(t.users.c.user_id, t.users.c.key)).all())
        self.items = dict(connection.execute(sa.select(t.items.c.item_id, t.items.c.key)).all())
        hashes = connection.execute(
            sa.select(t.events.c.id_hash), execution_options={"yield_per": _CHUNK}
        )
        parts = [
            np.fromiter((row[0] for row in chunk), np.int64, len(chunk))
            for chunk in hashes.partitions(_CHUNK)
        ]
        self.seen = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        # Without its indexes a table is filled faster; on PostgreSQL readers would wait meanwhile.
        if len(self.seen) == 0 and connection.dialect.name == "sqlite":
            for index in t.EVENT_INDEXES:
                index.drop(connection, checkfirst=True)

    def _recall(self, hashes: NDArray[np.int64]) -> None:
        """Read which of some ids are stored."""
        found = {
            row.id_hash
            for part in _parts(hashes.tolist())
            for row in self.connection.execute(
                sa.select(t.events.c.id_hash).where(t.events.c.id_hash.in_(part))
            )
        }
        self.seen = np.union1d(self.seen, np.array(sorted(found), dtype=np.int64))

    def events(self, c: EventColumns) -> Added:
        if self.few:
            self._recall(c.id_hash)
        fresh = _first_of_each(c.id_hash)
        place = np.searchsorted(self.seen, c.id_hash)
        if len(self.seen):
            fresh &= self.seen[np.minimum(place, len(self.seen) - 1)] != c.id_hash
        rows = int(fresh.sum())
        if rows:
            _revise(self.connection)
            named = list(compress(c.item_id, fresh))
            user_ids = list(compress(c.user_id, fresh))
            users = self._known(self.users, t.users, "user_id", user_ids)
            items = self._known(
                self.items, t.items, "item_id", [one for one in named if one is not None]
            )
            insert_columns(
                self.connection,
                t.events,
                {
                    "id_hash": c.id_hash[fresh].tolist(),
                    "event_id": [None] * rows
                    if c.event_id is None
                    else list(compress(c.event_id, fresh)),
                    "user_key": [users[one] for one in user_ids],
                    "item_key": [None if one is None else items[one] for one in named],
                    "type": list(compress(c.type, fresh)),
                    "value": _or_none(c.value[fresh], np.isnan(c.value[fresh])),
                    "time": _or_none(c.time[fresh], c.time[fresh] == NO_TIME),
                    "text": [one or None for one in compress(c.text, fresh)],
                    "source": [c.source] * rows,
                    "context": [one or None for one in compress(c.context, fresh)],
                },
            )
            # Kept sorted by merging, so that memory stays at eight bytes an event.
            added = np.sort(c.id_hash[fresh])
            self.seen = np.insert(self.seen, np.searchsorted(self.seen, added), added)
        return Added(rows, len(c.id_hash) - rows)

    def _known(
        self, keys: dict[str, int], table: sa.Table, column: str, ids: list[str]
    ) -> dict[str, int]:
        new = list(dict.fromkeys(one for one in ids if one not in keys))
        # Rows that came as items or users in this load have keys that are not known here yet.
        self._look_up(keys, table, column, new)
        missing = [one for one in new if one not in keys]
        if missing:
            insert_columns(self.connection, table, {column: missing})
            _revise(self.connection, f"{table.name} changed", len(missing))
            self._look_up(keys, table, column, missing)
        return keys

    def _look_up(self, keys: dict[str, int], table: sa.Table, column: str, ids: list[str]) -> None:
        for part in _parts(ids):
            query = sa.select(table.c[column], table.c.key).where(table.c[column].in_(part))
            keys.update(self.connection.execute(query).all())

    def finish(self) -> None:
        for index in t.EVENT_INDEXES:
            index.create(self.connection, checkfirst=True)


def _or_none(
    values: NDArray[np.float64] | NDArray[np.int64], missing: NDArray[np.bool_]
) -> list[object]:
    """[n] the values as Python's own numbers, None where one is missing."""
    out = values.astype(object)
    out[missing] = None
    found: list[object] = out.tolist()
    return found


def _first_of_each(hashes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[n] true at the first row of each value."""
    mask = np.zeros(len(hashes), dtype=bool)
    mask[np.unique(hashes, return_index=True)[1]] = True
    return mask


def _upsert(
    connection: sa.Connection,
    table: sa.Table,
    column: str,
    rows: Mapping[str, Mapping[str, object]],
    given: int,
) -> Added:
    names = [c.name for c in table.columns if c.name != "key"]
    stored: dict[str, tuple[object, ...]] = {}
    for part in _parts(list(rows)):
        query = sa.select(table).where(table.c[column].in_(part))
        stored.update(
            {
                row._mapping[column]: tuple(row._mapping[n] for n in names)
                for row in connection.execute(query)
            }
        )
    new = [row for one, row in rows.items() if one not in stored]
    changed = [
        {"_id": one, **row}
        for one, row in rows.items()
        if one in stored and stored[one] != tuple(row[n] for n in names)
    ]
    if new:
        insert_columns(connection, table, {name: [row[name] for row in new] for name in new[0]})
    if changed:
        update = sa.update(table).where(table.c[column] == sa.bindparam("_id"))
        connection.execute(update.values({n: sa.bindparam(n) for n in names}), changed)
    kept = len(new) + len(changed)
    if kept:
        _revise(connection, f"{table.name} changed", kept)
    return Added(kept, given - kept)


def _revise(connection: sa.Connection, counter: str = "", by: int = 1) -> None:
    """Count up the revision of what everything else is derived from, and another counter of
    `state`.
    """
    for name, more in (("revision", 1), (counter, by)) if counter else (("revision", 1),):
        is_this = t.notes.c.name == name
        now = int(connection.scalar(sa.select(t.notes.c.text).where(is_this)) or 0)
        upsert(connection, t.notes, [{"name": name, "text": str(now + more)}])


_COUNTERS = sa.select(t.notes).where(
    t.notes.c.name.in_(("revision", "users changed", "items changed", "users erased"))
)
_NEWEST = sa.select(sa.func.max(t.events.c.seq))
_EVENTS = 2**32
"""More events than one user has."""
_NEWEST_OF = sa.select(
    sa.select(sa.func.max(t.events.c.seq))
    .where(t.events.c.user_key == t.users.c.key)
    .scalar_subquery()
    .label("seq"),
    sa.select(sa.func.count(t.events.c.seq))
    .where(t.events.c.user_key == t.users.c.key)
    .scalar_subquery()
    .label("events"),
    sa.select(sa.func.max(t.profiles.c.version))
    .where(t.profiles.c.user_id == t.users.c.user_id)
    .scalar_subquery()
    .label("version"),
).where(t.users.c.user_id == sa.bindparam("one"))

EVENT_QUERY = (
    sa.select(t.events, t.users.c.user_id, t.items.c.item_id)
    .join(t.users, t.users.c.key == t.events.c.user_key)
    .outerjoin(t.items, t.items.c.key == t.events.c.item_key)
)


def event_of(row: sa.Row[tuple[object, ...]]) -> Event:
    # The row was validated when it came in; building without a second check makes long histories
    # cheap.
    return Event.model_construct(
        event_id=row.event_id or made_id(row.id_hash),
        user_id=row.user_id,
        item_id=row.item_id,
        type=row.type,
        value=row.value,
        timestamp=None if row.time is None else datetime.fromtimestamp(row.time / 1000, UTC),
        text=row.text or "",
        source=row.source,
        context=json.loads(row.context) if row.context else {},
        seq=row.seq,
    )


def _when(event: Event) -> tuple[float, int]:
    return (event.timestamp.timestamp() if event.timestamp else float("-inf"), event.seq)


def item_of(row: sa.Row[tuple[object, ...]]) -> Item:
    return Item.model_construct(
        item_id=row.item_id,
        source=row.source,
        title=row.title,
        text=row.text,
        categories=json.loads(row.categories),
        price=row.price,
        image=row.image,
        audio=row.audio,
        attributes=json.loads(row.attributes),
    )


def _keys(
    connection: sa.Connection, table: sa.Table, column: sa.Column[str]
) -> tuple[NDArray[np.int64], list[str]]:
    rows = connection.execute(sa.select(table.c.key, column).order_by(table.c.key)).all()
    return np.array([row[0] for row in rows], dtype=np.int64), [row[1] for row in rows]


def _parts(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    return (ids[at : at + _MANY] for at in range(0, len(ids), _MANY))


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
