"""What is counted over everyone may lag behind a little, and never behind an erasure."""

import json
from pathlib import Path

import pytest

from limner.core.columns import ColumnMeaning, Meanings, Nouns
from limner.engine import Engine
from limner.recommend.edits import ItemPatch
from limner.state.snapshots import Counted
from limner.store import State
from tests.http.tasteful import copied, engine_of, made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("drift"))


@pytest.fixture
def engine(trained: Path, tmp_path: Path) -> Engine:
    return engine_of(copied(trained, tmp_path))


def counted(**more: int) -> Counted:
    return Counted(
        State(**{"revision": 0, "users": 1000, "items": 1000, "events": 1000, "erased": 0, **more}),
        "t",
    )


def test_a_hundredth_more_is_true_enough() -> None:
    held = counted()
    assert held.holds(counted()) and held.holds(
        counted(events=1010, users=1010, items=1010, revision=9)
    )
    assert not any(held.holds(counted(**{name: 1011})) for name in ("events", "users", "items"))
    assert not held.holds(counted(events=999)) and not held.holds(counted(erased=1))
    assert not held.holds(Counted(held.state, "another table"))
    assert Counted.from_key(held.key) == held
    assert Counted.from_key("12:abc") is None and Counted.from_key("") is None


def test_items_are_always_of_now_and_base_rates_only_where_much_changed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.state.snapshots._DRIFT", 0.1)
    before = engine.state.catalogue.snapshot()
    engine.edits.take("events", [{"user_id": "u0", "item_id": "00", "type": "view"}])
    after = engine.state.catalogue.snapshot()
    assert (
        after.population is before.population
        and after.items is before.items
        and after.stamp != before.stamp
    )
    engine.edits.patch_item("00", ItemPatch(price=3))
    assert engine.state.catalogue.snapshot().items["00"].price == 3
    rows = [{"user_id": "u0", "item_id": f"{at:02}", "type": "click"} for at in range(30)]
    engine.edits.take("events", rows)
    assert engine.state.catalogue.snapshot().population is not before.population


def test_an_erasure_counts_everything_anew(engine: Engine) -> None:
    before = engine.state.catalogue.snapshot()
    holders = engine.state.catalogue.holders()
    engine.erase("u0")
    assert engine.state.catalogue.snapshot().population.users == before.population.users - 1
    assert len(engine.state.catalogue.holders().users) < len(holders.users)


def test_rejected_rows_of_an_erased_user_go_too(engine: Engine) -> None:
    folder = engine.store.folder / "rejected"
    folder.mkdir()
    lines = [json.dumps({"row": {"user_id": user, "item_id": "1"}}) for user in ("u0", "u1")]
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    engine.erase("u0")
    assert (folder / "a.jsonl").read_text(encoding="utf-8") == lines[1] + "\n"


def test_a_thread_sees_one_state_while_its_view_is_steady(engine: Engine) -> None:
    with engine.state.request_snapshot():
        before = engine.state.catalogue.snapshot()
        engine.edits.patch_item("00", ItemPatch(price=3))
        assert engine.state.catalogue.snapshot() is before
    assert engine.state.catalogue.snapshot().items["00"].price == 3


def test_a_thread_sees_what_it_makes_anew_though_its_view_is_steady(engine: Engine) -> None:
    engine.edits.take("items", [{"item_id": "new", "title": "New Laughter", "genres": "Comedy"}])
    with engine.state.request_snapshot():
        assert (
            "new" not in engine.state.vectors.items().positions
            and engine.state.ranker.unreached() == {"new"}
        )
        engine.state.ranker.embed_new()
        assert (
            "new" in engine.state.vectors.items().positions
            and engine.state.ranker.unreached() == set()
        )


def test_what_a_mapping_says_of_columns_counts_at_once(engine: Engine) -> None:
    before = engine.state.catalogue.snapshot()
    where = next(rule.where for rule in before.population.rules if rule.facet == "genre")
    name = where.rpartition(".")[2]
    told = Meanings(
        items={name: ColumnMeaning(role="fact")}, nouns=Nouns(item="film", items="films")
    )
    engine.store.add_meanings(told)
    after = engine.state.catalogue.snapshot()
    assert "genre" not in {rule.facet for rule in after.population.rules}
    assert (after.nouns.items, after.stamp != before.stamp) == ("films", True)
    engine.store.add_meanings(Meanings())
    assert engine.store.meanings() == told


def test_users_are_not_compared_by_what_is_their_own(engine: Engine) -> None:
    rows = [{"user_id": f"u{at}", "attributes": {"club": f"c{at % 2}"}} for at in range(40)]
    engine.edits.take("users", rows)
    assert any(value.startswith("club") for value in engine.state.catalogue.demographics().values)
    engine.store.add_meanings(Meanings(users={"club": ColumnMeaning(role="id")}))
    values = engine.state.catalogue.demographics().values
    assert not any(value.startswith("club") for value in values)
