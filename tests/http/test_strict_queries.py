"""Every path of the API refuses a query parameter that it does not know."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from limner.server import create_app
from tests.http.live import live, small_engine
from tests.http.tasteful import problem


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    engine = small_engine(tmp_path_factory.mktemp("strict"))
    with live(create_app(engine), engine.settings.server) as server:
        yield server.client


def get_paths(folder: Path) -> tuple[list[str], list[str]]:
    """GET paths of the API, and those of the page."""
    engine = small_engine(folder)
    app = create_app(engine)
    documented = {path for path, methods in app.openapi()["paths"].items() if "get" in methods}
    every = {
        one.path or "" for one in iter_route_contexts(app.routes) if "GET" in (one.methods or ())
    }
    engine.store.close()
    return sorted(every & documented), sorted(every - documented)


def test_every_get_path_refuses_what_it_does_not_know(client: httpx.Client, tmp_path: Path) -> None:
    paths, page = get_paths(tmp_path)
    assert {"/v1/events", "/v1/items", "/v1/users", "/v1/popular", "/health/ready"} <= set(paths)
    for path in paths:
        filled = path.replace("{user_id}", "ann").replace("{item_id}", "i1")
        detail = problem(client.get(filled, params={"userid": "ann"}), 422, "invalid_parameter")
        assert detail == "query.userid: Extra inputs are not permitted", path
    # A page that people share is opened with whatever others have put behind its address.
    assert "/" in page and all(not path.startswith("/v1") for path in page)
    assert client.get("/", params={"utm_source": "mail"}).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["/v1/events?userid=13", "/v1/items?q=x", "/v1/users?wheer=age", "/v1/popular?categry=Drama"],
)
def test_a_misspelt_filter_does_not_answer_with_everything(
    client: httpx.Client, address: str
) -> None:
    problem(client.get(address), 422, "invalid_parameter")


def test_a_misspelt_parameter_erases_nobody(client: httpx.Client) -> None:
    problem(client.delete("/v1/users/ann?dry_run=true"), 422, "invalid_parameter")
    assert client.get("/v1/users/ann").status_code == 200
