"""The ingest benchmark measures what it says; how fast it is, no test asks."""

from pathlib import Path

from limner.evals.bench.ingest import report, run, write_events


def test_the_file_is_the_same_each_time(tmp_path: Path) -> None:
    write_events(tmp_path / "a.csv", 500)
    write_events(tmp_path / "b.csv", 500)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 501
    assert len(lines[1].split(",")) == len(lines[0].split(","))


def test_a_run(tmp_path: Path) -> None:
    bench = run(1000, tmp_path)
    assert (bench.rows, bench.kept) == (1000, 1000)
    assert bench.ratio == bench.ingest_seconds / bench.pandas_seconds
    assert "ratio" in report(bench).text
    assert not list(tmp_path.iterdir())
