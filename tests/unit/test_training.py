"""What is looked at before anything is trained."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from limner.core.errors import LimnerError, StoreFullError
from limner.core.progress import Progress
from limner.core.schema import RecommendationRequest, Recommendations
from limner.engine import Engine
from limner.ingest import Sources
from limner.rank import Model
from limner.server import train_first
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


def test_lists_come_from_counts_while_a_first_training_goes_on_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)
    let_go, began, begun = Event(), Event(), []
    train = engine.state.ranker.train

    def slow(progress: Progress, wait: float) -> Model:
        progress.start("learning from the past", 4)
        progress.advance()
        begun.append(1)
        began.set()
        assert let_go.wait(60)
        return train(progress, wait)

    monkeypatch.setattr(engine.state.ranker, "train", slow)
    engine.trainer.patience = 0.05
    for _ in range(2):
        answer = listed(engine, RecommendationRequest())
        assert answer.untrained and len(answer.recommendations) == 1
        assert "list.untrained" in [note.code for note in answer.notes]
        assert "content" not in answer.recommendations[0].channels
    assert began.wait(60)
    status = engine.trainer.status()
    assert status.state == "training" and status.model_version is None
    assert status.now is not None and status.now.step == "learning from the past"
    with open_store(engine.settings.data).writing():
        pass  # a training keeps no other process out
    let_go.set()
    engine.trainer.patience = 60
    answer = listed(engine, RecommendationRequest())
    assert not answer.untrained and begun == [1]
    assert "list.untrained" not in [note.code for note in answer.notes]
    assert engine.trainer.status().state == "trained"
    engine.store.close()


def test_a_training_behind_a_server_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)
    begun = Event()

    def endless(progress: Progress, wait: float) -> Model:
        progress.start("learning from the past")
        while True:
            begun.set()
            sleep(0.01)
            progress.advance()

    monkeypatch.setattr(engine.state.ranker, "train", endless)
    engine.trainer.start_behind()
    assert begun.wait(60)
    engine.trainer.close()
    assert engine.trainer.status().state == "untrained"
    engine.store.close()


def test_a_training_behind_a_server_that_fails_is_said_on_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)

    def fail(progress: Progress, wait: float) -> Model:
        raise StoreFullError("store.no_space")

    monkeypatch.setattr(engine.state.ranker, "train", fail)
    engine.trainer.patience = 60
    answer = listed(engine, RecommendationRequest())
    assert answer.untrained and answer.recommendations
    assert "list.training_failed" in [note.code for note in answer.notes]
    assert engine.trainer.status().error is not None
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

    def fail(progress: Progress, wait: float) -> Model:
        raise StoreFullError("No space is left.")

    monkeypatch.setattr(engine.state.ranker, "train", fail)
    with pytest.raises(StoreFullError):
        listed(engine, RecommendationRequest())
    engine.store.close()


def test_a_server_trains_at_its_start_where_nothing_is_trained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)
    begun = Event()
    train_first(engine)
    assert not caplog.messages  # there is nothing to train on
    engine.ingest(Sources(events=[str(events_file(tmp_path))]))
    monkeypatch.setattr(engine.trainer, "start_behind", begun.set)
    monkeypatch.setattr(logging.getLogger("limner"), "propagate", True)
    train_first(engine)
    assert "not trained" in caplog.messages and begun.is_set()
    begun.clear()
    engine.train()
    train_first(engine)
    assert not begun.is_set()
    engine.store.close()
