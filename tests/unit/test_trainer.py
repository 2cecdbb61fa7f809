"""What is looked at before anything is trained."""

import asyncio
import logging
from pathlib import Path

import pytest

from agent.api.app import warmed
from agent.api.pool import Pool
from agent.errors import LimnerError
from agent.schema import Wishes
from tests.http.live import USERS, small_engine


@pytest.mark.parametrize("wishes", [Wishes(filter="nothing = 1"), Wishes(category=["None"]), Wishes(context=["none"])])
def test_what_cannot_be_answered_does_not_wait_for_training(tmp_path: Path, wishes: Wishes) -> None:
    engine = small_engine(tmp_path)
    with pytest.raises(LimnerError, match=r"No item has|There is no item"):
        engine.swift.recommend(USERS[0], 3, wishes, repeats=False, explain=False)
    assert engine.snapshots.trained() is None
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
