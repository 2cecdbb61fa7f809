"""The store on real SQLite and PostgreSQL: idempotent, all or nothing, one writer, erasable."""

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
from limner.core.schema import Item, Outcome, Profile, StoredAnswer, User
from limner.store import EventColumns, ResponseLog, open_store
from limner.store import tables as t
from limner.store.bulk import Columns, insert_columns
from tests.store.conftest import StorePlace


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


def test_adding_again_merges(place: StorePlace) -> None:
    store = place.open()
    assert store.add_events(columns("a", "b")).kept == 2
    added = store.add_events(columns("b", "c", "c"))
    assert (added.kept, added.merged) == (1, 2)
    assert [event.event_id for event in store.events("u1")] == ["a", "b", "c"]
    assert len(store.interactions()) == 3


def test_a_failed_load_leaves_the_store_as_it_was(place: StorePlace) -> None:
    store = place.open()
    store.add_events(columns("a"))
    with pytest.raises(RuntimeError), store.loading():
        store.add_events(columns("b"))
        raise RuntimeError("stop")
    assert store.counts().events == 1
    assert store.add_events(columns("b")).kept == 1


def test_everyones_newest_portrait_is_one_query(place: StorePlace) -> None:
    store = place.open()
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


def test_known_ids_are_asked_for_without_reading_all(place: StorePlace) -> None:
    store = place.open()
    store.add_events(columns("a"))
    store.add_events(columns("b", user="u2"))
    assert store.known_users(["u2", "like", "u9", *(f"w{n}" for n in range(2000))]) == {"u2"}
    assert store.known_users([]) == set()


def test_a_second_writing_process_is_refused(place: StorePlace) -> None:
    store = place.open()
    code = (
        "import sys; from pathlib import Path; from limner.store import open_store\n"
        "store = open_store(sys.argv[1], folder=Path(sys.argv[2]))\n"
        "with store.writing():\n    print('held', flush=True); sys.stdin.readline()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, place.address, str(place.files)],
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


def test_other_threads_read_what_is_stored_until_a_load_is_done(place: StorePlace) -> None:
    store = place.open()
    store.add_events(columns("a"))
    with ThreadPoolExecutor(1) as thread:
        with store.loading():
            store.add_events(columns("b"))
            assert store.counts().events == 2
            assert thread.submit(store.counts).result().events == 1
        assert thread.submit(store.counts).result().events == 2


def test_the_threads_of_a_process_hold_the_store_together(place: StorePlace) -> None:
    mine, other = place.open(), place.open()
    with ThreadPoolExecutor(4) as threads, mine.writing():
        kept = threads.map(lambda i: mine.add_events(columns(f"{i}")).kept, range(40))
        assert sum(kept) == 40
        with pytest.raises(StoreBusyError):
            other.add_events(columns("x"))
    assert other.add_events(columns("x")).kept == 1


def test_erasing_a_user_erases_what_was_theirs(place: StorePlace) -> None:
    store = place.open()
    store.add_events(columns("a"))
    store.add_events(columns("b", user="u2"))
    assert store.erase_user("u1") == {"events": 1, "users": 1}
    assert store.user_ids() == ["u2"]
    assert len(store.interactions()) == 1


def test_an_erased_user_is_in_no_file_of_the_store(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.add_events(columns("a", user="gonzo-77"))
    store.erase_user("gonzo-77")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in files if b"gonzo-77" in file.read_bytes()]
    store.close()


def test_no_store_and_no_database(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_store(str(tmp_path / "none"), create=False)
    (tmp_path / "limner.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError):
        open_store(str(tmp_path))


def test_rows_that_come_as_columns_are_those_that_an_insert_leaves(place: StorePlace) -> None:
    store = place.open()
    rows: Columns = {
        "id_hash": [1, 2],
        "event_id": ["a", None],
        "user_key": [1, 1],
        "item_key": [None, 7],
        "type": ["view", "play"],
        "value": [None, 0.5],
        "time": [None, -1],
        "text": ["“é”\n\t\\", None],
        "source": ["s", "s"],
        "context": [None, "{}"],
    }

    def by_insert(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
        values = zip(*columns.values(), strict=True)
        connection.execute(
            sa.insert(table), [dict(zip(columns, row, strict=True)) for row in values]
        )

    found = []
    for insert in (by_insert, insert_columns):
        with store.adding() as connection:
            connection.execute(sa.delete(t.events))
            insert(connection, t.events, rows)
            found.append(
                connection.execute(sa.select(t.events).order_by(t.events.c.id_hash))
                .mappings()
                .all()
            )
    plain = [[{k: v for k, v in row.items() if k != "seq"} for row in one] for one in found]
    assert plain[0] == plain[1]
    assert [row["value"] for row in plain[0]] == [None, 0.5]


def test_a_row_that_the_database_refuses_is_the_stores_error(place: StorePlace) -> None:
    store = place.open()
    with pytest.raises(StoreError, match="could not do that"), store.adding() as connection:
        insert_columns(connection, t.events, {"id_hash": [1], "user_key": [None]})
    assert store.counts().events == 0


def test_a_nul_is_neither_refused_nor_found(place: StorePlace) -> None:
    store = place.open()
    store.add_items([Item(item_id="i1", title="a\0b")])
    assert store.item("i\01") is None and store.user("\0") is None
    item = store.item("i1")
    assert item is not None and item.title in ("a\0b", "a\ufffdb")


def test_ids_are_sorted_by_code_point(place: StorePlace) -> None:
    store = place.open()
    ids = ["b", "B", "a", "é", "_", "10", "9"]
    for number, user_id in enumerate(ids):
        store.add_events(columns(f"e{number}", user=user_id))
    assert [user_id for user_id, _ in store.active_users()] == sorted(ids)


def test_rows_are_read_in_chunks_beside_other_queries(place: StorePlace) -> None:
    """A chunked read changes nothing of its connection's later statements."""
    store = place.open()
    store.add_items([Item(item_id="i1")])
    with store.loading():
        store.interactions()
        list(store.ledger_since(0))
        store.reviews()
        assert store.add_events(columns("a", "b")).kept == 2
    assert store.counts().events == 2


def test_what_is_read_together_is_of_one_moment(place: StorePlace) -> None:
    store = place.open()
    store.add_events(columns("a"))
    count = sa.select(sa.func.count()).select_from(t.events)
    with store.reading() as connection, ThreadPoolExecutor(1) as other:
        assert connection.scalar(count) == 1
        assert other.submit(store.add_events, columns("b", user="u2")).result().kept == 1
        assert connection.scalar(count) == 1
    assert store.counts().events == 2


def test_two_processes_may_save_the_same_rows_at_once(place: StorePlace) -> None:
    stores = [place.open() for _ in range(4)]
    log = [ResponseLog(store) for store in stores]
    stores[0].add_users([User(user_id="u")])
    outcome = Outcome(
        recommendation_id="r",
        item_id="i",
        type="click",
        user_id="u",
        channel="content",
        model_version=1,
    )

    def save(at: int) -> int:
        for turn in range(10):
            stores[at].save_answer("k", None, StoredAnswer(text=f"{at} {turn}"))
            log[at].save_conversation("c", f"{at} {turn}")
        return log[at].add_outcomes([outcome])

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(save, range(4))) == 1
    answer = stores[0].answer("k")
    assert answer is not None and answer.text.endswith(" 9")


@pytest.mark.parametrize(
    "address",
    ["mysql://u:secret@host/db", "sqlite://", "sqlite:///:memory:", "postgresql://u:secret@h:x/d"],
)
def test_an_address_that_no_store_can_have_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        open_store(address, folder=tmp_path)
    assert "secret" not in str(error.value)


def test_a_server_that_is_away_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as error:
        open_store(f"postgresql://u:secret@/d?host={tmp_path}", folder=tmp_path)
    assert "secret" not in str(error.value)


def test_the_revision_counts_what_changed(place: StorePlace) -> None:
    store = place.open()
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


def test_users_and_items_that_events_name_first_change_what_there_is(place: StorePlace) -> None:
    store = place.open()
    before = store.state()
    store.add_events(columns("a"))
    named = store.state()
    assert (named.users, named.items) == (before.users + 1, before.items + 1)
    store.add_events(columns("b"))
    assert (store.state().users, store.state().items) == (named.users, named.items)


def test_the_newest_event_that_names_an_item(place: StorePlace) -> None:
    store = place.open()
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


def test_answers_are_kept_beside_a_writer_but_not_beside_a_load(place: StorePlace) -> None:
    mine, other = place.open(), place.open()
    with other.writing():
        mine.save_answer("k", None, StoredAnswer(text="yes"))
        assert not mine.is_loaded_elsewhere()
        with pytest.raises(StoreBusyError):
            mine.set_note("a", "b")
        with other.loading():
            assert mine.is_loaded_elsewhere()
            assert not other.is_loaded_elsewhere()
    assert mine.answer("k") == StoredAnswer(text="yes")


def test_nobody_else_reads_a_stores_files(tmp_path: Path) -> None:
    home = tmp_path / "store"
    store = open_store(str(home))
    store.add_users([User(user_id="u")])
    (home / "models").mkdir()
    (home / "models" / "a.npz").write_bytes(b"x")
    store.close()
    modes = {path.stat().st_mode & 0o777 for path in home.rglob("*") if path.is_file()}
    assert home.stat().st_mode & 0o777 == (home / "models").stat().st_mode & 0o777 == 0o700
    assert modes == {0o600}
