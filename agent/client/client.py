"""The two forms of the client over httpx: each call is written once, in `calls`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, ParamSpec, Self, TypeVar, overload

import httpx
from pydantic import BaseModel

from limner.client import calls
from limner.client.ask import Ask, Reply
from limner.client.errors import LimnerUnreachable, refused
from limner.client.events import Events

P = ParamSpec("P")
M = TypeVar("M", bound=BaseModel)


class Call(Generic[P, M]):
    """A call of the API: of `LimnerClient` it gives the value, of `AsyncLimner` what is awaited for
    it.
    """

    def __init__(self, make: Callable[P, Ask[M]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: "LimnerClient", owner: object) -> Callable[P, M]: ...
    @overload
    def __get__(self, client: "AsyncLimner", owner: object) -> Callable[P, Awaitable[M]]: ...
    @overload
    def __get__(self, client: None, owner: object) -> Self: ...
    def __get__(
        self, client: "LimnerClient | AsyncLimner | None", owner: object
    ) -> Callable[P, M] | Callable[P, Awaitable[M]] | Self:
        if client is None:
            return self
        if isinstance(client, AsyncLimner):
            later = client
            return lambda *args, **given: later.send(self._make(*args, **given))
        now = client
        return lambda *args, **given: now.send(self._make(*args, **given))


class Calls:
    """Every call of the API."""

    recommend = Call(calls.recommend)
    visit = Call(calls.visit)
    rank = Call(calls.rank)
    feedback = Call(calls.feedback)
    stats = Call(calls.stats)
    profile = Call(calls.profile)
    edit = Call(calls.edit)
    build = Call(calls.build)
    difference = Call(calls.difference)
    context = Call(calls.context)
    user = Call(calls.user)
    export = Call(calls.export)
    erase = Call(calls.erase)
    erase_event = Call(calls.erase_event)
    correct_event = Call(calls.correct_event)
    store = Call(calls.store)
    users = Call(calls.users)
    items = Call(calls.items)
    events = Call(calls.events)
    audience = Call(calls.audience)
    item = Call(calls.item)
    change = Call(calls.change)
    neighbors = Call(calls.neighbors)
    popular = Call(calls.popular)
    training = Call(calls.training)
    chat = Call(calls.chat)


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


_JSON = {"Content-Type": "application/json"}
_STREAM = {**_JSON, "Accept": "text/event-stream"}


class LimnerClient(Calls):
    """A server that is asked and waited for. Raises LimnerRefused and LimnerUnreachable."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", key: str = "", *, timeout: float = 130.0
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(key), timeout=timeout)

    def send(self, ask: Ask[M]) -> M:
        """The answer to any request."""
        try:
            answer = self._http.request(
                ask.method, ask.path, params=ask.query(), content=ask.content(), headers=_JSON
            )
        except httpx.TransportError as error:
            raise LimnerUnreachable(f"{self._http.base_url} does not answer: {error}") from error
        if answer.is_error:
            raise refused(answer)
        return ask.answer.model_validate_json(answer.content)

    def stream(
        self, question: str, *, conversation_id: str = "", user_id: str = ""
    ) -> Iterator[str | Reply]:
        """An answer as it is made: pieces of its text, and at the end the whole reply."""
        ask = calls.chat(question, conversation_id=conversation_id, user_id=user_id)
        events = Events()
        try:
            with self._http.stream(
                "POST", ask.path, content=ask.content(), headers=_STREAM
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise refused(answer)
                for line in answer.iter_lines():
                    yield from events.read(line)
        except httpx.TransportError as error:
            raise LimnerUnreachable(f"{self._http.base_url} broke off: {error}") from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncLimner(Calls):
    """Client of a Limner server for asyncio; the methods are those of the blocking client,
    awaited.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", key: str = "", *, timeout: float = 130.0
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(key), timeout=timeout)

    async def send(self, ask: Ask[M]) -> M:
        """The answer to any request."""
        try:
            answer = await self._http.request(
                ask.method, ask.path, params=ask.query(), content=ask.content(), headers=_JSON
            )
        except httpx.TransportError as error:
            raise LimnerUnreachable(f"{self._http.base_url} does not answer: {error}") from error
        if answer.is_error:
            raise refused(answer)
        return ask.answer.model_validate_json(answer.content)

    async def stream(
        self, question: str, *, conversation_id: str = "", user_id: str = ""
    ) -> AsyncIterator[str | Reply]:
        """An answer as it is made: pieces of its text, and at the end the whole reply."""
        ask = calls.chat(question, conversation_id=conversation_id, user_id=user_id)
        events = Events()
        try:
            async with self._http.stream(
                "POST", ask.path, content=ask.content(), headers=_STREAM
            ) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise refused(answer)
                async for line in answer.aiter_lines():
                    for piece in events.read(line):
                        yield piece
        except httpx.TransportError as error:
            raise LimnerUnreachable(f"{self._http.base_url} broke off: {error}") from error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
