"""Locks between processes: on a file beside an SQLite database, or inside PostgreSQL."""

from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout

from limner.core.errors import StoreFullError
from limner.store.dialects import sqlite_file, translated

_LOOK = 0.02
"""Seconds between two looks at whether another process still has the lock."""


class LockHandle(Protocol):
    """A lock that one process has at a time."""

    def try_acquire(self) -> bool:
        """Whether the lock is this process' now; never waits. Raises StoreError."""

    def release(self) -> None: ...

    def remove(self) -> None:
        """Leave no trace of the lock where the store was."""


class FileLockHandle:
    """A lock on a file, which ends with the process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = FileLock(file, thread_local=False)

    def try_acquire(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise StoreFullError("store.cannot_write") from error
        return True

    def release(self) -> None:
        self._lock.release()

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)


class AdvisoryLockHandle:
    """A PostgreSQL advisory lock, which ends with the connection that it keeps open meanwhile.

    It holds for one schema of one database, whatever machine its clients run on.
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = sa.func.hashtextextended(sa.func.current_schema() + f"/limner/{name}", 0)
        self._connection: sa.Connection | None = None

    def try_acquire(self) -> bool:
        try:
            with ExitStack() as leaving:
                connection = leaving.enter_context(self._engine.connect())
                query = sa.select(sa.func.pg_try_advisory_lock(self._key))
                if not connection.scalar(query):
                    return False
                self._connection = connection
                leaving.pop_all()  # the connection stays open for as long as the lock is had
                return True
        except sa.exc.DatabaseError as error:
            raise translated(error) from error

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(self._key)))
        except sa.exc.DBAPIError:
            connection.invalidate()  # the lock is gone with its session
        finally:
            connection.close()

    def remove(self) -> None:
        """Does nothing: the database drops its locks itself."""


class ProcessLock:
    """A lock between processes, which all threads of the one that has it hold together."""

    def __init__(self, handle: LockHandle) -> None:
        self._handle = handle
        self._counting = Lock()
        self._holders = 0

    def acquire(self, wait: float) -> bool:
        """Whether the lock is had within `wait` seconds."""
        until = monotonic() + wait
        while not self._try_acquire():
            if monotonic() >= until:
                return False
            sleep(_LOOK)
        return True

    def _try_acquire(self) -> bool:
        with self._counting:
            if not self._holders and not self._handle.try_acquire():
                return False
            self._holders += 1
            return True

    def release(self) -> None:
        with self._counting:
            self._holders -= 1
            if not self._holders:
                self._handle.release()

    def remove(self) -> None:
        self._handle.remove()

    def __enter__(self) -> None:
        self.acquire(float("inf"))

    def __exit__(self, *_: object) -> None:
        self.release()


def process_lock(engine: sa.Engine, name: str) -> ProcessLock:
    """The lock of that name of an engine's database."""
    file = sqlite_file(engine)
    if file is None:
        return ProcessLock(AdvisoryLockHandle(engine, name))
    return ProcessLock(FileLockHandle(file.with_name(f"{file.name}-{name}.lock")))
