"""The back ends that a store's tests run on."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from limner.store import Store, open_store
from tests.postgres import PostgresServer


@dataclass(frozen=True)
class StorePlace:
    """Where a test's store lies."""

    address: str
    """A folder, or the URL of a PostgreSQL database."""
    files: Path
    """Where the files of a store behind a URL lie."""

    def open(self) -> Store:
        return open_store(self.address, folder=self.files)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], StorePlace]:
    """Makes places where no store is yet: a folder, or an empty PostgreSQL database."""
    numbers = count()

    def make() -> StorePlace:
        files = tmp_path / f"store{next(numbers)}"
        if request.param == "sqlite":
            return StorePlace(str(files), files)
        server: PostgresServer = request.getfixturevalue("postgres")
        return StorePlace(server.new_database(), files)

    return make


@pytest.fixture
def place(new_place: Callable[[], StorePlace]) -> StorePlace:
    return new_place()
