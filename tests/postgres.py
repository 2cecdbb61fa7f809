"""A PostgreSQL server of the tests' own: on a socket in a folder of its own, gone at their end."""

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import sqlalchemy as sa

_OWNER = "postgres"
"""The server refuses to run as root, who runs it as this user instead."""
_QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=")
_START = 60.0


class PostgresServer:
    """Makes an empty database for whoever asks."""

    def __init__(self, socket_folder: Path, user: str) -> None:
        self._socket_folder, self._user = socket_folder, user
        self._numbers = count()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self._user}@/{database}?host={self._socket_folder}"

    def new_database(self) -> str:
        """The URL of a database that was made just now."""
        name = f"test{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, statement: str) -> None:
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, which Debian keeps out of the PATH."""
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(packaged[-1]) if packaged else None)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Raises FileNotFoundError where PostgreSQL is not installed."""
    server, initdb = program("postgres"), program("initdb")
    if server is None or initdb is None:
        raise FileNotFoundError("PostgreSQL's postgres and initdb are not installed")
    owner = _OWNER if os.geteuid() == 0 else None
    # A socket's path is short (107 bytes), and the tests' own folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="limner-postgres-"))
    try:
        if owner:
            shutil.chown(folder, owner)
        user = owner or getpass.getuser()
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", data, "-U", user, "--auth=trust", "--encoding=UTF8", "--no-sync"],
            user=owner,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        settings = [part for one in _QUICK for part in ("-c", one)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [server, "-D", data, "-k", folder, *settings],
                user=owner,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            made = PostgresServer(folder, user)
            _wait_for(made, process, folder / "log")
            yield made
        finally:
            process.send_signal(signal.SIGINT)  # which cuts connections that a test left open
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(server: PostgresServer, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = monotonic() + _START
    while True:
        try:
            server.run("SELECT 1")
        except sa.exc.OperationalError:
            if process.poll() is not None or monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            sleep(0.05)
        else:
            return
