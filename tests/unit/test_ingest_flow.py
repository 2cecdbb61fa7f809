"""What becomes of every row: kept, merged or rejected with a reason; and what is made of each
field.
"""

import errno
import gc
import json
import time
from pathlib import Path

import pytest

from limner.core.errors import BadInputError, StoreFullError
from limner.core.schema import Scale
from limner.ingest import Sources, ingest, load_mapping, parse_mapping
from limner.ingest.clean import clean_text, price_of
from limner.store import Counts
from tests.unit.ingesting import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


HEAD = "user_id,item_id,rating,timestamp\n"


def test_reading_leaves_the_cycle_collector_of_its_process_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, ...]] = []
    monkeypatch.setattr(gc, "set_threshold", lambda *thresholds: calls.append(thresholds))
    bench.run(bench.write("e.csv", HEAD + "u1,i1,4,1365029107\n"))
    assert calls == []


# ---------------------------------------------------------------- bad rows


def test_each_bad_row_is_rejected_with_line_and_reason(bench: Bench) -> None:
    ahead = int(time.time()) + 3 * 86_400
    text = HEAD + "".join(
        line + "\n"
        for line in (
            "u1,i1,4,1365029107",
            ",i1,4,1365029107",
            "u1,,4,1365029107",
            "NaN,i1,4,1365029107",
            "u1,i1,great,1365029107",
            "u1,i1,inf,1365029107",
            "u1,i1,9,1365029107",
            "u1,i1,4,soon",
            "u1,i1,4,",
            "u1,i1,4,-5",
            "u1,i1,4,0",
            f"u1,i1,4,{ahead}",
            "u1,i1,4,1365029107,extra",
            "u\x00,i1,4,1365029107",
            "x" * 300 + ",i1,4,1365029107",
        )
    )
    report = bench.run(bench.write("e.csv", text), mapping={"scale": [1, 5]})
    assert (report.events.read, report.events.kept, report.events.rejected) == (15, 1, 14)
    assert report.events.reasons == {
        "impossible time": 3,
        "missing user_id": 2,
        "unparseable rating": 2,
        "missing item_id": 1,
        "rating out of scale": 1,
        "unparseable timestamp": 1,
        "missing timestamp": 1,
        "wrong number of cells": 1,
        "user_id too long": 1,
        "NUL in a cell": 1,
    }
    rows = bench.rejected(report)
    assert [row["line"] for row in rows] == list(range(3, 17))
    assert rows[0] == {
        "table": "events",
        "file": "e.csv",
        "line": 3,
        "reason": "missing user_id",
        "row": {"user_id": "", "item_id": "i1", "rating": "4", "timestamp": "1365029107"},
    }


@pytest.mark.parametrize("broken", [b"\xed\xa0\x80", b"\xff", b"\xe4\xb8"])
def test_a_broken_byte_is_read_and_said(bench: Bench, broken: bytes) -> None:
    lines = [
        b"user_id,item_id,text,note",
        "u1,i1,Café,ok".encode(),
        b"u2,i2,ba" + broken + b"d,ok",
        "u3,i3,naïve,é à ü ö ñ".encode(),
        b"u4,i4,fine,no" + broken + b"te",
    ]
    report = bench.run(bench.write("e.csv", b"\n".join(lines) + b"\n"))
    assert (report.events.kept, report.events.rejected) == (4, 0)
    mark = "\ufffd" * len(broken)
    assert [e.text for e in bench.events()] == ["Café", f"ba{mark}d", "naïve", "fine"]
    assert bench.events()[3].context == {"note": f"no{mark}te"}
    (note,) = [n.text for n in report.notes if "\ufffd" in n.text]
    assert "2 rows" in note
    assert "line 3" in note
    assert f"ba{mark}d" in note
    assert "read: {events: {encoding:" in note


def test_a_broken_byte_in_an_id_costs_its_row(bench: Bench) -> None:
    lines = [b"user_id,item_id,text", "u1,i1,Café".encode(), b"u\xff,i2,ok", b"u2,i2\x00,ok"]
    report = bench.run(bench.write("e.csv", b"\n".join(lines) + b"\n"))
    assert report.events.reasons == {"broken letter in an id": 1, "NUL in a cell": 1}
    assert [row["line"] for row in bench.rejected(report)] == [3, 4]


def test_broken_text_in_json(bench: Bench) -> None:
    lines = [
        '{"user_id": "u1", "item_id": "a\\ud800"}',
        '{"user_id": "u1", "item_id": "i\\u0000"}',
        "{oops",
        "[1]",
        '{"user_id": "u1", "item_id": "i1", "x": {"y": 1}}',
    ]
    report = bench.run(bench.write("e.jsonl", "\n".join(lines)))
    assert report.events.kept == 1
    assert report.events.reasons == {
        "broken letter in an id": 1,
        "NUL in a cell": 1,
        "not valid JSON": 2,
    }
    assert "{oops" in json.dumps(bench.rejected(report))


@pytest.mark.parametrize("table", ["items", "users"])
def test_bad_rows_of_items_and_users(bench: Bench, table: str) -> None:
    key = table[:-1]
    path = bench.write("t.csv", f"{key}_id,title\na,A\n,B\nb,C\x00\na,A\n")
    report = bench.run(items=path) if table == "items" else bench.run(users=path)
    counts = report.items if table == "items" else report.users
    assert (counts.read, counts.kept, counts.merged, counts.rejected) == (4, 1, 1, 2)
    assert counts.reasons == {f"missing {key}_id": 1, "NUL in a cell": 1}


def test_reading_again_changes_nothing(bench: Bench) -> None:
    events = bench.write("e.csv", HEAD + "u1,i1,4,1365029107\n,i1,4,1\nu2,i1,4,1365029107\n")
    items = bench.write("i.csv", "item_id,title\ni1,One\ni2,Two\n")
    first = bench.run(events, items=items)
    before = bench.events(), bench.store.items(), bench.store.scales()
    # Under another name, too: the file's name is no part of an event.
    again = bench.run(bench.write("copy.csv", Path(events).read_text()), items=items)
    assert (again.events.kept, again.events.merged, again.events.rejected) == (0, 2, 1)
    assert (again.items.kept, again.items.merged) == (0, 2)
    assert (bench.events(), bench.store.items()) == before[:2]
    assert first.rejected_file is not None


def test_the_same_rejected_rows_make_one_file(bench: Bench) -> None:
    events = bench.write("e.csv", HEAD + "u1,i1,4,1365029107\n,i1,4,1\n")
    assert bench.run(events).rejected_file == bench.run(events).rejected_file
    assert len(list((bench.store.folder / "rejected").iterdir())) == 1


# ---------------------------------------------------------------- identity


def test_equal_purchases_survive_and_equal_ratings_merge(bench: Bench) -> None:
    text = (
        "user_id,item_id,event_type,value,timestamp\n"
        + "u,i,purchase,1,1365029107\n" * 3
        + "u,i,like,,1365029107\n" * 2
    )
    report = bench.run(bench.write("e.csv", text))
    assert (report.events.kept, report.events.merged) == (4, 1)
    assert bench.run(str(bench.folder / "e.csv")).events.kept == 0


def test_given_ids(bench: Bench) -> None:
    text = "event_id,user_id,item_id\n1,u,i\n2,u,i\n1,u,i\n2,u,other\n,u,i\n"
    report = bench.run(bench.write("e.csv", text))
    assert (report.events.kept, report.events.merged) == (2, 1)
    assert report.events.reasons == {"event_id used for another event": 1, "missing event_id": 1}
    assert {row["line"] for row in bench.rejected(report)} == {5, 6}
    assert sorted(event.event_id for event in bench.events()) == ["1", "2"]


def test_an_id_column_of_events_is_neither_item_nor_event_id(bench: Bench) -> None:
    bench.run(bench.write("e.csv", "id,user_id,product_id\n1,u,p\n"))
    event = bench.events()[0]
    assert (event.item_id, event.context) == ("p", {"id": 1})
    with pytest.raises(BadInputError, match="missing item_id"):
        bench.run(bench.write("f.csv", "id,user_id\n1,u\n"))


def test_ids_stay_as_they_are(bench: Bench) -> None:
    bench.run(bench.write("e.csv", "user_id,item_id\n13995.0,0002844\n 007 ,1e5\n"))
    assert [(e.user_id, e.item_id) for e in bench.events()] == [
        ("13995", "0002844"),
        ("007", "1e5"),
    ]


# ---------------------------------------------------------------- types


def test_types(bench: Bench) -> None:
    kinds = [
        "view",
        "addtocart",
        "add_to_cart",
        "transaction",
        "Favorite",
        "listen",
        "wishlist",
        "",
    ]
    text = "user_id,item_id,action\n" + "".join(f"u,i{n},{kind}\n" for n, kind in enumerate(kinds))
    bench.run(bench.write("e.csv", text), mapping={"types": {"wishlist": "like"}})
    assert [e.type for e in bench.events()] == [
        "view",
        "cart",
        "cart",
        "purchase",
        "like",
        "play",
        "like",
        "view",
    ]


def test_types_that_are_not_given(bench: Bench) -> None:
    bench.run(
        bench.write(
            "e.csv", "user_id,item_id,rating,review\nu,a,4,fine\nu,b,4,\nu,c,,only words\nu,d,,\n"
        )
    )
    assert [(e.type, e.value, e.text) for e in bench.events()] == [
        ("rating", 4.0, "fine"),
        ("rating", 4.0, ""),
        ("review", None, "only words"),
        ("view", None, ""),
    ]


def test_events_without_an_item(bench: Bench) -> None:
    text = (
        "user_id,item_id,type,text\nu,,search,red "
        "shoes\nu,,answer,vegetarian\nu,,preference,no horror\n"
        "u,,comment,nice shop\nu,,purchase,x\nu,,view,\n"
    )
    report = bench.run(bench.write("e.csv", text))
    assert report.events.reasons == {"missing item_id": 2}
    assert [(e.type, e.item_id, e.text) for e in bench.events()][:2] == [
        ("search", None, "red shoes"),
        ("answer", None, "vegetarian"),
    ]
    assert bench.run(bench.write("s.csv", "user_id,type,query\nu,search,blue\n")).events.kept == 1


def test_returns(bench: Bench) -> None:
    text = "user_id,item_id,quantity,invoice\nu,a,2,536\nu,b,-2,536\nu,c,2,C536\n"
    mapping = {
        "events": {"type": {"constant": "purchase"}, "value": "quantity"},
        "returns": "invoice=C",
    }
    bench.run(bench.write("e.csv", text), mapping=mapping)
    assert [(e.type, e.value) for e in bench.events()] == [
        ("purchase", 2.0),
        ("return", -2.0),
        ("return", 2.0),
    ]
    assert bench.events()[0].context == {"invoice": 536}


# ---------------------------------------------------------------- scales, times, notes


def test_scales(bench: Bench) -> None:
    report = bench.run(bench.write("seen.csv", HEAD + "u,i,2,1365029107\nu,j,4,1365029107\n"))
    assert bench.store.scales()["seen"] == Scale(source="seen", low=2, high=4)
    assert any("from 2 to 4, as observed" in note.text for note in report.notes)
    bench.run(str(bench.folder / "seen.csv"), mapping={"scale": [1, 5], "source": "told"})
    assert bench.store.scales()["told"] == Scale(source="told", low=1, high=5, declared=True)


def test_a_scale_binds_ratings_and_reviews_only(bench: Bench) -> None:
    text = "user_id,item_id,type,rating\nu,a,rating,7\nu,b,review,7\nu,c,purchase,7\n"
    report = bench.run(bench.write("e.csv", text), mapping={"scale": [1, 5]})
    assert report.events.reasons == {"rating out of scale": 2}


def test_no_time_is_said(bench: Bench) -> None:
    report = bench.run(bench.write("e.csv", "user_id,item_id\nu,b\nu,a\n"))
    assert any("no time column: the order of its rows" in note.text for note in report.notes)
    assert [e.item_id for e in bench.store.events("u")] == ["b", "a"]
    report = bench.run(bench.write("f.csv", "user_id,item_id,timestamp\nu,x,\nu,y,\n"))
    assert report.events.kept == 2
    assert any("holds no time" in note.text for note in report.notes)


def test_zone_and_date_order_are_said(bench: Bench) -> None:
    report = bench.run(
        bench.write("e.csv", "user_id,item_id,date\nu,i,01/02/2011\nu,i,13/02/2011\n")
    )
    assert any("day/month/year" in note.text for note in report.notes)
    assert any("no zone and were read as UTC" in note.text for note in report.notes)
    assert [e.timestamp.month for e in bench.events() if e.timestamp] == [2, 2]
    report = bench.run(bench.write("f.csv", "user_id,item_id,date\nu,z,01/02/2011\n"))
    assert any("no date tells" in note.text for note in report.notes)
    bench.run(
        bench.write("g.csv", "user_id,item_id,date\nu,q,01/02/2011\n"),
        mapping={"times": "%d/%m/%Y"},
    )
    assert next(e.timestamp.month for e in bench.events() if e.item_id == "q" and e.timestamp) == 2


@pytest.mark.parametrize("chunk_rows", [1, 2, 100_000])
def test_times_that_begin_late_are_times(bench: Bench, chunk_rows: int) -> None:
    """Rows before the first time are rejected for want of one, however the file is cut; none loses
    its time.
    """
    rows = "u,a,\nu,b,\nu,c,25/12/2011\nu,d,\nu,e,13/02/2012\n"
    report = bench.run(bench.write("e.csv", "user_id,item_id,timestamp\n" + rows), chunk_rows)
    assert report.events.reasons == {"missing timestamp": 3}
    assert {e.item_id: e.timestamp.month for e in bench.events() if e.timestamp} == {
        "c": 12,
        "e": 2,
    }
    assert any("day/month/year" in note.text for note in report.notes)


def test_date_and_time_of_day_apart(bench: Bench) -> None:
    bench.run(bench.write("e.csv", "user_id,item_id,date,time\nu,i,2019-10-01,12:30:05\n"))
    event = bench.events()[0]
    assert event.timestamp is not None
    assert event.timestamp.isoformat() == "2019-10-01T12:30:05+00:00"
    report = bench.run(bench.write("f.csv", "user_id,item_id,time\nu,j,12:30:05\n"))
    assert any("time of day without a date" in note.text for note in report.notes)
    assert bench.events()[1].context == {"time": "12:30:05"}


def test_relative_times_are_said(bench: Bench) -> None:
    report = bench.run(bench.write("e.csv", "user_id,item_id,timestamp\nu,i,10\nu,j,20\n"))
    assert any("end before 1980" in note.text for note in report.notes)


def test_items_without_a_title_are_counted(bench: Bench) -> None:
    items = bench.write("i.csv", "item_id,title\na,A\n")
    report = bench.run(bench.write("e.csv", "user_id,item_id\nu,a\nu,b\nv,b\nv,c\n"), items=items)
    assert "Items without a title: 2; events about them: 3." in [note.text for note in report.notes]
    assert bench.store.counts().items == 3


# ---------------------------------------------------------------- fields


def test_columns_that_are_not_named_are_kept(bench: Bench) -> None:
    events = bench.write(
        "e.csv", "user_id,item_id,rating,quantity,Device Kind,zip\nu,i,4,2,phone,01234\n"
    )
    items = bench.write("i.csv", "item_id,title,Country,release year\ni,A,Peru,1999\n")
    users = bench.write("u.csv", "user_id,age,note\nu,31,a &amp; b\n")
    report = bench.run(events, items=items, users=users)
    assert bench.events()[0].context == {"quantity": 2, "device_kind": "phone", "zip": "01234"}
    item, user = bench.store.item("i"), bench.store.user("u")
    assert item is not None
    assert user is not None
    assert item.attributes == {"country": "Peru", "release_year": 1999}
    assert user.attributes == {"age": 31, "note": "a & b"}
    assert any(
        "became context of events: quantity, device_kind, zip" in note.text for note in report.notes
    )


def test_named_columns_beyond_the_canonical_become_context(bench: Bench) -> None:
    mapping = {
        "events": {
            "place": {"column": "shop"},
            "tags": {"column": "marks", "separator": "/"},
            "kind": {"constant": "x"},
        }
    }
    bench.run(bench.write("e.csv", "user_id,item_id,shop,marks\nu,i,Riga,a/b\n"), mapping=mapping)
    assert bench.events()[0].context == {"place": "Riga", "tags": ["a", "b"], "kind": "x"}


def test_two_columns_of_one_clean_name_both_stay(bench: Bench) -> None:
    bench.run(bench.write("e.csv", "user_id,item_id,Shop Name,shop-name\nu,i,A,B\n"))
    assert sorted(map(str, bench.events()[0].context.values())) == ["A", "B"]


def test_recbole_items(bench: Bench) -> None:
    head = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    text = head + "1\tToy Story\t1995\tAnimation Comedy\n"
    bench.run(items=bench.write("m.item", text))
    item = bench.store.item("1")
    assert item is not None
    assert (item.title, item.categories) == ("Toy Story", ["Animation", "Comedy"])
    assert item.attributes["release_year"] == 1995


def test_a_value_that_is_no_number_is_context(bench: Bench) -> None:
    report = bench.run(bench.write("e.csv", "user_id,item_id,duration\nu,a,3:45\nu,b,2:10\n"))
    assert report.events.kept == 2
    assert bench.events()[0].context == {"duration": "3:45"}


def test_numbers_with_commas(bench: Bench) -> None:
    bench.run(bench.write("e.csv", 'user_id;item_id;rating\nu;a;4,5\nu;b;"1.234,5"\nu;c;1,234.5\n'))
    assert [e.value for e in bench.events()] == [4.5, 1234.5, 1234.5]


@pytest.mark.parametrize(
    ("cell", "price"),
    [
        ("$25.00", 25.0),
        ("12,50 €", 12.5),
        ("1,234.50", 1234.5),
        ("1.234,50", 1234.5),
        ("9.99 USD", 9.99),
        ("EUR 1 234,50", 1234.5),
        ("1'234.50 CHF", 1234.5),
        ("19.999", 19.999),
        ("2 for 5", None),
        ("0", 0.0),
        ("", None),
        ("free", None),
        ("$5 - $10", None),
        ("-3", None),
    ],
)
def test_prices(cell: str, price: float | None) -> None:
    assert price_of(cell) == price


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("<b>Bold</b> <br/>move", "Bold move"),
        ("&lt;i&gt;set&lt;/i&gt;", "set"),
        ("a<script>alert('x')</script>b", "a b"),
        ("a<!-- hidden -->b", "a b"),
        ("I <3 it, 1 < 2 > 0", "I <3 it, 1 < 2 > 0"),
        ("tab\there\r\n  and\u200b there\x07", "tab here and there"),
        ("left\u202eright", "left right"),
        ("семь 영화", "семь 영화"),
        ('<a data-hook="link" class=x href="/dp/1?a=1">Here</a> it<BR clear=all/>is', "Here it is"),
        ("How to use <canvas> in a < b", "How to use <canvas> in a < b"),
        ("if a <b and c> d, List<String> too", "if a <b and c> d, List<String> too"),
        ("the <script> tag, never closed", "the <script> tag, never closed"),
        ("&amp;lt;br&amp;gt; is a line break", "&lt;br&gt; is a line break"),
        ("<p>One<p>Two<li>three", "One Two three"),
        ("<td>Size</td><td>L</td>", "Size L"),
        ("<b>a</b> &amp;lt; b", "a &lt; b"),
        (
            "<br>the <script> tag and <canvas>, never closed <!--",
            "the <script> tag and <canvas>, never closed <!--",
        ),
        ("not " + "<b>" * 3000 + "deep", "not deep"),
    ],
)
def test_text_is_cleaned(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "<b>x</b>", "<img src=x onerror=alert(1)>", "a <!-- b"]
)
def test_what_things_are_called_stays_whole(bench: Bench, name: str) -> None:
    items = bench.write("i.csv", f"item_id,title,categories,maker\n{name},{name},{name}|x,{name}\n")
    bench.run(bench.write("e.csv", f"user_id,item_id,note\n{name},{name},{name}\n"), items=items)
    item, event = bench.store.item(name), bench.events()[0]
    assert item is not None
    assert (item.title, item.categories, item.attributes["maker"]) == (name, [name, "x"], name)
    assert (event.user_id, event.item_id, event.context) == (name, name, {"note": name})


def test_every_text_field_is_cleaned(bench: Bench) -> None:
    dirty = "A &amp; <b>B</b>"
    items = bench.write(
        "i.csv", f"item_id,title,text,categories,maker\ni,{dirty},{dirty},{dirty}|x,{dirty}\n"
    )
    bench.run(
        bench.write("e.csv", f"user_id,item_id,text,note\nu,i,{dirty},{dirty}\n"), items=items
    )
    item, event = bench.store.item("i"), bench.events()[0]
    assert item is not None
    assert (item.title, item.text, item.categories, item.attributes["maker"]) == (
        "A & <b>B</b>",
        "A & B",
        ["A & <b>B</b>", "x"],
        "A & <b>B</b>",
    )
    assert (event.text, event.context) == ("A & B", {"note": "A & <b>B</b>"})


@pytest.mark.parametrize(
    ("header", "row", "year"),
    [
        ("title", "Heat (1995)", 1995),
        ("title,year", "Heat (1995),1994", 1994),
        ("title", "2001 Odyssey", None),
        ("title", "Series (1999-2004)", 1999),
        ("title", "Odd (9999)", None),
        ("title,original_title", '밀정,"Heat , 1995"', 1995),
    ],
)
def test_year_in_title(bench: Bench, header: str, row: str, year: int | None) -> None:
    bench.run(items=bench.write("i.csv", f"item_id,{header}\ni,{row}\n"))
    item = bench.store.item("i")
    assert item is not None
    assert item.title == row.split(",")[0]
    assert item.attributes.get("year") == year


def test_an_events_file_as_items(bench: Bench) -> None:
    text = "user_id,sku,title,price\nu,a,?,0\nu,a,Tea,2.5\nv,a,Tea,3\nv,b,Pot,9\n"
    mapping = {"ignore": ["user_id"]}
    report = bench.run(items=bench.write("e.csv", text), mapping=mapping)
    assert (report.items.read, report.items.kept, report.items.merged) == (4, 2, 2)
    item = bench.store.item("a")
    assert item is not None
    assert (item.title, item.price, item.attributes) == ("Tea", 2.5, {})


def test_what_is_of_the_event_is_no_attribute_of_its_item(bench: Bench) -> None:
    text = "user_id,sku,title,rating,time,colour\nu,a,Tea,5,1365029107,red\nv,b,Pot,3,1365029108,\n"
    path = bench.write("e.csv", text)
    report = bench.run(path, items=path)
    assert (report.items.kept, report.events.kept) == (2, 2)
    assert [item.attributes for item in bench.store.items()] == [{"colour": "red"}, {}]
    assert bench.events()[0].context == {"title": "Tea", "colour": "red"}


def test_joins(bench: Bench) -> None:
    items = bench.write("movies.csv", "movie,title\n1,A\n2,B\n")
    bench.write("genres.csv", "movie,genre\n1,x\n1,y\n1,x\n2,z\n")
    bench.write("cast.csv", "movie,person\n1,9\n1,8\n1,7\n")
    bench.write("people.csv", "person,name\n9,Ada\n8,Bob\n7,Cy\n")
    through = {"file": "people.csv", "key": "person", "column": "name", "into": "cast"}
    mapping = {
        "joins": [
            {"file": "genres.csv", "key": "movie", "column": "genre", "into": "categories"},
            {
                "file": "cast.csv",
                "key": "movie",
                "column": "person",
                "into": "cast",
                "limit": 2,
                "through": through,
            },
        ]
    }
    bench.run(items=items, mapping=mapping)
    first = bench.store.item("1")
    assert first is not None
    assert (first.categories, first.attributes["cast"]) == (["x", "y"], ["Ada", "Bob"])
    with pytest.raises(BadInputError, match="no column 'nope'"):
        bench.run(
            items=items,
            mapping={
                "joins": [{"file": "cast.csv", "key": "nope", "column": "person", "into": "x"}]
            },
        )


def test_a_cut_side_table_keeps_the_commonest_values_and_says_so(bench: Bench) -> None:
    items = bench.write("movies.csv", "movie,title\n1,A\n2,B\n3,C\n")
    first = ["1,odd", "1,rare", "1,dark", "1,funny", "1,funny"]
    others = ["2,dark", "2,slow", "3,dark", "3,dark"]
    bench.write("tags.csv", "\n".join(["movie,tag", *first, *others]) + "\n")
    join = {"file": "tags.csv", "key": "movie", "column": "tag", "into": "tags", "limit": 2}
    report = bench.run(items=items, mapping={"joins": [join]})
    found = {item.item_id: item.attributes["tags"] for item in bench.store.items()}
    assert found == {"1": ["dark", "funny"], "2": ["dark", "slow"], "3": ["dark"]}
    (note,) = [one.text for one in report.notes if "tags.csv" in one.text]
    assert "1 id has more than 2 values of tag" in note
    assert "2 values left out" in note


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_rows_may_be_numbered(bench: Bench, chunk_rows: int) -> None:
    mapping = {"items": {"item_id": {"row": True}}}
    path = bench.write("i.csv", 'title,genre\nA,x\n\n"B\nb",y\nA,x\n')
    report = bench.run(items=path, mapping=mapping, chunk_rows=chunk_rows)
    assert (report.items.read, report.items.kept) == (3, 3)
    items = bench.store.items()
    assert [(item.item_id, item.title) for item in items] == [("1", "A"), ("2", "B b"), ("3", "A")]
    assert all("__row__" not in item.attributes for item in items)
    assert any("number of the row is the item_id" in note.text for note in report.notes)
    again = bench.run(items=path, mapping=mapping, chunk_rows=chunk_rows)
    assert (again.items.kept, bench.store.items()) == (0, items)


def test_json_keys_that_come_late(bench: Bench) -> None:
    rows: list[dict[str, object]] = [{"user_id": "u", "item_id": f"i{n}"} for n in range(5)]
    rows += [{"user_id": "u", "item_id": "late", "reviewText": "good", "style": {"Size:": "L"}}]
    bench.run(bench.write("e.jsonl", "\n".join(map(json.dumps, rows))), chunk_rows=2)
    last = bench.events()[-1]
    assert (last.item_id, last.text, last.context) == ("late", "good", {"style.size": "L"})


# ---------------------------------------------------------------- files that cannot be used


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "binary"),
        (b"user_id,item_id\n", "header and no rows"),
        (b"colour,shape\nred,round\n", r"No user column .*'colour', 'shape'.*mapping"),
        (b"user_id^item_id\nu^i\n", "one column only.*separator"),
        (b"1,31,2.5\n2,31,3.0\n", "first line looks like data"),
        (
            b"user_id,item_id\n,i\n,j\n",
            "No row of the events table can be used .2 missing user_id.",
        ),
        (b"\x1f\x8b\x08\x00broken", "damaged"),
        (b"PAR1 not really", "damaged Parquet"),
        (b"PK\x03\x04 not really", "Excel|damaged"),
        (b"[{]", "not valid JSON"),
    ],
)
def test_unusable_files(bench: Bench, content: bytes, message: str) -> None:
    bench.run(bench.write("good.csv", "user_id,item_id\nu,i\n"))
    before = bench.events(), bench.store.items(), bench.store.counts()
    name = "bad.json" if content.startswith(b"[") else "bad.csv"
    with pytest.raises(BadInputError, match=message) as caught:
        bench.run(bench.write(name, content))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert (bench.events(), bench.store.items(), bench.store.counts()) == before


def test_missing_files(bench: Bench) -> None:
    for place in ("no.csv", "no-folder/*.csv"):
        with pytest.raises(BadInputError, match="no"):
            bench.run(str(bench.folder / place))
    with pytest.raises(BadInputError, match="Nothing to ingest"):
        ingest(bench.store, Sources())


def test_a_bad_second_file_undoes_the_first(bench: Bench) -> None:
    good = bench.write("a.csv", "user_id,item_id\nu,i\n")
    bad = bench.write("b.csv", "colour\nred\n")
    with pytest.raises(BadInputError):
        ingest(bench.store, Sources(events=[good, bad]))
    assert bench.store.counts().events == 0
    assert bench.store.counts().users == 0


def test_parts_with_mappings_of_their_own_are_one_ingest(bench: Bench) -> None:
    first = Sources([bench.write("a.csv", "user_id,item_id\nu,i\n,i\n")])
    second = Sources(
        [bench.write("b.csv", "who,item_id\nv,i\nw,\n,j\n")],
        mapping=parse_mapping({"events": {"user_id": "who", "type": {"constant": "like"}}}, "test"),
    )
    broken = Sources([bench.write("c.csv", "colour\nred\n")])
    with pytest.raises(BadInputError):
        ingest(bench.store, first, second, broken, chunk_rows=1)
    assert bench.store.counts() == Counts(0, 0, 0, 0)
    assert not (bench.folder / "store" / "rejected").exists()

    report = ingest(bench.store, first, second)
    assert (report.events.read, report.events.rejected) == (5, 3)
    assert {event.type for event in bench.events()} == {"view", "like"}
    assert [row["file"] for row in bench.rejected(report)] == ["a.csv", "b.csv", "b.csv"]


def test_a_failed_ingest_leaves_the_rejected_rows_of_others_alone(bench: Bench) -> None:
    path = bench.write("a.csv", "user_id,item_id\nu,i\n,i\n")
    kept = bench.rejected(bench.run(path))
    with pytest.raises(BadInputError):
        ingest(bench.store, Sources([path, bench.write("c.csv", "colour\nred\n")]))
    [file] = (bench.folder / "store" / "rejected").iterdir()
    assert [json.loads(line) for line in file.read_text().splitlines()] == kept


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"event": {}}, "'event'"),
        ({"scale": [1]}, "'scale"),
        ({"returns": "C"}, "'returns'"),
        ({"items": {"title": {"columns": ["a", "b"], "format": "{} {} {}"}}}, "one {} for each"),
        ({"items": {"title": {"columns": ["a"], "format": "{0.real}"}}}, "one {} for each"),
        ({"events": {"user_id": {"colum": "x"}}}, "events.user_id"),
    ],
)
def test_wrong_mappings(tree: object, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        parse_mapping(tree, "m.yaml")


def test_mapping_files(bench: Bench) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        load_mapping(bench.folder / "no.yaml")
    with pytest.raises(BadInputError, match="not valid YAML"):
        load_mapping(bench.write("bad.yaml", "events: [\n"))
    with pytest.raises(BadInputError, match="returns look at column 'invoice'"):
        bench.run(bench.write("e.csv", "user_id,item_id\nu,i\n"), mapping={"returns": "invoice=C"})
    with pytest.raises(
        BadInputError, match=r"events\.user_id is column 'Who'.*'user_id', 'item_id'"
    ):
        bench.run(
            bench.write("e.csv", "user_id,item_id\nu,i\n"), mapping={"events": {"user_id": "Who"}}
        )


def test_a_full_disk_is_the_stores_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def full(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if path.name == "rejected":
            raise OSError(errno.ENOSPC, "No space left on device")
        make(path, mode, parents, exist_ok)

    path = bench.write("e.csv", "user_id,item_id\nu,i\n,j\n")
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StoreFullError, match="No space is left"):
        bench.run(path)
    assert bench.store.counts().events == 0


def test_json_that_does_not_begin_at_once(bench: Bench) -> None:
    assert (
        bench.run(bench.write("e.json", '\n [\n{"user_id": "u", "item_id": "i"}\n]')).events.kept
        == 1
    )


def test_what_pandas_leaves_in_files(bench: Bench) -> None:
    events = bench.write("e.csv", ",user_id,item_id\n0,u,i\n1,u,j\n")
    items = bench.write(
        "i.csv", "Unnamed: 0,item_id,genres,tags\n0,i,\"['a', 'b']\",\"['x', 1]\"\n"
    )
    report = bench.run(events, items=items)
    assert [event.context for event in bench.events()] == [{}, {}]
    item = bench.store.item("i")
    assert item is not None
    assert (item.categories, item.attributes) == (
        ["a", "b"],
        {"genre": ["a", "b"], "tags": ["x", "1"]},
    )
    assert sum("has no name and was left out" in note.text for note in report.notes) == 2


def test_a_long_cell_is_no_reason_to_give_up(bench: Bench) -> None:
    bench.run(bench.write("e.csv", f'user_id,item_id,text\nu,i,"{"word " * 60_000}"\n'))
    assert len(bench.events()[0].text) == 299_999


def test_columns_set_into_a_form(bench: Bench) -> None:
    mapping = {
        "items": {"title": {"columns": ["name", "year"], "format": "{} ({})"}, "year": "year"}
    }
    bench.run(
        items=bench.write("i.csv", "item_id,name,year\na,Heat,1995\nb,Odd,\n"), mapping=mapping
    )
    assert [item.title for item in bench.store.items()] == ["Heat (1995)", "Odd"]
