"""How an engine reports its work as it does it: metrics, which doors count, and log lines.

Each stage has a logger, `limner.<stage>`, and writes one INFO line a run, with counts and seconds.
No line holds text that came from a user.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any, Literal, Protocol, TypeVar, cast

from limner.core.schema import Profile, Recommendations

Function = TypeVar("Function", bound=Callable[..., Any])
Counts = Mapping[str, int | float | str]
"""What a line says by name: numbers, or words from a fixed list."""

Stage = Literal["portrait", "rank", "rerank", "explain"]


class Telemetry(Protocol):
    def took(self, stage: Stage, seconds: float) -> None:
        """A stage is done."""

    def recommended(self, answer: Recommendations) -> None:
        """Called with an answer just before it is given."""

    def painted(self, profile: Profile) -> None:
        """A portrait was painted."""


class NullTelemetry:
    """Records no metrics."""

    def took(self, stage: Stage, seconds: float) -> None: ...

    def recommended(self, answer: Recommendations) -> None: ...

    def painted(self, profile: Profile) -> None: ...


@contextmanager
def timed(watch: Telemetry, stage: Stage) -> Iterator[None]:
    """Around a stage, whether it succeeds or not."""
    began = perf_counter()
    try:
        yield
    finally:
        watch.took(stage, perf_counter() - began)


# ---------------------------------------------------------------- log lines


def log_run(stage: str, run: str, seconds: float, counts: Counts) -> None:
    """One line of a stage's logger, such as `rank.train`; `run` is what was done."""
    fields = {**counts, "seconds": round(seconds, 3)}
    logging.getLogger(f"limner.{stage}").info(f"{stage}.{run}", extra={"fields": fields})


def logged(stage: str, run: str, counts: Callable[[Any], Counts]) -> Callable[[Function], Function]:
    """Decorate a plain or an async function: one line after each call that succeeds.

    counts: what to say of the function's result.
    """

    def decorate(function: Function) -> Function:
        if iscoroutinefunction(function):

            @wraps(function)
            async def run_async(*args: object, **kwargs: object) -> object:
                began = perf_counter()
                result = await function(*args, **kwargs)
                log_run(stage, run, perf_counter() - began, counts(result))
                return result

            return cast(Function, run_async)

        @wraps(function)
        def run_plain(*args: object, **kwargs: object) -> object:
            began = perf_counter()
            result = function(*args, **kwargs)
            log_run(stage, run, perf_counter() - began, counts(result))
            return result

        return cast(Function, run_plain)

    return decorate


class TextLines(logging.Formatter):
    """`12:03:59 INFO ingest.files events=943 items=1682 seconds=1.2`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        fields: Counts = getattr(record, "fields", {})
        return " ".join(
            (super().format(record), *(f"{name}={value}" for name, value in fields.items()))
        )


def log_to_stderr(level: str) -> None:
    """Write Limner's log lines from `level` on to stderr; calling it again changes the level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines())
    logger = logging.getLogger("limner")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
