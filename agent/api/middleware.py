"""Handling around every request: its id, access, limits, errors, and one line of log.

One pure ASGI middleware; `BaseHTTPMiddleware` would cost more than the answers.
"""

import asyncio
import logging
import re
import secrets
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limner.api.access import PUBLIC, Access, AccessRequest, Refused
from limner.api.languages import language_of
from limner.api.metrics import Metrics
from limner.api.paths import decoded
from limner.api.problems import RETRY_SECONDS, BodyRefused, ProblemResponse, problem
from limner.core import messages
from limner.core.settings import ServerSettings

REQUEST_ID = b"x-request-id"
GONE = 499
"""Logged where the client went away before its answer: nobody saw a status."""
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WATCH_AFTER = 0.1
"""Seconds after which it is worth a task to notice that the client has gone."""
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Unless an answer says otherwise itself: nothing may be loaded from it, and nobody may keep it.
_UNLESS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}
_OVER_TLS = (b"strict-transport-security", b"max-age=31536000")

log = logging.getLogger("limner.requests")


@dataclass(frozen=True)
class Place:
    """The route that a path leads to, and the user named in the path."""

    template: str
    user_id: str | None


NOWHERE = Place("", None)


class Places:
    """The routes of an application, as they stand at the first request."""

    def __init__(self, routes: Callable[[], Sequence[BaseRoute]]) -> None:
        self._routes = routes
        self._found: list[tuple[re.Pattern[str], str, frozenset[str]]] | None = None

    def find(self, method: str, path: str) -> Place:
        """The route that will answer; for a wrong method one that the path has."""
        if self._found is None:
            self._found = [
                (one.path_regex, one.path or "", frozenset(one.methods or ()))
                for one in iter_route_contexts(self._routes())
            ]
        other = NOWHERE
        for pattern, template, methods in self._found:
            if match := pattern.match(path):
                user_id = match.groupdict().get("user_id")
                place = Place(template, None if user_id is None else decoded(user_id))
                if not methods or method in methods:
                    return place
                other = place
        return other


class AccessMiddleware:
    """Lets requests in, and sees that each ends with one answer: the application's, or a problem
    document.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        places: Places,
        access: Access,
        metrics: Metrics,
        settings: ServerSettings,
    ) -> None:
        self.app, self.places, self.access, self.metrics, self.settings = (
            app,
            places,
            access,
            metrics,
            settings,
        )
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        place = self.places.find(scope["method"], scope["path"])
        exchange = _Exchange(scope, receive, send, headers, self.settings)
        key_id: str | None = None
        began = perf_counter()
        self._under_way += 1
        try:
            caller = await self.access.admit(
                AccessRequest(scope["method"], place.template, place.user_id, headers)
            )
            key_id = caller.key_id
            scope["state"]["caller"] = caller
            self._make_room(place)
            exchange.check_size()
            await self._answer(exchange)
        except Refused as error:
            await exchange.refuse(
                problem(
                    error.status,
                    error.code,
                    error.message,
                    exchange.language,
                    headers=error.headers,
                )
            )
        finally:
            self._under_way -= 1
            seconds = perf_counter() - began
            route = place.template or "unknown"
            self.metrics.answered(scope["method"], route, exchange.status, seconds)
            fields = {
                "method": scope["method"],
                "route": route,
                "status": exchange.status,
                "ms": round(seconds * 1000, 1),
                "request_id": exchange.id,
                "key_id": key_id,
            }
            log.info("request", extra={"fields": fields})

    def _make_room(self, place: Place) -> None:
        if self._under_way > self.settings.waiting and place.template not in PUBLIC:
            why = messages.message("api.overloaded")
            raise Refused(503, "overloaded", why, {"Retry-After": RETRY_SECONDS})

    async def _answer(self, exchange: "_Exchange") -> None:
        """Run the application. An error becomes a problem document, unless part of the answer was
        sent already.
        """
        try:
            async with asyncio.timeout(self.settings.timeout) as exchange.clock:
                exchange.watch()
                await self.app(exchange.scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if not exchange.gone:
                await exchange.refuse(
                    problem(503, "stopping", messages.message("api.stopping"), exchange.language)
                )
                raise
            exchange.forgive()
        except TimeoutError:
            why = messages.message("api.timeout", seconds=self.settings.timeout)
            await exchange.refuse(problem(504, "timeout", why, exchange.language))
        except Exception as error:  # noqa: BLE001  the last stop before the server: an answer instead of a hang-up
            if not exchange.gone:
                log.error(
                    "failed", extra={"fields": {"request_id": exchange.id, **described(error)}}
                )
                why = messages.message("api.internal", request=exchange.id)
                await exchange.refuse(problem(500, "internal", why, exchange.language))
        finally:
            exchange.unwatch()


def described(error: BaseException) -> Mapping[str, object]:
    """An error for the log: its type and where it arose. Its message is left out, since it may name
    a user.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "at": [f"{one.filename}:{one.lineno} {one.name}" for one in frames[-8:]],
    }


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[str, str],
        settings: ServerSettings,
    ) -> None:
        self.scope, self._receive, self._send, self._settings = scope, receive, send, settings
        given = headers.get("x-request-id", "")
        self.id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = self.id
        self.language = language_of(headers)
        """Of what it is told."""
        self.status = GONE
        self.clock: asyncio.Timeout | None = None
        self.gone = False
        self._started = False
        self._length = headers.get("content-length", "0")
        self._whole = self._length == "0" and "transfer-encoding" not in headers
        self._size = 0
        self._until = asyncio.get_running_loop().time() + settings.client_seconds
        self._reading = False
        self._read: asyncio.Queue[Message | HTTPException] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()

    # ------------------------------------------------------------ the answer

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            message["headers"] = self._dressed(message.get("headers", ()))
            if self.clock is not None:
                self.clock.reschedule(None)  # what streams may take its time
        await self._send(message)
        if message.get("more_body"):
            await asyncio.sleep(
                0
            )  # a source that never waits still lets others run, and its client's going be noticed

    def _dressed(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        had = {name.lower() for name, _ in headers}
        more = [(name, value) for name, value in _UNLESS.items() if name not in had]
        if self.scope.get("scheme") == "https":
            more.append(_OVER_TLS)
        if not self._whole:
            more.append((b"connection", b"close"))  # the rest of the body will not be read
        return [*headers, (REQUEST_ID, self.id.encode()), *_ALWAYS, *more]

    async def refuse(self, answer: ProblemResponse) -> None:
        """Answer with a problem document, unless part of an answer was sent already; then the
        connection is closed.
        """
        if self._started:
            return
        self.clock = None
        await answer(self.scope, self._receive, self.send)

    # ------------------------------------------------------------ the request

    def check_size(self) -> None:
        if self._length.isdigit() and int(self._length) > self._settings.body_bytes:
            raise Refused(413, "body_too_large", self._too_large)

    @property
    def _too_large(self) -> messages.Message:
        return messages.message("api.body_too_large", most=self._settings.body_bytes)

    async def receive(self) -> Message:
        """The next of the body, as the application asks for it."""
        if self._watcher is not None:
            message = await self._read.get()
            if isinstance(message, HTTPException):
                raise message
            return message
        self._reading = True
        try:
            return await self._next()
        finally:
            self._reading = False

    async def _next(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            seconds = self._settings.client_seconds
            raise BodyRefused(408, messages.message("api.slow_body", seconds=seconds)) from None
        self._size += len(message.get("body", b""))
        if self._size > self._settings.body_bytes:
            raise BodyRefused(413, self._too_large)
        self._whole = not message.get("more_body", False)
        return message

    # ------------------------------------------------------------ a client that goes away

    def watch(self) -> None:
        """After a short time, begin to watch for a client that goes away; the work then ends."""
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._begin_to_watch)

    def _begin_to_watch(self) -> None:
        if self._reading:
            self.watch()  # the application would notice itself
        else:
            self._watcher = asyncio.create_task(self._look_out())

    async def _look_out(self) -> None:
        """Read the rest of the body ahead. Only a reader is notified when the connection ends."""
        try:
            while (message := await self._next())["type"] != "http.disconnect":
                self._read.put_nowait(message)
        except HTTPException as error:
            self._read.put_nowait(error)
            return
        self._read.put_nowait(message)
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    def unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def forgive(self) -> None:
        """The cancelling was this exchange's own."""
        if self._task is not None:
            self._task.uncancel()
