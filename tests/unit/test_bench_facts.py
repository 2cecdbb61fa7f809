"""The facts benchmark runs, and what it counts is there."""

from limner.evals.bench.facts import report, run


def test_a_small_run_measures_every_figure() -> None:
    bench = run(users=40, events=2_000)
    assert (bench.users, bench.events) == (40, 2_000)
    assert bench.facts > 40
    assert min(bench.population_seconds, bench.facts_seconds, bench.pandas_seconds) > 0
    assert bench.ratio == bench.facts_seconds / bench.pandas_seconds
    assert "pandas groupby" in report(bench).text
