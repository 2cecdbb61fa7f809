"""What is left of somebody who was erased is found, wherever it lies; and nothing of anybody else
is taken for it.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from limner.engine import Engine
from limner.ingest import Sources
from limner.store import open_store
from limner.store.dead_bytes import dead_bytes
from tests.http.tasteful import copied, engine_of, made

REVIEW = "Nobody else would say it quite as this one sentence says it."


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small store with portraits, and users whose ids are short, long, and alike."""
    folder = made(tmp_path_factory.mktemp("residue"))
    rows = [
        f"{user},{item:02},4,{1_000_000_000 + item},{user}-event-{item},{text}"
        for user, text in (("1", ""), ("10", ""), ("customer-0000071", REVIEW))
        for item in range(1, 9)
    ]
    header = "user_id,item_id,rating,timestamp,event_id,text"
    (folder / "more.csv").write_text("\n".join([header, *rows]) + "\n")
    engine = engine_of(folder)
    engine.ingest(Sources([str(folder / "more.csv")]))
    engine.store.close()
    return folder


@pytest.fixture
async def engine(trained: Path, tmp_path: Path) -> Engine:
    made_anew = engine_of(copied(trained, tmp_path))
    await made_anew.build()
    return made_anew


def loose(folder: Path, secure: bool = False) -> sqlite3.Connection:
    """Somebody else's connection, which does not overwrite what it deletes."""
    other = sqlite3.connect(folder / "limner.db", isolation_level=None)
    other.execute(f"PRAGMA secure_delete = {'ON' if secure else 'OFF'}")
    return other


@pytest.mark.parametrize("user", ["u3", "1", "customer-0000071"])
def test_nothing_is_left_of_the_erased_and_the_others_stay(engine: Engine, user: str) -> None:
    held = set(engine.store.user_ids())
    assert engine.eraser.check(user).found
    erased = engine.erase(user)
    assert erased.known and erased.events > 0 and erased.removed["vectors"] >= 1
    assert erased.residue.found == [] and erased.residue.unchecked == []
    assert erased.residue.files > 10
    assert set(engine.store.user_ids()) == held - {user}
    # What nobody else has is in no byte of any file.
    if user == "customer-0000071":
        for path in engine.store.folder.rglob("*"):
            body = path.read_bytes() if path.is_file() else b""
            assert b"customer-0000071" not in body and REVIEW.encode() not in body, path
    assert engine.state.vectors.index().count("portraits") == len(held) - 1
    engine.store.close()


def deleted_without_care(engine: Engine) -> None:
    """Rows that go and leave their bytes behind, as a tool of somebody's own may do it."""
    with closing(loose(engine.store.folder)) as other:
        other.execute("CREATE TABLE copy AS SELECT * FROM profiles")
        other.execute("DROP TABLE copy")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def an_old_file(engine: Engine) -> None:
    found = engine.store.profile("u3")
    assert found is not None
    (engine.store.folder / "old.json").write_text(json.dumps({"user_id": "u3"}))


def a_stranded_row(engine: Engine) -> None:
    folder = engine.store.folder / "rejected"
    folder.mkdir()
    (folder / "a.jsonl.part").write_text('{"reason": "bad", "row": {"user_id": "u3", "ra')


def vectors_deleted_as_usual(engine: Engine) -> None:
    engine.state.vectors.index().erase("u3")


PLANTS = {
    "limner.db: free space": deleted_without_care,
    "old.json": an_old_file,
    "rejected/a.jsonl.part": a_stranded_row,
    "chroma/chroma.sqlite3: embeddings_queue": vectors_deleted_as_usual,
}


@pytest.mark.parametrize(("place", "plant"), PLANTS.items(), ids=list(PLANTS))
def test_what_is_planted_is_found(
    engine: Engine, place: str, plant: Callable[[Engine], None]
) -> None:
    plant(engine)
    assert place in " ".join(engine.eraser.check("u3").found)
    erased = engine.erase("u3")
    assert erased.residue.found == (["old.json"] if place == "old.json" else [])
    engine.store.close()


def test_a_log_that_a_reader_holds_is_found_until_it_ends(engine: Engine) -> None:
    with closing(loose(engine.store.folder)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM users").fetchone()
        reader.execute("SELECT * FROM profiles LIMIT 1").fetchone()
        engine.store.set_note("a write", "after the reader's beginning")
        erased = engine.erase("u3")
        assert "limner.db-wal" in erased.residue.found
        assert engine.store.user("u3") is None
        reader.execute("COMMIT")
    again = engine.erase("u3")
    assert not again.known and again.residue.found == []
    engine.store.close()


def test_a_killed_erasure_is_ended_by_another(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors and rows are gone; the log of the vectors, which names them, is not."""
    with monkeypatch.context() as killed:
        killed.setattr(engine.eraser, "_clean_files", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.erase("u3")
    assert engine.eraser.check("u3").found
    erased = engine.erase("u3")
    assert (erased.known, erased.residue.found) == (False, [])
    assert [note.code for note in erased.notes] == ["erase.before"]
    engine.store.close()


def test_dead_bytes_are_what_no_row_holds(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as base:
        base.execute("PRAGMA secure_delete = OFF")
        base.execute("CREATE TABLE a (body TEXT)")
        rows = [(f"row {at} " + "x" * (at % 700),) for at in range(2000)]
        base.executemany("INSERT INTO a VALUES (?)", rows)
        assert b"row 7 " not in b"".join(dead_bytes(file))
        base.execute("DELETE FROM a WHERE body LIKE 'row 7 %' OR body LIKE 'row 1___ %'")
        held = b"".join(dead_bytes(file))
        assert b"row 1500 " in held and b"row 8 " not in held
        base.execute("PRAGMA secure_delete = ON")
        base.execute("VACUUM")
    left = b"".join(dead_bytes(file))
    assert b"row 7 " not in left and b"row 1500 " not in left


def test_an_erasure_is_remembered_by_a_hash(engine: Engine) -> None:
    engine.erase("u3")
    store = open_store(str(engine.store.folder), create=False)
    assert store.erased_at("u3") is not None and store.erased_at("u4") is None
    assert len(store.erasures()) == 1 and "u3" not in str(store.erasures())
    store.close()
    engine.store.close()
