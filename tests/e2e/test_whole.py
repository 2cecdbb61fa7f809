"""The whole flow on a small store: ingest, recommend, rank, chat, REST, evaluation; no model, no network."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from agent.api import create_app
from agent.bootstrap import open_engine
from agent.chat import answer
from agent.config import Settings, load_settings
from agent.engine import Engine
from agent.errors import UnknownIdError, UsageError
from agent.ingest import Sources

USERS, ITEMS = 12, 30


def settings_for(folder: Path) -> Settings:
    return load_settings({}, overrides={("data",): str(folder), ("llm", "choice"): "none"})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    genres = ("Comedy", "Horror", "War")
    items = ["item_id,title,genres"] + [f"{i},Film {i} (19{70 + i}),{genres[i % 3]}" for i in range(ITEMS)]
    events = ["user_id,item_id,rating,timestamp"]
    for user in range(USERS):
        liked = user % 3
        events += [
            f"u{user},{i},{5 if i % 3 == liked else 2},{1_000_000_000 + 86_400 * (user + i)}"
            for i in range(ITEMS)
            if (i % 3 == liked and i < 24) or i % 10 == user % 10
        ]
    (tmp_path / "items.csv").write_text("\n".join(items))
    (tmp_path / "events.csv").write_text("\n".join(events))
    made = open_engine(settings_for(tmp_path / "store"), create=True)
    report = made.ingest(Sources(events=[str(tmp_path / "events.csv")], items=[str(tmp_path / "items.csv")]))
    assert report.events.read == report.events.kept == len(events) - 1
    yield made
    made.store.close()


async def test_recommends_unseen_items_and_says_why(engine: Engine) -> None:
    results = await engine.recommend(["u0", "u1"], 5)
    for result in results:
        had = {event.item_id for event in engine.history(result.user_id)}
        own = {event.event_id for event in engine.history(result.user_id)}
        ids = [one.item.item_id for one in result.recommendations]
        assert len(ids) == 5 == len(set(ids))
        assert not had & set(ids)
        assert all(one.reason and one.reason.text for one in result.recommendations)
        assert all(set(one.reason.evidence) <= own for one in result.recommendations if one.reason)


async def test_portrait_cites_the_users_own_events(engine: Engine) -> None:
    profile = await engine.profile("u0")
    own = {event.event_id for event in engine.history("u0")}
    assert profile.preferences
    assert all(one.evidence and set(one.evidence) <= own for one in profile.preferences)
    assert (await engine.build(["u0"])).skipped == 1


async def test_rank_gives_back_every_item_and_flags_it(engine: Engine) -> None:
    seen = engine.history("u0")[0].item_id
    result = await engine.rank("u0", [seen or "", "0", "nowhere"])
    flags = {one.item.item_id: one.flags for one in result.recommendations}
    assert len(flags) == len({seen, "0", "nowhere"})
    assert "seen" in flags[seen or ""]
    assert "unknown" in flags["nowhere"]


async def test_unknown_user(engine: Engine) -> None:
    with pytest.raises(UnknownIdError):
        await engine.recommend(["nobody"], 3)


async def test_chat_answers_by_the_planner(engine: Engine) -> None:
    reply = await answer(engine, "What did u3 rate last?")
    assert reply.calls[0].tool == "history"
    assert "u3" in reply.text
    assert (await answer(engine, "Recommend 3 films to u3")).calls[0].arguments["n"] == "3"
    await engine.profile("u0")
    assert (await answer(engine, "Who likes Comedy?")).calls[0].tool == "find_users"
    assert "Which user" in (await answer(engine, "Hello")).text


def test_rest(engine: Engine) -> None:
    with TestClient(create_app(engine)) as client:
        assert client.get("/health/live").json()["status"] == "ok"
        assert client.get("/v1/users/u1/profile").json()["user_id"] == "u1"
        found = client.get("/v1/users/u1/recommendations", params={"n": 3}).json()
        assert len(found["recommendations"]) == 3
        problem = client.get("/v1/users/nobody/profile")
        assert problem.status_code == 404
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.json()["code"] == "unknown_id"
        assert client.get("/v1/users/u1/recommendations", params={"n": 0}).status_code == 422


def test_evaluation(engine: Engine) -> None:
    from evals.run import run

    report = run(str(engine.store.folder), "leave-last-out", ["popular", "ease", "limner"], ["ndcg@10", "hit@10"])
    document = json.loads(report.model_dump_json())
    assert [one["name"] for one in document["systems"]] == ["popular", "ease", "limner"]
    assert all(one["metrics"]["ndcg@10"]["n"] == USERS for one in document["systems"])
    with pytest.raises(UsageError):
        run(str(engine.store.folder), "leave-last-out", ["nothing"], ["ndcg@10"])
