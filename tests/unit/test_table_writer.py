"""Tables written row by row, whole or not at all."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from limner.cli.table_writer import Kind, check_ending, writing_rows
from limner.core.errors import BadInputError

COLUMNS: dict[str, Kind] = {"user_id": "text", "rank": "whole", "probability": "number"}
ROWS = [("u,1", 1, 0.5), ('"기생충"\n', 2, None)]


def written(file: Path) -> None:
    with writing_rows(file, COLUMNS) as sink:
        sink.write(ROWS[:1])
        sink.write([])
        sink.write(ROWS[1:])


def test_every_kind_of_table_holds_the_rows(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv", "a.JSONL"):
        written(tmp_path / name)
    assert [
        tuple(row.values()) for row in pq.read_table(tmp_path / "a.parquet").to_pylist()
    ] == ROWS
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            list(COLUMNS),
            ["u,1", "1", "0.5"],
            ['"기생충"\n', "2", ""],
        ]
    lines = (tmp_path / "a.JSONL").read_text(encoding="utf-8").splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == ROWS
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.JSONL", "a.csv", "a.parquet"]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_a_table_without_rows_is_one(name: str, tmp_path: Path) -> None:
    with writing_rows(tmp_path / name, COLUMNS):
        pass
    if name == "a.parquet":
        assert pq.read_table(tmp_path / name).column_names == list(COLUMNS)
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_what_fails_halfway_leaves_the_file_that_was_there(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("before")
    with pytest.raises(RuntimeError), writing_rows(tmp_path / name, COLUMNS) as sink:
        sink.write(ROWS)
        raise RuntimeError
    assert (tmp_path / name).read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_not_there_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no folder '.*nowhere'"):
        check_ending(tmp_path / "nowhere" / "table.csv")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"\.parquet, \.csv or \.jsonl"):
        written(tmp_path / "a.txt")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(BadInputError, match="folder"):
        written(tmp_path / "b.csv")


def test_a_spreadsheet_runs_nothing_of_a_csv_file(tmp_path: Path) -> None:
    rows = [("=cmd|' /C calc'!A0", -1), ("@SUM(A1)", 2), ("-1", 3), ("+49,5", 4), ("plain", 5)]
    with writing_rows(tmp_path / "a.csv", {"title": "text", "n": "whole"}) as sink:
        sink.write(rows)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        titles = [row[0] for row in list(csv.reader(file))[1:]]
    assert titles == ["'=cmd|' /C calc'!A0", "'@SUM(A1)", "-1", "+49,5", "plain"]
