"""Memory: a server's, as it goes on answering.

The shop and the server of the API benchmark; recommendations of all users are asked for as fast as
they come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limner.evals.bench.api import USERS, can_measure, lists, made_shop, measure, serving
from limner.evals.bench.harness import Report

REQUESTS = 100_000
_SECONDS = 10
"""Between two looks at the memory."""


@dataclass(frozen=True)
class MemoryFigures:
    requests: int
    """Number of requests so far."""
    memory_mb: float
    """Resident memory of the server's processes."""


def reports(requests: int = REQUESTS) -> Iterator[Report]:
    if not can_measure():
        return
    with made_shop() as folder:
        for figures in run(folder, requests):
            yield report(figures)


def run(folder: Path, requests: int = REQUESTS, users: int = USERS) -> Iterator[MemoryFigures]:
    """Figures every ten seconds, until so many requests were answered."""
    with serving(folder) as (pid, url):
        answered = 0
        while answered < requests:
            part = measure(pid, url, lists(users, None), _SECONDS)
            answered += part.requests
            yield MemoryFigures(answered, part.memory_mb)


def report(figures: MemoryFigures) -> Report:
    title = f"memory: {figures.requests:7,} requests  {figures.memory_mb:,.0f} MB"
    return Report(title, [], figures)
