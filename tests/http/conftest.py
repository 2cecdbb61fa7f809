"""One trained store for all tests of the API that only read, and copies for those that change
it.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.http import tasteful


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tasteful.made(tmp_path_factory.mktemp("taste"))


@pytest.fixture
def client(trained: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """Of a server over a store of its own."""
    with tasteful.serving(tasteful.copied(trained, tmp_path)) as found:
        yield found
