"""API benchmark: recommendations and portraits a second over HTTP, their latency, and what a
request costs.

    python -m limner.evals.bench_api [SECONDS]
    python -m limner.evals.bench_api memory [REQUESTS]

A made shop of 10,000 items, `limner serve --workers 2` over it without a language model, and wrk, a
compiled load generator, on the same machine. Recommendations (5 to 24, without reasons) are asked
for at a steady rate by many clients that each wait a random while between two requests, so that a
slow answer does not slow the others down; with reasons (explained) at a modest one. The targets are
200 a second with a 99th percentile under 100 ms and 4 ms of CPU a request, 150 ms for 95% of the
explained, and 1,000 portraits a second, which are asked for as fast as they come. wrk and the
server share the cores, so the machine's load stands beside. An order is kept for lists of any
length of a user of whom nothing is new, so most answers rest on an order that was made before;
`first` asks each of many users about once.

`memory` asks for recommendations of all users as fast as they come, and tells the server's memory
as it goes on.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import psutil

SECONDS = 20
ITEMS, USERS, EACH, ASKED = 10_000, 2_000, 50, 200
RATE, MODEST, WORKERS = 200, 20, 2
REQUESTS = 100_000
_REST = 0.05
"""Seconds of CPU in a second below which a server has started."""
_SEED = 7
_GENRES = (
    "Action",
    "Animation",
    "Comedy",
    "Crime",
    "Drama",
    "Mystery",
    "Romance",
    "Thriller",
    "War",
    "Western",
)
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
class ApiBench:
    """What one kind of request did."""

    asked: str
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


def write_shop(folder: Path, *, items: int = ITEMS, users: int = USERS, each: int = EACH) -> None:
    """`items.csv` and `events.csv`: users with a taste for two genres, items with a long tail."""
    random = np.random.default_rng(_SEED)
    genre = random.integers(0, len(_GENRES), items)
    weight = 1 / np.arange(1, items + 1) ** 0.7
    lines = ["item_id,title,genres"]
    lines += [f"i{at},Film {at} ({1950 + at % 70}),{_GENRES[genre[at]]}" for at in range(items)]
    (folder / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["user_id,item_id,rating,timestamp"]
    for user in range(users):
        liked = random.choice(len(_GENRES), 2, replace=False)
        chance = weight * np.where(np.isin(genre, liked), 8.0, 1.0)
        had = random.choice(items, each, replace=False, p=chance / chance.sum())
        times = 1_600_000_000 + np.sort(random.integers(0, 50_000_000, each))
        lines += [
            f"u{user},i{item},{5 if genre[item] in liked else 2},{time_}"
            for item, time_ in zip(had.tolist(), times.tolist(), strict=True)
        ]
    (folder / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def environment() -> Mapping[str, str]:
    """This process' variables, without a language model."""
    return {**os.environ, "LIMNER_LLM": "none"}


def limner(folder: Path, *args: str) -> None:
    command = [
        sys.executable,
        "-m",
        "limner.cli",
        "--quiet",
        "--data",
        str(folder / "store"),
        *args,
    ]
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)


@contextmanager
def serving(folder: Path, workers: int = WORKERS) -> Iterator[tuple[int, str]]:
    """The id of the server's first process, and its address."""
    command = [
        sys.executable,
        "-m",
        "limner.cli",
        "--quiet",
        "--data",
        str(folder / "store"),
        "serve",
        "--port",
        "0",
    ]
    server = subprocess.Popen(
        [*command, "--workers", str(workers)], env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        said = server.stderr.readline()
        found = re.search(r"http://\S+?:\d+", said)
        if found is None:
            raise RuntimeError(said + server.stderr.read())
        _settle(server.pid, workers)
        yield server.pid, found[0]
    finally:
        server.terminate()
        server.wait()


def _settle(pid: int, workers: int) -> None:
    """Wait until every worker is there, has read what it needs, and rests."""
    import psutil

    busy = True
    while busy:
        processes = psutil.Process(pid).children(recursive=True)
        before = _cpu(processes)
        time.sleep(1)
        busy = len(processes) < workers or _cpu(processes) - before > _REST


def measure(
    pid: int,
    url: str,
    path: str,
    seconds: int,
    *,
    rate: int | None,
    users: int = ASKED,
    name: str = "",
) -> ApiBench:
    """rate: requests a second that are asked for, whatever comes of them; None for as many as are
    answered.
    """
    import psutil

    # Each waits half a second on average, well under what a server leaves an idle connection open.
    clients = rate // 2 if rate else 16
    mean = 1000 * clients / rate if rate else 0.0
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % (users, mean, path, _POISSON if rate else "0"))
        script.flush()
        processes = psutil.Process(pid).children(recursive=True)
        before, began = _cpu(processes), time.perf_counter()
        command = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
            "-s",
            script.name,
            url,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        took, cpu = time.perf_counter() - began, _cpu(processes) - before
    requests = int(_found(done.stdout, r"(\d+) requests in"))
    errors = re.findall(
        r"Non-2xx or 3xx responses: (\d+)|(?:connect|read|write|timeout) (\d+)", done.stdout
    )
    return ApiBench(
        name or re.findall(r"\w+", path)[0],
        took,
        requests,
        requests / took,
        _ms(done.stdout, 50),
        _ms(done.stdout, 95),
        _ms(done.stdout, 99),
        sum(int(a or b) for a, b in errors),
        1000 * cpu / max(requests, 1),
        sum(one.memory_info().rss for one in processes) / 2**20,
        os.getloadavg()[0],
    )


def _cpu(processes: "list[psutil.Process]") -> float:
    """Seconds of CPU that they have used."""
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def _found(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk said something else than expected:\n{text}")
    return match[1]


def _ms(text: str, share: int) -> float:
    """In milliseconds, as the script tells it: wrk's own words are rounded, and know no 95%."""
    return int(_found(text, rf"p{share} (\d+) us")) / 1000


# Of another length each time, so that an answer that was kept is not all that is given.
_LISTS = '"/recommendations?explain=false&n=" .. math.random(5, 24)'
_EXPLAINED = '"/recommendations?explain=true&n=10"'
_PORTRAITS = '"/profile"'


def run(
    folder: Path, seconds: int = SECONDS, asked: int = ASKED, users: int = USERS
) -> list[ApiBench]:
    """Over the store in a folder, of which the first `asked` users are asked about, or `users`
    about once each.
    """
    with serving(folder) as (pid, url):
        for path in (_PORTRAITS, _LISTS):  # the processes open what they need
            measure(pid, url, path, 5, rate=None, users=asked)
        return [
            measure(pid, url, _LISTS, seconds, rate=RATE, users=asked),
            measure(pid, url, _LISTS, seconds, rate=None, users=asked),
            measure(pid, url, _EXPLAINED, seconds, rate=MODEST, users=asked, name="explained"),
            measure(pid, url, _PORTRAITS, seconds, rate=None, users=asked),
            measure(pid, url, _LISTS, seconds, rate=MODEST, users=users, name="first"),
        ]


def remember(
    folder: Path, requests: int = REQUESTS, users: int = USERS
) -> Iterator[tuple[int, float]]:
    """(requests so far, MB of the server's processes), until so many were answered."""
    with serving(folder) as (pid, url):
        done = 0
        while done < requests:
            part = measure(pid, url, _LISTS, 10, rate=None, users=users)
            done += part.requests
            yield done, part.memory_mb


def table(measured: list[ApiBench]) -> str:
    lines = [f"API: {ITEMS:,} items, {WORKERS} workers, {os.cpu_count()} cores"]
    lines += [
        f"  {one.asked:16} {one.requests:7,} requests {one.per_second:7,.0f}/s  p50 "
        f"{one.p50_ms:7.1f} ms  "
        f"p95 {one.p95_ms:7.1f} ms  p99 {one.p99_ms:7.1f} ms  {one.cpu_ms:5.2f} ms CPU "
        f"each  {one.failed} failed  "
        f"{one.memory_mb:,.0f} MB  load {one.load:.1f}"
        for one in measured
    ]
    return "\n".join(lines)


def main() -> None:
    if shutil.which("wrk") is None:
        sys.stderr.write(
            "wrk is not installed (Debian: apt-get install wrk); the API is not measured.\n"
        )
        return
    of_memory = sys.argv[1:2] == ["memory"]
    given = [int(argument) for argument in sys.argv[2 if of_memory else 1 :][:1]]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_shop(folder)
        limner(
            folder,
            "ingest",
            "--events",
            str(folder / "events.csv"),
            "--items",
            str(folder / "items.csv"),
        )
        limner(folder, "train")
        limner(folder, "profile", "build", "--all")
        if of_memory:
            for done, memory in remember(folder, *given):
                sys.stdout.write(f"{done:7,} requests  {memory:,.0f} MB\n")
                sys.stdout.flush()
            return
        measured = run(folder, *given)
    sys.stdout.write(f"{table(measured)}\n{json.dumps([asdict(one) for one in measured])}\n")


if __name__ == "__main__":
    main()
