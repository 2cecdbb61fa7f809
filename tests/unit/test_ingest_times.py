"""Times in every form that tables of the field use."""

from datetime import UTC, datetime

import pytest

from limner.core.interactions import NO_TIME
from limner.ingest.times import are_day_numbers, day_comes_first, is_clock, lacks_zone, parse_times


def read(cell: str, pattern: str = "", day_first: bool = False) -> datetime | None:
    times, bad = parse_times([cell], pattern, day_first)
    assert bad[0] == (bool(cell) and times[0] == NO_TIME)
    return None if times[0] == NO_TIME else datetime.fromtimestamp(times[0] / 1000, UTC)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1365029107", datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)),
        ("1365029107.5", datetime(2013, 4, 3, 22, 45, 7, 500_000, tzinfo=UTC)),
        ("1365029107000", datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)),
        ("1365029107000000", datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)),
        ("1365029107000000000", datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)),
        ("1.365029107e9", datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)),
        ("2019-10-01", datetime(2019, 10, 1, tzinfo=UTC)),
        ("2019-10-01 12:30:00", datetime(2019, 10, 1, 12, 30, tzinfo=UTC)),
        ("2019-10-01T12:30:00Z", datetime(2019, 10, 1, 12, 30, tzinfo=UTC)),
        ("2019-10-01T12:30:00.250+02:00", datetime(2019, 10, 1, 10, 30, 0, 250_000, tzinfo=UTC)),
        ("2019-10-01 00:00:00 UTC", datetime(2019, 10, 1, tzinfo=UTC)),
        ("20191001", datetime(2019, 10, 1, tzinfo=UTC)),
        ("20191001123000", datetime(2019, 10, 1, 12, 30, tzinfo=UTC)),
        ("2019", datetime(2019, 1, 1, tzinfo=UTC)),
        ("10/01/2019", datetime(2019, 10, 1, tzinfo=UTC)),
        ("10/1/2019 8:05", datetime(2019, 10, 1, 8, 5, tzinfo=UTC)),
        ("10/1/2019 8:05:09 PM", datetime(2019, 10, 1, 20, 5, 9, tzinfo=UTC)),
        ("06 17, 2018", datetime(2018, 6, 17, tzinfo=UTC)),
        ("Sat Oct 10 20:19:24 +0000 2020", datetime(2020, 10, 10, 20, 19, 24, tzinfo=UTC)),
        ("Jun 17, 2018", datetime(2018, 6, 17, tzinfo=UTC)),
        ("17-JUN-18", datetime(2018, 6, 17, tzinfo=UTC)),
        ("1st of May 2011", datetime(2011, 5, 1, tzinfo=UTC)),
        ("Thu, 01 Jan 2015 00:00:00 GMT", datetime(2015, 1, 1, tzinfo=UTC)),
        ("2019-10-01 00:00:00 GMT", datetime(2019, 10, 1, tzinfo=UTC)),
        ("10/1/2019, 8:05:09 PM", datetime(2019, 10, 1, 20, 5, 9, tzinfo=UTC)),
        ("1/2/2019 10:00 +0200", datetime(2019, 1, 2, 8, tzinfo=UTC)),
    ],
)
def test_forms(cell: str, expected: datetime) -> None:
    assert read(cell) == expected


@pytest.mark.parametrize(
    "cell",
    [
        "soon",
        "Monday",
        "12:30:00",
        "2019-02-30",
        "13/45/2019",
        "2019-13-01",
        "inf",
        "5 May",
        "October",
        "10 Oct 2020 8:05 PM EST",
    ],
)
def test_what_is_no_time_is_unparseable(cell: str) -> None:
    assert read(cell) is None


def test_a_date_that_does_not_exist_is_unparseable_whichever_order_is_read() -> None:
    assert read("2019-13-01", day_first=True) is None
    assert read("2019-01-02 10:20:30 PM", day_first=True) == datetime(
        2019, 1, 2, 22, 20, 30, tzinfo=UTC
    )


def test_an_empty_cell_is_not_unparseable() -> None:
    times, bad = parse_times(["", "1365029107"])
    assert times[0] == NO_TIME
    assert not bad.any()


def test_day_first() -> None:
    assert read("03/04/2011", day_first=True) == datetime(2011, 4, 3, tzinfo=UTC)
    assert read("03/04/2011", day_first=False) == datetime(2011, 3, 4, tzinfo=UTC)
    # A month 13 does not make the day and month change places for one row.
    assert read("13/04/2011", day_first=False) is None


def test_pattern_overrides_everything() -> None:
    assert read("03.04.2011 05:06", "%d.%m.%Y %H:%M") == datetime(2011, 4, 3, 5, 6, tzinfo=UTC)
    assert read("1365029107", "%Y-%m-%d") is None


def test_years_only_where_all_numbers_are_years() -> None:
    times, _ = parse_times(["1999", "2005", "1200000000"])
    assert times[0] == 1_999_000
    times, _ = parse_times(["1999", "2005"])
    assert times[0] == datetime(1999, 1, 1, tzinfo=UTC).timestamp() * 1000


def test_which_part_of_a_date_is_the_day() -> None:
    assert day_comes_first(["01/02/2011", "13/02/2011"]) is True
    assert day_comes_first(["01/02/2011", "02/13/2011"]) is False
    assert day_comes_first(["01/02/2011"]) is None
    assert day_comes_first(["01.02.2011"]) is True
    assert day_comes_first(["2011-02-01"]) is None


def test_clock_and_zone() -> None:
    assert is_clock(["12:30", "", "01:02:03"])
    assert not is_clock(["12:30", "2019-01-01"])
    assert not is_clock([""])
    assert lacks_zone(["2019-10-01 12:30:00"])
    assert not lacks_zone(
        [
            "2019-10-01T12:30:00Z",
            "2019-10-01 00:00:00 UTC",
            "2019-10-01T12:30:00+02:00",
            "1365029107",
        ]
    )


@pytest.mark.parametrize(
    ("cell", "pattern", "expected"),
    [
        ("45123.5", "excel", datetime(2023, 7, 16, 12, tzinfo=UTC)),
        ("25569", "excel", datetime(1970, 1, 1, tzinfo=UTC)),
        ("45123.2916666667", "excel", datetime(2023, 7, 16, 7, tzinfo=UTC)),
        ("43661", "excel-1904", datetime(2023, 7, 16, tzinfo=UTC)),
        ("soon", "excel", None),
        ("1e300", "excel", None),
    ],
)
def test_day_numbers(cell: str, pattern: str, expected: datetime | None) -> None:
    found = read(cell, pattern)
    assert found == expected if expected is None else found is not None
    if found is not None and expected is not None:
        assert abs((found - expected).total_seconds()) < 0.01


def test_day_numbers_are_told_from_other_numbers() -> None:
    assert are_day_numbers(["45123.5", "", "25569"])
    for cells in (["45123", "1365029107"], ["2019", "45123"], ["45123", "2019-10-01"], [""]):
        assert not are_day_numbers(cells)
