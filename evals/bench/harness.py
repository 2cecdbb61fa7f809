"""What every benchmark shares: timing in turns, processes of their own, and the report."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

SEED = 7
"""Seed of all made data."""
FILM_GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Comedy",
    "Crime",
    "Drama",
    "Mystery",
    "Romance",
    "Thriller",
    "War",
)
_ROOT = Path(__file__).resolve().parents[2]
REFERENCE_PYTHON = _ROOT / ".venv-reference" / "bin" / "python"
"""The interpreter that has the reference libraries, where they are installed."""
_REFERENCE_SCRIPT = _ROOT / "tests" / "reference" / "libraries.py"


@dataclass(frozen=True)
class Report:
    """What a benchmark prints: a title with a line for each measurement, then its figures."""

    title: str
    lines: Sequence[str]
    figures: object
    """A dataclass, or a list of them; printed as one line of JSON."""

    @property
    def text(self) -> str:
        return "\n".join([self.title, *self.lines])

    def __str__(self) -> str:
        return f"{self.text}\n{json.dumps(self.figures, default=asdict)}"


def line(name: str, figure: str, *remarks: str) -> str:
    """One line of a report: what was measured, its figure, and what to compare it with."""
    return "  ".join([f"  {name:29}{figure:>11}", *remarks])


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """(seconds of wall clock, result) of one call."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def in_turns(
    contenders: Mapping[str, Callable[[int], object]],
    calls: int,
    *,
    block: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, NDArray[np.float64]]:
    """[calls] seconds of each contender, which is called with 0, 1, … `calls` - 1.

    After `block` calls the next contender has its turn, so that whatever else the machine is doing
    meanwhile slows all of them alike.
    """
    seconds = {name: np.empty(calls) for name in contenders}
    for first in range(0, calls, block):
        for name, work in contenders.items():
            for call in range(first, min(first + block, calls)):
                start = clock()
                work(call)
                seconds[name][call] = clock() - start
    return seconds


def in_own_process(work: Callable[..., T], *arguments: object) -> tuple[T, float]:
    """(result, peak MiB) of a function of a module, called in a new process, so that the peak of
    memory is its own.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_peak, work, arguments).result()


def _with_peak(work: Callable[..., T], arguments: Sequence[object]) -> tuple[T, float]:
    return work(*arguments), peak_mib()


def peak_mib() -> float:
    """Peak resident set of this process in MiB; 0 where the platform does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def reference_times(
    measurement: str, folder: Path, python: Path, *, threads: int | None = None
) -> dict[str, list[float]]:
    """Times of the reference libraries by their names, one or more each.

    measurement: what `tests/reference/libraries.py` is to time; `folder` holds what it reads.
    threads: of the libraries for linear algebra, where they are limited.
    """
    limited = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    subprocess.run(
        [str(python), "-W", "ignore", str(_REFERENCE_SCRIPT), measurement, str(folder)],
        check=True,
        capture_output=True,
        env={**os.environ, **(limited if threads else {})},
    )
    times: dict[str, float | list[float]] = json.loads((folder / "times.json").read_text())
    return {name: one if isinstance(one, list) else [one] for name, one in times.items()}
