"""One event is erased or corrected, and what rested on it is counted anew."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.http.tasteful import copied, engine_of, made, problem, serving

TEXT = "A review that says it in so many words, and nobody else does."


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("events"))


@pytest.fixture
def client(trained: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(copied(trained, tmp_path)) as found:
        yield found


def loved(client: httpx.Client) -> tuple[str, dict[str, str]]:
    """Somebody who likes horror films, and what was written of one that the portrait cites."""
    event_id = sorted(likes(client)["Horror"])[0]
    said = client.patch(f"/v1/events/{event_id}", json={"text": TEXT})
    assert said.status_code == 200, said.text
    return "u1", said.json()


def likes(client: httpx.Client) -> dict[str, list[str]]:
    """Events by what the user likes."""
    portrait = client.get("/v1/users/u1/profile").json()
    return {
        one["value"]: one["evidence"]
        for one in portrait["preferences"]
        if one["polarity"] == "like"
    }


def cited(client: httpx.Client, user: str) -> set[str]:
    portrait = client.get(f"/v1/users/{user}/profile").json()
    return {event for one in portrait["preferences"] for event in one["evidence"]}


def test_an_erased_event_is_cited_nowhere_and_in_no_file(
    client: httpx.Client, tmp_path: Path
) -> None:
    user, event = loved(client)
    assert event["event_id"] in cited(client, user)
    client.get(f"/v1/users/{user}/recommendations")
    gone = client.delete(f"/v1/events/{event['event_id']}")
    assert gone.status_code == 200 and gone.json()["text"] == TEXT
    assert event["event_id"] not in cited(client, user)
    held = client.get(f"/v1/users/{user}/export").json()
    assert held["events"] and event["event_id"] not in str(held)
    problem(client.delete(f"/v1/events/{event['event_id']}"), 404, "unknown_id")
    for file in (tmp_path / "store").rglob("*"):
        assert not file.is_file() or TEXT.encode() not in file.read_bytes(), file


def test_a_corrected_event_counts_as_it_is_now(client: httpx.Client) -> None:
    user, event = loved(client)
    path = f"/v1/events/{event['event_id']}"
    for other in likes(client)["Horror"]:
        changed = client.patch(f"/v1/events/{other}", json={"value": 2, "text": None}).json()
        assert (changed["value"], changed["text"], changed["event_id"]) == (2, "", other)
    assert "Horror" not in likes(client)
    versions = client.get(f"/v1/users/{user}/export").json()["profiles"]
    assert len(versions) == 1 and TEXT not in str(versions)
    problem(client.patch(path, json={"value": 9}), 422, "bad_input")
    problem(client.patch(path, json={}), 422, "bad_input")
    problem(client.patch("/v1/events/nothing", json={"value": 1}), 404, "unknown_id")


def test_lists_and_counts_forget_an_erased_event(client: httpx.Client) -> None:
    before = client.get("/v1/items/02/neighbors", params={"by": "users"}).json()
    rows = [
        {"user_id": f"v{at}", "item_id": item, "rating": 5, "event_id": f"v{at}-of-{item}"}
        for at in range(6)
        for item in ("02", "29")
    ]
    client.post("/v1/events", json={"rows": rows})
    with_them = client.get("/v1/items/02/neighbors", params={"by": "users"}).json()
    assert with_them != before
    for row in rows:
        assert client.delete(f"/v1/events/{row['event_id']}").status_code == 200
    assert client.get("/v1/items/02/neighbors", params={"by": "users"}).json() == before


def test_the_page_removes_an_event(client: httpx.Client) -> None:
    user, event = loved(client)
    page = client.get(f"/users/{user}/history").text
    assert event["event_id"] in page
    form = {"event_id": event["event_id"], "page": 1}
    for _ in range(2):  # a double click
        assert client.post(f"/users/{user}/history", data=form).status_code == 303
    assert event["event_id"] not in client.get(f"/users/{user}/history").text
    # Another user's event is not removed from here.
    rows = client.get("/v1/events", params={"user_id": "u2"}).json()["rows"]
    client.post(f"/users/{user}/history", data={"event_id": rows[0]["event_id"]})
    assert client.get("/v1/events", params={"user_id": "u2"}).json()["rows"] == rows


def test_the_page_corrects_an_event(client: httpx.Client) -> None:
    user, event = loved(client)
    form = {"event_id": event["event_id"], "action": "correct", "number": "2.5"}
    answer = client.post(f"/users/{user}/history", data=form)
    assert answer.status_code == 303, answer.text

    def values(of: str) -> dict[str, float]:
        rows = client.get("/v1/events", params={"user_id": of}).json()["rows"]
        return {row["event_id"]: row["value"] for row in rows}

    assert values(user)[event["event_id"]] == 2.5
    assert 'value="2.5"' in client.get(f"/users/{user}/history").text
    before = values("u2")
    assert client.post(f"/users/{user}/history", data={**form, "number": "nan"}).status_code == 422
    client.post(f"/users/{user}/history", data={**form, "event_id": next(iter(before))})
    assert values("u2") == before  # another user's is not changed from here


def test_a_correction_that_is_killed_leaves_no_portrait_of_what_was(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(copied(trained, tmp_path))
    event = engine.store.events("u0")[0]
    painted = engine.portraits.in_template_words("u0", engine.store.events("u0"))
    engine.portraits.keep(painted)
    monkeypatch.setattr(engine.store, "erase_event", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.erase_event(event.event_id)
    monkeypatch.undo()
    assert engine.erase_event(event.event_id) == event
    newest = engine.store.profile("u0")
    assert newest is not None and len(engine.store.profile_versions("u0")) == 1
    assert event.event_id not in {one for each in newest.preferences for one in each.evidence}
    engine.store.close()
