"""Ingest is idempotent, independent of chunks, loses nothing, and where rows have times,
independent of their order.
"""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.errors import BadInputError
from limner.core.schema import IngestReport
from tests.unit.ingesting import Bench

IDS = st.sampled_from(["a", "b", "007", " c ", "", "NaN", "13.0", "é"])
ROWS = st.lists(
    st.tuples(
        IDS,
        IDS,
        st.sampled_from(["view", "purchase", "rating", "like", "addtocart", ""]),
        st.sampled_from(["1", "4.5", "", "x", "99", "-1"]),
        st.sampled_from(["1365029107", "1365029108", "2019-10-01T00:00:00Z", "0", "soon", ""]),
        st.sampled_from(["", "fine", "<b>x</b>", "a &amp; b", 'say "so"', "two\nlines"]),
    ),
    max_size=25,
)
Row = tuple[str, str, str, str, str, str]
Found = list[tuple[object, ...]]


def write(bench: Bench, rows: list[Row]) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["user_id", "item_id", "type", "rating", "timestamp", "note"])
    writer.writerows(rows)
    return bench.write("e.csv", out.getvalue())


def ingested(
    rows: list[Row], chunk_rows: int = 1000, times: int = 1
) -> tuple[list[IngestReport], Found]:
    """The report of each time, and what the store then holds, apart from its numbering."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        path = write(bench, rows)
        try:
            reports = [bench.run(path, chunk_rows, mapping={"scale": [1, 5]}) for _ in range(times)]
        except BadInputError:
            return [], []
        found = [
            (e.event_id, e.user_id, e.item_id, e.type, e.value, e.timestamp, e.text, str(e.context))
            for e in bench.events()
        ]
        bench.store.close()
        return reports, sorted(found, key=str)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_idempotent(rows: list[Row]) -> None:
    once, first = ingested(rows)
    twice, second = ingested(rows, times=2)
    assert first == second
    if twice:
        assert once[0].events.kept == len(first)
        assert twice[1].events.kept == 0
        assert twice[1].events.rejected == once[0].events.rejected


@settings(max_examples=25, deadline=None)
@given(ROWS, st.integers(1, 5))
def test_chunks_change_nothing(rows: list[Row], chunk_rows: int) -> None:
    assert ingested(rows)[1] == ingested(rows, chunk_rows)[1]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_order_changes_nothing_where_rows_have_times(data: st.DataObject) -> None:
    rows = data.draw(ROWS)
    assert ingested(rows)[1] == ingested(data.draw(st.permutations(rows)))[1]
