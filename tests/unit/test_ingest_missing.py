"""Which cells stand for nothing, in which column, and that the report says so."""

from pathlib import Path

import pytest

from limner.ingest.mapping import parse_mapping
from limner.ingest.missing import USUAL, MissingCells
from tests.unit.ingesting import Bench

USERS = "user_id,country,city\nu1,NA,Windhoek\nu2,FR,NA\nu3,DE,Bonn\nu4,JP,NULL\nu5,,Rome\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def attributes(bench: Bench) -> dict[str, dict[str, object]]:
    return {user.user_id: dict(user.attributes) for user in bench.store.users()}


@pytest.mark.parametrize(
    ("column", "cells", "is_value"),
    [
        ("country", ["NA", "FR"], True),
        ("home_country", [" NA", "NULL", "ZA"], True),
        ("country", ["NA", "France"], False),
        ("code", ["NA", "FR", "JP", "BR"], True),
        ("state", ["NA", "CA", "NY", "TX", "DE"], False),
        ("code", ["NA", "FR"], False),
        ("grade", ["NA", "A", "B"], False),
    ],
)
def test_na_is_namibia_among_codes_of_countries(
    column: str, cells: list[str], is_value: bool
) -> None:
    words = MissingCells(parse_mapping({}, "test")).words("users", column, cells)
    assert words == (USUAL - {"NA"} if is_value else USUAL)


def test_words_for_nothing_are_said_by_column(bench: Bench) -> None:
    report = bench.run(users=bench.write("u.csv", USERS))
    found = attributes(bench)
    assert found["u1"] == {"country": "NA", "city": "Windhoek"}
    assert found["u2"] == {"country": "FR"}
    assert found["u4"] == {"country": "JP"}
    (note,) = [one.text for one in report.notes if "nothing" in one.text]
    assert '"NA" in city (1), "NULL" in city (1)' in note
    assert "country" not in note
    assert "nothing: {city: []}" in note


def test_a_mapping_names_the_words_of_a_column(bench: Bench) -> None:
    rows = USERS + "u6,-,None\n"
    bench.run(users=bench.write("u.csv", rows), mapping={"nothing": {"city": ["None"]}})
    found = attributes(bench)
    assert found["u2"] == {"country": "FR", "city": "NA"}
    assert found["u6"] == {"country": "-"}
    bench.run(users=bench.write("u.csv", rows), mapping={"nothing": ["-"]})
    assert attributes(bench)["u6"] == {}


def test_many_words_are_counted(bench: Bench) -> None:
    columns = [f"c{n}" for n in range(12)]
    text = ",".join(["user_id", *columns]) + "\nu1" + ",NaN" * 12 + "\nu2" + ", NaN " * 12 + "\n"
    report = bench.run(users=bench.write("u.csv", text))
    (note,) = [one.text for one in report.notes if "nothing" in one.text]
    assert '"NaN" in c0 (2)' in note
    assert "4 more" in note
