"""What `init` proposes from what columns hold, and what ingest makes of it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from yaml import safe_load

from limner.core.errors import BadInputError
from limner.facts.facets import discover
from limner.ingest import (
    Sources,
    ingest,
    ingest_frames,
    ingest_rows,
    parse_mapping,
    propose_mapping,
)
from limner.ingest.column_profile import TableProfile, profile_column
from tests.unit.ingesting import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def proposed(*files: str) -> dict[str, Any]:
    tree = safe_load(propose_mapping(files))
    parse_mapping(tree, "proposed")
    assert isinstance(tree, dict)
    return tree


# ---------------------------------------------------------------- profiles


@pytest.mark.parametrize(
    ("cells", "type_", "shape"),
    [
        (["1", "2", ""], "number", "9"),
        (["A1", "B2"], "word", "a9"),
        (["2019-01-02", "2020-01-02"], "time", "9-9-9"),
        (["12:30", "1:05"], "clock", "9:9"),
        (["a|b", "c|a"], "list", "a|a"),
        (["word " * 20, "other " * 20], "text", " ".join("a" * 17)),
        (["", "NULL"], "empty", ""),
    ],
)
def test_types_of_columns(cells: list[str], type_: str, shape: str) -> None:
    column = profile_column("x", cells)
    assert column.type == type_
    assert column.shape == shape or type_ == "text"


def test_a_profile_counts() -> None:
    column = profile_column("x", ["3", "1", "3", ""])
    assert (column.span, column.filled, column.distinct, column.unique) == (
        (1.0, 3.0),
        0.75,
        2,
        False,
    )
    assert column.overlap({"3", "9"}) == 0.5


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["Drama|Crime", "Drama"], "|"),
        (["tea; green", "tea"], ";"),
        (["Tea, Green", "Tea, Black", "Pots, Black", "Pots, Green"], ", "),
        (["tea,green", "tea,black", "pots,black", "pots,green"], ","),
        (["Wells, The", "Pier, The", "Lantern, The", "Harbour, The"], ""),
        (["Noodles, Restaurants, Asian", "Bakeries, Food", "Restaurants, Mexican"], ", "),
        (["Hill St 1, Boston", "Elm St 2, Boston", "Oak St 3, Quincy, MA"], ""),
        (["1,234", "5,678", "1,678"], ""),
        (["I came, I saw, and I was so very much impressed by it all that I left"] * 3, ""),
        (["plain", "words"], ""),
        (["Home > Tea > Green", "Home > Tea", "Home > Pots"], " > "),
        (["Drama / War", "Drama / Love", "War / Love", "Love"], " / "),
        (["Drama/War", "Drama/Love", "War/Love", "Love"], "/"),
        (["멜로/로맨스", "드라마", "액션"], ""),  # one name, however it is written
        (["1/2/2020", "2/2/2020", "1/3/2020"], ""),
        (["茶、绿", "茶、红", "绿、红"], "、"),
        (["a &amp; b", "b &amp; c"], ""),
        (['["a", "b"]', '["a", "c"]', '["b", "c"]'], ""),
    ],
)
def test_separators_of_lists(cells: list[str], separator: str) -> None:
    assert profile_column("x", cells).separator == separator


@pytest.mark.parametrize(
    ("ratings", "sentinel"),
    [
        (["-1", "7", "8", "-1"], -1.0),
        (["0", "7", "8", "0", "9"], 0.0),
        (["0", "1", "2", "3", "4", "5", *"12345" * 5], None),
        (["0.5", "1", "2"], None),
        (["-1", "0", "1"], None),
        (["1", "2", "3"], None),
    ],
)
def test_sentinels_of_ratings(ratings: list[str], sentinel: float | None) -> None:
    assert profile_column("rating", ratings).sentinel == sentinel


def test_a_table_profiles_its_first_rows_once() -> None:
    table = TableProfile(pd.DataFrame({"a": ["1", "2", "3"]}, dtype=object), rows=2)
    assert table["a"] is table["a"]
    assert table["a"].distinct == 2
    assert table.ids("a") == {"1", "2", "3"}


# ---------------------------------------------------------------- proposals


def test_what_was_seen_but_not_rated_is_a_view(bench: Bench) -> None:
    events = bench.write(
        "e.csv", "user_id,item_id,rating\nu,a,-1\nu,b,7\nv,a,9\nv,b,-1\nw,a,4\nw,c,-1\n"
    )
    text = propose_mapping([events])
    assert safe_load(text)["events"]["rating"] == {"column": "rating", "nothing": ["-1"]}
    assert "scale: [4, 9]" in text
    bench.run(events, mapping=safe_load(text))
    assert [e.type for e in bench.events()] == [
        "view",
        "rating",
        "rating",
        "view",
        "rating",
        "view",
    ]
    assert (bench.store.scales()["e"].low, bench.store.scales()["e"].high) == (4, 9)


def test_lists_of_categories_are_split(bench: Bench) -> None:
    items = bench.write(
        "i.csv",
        'item_id,title,categories\n1,A,"Tea, Green"\n2,B,"Tea, Black"\n'
        '3,C,"Pots, Black"\n4,D,Pots\n',
    )
    tree = proposed(items)
    assert tree["items"]["categories"] == {
        "column": "categories",
        "separator": ", ",
        "role": "taste",
        "label": "category",
    }
    bench.run(items=items, mapping=tree)
    item = bench.store.item("1")
    assert item is not None
    assert item.categories == ["Tea", "Green"]


def test_the_item_id_is_the_column_whose_values_events_name(bench: Bench) -> None:
    items = bench.write(
        "plants.csv",
        "plant,label,maker_code,shop_id\n"
        + "".join(f"p{n},Plant {n},m{n % 3},{n}\n" for n in range(9)),
    )
    events = bench.write(
        "sales.csv",
        "buyer,what,shop_id,day\n"
        + "".join(f"b{n % 4},p{n % 9},{n % 2},2024-01-0{n % 9 + 1}\n" for n in range(20)),
    )
    tree = proposed(events, items)
    assert tree["events"]["item_id"] == "what"
    assert tree["events"]["user_id"] == "buyer"
    assert tree["items"]["item_id"] == "plant"
    assert bench.run(events, items=items, mapping=tree).events.kept == 20


def test_users_and_their_side_tables_are_told_from_events(bench: Bench) -> None:
    events = bench.write(
        "orders.csv",
        "user_id,item_id,day\n" + "".join(f"u{n % 5},i{n % 4},2024-01-01\n" for n in range(20)),
    )
    items = bench.write("things.csv", "item_id,title\n" + "".join(f"i{n},T{n}\n" for n in range(4)))
    people = bench.write(
        "people.csv", "user_id,zip_code,city\n" + "".join(f"u{n},0100{n},Riga\n" for n in range(5))
    )
    cards = bench.write(
        "cards.csv",
        "user_id,card_id,since\n" + "".join(f"u{n % 5},c{n},2020-01-01\n" for n in range(9)),
    )
    text = propose_mapping([cards, people, items, events])
    tree = safe_load(text)
    assert (tree["users"]["user_id"], tree["events"]["item_id"]) == ("user_id", "item_id")
    assert tree["users"]["zip_code"]["role"] == "fact"
    assert "cards.csv: a side table of users" in text
    assert "joins" not in tree


def test_a_table_that_shares_no_id_is_not_joined(bench: Bench) -> None:
    movies = bench.write("films.csv", "film_id,title\n" + "".join(f"f{n},T{n}\n" for n in range(5)))
    tags = bench.write("tags.csv", "tag_id,tag\n" + "".join(f"{n},t{n}\n" for n in range(5)))
    linked = bench.write(
        "film_tags.csv", "tag_id,film_ref\n" + "".join(f"{n % 3},f{n % 5}\n" for n in range(15))
    )
    text = propose_mapping([movies, tags, linked])
    assert safe_load(text)["joins"] == [
        {
            "file": "film_tags.csv",
            "key": "film_ref",
            "column": "tag_id",
            "into": "tag",
            "through": {"file": "tags.csv", "key": "tag_id", "column": "tag"},
        }
    ]
    text = propose_mapping([movies, tags])
    assert "joins" not in safe_load(text)
    assert "tags.csv: a table that shares no id with the items" in text


def test_a_file_without_a_header_is_read_by_content(bench: Bench) -> None:
    kinds = ("see", "see", "basket", "buy")
    events = bench.write(
        "log.csv",
        "".join(
            f"{n + 1},{7_100_000 + n % 7},{3_300_000 + n % 3},{kinds[n % 4]},"
            f"{1_600_000_000 + 60 * n}\n"
            for n in range(40)
        ),
    )
    tree = proposed(events)
    assert tree["events"] == {
        "user_id": "column1",
        "item_id": "column2",
        "type": "column4",
        "timestamp": "column5",
        "column3": {"column": "column3", "role": "fact"},
    }
    bench.run(events, mapping=tree)
    assert {e.type for e in bench.events()} == {"see", "cart", "purchase"}
    assert len({e.item_id for e in bench.events()}) == 7


# ---------------------------------------------------------------- events about unknown items


def test_events_about_no_item_of_the_table_store_nothing_unless_told(bench: Bench) -> None:
    events = bench.write("e.csv", "user_id,item_id\nu,1\nv,2\n")
    items = bench.write("i.csv", "item_id,title\na,A\nb,B\n")
    with pytest.raises(BadInputError, match=r"No event is about an item.*--allow-unknown-items"):
        bench.run(events, items=items)
    assert (bench.store.counts().events, bench.store.counts().items) == (0, 0)
    ingest(bench.store, Sources([events], [items], allow_unknown_items=True))
    assert bench.store.counts().events == 2
    other = bench.write("f.csv", "user_id,item_id\nw,9\n")
    assert bench.run(other, items=items, mapping={"allow_unknown_items": True}).events.kept == 1


def test_frames_about_no_item_of_the_table_store_nothing_unless_told(bench: Bench) -> None:
    frames = (
        pd.DataFrame({"user_id": ["u"], "item_id": ["1"]}),
        pd.DataFrame({"item_id": ["a"], "title": ["A"]}),
    )
    with pytest.raises(BadInputError, match="No event is about an item"):
        ingest_frames(bench.store, *frames)
    assert (bench.store.counts().events, bench.store.counts().items) == (0, 0)
    assert ingest_frames(bench.store, *frames, allow_unknown_items=True).events.kept == 1


# ---------------------------------------------------------------- without a mapping


def test_ingest_reads_minus_one_as_a_view_and_says_so(bench: Bench) -> None:
    rows = "user_id,item_id,rating\nu,a,-1\nu,b,7\nv,a,9\nv,b,-1\nw,a,4\nw,c,-1\n"
    report = bench.run(bench.write("e.csv", rows))
    assert [e.type for e in bench.events() if e.value is None] == ["view"] * 3
    assert (bench.store.scales()["e"].low, bench.store.scales()["e"].high) == (4, 9)
    assert "stands apart" in next(str(n) for n in report.notes if n.code == "ingest.unrated_read")


def test_a_mapping_that_names_ratings_reads_all_of_them_and_asks(bench: Bench) -> None:
    rows = "user_id,item_id,rating\nu,a,-1\nu,b,7\nv,a,9\nv,b,-1\nw,a,4\nw,c,-1\n"
    report = bench.run(bench.write("e.csv", rows), mapping={"events": {"rating": "rating"}})
    assert {e.type for e in bench.events()} == {"rating"}
    assert "nothing: ['-1']" in str(
        next(n.text for n in report.notes if n.code == "ingest.unrated_asked")
    )


def test_a_frequent_zero_is_asked_about(bench: Bench) -> None:
    rows = "user_id,item_id,rating\nu,a,0\nu,b,7\nv,a,9\nv,b,0\nw,a,4\nw,c,0\n"
    report = bench.run(bench.write("e.csv", rows))
    assert [e.value for e in bench.events()] == [0, 7, 9, 0, 4, 0]
    assert "ingest.unrated_asked" in {note.code for note in report.notes}


def test_ingest_splits_lists_that_no_mapping_names_and_says_so(bench: Bench) -> None:
    items = bench.write(
        "i.csv",
        'item_id,title,genre,mood,maker\n1,A,"Tea, Green",calm/warm,"Orr, Inc"\n'
        '2,B,"Tea, Black",calm/dark,"Pym, Ltd"\n'
        '3,C,"Pots, Black",warm/dark,Oak\n4,D,Pots,warm,Oak\n',
    )
    report = bench.run(items=items)
    item = bench.store.item("1")
    assert item is not None
    assert item.categories == ["Tea", "Green"]
    assert item.attributes == {
        "genre": ["Tea", "Green"],
        "mood": ["calm", "warm"],
        "maker": "Orr, Inc",
    }
    assert "genre at ', ', mood at '/'" in "".join(note.text for note in report.notes)


def test_files_of_one_table_are_split_alike_and_a_single_text_is_none(bench: Bench) -> None:
    bench.write("all/a.csv", "item_id,title,mood\n1,A,calm/warm\n2,B,calm/dark\n3,C,warm/dark\n")
    bench.write("all/b.csv", "item_id,title,mood,note\n4,D,old/new,x; y\n")
    bench.run(items=str(bench.folder / "all"))
    item = bench.store.item("4")
    assert item is not None
    assert item.attributes == {"mood": ["old", "new"], "note": "x; y"}


def test_text_that_a_program_sends_stays_text(bench: Bench) -> None:
    rows = [
        {"item_id": f"{n}", "attributes": {"note": text}}
        for n, text in enumerate(("tea; green", "tea; black", "green; black"))
    ]
    ingest_rows(bench.store, "items", rows)
    item = bench.store.item("0")
    assert item is not None
    assert item.attributes == {"note": "tea; green"}


def test_what_is_read_by_its_name_alone_is_said(bench: Bench) -> None:
    items = bench.write("i.csv", "item_id,title,description,unit_price\n1,A,x,2\n")
    report = bench.run(items=items)
    assert "text (description), price (unit_price)" in "".join(n.text for n in report.notes)
    events = bench.write("e.csv", "who,item_id,body\nu,1,x\n")
    report = bench.run(events, mapping={"events": {"user_id": "who"}})
    assert "item_id (item_id), text (body)" in "".join(n.text for n in report.notes)


def test_a_title_that_most_items_share_is_not_shown(bench: Bench) -> None:
    rows = "".join(f"i{n},}} var x = 1,b{n % 3},Tea\n" for n in range(9)) + "i9,Pot,b1,Pots\n"
    items = bench.write("i.csv", "item_id,title,brand,category\n" + rows)
    report = bench.run(items=items)
    titles = {item.item_id: item.title for item in bench.store.items()}
    assert (titles["i0"], titles["i1"], titles["i9"]) == ("b0", "b1", "Pot")
    assert "9 items of 'i.csv'" in "".join(note.text for note in report.notes)


# ---------------------------------------------------------------- roles and joins


def test_roles_of_a_mapping_act(bench: Bench) -> None:
    items = bench.write(
        "i.csv",
        "item_id,title,genre,brand,batch,notes\n"
        + "".join(f"{n},T{n},g{n % 3},b{n % 4},k{n % 2},x\n" for n in range(12)),
    )
    mapping = {
        "items": {
            "item_id": "item_id",
            "categories": {"column": "genre", "role": "fact"},
            "brand": {"column": "brand", "role": "taste", "label": "maker"},
            "batch": {"column": "batch", "role": "fact"},
            "notes": {"column": "notes", "role": "ignore"},
            "colour": {"column": "colour", "role": "taste"},  # in another file, not in this one
        },
        "nouns": {"item": "tea", "items": "teas"},
    }
    bench.run(items=items, mapping=mapping)
    item, told = bench.store.item("1"), bench.store.meanings()
    assert item is not None
    assert item.attributes == {"genre": ["g1"], "brand": "b1", "batch": "k1"}
    assert {rule.facet for rule in discover(bench.store.items(), told.items)} == {"maker"}
    assert (told.nouns.item, told.nouns.items) == ("tea", "teas")
    # A later mapping that speaks of one column leaves the others as they were.
    bench.run(items=items, mapping={"items": {"batch": {"column": "batch", "role": "taste"}}})
    assert bench.store.meanings().items["brand"].label == "maker"
    assert bench.store.meanings().items["batch"].role == "taste"


def test_side_tables_are_joined_to_users(bench: Bench) -> None:
    users = bench.write("u.csv", "user_id,age\nu,31\nv,40\n")
    bench.write("clubs.csv", "member,club\nu,Rowing\nu,Chess\nw,Go\n")
    mapping = {"joins": [{"file": "clubs.csv", "of": "users", "key": "member", "column": "club"}]}
    bench.run(users=users, mapping=mapping)
    assert [user.attributes for user in bench.store.users()] == [
        {"age": 31, "club": ["Rowing", "Chess"]},
        {"age": 40},
    ]


# ---------------------------------------------------------------- tables of no known names


def tasted(bench: Bench) -> list[str]:
    """A wine club's tables: small whole numbers as keys everywhere, and no name that is known."""
    names = ("Hill", "Salt", "Iron", "Moon", "Glass")
    cellar = bench.write(
        "cellar.tsv",
        "nr\tlabel\tgrapes\t€\tean\n"
        + "".join(
            f"{n}\t{names[n % 5]} Wine {n}\t{('Merlot/Syrah', 'Syrah/Gamay', 'Gamay')[n % 3]}"
            f"\t{n % 40},50\t{4_000_000_000_000 + 7919 * n}\n"
            for n in range(1, 61)
        ),
    )
    events = bench.write(
        "evenings.tsv",
        "who\twine\tscore\twhen\n"
        + "".join(
            f"{n % 17 + 1}\t{n % 60 + 1}\t{(-1, 60, 80, 95)[n % 4]}\t2023-01-{n % 28 + 1:02d}\n"
            for n in range(240)
        ),
    )
    places = bench.write(
        "wine_places.csv", "wine,place\n" + "".join(f"{n},{n % 9 + 1}\n" for n in range(1, 61))
    )
    named = bench.write(
        "places.csv", "place,name,area\n" + "".join(f"{n},Val {n}x,{n}1\n" for n in range(1, 10))
    )
    return [places, named, cellar, events]


def test_tables_are_told_apart_by_the_keys_that_they_share(bench: Bench) -> None:
    files = tasted(bench)
    text = propose_mapping(files)
    tree = safe_load(text)
    assert f"--events {files[3]}" in text
    assert (tree["events"]["user_id"], tree["events"]["item_id"]) == ("who", "wine")
    assert tree["events"]["rating"] == {"column": "score", "nothing": ["-1"]}
    assert tree["items"] == {
        "item_id": "nr",
        "title": "label",
        "price": "€",
        "grapes": {"column": "grapes", "separator": "/", "role": "taste", "label": "grape"},
        "ean": {"column": "ean", "role": "id", "label": "ean"},
    }
    assert tree["joins"] == [
        {
            "file": "wine_places.csv",
            "key": "wine",
            "column": "place",
            "into": "place",
            "through": {"file": "places.csv", "key": "place", "column": "name"},
        }
    ]
    assert tree["nouns"] == {"item": "wine", "items": "wines"}
    bench.run(files[3], items=files[2], mapping=tree)
    item = bench.store.item("1")
    assert item is not None
    assert (item.title, item.price) == ("Salt Wine 1", 1.5)
    assert (item.attributes["grapes"], item.attributes["place"]) == (["Syrah", "Gamay"], ["Val 2x"])


def test_a_loan_of_a_barcode_is_no_time_and_a_name_no_list(bench: Bench) -> None:
    people = ("Archer, Ann", "Brook, Bo", "Archer, Bo", "Chen, Ann")
    books = bench.write(
        "catalog.csv",
        "Barcode;Title;Author;AddedOn\n"
        + "".join(
            f"{3_000_000_000_000 + 104_729 * n};The Tale {n};{people[n % 4]};0{n % 9 + 1}/12/2020\n"
            for n in range(40)
        ),
    )
    loans = bench.write(
        "loans.csv",
        "LoanId;BorrowerNo;Barcode;LoanDate\n"
        + "".join(
            f"{n};B{n % 9};{3_000_000_000_000 + 104_729 * (n % 40)};{n % 28 + 1:02d}/03/2022\n"
            for n in range(120)
        ),
    )
    patrons = bench.write(
        "patrons.csv", "BorrowerNo;Postcode\n" + "".join(f"B{n};AB{n} {n}XY\n" for n in range(9))
    )
    topics = bench.write(
        "patron_topics.csv",
        "BorrowerNo;Topic;AddedOn\n"
        + "".join(
            f"B{n % 9};{('Crime', 'Art', 'Tea')[n % 3]};0{n % 9 + 1}/12/2020\n" for n in range(18)
        ),
    )
    text = propose_mapping([topics, patrons, books, loans])
    tree = safe_load(text)
    assert tree["events"] == {
        "user_id": "BorrowerNo",
        "item_id": "Barcode",
        "timestamp": "LoanDate",
        "loanid": {"column": "LoanId", "role": "id", "label": "loan id"},
    }
    assert tree["items"]["author"] == {"column": "Author", "role": "taste", "label": "author"}
    assert tree["items"]["addedon"]["role"] == "fact"
    assert tree["users"]["postcode"]["role"] == "fact"
    assert tree["joins"] == [
        {
            "file": "patron_topics.csv",
            "of": "users",
            "key": "BorrowerNo",
            "column": "Topic",
            "into": "topic",
        }
    ]
    assert "AddedOn (fact: a date of the shop's)" in text
    bench.run(loans, items=books, users=patrons, mapping=tree)
    user = bench.store.user("B0")
    assert user is not None
    assert user.attributes == {"postcode": "AB0 0XY", "topic": ["Crime"]}


def test_nested_logs_have_users_by_their_shape(bench: Bench) -> None:
    listens = bench.write(
        "plays.jsonl",
        "".join(
            json.dumps(
                {
                    "device": f"{n % 7:08x}-aaaa-4bbb-8ccc-{n % 7:012x}",
                    "ep": 500_000 + 7 * (n % 30),
                    "at": 1_700_000_000_000 + 61_000 * n,
                }
            )
            + "\n"
            for n in range(120)
        ),
    )
    episodes = bench.write(
        "episodes.jsonl",
        "".join(
            json.dumps(
                {
                    "ep": 500_000 + 7 * n,
                    "headline": f"Night and Day {n}",
                    "topics": [("sport", "tech")[n % 2], "news"],
                    "alsoPlayed": [500_000 + 7 * ((n + k) % 30) for k in (1, 2)],
                    "explicit": n % 3 == 0,
                    "host": {"name": f"Ann {'ABC'[n % 3]}"},
                }
            )
            + "\n"
            for n in range(30)
        ),
    )
    tree = proposed(episodes, listens)
    assert tree["events"] == {"user_id": "device", "item_id": "ep", "timestamp": "at"}
    items = tree["items"]
    assert (items["title"], items["topics"]["role"]) == ("headline", "taste")
    assert {name: items[name]["role"] for name in ("alsoplayed", "explicit")} == {
        "alsoplayed": "id",
        "explicit": "fact",
    }
    assert items["host.name"]["label"] == "host name"
    assert tree["nouns"] == {"item": "episode", "items": "episodes"}


def test_a_rating_is_found_by_the_last_word_of_a_name(bench: Bench) -> None:
    rows = "User-ID;ISBN;Book-Rating\n" + "".join(f"u{n % 3};b{n};{n % 9 + 1}\n" for n in range(9))
    events = bench.write("e.csv", rows)
    bench.run(events)
    assert {event.type for event in bench.events()} == {"rating"}
    assert proposed(events)["events"]["rating"] == "Book-Rating"


def test_quantities_and_prices_are_purchases(bench: Bench) -> None:
    rows = "Customer;SKU;Quantity;Price\n" + "".join(f"c{n % 3};s{n};2;1.5\n" for n in range(9))
    assert proposed(bench.write("e.csv", rows))["events"]["type"] == {"constant": "purchase"}


def test_event_types_are_said_as_they_are_read(bench: Bench) -> None:
    rows = "".join(
        f"{n % 5},{9_000_000 + n},{('pv', 'buy')[n % 2]},{1_600_000_000 + n}\n" for n in range(20)
    )
    assert "# types: {buy: purchase, pv: view}" in propose_mapping([bench.write("l.csv", rows)])


def test_a_german_shops_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers come again and invoices do not; padded numbers are no amounts; cells say money."""
    things = [
        f"{at:05d};{name} {at};{group};{at * 7},50 €"
        for at, (name, group) in enumerate([("Stuhl", "Möbel"), ("Krug", "Küche")] * 10)
    ]
    sold = [
        f"{at % 13:06d};{at * 7 % 20:05d};{at % 28 + 1:02d}.03.2024 10:15;{at % 3 + 1};R{1000 + at}"
        for at in range(120)
    ]
    (tmp_path / "artikel.csv").write_text(
        "\n".join(["Artikelnr;Bezeichnung;Warengruppe;Wert", *things]), encoding="cp1252"
    )
    (tmp_path / "verkauf.csv").write_text(
        "\n".join(["Kundennr;Artikelnr;Datum;Menge;Rechnung", *sold, "Summe;;;;"]),
        encoding="utf-8-sig",
    )
    monkeypatch.chdir(tmp_path)
    tree = proposed("verkauf.csv", "artikel.csv")
    assert (tree["events"]["user_id"], tree["events"]["item_id"]) == ("Kundennr", "Artikelnr")
    assert tree["items"]["price"] == "Wert" and tree["items"]["title"] == "Bezeichnung"
    assert "nouns" not in tree
    assert tree["events"]["rechnung"]["role"] == "id"


def test_users_who_come_again_are_a_table_of_events_and_kinds_are_seen_by_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays = [f"u{at % 9}\t{['椎名林檎', '宇多田', '米津'][at % 3]}\t{at + 1}" for at in range(60)]
    (tmp_path / "plays.tsv").write_text(
        "\n".join(["ユーザーID\tアーティスト\t再生回数", *plays]), encoding="shift_jis"
    )
    kinds = ("pageview", "share", "comment")
    reads = [
        json.dumps({"visitor": f"v{at % 9}", "page_id": at % 7, "evt": kinds[at % 3], "ts": at})
        for at in range(60)
    ]
    (tmp_path / "reads.jsonl").write_text("\n".join(reads), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    events = proposed("plays.tsv")["events"]
    assert (events["user_id"], events["item_id"]) == ("ユーザーID", "アーティスト")
    assert proposed("reads.jsonl")["events"]["type"] == "evt"
