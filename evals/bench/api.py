"""API: recommendations and portraits a second over HTTP, their latency, and what a request costs.

A made shop of 10,000 items, `limner serve --workers 2` over it without a language model, and wrk, a
compiled load generator, on the same machine. Recommendations (5 to 24, without reasons) are asked
for at a steady rate by many clients that each wait a random while between two requests, so that a
slow answer does not slow the others down; with reasons (explained) at a modest one. The targets are
200 a second with a 99th percentile under 100 ms and 4 ms of CPU a request, 150 ms for 95% of the
explained, and 1,000 portraits a second, which are asked for as fast as they come. wrk and the
server share the cores, so the machine's load stands beside. An order is kept for lists of any
length of a user of whom nothing is new, so most answers rest on an order that was made before;
`first` asks each of many users about once.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limner.evals.bench.harness import FILM_GENRES, SEED, Report, line

if TYPE_CHECKING:
    import psutil

SECONDS = 20
ITEMS, USERS, EACH, ASKED = 10_000, 2_000, 50, 200
RATE, MODEST, WORKERS = 200, 20, 2
_REST = 0.05
"""Seconds of CPU in a second below which a server has started."""
_SCRIPT = """
local users = %d
local mean = %f
math.randomseed(7)
function init(args) math.randomseed(os.time()) end
function request() return wrk.format("GET", "/v1/users/u" .. math.random(0, users - 1) .. %s) end
function delay() return %s end
function done(summary, latency, requests)
  for _, share in ipairs({50, 95, 99}) do
    io.write(string.format("p%%d %%d us\\n", share, latency:percentile(share)))
  end
end
"""
_POISSON = "-math.log(1 - math.random()) * mean"


@dataclass(frozen=True)
class RequestMix:
    """Requests of one kind, about users drawn at random."""

    name: str
    path: str
    """A Lua expression: what follows the user's id in the address."""
    rate: int | None
    """Requests a second, however fast they are answered; None for as many as are answered."""
    users: int
    """The first so many users are asked about."""


def lists(users: int, rate: int | None, name: str = "recommendations") -> RequestMix:
    """Recommendations, of another length each time, so that few answers are the last one again."""
    path = '"/recommendations?explain=false&n=" .. math.random(5, 24)'
    return RequestMix(name, path, rate, users)


def explained(users: int) -> RequestMix:
    return RequestMix("explained", '"/recommendations?explain=true&n=10"', MODEST, users)


def portraits(users: int) -> RequestMix:
    return RequestMix("profile", '"/profile"', None, users)


@dataclass(frozen=True)
class RequestFigures:
    """Measurements of one kind of request."""

    asked: str
    """Name of the kind."""
    seconds: float
    requests: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int
    """Answers that were no 2xx, and connections that broke."""
    cpu_ms: float
    """CPU of the server's processes a request."""
    memory_mb: float
    """Resident memory of the server's processes after it."""
    load: float
    """Processes that wanted a core, over the last minute (1.0 a core is full)."""


def reports(seconds: int = SECONDS) -> Iterator[Report]:
    if not can_measure():
        return
    with made_shop() as folder:
        yield report(run(folder, seconds))


def run(
    folder: Path, seconds: int = SECONDS, asked: int = ASKED, users: int = USERS
) -> list[RequestFigures]:
    """Over the store in a folder, of which the first `asked` users are asked about, or `users`
    about once each.
    """
    with serving(folder) as (pid, url):
        for mix in (portraits(asked), lists(asked, None)):  # the processes open what they need
            measure(pid, url, mix, 5)
        return [
            measure(pid, url, mix, seconds)
            for mix in (
                lists(asked, RATE),
                lists(asked, None),
                explained(asked),
                portraits(asked),
                lists(users, MODEST, "first"),
            )
        ]


def report(measured: list[RequestFigures]) -> Report:
    return Report(
        f"API: {ITEMS:,} items, {WORKERS} workers, {os.cpu_count()} cores",
        [
            line(
                figures.asked,
                f"{figures.per_second:,.0f}/s",
                f"{figures.requests:7,} requests",
                f"p50 {figures.p50_ms:7.1f} ms",
                f"p95 {figures.p95_ms:7.1f} ms",
                f"p99 {figures.p99_ms:7.1f} ms",
                f"{figures.cpu_ms:5.2f} ms CPU each",
                f"{figures.failed} failed",
                f"{figures.memory_mb:,.0f} MB",
                f"load {figures.load:.1f}",
            )
            for figures in measured
        ],
        measured,
    )


def can_measure() -> bool:
    """Whether wrk is installed; says so where it is not."""
    if shutil.which("wrk") is not None:
        return True
    sys.stderr.write(
        "wrk is not installed (Debian: apt-get install wrk); the API is not measured.\n"
    )
    return False


@contextmanager
def made_shop() -> Iterator[Path]:
    """A folder with the store of a shop that is ingested and trained, its portraits painted."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_shop(folder)
        limner(folder, "ingest", *files_of(folder))
        limner(folder, "train")
        limner(folder, "profile", "build", "--all")
        yield folder


def write_shop(folder: Path, *, items: int = ITEMS, users: int = USERS, each: int = EACH) -> None:
    """`items.csv` and `events.csv`: users with a taste for two genres, items with a long tail."""
    random = np.random.default_rng(SEED)
    genre = random.integers(0, len(FILM_GENRES), items)
    weight = 1 / np.arange(1, items + 1) ** 0.7
    lines = ["item_id,title,genres"]
    lines += [f"i{at},Film {at} ({1950 + at % 70}),{FILM_GENRES[genre[at]]}" for at in range(items)]
    (folder / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["user_id,item_id,rating,timestamp"]
    for user in range(users):
        liked = random.choice(len(FILM_GENRES), 2, replace=False)
        chance = weight * np.where(np.isin(genre, liked), 8.0, 1.0)
        had = random.choice(items, each, replace=False, p=chance / chance.sum())
        times = 1_600_000_000 + np.sort(random.integers(0, 50_000_000, each))
        lines += [
            f"u{user},i{item},{5 if genre[item] in liked else 2},{time_}"
            for item, time_ in zip(had.tolist(), times.tolist(), strict=True)
        ]
    (folder / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def files_of(folder: Path) -> list[str]:
    """The options of `limner ingest` that name the files of a shop."""
    return ["--events", str(folder / "events.csv"), "--items", str(folder / "items.csv")]


def environment() -> Mapping[str, str]:
    """This process' variables, without a language model."""
    return {**os.environ, "LIMNER_LLM": "none"}


def command(folder: Path, *args: str) -> list[str]:
    """`limner` over the store in a folder."""
    store = str(folder / "store")
    return [sys.executable, "-m", "limner.cli", "--quiet", "--data", store, *args]


def limner(folder: Path, *args: str) -> None:
    subprocess.run(command(folder, *args), check=True, env=environment(), stdout=subprocess.DEVNULL)


@contextmanager
def serving(folder: Path, workers: int = WORKERS) -> Iterator[tuple[int, str]]:
    """The id of the server's first process, and its address."""
    server = subprocess.Popen(
        command(folder, "serve", "--port", "0", "--workers", str(workers)),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        first_line = server.stderr.readline()
        address = re.search(r"http://\S+?:\d+", first_line)
        if address is None:
            raise RuntimeError(first_line + server.stderr.read())
        _wait_for_rest(server.pid, workers)
        yield server.pid, address[0]
    finally:
        server.terminate()
        server.wait()


def _wait_for_rest(pid: int, workers: int) -> None:
    """Wait until every worker is there, has read what it needs, and rests."""
    import psutil

    busy = True
    while busy:
        processes = psutil.Process(pid).children(recursive=True)
        before = _cpu(processes)
        time.sleep(1)
        busy = len(processes) < workers or _cpu(processes) - before > _REST


def measure(pid: int, url: str, mix: RequestMix, seconds: int) -> RequestFigures:
    """Send requests for so many seconds.

    pid: of the server's first process, whose children answer.
    """
    import psutil

    # Each waits half a second on average, well under what a server leaves an idle connection open.
    clients = mix.rate // 2 if mix.rate else 16
    mean = 1000 * clients / mix.rate if mix.rate else 0.0
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % (mix.users, mean, mix.path, _POISSON if mix.rate else "0"))
        script.flush()
        processes = psutil.Process(pid).children(recursive=True)
        before, began = _cpu(processes), time.perf_counter()
        wrk = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", script.name]
        output = subprocess.run([*wrk, url], check=True, capture_output=True, text=True).stdout
        took, cpu = time.perf_counter() - began, _cpu(processes) - before
    requests = int(_match(output, r"(\d+) requests in"))
    errors = re.findall(
        r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)", output
    )
    return RequestFigures(
        mix.name,
        took,
        requests,
        requests / took,
        _milliseconds(output, 50),
        _milliseconds(output, 95),
        _milliseconds(output, 99),
        sum(int(answers or connections) for answers, connections in errors),
        1000 * cpu / max(requests, 1),
        sum(process.memory_info().rss for process in processes) / 2**20,
        os.getloadavg()[0],
    )


def _cpu(processes: "list[psutil.Process]") -> float:
    """Seconds of CPU that the processes have used."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _match(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk said something else than expected:\n{text}")
    return match[1]


def _milliseconds(text: str, share: int) -> float:
    """A percentile as our script prints it: wrk's own output is rounded, and lacks the 95th."""
    return int(_match(text, rf"p{share} (\d+) us")) / 1000
