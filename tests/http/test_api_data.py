"""Users, items and events over HTTP."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.running import IDS, ITEMS, SILENT
from tests.http.tasteful import ids, ids_of, problem


def walked(client: httpx.Client, path: str, limit: int, **params: str) -> list[dict[str, object]]:
    """Every row of a list, page by page."""
    rows: list[dict[str, object]] = []
    cursor = ""
    while True:
        page = client.get(path, params={"limit": limit, "cursor": cursor, **params}).json()
        assert len(page["rows"]) <= limit
        rows += page["rows"]
        if page["next"] is None:
            return rows
        cursor = page["next"]


def test_a_cursor_walks_each_list_whole_and_once(client: httpx.Client) -> None:
    assert [one["user_id"] for one in walked(client, "/v1/users", 5)] == [*IDS, SILENT]
    assert len({one["item_id"] for one in walked(client, "/v1/items", 7)}) == ITEMS
    events = walked(client, "/v1/events", 13)
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    assert walked(client, "/v1/events", 3, user_id="u1") == [
        one for one in events if one["user_id"] == "u1"
    ]
    assert walked(client, "/v1/events", 3, item_id="00") == [
        one for one in events if one["item_id"] == "00"
    ]


def test_what_comes_during_a_walk_comes_at_its_end(client: httpx.Client) -> None:
    first = client.get("/v1/items", params={"limit": ITEMS - 1}).json()
    client.post("/v1/items", json={"rows": [{"item_id": "new"}]})
    rest = client.get("/v1/items", params={"limit": 5, "cursor": first["next"]}).json()
    assert [one["item_id"] for one in rest["rows"]] == ["29", "new"]


@pytest.mark.parametrize("cursor", ["x", "dXNlcnM6MTAw", "dXNlcnM6LTE", "é", "aXRlbXM6", "A" * 100])
def test_a_cursor_of_another_list_is_refused(client: httpx.Client, cursor: str) -> None:
    problem(client.get("/v1/items", params={"cursor": cursor}), 422, "bad_input")


def test_pages_are_bounded(client: httpx.Client) -> None:
    for limit in (0, 1001):
        problem(client.get("/v1/events", params={"limit": limit}), 422, "invalid_parameter")


def test_rows_are_stored_and_each_bad_one_is_reported(client: httpx.Client) -> None:
    rows: list[object] = [
        {
            "user_id": "u1",
            "item_id": "00",
            "type": "purchase",
            "event_id": "e1",
            "timestamp": "2026-01-01T00:00:00Z",
        },
        {"user_id": "u1", "item_id": "00", "rating": 9},
        {"item_id": "00", "type": "view"},
        {"user_id": "u1", "type": "purchase"},
        {"user_id": "u1", "item_id": "00", "type": "view", "timestamp": "yesterday"},
        {
            "userId": "fresh",
            "movieId": "01",
            "stars": 4,
            "context": {"device": "tv", "value": "x"},
            "page": "home",
        },
    ]
    report = client.post("/v1/events", json={"rows": rows}).json()
    assert (report["read"], report["kept"], report["rejected"]) == (6, 2, 4)
    assert {one["row"]: one["reason"] for one in report["rows"]} == {
        1: "rating out of scale",
        2: "missing user_id",
        3: "missing item_id",
        4: "unparseable timestamp",
    }
    [made] = client.get("/v1/events", params={"user_id": "fresh"}).json()["rows"]
    assert (made["item_id"], made["type"], made["value"]) == ("01", "rating", 4)
    assert made["context"] == {"device": "tv", "value": "x", "page": "home"}
    assert made["timestamp"] is not None and made["source"] == "events"
    again = client.post("/v1/events", json={"rows": rows[:1]}).json()
    assert (again["kept"], again["merged"]) == (0, 1)


def test_what_is_no_object_is_a_bad_row_like_others(client: httpx.Client) -> None:
    report = client.post(
        "/v1/events", json={"rows": [7, {"user_id": "u1", "item_id": "00", "type": "view"}]}
    )
    assert report.status_code == 200
    found = report.json()
    assert (found["read"], found["kept"], found["rejected"]) == (2, 1, 1)
    assert found["rows"] == [{"row": 0, "reason": "not an object"}]


def test_ratings_of_a_source_of_its_own_have_a_scale_of_its_own(client: httpx.Client) -> None:
    rows = [
        {"user_id": "u1", "item_id": "00", "rating": 9},
        {"user_id": "u1", "item_id": "01", "rating": 2},
    ]
    report = client.post("/v1/events", json={"rows": rows, "source": "tens"}).json()
    assert report["kept"] == 2 and report["source"] == "tens"
    out = {"rows": [{"user_id": "u2", "item_id": "00", "rating": 10}], "source": "tens"}
    assert client.post("/v1/events", json=out).json()["rejected"] == 1


def test_users_and_items_take_the_place_of_older_ones(client: httpx.Client) -> None:
    user = {"user_id": "u1", "attributes": {"age": 34, "name": "X"}}
    assert client.post("/v1/users", json={"rows": [user]}).json()["kept"] == 1
    assert client.get("/v1/users/u1").json()["attributes"] == {"age": 34, "name": "X"}
    assert client.post("/v1/users", json={"rows": [user]}).json()["merged"] == 1
    item = {
        "item_id": "00",
        "title": "Other <b>name</b>",
        "price": "$3.50",
        "attributes": {"genre": ["Noir"]},
    }
    report = client.post("/v1/items", json={"rows": [item, {"title": "of nothing"}]}).json()
    assert report["kept"] == 1 and report["rows"] == [{"row": 1, "reason": "missing item_id"}]
    found = client.get("/v1/items/00").json()
    assert (found["title"], found["price"], found["attributes"]["genre"]) == (
        "Other <b>name</b>",
        3.5,
        ["Noir"],
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "invalid_json"),
        ("", 422, "invalid_parameter"),
        ("[]", 422, "invalid_parameter"),
        ('{"rows": []}', 422, "invalid_parameter"),
        ('{"rows": 1}', 422, "invalid_parameter"),
        ('{"rows": [{}], "more": 1}', 422, "invalid_parameter"),
    ],
)
def test_a_broken_body_is_told_from_a_wrong_one(
    client: httpx.Client, body: str, status: int, code: str
) -> None:
    answer = client.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    problem(answer, status, code)


def test_an_item_that_came_is_recommended_without_training(client: httpx.Client) -> None:
    before = ids(client.get("/v1/users/u0/recommendations", params={"n": 30}))
    row = {
        "item_id": "new",
        "title": "Film 99 (1999)",
        "categories": ["Comedy"],
        "attributes": {"genre": ["Comedy"]},
    }
    client.post("/v1/items", json={"rows": [row]})
    after = ids(client.get("/v1/users/u0/recommendations", params={"n": 31}))
    assert "new" not in before and "new" in after


def test_users_for_an_item_by_words_and_by_condition(client: httpx.Client) -> None:
    found = client.get("/v1/users", params={"for_item": "00", "limit": 3}).json()
    assert len(found["users"]) <= 3 and found["item"]["item_id"] == "00" and found["definition"]
    problem(client.get("/v1/users", params={"for_item": "none"}), 404, "unknown_id")
    client.post("/v1/users", json={"rows": [{"user_id": "old", "attributes": {"age": 80}}]})
    assert [
        u["user_id"] for u in client.get("/v1/users", params={"where": "age > 70"}).json()["users"]
    ] == ["old"]
    client.get("/v1/users/u0/profile")
    assert client.get("/v1/users", params={"like": "Comedy"}).json()["users"][0]["user_id"] == "u0"
    problem(client.get("/v1/users", params={"where": "shoe > 3"}), 422, "bad_input")
    problem(client.get("/v1/users", params={"like": "x", "for_item": "00"}), 422, "bad_input")


def test_a_user_is_exported_whole_and_erased_everywhere(
    client: httpx.Client, tmp_path: Path
) -> None:
    client.post("/v1/users", json={"rows": [{"user_id": "gonzo-77", "attributes": {"age": 50}}]})
    rows = [{"user_id": "gonzo-77", "item_id": f"0{n}", "rating": 5} for n in range(3)]
    client.post("/v1/events", json={"rows": rows})
    client.get("/v1/users/gonzo-77/profile")
    shown = client.get("/v1/users/gonzo-77/recommendations", params={"n": 3}).json()
    told = {
        "recommendation_id": shown["recommendation_id"],
        "items": [{"item_id": ids_of(shown)[0], "type": "click"}],
    }
    client.post("/v1/users/gonzo-77/feedback", json=told)
    talk = client.post("/v1/chat", json={"question": "What does gonzo-77 like?"}).json()[
        "conversation_id"
    ]
    export = client.get("/v1/users/gonzo-77/export").json()
    assert (
        len(export["events"]) == 4
        and export["profiles"]
        and export["user"]["attributes"] == {"age": 50}
    )
    assert export["recommendations"][0]["recommendation_id"] == shown["recommendation_id"]

    assert client.delete("/v1/users/gonzo-77").json()["events"] == 4
    for path in ("", "/profile", "/recommendations", "/export", "/context", "/profile/versions"):
        problem(client.get(f"/v1/users/gonzo-77{path}"), 404, "unknown_id")
    again = client.delete("/v1/users/gonzo-77").json()
    assert (again["known"], again["events"], again["residue"]["found"]) == (False, 0, [])
    assert [note["code"] for note in again["notes"]] == ["erase.before"]
    problem(
        client.post("/v1/chat", json={"question": "And now?", "conversation_id": talk}),
        404,
        "unknown_id",
    )
    assert client.get("/v1/recommendations/stats").json()["rows"] == []
    assert client.get("/v1/events", params={"user_id": "gonzo-77"}).json()["rows"] == []
    client.get("/v1/users/u0/recommendations")  # derives anew what was derived
    for file in (tmp_path / "store").rglob("*"):
        if file.is_file() and file.suffix not in (".lock",) and "chroma" not in file.parts:
            assert b"gonzo-77" not in file.read_bytes(), file


def test_a_wrong_method_is_told_all_right_ones(client: httpx.Client) -> None:
    for path, methods in (
        ("/v1/events", "GET, POST"),
        ("/v1/users/u1", "DELETE, GET"),
        ("/v1/items/00", "GET, PATCH"),
    ):
        answer = client.put(path)
        problem(answer, 405, "wrong_method")
        assert answer.headers["allow"] == methods
