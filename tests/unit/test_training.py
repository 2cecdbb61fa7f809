"""What is looked at before anything is trained."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from limner.api.pool import Pool
from limner.core.errors import LimnerError, NotTrainedError, StoreFullError
from limner.core.schema import RecommendationRequest, Recommendations
from limner.engine import Engine
from limner.ingest import Sources
from limner.rank import Model
from limner.server import warmed
from limner.store import open_store
from tests.http.live import USERS, small_engine


def listed(engine: Engine, request: RecommendationRequest) -> Recommendations:
    """As a server answers the first user."""
    fields = {"user_id": USERS[0], "n": 3, "explain": False, "wording": "cached"}
    return asyncio.run(engine.recommend(request.model_copy(update=fields), keep=True))


@pytest.mark.parametrize(
    "wishes",
    [
        RecommendationRequest(filter="nothing = 1"),
        RecommendationRequest(category=["None"]),
        RecommendationRequest(context=["none"]),
    ],
)
def test_what_cannot_be_answered_does_not_wait_for_training(
    tmp_path: Path, wishes: RecommendationRequest
) -> None:
    engine = small_engine(tmp_path)
    with pytest.raises(LimnerError, match=r"No item has|There is no item"):
        listed(engine, wishes)
    assert engine.state.ranker.trained() is None
    engine.store.close()


def test_a_first_training_that_takes_long_goes_on_behind_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)
    let_go, begun = Event(), []
    train = engine.state.ranker.train

    def slow() -> Model:
        begun.append(1)
        assert let_go.wait(60)
        return train()

    monkeypatch.setattr(engine.state.ranker, "train", slow)
    engine.recommendations.patience = 0.05
    ask = partial(listed, engine, RecommendationRequest())
    for _ in range(2):
        with pytest.raises(NotTrainedError, match="ask again"):
            ask()
    assert (
        engine.recommendations.popular(3, RecommendationRequest()) == []
    )  # nobody had anything; it does not wait
    let_go.set()
    engine.recommendations.patience = 60
    assert len(ask().recommendations) == 1 and begun == [1]
    engine.store.close()


def test_a_command_waits_for_a_server_that_writes_for_a_moment(tmp_path: Path) -> None:
    engine = small_engine(tmp_path)
    other = open_store(engine.settings.data)
    held, letting = ThreadPoolExecutor(1), Event()

    def hold() -> None:
        with other.writing():
            letting.set()
            sleep(0.3)

    for command in (
        engine.train,
        engine.trainer.reindex,
        partial(engine.ingest, Sources(events=[str(events_file(tmp_path))])),
    ):
        letting.clear()
        busy = held.submit(hold)
        assert letting.wait(60)
        command()
        busy.result()
    engine.store.close()


def events_file(folder: Path) -> Path:
    (folder / "more.csv").write_text("user_id,item_id\nsomeone,something\n", encoding="utf-8")
    return folder / "more.csv"


def test_a_first_training_that_fails_is_told_to_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)

    def fail() -> Model:
        raise StoreFullError("No space is left.")

    monkeypatch.setattr(engine.state.ranker, "train", fail)
    with pytest.raises(StoreFullError):
        listed(engine, RecommendationRequest())
    engine.store.close()


def test_a_server_says_at_its_start_that_nothing_is_trained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)
    pool = Pool(1)

    async def begin() -> None:
        await warmed(engine, pool)
        await pool.close()

    monkeypatch.setattr(logging.getLogger("limner"), "propagate", True)
    asyncio.run(begin())
    assert "not trained" in caplog.messages
    engine.store.close()
