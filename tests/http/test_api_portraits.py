"""Portraits over HTTP."""

from pathlib import Path

import httpx
import pytest

from limner.llm import tokens
from limner.testing import ScriptedAnswer, ScriptedServer
from tests.e2e.running import GENRES, SILENT
from tests.http.tasteful import copied, ids, problem, scripted, serving


def claims(profile: dict[str, list[dict[str, str]]]) -> set[tuple[str, str]]:
    return {(one["polarity"], one["value"]) for one in profile["preferences"]}


def likes(client: httpx.Client, user: str) -> list[dict[str, str]]:
    found = client.get(f"/v1/users/{user}/profile").json()["preferences"]
    return [one for one in found if one["polarity"] == "like"]


def test_a_portrait_is_painted_once_and_known_by_its_etag(client: httpx.Client) -> None:
    first = client.get("/v1/users/u0/profile")
    assert first.status_code == 200 and first.json()["version"] == 1
    tag = first.headers["etag"]
    assert "no-store" not in first.headers["cache-control"]
    for given in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = client.get("/v1/users/u0/profile", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (
        client.get("/v1/users/u0/profile", headers={"If-None-Match": '"x"'}).json() == first.json()
    )
    client.post("/v1/users/u0/profile/build", json={"force": True})
    moved = client.get("/v1/users/u0/profile", headers={"If-None-Match": tag})
    assert moved.status_code == 200 and moved.json()["version"] == 2


def test_versions_moments_and_differences(client: httpx.Client) -> None:
    first = client.get("/v1/users/u0/profile").json()
    rows = [{"user_id": "u0", "item_id": f"{i:02}", "rating": 5} for i in range(1, 30, 3)]
    client.post("/v1/events", json={"rows": rows})
    report = client.post("/v1/users/u0/profile/build").json()
    assert [one["version"] for one in report["built"]] == [2]
    assert client.post("/v1/users/u0/profile/build").json()["skipped"] == 1
    second = client.get("/v1/users/u0/profile").json()
    assert client.get("/v1/users/u0/profile", params={"version": 1}).json() == first
    assert client.get("/v1/users/u0/profile", params={"as_of": first["as_of"]}).json() == first
    assert client.get("/v1/users/u0/profile", params={"as_of": second["as_of"]}).json() == second
    problem(client.get("/v1/users/u0/profile", params={"version": 9}), 404, "unknown_id")
    problem(client.get("/v1/users/u0/profile", params={"as_of": "1999-01-01"}), 404, "unknown_id")
    problem(client.get("/v1/users/u0/profile", params={"as_of": "soon"}), 422, "invalid_parameter")
    listed = client.get("/v1/users/u0/profile/versions").json()["versions"]
    assert [one["version"] for one in listed] == [1, 2]
    assert listed[1]["events"] == listed[0]["events"] + len(rows)
    moved = client.get("/v1/users/u0/profile/diff", params={"from": 1}).json()
    assert moved["to_version"] == 2
    before, after = claims(first), claims(second)
    assert {(one["polarity"], one["value"]) for one in moved["added"]} == after - before
    assert {(one["polarity"], one["value"]) for one in moved["removed"]} == before - after
    assert after != before or moved["changed"]
    problem(client.get("/v1/users/u0/profile/diff", params={"from": 1, "to": 7}), 404, "unknown_id")


def test_a_stated_preference_stands_in_the_portrait_and_moves_the_list_at_once(
    client: httpx.Client,
) -> None:
    query: dict[str, str | int] = {"n": 50, "explain": "false"}

    def wars() -> float:
        """How high they stand: the mean of their places, negated."""
        items = [
            client.get(f"/v1/items/{one}").json() for one in ids(client.get(path, params=query))
        ]
        places = [place for place, one in enumerate(items) if "War" in one["categories"]]
        return -sum(places) / len(places)

    path = "/v1/users/u0/recommendations"
    assert ("like", "War") not in claims(client.get("/v1/users/u0/profile").json())
    before = wars()
    edited = client.patch(
        "/v1/users/u0/profile", json={"state": [{"value": "war", "text": "War films, please"}]}
    )
    assert edited.status_code == 200, edited.text
    profile = edited.json()
    stated = profile["preferences"][0]
    assert (stated["facet"], stated["value"], stated["basis"]) == ("genre", "War", "stated")
    [event] = client.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"][-1:]
    assert stated["evidence"] == [event["event_id"]] and event["type"] == "preference"
    assert client.get("/v1/users/u0/profile").json() == profile
    assert wars() > before
    client.post("/v1/users/u0/profile/build", json={"force": True})
    assert client.get("/v1/users/u0/profile").json()["preferences"][0]["value"] == "War"


def test_a_struck_claim_is_gone_and_stays_gone_until_it_is_stated(client: httpx.Client) -> None:
    claim = likes(client, "u0")[0]
    named = {"facet": claim["facet"].upper(), "value": claim["value"].lower(), "polarity": "like"}
    before = ids(client.get("/v1/users/u0/recommendations", params={"n": 10}))
    struck = client.patch("/v1/users/u0/profile", json={"strike": [named]}).json()
    after = ids(client.get("/v1/users/u0/recommendations", params={"n": 10}))
    assert after != before  # at once
    assert ("like", claim["value"]) not in claims(struck)
    assert claim["value"].lower() not in struck["summary"].lower()
    client.post("/v1/users/u0/profile/build", json={"force": True})
    assert ("like", claim["value"]) not in claims(client.get("/v1/users/u0/profile").json())
    refused = client.patch("/v1/users/u0/profile", json={"strike": [named]})
    assert "does not claim" in problem(refused, 422, "bad_input")
    back = client.patch(
        "/v1/users/u0/profile", json={"state": [{"facet": claim["facet"], "value": claim["value"]}]}
    )
    assert ("like", claim["value"]) in claims(back.json())


def test_what_was_said_can_be_taken_back_as_if_it_never_had_been(client: httpx.Client) -> None:
    claim = likes(client, "u0")[0]
    named = {"facet": claim["facet"].upper(), "value": claim["value"].lower()}
    before = client.get("/v1/users/u0/profile").json()["preferences"]
    for said in (
        {"strike": [named]},
        {"state": [{"facet": claim["facet"], "value": claim["value"]}]},
    ):
        changed = client.patch("/v1/users/u0/profile", json=said).json()["preferences"]
        assert [(one["value"], one["basis"]) for one in changed] != [
            (one["value"], one["basis"]) for one in before
        ]
        back = client.patch("/v1/users/u0/profile", json={"withdraw": [named]})
        assert back.json()["preferences"] == before
    refused = client.patch("/v1/users/u0/profile", json={"withdraw": [named]})
    assert "said nothing of like" in problem(refused, 422, "bad_input")


def test_a_model_cannot_bring_back_what_was_struck(trained: Path, tmp_path: Path) -> None:
    words = '{"text": "Comedy is what this user likes best of all."}'
    with (
        ScriptedServer(otherwise=ScriptedAnswer(words)) as model,
        serving(copied(trained, tmp_path), **scripted(model)) as client,
    ):
        client.get("/v1/users/u0/profile")
        claim = {"facet": "genre", "value": "Comedy"}
        edited = client.patch("/v1/users/u0/profile", json={"strike": [claim]})
        assert edited.status_code == 200, edited.text
        client.post("/v1/users/u0/profile/build", json={"force": True})
        profile = client.get("/v1/users/u0/profile").json()
        assert model.requests and ("like", "Comedy") not in claims(profile)
        assert "comedy" not in profile["summary"].lower()


@pytest.mark.parametrize(
    "edit",
    [{}, {"state": [{}]}, {"state": [{"value": " "}]}, {"strike": [{"facet": "a", "value": "b"}]}],
)
def test_an_edit_that_says_nothing_is_refused(
    client: httpx.Client, edit: dict[str, object]
) -> None:
    problem(client.patch("/v1/users/u0/profile", json=edit), 422, "bad_input")


def test_a_context_never_passes_its_budget_and_names_its_evidence(client: httpx.Client) -> None:
    client.patch("/v1/users/u0/profile", json={"state": [{"value": one} for one in GENRES]})
    own = {
        one["event_id"]
        for one in client.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"]
    }
    held = []
    for budget in (16, 40, 80, 160, 500):
        found = client.get("/v1/users/u0/context", params={"max_tokens": budget}).json()
        assert found["tokens"] == tokens.count(found["text"]) <= budget
        assert set(found["evidence"]) <= own
        assert all(event in found["text"] for event in found["evidence"])
        held.append(len(found["preferences"]))
    assert held == sorted(held) and held[0] < held[-1] and found["left_out"] == 0
    problem(client.get("/v1/users/u0/context", params={"max_tokens": 15}), 422, "invalid_parameter")


def test_a_context_begins_with_what_was_asked_about(client: httpx.Client) -> None:
    client.patch("/v1/users/u0/profile", json={"state": [{"value": one} for one in GENRES]})
    for genre in GENRES:
        query: dict[str, str | int] = {"query": f"{genre} (genre)", "max_tokens": 500}
        found = client.get("/v1/users/u0/context", params=query).json()
        assert found["preferences"][0]["value"] == genre
        assert f"genre: {genre}" in found["text"].splitlines()[1]


def test_someone_of_whom_nothing_is_known_has_an_honest_portrait(client: httpx.Client) -> None:
    assert client.get(f"/v1/users/{SILENT}/profile").json()["preferences"] == []
    assert client.get(f"/v1/users/{SILENT}/context").json()["preferences"] == []


def test_unknown_users_are_problems_everywhere(client: httpx.Client) -> None:
    for path in (
        "profile",
        "profile/versions",
        "profile/diff?from=1",
        "context",
        "recommendations",
        "export",
    ):
        problem(client.get(f"/v1/users/nobody/{path}"), 404, "unknown_id")
    problem(
        client.patch("/v1/users/nobody/profile", json={"state": [{"value": "x"}]}),
        404,
        "unknown_id",
    )
    problem(client.post("/v1/users/nobody/profile/build"), 404, "unknown_id")


def test_what_is_sent_twice_counts_once(client: httpx.Client) -> None:
    value = likes(client, "u1")[0]["value"]

    def events() -> int:
        return len(client.get("/v1/users/u1/export").json()["events"])

    before = events()
    edit = {"edit_id": "e-1", "state": [{"value": value}]}
    first, again = (client.patch("/v1/users/u1/profile", json=edit) for _ in range(2))
    assert (first.status_code, again.status_code, events()) == (200, 200, before + 1)
    claim = likes(client, "u1")[0]
    strike = {"edit_id": "e-2", "strike": [{name: claim[name] for name in ("facet", "value")}]}
    first, again = (client.patch("/v1/users/u1/profile", json=strike) for _ in range(2))
    assert (first.status_code, again.status_code, events()) == (200, 200, before + 2)


def test_a_double_click_counts_once_and_taken_back_leaves_none(client: httpx.Client) -> None:
    item = ids(client.get("/v1/users/u2/recommendations"))[0]
    form = {"item_id": item, "type": "like", "key": "k1"}

    def thumbs() -> int:
        listed = client.get("/v1/users/u2/export").json()["events"]
        return sum(event["type"] == "like" and event["item_id"] == item for event in listed)

    before = thumbs()
    for _ in range(2):
        assert client.post("/users/u2/feedback", data=form).status_code == 303
    assert thumbs() == before + 1
    client.post("/users/u2/feedback", data=form | {"key": "k2"})
    client.post("/users/u2/feedback", data=form | {"type": "withdraw", "key": "k3"})
    assert thumbs() == 0
