"""The whole flow on a small store: ingest, recommend, rank, chat, REST, evaluation; no model, no
network.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from limner.chat import answer
from limner.core.errors import UnknownIdError, UsageError
from limner.core.schema import RecommendationRequest, Recommendations
from limner.core.settings import Settings, load_settings
from limner.core.signals import signals
from limner.engine import Engine, open_engine
from limner.ingest import Sources
from limner.rank import fit, order
from limner.retrieve import ease_weights, seen_matrix
from limner.server import create_app
from limner.testing import Failure, ScriptedAnswer, ScriptedServer
from tests.e2e.running import USERS, write_taste


def settings_for(folder: Path) -> Settings:
    return load_settings({}, overrides={("data",): str(folder), ("llm", "choice"): "none"})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    events = write_taste(tmp_path, lambda user: 24)
    made = open_engine(settings_for(tmp_path / "store"), create=True)
    report = made.ingest(
        Sources(events=[str(tmp_path / "events.csv")], items=[str(tmp_path / "items.csv")])
    )
    assert report.events.read == report.events.kept == events
    yield made
    made.store.close()


async def lists(engine: Engine, users: list[str], n: int) -> list[Recommendations]:
    requests = [RecommendationRequest(user_id=user, n=n) for user in users]
    return [await engine.recommend(one) for one in requests]


async def test_recommends_unseen_items_and_says_why(engine: Engine) -> None:
    results = await lists(engine, ["u0", "u1"], 5)
    for result in results:
        had = {event.item_id for event in engine.data.history(result.user_id)}
        own = {event.event_id for event in engine.data.history(result.user_id)}
        ids = [one.item.item_id for one in result.recommendations]
        assert len(ids) == 5 == len(set(ids))
        assert not had & set(ids)
        assert all(one.reason and one.reason.text for one in result.recommendations)
        assert all(set(one.reason.evidence) <= own for one in result.recommendations if one.reason)


async def test_portrait_cites_the_users_own_events(engine: Engine) -> None:
    profile = await engine.profile("u0")
    own = {event.event_id for event in engine.data.history("u0")}
    assert profile.preferences
    assert all(one.evidence and set(one.evidence) <= own for one in profile.preferences)
    assert (await engine.build(["u0"])).skipped == 1


async def test_rank_gives_back_every_item_and_flags_it(engine: Engine) -> None:
    seen = engine.data.history("u0")[0].item_id
    given = RecommendationRequest(user_id="u0", items=[seen or "", "00", "nowhere"], explain=False)
    result = await engine.recommend(given)
    flags = {one.item.item_id: one.flags for one in result.recommendations}
    assert len(flags) == len({seen, "00", "nowhere"})
    assert "seen" in flags[seen or ""]
    assert "unknown" in flags["nowhere"]


async def test_unknown_user(engine: Engine) -> None:
    with pytest.raises(UnknownIdError):
        await lists(engine, ["nobody"], 3)


async def test_chat_answers_by_the_planner(engine: Engine) -> None:
    reply = await answer(engine, "What did u3 rate last?")
    assert reply.calls[0].tool == "last_item"
    assert "u3" in reply.text
    assert (await answer(engine, "Recommend 3 films to u3")).calls[0].arguments["n"] == "3"
    await engine.profile("u0")
    assert (await answer(engine, "Who likes Comedy?")).calls[0].tool == "cohort"
    assert "Which user" in (await answer(engine, "What did they watch last?")).text


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


async def test_a_model_that_fails_is_given_up_for_the_whole_run(engine: Engine) -> None:
    with ScriptedServer(otherwise=Failure(500)) as server:
        llm = {
            "choice": "openai",
            "base_url": server.base_url,
            "model": "m",
            "grade": "phrase",
            "retry_budget": 0.05,
        }
        llm["backoff"] = 0.01
        settings = load_settings({}, overrides={("data",): str(engine.store.folder), ("llm",): llm})
        asking = open_engine(settings)
        await lists(asking, ["u0", "u1", "u2"], 3)
        tried = len(server.requests)
        results = await lists(asking, ["u3", "u4", "u5", "u6"], 3)
        assert tried > 0
        assert len(server.requests) == tried
        assert all(len(one.recommendations) == 3 for one in results)
        assert any("not asked any more" in note.text for one in results for note in one.notes)
        await asking.close()


async def test_a_model_whose_order_does_not_help_is_weighed_once_and_asked_no_more(
    engine: Engine,
) -> None:
    """One that copies the order it is shown adds nothing, and its answers go over real HTTP."""
    copied = json.dumps({"order": list(range(1, 21))})
    with ScriptedServer(otherwise=ScriptedAnswer(copied)) as server:
        llm = {"choice": "openai", "base_url": server.base_url, "model": "m", "grade": "full"}
        settings = load_settings({}, overrides={("data",): str(engine.store.folder), ("llm",): llm})
        asking = open_engine(settings)
        report = await asking.weigh(asking.train(), 25)
        past = asking.pipeline.model().past
        assert past and report.rerank is not None and report.rerank.model == "m"
        assert report.rerank.buckets[0].cases == min(len(past), 25) and report.rerank.of("all") == 0
        asked = _orders(asking)
        assert 2 <= asked <= len(server.requests)
        [result] = await lists(asking, ["u0"], 3)
        assert _orders(asking) == asked
        assert any("not asked for the order" in note.text for note in result.notes)
        assert {one.rerank for one in result.recommendations} == {"skipped"}
        await asking.close()


@pytest.mark.parametrize("installed", [True, False])
async def test_training_opens_no_model_of_its_own_accord(
    engine: Engine, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that would have to be fetched first, nor is it an error that there is none."""
    monkeypatch.setattr("limner.llm.choose.runtime_installed", lambda: installed)
    asking = open_engine(load_settings({}, overrides={("data",): str(engine.store.folder)}))
    report = await asking.weigh(asking.train())
    assert report.rerank is None and asking.models.chosen is None
    await asking.close()


def _orders(engine: Engine) -> int:
    """How often a model was asked for an order."""
    return sum(row.purpose == "rerank" for row in engine.store.ledger())


async def test_a_weight_that_was_set_has_the_model_reorder(engine: Engine) -> None:
    backwards = json.dumps({"order": list(range(20, 0, -1))})
    with ScriptedServer(otherwise=ScriptedAnswer(backwards)) as server:
        llm = {"choice": "openai", "base_url": server.base_url, "model": "m", "grade": "full"}
        overrides = {("data",): str(engine.store.folder), ("llm",): llm, ("rerank", "weight"): 1.0}
        asking = open_engine(load_settings({}, overrides=overrides))
        [result] = await lists(asking, ["u0"], 5)
        assert {one.rerank for one in result.recommendations} == {"applied"}
        await asking.close()


def test_the_evaluated_systems_are_what_their_names_say(engine: Engine) -> None:
    """`ease` is plain EASE, and `limner` fuses as recommending does: what a user has had takes no
    rank.
    """
    from limner.evals.data import Shelf
    from limner.evals.scoring import histories
    from limner.evals.systems import SYSTEMS, Training

    x, scales = engine.store.interactions(), engine.store.scales()
    seen = seen_matrix(x)
    plain = seen[:2].toarray() @ ease_weights(seen)
    signal = signals(x, engine.settings.signals, scales)
    training = Training(x, signal, Shelf(engine.store.items(x.item_ids)), how="time")
    asked = training.asked(np.arange(2))
    ease, limner = SYSTEMS["ease"].make(), SYSTEMS["limner"].make()
    ease.fit(training)
    assert np.allclose(ease.score(asked), plain, atol=1e-4)

    model = fit(x, signal, training.catalogue)
    own = histories(x, signal, np.arange(1))[0]
    had = frozenset(x.item_ids[at] for at in own.items)
    expected = order(model, own, exclude=had, n=5)[:5]
    limner.fit(training)
    scores = limner.score(asked.one(0))[0]
    best = [x.item_ids[at] for at in np.argsort(-scores, kind="stable")][: len(expected)]
    assert best == [one.candidate.item_id for one in expected]


def test_evaluation(engine: Engine) -> None:
    from limner.evals.run import RunPlan, run

    folder = str(engine.store.folder)
    report = run(
        folder,
        RunPlan("leave-last-out", ["popular", "ease", "limner"], ["ndcg@10", "hit@10"], trials=0),
    )
    document = json.loads(report.model_dump_json())
    assert [one["name"] for one in document["systems"]] == ["popular", "ease", "limner"]
    assert all(one["metrics"]["ndcg@10"]["n"] == USERS for one in document["systems"])
    with pytest.raises(UsageError):
        run(folder, RunPlan("leave-last-out", ["nothing"], ["ndcg@10"]))
