"""One store's database: how it is opened, locked, read and written. The only place for engines.

One process writes (`writing()` holds the lock), any number read.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from threading import RLock, local
from time import monotonic, sleep

import sqlalchemy as sa

from limner.core.atomic import make_private
from limner.core.errors import StoreBusyError, StoreError, StoreFullError, UsageError
from limner.store import schema_version
from limner.store import tables as t
from limner.store.bulk_load import BulkLoad
from limner.store.dialects import (
    is_there,
    make_engine,
    make_looker,
    make_reader,
    sqlite_file,
    translated,
    upsert,
)
from limner.store.locks import process_lock
from limner.store.tombstones import names_erased

log = logging.getLogger("limner.store")
_LOOK = 0.02
"""Seconds between two tries to empty a log that others read."""
_UNWRITABLE = frozenset({"store.cannot_write", "store.no_space", "store.cannot_open"})
"""Codes of errors under which a store may still be read."""
_OPEN_WAIT = 30.0
"""Seconds for which an opening waits for another process that makes or upgrades the store."""


class _ErasedMeanwhile(Exception):
    """Rolls back what was to be written about a user who is gone."""


class Database:
    """The connections, locks and notes of one store."""

    id: str
    """The store's id, 32 hex digits, kept in the database."""
    folder: Path
    """Folder for the files of this store alone."""

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
        self._file = sqlite_file(self._engine)
        self.unwritable: StoreError | None = None
        """Why nothing can be written, where the disk is full or may only be read."""
        self._told = False
        self._address = str(files) if is_folder else self._engine.url.render_as_string()
        self._reader = make_reader(self._engine)
        self._lock = process_lock(self._engine, "write")
        self._loading = process_lock(self._engine, "load")
        self._training = process_lock(self._engine, "train")
        self._changing, self._guard = RLock(), RLock()
        self._own = local()
        with ExitStack() as failed:
            failed.callback(self._unmake)
            self.id = self._prepare_or_look(create)
            self.folder = files if is_folder else files / self.id
            if self.unwritable is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                make_private(self.folder)
            failed.pop_all()

    def _prepare_or_look(self, create: bool) -> str:
        """`_prepare`, and where nothing can be written what is there is only read."""
        try:
            return self._prepare(create)
        except StoreError as error:
            if error.message.code not in _UNWRITABLE or self._file is None:
                raise
            if not self._file.exists() or self._made:
                raise
            self._engine.dispose()
            self._reader = self._engine = make_looker(self._file)
            try:
                store_id = self._prepare(False)
            except StoreError:
                raise error from None
            self.unwritable = error
            return store_id

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
        if self.unwritable is not None:
            raise StoreFullError(self.unwritable.message)
        if not self._lock.acquire(wait):
            raise StoreBusyError("store.other_writer", folder=self._address)
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def training(self, wait: float = 0.0) -> Iterator[None]:
        """Be the one process that trains; others may write meanwhile. Re-entrant.

        Raises StoreBusyError if another process is training, and does not end within `wait`
        seconds.
        """
        if not self._training.acquire(wait):
            raise StoreBusyError("store.other_trainer", folder=self._address)
        try:
            yield
        finally:
            self._training.release()

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
    def _load(self) -> "BulkLoad | None":
        """The bulk load of this thread: others read what is stored until it is done."""
        load: BulkLoad | None = getattr(self._own, "load", None)
        return load

    @contextmanager
    def loading(self, *, few: bool = False, wait: float = 0.0) -> Iterator[None]:
        """A bulk load as one transaction; an exception leaves the store as it was. A first load
        indexes last.

        few: only some rows come, so that each is looked up, rather than all that is known read
        before. Raises StoreBusyError as `writing` does.
        """
        with self.writing(wait), self._guard, self._loading, ExitStack() as failed:
            failed.callback(self._shrink)
            try:
                self.checkpoint("PASSIVE")
                with self._engine.begin() as connection:
                    self._own.load = load = BulkLoad(connection, few=few)
                    yield
                    load.finish()
            except sa.exc.DatabaseError as error:
                raise translated(error) from error
            finally:
                self._own.load = None
            failed.pop_all()

    def is_loaded_elsewhere(self) -> bool:
        """Whether another process is in the middle of a bulk load. Nothing can be added until it
        ends.
        """
        if self._load is not None or self.unwritable is not None:
            return False
        if not self._loading.acquire(0.1):
            return True
        self._loading.release()
        return False

    def _shrink(self) -> None:
        """Give back the space of a load that failed: on a full disk it is what filled it."""
        with suppress(sa.exc.DatabaseError):
            self.checkpoint("TRUNCATE")

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        return self._file

    @contextmanager
    def expendable(self) -> Iterator[None]:
        """Around a write that answers can do without, of a cache or a log: where the disk takes
        nothing it is left out, which a line of the log says once.
        """
        try:
            yield
        except StoreFullError as error:
            if not self._told:
                self._told = True
                log.warning("not kept", extra={"fields": {"error": type(error).__name__}})

    def checkpoint(self, mode: str) -> bool:
        """Move what is committed from SQLite's log into its file; whether that was all of it."""
        if self.file is None:
            return True
        with self._engine.connect() as connection:
            busy, _, _ = connection.exec_driver_sql(f"PRAGMA wal_checkpoint({mode})").one()
        return not busy

    def empty_log(self, wait: float) -> bool:
        """Leave nothing in SQLite's log; whether no reader kept it from that for `wait` seconds."""
        until = monotonic() + wait
        while True:
            with suppress(sa.exc.DatabaseError):
                if self.checkpoint("TRUNCATE"):
                    return True
            if monotonic() >= until:
                return False
            sleep(_LOOK)

    def damage(self) -> list[str]:
        """What is wrong with an SQLite file, in SQLite's words; empty where nothing is."""
        if self._file is None:
            return []
        with self.reading() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(3)").scalars()
            return [str(line) for line in found if line != "ok"]

    def vacuum(self) -> None:
        """Write an SQLite file anew, without what is in it beside its rows."""
        if self.file is None:
            return
        try:
            with self.writing(), self._guard, self._engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("VACUUM")
        except sa.exc.DatabaseError as error:
            raise translated(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """The load's transaction if one is open, else one of its own, as the process that
        writes.
        """
        with self._own_transaction(self.writing()) as connection:
            yield connection

    @contextmanager
    def adding(self) -> Iterator[sa.Connection]:
        """A transaction for rows that concern nobody else, beside whichever process writes."""
        with self._own_transaction(nullcontext()) as connection:
            yield connection

    @contextmanager
    def adding_about(self, *user_ids: str | None, text: str = "") -> Iterator[sa.Connection]:
        """`adding` for rows about users, None for nobody; nothing is kept where one of them was
        erased before it is written, nor where a text of the rows names somebody who was.
        """
        with suppress(_ErasedMeanwhile), self.adding() as connection:
            yield connection
            if not all(one is None or is_there(connection, one) for one in user_ids):
                raise _ErasedMeanwhile
            if text and names_erased(connection, self.id, text):
                raise _ErasedMeanwhile

    @contextmanager
    def _own_transaction(self, lock: AbstractContextManager[None]) -> Iterator[sa.Connection]:
        with self._guard:
            if self._load is not None:
                yield self._load.connection
                return
            try:
                with lock, self._engine.begin() as connection:
                    yield connection
            except sa.exc.DatabaseError as error:
                raise translated(error) from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reading; inside a bulk load it sees the rows added so far."""
        if self._load is not None:
            yield self._load.connection
            return
        try:
            with self._reader.connect() as connection:
                yield connection
        except sa.exc.DatabaseError as error:
            raise translated(error) from error

    # ------------------------------------------------------------ notes

    def note(self, name: str) -> str | None:
        """A small text that the store remembers about itself."""
        with self.reading() as connection:
            return connection.scalar(sa.select(t.notes.c.text).where(t.notes.c.name == name))

    def set_note(self, name: str, text: str) -> None:
        with self.transaction() as connection:
            upsert(connection, t.notes, [{"name": name, "text": text}])

    # ------------------------------------------------------------ closing

    def close(self) -> None:
        """Let go of connections; a store that this object made, and that stayed empty, goes."""
        if self._made:
            with suppress(StoreError), self.writing():
                if self._is_empty():
                    self._unmake()
        self._engine.dispose()
        if self.folder.exists() and self.unwritable is None:
            make_private(self.folder)

    def _is_empty(self) -> bool:
        with self.reading() as connection:
            return not any(
                connection.scalar(sa.select(sa.exists(sa.select(table.c[0]))))
                for table in (t.users, t.items, t.events)
            )

    def _unmake(self) -> None:
        """Remove what this object made of a store, as if it had never been opened."""
        self._engine.dispose()
        if not self._made:
            return
        with suppress(OSError):
            for ending in ("", "-wal", "-shm"):
                Path(f"{self._made[0]}{ending}").unlink(missing_ok=True)
            for lock in (self._lock, self._loading, self._training):
                lock.remove()
            for folder in self._made[1:]:
                folder.rmdir()
        self._made = ()
