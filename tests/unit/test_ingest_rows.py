"""Rows that a program sends."""

from pathlib import Path

import pytest

from limner.ingest import Sources, ingest, ingest_rows
from limner.recommend.edits import Table
from limner.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def test_rows_are_cleaned_as_those_of_files_are(store: Store, tmp_path: Path) -> None:
    """One table, read from a file and sent as rows, comes to the same."""
    rows = [
        {
            "userId": "u1",
            "movieId": "13995.0",
            "rating": "4,5",
            "timestamp": "2024-01-02 03:04:05",
            "tag": "<b>c</b>",
        },
        {
            "userId": " u2 ",
            "movieId": "7",
            "rating": "5",
            "timestamp": "1700000000",
            "tag": "&amp;",
        },
    ]
    lines = [",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
    (tmp_path / "x.csv").write_text("\n".join(lines), encoding="utf-8")
    other = open_store(str(tmp_path / "other"))
    ingest(other, Sources(events=[str(tmp_path / "x.csv")]))
    ingest_rows(store, "events", rows, "x")
    for user in ("u1", "u2"):
        mine, theirs = (held.events(user)[0].model_dump(exclude={"seq"}) for held in (store, other))
        assert mine == theirs


def test_each_row_stands_for_itself(store: Store) -> None:
    rows = [
        {"user_id": "u", "item_id": "i", "type": "view"},
        {"user_id": "", "item_id": "i"},
        {"user_id": "u" * 300},
    ]
    report = ingest_rows(store, "events", rows)
    assert (report.read, report.kept, report.merged, report.rejected) == (3, 1, 0, 2)
    assert [(one.row, one.reason) for one in report.rows] == [
        (1, "missing user_id"),
        (2, "user_id too long"),
    ]
    assert store.events("u")[0].timestamp is not None  # now


@pytest.mark.parametrize("table", ["users", "items", "events"])
def test_what_is_no_object_costs_the_others_nothing(store: Store, table: Table) -> None:
    bad: list[object] = [7, None, "u", [{"user_id": "u"}], True]
    good = [{"user_id": "u", "item_id": "i"}, {"user_id": "v", "item_id": "j"}]
    report = ingest_rows(store, table, [bad[0], good[0], *bad[1:], good[1], {}])
    assert (report.read, report.kept, report.merged, report.rejected) == (8, 2, 0, 6)
    assert [one.row for one in report.rows] == [0, 2, 3, 4, 5, 7]
    assert {one.reason for one in report.rows[:-1]} == {"not an object"}
    assert report.rows[-1].reason == ("missing item_id" if table == "items" else "missing user_id")


def test_where_nothing_is_an_object_nothing_is_kept(store: Store) -> None:
    report = ingest_rows(store, "items", [7, "x"], "shop")
    assert (report.source, report.read, report.kept, report.rejected) == ("shop", 2, 0, 2)
    assert store.counts().items == 0


def test_what_is_sent_again_under_its_id_is_merged(store: Store) -> None:
    row = {"user_id": "u", "item_id": "i", "type": "view", "event_id": "mine"}
    assert ingest_rows(store, "events", [row, {**row, "event_id": ""}]).kept == 2
    assert ingest_rows(store, "events", [row]).merged == 1
    other = ingest_rows(
        store, "events", [{**row, "event_id": "a"}, {**row, "event_id": "a", "type": "click"}]
    )
    assert (other.kept, other.rows[0].reason) == (1, "event_id used for another event")


def test_no_name_in_the_free_object_is_taken_for_a_field(store: Store) -> None:
    context = {
        "title": "t",
        "value": "v",
        "user_id": "other",
        "Time": 3,
        "list": ["a", "b"],
        "inner": {"x": 1},
    }
    ingest_rows(
        store, "events", [{"user_id": "u", "item_id": "i", "type": "view", "context": context}]
    )
    [event] = store.events("u")
    assert event.context == {
        "title": "t",
        "value": "v",
        "user_id": "other",
        "time": 3,
        "list": ["a", "b"],
        "inner.x": 1,
    }
    ingest_rows(
        store, "items", [{"item_id": "i", "attributes": {"title": "x", "price": 3, "name": "n"}}]
    )
    [item] = store.items(["i"])
    assert (item.title, item.price, item.attributes) == (
        "",
        None,
        {"title": "x", "price": 3, "name": "n"},
    )


def test_a_scale_that_was_only_observed_is_not_declared_by_rows(store: Store) -> None:
    both = [{"user_id": "u", "item_id": "i", "rating": one} for one in (1, 5)]
    ingest_rows(store, "events", both, "s")
    report = ingest_rows(store, "events", [{"user_id": "u", "item_id": "j", "rating": 9}], "s")
    assert report.rows[0].reason == "rating out of scale"
    assert not store.scales()["s"].declared and store.scales()["s"].high == 5


def test_a_small_load_looks_up_what_it_needs_and_a_large_one_knows_all(store: Store) -> None:
    rows = [
        {"user_id": f"u{at % 3}", "item_id": f"i{at}", "event_id": f"e{at}", "type": "view"}
        for at in range(50)
    ]
    for at in range(0, 50, 7):
        ingest_rows(store, "events", rows[at : at + 7])
    assert ingest_rows(store, "events", rows).merged == 50
    assert store.counts().events == 50 and store.counts().users == 3
