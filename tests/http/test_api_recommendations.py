"""Recommendations, feedback and the catalogue over HTTP."""

import json
import time
from pathlib import Path

import httpx
import pytest

from limner.testing import Failure, Hang, ScriptedAnswer, ScriptedServer
from tests.e2e.running import IDS, SILENT
from tests.http.tasteful import copied, ids, ids_of, problem, scripted, serving

LIST = "/v1/users/u0/recommendations"


def had(client: httpx.Client, user: str) -> set[str]:
    rows = client.get("/v1/events", params={"user_id": user, "limit": 1000}).json()["rows"]
    return {one["item_id"] for one in rows}


def tell(
    client: httpx.Client, shown: dict[str, object], *acts: tuple[str, str], user: str = "u0"
) -> httpx.Response:
    """(item id, type)."""
    items = [{"item_id": item, "type": act} for item, act in acts]
    body = {"recommendation_id": shown["recommendation_id"], "items": items}
    return client.post(f"/v1/users/{user}/feedback", json=body)


def test_every_item_of_a_list_has_a_reason_that_cites_the_users_own_events(
    client: httpx.Client,
) -> None:
    own = {
        one["event_id"]
        for one in client.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"]
    }
    shown = client.get(LIST).json()
    assert len(shown["recommendations"]) == 10 and shown["recommendation_id"]
    for one in shown["recommendations"]:
        assert one["reason"]["text"] and set(one["reason"]["evidence"]) <= own
    plain = client.get(LIST, params={"explain": "false"}).json()
    assert [one["reason"] for one in plain["recommendations"]] == [None] * 10
    assert ids(client.get(LIST)) == ids(client.get(LIST, params={"explain": "wait"}))


def test_the_same_request_has_the_same_answer_under_a_name_of_its_own(client: httpx.Client) -> None:
    first, second = client.get(LIST).json(), client.get(LIST).json()
    assert first.pop("recommendation_id") != second.pop("recommendation_id")
    assert first == second


def test_wishes_hold(client: httpx.Client) -> None:
    plain = ids(client.get(LIST, params={"n": 30}))
    assert not had(client, "u0") & set(plain)
    wars = ids(client.get(LIST, params={"category": "War"}))
    assert wars and all(
        client.get(f"/v1/items/{one}").json()["categories"] == ["War"] for one in wars
    )
    fitting = ids(client.get(LIST, params={"filter": "item_id in (00, 04, 08)"}))
    # As a set: an item's places are among the candidates, which are others under a filter.
    assert set(fitting) == set(plain) & {"00", "04", "08"} and fitting
    assert plain[0] not in ids(client.get(LIST, params={"exclude": plain[:1], "n": 20}))
    visit = ids(client.get(LIST, params={"context": ["02", "05"], "n": 20}))
    assert visit != plain and not {"02", "05"} & set(visit)
    assert set(ids(client.get(LIST, params={"repeats": "true", "n": 30}))) & had(client, "u0")
    assert ids(client.get(LIST, params={"diversity": 0.9})) != plain[:10]


def test_a_boost_lifts_what_fits(client: httpx.Client) -> None:
    def places(**params: str | int) -> list[int]:
        found = ids(client.get(LIST, params={"n": 20, **params}))
        return [
            at
            for at, one in enumerate(found)
            if client.get(f"/v1/items/{one}").json()["categories"] == ["War"]
        ]

    assert sum(places(boost="category:War*3")) < sum(places())


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"n": 0}, "invalid_parameter"),
        ({"n": 101}, "invalid_parameter"),
        ({"explain": "maybe"}, "invalid_parameter"),
        ({"diversity": 2}, "invalid_parameter"),
        ({"explan": "true"}, "invalid_parameter"),
        ({"category": "none"}, "bad_input"),
        ({"filter": "a ="}, "bad_input"),
        ({"boost": "War"}, "bad_input"),
        ({"boost": "War*11"}, "bad_input"),
        ({"boost": "colour:red*2"}, "bad_input"),
        ({"price_min": 5, "price_max": 1}, "bad_input"),
    ],
)
def test_wishes_that_cannot_be_are_refused(
    client: httpx.Client, params: dict[str, str | int], code: str
) -> None:
    problem(client.get(LIST, params=params), 422, code)


def test_a_context_of_nothing_is_unknown(client: httpx.Client) -> None:
    problem(client.get(LIST, params={"context": "none"}), 404, "unknown_id")
    problem(client.get("/v1/recommendations", params={"context": "none"}), 404, "unknown_id")


def test_a_visitor_gets_what_goes_with_the_visit_and_leaves_nothing(client: httpx.Client) -> None:
    popular = client.get("/v1/recommendations").json()
    assert popular["fallback"] and popular["user_id"] == "" and popular["recommendation_id"]
    visit = client.get("/v1/recommendations", params={"context": ["00", "03"]}).json()
    assert (
        not visit["fallback"]
        and not {"00", "03"} & set(ids_of(visit))
        and ids_of(visit) != ids_of(popular)
    )
    assert all(
        one["reason"]["text"] and not one["reason"]["evidence"] for one in visit["recommendations"]
    )
    assert [
        one["user_id"] for one in client.get("/v1/users", params={"limit": 1000}).json()["rows"]
    ] == [*IDS, SILENT]


def test_someone_of_whom_nothing_is_known_gets_what_is_popular(client: httpx.Client) -> None:
    shown = client.get(f"/v1/users/{SILENT}/recommendations").json()
    assert shown["fallback"] and len(shown["recommendations"]) == 10


def test_feedback_changes_the_list_at_once(client: httpx.Client) -> None:
    shown = client.get(LIST).json()
    first, second, third = ids_of(shown)[:3]
    answer = tell(client, shown, (first, "impression"), (second, "impression"))
    assert answer.json() == {
        "recommendation_id": shown["recommendation_id"],
        "read": 2,
        "events": 0,
        "counted": 2,
        "withdrawn": 0,
        "rows": [],
    }
    assert ids(client.get(LIST)) == ids_of(shown)  # seeing says nothing
    report = tell(client, shown, (first, "click"), (second, "hide"), (third, "dislike")).json()
    assert (report["events"], report["counted"], report["rows"]) == (3, 3, [])
    after = ids(client.get(LIST))
    assert not {first, second, third} & set(after) and len(after) == 10
    kinds = {
        one["item_id"]: one
        for one in client.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"]
    }
    assert [kinds[one]["type"] for one in (first, second, third)] == ["click", "skip", "dislike"]
    assert kinds[second]["context"] == {
        "hidden": "true",
        "recommendation_id": shown["recommendation_id"],
    }


def test_a_thumb_is_taken_back_and_the_list_is_what_it_was(client: httpx.Client) -> None:
    before = client.get(LIST).json()
    events = client.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"]
    first, second, third = ids_of(before)[:3]
    tell(client, before, (first, "like"), (second, "dislike"), (third, "hide"))
    portrait = client.get("/v1/users/u0/profile").json()["version"]
    assert client.post("/v1/users/u0/profile/build", json={"force": True}).json()[
        "built"
    ]  # which counts the thumbs
    assert ids(client.get(LIST)) != ids_of(before)
    # Not the newest first, so that the last event stays what it is.
    assert tell(client, before, (first, "withdraw")).json() == {
        "recommendation_id": before["recommendation_id"],
        "read": 1,
        "events": 0,
        "counted": 0,
        "withdrawn": 1,
        "rows": [],
    }
    assert first in ids(client.get(LIST, params={"n": 30}))
    report = client.post(
        "/v1/users/u0/feedback",
        json={
            "items": [
                {"item_id": second, "type": "withdraw"},
                {"item_id": third, "type": "withdraw"},
                {"item_id": first, "type": "withdraw"},
            ]
        },
    ).json()
    assert (report["withdrawn"], report["rows"]) == (
        2,
        [{"row": 2, "reason": "nothing to take back"}],
    )
    assert ids(client.get(LIST)) == ids_of(before)
    assert (
        client.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"] == events
    )
    rows = client.get("/v1/recommendations/stats").json()["rows"]
    assert not any(one["outcomes"] for one in rows)
    # No portrait is left that counted them.
    known = {one["event_id"] for one in events}
    versions = client.get("/v1/users/u0/profile/versions").json()["versions"]
    for version in (one["version"] for one in versions):
        held = client.get("/v1/users/u0/profile", params={"version": version}).json()
        assert held["built_from"]["events"] == len(events)
        assert {one for claim in held["preferences"] for one in claim["evidence"]} <= known
    assert versions[-1]["version"] > portrait + 1


def test_changing_ones_mind_leaves_one_thumb(client: httpx.Client) -> None:
    item = ids(client.get(LIST))[0]
    told = [{"item_id": item, "type": "like"}]
    client.post("/v1/users/u0/feedback", json={"items": told})
    told = [{"item_id": item, "type": "dislike"}, {"item_id": item, "type": "withdraw"}]
    report = client.post("/v1/users/u0/feedback", json={"items": told}).json()
    assert (report["events"], report["withdrawn"]) == (1, 1)
    rows = client.get("/v1/events", params={"user_id": "u0", "item_id": item}).json()["rows"]
    assert [one["type"] for one in rows] == ["dislike"]


def test_clicks_are_counted_by_the_channel_that_led_and_the_version(client: httpx.Client) -> None:
    shown = client.get(LIST).json()
    lead = {
        one["item"]["item_id"]: next(iter(one["channels"]), "") for one in shown["recommendations"]
    }
    first, second = ids_of(shown)[:2]
    tell(client, shown, *((one, "impression") for one in ids_of(shown)), (first, "click"))
    tell(client, shown, (first, "click"), (first, "impression"))  # once more counts no more
    rows = client.get("/v1/recommendations/stats").json()["rows"]
    assert {one["model_version"] for one in rows} == {1}
    by = {one["channel"]: one for one in rows}
    assert by.keys() == set(lead.values())
    for channel, one in by.items():
        size = [*lead.values()].count(channel)
        clicks = int(lead[first] == channel)
        assert (one["listed"], one["impressions"], one["clicks"]) == (size, size, clicks)
        assert one["click_through"] == clicks / size
    rated = {"item_id": second, "type": "rating", "value": 99}
    body = {"recommendation_id": shown["recommendation_id"], "items": [rated]}
    refused = client.post("/v1/users/u0/feedback", json=body).json()
    assert (refused["rows"], refused["counted"]) == (
        [{"row": 0, "reason": "rating out of scale"}],
        0,
    )


def test_feedback_is_of_a_list_that_was_shown_to_this_user(client: httpx.Client) -> None:
    shown = client.get(LIST).json()
    problem(tell(client, {"recommendation_id": "r00"}, ("00", "click")), 404, "unknown_id")
    problem(tell(client, shown, (ids_of(shown)[0], "click"), user="u1"), 404, "unknown_id")
    problem(tell(client, shown, ("00", "click")), 422, "bad_input")
    problem(tell(client, shown, (ids_of(shown)[0], "sneeze")), 422, "invalid_parameter")
    visit = client.get("/v1/recommendations").json()
    assert (
        tell(client, visit, (ids_of(visit)[0], "click")).json()["counted"] == 1
    )  # the visitor turns out to be u0
    loose = {"items": [{"item_id": "00", "type": "like", "event_id": "mine"}]}
    assert client.post("/v1/users/u1/feedback", json=loose).json()["events"] == 1
    assert client.post("/v1/users/u1/feedback", json=loose).json()["events"] == 0


def test_given_items_are_ranked_and_flagged(client: httpx.Client) -> None:
    mine = sorted(had(client, "u0"))[0]
    body = {"items": ["01", "nowhere", mine, "01"], "explain": True}
    ranked = client.post("/v1/users/u0/rank", json=body).json()
    flags = {one["item"]["item_id"]: one["flags"] for one in ranked["recommendations"]}
    assert flags.keys() == {"01", "nowhere", mine}
    assert "seen" in flags[mine] and "unknown" in flags["nowhere"]
    assert all(one["reason"]["text"] for one in ranked["recommendations"])
    problem(client.post("/v1/users/u0/rank", json={"items": []}), 422, "invalid_parameter")


# ---------------------------------------------------------------- the catalogue


def test_a_changed_item_is_seen_by_the_next_request(client: httpx.Client) -> None:
    first, second, third = ids(client.get(LIST))[:3]
    assert (
        client.patch(f"/v1/items/{first}", json={"hidden": True}).json()["attributes"]["hidden"]
        == "true"
    )
    client.patch(f"/v1/items/{second}", json={"available": False})
    after = ids(client.get(LIST))
    assert first not in after and second not in after
    assert second in ids(client.get(LIST, params={"available": "false", "n": 20}))
    client.patch(f"/v1/items/{first}", json={"hidden": False})
    client.patch(f"/v1/items/{second}", json={"available": True})
    assert ids(client.get(LIST))[:3] == [first, second, third]
    changed = client.patch(
        f"/v1/items/{third}",
        json={"price": 9.5, "title": "New name", "attributes": {"hidden": None, "shelf": "b2"}},
    ).json()
    assert (changed["price"], changed["title"], changed["attributes"]["shelf"]) == (
        9.5,
        "New name",
        "b2",
    )
    assert "hidden" not in changed["attributes"] and changed["categories"]
    assert third in ids(client.get(LIST, params={"price_min": 9}))
    assert client.get("/v1/items/" + third).json() == changed
    same = client.patch(
        f"/v1/items/{third}", json={"title": None, "text": None, "categories": None, "price": None}
    )
    assert same.json() == {**changed, "price": None}
    problem(client.patch("/v1/items/none", json={"price": 1}), 404, "unknown_id")
    problem(client.patch(f"/v1/items/{first}", json={"price": -1}), 422, "invalid_parameter")
    problem(client.patch(f"/v1/items/{first}", json={"colour": "red"}), 422, "invalid_parameter")


def test_neighbours_and_what_is_popular(client: httpx.Client) -> None:
    for by in ("text", "users"):
        found = client.get("/v1/items/00/neighbors", params={"by": by, "n": 5}).json()
        scores = [one["score"] for one in found["neighbors"]]
        assert len(scores) == 5 and scores == sorted(scores, reverse=True)
        assert "00" not in [one["item"]["item_id"] for one in found["neighbors"]]
    problem(client.get("/v1/items/none/neighbors"), 404, "unknown_id")
    popular = client.get("/v1/popular", params={"n": 30}).json()["items"]
    users = [one["users"] for one in popular]
    rows = client.get("/v1/events", params={"limit": 1000}).json()["rows"]
    assert users == sorted(users, reverse=True)
    assert users[0] == len(
        {one["user_id"] for one in rows if one["item_id"] == popular[0]["item"]["item_id"]}
    )
    hidden = popular[0]["item"]["item_id"]
    client.patch(f"/v1/items/{hidden}", json={"hidden": True})
    assert hidden not in [
        one["item"]["item_id"] for one in client.get("/v1/popular").json()["items"]
    ]
    assert hidden not in [
        one["item"]["item_id"]
        for one in client.get("/v1/items/00/neighbors", params={"n": 100}).json()["neighbors"]
    ]
    assert {
        one["item"]["categories"][0]
        for one in client.get("/v1/popular?category=War").json()["items"]
    } == {"War"}


# ---------------------------------------------------------------- with a model


def sources(shown: dict[str, list[dict[str, dict[str, str]]]]) -> set[str]:
    return {one["reason"]["source"] for one in shown["recommendations"]}


def worded(
    client: httpx.Client, model: ScriptedServer
) -> dict[str, list[dict[str, dict[str, str]]]]:
    """The list as it is once reasons in the model's words are there; the first request has them
    worded behind it.
    """
    until = time.monotonic() + 60
    while time.monotonic() < until:
        shown: dict[str, list[dict[str, dict[str, str]]]] = client.get(LIST, params={"n": 3}).json()
        if "llm" in sources(shown):
            return shown
        time.sleep(0.05)
    raise AssertionError(
        f"no reason came in the model's words, who was asked {len(model.requests)} times"
    )


def test_better_words_come_behind_the_answer_and_hold_until_something_changes(
    trained: Path, tmp_path: Path
) -> None:
    words = json.dumps({"text": "This one is close in theme to what you chose."})
    with (
        ScriptedServer(otherwise=ScriptedAnswer(words)) as model,
        serving(copied(trained, tmp_path), **scripted(model)) as client,
    ):
        waited = client.get(LIST, params={"n": 3, "explain": "wait"}).json()
        asked = len(model.requests)
        assert asked
        shown = client.get(LIST, params={"n": 3}).json()
        assert [one["reason"] for one in shown["recommendations"]] == [
            one["reason"] for one in waited["recommendations"]
        ]
        client.post("/v1/users/u0/feedback", json={"items": [{"item_id": "20", "type": "like"}]})
        assert sources(client.get(LIST, params={"n": 3}).json()) == {"template"}


def test_no_model_is_waited_for(trained: Path, tmp_path: Path) -> None:
    with (
        ScriptedServer(otherwise=Hang(30.0)) as model,
        serving(copied(trained, tmp_path), **scripted(model)) as client,
    ):
        shown = client.get(LIST, params={"n": 3}, timeout=10).json()
        assert sources(shown) == {"template"} and len(shown["recommendations"]) == 3


def test_a_model_that_is_down_costs_words_only(trained: Path, tmp_path: Path) -> None:
    with (
        ScriptedServer(otherwise=Failure(500)) as model,
        serving(copied(trained, tmp_path), **scripted(model)) as client,
    ):
        shown = client.get(LIST, params={"n": 3, "explain": "wait"}).json()
        assert sources(shown) == {"template"} and any(
            "did not help" in note["text"] for note in shown["notes"]
        )
