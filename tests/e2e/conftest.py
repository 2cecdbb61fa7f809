"""One small store, made once by the command itself and copied for whoever writes to it."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.running import TABLES, limner, write_tables


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables and a trained store; not to be written to."""
    folder = tmp_path_factory.mktemp("made")
    write_tables(folder)
    for args in (("ingest", *TABLES), ("train",)):
        done = limner(folder, *args)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of it to do anything with."""
    return Path(shutil.copytree(made, tmp_path / "place"))
