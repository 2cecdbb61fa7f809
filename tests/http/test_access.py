"""Who may ask what: keys, scopes, end users, rates, and the open door on this machine."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from limner.api.access import PUBLIC, Access, Rate, scope_of
from limner.cli import main
from limner.core.errors import UsageError
from limner.core.settings import ServerSettings
from limner.engine import Engine
from limner.server import create_app, exposure, listen
from limner.store.api_keys import KeyRing, create_key, revoke_key
from tests.http.live import Live, live, small_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return small_engine(tmp_path)


@pytest.fixture
def guarded(engine: Engine) -> Iterator[Live]:
    """A server that asks for keys."""
    with live(
        create_app(engine, access=Access(KeyRing(engine.store), engine.settings.server))
    ) as server:
        yield server


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def code(server: Live, path: str, secret: str = "", method: str = "GET") -> tuple[int, str]:
    """Status and the problem's code of an answer."""
    answer = server.client.request(method, path, headers=bearer(secret) if secret else {})
    if answer.is_success:
        return answer.status_code, ""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


def test_without_a_key_only_health_and_the_document_answer(guarded: Live) -> None:
    for path in ("/v1/users/ann/profile", "/metrics", "/v1/nowhere", "/v1/users/nobody/profile"):
        answer = guarded.client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["code"] == "no_key"
    for path in ("/health/live", "/openapi.json"):
        assert guarded.client.get(path).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer limner_invented", "Basic YTpi", "limner_x", "Bearer \xff"]
)
def test_what_is_no_key(guarded: Live, header: str) -> None:
    answer = guarded.client.get(
        "/v1/users/ann/profile", headers={b"Authorization": header.encode("latin-1")}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "no_key")


def test_a_key_opens_until_it_is_revoked(engine: Engine, guarded: Live) -> None:
    made = create_key(engine.store)
    assert code(guarded, "/v1/users/ann/profile", made.secret) == (200, "")
    assert guarded.client.get(
        "/v1/users/ann/profile", headers={"authorization": f"bearer {made.secret}"}
    ).is_success
    revoke_key(engine.store, made.key.key_id)
    until = time.monotonic() + 30
    while (found := code(guarded, "/v1/users/ann/profile", made.secret)) == (200, ""):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert found == (401, "no_key")


def test_scopes(engine: Engine, guarded: Live) -> None:
    read, admin = create_key(engine.store), create_key(engine.store, "admin")
    assert code(guarded, "/metrics", read.secret) == (403, "scope")
    assert code(guarded, "/metrics", admin.secret) == (200, "")
    assert code(guarded, "/v1/users/ann/profile", admin.secret) == (200, "")


def test_a_users_key_sees_that_user_alone(engine: Engine, guarded: Live) -> None:
    ann = create_key(engine.store, "write", user_id="ann").secret
    assert code(guarded, "/v1/users/ann/profile", ann) == (200, "")
    for path in (
        "/v1/users/bob/profile",
        "/v1/users/nobody/profile",
        "/v1/users/ann%2F..%2Fbob/profile",
        "/v1/nowhere",
    ):
        assert code(guarded, path, ann) == (403, "other_user")


def test_every_path_has_the_scope_that_was_meant_for_it(engine: Engine) -> None:
    """A new path makes someone think about who may use it."""
    found = {
        f"{method} {one.path}": scope_of(method, one.path or "")
        for one in iter_route_contexts(create_app(engine).routes)
        for method in one.methods or ()
        if one.include_in_schema
    }
    looks = {name for name, scope in found.items() if scope == "read"}
    assert {name for name, scope in found.items() if scope is None} == {
        f"GET {p}" for p in PUBLIC if "health" in p
    }
    assert {name for name in looks if not name.startswith("GET ")} <= {
        "POST /v1/users/{user_id}/rank",
        "POST /v1/chat",
        "POST /v1/chat/completions",
        "POST /ask",
    }
    assert {name for name, scope in found.items() if scope == "admin"} >= {"GET /metrics"}
    for name, scope in found.items():
        if name.startswith("DELETE ") or "export" in name:
            assert scope == "admin", name
    engine.store.close()


def test_a_key_has_a_rate() -> None:
    now = [0.0]
    rate = Rate(2, clock=lambda: now[0])
    assert [rate.wait("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rate.wait("b") == 0
    now[0] = 0.5
    assert [rate.wait("a") for _ in range(2)] == [0, 0.5]
    now[0] = 100
    assert [bool(rate.wait("a")) for _ in range(5)] == [False] * 4 + [True]
    assert not any(Rate(0).wait("a") for _ in range(1000))


def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    engine = small_engine(tmp_path, rate=0.5)
    secret = create_key(engine.store).secret
    access = Access(KeyRing(engine.store), engine.settings.server)
    with live(create_app(engine, access=access)) as server:
        assert code(server, "/v1/users/ann/profile", secret) == (200, "")
        answer = server.client.get("/v1/users/ann/profile", headers=bearer(secret))
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 1
        assert code(server, "/v1/users/ann/profile", create_key(engine.store).secret) == (200, "")


def test_without_keys_other_sites_stay_out(engine: Engine) -> None:
    """What a page of another site can make a browser send: another host's name, or a request that
    changes something.
    """
    access = Access(None, ServerSettings(cors=["https://shop.example"]), only_loopback=True)
    with live(create_app(engine, access=access)) as server:

        def asked(method: str, **headers: str) -> str:
            answer = server.client.request(method, "/v1/users/ann/profile", headers=headers)
            return str(answer.json().get("code", "")) if answer.is_error else ""

        assert asked("GET") == ""
        assert asked("GET", host=f"localhost:{server.port}") == ""
        assert asked("GET", host=f"[::1]:{server.port}") == ""
        assert asked("GET", host="rebound.example") == "wrong_host"
        assert asked("GET", host="localhost.rebound.example") == "wrong_host"
        assert asked("GET", **{"x-forwarded-for": "203.0.113.7"}) == "wrong_host"
        assert asked("GET", forwarded="for=203.0.113.7") == "wrong_host"
        assert asked("PUT", origin="https://other.example") == "cross_origin"
        assert asked("PUT", origin="null") == "cross_origin"
        assert asked("PUT", origin=f"http://127.0.0.1:{server.port + 1}") == "cross_origin"
        assert asked("PUT", origin=f"http://127.0.0.1:{server.port}") == "wrong_method"
        assert asked("PUT", origin="https://shop.example") == "wrong_method"


def test_from_the_first_key_on_nobody_passes_without_one(engine: Engine) -> None:
    access = Access(KeyRing(engine.store), engine.settings.server, only_loopback=True)
    with live(create_app(engine, access=access)) as server:
        assert code(server, "/v1/users/ann/profile") == (200, "")
        made = create_key(engine.store)
        assert code(server, "/v1/users/ann/profile") == (401, "no_key")
        assert code(server, "/v1/users/ann/profile", made.secret) == (200, "")
        revoke_key(engine.store, made.key.key_id)
        assert code(server, "/v1/users/ann/profile") == (401, "no_key")
        own = create_key(engine.store, user_id="ann")
        engine.erase("ann")
        assert code(server, "/v1/users", own.secret) == (401, "no_key")
        assert code(server, "/v1/users") == (401, "no_key")
    assert KeyRing(engine.store).is_keyed()


def test_a_public_address_needs_keys_and_a_private_one_says_that_it_asks_for_none(
    engine: Engine,
) -> None:
    settings = engine.settings
    with ExitStack() as sockets:
        here = sockets.enter_context(listen("127.0.0.1", 0))
        everywhere = sockets.enter_context(listen("0.0.0.0", 0))
        assert "No keys are asked for" in exposure(settings, here).words
        with pytest.raises(UsageError, match="limner keys create"):
            exposure(settings, everywhere)
        made = create_key(engine.store)
        assert exposure(settings, everywhere).keys
        assert "Every request needs a key" in exposure(settings, here).words
        revoke_key(engine.store, made.key.key_id)
        assert "nobody is let in" in exposure(settings, here).words
        with pytest.raises(UsageError):
            exposure(settings, everywhere)
    engine.store.close()


def test_the_command_refuses_a_public_address_without_keys(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.store.close()
    assert (
        main(["--data", str(tmp_path / "store"), "serve", "--host", "0.0.0.0", "--port", "0"]) == 2
    )
    assert "limner keys create" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "none"), "serve", "--port", "0"]) == 2
    assert "There is no store" in capsys.readouterr().err


def test_the_log_names_the_key_and_no_user(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    made = create_key(engine.store)
    access = Access(KeyRing(engine.store), engine.settings.server)
    with live(create_app(engine, access=access), quiet=False) as server:
        headers = {**bearer(made.secret), "X-Request-ID": "r-1"}
        assert (
            server.client.get("/v1/users/ann/profile?version=7", headers=headers).status_code == 404
        )
    shown = capsys.readouterr().err
    [line] = [
        line for line in map(json.loads, shown.splitlines()) if line.get("request_id") == "r-1"
    ]
    assert line["route"] == "/v1/users/{user_id}/profile"
    assert (line["method"], line["status"], line["key_id"]) == ("GET", 404, made.key.key_id)
    assert "ann" not in shown
    assert "version" not in shown
    assert made.secret not in shown
