"""The ranking benchmark runs, and its shop is what it says it is."""

from pathlib import Path

import numpy as np

from limner.evals.bench.rank import make, report, run


def test_the_shop_is_sorted_and_whole() -> None:
    shop = make(300, 4_000)
    x = shop.events
    assert (
        len(x) == 4_000 and len(x.item_ids) == len(shop.items) == len(shop.vectors.item_ids) == 300
    )
    same = x.user[1:] == x.user[:-1]
    assert (x.user[1:] >= x.user[:-1]).all() and (x.time[1:] >= x.time[:-1])[same].all()
    assert np.linalg.norm(shop.vectors.vectors, axis=1).round(4).tolist() == [1.0] * 300
    counts = np.sort(np.bincount(x.item, minlength=300))[::-1]
    assert counts[:30].sum() > 2 * counts[-150:].sum()  # a long tail


def test_a_small_run_measures_every_figure(tmp_path: Path) -> None:
    bench = run(120, 3_000, asked=4, python=tmp_path / "none")
    assert (
        bench.items == 120
        and bench.users == 150
        and bench.training_seconds > 0
        and bench.peak_mib > 50
    )
    assert 0 < bench.limner_ms <= bench.limner_p95_ms
    assert set(bench.others_ms) == {"implicit, ALS", "implicit, item-item"}
    assert "times as long" in report(bench).text
