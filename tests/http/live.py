"""The API over real sockets: a small store, and a server in a thread of this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from limner.core.schema import Item, User
from limner.core.settings import ServerSettings, SettingPath, Settings, load_settings
from limner.core.telemetry import Telemetry
from limner.engine import Engine, open_engine
from limner.server import configured, listen
from limner.testing import FakeEmbedder

USERS = ("ann", "bob")


def settings_for(folder: Path, **server: object) -> Settings:
    """Without a model; `server` overrules the settings of that section."""
    given: dict[SettingPath, object] = {("server", name): value for name, value in server.items()}
    return load_settings(
        {}, None, {("data",): str(folder / "store"), ("llm", "choice"): "none", **given}
    )


def small_engine(folder: Path, *, watch: Telemetry | None = None, **server: object) -> Engine:
    """Two users of whom nothing is known, and an item."""
    engine = open_engine(
        settings_for(folder, **server), create=True, embedder=FakeEmbedder(), watch=watch
    )
    engine.store.add_users([User(user_id=one) for one in USERS])
    engine.store.add_items([Item(item_id="i1", title="One")])
    return engine


@dataclass(frozen=True)
class Live:
    """A server that runs."""

    port: int
    client: httpx.Client


@contextmanager
def live(
    app: FastAPI, settings: ServerSettings | None = None, *, quiet: bool = True
) -> Iterator[Live]:
    """Serve an application as `limner serve` does, until the block ends."""
    with listen("127.0.0.1", 0) as held:
        server = uvicorn.Server(configured(lambda: app, settings or ServerSettings(), quiet=quiet))
        thread = threading.Thread(target=server.run, args=([held],))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            port = held.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield Live(port, client)
        finally:
            server.should_exit = True
            thread.join()
