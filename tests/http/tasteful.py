"""A store of twelve users with a taste each, trained, behind a live server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from limner.core.settings import load_settings
from limner.engine import Engine, open_engine
from limner.ingest import Sources
from limner.server import create_app
from limner.testing import FakeEmbedder, ScriptedServer
from tests.e2e.running import write_tables
from tests.http.live import live, settings_for


def made(folder: Path) -> Path:
    """The folder, with a store that is ingested and trained."""
    write_tables(folder)
    engine = open_engine(settings_for(folder), create=True, embedder=FakeEmbedder())
    events, items, users = ([str(folder / f"{one}.csv")] for one in ("events", "items", "users"))
    engine.ingest(Sources(events, items, users))
    engine.train()
    engine.store.close()
    return folder


def copied(made: Path, folder: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made / "store", folder / "store")
    return folder


def engine_of(folder: Path, **llm: object) -> Engine:
    """llm: settings of that section; without any, no model."""
    settings = settings_for(folder)
    if llm:
        settings = load_settings({}, None, {("data",): str(folder / "store"), ("llm",): llm})
    return open_engine(settings, embedder=FakeEmbedder())


def scripted(server: ScriptedServer, **more: object) -> dict[str, object]:
    return {
        "choice": "openai",
        "base_url": server.base_url,
        "model": "m",
        "grade": "phrase",
        "retry_budget": 0.05,
        "backoff": 0.01,
        **more,
    }


@contextmanager
def serving(folder: Path, **llm: object) -> Iterator[httpx.Client]:
    """A client of a server over the store in a folder."""
    engine = engine_of(folder, **llm)
    with live(create_app(engine), engine.settings.server) as server:
        yield server.client


def ids(answer: httpx.Response) -> list[str]:
    """Item ids of recommendations, best first."""
    assert answer.status_code == 200, answer.text
    return ids_of(answer.json())


def ids_of(shown: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    """The same of a list that was read."""
    return [one["item"]["item_id"] for one in shown["recommendations"]]


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """Its detail, after a check that it is a problem document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status and document["code"] == code, document
    return str(document["detail"])
