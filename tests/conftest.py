"""Fixtures that every test may use."""

import os

# Tests run in several processes: threads that wait for work beside them slow each other tenfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, postgres_server

# How long an example takes says nothing of whether it is right.
settings.register_profile("limner", deadline=None)
settings.load_profile("limner")

# Chroma keeps files of every store that a process has opened, and the tests open hundreds.
_FILES = 16_384
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if _soft != resource.RLIM_INFINITY and _soft < _FILES:
    resource.setrlimit(
        resource.RLIMIT_NOFILE,
        (_FILES if _hard == resource.RLIM_INFINITY else min(_FILES, _hard), _hard),
    )

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development data sets; a clone without them skips, and says so."""
    folder = Path(os.environ.get("LIMNER_SHARED_DATA", SHARED))
    if not folder.is_dir():
        pytest.skip(
            "DEVELOPMENT DATA IS MISSING: set LIMNER_SHARED_DATA to the folder of data "
            "sets to run this test"
        )
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server on a socket of its own; a machine without it skips, and says so."""
    try:
        with postgres_server() as server:
            yield server
    except FileNotFoundError:
        pytest.skip(
            "POSTGRESQL IS MISSING: install it (apt-get install postgresql) to run this test"
        )
