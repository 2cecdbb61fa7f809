"""The command from tables to an erased user, on a PostgreSQL database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import TABLES, Done, environment, write_tables
from tests.postgres import PostgresServer


def limner_at(address: str, folder: Path, *args: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "limner.cli", "--data", address, *args],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_a_store_in_postgresql_from_ingest_to_erase(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    address = postgres.new_database()
    write_tables(tmp_path)

    def run(*args: str) -> dict[str, object]:
        done = limner_at(address, tmp_path, *args, "--json")
        assert done.code == 0, done.err
        answer: dict[str, object] = json.loads(done.out)
        return answer

    ingested = run("ingest", *TABLES)
    assert ingested["events"]["kept"] > 50  # type: ignore[index]
    run("train")
    answer = run("recommend", "u0", "-n", "3")
    assert len(answer["recommendations"]) == 3  # type: ignore[arg-type]
    run("profile", "build", "--all")
    assert run("profile", "show", "u0")["user_id"] == "u0"
    run("erase", "u0", "--yes")
    gone = limner_at(address, tmp_path, "profile", "show", "u0")
    assert gone.code == 2 and "There is no user 'u0'" in gone.failure
