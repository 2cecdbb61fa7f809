"""No request blocks the server: while one waits for the store, others are answered."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, current_thread

import httpx
import pytest
import sqlalchemy as sa

from limner.store import Store

ROWS = {"rows": [{"user_id": "u1", "item_id": "00"}]}
USER = "/v1/users/u1"
REQUESTS: list[tuple[str, str, object]] = [
    ("POST", "/v1/users", ROWS),
    ("POST", "/v1/items", ROWS),
    ("POST", "/v1/events", ROWS),
    ("GET", "/v1/users", None),
    ("GET", "/v1/items", None),
    ("GET", "/v1/events", None),
    ("GET", "/v1/users?for_item=00", None),
    ("GET", "/v1/users?like=war", None),
    ("GET", "/v1/users?where=source=x", None),
    ("GET", USER, None),
    ("DELETE", USER, None),
    ("GET", f"{USER}/export", None),
    ("GET", f"{USER}/profile", None),
    ("PATCH", f"{USER}/profile", {"state": [{"value": "War"}]}),
    ("POST", f"{USER}/profile/build", None),
    ("GET", f"{USER}/profile/versions", None),
    ("GET", f"{USER}/profile/diff?from=1", None),
    ("GET", f"{USER}/context?query=war", None),
    ("GET", f"{USER}/recommendations", None),
    ("GET", f"{USER}/recommendations?explain=wait", None),
    ("GET", "/v1/recommendations", None),
    ("GET", "/v1/recommendations/stats", None),
    ("POST", f"{USER}/rank", {"items": ["00"]}),
    ("POST", f"{USER}/feedback", {"items": [{"item_id": "00", "type": "click"}]}),
    ("GET", "/v1/items/00", None),
    ("PATCH", "/v1/items/00", {"price": 3}),
    ("GET", "/v1/items/00/neighbors", None),
    ("GET", "/v1/popular", None),
    ("POST", "/v1/chat", {"question": "What does u1 like?"}),
    (
        "POST",
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "What does u1 like?"}]},
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body"), REQUESTS, ids=[f"{one[0]} {one[1]}" for one in REQUESTS]
)
def test_others_are_answered_meanwhile(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: object
) -> None:
    waiting, go_on = Event(), Event()
    looked: list[str] = []
    real = Store.reading

    @contextmanager
    def slow(self: Store) -> Iterator[sa.Connection]:
        looked.append(current_thread().name)
        waiting.set()
        assert go_on.wait(60)
        with real(self) as connection:
            yield connection

    monkeypatch.setattr(Store, "reading", slow)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(client.request, method, path, json=body)
        assert waiting.wait(60)
        with httpx.Client(base_url=client.base_url, timeout=30) as meanwhile:
            assert meanwhile.get("/health/live").status_code == 200
        go_on.set()
        assert asked.result().status_code in (200, 404, 422)
    assert all(name.startswith("limner") for name in looked)  # the pool's
