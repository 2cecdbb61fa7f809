"""A store with a damaged part, and one on a disk that takes nothing: what can be answered is."""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.running import limner
from tests.e2e.test_faults import no_larger

pytestmark = pytest.mark.slow
Looked = dict[str, tuple[str, str]]


def examined(place: Path, before: Callable[[], None] | None = None) -> Looked:
    """State and detail by line of `limner doctor`."""
    done = limner(place, "doctor", "--json", before=before)
    assert "Traceback" not in done.err and done.out, done.err
    checks = json.loads(done.out)["checks"]
    found = {check["name"]: (check["state"], check["detail"]) for check in checks}
    assert done.code == (1 if any(state == "fail" for state, _ in found.values()) else 0)
    return found


def no_database(place: Path) -> None:
    (place / "store" / "limner.db").write_bytes(b"not a database at all, but long enough" * 200)


def a_broken_page(place: Path) -> None:
    with closing(sqlite3.connect(place / "store" / "limner.db", isolation_level=None)) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'outcomes'"
        page = base.execute(query).fetchone()[0]
        size = base.execute("PRAGMA page_size").fetchone()[0]
    with (place / "store" / "limner.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def garbled_channels(place: Path) -> None:
    folder = place / "store" / "models"
    current = folder / (folder / "current").read_text().strip()
    (current / "channels.npz").write_bytes(b"PK\x03\x04 garbled")


def missing_channels(place: Path) -> None:
    folder = place / "store" / "models"
    (folder / (folder / "current").read_text().strip() / "items.json").unlink()


def broken_chroma(place: Path) -> None:
    (place / "store" / "chroma" / "chroma.sqlite3").write_bytes(b"no database" * 1000)


def a_broken_portrait(place: Path) -> None:
    with closing(sqlite3.connect(place / "store" / "limner.db", isolation_level=None)) as base:
        base.execute("UPDATE profiles SET body = substr(body, 1, 40) WHERE user_id = 'u0'")


def unreadable_settings(place: Path) -> None:
    (place / "limner.yaml").write_text("llm: {nonsense: [")


DAMAGE = {
    no_database: ("store", "not a Limner store"),
    a_broken_page: ("store", "damaged"),
    garbled_channels: ("channels", "train"),
    missing_channels: ("channels", "train"),
    broken_chroma: ("embeddings", "--reindex"),
    a_broken_portrait: ("portraits", "'u0'"),
    unreadable_settings: ("settings", "limner.yaml"),
}


@pytest.mark.parametrize(
    ("damage", "line", "words"),
    [(damage, *told) for damage, told in DAMAGE.items()],
    ids=[damage.__name__ for damage in DAMAGE],
)
def test_the_doctor_names_a_damaged_part_and_goes_on(
    place: Path, damage: Callable[[Path], None], line: str, words: str
) -> None:
    assert limner(place, "profile", "build", "u0", "u1").code == 0
    damage(place)
    found = examined(place)
    assert found[line][0] == "fail" and words in found[line][1], found
    others = {name: state for name, (state, _) in found.items() if name != line}
    assert "fail" not in others.values() and others["model"] == "ok", found
    assert "channels" in found and "store" in found


def test_a_broken_portrait_is_painted_anew(place: Path) -> None:
    assert limner(place, "profile", "build", "u0", "u1").code == 0
    a_broken_portrait(place)
    shown = limner(place, "profile", "show", "u0", "--json")
    assert shown.code == 0 and json.loads(shown.out)["version"] == 2, shown.err
    assert limner(place, "users", "--like", "comedy").code == 0
    assert {state for state, _ in examined(place).values()} == {"ok"}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_disk_that_takes_nothing_still_answers(place: Path) -> None:
    """No byte may be written at all."""
    assert limner(place, "profile", "build", "u0").code == 0
    full = no_larger(0)
    for verb in (
        ("profile", "show", "u0"),
        ("profile", "show", "u7"),
        ("recommend", "u0", "-n", "3"),
        ("recommend", "u5", "-n", "3"),
        ("history", "u0"),
        ("chat", "What does u0 like?"),
    ):
        done = limner(place, *verb, before=full)
        assert done.code == 0 and done.out, done.err
        assert len(done.warnings) == len(set(done.warnings))
    refused = limner(place, "ingest", "--events", "events.csv", before=full)
    assert refused.code == 1 and "free some" in refused.failure
    found = examined(place, full)
    assert found["store"][0] == "warn" and "only read" in found["store"][1]
    assert {state for state, _ in examined(place).values()} == {"ok"}
