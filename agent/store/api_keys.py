"""Keys of the REST API: made, listed, revoked. A key is shown once; the store holds its hash
alone.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from limner.core.errors import UnknownIdError, UsageError
from limner.core.schema import ApiKey, Scope, Value
from limner.store import Store

SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
PREFIX = "limner_"
_FRESH = 1.0
"""Seconds for which a looked-up key is trusted: so long a revoked one may still be used."""
_KEPT = 1024


class NewKey(Value):
    """A new key with its secret, which is shown only once."""

    key: ApiKey
    """The key, as it can be listed."""
    secret: str
    """The secret to send as `Authorization: Bearer …`."""


def create_key(
    store: Store, scope: Scope = "read", *, name: str = "", user_id: str | None = None
) -> NewKey:
    """A new key, for everyone or for one end user. Raises UnknownIdError, or UsageError for a
    user's admin key.
    """
    if user_id is not None:
        store.require_user(user_id)
        if scope == "admin":
            raise UsageError("keys.no_users_admin")
    # 256 random bits cannot be guessed or tabulated, so one round of SHA-256 hides them as well as
    # a slow hash would.
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=f"k{secrets.token_hex(4)}",
        name=name,
        scope=scope,
        user_id=user_id,
        created=datetime.now(UTC),
    )
    store.add_api_key(key, hash_of(secret))
    return NewKey(key=key, secret=secret)


def revoke_key(store: Store, key_id: str) -> ApiKey:
    """The key, of no use from now on. Raises UnknownIdError."""
    found = next((key for key in store.api_keys() if key.key_id == key_id), None)
    if found is None:
        raise UnknownIdError("keys.unknown", key=key_id)
    revoked = found if found.revoked else found.model_copy(update={"revoked": datetime.now(UTC)})
    store.change_api_key(revoked)
    return revoked


def live_keys(store: Store) -> list[ApiKey]:
    """The keys that are not revoked."""
    return [key for key in store.api_keys() if key.revoked is None]


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyRing:
    """Looks up keys by their secret. Results are cached for a moment, so that a busy client costs
    one query a second.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._seen: dict[str, tuple[float, ApiKey]] = {}
        self.keyed = False
        """Whether it is known that requests need a key."""

    def is_keyed(self) -> bool:
        """Whether requests need a key: from the store's first key on, whatever becomes of it."""
        self.keyed = self.keyed or self._store.is_keyed()
        return self.keyed

    def remembered(self, secret: str) -> ApiKey | None:
        """The key, if it was looked up just now."""
        seen = self._seen.get(hash_of(secret))
        return seen[1] if seen is not None and self._clock() - seen[0] < _FRESH else None

    def look_up(self, secret: str) -> ApiKey | None:
        """The key of a secret, read from the store; None if it is unknown or revoked."""
        hash_ = hash_of(secret)
        key = self._store.api_key(hash_)
        if key is None or key.revoked is not None:
            self._seen.pop(hash_, None)
            return None
        if len(self._seen) >= _KEPT:
            self._seen.clear()
        self._seen[hash_] = (self._clock(), key)
        return key
