"""Ingest: made events from CSV into SQLite, beside pandas' bare `read_csv` of the same file.

Each of the two runs in a process of its own, so that each peak of memory is its own. The ratio is
what to compare between machines; the target is 40,000 validated events a second at 2 million rows.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.evals.bench.harness import SEED, Report, in_own_process, line, timed

ROWS = 2_000_000
_BLOCK = 200_000


@dataclass(frozen=True)
class IngestFigures:
    """Measurements of one run; seconds are wall clock, memory is the peak resident set of the
    process in MiB.
    """

    rows: int
    kept: int
    megabytes: float
    """Size of the CSV file."""
    ingest_seconds: float
    events_per_second: float
    ingest_mib: float
    pandas_seconds: float
    """`pandas.read_csv` of the same file, nothing else."""
    pandas_mib: float
    ratio: float
    """Ingest seconds over pandas' seconds."""


def reports(rows: int = ROWS) -> Iterator[Report]:
    yield report(run(rows))


def run(rows: int = ROWS, folder: Path | None = None) -> IngestFigures:
    """Make the file, ingest it, read it with pandas; nothing is left behind in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        file = Path(scratch) / "events.csv"
        write_events(file, rows)
        (seconds, kept), mib = in_own_process(_ingest, str(file), str(Path(scratch) / "store"))
        pandas_seconds, pandas_mib = in_own_process(_read_csv, file)
        return IngestFigures(
            rows=rows,
            kept=kept,
            megabytes=file.stat().st_size / 1e6,
            ingest_seconds=seconds,
            events_per_second=rows / seconds,
            ingest_mib=mib,
            pandas_seconds=pandas_seconds,
            pandas_mib=pandas_mib,
            ratio=seconds / pandas_seconds,
        )


def report(figures: IngestFigures) -> Report:
    return Report(
        f"ingest: {figures.rows:,} events ({figures.megabytes:.0f} MB of CSV) into SQLite",
        [
            line(
                "limner ingest",
                f"{figures.ingest_seconds:.1f} s",
                f"{figures.events_per_second:9,.0f} events/s",
                f"peak {figures.ingest_mib:5.0f} MiB",
            ),
            line(
                "pandas read_csv",
                f"{figures.pandas_seconds:.1f} s",
                f"{figures.rows / figures.pandas_seconds:9,.0f} events/s",
                f"peak {figures.pandas_mib:5.0f} MiB",
            ),
            line("ratio", f"{figures.ratio:.1f}", "(target: 40,000 events/s at 2,000,000 rows)"),
        ],
        figures,
    )


def write_events(path: Path, rows: int, seed: int = SEED) -> None:
    """A CSV of `rows` events: rows/50 users, rows/200 items of uneven popularity, four types,
    ratings, ISO times.
    """
    random = np.random.default_rng(seed)
    users, items = max(rows // 50, 10), max(rows // 200, 10)
    kinds = np.array(["view", "view", "view", "cart", "purchase", "rating"])
    with path.open("w", encoding="utf-8") as out:
        out.write("user_id,item_id,event_type,rating,timestamp\n")
        for start in range(0, rows, _BLOCK):
            n = min(_BLOCK, rows - start)
            user = random.integers(0, users, n)
            item = (items * random.random(n) ** 3).astype(np.int64)
            kind = kinds[random.integers(0, len(kinds), n)]
            stars = np.where(kind == "rating", random.integers(1, 6, n).astype(str), "")
            when = 1_500_000_000 + np.arange(start, start + n) * 30 + random.integers(0, 30, n)
            stamp = np.datetime_as_string(when.astype("datetime64[s]"), unit="s")
            out.writelines(
                f"u{u},i{i:06d},{k},{r},{t}Z\n"
                for u, i, k, r, t in zip(user, item, kind, stars, stamp, strict=True)
            )


def _ingest(file: str, folder: str) -> tuple[float, int]:
    """(seconds, events kept) of ingesting the file into a new store."""
    from limner.ingest import Sources, ingest
    from limner.store import open_store

    store = open_store(folder)
    seconds, result = timed(lambda: ingest(store, Sources(events=[file])))
    store.close()
    return seconds, result.events.kept


def _read_csv(file: Path) -> float:
    """Seconds that pandas takes."""
    import pandas as pd

    return timed(lambda: pd.read_csv(file))[0]
