"""The Python client against a live server."""

from pathlib import Path

import httpx
import pytest

from limner.client import AsyncLimner, LimnerClient, LimnerRefused, LimnerUnreachable
from limner.client.ask import Reply
from limner.recommend.edits import ClaimKey, ItemPatch, Statement
from limner.recommend.feedback import FeedbackItem
from tests.e2e.running import IDS


@pytest.fixture
def limner(client: httpx.Client) -> LimnerClient:
    return LimnerClient(str(client.base_url))


def test_three_lines_to_the_first_answer(client: httpx.Client) -> None:
    with LimnerClient(str(client.base_url)) as limner:
        answer = limner.recommend("u0", 3)
    assert [one.rank for one in answer.recommendations] == [1, 2, 3]
    assert answer.recommendations[0].reason is not None


def test_every_call_comes_back_as_its_value(limner: LimnerClient) -> None:
    shown = limner.recommend(
        "u0", 5, category=["Comedy"], boost=["category:Comedy*1.5"], diversity=0.2
    )
    assert {one.item.categories[0] for one in shown.recommendations} == {"Comedy"}
    item = shown.recommendations[0].item.item_id
    told = limner.feedback(
        "u0", [FeedbackItem(item_id=item, type="click")], shown.recommendation_id
    )
    assert (told.events, told.counted) == (1, 1)
    assert sum(one.clicks for one in limner.stats().rows) == 1
    assert limner.visit(["00"], 3).recommendations
    assert len(limner.rank("u0", ["00", "01"]).recommendations) == 2
    first = limner.profile("u0")
    edited = limner.edit("u0", state=[Statement(value="War")])
    assert edited.preferences[0].value == "War" and edited.version == first.version + 1
    edited = limner.edit("u0", strike=[ClaimKey(facet="genre", value="War")])
    assert "War" not in [one.value for one in edited.preferences if one.polarity == "like"]
    assert limner.build("u0", force=True).built[0].version == edited.version + 1
    assert limner.difference("u0", 1, 2).added[0].value == "War"
    assert limner.profile("u0", version=1) == first == limner.profile("u0", as_of=first.as_of)
    assert limner.context("u0", 100, query="war").tokens <= 100
    report = limner.store("events", [{"user_id": "new/one", "item_id": "00", "rating": 5}, {}])
    assert (report.kept, [one.row for one in report.rows]) == (1, [1])
    assert limner.store("users", [{"user_id": "x y", "attributes": {"age": 99}}]).kept == 1
    assert limner.user("x y").attributes == {"age": 99}
    assert [one.user_id for one in limner.audience(where="age > 98").users] == ["x y"]
    page = limner.users(limit=5)
    assert [one.user_id for one in page.rows] == IDS[:5] and limner.users(page.next or "", 5).rows[
        0
    ].user_id == IDS[5]
    assert limner.items(limit=1).rows[0] == limner.item("00")
    assert {one.user_id for one in limner.events(user_id="u1").rows} == {"u1"}
    assert limner.change("00", ItemPatch(price=3)).price == 3
    assert limner.neighbors("00", 2).item.item_id == "00"
    assert limner.popular(1).items[0].rank == 1
    assert limner.export("u1").user.user_id == "u1"
    assert limner.erase("u1").user_id == "u1"


def test_a_conversation_goes_on_and_streams(limner: LimnerClient) -> None:
    limner.profile("u0")
    reply = limner.chat("What does u0 like?")
    assert "Comedy" in reply.answer.text
    *parts, last = limner.stream("What did they rate last?", conversation_id=reply.conversation_id)
    assert isinstance(last, Reply) and "".join(map(str, parts)) == last.answer.text
    assert last.conversation_id == reply.conversation_id


async def test_the_same_awaited(client: httpx.Client) -> None:
    async with AsyncLimner(str(client.base_url)) as limner:
        assert len((await limner.recommend("u0", 3)).recommendations) == 3
        assert (await limner.profile("u0")).user_id == "u0"
        *parts, last = [one async for one in limner.stream("What does u0 like?")]
        assert isinstance(last, Reply) and "".join(map(str, parts)) == last.answer.text
        with pytest.raises(LimnerRefused):
            await limner.user("nobody")


def test_what_goes_wrong_has_a_name(limner: LimnerClient, tmp_path: Path) -> None:
    with pytest.raises(LimnerRefused) as caught:
        limner.recommend("nobody")
    assert (caught.value.status, caught.value.code) == (404, "unknown_id")
    with pytest.raises(LimnerRefused) as caught:
        list(limner.stream(" "))
    assert caught.value.code == "bad_input"
    with pytest.raises(ValueError, match="give"):
        limner.audience()
    with pytest.raises(LimnerUnreachable), LimnerClient("http://127.0.0.1:9") as other:
        other.user("u0")
