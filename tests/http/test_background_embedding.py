"""Portraits are embedded behind the answers of a server, whoever painted them."""

import time
from pathlib import Path

import pytest

from limner.core.errors import IndexAwayError
from limner.engine import Engine
from limner.server import create_app
from limner.state.portrait_vectors import PortraitVectorState
from tests.http.live import live
from tests.http.tasteful import copied, engine_of, ids, made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("embedding"))


@pytest.fixture
def engine(trained: Path, tmp_path: Path) -> Engine:
    return engine_of(copied(trained, tmp_path))


def until_embedded(engine: Engine) -> None:
    for _ in range(3000):
        if not engine.store.count_unembedded():
            return
        time.sleep(0.01)
    pytest.fail("no portrait was embedded in half a minute")


def test_a_server_embeds_what_it_or_another_process_painted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.api.background.REST", 0.01)
    engine.portraits.profile("u1")  # as a process did that was killed before it embedded anything
    with live(create_app(engine), engine.settings.server) as server:
        assert ids(server.client.get("/v1/users/u0/recommendations?n=3"))
        until_embedded(engine)
        assert {"u0", "u1"} == set(engine.state.vectors.index().everything("portraits")[0])


def test_a_server_tries_again_where_nothing_could_be_embedded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.api.background.REST", 0.01)
    monkeypatch.setattr("limner.api.background.PATIENCE", 0.01)
    embed, tried = PortraitVectorState.embed_some, []

    def away_at_first(self: PortraitVectorState) -> int:
        tried.append(1)
        if len(tried) < 3:
            raise IndexAwayError("No Chroma server answers.")
        return embed(self)

    monkeypatch.setattr(PortraitVectorState, "embed_some", away_at_first)
    engine.portraits.profile("u0")
    with live(create_app(engine), engine.settings.server):
        until_embedded(engine)
    assert len(tried) >= 3
