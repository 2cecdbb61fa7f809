"""What the cells of a whole column decide: day numbers as times, one type a column."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.ingesting import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_day_numbers_of_a_spreadsheet_are_times(bench: Bench) -> None:
    path = bench.write("e.csv", "user_id,item_id,date\nu1,i1,45123.5\nu2,i2,45124\n")
    report = bench.run(path)
    assert bench.events()[0].timestamp == datetime(2023, 7, 16, 12, tzinfo=UTC)
    assert any("day numbers of a spreadsheet" in note.text for note in report.notes)
    other = bench.write("f.csv", "user_id,item_id,date\nu3,i1,43661\nu2,i2,1200\n")
    bench.run(other, mapping={"times": "excel-1904"})
    assert bench.events()[2].timestamp == datetime(2023, 7, 16, tzinfo=UTC)
    plain = bench.write("g.csv", "user_id,item_id,date\nu4,i1,1365029107\nu4,i2,45124\n")
    assert not any("day numbers" in note.text for note in bench.run(plain).notes)
    assert bench.events()[-2].timestamp == datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_a_column_has_one_type(bench: Bench, chunk_rows: int) -> None:
    rows = [
        ("u1", "85711", "38", "1990", "4.50"),
        ("u2", "01002", "XL", "2000", "3"),
        ("u3", "", "40", "NULL", ""),
        ("u4", "94043", "M", "1985", "2"),
    ]
    text = "".join(",".join(row) + "\n" for row in rows)
    path = bench.write("u.csv", "user_id,area,size,born,mark\n" + text)
    report = bench.run(users=path, chunk_rows=chunk_rows)
    found = {user.user_id: dict(user.attributes) for user in bench.store.users()}
    assert found == {
        "u1": {"area": "85711", "size": "38", "born": 1990, "mark": 4.5},
        "u2": {"area": "01002", "size": "XL", "born": 2000, "mark": 3},
        "u3": {"size": "40"},
        "u4": {"area": "94043", "size": "M", "born": 1985, "mark": 2},
    }
    (note,) = [one.text for one in report.notes if "kept as text" in one.text]
    assert note.endswith("kept as text in the users table: area.")


def test_codes_are_text_by_their_name_too(bench: Bench) -> None:
    bench.run(users=bench.write("u.csv", "user_id,zip_code,phone,zipper\nu1,85711,5551234,3\n"))
    (user,) = bench.store.users()
    assert user.attributes == {"zip_code": "85711", "phone": "5551234", "zipper": 3}


def test_items_and_contexts_have_one_type_a_column_too(bench: Bench) -> None:
    events = bench.write("e.csv", "user_id,item_id,zip\nu1,i1,07001\nu1,i2,12001\n")
    items = bench.write("i.csv", "item_id,title,code\ni1,A,0042\ni2,B,4711\n")
    bench.run(events, items=items)
    assert [event.context for event in bench.events()] == [{"zip": "07001"}, {"zip": "12001"}]
    assert [item.attributes for item in bench.store.items()] == [{"code": "0042"}, {"code": "4711"}]
