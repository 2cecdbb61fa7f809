"""Keys: shown once, kept as a hash, refused when revoked, erased with their user."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limner.cli import main
from limner.core.errors import UnknownIdError, UsageError
from limner.core.schema import User
from limner.store import Store, open_store
from limner.store.api_keys import KeyRing, create_key, hash_of, live_keys, revoke_key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(str(tmp_path / "store"))
    store.add_users([User(user_id="ann"), User(user_id="bob")])
    yield store
    store.close()


def test_only_the_hash_is_stored(store: Store) -> None:
    made = create_key(store, "write", name="shop")
    assert len(made.secret) > 43  # 256 bits in base 64
    assert store.api_keys() == [made.key]
    assert store.api_key(hash_of(made.secret)) == made.key
    database = store.folder / "limner.db"
    held = "\n".join(sqlite3.connect(database).iterdump())
    assert hash_of(made.secret) in held
    assert made.secret not in held
    assert create_key(store).secret != made.secret


def test_a_revoked_key_is_none(store: Store) -> None:
    now = [0.0]
    ring = KeyRing(store, clock=lambda: now[0])
    made = create_key(store)
    assert ring.remembered(made.secret) is None
    assert ring.look_up(made.secret) == made.key == ring.remembered(made.secret)
    assert ring.look_up("limner_invented") is None
    assert revoke_key(store, made.key.key_id).revoked is not None
    assert live_keys(store) == []
    now[0] = 1.0
    assert ring.remembered(made.secret) is None
    assert ring.look_up(made.secret) is None
    with pytest.raises(UnknownIdError, match="keys list"):
        revoke_key(store, "k0")


def test_a_users_key(store: Store) -> None:
    made = create_key(store, user_id="ann")
    assert made.key.user_id == "ann"
    with pytest.raises(UnknownIdError):
        create_key(store, user_id="carl")
    with pytest.raises(UsageError, match="admin"):
        create_key(store, "admin", user_id="ann")
    store.erase_user("bob")
    assert live_keys(store) == [made.key]
    store.erase_user("ann")
    assert store.api_keys() == []


def test_the_commands(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    before = ["--data", str(store.folder)]

    def run(*args: str) -> dict[str, Any]:
        assert main([*before, "keys", *args, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    made = run("create", "--scope", "write", "--user", "ann", "--name", "the [red]app")
    assert main([*before, "keys", "list"]) == 0
    shown = capsys.readouterr().out
    assert "ann" in shown
    assert "[red]" in shown
    assert str(made["secret"]) not in shown
    [listed] = run("list")["keys"]
    assert listed == made["key"]
    assert run("revoke", listed["key_id"])["revoked"]
    assert main([*before, "keys", "create", "--scope", "all"]) == 2
    assert "read, write or admin" in capsys.readouterr().err
