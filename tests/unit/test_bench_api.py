"""The API benchmark measures a small shop, where wrk is installed."""

import csv
import shutil
from pathlib import Path

import pytest

from limner.evals.bench import memory
from limner.evals.bench.api import files_of, limner, report, run, write_shop


def test_a_made_shop_has_what_it_says(tmp_path: Path) -> None:
    write_shop(tmp_path, items=50, users=4, each=10)
    with (tmp_path / "events.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["user_id"], row["item_id"]) for row in rows}) == len(rows) == 40
    assert {row["user_id"] for row in rows} == {f"u{user}" for user in range(4)}
    assert {row["rating"] for row in rows} == {"2", "5"}


@pytest.mark.slow
def test_a_small_run_measures_every_figure(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("WRK IS MISSING: the API is not measured")
    write_shop(tmp_path, items=60, users=30, each=15)
    limner(tmp_path, "ingest", *files_of(tmp_path))
    limner(tmp_path, "train")
    measured = run(tmp_path, 3, asked=5, users=30)
    assert [figures.asked for figures in measured] == [
        "recommendations",
        "recommendations",
        "explained",
        "profile",
        "first",
    ]
    for figures in measured:
        assert figures.requests > 0
        assert figures.failed == 0
        assert 0 < figures.p50_ms <= figures.p95_ms <= figures.p99_ms
        assert figures.cpu_ms > 0
        assert figures.memory_mb > 50
    assert "ms CPU each" in report(measured).text
    [held] = memory.run(tmp_path, 1, users=30)
    assert held.requests >= 1 and held.memory_mb > 50
