"""The embedding benchmark runs, and what it is measured beside does the work."""

import pytest

from limner.evals.bench.embed import adder, make_texts, measure, multiplier, report
from limner.testing import FakeEmbedder


@pytest.mark.parametrize("other", [multiplier, adder])
def test_a_small_run_measures_every_figure(other: type) -> None:
    texts = make_texts(70)
    assert len(set(texts)) > 60
    bench = measure(FakeEmbedder(), texts, "numpy", other())
    assert (bench.texts, bench.embedder) == (70, "fake:words")
    assert 5 * 70 < bench.tokens < 60 * 70
    assert min(bench.seconds, bench.beside_seconds) > 0
    assert bench.ratio == bench.seconds / bench.beside_seconds
    assert "numpy" in report([bench]).text
