"""Access control: keys, scopes, end users and rates. It is off only where the server is bound to
loopback and its store never had a key.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request, cookie_parser

from limner.core.messages import Message, message
from limner.core.schema import Scope
from limner.core.settings import ServerSettings
from limner.engine import Engine
from limner.store.api_keys import SCOPES, KeyRing

# What anyone may see: that the server lives, how it is used, and where to sign in.
PUBLIC = frozenset(
    {
        "/health/live",
        "/health/ready",
        "/docs",
        "/docs/{name}",
        "/openapi.json",
        "/sign-in",
        "/sign-out",
        "/static/{name}",
    }
)
KEY_COOKIE = "limner_key"
"""Name of the cookie with the key of someone who signed in on the page."""
# Of the catalogue and of no user: a key of one end user may ask for it too. The page leads them
# from / to their own.
CATALOGUE = frozenset(
    {
        "/",
        "/v1/items",
        "/v1/items/{item_id}",
        "/v1/items/{item_id}/neighbors",
        "/v1/popular",
        "/v1/recommendations",
        "/v1/models",
        "/v1/training",
        "/training",
    }
)
# What keeps to the end user of a key by itself, whatever is asked.
OWN_CHAT = frozenset(
    {
        ("POST", "/v1/chat"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/ask"),
        ("HEAD", "/ask"),
        ("POST", "/ask"),
    }
)
# A GET reads and everything else writes, except:
SCOPE_OF: Mapping[tuple[str, str], Scope] = {
    ("POST", "/v1/users/{user_id}/rank"): "read",
    ("POST", "/v1/chat"): "read",
    ("POST", "/v1/chat/completions"): "read",
    ("POST", "/ask"): "read",
    ("DELETE", "/v1/users/{user_id}"): "admin",
    ("GET", "/v1/users/{user_id}/export"): "admin",
    ("DELETE", "/v1/events/{event_id}"): "admin",
    ("POST", "/users/{user_id}/history"): "admin",
    ("GET", "/metrics"): "admin",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""Headers of a proxy, which may speak for anybody on any machine."""
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})


class Refused(Exception):
    """A request that is not let in."""

    def __init__(
        self, status: int, code: str, why: Message, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(why)
        self.status, self.code, self.message, self.headers = (
            status,
            code,
            why,
            dict(headers or {}),
        )


@dataclass(frozen=True)
class Caller:
    """Who sent a request, by its key."""

    key_id: str | None = None
    """None where no key is required."""
    scope: Scope = "admin"
    user_id: str | None = None
    """The only end user whose data the key may read; None for all users."""

    def may(self, needed: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(needed)


def seen_by(request: Request, engine: Engine) -> Engine:
    """The engine as the caller may see it: sensitive attributes are for the scope admin alone."""
    caller: Caller = request.state.caller
    return engine if caller.may("admin") else engine.discreet


@dataclass(frozen=True)
class AccessRequest:
    """The parts of a request that decide about access."""

    method: str
    template: str
    """Path of the route, as in `/v1/users/{user_id}/profile`; "" where no route matches."""
    user_id: str | None
    """The end user in the path."""
    headers: Mapping[str, str]
    """Names in lower case."""


def scope_of(method: str, template: str) -> Scope | None:
    """The scope that a request needs; None for a public path."""
    if template in PUBLIC:
        return None
    return SCOPE_OF.get((method, template), "read" if method in _LOOKS else "write")


class Access:
    """Admits or refuses every request, by its head alone, before the body is read."""

    def __init__(
        self,
        keys: KeyRing | None,
        settings: ServerSettings,
        *,
        processes: int = 1,
        only_loopback: bool = False,
    ) -> None:
        """keys: None lets everyone in; only_loopback: so does a store that never had a key, but no
        page of another site, by whatever name.
        """
        self._keys = keys
        self._only_loopback = only_loopback
        self._origins = frozenset(settings.cors)
        self._rate = Rate(settings.rate / processes)

    async def admit(self, asked: AccessRequest) -> Caller:
        """Raises Refused."""
        needed = scope_of(asked.method, asked.template)
        if needed is None:
            return Caller()
        if not await self._is_keyed():
            if self._only_loopback:
                self._not_from_elsewhere(asked)
            return Caller()
        caller = await self._caller(_authorization(asked))
        if wait := self._rate.wait(caller.key_id or ""):
            raise Refused(
                429,
                "rate_limited",
                message("api.rate_limited", rate=self._rate.rate),
                {"Retry-After": str(max(1, round(wait)))},
            )
        if not caller.may(needed):
            why = message("api.scope", needed=needed, scope=caller.scope)
            raise Refused(403, "scope", why)
        if caller.user_id is not None and not _own(caller.user_id, asked):
            raise other_user()
        return caller

    async def _is_keyed(self) -> bool:
        if self._keys is None:
            return False
        if not self._only_loopback:
            return True
        return self._keys.keyed or await asyncio.to_thread(self._keys.is_keyed)

    async def _caller(self, authorization: str) -> Caller:
        kind, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if kind.lower() != "bearer" or not secret or self._keys is None:
            raise _unknown(message("api.no_key"))
        # Looked up outside the pool: a server that is busy must still be able to tell who asks.
        key = self._keys.remembered(secret) or await asyncio.to_thread(self._keys.look_up, secret)
        if key is None:
            raise _unknown(message("api.unknown_key"))
        return Caller(key.key_id, key.scope, key.user_id)

    def _not_from_elsewhere(self, asked: AccessRequest) -> None:
        """Refuse requests that pages of other sites make. Without keys, only the site that the
        browser names in its headers tells them apart. Raises Refused.
        """
        if not _FORWARDED.isdisjoint(asked.headers):
            raise Refused(403, "wrong_host", message("api.behind_proxy"))
        host = asked.headers.get("host", "")
        if urlsplit(f"//{host}").hostname not in _LOOPBACK:
            raise Refused(403, "wrong_host", message("api.wrong_host"))
        if asked.headers.get("origin") not in self._origins:
            _check_same_origin(asked)


def _authorization(asked: AccessRequest) -> str:
    """The header, or what it would be of someone who signed in on the page. Raises Refused for
    another site's page.
    """
    if (given := asked.headers.get("authorization")) is not None:
        return given
    secret = cookie_parser(asked.headers.get("cookie", "")).get(KEY_COOKIE, "")
    if not secret:
        return ""
    _check_same_origin(asked)
    return f"Bearer {secret}"


def _check_same_origin(asked: AccessRequest) -> None:
    """Raises Refused where a page of another site would change something in the name of this
    browser.
    """
    if asked.method in _LOOKS:
        return
    origin = asked.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != asked.headers.get("host", "")
    if elsewhere or asked.headers.get("sec-fetch-site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        raise Refused(403, "cross_origin", message("api.cross_origin"))


def other_user() -> Refused:
    return Refused(403, "other_user", message("api.other_user"))


def _own(user_id: str, asked: AccessRequest) -> bool:
    if asked.user_id == user_id or (asked.method, asked.template) in OWN_CHAT:
        return True
    return asked.method in _LOOKS and asked.template in CATALOGUE


def _unknown(why: Message) -> Refused:
    return Refused(401, "no_key", why, {"WWW-Authenticate": 'Bearer realm="limner"'})


class Rate:
    """A bucket of tokens a key: `rate` flow in a second, twice as many fit."""

    _KEPT = 10_000

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """rate: requests a second; 0 for no limit."""
        self.rate = rate
        self._most = max(1.0, 2 * rate)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, key: str) -> float:
        """0 where the request may go on, else seconds until one may."""
        if not self.rate:
            return 0.0
        now = self._clock()
        left, at = self._left.get(key, (self._most, now))
        left = min(self._most, left + (now - at) * self.rate)
        if left < 1:
            return (1 - left) / self.rate
        if len(self._left) >= self._KEPT:
            self._left.clear()
        self._left[key] = (left - 1, now)
        return 0.0
