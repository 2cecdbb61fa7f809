"""The store against real SQLite: idempotent, all or nothing, one writer, erasable."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import sqlalchemy as sa

from limner.core.errors import StoreBusyError, StoreError, UsageError
from limner.core.interactions import NO_TIME
from limner.core.schema import Item, Profile, StoredAnswer
from limner.store import EventColumns, bulk, open_store
from limner.store import tables as t
from limner.store.bulk import insert_by_core, insert_by_driver, insert_columns


def columns(*ids: str, user: str = "u1") -> EventColumns:
    from limner.store import event_hash

    n = len(ids)
    return EventColumns(
        list(ids),
        np.array([event_hash(one) for one in ids], dtype=np.int64),
        [user] * n,
        ["i1"] * n,
        ["view"] * n,
        np.full(n, np.nan),
        np.full(n, NO_TIME),
        [""] * n,
        "test",
        [""] * n,
    )


def test_adding_again_merges(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert store.add_events(columns("a", "b")).kept == 2
    added = store.add_events(columns("b", "c", "c"))
    assert (added.kept, added.merged) == (1, 2)
    assert [event.event_id for event in store.events("u1")] == ["a", "b", "c"]
    assert len(store.interactions()) == 3


def test_a_failed_load_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.add_events(columns("a"))
    with pytest.raises(RuntimeError), store.loading():
        store.add_events(columns("b"))
        raise RuntimeError("stop")
    assert store.counts().events == 1
    assert store.add_events(columns("b")).kept == 1


def test_everyones_newest_portrait_is_one_query(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.add_events(columns("a"))
    store.add_events(columns("b", user="u2"))
    for user, language in (("u2", "en"), ("u1", "en"), ("u1", "de")):
        store.save_profile(
            Profile(
                user_id=user, as_of=datetime(2020, 1, 1, tzinfo=UTC), language=language, summary="x"
            )
        )
    asked: list[str] = []
    sa.event.listen(store._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    found = store.profiles()
    assert [(one.user_id, one.version, one.language) for one in found] == [
        ("u1", 2, "de"),
        ("u2", 1, "en"),
    ]
    assert sum("profiles" in query for query in asked) == 1


def test_known_ids_are_asked_for_without_reading_all(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.add_events(columns("a"))
    store.add_events(columns("b", user="u2"))
    assert store.known_users(["u2", "like", "u9", *(f"w{n}" for n in range(2000))]) == {"u2"}
    assert store.known_users([]) == set()


def test_a_second_writing_process_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    code = (
        "import sys; from limner.store import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "with store.writing():\n    print('held', flush=True); sys.stdin.readline()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "held"
    with pytest.raises(StoreBusyError):
        store.add_events(columns("a"))
    assert store.counts().events == 0
    Timer(0.1, other.communicate, ["\n"]).start()
    with store.writing(wait=60):  # who can wait, gets the store when the other is done
        assert store.add_events(columns("a")).kept == 1


def test_other_threads_read_what_is_stored_until_a_load_is_done(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.add_events(columns("a"))
    with ThreadPoolExecutor(1) as thread:
        with store.loading():
            store.add_events(columns("b"))
            assert store.counts().events == 2
            assert thread.submit(store.counts).result().events == 1
        assert thread.submit(store.counts).result().events == 2


def test_the_threads_of_a_process_hold_the_store_together(tmp_path: Path) -> None:
    mine, other = open_store(str(tmp_path)), open_store(str(tmp_path))
    with ThreadPoolExecutor(4) as threads, mine.writing():
        kept = threads.map(lambda i: mine.add_events(columns(f"{i}")).kept, range(40))
        assert sum(kept) == 40
        with pytest.raises(StoreBusyError):
            other.add_events(columns("x"))
    assert other.add_events(columns("x")).kept == 1


def test_erasing_a_user_erases_what_was_theirs(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.add_events(columns("a"))
    store.add_events(columns("b", user="u2"))
    assert store.erase_user("u1") == 1
    assert store.user_ids() == ["u2"]
    assert len(store.interactions()) == 1


def test_no_store_and_no_database(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_store(str(tmp_path / "none"), create=False)
    (tmp_path / "limner.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError):
        open_store(str(tmp_path))


def test_both_ways_to_insert_many_rows_leave_the_same(tmp_path: Path) -> None:
    """SQLite's rows go to its driver as they are; every other database's go through SQLAlchemy."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'both.db'}")
    rows = {
        "id_hash": [1, 2],
        "event_id": ["a", None],
        "user_key": [1, 1],
        "item_key": [None, 7],
        "type": ["view", "play"],
        "value": [None, 0.5],
        "time": [None, -1],
        "text": ["“é”", None],
        "source": ["s", "s"],
        "context": [None, "{}"],
    }
    found = []
    for insert in (insert_by_driver, insert_by_core, insert_columns):
        with engine.begin() as connection:
            t.events.create(connection, checkfirst=True)
            connection.execute(sa.delete(t.events))
            insert(connection, t.events, rows)
            found.append(
                connection.execute(sa.select(t.events).order_by(t.events.c.id_hash))
                .mappings()
                .all()
            )
    plain = [[{k: v for k, v in row.items() if k != "seq"} for row in one] for one in found]
    assert plain[0] == plain[1] == plain[2]
    assert [row["value"] for row in plain[0]] == [None, 0.5]


def test_only_sqlite_takes_rows_past_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr(bulk, "insert_by_driver", lambda *_: taken.append("driver"))
    monkeypatch.setattr(bulk, "insert_by_core", lambda *_: taken.append("core"))
    for url in ("sqlite://", "postgresql://"):
        connection = sa.create_mock_engine(url, lambda *_: None)
        bulk.insert_columns(connection, t.events, {})
    assert taken == ["driver", "core"]


def test_the_revision_counts_what_changed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    seen = [store.revision()]
    for change in (
        lambda: store.add_events(columns("a")),
        lambda: store.add_items([Item(item_id="i1", title="One")]),
        lambda: store.erase_user("u1"),
    ):
        change()
        seen.append(store.revision())
        assert seen[-1] > seen[-2]
    store.add_items([Item(item_id="i1", title="One")])
    assert store.revision() == seen[-1]


def test_users_and_items_that_events_name_first_change_what_there_is(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    before = store.state()
    store.add_events(columns("a"))
    named = store.state()
    assert (named.users, named.items) == (before.users + 1, before.items + 1)
    store.add_events(columns("b"))
    assert (store.state().users, store.state().items) == (named.users, named.items)


def test_the_newest_event_that_names_an_item(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert (store.last_seq(), store.last_seq(of_items=True)) == (0, 0)
    store.add_events(columns("a"))
    store.add_events(replace(columns("b"), item_id=[None]))
    assert (store.last_seq(), store.last_seq(of_items=True)) == (2, 1)


def test_a_store_that_nothing_went_into_goes_again(tmp_path: Path) -> None:
    open_store(str(tmp_path / "new")).close()
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    open_store(str(tmp_path / "mine")).close()
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    store = open_store(str(tmp_path / "new"))
    store.add_events(columns("a"))
    store.close()
    assert open_store(str(tmp_path / "new"), create=False).counts().events == 1


def test_answers_are_kept_beside_a_writer_but_not_beside_a_load(tmp_path: Path) -> None:
    mine, other = open_store(str(tmp_path)), open_store(str(tmp_path))
    with other.writing():
        mine.save_answer("k", None, StoredAnswer(text="yes"))
        assert not mine.is_loaded_elsewhere()
        with pytest.raises(StoreBusyError):
            mine.set_note("a", "b")
        with other.loading():
            assert mine.is_loaded_elsewhere()
            assert not other.is_loaded_elsewhere()
    assert mine.answer("k") == StoredAnswer(text="yes")
