"""Known data sets: told by their files, fetched from the first mirror that gives the right
bytes.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from limner.core.errors import FetchError, UsageError
from limner.ingest import datasets, ingest
from limner.ingest.datasets import Mirror, fetch, known, list_datasets
from limner.store import open_store

U_DATA = "1\t1\t5\t874965758\n1\t267\t1\t874965759\n2\t1\t4\t888550871\n"
U_ITEM = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    "267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    "543|Misérables, Les (1995)|01-Jan-1995||http://x|0|0|0|0|0|0|0|0|1|0|0|0|1|0|0|0|0|0|0\n"
)
U_USER = "1|24|M|technician|85711\n2|53|F|other|94043\n"
INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + U_DATA
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tToy Story\t1995\tAnimation Children's Comedy\n267\tunkonwn\tunkonwn\tunknown\n"
    "543\tMisérables, Les\t1995\tDrama Musical\n"
)
USER = (
    "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    + U_USER.replace("|", "\t")
)


def packed(inside: str, files: dict[str, str], encoding: str = "utf-8") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(inside + name, text.encode(encoding))
        archive.writestr("elsewhere/other.txt", "not ours")
    return out.getvalue()


GROUPLENS = packed("ml-100k/", {"u.data": U_DATA, "u.item": U_ITEM, "u.user": U_USER}, "latin-1")


class Silent(SimpleHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Silent.asked += 1
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on loopback and the folder that it serves."""
    folder = tmp_path / "site"
    folder.mkdir()
    Silent.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    server.server_close()


def mirror(address: str, content: bytes, inside: str = "ml-100k/") -> Mirror:
    return Mirror(
        address=address, checksum=f"sha256:{hashlib.sha256(content).hexdigest()}", inside=inside
    )


def test_the_next_mirror_serves_where_one_is_down_or_wrong(
    tmp_path: Path, site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = site
    (folder / "bad.zip").write_bytes(b"something else")
    (folder / "good.zip").write_bytes(GROUPLENS)
    mirrors = (
        mirror("http://127.0.0.1:9/gone.zip", GROUPLENS),
        mirror(url + "missing.zip", GROUPLENS),
        mirror(url + "bad.zip", GROUPLENS),
        mirror(url + "good.zip", GROUPLENS),
    )
    monkeypatch.setattr(datasets, "MIRRORS", {"ml-100k": mirrors})
    target = fetch("ml-100k", tmp_path / "data")
    assert sorted(file.name for file in target.iterdir()) == [
        "SHA256SUMS",
        "u.data",
        "u.item",
        "u.user",
    ]
    # Whole files are not asked for again; one that changed is.
    before = Silent.asked
    assert fetch("ml-100k", tmp_path / "data") == target
    assert Silent.asked == before
    (target / "u.data").write_text("damaged")
    fetch("ml-100k", tmp_path / "data")
    assert (target / "u.data").read_text() == U_DATA
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["ml-100k"]


def test_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        datasets, "MIRRORS", {"ml-100k": (mirror("http://127.0.0.1:9/x.zip", GROUPLENS),)}
    )
    with pytest.raises(FetchError, match="could not be fetched") as caught:
        fetch("ml-100k", tmp_path)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "ml-100k").exists()
    with pytest.raises(UsageError, match="ml-100k"):
        fetch("imagenet", tmp_path)


def test_the_shipped_mirrors_are_checked() -> None:
    first, second = datasets.MIRRORS["ml-100k"]
    assert first.address.startswith("https://files.grouplens.org/")
    assert first.checksum == "md5:0e33842e24a9c977be4e0107933c0723"
    assert second.requirement == "recbole==1.2.1"
    assert (
        second.checksum == "sha256:9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
    )


def test_both_forms_of_ml_100k_come_to_the_same(tmp_path: Path) -> None:
    forms = {
        "grouplens": {
            "u.data": U_DATA.encode(),
            "u.item": U_ITEM.encode("latin-1"),
            "u.user": U_USER.encode(),
        },
        "recbole": {
            "ml-100k.inter": INTER.encode(),
            "ml-100k.item": ITEM.encode(),
            "ml-100k.user": USER.encode(),
        },
    }
    found = []
    for form, files in forms.items():
        folder = tmp_path / form
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        told = known(folder)
        assert told is not None
        assert told[0].name == "ml-100k"
        store = open_store(str(tmp_path / f"{form}-store"))
        ingest(store, *told[1])
        events = [event for user in store.user_ids() for event in store.events(user)]
        found.append(
            (store.items(), [store.user(one) for one in store.user_ids()], events, store.scales())
        )
    assert found[0] == found[1]
    items = {item.item_id: item for item in found[0][0]}
    assert items["1"].title == "Toy Story (1995)"
    assert items["1"].attributes == {"year": 1995, "genre": ["Animation", "Children's", "Comedy"]}
    assert items["543"].title == "Misérables, Les (1995)"
    assert items["267"].title == ""


def test_every_shipped_mapping_reads_and_names_its_terms(tmp_path: Path) -> None:
    names = [dataset.name for dataset in list_datasets()]
    assert names == sorted(names)
    assert {
        "ml-100k",
        "ml-latest-small",
        "movietweetings-100k",
        "online-retail",
        "amazon-gift-cards",
        "kmrd-small",
    } <= set(names)
    for dataset in list_datasets():
        assert dataset.terms
        for at, variant in enumerate(dataset.variants):
            folder = tmp_path / f"{dataset.name}-{at}"
            folder.mkdir()
            for name in variant.detect:
                (folder / name).touch()
            told = known(folder)
            assert told is not None
            assert told[0].name == dataset.name
    assert known(tmp_path) is None
