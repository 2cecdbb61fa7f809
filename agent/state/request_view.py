"""Shared by all parts of a store's derived state: one lock, and the values looked up for a
request.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import RLock, local
from typing import Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
S = TypeVar("S", bound="DerivedPart")


class RequestView:
    """The lock of a store's derived state, and what each thread looked up for its request."""

    def __init__(self) -> None:
        self.guard = RLock()
        self.own = local()

    @contextmanager
    def request_snapshot(self) -> Iterator[None]:
        """Around one request in one thread: what is derived is looked up once, and stays what it
        was, until the thread makes something anew. Within another one it is that one.
        """
        depth: int = getattr(self.own, "depth", 0)
        if not depth:
            self.own.view, self.own.embedding_error = {}, None
        self.own.depth = depth + 1
        try:
            yield
        finally:
            self.own.depth -= 1
            if not self.own.depth:
                self.own.view = None

    def renew(self) -> None:
        """Whatever the thread's view holds may be of before now."""
        if getattr(self.own, "view", None) is not None:
            self.own.view = {}


class DerivedPart:
    """A part of what is derived from a store."""

    def __init__(self, view: RequestView) -> None:
        self._view = view


def locked(work: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """One thread at a time: what events have outdated is made anew once, and others wait for it."""

    @wraps(work)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._view.guard:
            return work(self, *args, **kwargs)

    return call


def uses_snapshot(work: Callable[[S], R]) -> Callable[[S], R]:
    """Looked up once within a request's snapshot."""

    @wraps(work)
    def call(self: S) -> R:
        view: dict[str, R] | None = getattr(self._view.own, "view", None)
        if view is None:
            return work(self)
        found = view.get(work.__qualname__)
        if found is None:
            found = view[work.__qualname__] = work(self)
        return found

    return call


class Latest(Generic[T]):
    """The newest of something, which is made anew when what it was made of has changed."""

    def __init__(self) -> None:
        self._held: tuple[str, T] | None = None

    def of(self, key: str, make: Callable[[], T]) -> T:
        """The cached value for this key, made if it is missing. `key` identifies the data that the
        value is made from.
        """
        if self._held is None or self._held[0] != key:
            self._held = (key, make())
        return self._held[1]
