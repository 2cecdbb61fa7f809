"""Ingest benchmark: generated events from CSV into SQLite, beside pandas' bare `read_csv` of the
same file.

    python -m limner.evals.bench_ingest [ROWS]

Each of the two runs in a process of its own, so that each peak of memory is its own. The ratio is
what to compare between machines; the target is 40,000 validated events a second at 2 million rows.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROWS = 2_000_000
_BLOCK = 200_000
_SEED = 7


@dataclass(frozen=True)
class IngestBench:
    """What one run measured; seconds are wall clock, memory is the peak resident set of the process
    in MiB.
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


def write_events(path: Path, rows: int, seed: int = _SEED) -> None:
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


def run(rows: int = ROWS, folder: Path | None = None) -> IngestBench:
    """Generate, ingest, read with pandas; nothing is left behind."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        file = Path(scratch) / "events.csv"
        write_events(file, rows)
        ours = _measure("ingest", file, Path(scratch) / "store")
        bare = _measure("pandas", file, Path(scratch))
        return IngestBench(
            rows=rows,
            kept=int(ours["kept"]),
            megabytes=file.stat().st_size / 1e6,
            ingest_seconds=ours["seconds"],
            events_per_second=rows / ours["seconds"],
            ingest_mib=ours["mib"],
            pandas_seconds=bare["seconds"],
            pandas_mib=bare["mib"],
            ratio=ours["seconds"] / bare["seconds"],
        )


def table(bench: IngestBench) -> str:
    """The figures in four lines of text."""
    return "\n".join(
        [
            f"ingest: {bench.rows:,} events ({bench.megabytes:.0f} MB of CSV) into SQLite",
            f"  limner ingest    {bench.ingest_seconds:7.1f} s  "
            f"{bench.events_per_second:9,.0f} events/s"
            f"  peak {bench.ingest_mib:5.0f} MiB",
            f"  pandas read_csv  {bench.pandas_seconds:7.1f} s  "
            f"{bench.rows / bench.pandas_seconds:9,.0f} events/s"
            f"  peak {bench.pandas_mib:5.0f} MiB",
            f"  ratio            {bench.ratio:7.1f}    (target: 40,000 events/s at 2,000,000 rows)",
        ]
    )


def _measure(what: str, file: Path, folder: Path) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "limner.evals.bench_ingest",
        "--one",
        what,
        str(file),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def _one(what: str, file: str, folder: str) -> dict[str, float]:
    """Do one of the two in this process."""
    kept = 0
    if what == "ingest":
        from limner.ingest import Sources, ingest
        from limner.store import open_store

        store = open_store(folder)
        start = time.perf_counter()
        kept = ingest(store, Sources(events=[file])).events.kept
        seconds = time.perf_counter() - start
        store.close()
    else:
        import pandas as pd

        start = time.perf_counter()
        kept = len(pd.read_csv(file))
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "kept": kept, "mib": peak_mib()}


def peak_mib() -> float:
    """Peak resident set of this process; 0 where the platform does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--one"]:
        sys.stdout.write(json.dumps(_one(*arguments[1:])))
        return
    bench = run(int(arguments[0]) if arguments else ROWS)
    sys.stdout.write(f"{table(bench)}\n{json.dumps(asdict(bench))}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
