"""A store made by older code is brought to today's schema as it is opened, whatever it holds."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from limner.core.errors import StoreBusyError, StoreError, UsageError
from limner.core.schema import Scale
from limner.store import ResponseLog, open_store, schema_version
from limner.store import tables as t
from limner.store.api_keys import hash_of
from limner.store.dialects import make_engine
from limner.store.migrations.versions import r0001_baseline
from tests.store.conftest import StorePlace

DUMP = Path(__file__).with_name("data") / "store-baseline.sql"
"""Of a store that the code wrote when stores kept no revision."""


def engine_of(place: StorePlace) -> sa.Engine:
    if "://" in place.address:
        return make_engine(place.address)
    place.files.mkdir(parents=True, exist_ok=True)
    return make_engine(f"sqlite:///{place.files / 'limner.db'}")


def write_baseline(place: StorePlace, dump: sqlite3.Connection) -> None:
    """The dump's rows, in the place, in a store that keeps no revision."""
    engine = engine_of(place)
    if engine.dialect.name == "sqlite":
        with sqlite3.connect(place.files / "limner.db") as file:
            dump.backup(file)
        file.close()
        return
    upgrade_to(engine, schema_version.BASELINE)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                rows = [dict(row) for row in dump.execute(f'SELECT * FROM "{table.name}"')]
                for row in rows:
                    if table.name == "scales":
                        row["declared"] = bool(row["declared"])
                    connection.execute(sa.insert(table), row)
    engine.dispose()


def upgrade_to(engine: sa.Engine, revision: str) -> None:
    """Run revisions on an empty database, as for a store made when that was the newest."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = Path(schema_version.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def old(place: StorePlace) -> StorePlace:
    """A place where a store of the baseline lies."""
    dump = sqlite3.connect(":memory:")
    dump.row_factory = sqlite3.Row
    dump.executescript(DUMP.read_text(encoding="utf-8"))
    write_baseline(place, dump)
    dump.close()
    return place


def test_all_that_an_old_store_holds_is_read(old: StorePlace) -> None:
    store = old.open()
    assert len(store.id) == 32
    assert store.counts().__dict__ == {"users": 2, "items": 2, "events": 3, "profiles": 1}
    user, item = store.require_user("u1"), store.item("i1")
    assert (user.source, user.attributes) == ("shop", {"age": 30})
    assert item is not None
    assert (item.title, item.price, item.attributes) == ("Alien", 9.5, {"year": 1979})
    assert [(e.event_id, e.item_id, e.value, e.text) for e in store.events("u1")] == [
        ("e2", "i2", None, "Très bien"),
        ("e1", "i1", 5.0, ""),
    ]
    assert store.events("u1")[0].context == {"device": "phone"}
    assert store.events("u2")[0].event_id == "0123456789abcdef"
    assert store.scales() == {"shop": Scale(source="shop", low=1, high=5, declared=True)}
    assert [p.summary for p in store.profile_versions("u1")] == [
        "Likes horror.",
        "Likes horror films.",
    ]
    answer, key = store.answer("k1"), store.api_key(hash_of("limner_secret"))
    assert answer is not None and answer.text == "yes"
    assert key is not None and key.name == "shop"
    assert [row.purpose for row in store.ledger("u1")] == ["portrait"]
    log = ResponseLog(store)
    shown = log.shown("r1")
    assert shown is not None and shown.items == ["i2"]
    assert log.outcomes() == {("content", 1): {"click": 1}}
    assert log.wordings("u1", {"i2": "stamp"})["i2"].text == "Because."
    assert log.conversation("c1") == '{"messages": []}'
    assert store.note("embedder") == "letters"
    assert store.unembedded(9) == {"u1": 2}
    store.close()


def test_an_upgraded_store_keeps_its_id_and_can_be_added_to(old: StorePlace) -> None:
    store = old.open()
    again = old.open()
    assert again.id == store.id
    before = store.counts()
    profile = store.profile("u1")
    assert profile is not None and store.save_profile(profile).version == 3
    again.erase_user("u2")
    assert store.counts().users == before.users - 1


def schema_of(engine: sa.Engine) -> dict[str, object]:
    inspector = sa.inspect(engine)
    tables = inspector.get_table_names()
    assert set(tables) == {*t.meta.tables, "alembic_version"}

    def table(name: str) -> object:
        columns = {
            column["name"]: (
                str(column["type"].compile(engine.dialect)),
                column["nullable"],
                column["default"],
            )
            for column in inspector.get_columns(name)
        }
        indexes = sorted(
            (i["column_names"], bool(i["unique"])) for i in inspector.get_indexes(name)
        )
        unique = sorted(one["column_names"] for one in inspector.get_unique_constraints(name))
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        return columns, indexes, unique, keys

    return {name: table(name) for name in tables if name != "alembic_version"}


def test_an_upgraded_store_has_the_schema_of_a_new_one(
    old: StorePlace, new_place: Callable[[], StorePlace]
) -> None:
    old.open()
    new = new_place()
    new.open()
    assert schema_of(engine_of(old)) == schema_of(engine_of(new))


def test_the_revisions_alone_make_todays_schema(new_place: Callable[[], StorePlace]) -> None:
    by_revisions, new = new_place(), new_place()
    upgrade_to(engine_of(by_revisions), "head")
    new.open()
    assert schema_of(engine_of(by_revisions)) == schema_of(engine_of(new))
    assert schema_version.stored_version(engine_of(by_revisions)) == schema_version.HEAD
    by_revisions.open()


def test_a_failed_upgrade_leaves_the_old_store(
    old: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's driver would keep the tables that were made before the failure."""
    engine = engine_of(old)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO notes (name, text) VALUES ('store id', 'taken')")
    with pytest.raises(StoreError):
        old.open()
    assert schema_version.stored_version(engine) == schema_version.BASELINE
    assert not sa.inspect(engine).has_table("alembic_version")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM notes WHERE name = 'store id'")
    assert old.open().counts().events == 3


def test_a_store_that_is_newer_than_the_code_is_refused(place: StorePlace) -> None:
    place.open()
    engine = engine_of(place)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"newer Limner \(schema 9999.*update Limner"):
        place.open()


def test_an_old_store_waits_for_whoever_writes_to_it(
    old: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limner.store import database
    from limner.store.locks import process_lock

    monkeypatch.setattr(database, "_OPEN_WAIT", 0.1)
    with process_lock(engine_of(old), "write"), pytest.raises(StoreBusyError):
        old.open()
    assert old.open().counts().events == 3


def test_a_store_is_upgraded_once_however_many_open_it(old: StorePlace) -> None:
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(lambda _: old.open(), range(4)))
    assert len({store.id for store in stores}) == 1


def test_opening_a_store_of_today_reads_one_row_and_takes_no_lock(place: StorePlace) -> None:
    from limner.store.locks import process_lock

    place.open()
    asked: list[str] = []

    def note(*event: object) -> None:
        asked.append(str(event[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        with process_lock(engine_of(place), "write"):
            asked.clear()
            place.open()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    selects = [query for query in asked if "version_num" in query]
    assert len(selects) == 1
    assert not [query for query in asked if "CREATE" in query or "pg_catalog.pg_class" in query]


def test_alembic_is_imported_only_to_upgrade(tmp_path: Path) -> None:
    code = (
        "import sys; from limner.store import open_store\n"
        "open_store(sys.argv[1]); open_store(sys.argv[1])\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=True, timeout=120)


def test_what_no_store_lies_behind_is_not_made_by_a_reader(
    new_place: Callable[[], StorePlace],
) -> None:
    place = new_place()
    with pytest.raises(UsageError, match="There is no store"):
        open_store(place.address, create=False, folder=place.files)


def test_the_baseline_is_the_first_revision() -> None:
    assert r0001_baseline.revision == schema_version.BASELINE
