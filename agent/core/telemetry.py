"""How an engine tells of its work as it does it, for metrics. Doors count; stages only report."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, Protocol

from limner.core.schema import Profile, Recommendations

Stage = Literal["portrait", "rank", "rerank", "explain"]


class Telemetry(Protocol):
    def took(self, stage: Stage, seconds: float) -> None:
        """A stage is done."""

    def recommended(self, answer: Recommendations) -> None:
        """An answer is about to be given."""

    def painted(self, profile: Profile) -> None:
        """A portrait was painted."""


class NullTelemetry:
    """Counts nothing."""

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
