"""Who is erased stays erased, whatever is under way."""

import asyncio
import json
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event
from time import sleep

import httpx
import pytest
import sqlalchemy as sa

from limner.core.errors import UnknownIdError
from limner.core.schema import LedgerRow, StoredAnswer, User
from limner.engine import open_engine
from limner.ingest import Sources
from limner.recommend.feedback import Feedback, FeedbackItem
from limner.store import ResponseLog, open_store
from limner.store import tables as t
from limner.store.api_keys import create_key
from limner.testing import FakeEmbedder, ScriptedServer
from tests.e2e.running import IDS, soaking, write_tables
from tests.http.live import settings_for
from tests.http.tasteful import copied, engine_of, scripted, serving

log = logging.getLogger("soak")
ABOUT = (t.users, t.profiles, t.unembedded, t.answers, t.ledger, t.keys, t.shown, t.outcomes)


def rows_about(folder: Path, user_id: str) -> dict[str, int]:
    """Rows of a store that name a user, by table; only tables that have some."""
    store = open_store(str(folder / "store"), create=False)
    with store.reading() as connection:
        counts = {
            table.name: connection.scalar(
                sa.select(sa.func.count()).select_from(table).where(table.c.user_id == user_id)
            )
            for table in (*ABOUT, t.wordings)
        }
    store.close()
    return {name: count for name, count in counts.items() if count}


def test_nobody_comes_back_who_is_erased_while_others_ask(trained: Path, tmp_path: Path) -> None:
    folder = copied(trained, tmp_path)
    gone = IDS[:8]
    with serving(folder) as client, ThreadPoolExecutor(8) as threads:

        def ask(user_id: str) -> None:
            for _ in range(6):
                client.get(f"/v1/users/{user_id}/recommendations")
                client.post(f"/v1/users/{user_id}/profile/build", json={"force": True})
                client.post("/v1/chat", json={"question": f"What does {user_id} like?"})
                said = {"items": [{"item_id": "01", "type": "like"}]}
                client.post(f"/v1/users/{user_id}/feedback", json=said)

        asking = [threads.submit(ask, user_id) for user_id in gone]
        for user_id in gone:
            assert client.delete(f"/v1/users/{user_id}").status_code == 200
        for one in asking:
            one.result()
        like = client.get("/v1/users", params={"like": "comedy"})
    assert like.status_code == 200, like.text
    assert not [user for user in gone if f'"{user}"' in like.text], like.text
    assert not [(user, rows) for user in gone if (rows := rows_about(folder, user))]
    engine = engine_of(folder)
    index = engine.state.vectors.index()
    assert not index.owned("portraits", gone) and not index.owned("preferences", gone)
    engine.store.close()


def test_what_is_written_late_is_not_kept_and_what_it_cost_is(
    trained: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path)
    engine = engine_of(folder)
    profile = asyncio.run(engine.profile("u0"))
    engine.erase("u0")
    log = ResponseLog(engine.store)
    log.save_conversation("about both", "{}", ["u1", "u0"])
    log.save_conversation("about one", "{}", ["u1"])
    assert (log.conversation("about both"), log.conversation("about one")) == (None, "{}")
    engine.store.save_answer("key", "u0", StoredAnswer(text="u0"))
    assert engine.store.answer("key") is None
    with pytest.raises(UnknownIdError):
        engine.store.save_profile(profile)
    call = LedgerRow(
        purpose="portrait",
        model="m",
        prompt="p@1",
        user_id="u0",
        input_tokens=7,
        output_tokens=3,
        cost=0.5,
        seconds=1.0,
        outcome="ok",
        at=datetime.now(UTC),
    )
    engine.store.add_ledger(call)
    assert engine.store.ledger() == [call.model_copy(update={"user_id": None})]
    engine.store.close()
    assert rows_about(folder, "u0") == {}


def test_an_export_holds_all_that_is_stored_of_a_user_and_of_nobody_else(
    trained: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path)
    with serving(folder) as client:
        listed = client.get("/v1/users/u1/recommendations").json()
        item = listed["recommendations"][0]["item"]["item_id"]
        said = {
            "recommendation_id": listed["recommendation_id"],
            "items": [{"item_id": item, "type": "click"}],
        }
        client.post("/v1/users/u1/feedback", json=said)
        for user_id in ("u1", "u2"):
            client.post("/v1/chat", json={"question": f"What does {user_id} like?"})
        rows = [{"reason": "bad time", "row": {"user_id": user}} for user in ("u1", "u2")]
        (folder / "store" / "rejected").mkdir()
        (folder / "store" / "rejected" / "a.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows) + '{"row": {"user_id": "u1'
        )
        create_key(engine_of(folder).store, user_id="u1", name="theirs")
        held = client.get("/v1/users/u1/export").json()
    assert [row["type"] for row in held["outcomes"]] == ["click"]
    assert [key["name"] for key in held["keys"]] == ["theirs"] and "hash" not in str(held["keys"])
    [talk] = held["conversations"]
    assert talk["pairs"][0][0] == "What does u1 like?"
    assert held["reasons"] == [] and held["rejected"] == rows[:1]


def test_a_user_who_is_erased_before_their_first_portrait_is_unknown(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as server:
        engine = engine_of(copied(trained, tmp_path), **scripted(server))

        def erased_meanwhile(user_id: str, version: int | None = None) -> None:
            monkeypatch.undo()
            engine.erase(user_id)

        monkeypatch.setattr(engine.store, "profile", erased_meanwhile)
        with pytest.raises(UnknownIdError):
            asyncio.run(engine.profile("u0"))
        engine.store.close()


def test_feedback_that_comes_late_makes_nobody_anew(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(copied(trained, tmp_path))
    real = engine.store.require_user

    def asked_then_erased(user_id: str) -> User:
        user = real(user_id)
        monkeypatch.undo()
        engine.erase(user_id)
        return user

    monkeypatch.setattr(engine.store, "require_user", asked_then_erased)
    liked = Feedback(items=[FeedbackItem(item_id="01", type="like")])
    with pytest.raises(UnknownIdError):
        engine.feedback.hear("u0", liked)
    assert engine.store.user("u0") is None
    engine.store.close()


@pytest.mark.slow
def test_of_many_who_are_erased_under_traffic_none_returns(tmp_path: Path) -> None:
    """Portraits, lists, feedback, questions and searches for all of them go on while they are
    erased one after the other, and afterwards.
    """
    erasures = 60 if soaking() else 12
    people = [f"person-{at:05}" for at in range(erasures + 12)]
    gone, rest = people[:erasures], people[erasures:]
    folder = many(tmp_path, people)
    stop, statuses = Event(), Counter[int]()

    def ask(seed: int) -> None:
        random = Random(seed)
        while not stop.is_set():
            answer = one_of_many(client, random, random.choice(people))
            statuses[answer.status_code] += 1

    with serving(folder) as client, ThreadPoolExecutor(6) as threads:
        asking = [threads.submit(ask, seed) for seed in range(6)]
        erased = []
        for user in gone:
            while (done := client.delete(f"/v1/users/{user}")).status_code == 503:
                sleep(0.1)  # others change something; nothing was erased
            erased.append(done.json())
        sleep(1)
        stop.set()
        for one in asking:
            one.result()
        like = client.get("/v1/users", params={"like": "comedy", "limit": 1000}).text
        again = [client.delete(f"/v1/users/{user}").json() for user in gone]
    log.info("%d erasures among %d requests: %s", erasures, statuses.total(), dict(statuses))
    assert statuses.keys() <= {200, 404, 503} and statuses[200] > erasures
    assert not [one["residue"]["found"] for one in erased if one["residue"]["found"]]
    assert not [user for user in gone if f'"{user}"' in like]
    assert not [one for one in again if one["known"] or one["removed"] or one["residue"]["found"]]
    store = open_store(str(folder / "store"), create=False)
    assert set(store.user_ids()) == set(rest)
    store.close()


def one_of_many(client: httpx.Client, random: Random, user: str) -> httpx.Response:
    """What is asked while others are erased."""
    about = f"/v1/users/{user}"
    match random.randrange(6):
        case 0:
            return client.get(f"{about}/profile")
        case 1:
            return client.post(f"{about}/profile/build", json={"force": True})
        case 2:
            return client.get(f"{about}/recommendations")
        case 3:
            liked = {"items": [{"item_id": "01", "type": "like"}]}
            return client.post(f"{about}/feedback", json=liked)
        case 4:
            return client.post("/v1/chat", json={"question": f"What does {user} like?"})
        case _:
            return client.get("/v1/users", params={"like": "comedy"})


def many(folder: Path, people: list[str]) -> Path:
    """A folder with a trained store of many users."""
    write_tables(folder)
    rows = [
        f"{user},{(at + step * 3) % 30:02},5,{1_000_000_000 + step}"
        for at, user in enumerate(people)
        for step in range(6)
    ]
    table = "\n".join(["user_id,item_id,rating,timestamp", *rows]) + "\n"
    (folder / "events.csv").write_text(table)
    engine = open_engine(settings_for(folder), create=True, embedder=FakeEmbedder())
    engine.ingest(Sources([str(folder / "events.csv")], [str(folder / "items.csv")]))
    engine.train()
    asyncio.run(engine.build())
    engine.store.close()
    return folder
