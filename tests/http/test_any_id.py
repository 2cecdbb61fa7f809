"""Every path of the API and of the page with ids that hold what paths are made of, over real
HTTP.
"""

import http.client
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from limner.api.access import Access
from limner.client import LimnerClient
from limner.core.urls import segment
from limner.recommend.edits import ItemPatch, Statement
from limner.recommend.feedback import FeedbackItem
from limner.server import create_app
from limner.store.api_keys import KeyRing, create_key
from tests.http.live import Live, live
from tests.http.tasteful import copied, engine_of

IDS = [
    "a/b",
    "a%2Fb",
    "..",
    ".",
    "ü/日本",
    "a b?c#d",
    "~..",
    "x/profile",
    "x/history",
    "//",
    "%",
    "a+b;c=d",
]


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    engine = engine_of(copied(trained, tmp_path_factory.mktemp("ids")))
    rows = [
        {"user_id": one, "item_id": f"{at:02}", "type": "like"} for one in IDS for at in range(3)
    ]
    engine.edits.take("items", [{"item_id": one, "title": f"Title of {one}"} for one in IDS])
    engine.edits.take("events", rows)
    with live(create_app(engine)) as found:
        yield found


@pytest.mark.parametrize("one", IDS)
def test_the_client_reaches_every_path_of_a_user(server: Live, one: str) -> None:
    with LimnerClient(str(server.client.base_url)) as limner:
        assert limner.user(one).user_id == one
        assert limner.profile(one).user_id == one
        assert limner.edit(one, state=[Statement(value="Comedy")]).user_id == one
        assert limner.build(one, force=True).built[0].user_id == one
        assert limner.difference(one, 1).user_id == one
        assert limner.context(one).user_id == one
        assert limner.recommend(one, 3).user_id == one
        assert limner.rank(one, ["05"]).user_id == one
        assert limner.feedback(one, [FeedbackItem(item_id="07", type="click")]).events == 1
        export = limner.export(one)
        assert export.user.user_id == one and {event.user_id for event in export.events} == {one}


@pytest.mark.parametrize("one", IDS)
def test_the_client_reaches_every_path_of_an_item(server: Live, one: str) -> None:
    with LimnerClient(str(server.client.base_url)) as limner:
        assert limner.item(one).title == f"Title of {one}"
        assert limner.change(one, ItemPatch(price=3.0)).item_id == one
        assert limner.neighbors(one).item.item_id == one


@pytest.mark.parametrize("one", IDS)
def test_a_path_with_plain_percent_encoding_does_as_well(server: Live, one: str) -> None:
    """Sent as it stands: http.client, other than browsers and some libraries, walks no folders."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    plain = (
        "%2E" * len(one)
        if set(one) == {"."}
        else quote(f"~{one}" if one == "~.." else one, safe="")
    )
    connection.request("GET", f"/v1/users/{plain}/context")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


@pytest.mark.parametrize("one", IDS)
def test_the_pages_links_lead_to_the_user(server: Live, one: str) -> None:
    first = server.client.get("/", params={"q": one}, headers={"accept": "text/html"})
    assert first.status_code == 303
    for place in ("", "/history", "/versions"):
        page = server.client.get(first.headers["location"] + place, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert one in re.findall(r"<bdi[^>]*>([^<]*)</bdi>", unescape(page.text))
        links = {
            unescape(href) for href in re.findall(r'(?:href|action)="(/users/[^"]*)"', page.text)
        }
        assert links and all(link.startswith(f"/users/{segment(one)}") for link in links), links
        [other] = [unescape(href) for href in re.findall(r'href="([^"]*lang=[^"]*)"', page.text)]
        assert server.client.get(other).status_code == 200
    form = {"item_id": "09", "type": "like"}
    liked = server.client.post(
        f"/users/{segment(one)}/feedback", data=form, headers={"accept": "text/html"}
    )
    assert liked.status_code == 303 and liked.headers["location"].startswith(
        f"/users/{segment(one)}?"
    )


def test_a_slash_that_was_encoded_leads_nowhere_else(server: Live) -> None:
    get = server.client.get
    assert get("/v1/users/x%2Fprofile").json()["user_id"] == "x/profile"
    assert get("/v1/users/x/profile").json()["code"] == "unknown_id"
    assert get("/v1/users%2Fa").json()["code"] == "unknown_path"
    assert get("/static/..%2Fpages.py").status_code == 404
    assert get("/v1/users/u0%2F..%2Fu1").json()["code"] == "unknown_id"
    moved = get("/v1/users/a%20b%3Fc%23d/")
    assert (
        moved.status_code == 307
        and get(httpx.URL(moved.headers["location"])).json()["user_id"] == "a b?c#d"
    )
    assert server.client.post("/v1/users/a%20b%3Fc%23d").headers["allow"] == "DELETE, GET"


def test_a_key_of_one_user_reaches_no_other_by_a_slash(trained: Path, tmp_path: Path) -> None:
    engine = engine_of(copied(trained, tmp_path))
    engine.edits.take(
        "events",
        [{"user_id": one, "item_id": "00", "type": "like"} for one in ("u0/profile", "..")],
    )
    ring = Access(KeyRing(engine.store), engine.settings.server)
    with live(create_app(engine, access=ring)) as server:
        for own, other in (("u0/profile", "u0"), ("u0", "u0/profile"), ("..", "u0")):
            secret = create_key(engine.store, user_id=own).secret
            bearer = {"Authorization": f"Bearer {secret}"}
            for path, status in (
                (f"/v1/users/{segment(own)}", 200),
                (f"/v1/users/{segment(other)}", 403),
            ):
                assert server.client.get(f"{path}/profile", headers=bearer).status_code == status
