"""The metrics benchmark runs, and its lists are what it says they are."""

from pathlib import Path

import numpy as np

from limner.evals.bench.metrics import ITEMS, accuracy, make, report, run


def test_the_lists_are_whole() -> None:
    data = make(200)
    assert all(len(set(row)) == len(row) for row in data.lists.tolist())
    relevant = [
        data.indices[a:b].tolist() for a, b in zip(data.indptr[:-1], data.indptr[1:], strict=True)
    ]
    assert all(len(set(one)) == len(one) for one in relevant)
    assert data.lists.max() < ITEMS and data.indices.max() < ITEMS
    hits, values = accuracy(data)
    assert 0.01 < hits.sum() / len(data.indices) < 0.2
    assert values.shape == (7, 200) and np.isfinite(values).all()


def test_a_small_run_measures_every_figure(tmp_path: Path) -> None:
    bench = run(300, 50, python=tmp_path / "none")
    seconds = (
        bench.accuracy_seconds,
        bench.interval_seconds,
        bench.beyond_seconds,
        bench.paired_seconds,
    )
    assert min(*seconds, bench.shared_seconds) > 0
    assert bench.ranx_seconds is None and "not installed" in report(bench).text
