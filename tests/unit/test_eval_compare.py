"""Comparing two runs: paired by user, corrected over the table, honest where nothing can be
tested.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from limner.cli import main
from limner.core.errors import BadInputError, UsageError
from limner.core.messages import plain
from limner.evals.compare import compare
from limner.evals.metrics import paired_test
from limner.evals.records import SystemResult
from limner.evals.runs import load_run
from tests.unit.eval_runs import (
    HOSTILE,
    NAMED,
    USERS,
    RecordOptions,
    evaluation,
    made_up,
    write_run,
)

WEAK, STRONG = made_up({"limner": 0.10}, seed=1), made_up({"limner": 0.16}, seed=1)
"""The same users, the second system better in ndcg and less novel."""


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_run(tmp_path / "before", evaluation(WEAK), WEAK),
        write_run(tmp_path / "after", evaluation(STRONG), STRONG),
    )


def test_it_says_which_is_significantly_better(runs: tuple[Path, Path]) -> None:
    a, b = map(load_run, runs)
    found = compare(a, b)
    line = {one.metric: one for one in found.lines}
    ndcg = line["ndcg@10"]
    expected = paired_test(
        np.array(STRONG["limner"]["ndcg@10"]), np.array(WEAK["limner"]["ndcg@10"])
    )
    assert ndcg.verdict == "B better"
    assert (ndcg.difference, ndcg.ci95) == (expected.diff, (expected.low, expected.high))
    assert (ndcg.p, ndcg.n) == (expected.p, USERS)
    assert line["novelty@10"].verdict == "A better"
    assert line["coverage@10"].verdict == "untested" and line["coverage@10"].p is None
    assert [one.metric for one in found.worse] == ["novelty@10", "ild@10"]


def test_lengths_of_history_are_compared_by_themselves(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = map(load_run, runs)
    found = compare(a, b)
    assert [(one.metric, one.bucket) for one in found.buckets] == [
        ("ndcg@10", one) for one in NAMED
    ]
    assert sum(one.n for one in found.buckets) == found.lines[0].n
    assert all(
        one.p is not None and one.p_holm is not None and one.p_holm >= one.p
        for one in found.buckets
    )
    assert not any(one.bucket for one in found.lines)
    assert main(["eval", "compare", *map(str, runs)]) == 0
    assert "5-19, n=50" in capsys.readouterr().out


def test_p_is_corrected_over_the_table(runs: tuple[Path, Path]) -> None:
    a, b = map(load_run, runs)
    found = compare(a, b)
    tested = sorted(
        (one.p, one.p_holm) for one in found.lines if one.p is not None and one.p_holm is not None
    )
    assert len(tested) == 4
    assert tested[0][1] == pytest.approx(4 * tested[0][0])
    [alone] = compare(a, b, metrics=["ndcg@10"]).lines
    assert alone.p_holm == alone.p


def test_less_is_better_where_it_is(tmp_path: Path) -> None:
    runs = []
    for name, level in (("a", 1.0), ("b", 0.5)):
        values = {"limner": {"calibration@10": [level + at / 100 for at in range(50)]}}
        runs.append(load_run(write_run(tmp_path / name, evaluation(values), values)))
    a, b = runs
    assert [one.verdict for one in compare(a, b).lines if one.metric != "coverage@10"] == [
        "B better"
    ]


def test_a_metric_nobody_knows_only_differs(tmp_path: Path) -> None:
    runs = []
    for name, level in (("a", 1.0), ("b", 0.5)):
        values = {"limner": {"surprise": [level + at / 100 for at in range(50)]}}
        runs.append(load_run(write_run(tmp_path / name, evaluation(values), values)))
    a, b = runs
    found = compare(a, b, metrics=["surprise"])
    assert [one.verdict for one in found.lines] == ["differs"]
    assert not found.worse


def test_users_of_one_run_only_are_counted(tmp_path: Path) -> None:
    a = load_run(write_run(tmp_path / "a", evaluation(WEAK), WEAK))
    b = load_run(write_run(tmp_path / "b", evaluation(STRONG), STRONG, first=20))
    found = compare(a, b, ["ndcg@10"])
    assert found.lines[0].n == USERS - 20
    assert any("40 users are in one run only" in note.text for note in found.notes)


def test_without_values_by_user_nothing_is_tested(tmp_path: Path) -> None:
    a = load_run(write_run(tmp_path / "a", evaluation(WEAK)))
    b = load_run(write_run(tmp_path / "b", evaluation(STRONG), STRONG))
    found = compare(a, b)
    assert {one.verdict for one in found.lines} == {"untested"}
    assert found.lines[0].difference == pytest.approx(b.evaluation.systems[0].metrics["ndcg@10"].mean - a.evaluation.systems[0].metrics["ndcg@10"].mean)  # type: ignore[operator]  # fmt: skip  # noqa: E501
    assert any("Nothing is tested" in note.text for note in found.notes)
    with pytest.raises(UsageError, match="Nothing is tested"):
        compare(a, b, need_tests=True)


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "kmrd"},
        {"split": "global-time"},
        {"digest": "f" * 16},
        {"candidates": "sampled 100"},
        {"style": "lenskit"},
    ],
)
def test_other_questions_cannot_be_compared(tmp_path: Path, other: RecordOptions) -> None:
    a = load_run(write_run(tmp_path / "a", evaluation(WEAK)))
    b = load_run(write_run(tmp_path / "b", evaluation(STRONG, **other)))
    with pytest.raises(BadInputError, match=str(next(iter(other.values())))):
        compare(a, b)


def test_two_systems_of_one_run(tmp_path: Path) -> None:
    values = made_up({"popular": 0.05, "ease": 0.12, "limner": 0.12})
    failed = SystemResult(name="bpr", state="failed", why=plain("no memory"))
    run = load_run(write_run(tmp_path / "run", evaluation(values, more=[failed]), values))
    found = compare(run, run, system="popular", against="limner")
    assert {(one.a, one.b) for one in found.lines} == {("popular", "limner")}
    assert {one.metric: one.verdict for one in found.lines}["ndcg@10"] == "B better"
    assert any("bpr failed" in note.text and "no memory" in note.text for note in found.notes)
    with pytest.raises(UsageError, match="no system 'bpr'"):
        compare(run, run, system="bpr")
    assert {one.verdict for one in compare(run, run).lines} == {"no difference", "untested"}


def test_systems_without_a_common_name(tmp_path: Path) -> None:
    def run(folder: str, *names: str) -> Path:
        values = made_up(dict.fromkeys(names, 0.1))
        return write_run(tmp_path / folder, evaluation(values), values)

    one, other = load_run(run("a", "ease")), load_run(run("b", "als"))
    assert {(line.a, line.b) for line in compare(one, other).lines} == {("ease", "als")}
    with pytest.raises(UsageError, match="--against"):
        compare(one, load_run(run("c", "als", "bpr")))
    with pytest.raises(UsageError, match="metric 'mrr@5'"):
        compare(one, other, ["mrr@5"])


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="There is no run"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text('{"dataset": "x"}', encoding="utf-8")
    with pytest.raises(BadInputError, match="split"):
        load_run(tmp_path)
    folder = write_run(tmp_path / "run", evaluation(WEAK), WEAK)
    (folder / "per_user.parquet").write_bytes(b"PAR")
    with pytest.raises(BadInputError, match="no Parquet table"):
        load_run(folder)
    twice = {"limner": WEAK["limner"]}
    write_run(folder, evaluation(twice), twice)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "per_user.parquet")
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), folder / "per_user.parquet")
    with pytest.raises(BadInputError, match="'u000' of system 'limner' twice"):
        load_run(folder)
    pq.write_table(table.drop_columns(["bucket"]), folder / "per_user.parquet")
    with pytest.raises(BadInputError, match="no column 'bucket'"):
        load_run(folder)


def test_the_command(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    before, after = map(str, runs)
    assert main(["eval", "compare", before, after, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["metric"] for one in document["lines"]][:2] == ["ndcg@10", "hit@10"]
    assert main(["eval", "compare", before, after, "--metrics", "ndcg@10", "--fail-if-worse"]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if "ndcg@10" in line]
    assert row.split()[-2] == "B", "also on 80 columns"
    assert (
        main(
            ["eval", "compare", after, before, "--metrics", "ndcg@10", "--fail-if-worse", "--json"]
        )
        == 100
    )
    assert json.loads(capsys.readouterr().out)["lines"][0]["verdict"] == "A better"
    assert main(["eval", "compare", after, before, "--metrics", "ndcg@10"]) == 0


def test_hostile_names_are_shown_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"\x1b[31m{HOSTILE}[/red]"
    values = made_up({name: 0.1})
    run = str(write_run(tmp_path / "run", evaluation(values, dataset=name), values))
    assert main(["eval", "compare", run, run]) == 0
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
