"""Every file form that ingest reads comes to the same events."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from limner.core.errors import BadInputError
from limner.ingest import ingest_frames, propose_mapping, unpacking
from limner.ingest.mapping import FileFormat
from limner.ingest.read import BROKEN, LINE, estimated_rows, guess_separator, read_table
from tests.unit.ingesting import Bench

ROWS = [
    ("u1", "007", 4.0, 1365029107),
    ("u2", "007", 5.0, 1365029108),
    ("u1", "tt9", 1.0, 1365029109),
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def check(bench: Bench) -> None:
    found = [
        (e.user_id, e.item_id, e.value, int(e.timestamp.timestamp()))
        for e in bench.events()
        if e.timestamp
    ]
    assert sorted(found) == sorted(ROWS)
    assert {e.type for e in bench.events()} == {"rating"}


def table(separator: str, header: str = "user_id,item_id,rating,timestamp") -> str:
    lines = [header.split(","), *[[str(cell) for cell in row] for row in ROWS]]
    return "\n".join(separator.join(line) for line in lines) + "\n"


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_separators(bench: Bench, separator: str) -> None:
    assert bench.run(bench.write("e.txt", table(separator))).events.kept == 3
    check(bench)


@pytest.mark.parametrize("separator", ["::", "^^", "~", " "])
def test_any_separator_by_mapping(bench: Bench, separator: str) -> None:
    bench.run(
        bench.write("e.dat", table(separator)),
        mapping={"read": {"events": {"separator": separator}}},
    )
    check(bench)


@pytest.mark.parametrize(
    "header",
    [
        "userId,movieId,rating,timestamp",
        "USER_ID,ITEM_ID,RATING,TIMESTAMP",
        "user,item,rate,time",
        "uid,iid,score,datetime",
        "CustomerID,StockCode,stars,InvoiceDate",
        "reviewerID,asin,overall,unixReviewTime",
        "User ID,Product ID,Rating,Date",
        "user_id:token,item_id:token,rating:float,timestamp:float",
        "visitorid,itemId,rating,event_time",
    ],
)
def test_aliases(bench: Bench, header: str) -> None:
    bench.run(bench.write("e.csv", table(",", header)))
    check(bench)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gzip", "xz"])
def test_compressed(bench: Bench, pack: object) -> None:
    assert callable(pack)
    bench.run(bench.write("e.csv.packed", pack(table(",").encode())))
    check(bench)


def test_json_lines_and_json(bench: Bench) -> None:
    rows = [
        dict(zip(("user_id", "item_id", "rating", "timestamp"), row, strict=True)) for row in ROWS
    ]
    bench.run(bench.write("e.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    check(bench)
    assert bench.run(bench.write("e.json", json.dumps(rows))).events.merged == 3
    assert (
        bench.run(
            bench.write("e.jsonl.gz", gzip.compress("\n".join(map(json.dumps, rows)).encode()))
        ).events.merged
        == 3
    )


def test_lines_that_python_printed(bench: Bench) -> None:
    rows = [
        {"username": "u1", "hours": 1.5, "product_id": "007", "text": 'Can\'t stop, "great"'},
        {"username": "u2", "product_id": "008", "early": False, "tags": ("a", "b"), "date": None},
    ]
    printed = "\n".join(map(repr, rows)).replace("'username'", "u'username'")
    report = bench.run(bench.write("steam.json", printed + "\n"))
    assert report.events.kept == 2
    assert any("what Python prints" in note.text for note in report.notes)
    first, second = bench.events()
    assert (first.user_id, first.item_id) == ("u1", "007")
    assert (first.text, first.context["hours"]) == ('Can\'t stop, "great"', 1.5)
    assert second.context == {"early": "false", "tags": ["a", "b"]}
    again = bench.run(bench.write("list.json", repr(rows)))
    assert (again.events.read, again.events.kept) == (2, 0)


def test_lines_that_are_neither_json_nor_python(bench: Bench) -> None:
    path = bench.write("e.json", "{'user_id': 'u1', 'item_id': NaN?}\n" * 2)
    with pytest.raises(BadInputError, match=r"not JSON: single quotes.*line 1 is"):
        bench.run(path)


def test_no_list_is_cut(bench: Bench) -> None:
    tags = [f"tag{n:03}" for n in range(80)]
    long = [f"a rather long value of a list, number {n}" for n in range(1200)]
    rows = [
        {"item_id": "z1", "categories": tags, "seen": long},
        {"item_id": "z2", "categories": [["Books", "Fiction"], ["Gifts"]]},
        {"item_id": "z3", "categories": [{"id": 16, "name": "Animation"}, {"id": 35}]},
    ]
    path = bench.write("i.json", "\n".join(map(json.dumps, rows)))
    bench.run(items=path)
    items = {item.item_id: item for item in bench.store.items()}
    assert items["z1"].categories == tags
    assert items["z1"].attributes["seen"] == long
    assert items["z2"].categories == ["Books", "Fiction", "Gifts"]
    assert items["z3"].categories == ["Animation", "35"]
    cells = "\n".join(f'{one}\t"{rows_}"' for one, rows_ in (("y1", long), ("y2", tags)))
    bench.run(items=bench.write("i.tsv", "item_id\tseen\n" + cells.replace('"', "") + "\n"))
    item = bench.store.item("y1")
    assert item is not None
    assert item.attributes["seen"] == long


def test_parquet_and_excel(bench: Bench) -> None:
    frame = pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating", "timestamp"])
    frame.to_parquet(bench.folder / "e.parquet")
    bench.run(str(bench.folder / "e.parquet"))
    check(bench)
    with pd.ExcelWriter(bench.folder / "e.xlsx") as book:
        frame.to_excel(book, sheet_name="first", index=False)
        frame.to_excel(book, sheet_name="second", index=False)
    report = bench.run(str(bench.folder / "e.xlsx"))
    assert report.events.merged == 3
    assert any("only the first, 'first'" in note.text for note in report.notes)


def test_parquet_keeps_long_ids_with_gaps_and_times(bench: Bench) -> None:
    ids = pd.array([2103807459595387724, None, 7], dtype="Int64")
    times = pd.to_datetime(["2019-10-01 00:00", "2019-10-02 00:00", "2019-10-03 00:00"])
    frame = pd.DataFrame({"user_id": ids, "item_id": ["a", "b", "c"], "timestamp": times})
    frame.to_parquet(bench.folder / "e.parquet")
    report = bench.run(str(bench.folder / "e.parquet"))
    assert report.events.reasons == {"missing user_id": 1}
    assert sorted(bench.store.user_ids()) == ["2103807459595387724", "7"]
    assert all(event.timestamp is not None for event in bench.events())


def test_frames(bench: Bench) -> None:
    frame = pd.DataFrame(
        {"user_id": [1.0, None, 2.0], "item_id": ["007", "008", "009"], "rating": [1, 2, 3]}
    )
    report = ingest_frames(bench.store, frame)
    assert (report.events.kept, report.events.reasons) == (2, {"missing user_id": 1})
    assert bench.store.user_ids() == ["1", "2"]


def parts() -> list[tuple[str, bytes]]:
    head = "user_id,item_id,rating,timestamp\n"
    return [
        (f"days/{at}.csv", (head + ",".join(str(cell) for cell in row) + "\n").encode())
        for at, row in enumerate(ROWS)
    ]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_tar_archives(bench: Bench, mode: str) -> None:
    name = bench.folder / ("e.tar" + mode[1:].replace(":", "."))
    with tarfile.open(name, mode) as archive:  # type: ignore[call-overload]
        for member, content in [
            *reversed(parts()),
            ("days/README.md", b"# not a table"),
            ("days/._x", b"\x00"),
        ]:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    bench.run(str(name))
    check(bench)
    # Members are read in order of name, so the order of rows is that of the days.
    assert [event.user_id for event in bench.events()] == ["u1", "u2", "u1"]


def test_zip_folder_and_glob(bench: Bench) -> None:
    with zipfile.ZipFile(bench.folder / "e.zip", "w") as archive:
        for name, content in parts():
            archive.writestr(name, content)
    bench.run(str(bench.folder / "e.zip"))
    check(bench)
    for name, content in parts():
        bench.write(f"t/{name}", content)
    assert bench.run(str(bench.folder / "t" / "days")).events.merged == 3
    assert bench.run(str(bench.folder / "t" / "days" / "*.csv")).events.merged == 3


def test_query(bench: Bench) -> None:
    import sqlite3

    file = bench.folder / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE orders (who TEXT, what TEXT, stars REAL, at INTEGER)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", ROWS)
    connection.close()
    query = "select who as user_id, what as item_id, stars as rating, at as timestamp from orders"
    bench.run(f"sqlite:///{file}#{query}", chunk_rows=2)
    check(bench)


def test_a_query_that_fails_says_so(bench: Bench) -> None:
    missing = bench.folder / "no.db"
    with pytest.raises(BadInputError, match="could not be read"):
        bench.run(f"sqlite:///{missing}#SELECT * FROM t")
    assert not missing.exists()
    with pytest.raises(BadInputError, match="query behind '#'"):
        bench.run("sqlite:///shop.db")


def test_chunks_change_nothing(tmp_path: Path) -> None:
    text = "user_id,item_id\n" + "".join(f"u{i % 3},i{i % 2}\n" for i in range(50))
    ids = []
    for rows in (1, 7, 1000):
        bench = Bench(tmp_path / str(rows))
        bench.run(bench.write("e.csv", text), chunk_rows=rows)
        ids.append(sorted(event.event_id for event in bench.events()))
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[0])) == 50


# ---------------------------------------------------------------- encodings


def test_byte_order_mark(bench: Bench) -> None:
    bench.run(bench.write("e.csv", b"\xef\xbb\xbf" + table(",").encode()))
    check(bench)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16(bench: Bench, encoding: str) -> None:
    content = table("\t").encode(encoding)
    mark = b"" if encoding == "utf-16" else b"\xff\xfe" if encoding.endswith("le") else b"\xfe\xff"
    bench.run(bench.write("e.tsv", mark + content))
    check(bench)


@pytest.mark.parametrize(("encoding", "word"), [("latin-1", "Café"), ("cp1252", "“Café”")])
def test_not_utf8_is_said(bench: Bench, encoding: str, word: str) -> None:
    report = bench.run(items=bench.write("i.csv", f"item_id,title\n1,{word}\n".encode(encoding)))
    item = bench.store.item("1")
    assert item is not None
    assert item.title == word
    assert any(encoding in note.text for note in report.notes)


@pytest.mark.parametrize(
    ("encoding", "header", "title"),
    [
        ("gbk", "item_id,title,品牌", "红色的帆布鞋，秋季新款"),
        ("shift_jis", "item_id,title,メーカー", "赤いスニーカーと青い茶碗"),
        ("euc_kr", "item_id,title,상표", "가을밤의 빨간 운동화"),
        ("euc_jp", "item_id,title,メーカー", "赤いスニーカーと青い茶碗"),
        ("gb18030", "item_id,title,品牌", "红色的帆布鞋，秋季新款"),
        ("big5", "item_id,title,品牌", "紅色的帆布鞋，秋季新款"),
        ("cp932", "item_id,title,メーカー", "赤いスニーカーと青い茶碗"),
        ("cp949", "item_id,title,상표", "가을밤의 빨간 운동화"),
        ("cp1251", "item_id,title,бренд", "Красные осенние туфли"),
        ("koi8_r", "item_id,title,бренд", "Красные осенние туфли"),
        ("utf-16-le", "item_id,title,brand", "plain words with an é"),
        ("utf-16-be", "item_id,title,brand", "plain words with an é"),
    ],
)
def test_encodings_of_other_scripts_are_found(
    bench: Bench, encoding: str, header: str, title: str
) -> None:
    rows = "".join(f"{at},{title} {at},{header[14:]}\n" for at in range(5))
    report = bench.run(items=bench.write("i.csv", f"{header}\n{rows}".encode(encoding)))
    item = bench.store.item("3")
    assert item is not None
    assert item.title == f"{title} 3"
    named = encoding.replace("_", "-"), encoding
    noted = [note.text.lower() for note in report.notes]
    assert any(name in text for name in named for text in noted) or encoding.startswith("utf")


@pytest.mark.parametrize(
    ("encoding", "header", "title"),
    [
        ("gbk", "用户ID,商品ID,商品名称,类目,评分,时间", "紫砂茶壶"),
        ("shift_jis", "ユーザーID,商品コード,商品名,ジャンル,評価,日時", "赤い茶碗"),
        ("euc_kr", "사용자ID,상품번호,상품명,카테고리,평점,일시", "빨간 운동화"),
        ("utf-16", "用户ID,商品ID,商品名称,类目,评分,时间", "紫砂茶壶"),
    ],
)
def test_headers_in_other_languages_are_found(
    bench: Bench, encoding: str, header: str, title: str
) -> None:
    rows = "".join(
        f"u{n % 3},p{n},{title}{n},{title}/{title},{n % 5 + 1},2024-01-0{n + 1} 20:15:00\n"
        for n in range(8)
    )
    path = bench.write("e.csv", f"{header}\n{rows}".encode(encoding))
    report = bench.run(path, items=path)
    assert report.events.kept == 8
    first = bench.events()[0]
    assert (first.user_id, first.item_id, first.type, first.value) == ("u0", "p0", "rating", 1.0)
    assert first.timestamp is not None
    item = bench.store.item("p3")
    assert item is not None
    assert (item.title, item.categories) == (f"{title}3", [f"{title}/{title}"])


def test_names_that_begin_with_what_a_table_is_about(bench: Bench) -> None:
    events = bench.write("r.csv", '"User-ID";"ISBN";"Book-Rating"\n"u1";"001";"5"\n')
    items = bench.write("b.csv", "ISBN;Book-Title;description\n001;Kettles;about kettles\n")
    bench.run(events, items=items)
    (event,) = bench.events()
    assert (event.item_id, event.type, event.value) == ("001", "rating", 5.0)
    item = bench.store.item("001")
    assert item is not None
    assert (item.title, item.text) == ("Kettles", "about kettles")


def test_the_letter_that_tells_the_encoding_may_come_late(bench: Bench) -> None:
    text = (
        "item_id,title\n"
        + "".join(f"{i},plain title number {i}\n" for i in range(10_000))
        + "x,Café\n"
    )
    bench.run(items=bench.write("i.csv", text.encode("latin-1")))
    item = bench.store.item("x")
    assert item is not None
    assert item.title == "Café"


def test_encoding_by_mapping(bench: Bench) -> None:
    mapping = {"read": {"items": {"encoding": "euc-kr"}}}
    bench.run(
        items=bench.write("i.csv", "item_id,title\n1,시네마 천국\n".encode("euc-kr")),
        mapping=mapping,
    )
    item = bench.store.item("1")
    assert item is not None
    assert item.title == "시네마 천국"
    with pytest.raises(BadInputError, match="encoding"):
        bench.run(
            items=str(bench.folder / "i.csv"), mapping={"read": {"items": {"encoding": "no-such"}}}
        )


# ---------------------------------------------------------------- shapes


def frames(bench: Bench, text: str, **reading: object) -> pd.DataFrame:
    path = bench.write("t.csv", text)
    return next(iter(read_table(path, FileFormat.model_validate(reading), 1000))).frame


def test_quoted_newlines_keep_line_numbers(bench: Bench) -> None:
    frame = frames(bench, 'user_id,item_id,text\nu,i,"two\nlines"\n\nu,j,one\nu,k,"a ""word"" b"\n')
    assert frame["text"].to_list() == ["two\nlines", "one", 'a "word" b']
    assert frame[LINE].to_list() == [2, 5, 6]


def test_rows_of_the_wrong_width(bench: Bench) -> None:
    frame = frames(bench, "a,b,c\n1,2\n1,2,3\n1,2,3,4\n")
    assert frame["c"].to_list() == ["", "3", "3"]
    assert frame[BROKEN].to_list() == ["", "", "wrong number of cells"]


def test_a_quote_that_does_not_close_swallows_no_rows(bench: Bench) -> None:
    text = 'user_id,item_id,rating\nu1,"i1,1\nu2,i2,2\nu3,i3,3\n'
    report = bench.run(bench.write("e.csv", text))
    assert report.events.read == 3
    assert bench.store.counts().events == 3


@pytest.mark.parametrize("chunk_rows", [5, 1000])
def test_quotes_behind_a_backslash(bench: Bench, chunk_rows: int) -> None:
    lines = [
        '"id";"title";"by"',
        '"1";"The \\"Blue\\"; Lantern";"Ann"',
        '"2";"Kettles";"B. \\"Bob\\" Writer"',
        '"3";"Third\\";"C. W"',
        '"4";"a \\" b',
        'c";"D"',
        '"5";"C:\\new\\";"say ""hi"" \\x"',
        '6;six \\"x\\" in;E',
    ]
    path = bench.write("t.csv", "\n".join(lines) + "\n")
    chunks = [*read_table(path, FileFormat(), chunk_rows)]
    frame = pd.concat([chunk.frame for chunk in chunks])
    assert BROKEN not in frame
    assert frame[["title", "by"]].to_numpy().tolist() == [
        ['The "Blue"; Lantern', "Ann"],
        ["Kettles", 'B. "Bob" Writer'],
        ["Third\\", "C. W"],
        ['a " b\nc', "D"],
        ["C:\\new\\", 'say "hi" \\x'],
        ['six "x" in', "E"],
    ]
    assert frame[LINE].to_list() == [2, 3, 4, 5, 7, 8]
    notes = [note.text for chunk in chunks for note in chunk.notes]
    assert len(notes) == 1
    assert "backslash" in notes[0]


def test_duplicate_and_empty_names_and_many_columns(bench: Bench) -> None:
    frame = frames(bench, "user_id,item_id,x,x,,\nu,i,1,2,3,4\n")
    assert [c for c in frame.columns if c != LINE] == ["user_id", "item_id", "x", "x.1", "", ".1"]
    names = ",".join(f"c{i}" for i in range(3000))
    bench.run(
        bench.write(
            "w.csv", f"user_id,item_id,{names}\n" + ("u,i," + ",".join(["1"] * 3000) + "\n") * 3
        )
    )
    assert len(bench.events()[0].context) == 3000


def test_guessing_the_separator() -> None:
    assert guess_separator("a;b;c\n1,5;2,5;3\n4,5;1,1;2\n") == ";"
    assert guess_separator("1::2::3\n1::2::3\n") == "::"
    assert guess_separator("a,b\n1,x|y|z\n2,x\n") == ","
    assert guess_separator("title\nalone\n") == ","


def test_estimated_rows(bench: Bench) -> None:
    assert estimated_rows(bench.write("e.csv", "a,b\n" + "1,2\n" * 100_000)) == pytest.approx(
        100_000, rel=0.01
    )
    assert estimated_rows(bench.write("e.gz", gzip.compress(b"a,b\n1,2\n"))) is None
    assert estimated_rows(str(bench.folder)) is None
    assert estimated_rows(bench.write("e.bz2", bz2.compress(b"a,b\n1,2\n"))) is None


# ---------------------------------------------------------------- proposals


def test_a_proposal_reads_a_file_without_a_header(bench: Bench) -> None:
    events = bench.write(
        "r.dat",
        "\n".join(
            f"{u}::00{m}::{m % 10}::136502{u}{m}" for u in range(10, 20) for m in range(10, 30)
        ),
    )
    items = bench.write(
        "m.dat", "\n".join(f"00{m}::Title {m} (19{m})::Drama|Crime" for m in range(10, 30))
    )
    path = bench.write("m.yaml", propose_mapping([events, items]))
    from limner.ingest import Sources, ingest

    report = ingest(bench.store, Sources([events], [items], [], path))
    assert (report.events.kept, report.items.kept) == (200, 20)
    item = bench.store.item("0010")
    assert item is not None
    assert (item.title, item.categories, item.attributes["year"]) == (
        "Title 10 (1910)",
        ["Drama", "Crime"],
        1910,
    )
    assert bench.events()[0].timestamp is not None


def test_a_proposal_finds_names_that_no_alias_covers(bench: Bench) -> None:
    text = propose_mapping(
        [
            bench.write(
                "w.csv", "UserRef,WineID,Rating,Bought\n1,9,4.5,2019-01-02\n2,9,3.0,2019-01-03\n"
            )
        ]
    )
    from yaml import safe_load

    assert safe_load(text)["events"] == {
        "user_id": "UserRef",
        "item_id": "WineID",
        "rating": "Rating",
        "timestamp": "Bought",
    }


def test_a_proposal_joins_side_tables_and_doubles_a_table(bench: Bench) -> None:
    from yaml import safe_load

    rates = bench.write("rates.csv", "user,movie,rate\n1,1,4\n1,2,5\n")
    movies = bench.write("movies.csv", "movie,title\n1,A\n2,B\n")
    genres = bench.write("genres.csv", "movie,genre\n1,x\n1,y\n2,x\n")
    tree = safe_load(propose_mapping([rates, genres, movies]))
    assert tree["joins"] == [
        {"file": "genres.csv", "key": "movie", "column": "genre", "into": "categories"}
    ]
    assert tree["items"]["title"] == "title"
    shop = bench.write(
        "shop.csv",
        "user_id,product_id,product_name,brand,qty\n1,a,Tea,X,2\n2,a,Tea,X,1\n1,b,Pot,Y,1\n",
    )
    tree = safe_load(propose_mapping([shop]))
    assert {**tree["items"], "brand": ""} == {
        "item_id": "product_id",
        "title": "product_name",
        "brand": "",
    }
    # Named, and so kept, whatever else of the file is ignored.
    assert tree["items"]["brand"]["column"] == "brand"
    assert {"user_id", "qty"} <= set(tree["ignore"])
    bench.run(shop, items=shop, mapping=tree)
    item = bench.store.item("a")
    assert item is not None
    assert item.attributes == {"brand": "X"}


def _packed(kind: str, text: bytes) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("i.csv", text)
    elif kind == "tar.gz":
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            entry = tarfile.TarInfo("i.csv")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    elif kind == "csv.gz":
        return gzip.compress(text)
    elif kind == "csv.xz":
        return lzma.compress(text)
    else:
        return bz2.compress(text)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["csv.gz", "csv.xz", "csv.bz2", "zip", "tar.gz"])
def test_what_unpacks_to_more_than_a_table_does_is_not_read_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    rows = "".join(f"{at},A title of item {at}\n" for at in range(200)).encode()
    honest = bench.write(f"a.{kind}", _packed(kind, b"item_id,title\n" + rows))
    bomb = bench.write(f"b.{kind}", _packed(kind, b"item_id,title\n" + b"1,0\n" * 2_000_000))
    monkeypatch.setattr(unpacking, "FLOOR", 1 << 10)
    assert bench.run(items=honest).items.kept == 200
    with pytest.raises(BadInputError, match="unpacks to more than 300 times"):
        bench.run(items=bomb)
