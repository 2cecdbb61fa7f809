"""A backup is whole whoever writes meanwhile, and what is restored serves as the store did."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limner.core.errors import BadInputError, UsageError
from limner.core.schema import RecommendationRequest
from limner.engine import Engine, open_engine, restore_backup
from limner.testing import FakeEmbedder
from tests.http.live import settings_for
from tests.http.tasteful import copied, engine_of, made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made(tmp_path_factory.mktemp("backup"))
    engine = engine_of(folder)
    asyncio.run(engine.build())
    engine.store.close()
    return folder


def served(engine: Engine) -> list[object]:
    """Lists and portraits of some users."""
    shown: list[object] = []
    for user in ("u0", "u1", "u5"):
        answer = asyncio.run(engine.recommend(RecommendationRequest(user_id=user, n=5)))
        shown += [answer.recommendations, engine.portraits.profile(user)]
    return shown


def test_a_restored_store_serves_equal_lists_and_portraits(trained: Path, tmp_path: Path) -> None:
    engine = engine_of(copied(trained, tmp_path))
    report = engine.back_up(tmp_path / "b.tar.gz")
    assert report.notes == [] and report.manifest.users == len(engine.store.user_ids())
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    before = served(engine)
    engine.store.close()
    (tmp_path / "other").mkdir()
    settings = settings_for(tmp_path / "other")
    restored = restore_backup(settings, tmp_path / "b.tar.gz", embedder=FakeEmbedder())
    assert [note.code for note in restored.notes] == ["restore.erasures_unknown"]
    again = open_engine(settings, embedder=FakeEmbedder())
    assert served(again) == before
    assert again.state.vectors.index().count("portraits") == report.manifest.users
    again.store.close()


def test_who_was_erased_since_is_erased_again(trained: Path, tmp_path: Path) -> None:
    folder = copied(trained, tmp_path)
    engine = engine_of(folder)
    engine.back_up(tmp_path / "b.tar.gz")
    engine.erase("u3")
    engine.store.close()
    with pytest.raises(UsageError, match="--replace"):
        restore_backup(engine.settings, tmp_path / "b.tar.gz")
    report = restore_backup(
        engine.settings, tmp_path / "b.tar.gz", replace=True, embedder=FakeEmbedder()
    )
    assert report.erased_again == 1 and report.notes == []
    engine = engine_of(folder)
    assert "u3" not in engine.store.user_ids() and "u4" in engine.store.user_ids()
    assert engine.eraser.check("u3").found == []
    engine.store.close()
    assert sorted(path.name for path in folder.iterdir()) == ["b.tar.gz", "store"]


def test_a_backup_is_of_one_moment_while_others_write(trained: Path, tmp_path: Path) -> None:
    engine = engine_of(copied(trained, tmp_path))
    rows = [{"user_id": f"n{at}", "item_id": "01", "rating": 5} for at in range(3)]

    def write() -> None:
        for at in range(20):
            batch = [{**row, "event_id": f"batch-{at}-{row['user_id']}"} for row in rows]
            engine.edits.take("events", batch)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        files = [tmp_path / f"{at}.tar.gz" for at in range(3)]
        for file in files:
            engine.back_up(file)
        writing.result()
    before = len(engine.store.events("n0"))
    engine.store.close()
    for at, file in enumerate(files):
        (tmp_path / f"r{at}").mkdir()
        settings = settings_for(tmp_path / f"r{at}")
        restore_backup(settings, file)
        restored = open_engine(settings, embedder=FakeEmbedder())
        counts = {len(restored.store.events(f"n{one}")) for one in range(3)}
        assert len(counts) == 1 and counts <= set(range(before + 1))  # no half batch
        assert restored.store.damage() == []
        restored.store.close()


def test_a_damaged_store_is_replaced_and_what_is_no_backup_is_not_put_there(
    trained: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path)
    engine = engine_of(folder)
    engine.back_up(tmp_path / "b.tar.gz")
    with pytest.raises(UsageError, match="is there already"):
        engine.back_up(tmp_path / "b.tar.gz")
    users = engine.store.user_ids()
    engine.store.close()
    whole = (tmp_path / "b.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    for wrong in (tmp_path / "cut.tar.gz", folder / "events.csv", tmp_path / "missing"):
        with pytest.raises(BadInputError, match="no backup"):
            restore_backup(engine.settings, wrong, replace=True)
    for file in ("limner.db", "limner.db-wal", "limner.db-shm"):
        (folder / "store" / file).unlink(missing_ok=True)
    (folder / "store" / "limner.db").write_bytes(b"garbage " * 5000)
    report = restore_backup(engine.settings, tmp_path / "b.tar.gz", replace=True)
    assert [note.code for note in report.notes] == ["restore.erasures_unknown"]
    again = engine_of(folder)
    assert again.store.user_ids() == users
    again.store.close()


def test_a_restore_that_was_killed_between_its_last_steps_is_undone(
    trained: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path)
    engine = engine_of(folder)
    engine.back_up(tmp_path / "b.tar.gz")
    engine.store.close()
    shutil.move(folder / "store", folder / ".store.replaced")
    with pytest.raises(UsageError, match="--replace"):
        restore_backup(engine.settings, tmp_path / "b.tar.gz")
    assert (folder / "store" / "limner.db").exists()
