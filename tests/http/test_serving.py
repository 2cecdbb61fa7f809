"""How requests end: limits, slow and vanishing clients, faults, streams; and what goes with every
answer.
"""

import asyncio
import gzip
import json
import re
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse

from limner.api.pool import Pool
from limner.core.errors import StoreError, UnknownIdError
from limner.core.settings import ServerSettings
from limner.engine import Engine
from limner.server import create_app, one_thread_a_product
from tests.http.live import Live, live, small_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return small_engine(tmp_path, body_bytes=10_000)


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    app = create_app(engine)

    @app.post("/v1/test/echo")
    async def echo(text: Annotated[str, Body(embed=True)]) -> str:
        return text

    @app.get("/v1/test/broken/{user_id}")
    async def broken(user_id: str) -> None:
        raise KeyError(f"user {user_id} is secret")

    return app


@pytest.fixture
def server(app: FastAPI) -> Iterator[Live]:
    with live(app, ServerSettings(client_seconds=0.3)) as server:
        yield server


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


# ---------------------------------------------------------------- with every answer


def test_request_ids_come_back(server: Live) -> None:
    def of(given: str) -> str:
        return server.client.get("/health/live", headers={"X-Request-ID": given}).headers[
            "x-request-id"
        ]

    assert of("abc-1.2_3") == "abc-1.2_3"
    for bad in ("", "a" * 65, "a b", "a\tb", "<x>", "a;b"):
        assert re.fullmatch(r"[0-9a-f]{16}", of(bad)), bad
    assert of("") != of("")
    assert (
        server.client.get("/v1/nowhere", headers={"X-Request-ID": "x"}).headers["x-request-id"]
        == "x"
    )


def test_security_headers(server: Live) -> None:
    for path in ("/health/live", "/v1/nowhere", "/v1/test/broken/ann"):
        headers = server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
        assert "strict-transport-security" not in headers


def test_cors_is_off_unless_an_origin_is_named(tmp_path: Path, server: Live) -> None:
    asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    assert problem(server.client.options("/v1/users/ann/profile", headers=asks)) == (
        405,
        "wrong_method",
    )
    engine = small_engine(tmp_path / "other", cors=["https://shop.example"])
    with live(create_app(engine)) as open_to:
        answer = open_to.client.options("/v1/users/ann/profile", headers=asks)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        asks["Origin"] = "https://other.example"
        assert (
            "access-control-allow-origin"
            not in open_to.client.options("/health/live", headers=asks).headers
        )
        for path in ("/health/live", "/v1/nowhere"):
            answer = open_to.client.get(path, headers={"Origin": "https://shop.example"})
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_long_answers_are_compressed_where_the_client_takes_it(app: FastAPI) -> None:
    @app.get("/v1/test/long")
    async def long() -> str:
        return "limner " * 1000

    with live(app) as server:
        raw = server.client.stream("GET", "/v1/test/long", headers={"Accept-Encoding": "gzip"})
        with raw as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(packed)) == "limner " * 1000
        plain = server.client.get("/v1/test/long", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers


def test_the_documents_page_needs_nothing_from_outside(server: Live) -> None:
    page = server.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 3
    for path in named:
        file = server.client.get(path)
        assert file.status_code == 200
        assert file.headers["content-type"].startswith(
            "text/css" if path.endswith(".css") else "text/javascript"
        )
    assert server.client.get("/openapi.json").json()["openapi"].startswith("3.")
    assert problem(server.client.get("/docs/other.js")) == (404, "unknown_path")


# ---------------------------------------------------------------- what is refused


def test_bodies_that_are_no_json_or_too_large(server: Live) -> None:
    def post(content: bytes | Iterator[bytes]) -> httpx.Response:
        return server.client.post(
            "/v1/test/echo", content=content, headers={"Content-Type": "application/json"}
        )

    assert post(b'{"text": "x"}').json() == "x"
    assert problem(post(b'{"text": ')) == (400, "invalid_json")
    assert problem(post(b'{"text": ' + b"[" * 9000))[0] == 400
    assert problem(post(b"\xff\xfe"))[0] == 400
    assert problem(post(b'{"text": "' + b"x" * 10_000 + b'"}')) == (413, "body_too_large")
    assert problem(post(iter([b'{"text": "', *[b"x" * 1000] * 20, b'"}']))) == (
        413,
        "body_too_large",
    )
    assert server.client.get("/health/live").status_code == 200


def test_unknown_paths_and_wrong_methods(server: Live) -> None:
    assert problem(server.client.get("/v1/nowhere")) == (404, "unknown_path")
    answer = server.client.delete("/v1/test/echo")
    assert problem(answer) == (405, "wrong_method")
    assert answer.headers["allow"] == "POST"


def test_a_fault_of_ours_is_a_500_that_names_the_request_and_tells_nothing(
    app: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    with live(app) as server:
        answer = server.client.get("/v1/test/broken/ann", headers={"X-Request-ID": "r-1"})
    assert problem(answer) == (500, "internal")
    assert "r-1" in answer.json()["detail"]
    assert "secret" not in answer.text
    logged = capsys.readouterr().err
    [line] = [line for line in map(json.loads, logged.splitlines()) if line["event"] == "failed"]
    assert (line["error"], line["request_id"]) == ("KeyError", "r-1")
    assert "broken" in line["at"][-1]
    assert "ann" not in logged
    assert "secret" not in logged


def test_what_takes_too_long_is_called_off(tmp_path: Path) -> None:
    engine = small_engine(tmp_path, timeout=0.2)
    app, ended = create_app(engine), threading.Event()

    @app.get("/v1/test/long")
    async def long() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    with live(app) as server:
        assert problem(server.client.get("/v1/test/long")) == (504, "timeout")
        assert ended.wait(30)


def test_a_server_that_is_full_says_so_and_stays_alive(tmp_path: Path) -> None:
    engine = small_engine(tmp_path, waiting=1)
    app, begun, go = create_app(engine), threading.Event(), threading.Event()

    @app.get("/v1/test/long")
    async def long() -> str:
        begun.set()
        await asyncio.to_thread(go.wait, 30)
        return "done"

    with live(app) as server:
        first = threading.Thread(
            target=lambda: httpx.get(f"http://127.0.0.1:{server.port}/v1/test/long", timeout=60)
        )
        first.start()
        assert begun.wait(30)
        answer = server.client.get("/v1/users/ann/profile")
        assert problem(answer) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        assert server.client.get("/health/live").status_code == 200
        go.set()
        first.join()
        assert server.client.get("/v1/users/ann/profile").status_code == 200


def test_slow_engine_calls_leave_the_server_alive(
    engine: Engine, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are threads, and each blocks the loop that it runs on."""
    begun, go = threading.Semaphore(0), threading.Event()

    async def slow(user_id: str, version: int | None = None) -> None:
        begun.release()
        go.wait(60)
        raise UnknownIdError(f"There is no user '{user_id}'.")

    monkeypatch.setattr(engine, "profile", slow)
    with live(app) as server:
        url = f"http://127.0.0.1:{server.port}/v1/users/ann/profile"
        found: list[int] = []
        asking = [
            threading.Thread(target=lambda: found.append(httpx.get(url, timeout=60).status_code))
            for _ in range(2 * engine.settings.server.threads)
        ]
        for one in asking:
            one.start()
        for _ in range(engine.settings.server.threads):
            assert begun.acquire(timeout=30)
        assert server.client.get("/health/live").status_code == 200
        assert found == []
        go.set()
        for one in asking:
            one.join()
        assert found == [404] * len(asking)


# ---------------------------------------------------------------- slow clients


def connection(server: Live) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def test_a_head_that_does_not_come_is_not_waited_for(server: Live) -> None:
    for sent in (b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n"):
        with connection(server) as held:
            held.sendall(sent)
            assert ended(held)
    with connection(server) as held:  # also where a first request was answered
        held.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.recv(100_000).startswith(b"HTTP/1.1 200")
        held.sendall(b"GET /health/live HT")
        assert ended(held)


def test_a_body_that_does_not_come_is_not_waited_for(app: FastAPI, engine: Engine) -> None:
    impatient = small_engine(Path(engine.store.folder).parent / "impatient", client_seconds=0.3)
    app = create_app(impatient)

    @app.post("/v1/test/echo")
    async def echo(text: Annotated[str, Body(embed=True)]) -> str:
        return text

    with live(app, ServerSettings()) as server, connection(server) as held:
        head = (
            "POST /v1/test/echo HTTP/1.1\r\nHost: x\r\nContent-Type: "
            "application/json\r\nContent-Length: 99\r\n\r\n"
        )
        held.sendall(head.encode() + b'{"te')
        answer = everything(held)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"slow_body" in answer
        assert b"connection: close" in answer.lower()


def test_an_answer_that_is_not_taken_in_is_not_kept(app: FastAPI) -> None:
    stopped, pool = threading.Event(), Pool(1)

    async def flood() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x" * 100_000
        finally:
            stopped.set()

    @app.get("/v1/test/flood")
    async def endless() -> StreamingResponse:
        return StreamingResponse(pool.stream(flood), media_type="text/event-stream")

    with live(app, ServerSettings(client_seconds=0.3)) as server, connection(server) as held:
        held.sendall(b"GET /v1/test/flood HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.recv(1000)
        assert stopped.wait(30)


def ended(held: socket.socket) -> bool:
    """Whether the other end hangs up."""
    try:
        return everything(held) == b""
    except ConnectionResetError:
        return True


def everything(held: socket.socket) -> bytes:
    found = b""
    while part := held.recv(100_000):
        found += part
    return found


# ---------------------------------------------------------------- clients that go away


def test_work_ends_when_its_client_goes_away(app: FastAPI) -> None:
    begun, stopped = threading.Event(), threading.Event()
    pool = Pool(1)

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    @app.get("/v1/test/work")
    @app.post("/v1/test/work")
    async def working() -> None:
        await pool.run(work)

    with live(app) as server:
        for method in ("GET", "POST"):
            begun.clear()
            stopped.clear()
            with connection(server) as held:
                body = "Content-Length: 2\r\n\r\n{}" if method == "POST" else "\r\n"
                held.sendall(f"{method} /v1/test/work HTTP/1.1\r\nHost: x\r\n{body}".encode())
                assert begun.wait(30)
            assert stopped.wait(30)
        assert server.client.get("/health/live").status_code == 200


def test_streams_come_piece_by_piece_and_end_when_the_client_goes_away(app: FastAPI) -> None:
    next_, stopped = threading.Event(), threading.Event()
    pool = Pool(1)

    async def words() -> AsyncGenerator[str, None]:
        try:
            number = 0
            while True:
                yield f"data: {number}\n\n"
                number += 1
                next_.wait(30)
                next_.clear()
        finally:
            stopped.set()

    @app.get("/v1/test/words")
    async def streamed() -> StreamingResponse:
        return StreamingResponse(pool.stream(words), media_type="text/event-stream")

    with live(app) as server:
        with server.client.stream(
            "GET", "/v1/test/words", headers={"Accept-Encoding": "gzip"}
        ) as answer:
            assert "content-encoding" not in answer.headers
            lines = answer.iter_lines()
            for number in range(3):  # the next is only made once this one has come
                assert next(line for line in lines if line) == f"data: {number}"
                next_.set()
        for _ in range(300):  # each time, what is made next may be the first that notices
            next_.set()
            if stopped.wait(0.1):
                break
        assert stopped.is_set()


def test_a_stream_may_take_longer_than_an_answer_may_take_to_begin(tmp_path: Path) -> None:
    app = create_app(small_engine(tmp_path, timeout=0.2))

    async def words() -> AsyncIterator[bytes]:
        for number in range(5):
            yield f"{number}".encode()
            await asyncio.sleep(0.1)

    @app.get("/v1/test/words")
    async def streamed() -> StreamingResponse:
        return StreamingResponse(words(), media_type="text/event-stream")

    with live(app) as server:
        assert server.client.get("/v1/test/words").text == "01234"


# ---------------------------------------------------------------- health and counts


def test_readiness_names_what_is_wrong(engine: Engine, server: Live) -> None:
    ready = server.client.get("/health/ready")
    assert ready.status_code == 200 and ready.json()["model"] == "untrained"
    models = engine.state.ranker.models_folder
    models.mkdir()
    (models / "current").write_text("v1")
    answer = server.client.get("/health/ready")
    assert problem(answer) == (503, "not_ready")
    assert "limner train" in answer.json()["detail"]


def test_counts_of_requests(server: Live) -> None:
    server.client.get("/v1/users/ann/profile")
    server.client.get("/v1/users/nobody/profile")
    server.client.get("/v1/nowhere/at/all")
    shown = server.client.get("/metrics")
    assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
    route = 'method="GET",route="/v1/users/{user_id}/profile"'
    assert f'limner_requests_total{{{route},status="200"}} 1.0' in shown.text
    assert f'limner_requests_total{{{route},status="404"}} 1.0' in shown.text
    assert f"limner_request_seconds_count{{{route}}} 2.0" in shown.text
    assert 'route="unknown",status="404"' in shown.text
    assert "nowhere" not in shown.text
    assert "nobody" not in shown.text


def test_a_server_shares_no_matrix_product_out_among_cores() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(2, "blas"):  # which puts back what was before
        one_thread_a_product()
        threads = [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
    assert threads and set(threads) == {1}


def test_a_server_answers_where_what_it_would_read_first_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = small_engine(tmp_path)

    def warm() -> None:
        raise StoreError("The trained model is damaged.")

    monkeypatch.setattr(engine.recommendations, "warm", warm)
    with live(create_app(engine)) as server:
        assert server.client.get("/health/live").status_code == 200
    assert '"not warmed"' in capsys.readouterr().err


def test_a_server_that_reads_for_long_takes_requests_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = small_engine(tmp_path)
    done = threading.Event()
    monkeypatch.setattr(engine.recommendations, "warm", done.wait)
    monkeypatch.setattr("limner.server._WARM", 0.05)
    with live(create_app(engine)) as server:
        assert server.client.get("/health/live").status_code == 200
        assert server.client.get("/v1/users/ann").status_code == 200
        done.set()
