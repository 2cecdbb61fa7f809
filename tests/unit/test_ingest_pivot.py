"""Tables of one attribute a row become tables of one row an item or user."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from limner.core.errors import BadInputError
from limner.ingest import parse_mapping, propose_mapping
from limner.ingest.column_profile import TableProfile
from limner.ingest.mapping import Pivot
from limner.ingest.pivot import looks_pivoted
from tests.unit.ingesting import Bench

ROWS = """sku,attribute,value
k1,title,Blue lamp
k1,colour,blue
k1,price,"12,50 €"
k2,title,Red lamp
k2,colour,red
k1,colour,navy
k2,price,9
k2,,lost
k3,title,Chair
k3,colour,
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("chunk_rows", [2, 100])
def test_a_table_of_attributes_is_pivoted(bench: Bench, chunk_rows: int) -> None:
    told = {"read": {"items": {"pivot": {"name": "attribute", "value": "value"}}}}
    mapping = told if chunk_rows == 2 else None
    path = bench.write("eav.csv", ROWS)
    report = bench.run(items=path, chunk_rows=chunk_rows, mapping=mapping)
    assert (report.items.read, report.items.kept) == (4, 3)
    assert report.items.reasons == {"missing attribute": 1}
    assert bench.rejected(report)[0]["line"] == 9
    items = {item.item_id: item for item in bench.store.items()}
    assert (items["k1"].title, items["k1"].price) == ("Blue lamp", 12.5)
    assert items["k1"].attributes == {"colour": ["blue", "navy"]}
    assert items["k2"].attributes == {"colour": "red"}
    assert (items["k3"].title, items["k3"].attributes) == ("Chair", {})
    (note,) = [one.text for one in report.notes if "one attribute a row" in one.text]
    assert "its 10 rows became 3 rows with 3 columns" in note
    assert "pivot: {name: attribute, value: value}" in note


def test_a_mapping_says_what_to_pivot(bench: Bench) -> None:
    text = "who|what|is|since\nu1|city|Bonn|2020\nu1|age|30|2021\nu2|city|Rome|2022\n"
    pivot = {"name": "what", "value": "is"}
    mapping = {"users": {"user_id": "who"}, "read": {"users": {"pivot": pivot}}}
    bench.run(users=bench.write("u.csv", text), mapping=mapping)
    found = {user.user_id: user.attributes for user in bench.store.users()}
    assert found == {
        "u1": {"city": "Bonn", "age": 30, "since": 2020},
        "u2": {"city": "Rome", "since": 2022},
    }
    mapping["read"] = {"users": {"pivot": {"name": "nope", "value": "is"}}}
    with pytest.raises(BadInputError, match="'nope', which"):
        bench.run(users=str(bench.folder / "u.csv"), mapping=mapping)


def test_init_proposes_the_pivot(bench: Bench) -> None:
    events = bench.write("e.csv", "user_id,sku,date\nu1,k1,45123.5\nu2,k2,45124\nu1,k3,45125\n")
    items = bench.write("eav.csv", ROWS)
    text = propose_mapping([events, items])
    mapping = parse_mapping(yaml.safe_load(text), "proposed")
    assert mapping.read["items"].pivot == Pivot(name="attribute", value="value", key="sku")
    assert mapping.times == "excel"
    report = bench.run(events, items=items, mapping=yaml.safe_load(text))
    assert (report.events.kept, report.items.kept) == (3, 3)
    assert {item.title for item in bench.store.items()} == {"Blue lamp", "Red lamp", "Chair"}


def test_what_looks_like_a_table_of_attributes() -> None:
    def look(header: str, *rows: str) -> Pivot | None:
        cells = [row.split() for row in rows]
        return looks_pivoted(TableProfile(pd.DataFrame(cells, columns=header.split())))

    rows = [f"i{at // 4} p{at % 4} x{at}" for at in range(20)]
    expected = Pivot(name="property", value="value", key="itemid")
    assert look("itemid property value", *rows) == expected
    assert look("timestamp itemid property value", *(f"{at} {row}" for at, row in enumerate(rows)))
    assert look("user_id type item_id", *rows) is None
    assert look("item_id key value", *(f"i{at} p{at} x" for at in range(20))) is None
    assert look("a b property value", *(f"1 {row}" for row in rows)) is not None
    assert look("a b c property value", *(f"1 1 {row}" for row in rows)) is None
