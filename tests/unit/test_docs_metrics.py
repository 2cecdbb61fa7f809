"""docs/metrics.md names every metric and every style, and no other."""

import re
from pathlib import Path

from limner.evals.metrics import METRICS, STYLES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")


def test_every_metric_and_style_is_explained() -> None:
    rows = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    expected = [spec.name if spec.k is None else f"{spec.name}@K" for spec in METRICS.values()]
    assert sorted(named) == sorted([*expected, *STYLES])
