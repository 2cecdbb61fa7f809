"""Sensitive attributes of users: for the scope admin alone, at every door."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.api.access import Access
from limner.core.errors import NotAllowedError
from limner.core.schema import User
from limner.core.sensitive import SensitiveNames
from limner.core.settings import PrivacySettings
from limner.engine import Engine
from limner.server import create_app
from limner.store.api_keys import KeyRing, create_key
from tests.http.live import Live, live, small_engine
from tests.http.test_access import bearer, code

FAITHS = ("Quaker", "Sikh")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = small_engine(tmp_path)
    engine.store.add_users(
        [
            User(user_id=f"u{at}", attributes={"age": 30 + at, "Religion": FAITHS[at % 2]})
            for at in range(6)
        ]
    )
    yield engine
    engine.store.close()


@pytest.fixture
def guarded(engine: Engine) -> Iterator[Live]:
    access = Access(KeyRing(engine.store), engine.settings.server)
    with live(create_app(engine, access=access)) as server:
        yield server


def test_what_is_held_to_be_sensitive() -> None:
    names = SensitiveNames(PrivacySettings().sensitive)
    for name in ("religion", "Religious-Affiliation", "marital status", "MaritalStatus", "health"):
        assert name in names, name
    for name in ("age", "sex", "gender", "city", "occupation", "traced", "track", "price"):
        assert name not in names, name
    assert "shoe_size" in SensitiveNames(["Shoe Size"])


def test_only_admin_sees_them(engine: Engine, guarded: Live) -> None:
    secrets = {scope: create_key(engine.store, scope).secret for scope in ("write", "admin")}

    def told(path: str, scope: str) -> str:
        answer = guarded.client.get(path, headers=bearer(secrets[scope]))
        assert answer.status_code == 200, answer.text
        return answer.text

    for path in (
        "/v1/users",
        "/v1/users/u1",
        "/users/u1",
        "/?q=u",
        "/v1/users?where=age%20%3E%2030",
    ):
        assert not any(one in told(path, "write") for one in FAITHS), path
    for path in ("/v1/users", "/v1/users/u1", "/users/u1", "/?q=u"):
        assert any(one in told(path, "admin") for one in FAITHS), path
    assert "30" in told("/v1/users", "write")
    asked = "/v1/users?where=religion%20%3D%20Sikh"
    assert code(guarded, asked, secrets["write"]) == (403, "not_allowed")
    assert code(guarded, asked, secrets["admin"]) == (200, "")
    assert code(guarded, "/v1/users/u1/export", secrets["write"]) == (403, "scope")
    assert "privacy.sensitive" in told("/?q=religion%20%3D%20Sikh", "write")


def test_the_chat_does_not_count_by_them(engine: Engine, guarded: Live) -> None:
    read, admin = create_key(engine.store).secret, create_key(engine.store, "admin").secret
    question = {"question": "How many users have religion = Sikh?"}

    def answered(secret: str) -> str:
        answer = guarded.client.post("/v1/chat", json=question, headers=bearer(secret))
        assert answer.status_code == 200, answer.text
        text: str = answer.json()["answer"]["text"]
        return text

    assert "3" in answered(admin)
    assert "3" not in answered(read)


def test_nothing_is_ranked_by_them(engine: Engine) -> None:
    with pytest.raises(NotAllowedError):
        engine.discreet.users(where="Religion = Sikh")
    values = engine.state.catalogue.demographics().position
    assert not any("eligion" in one for one in values)
