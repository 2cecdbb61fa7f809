"""Stores that share a folder for their files, or a Chroma server, share nothing in them."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from limner.core.schema import Item
from limner.index.chroma import Index, IndexRow
from limner.store import open_store
from tests.store.conftest import StorePlace
from tests.store.test_index import Letters


@pytest.fixture(scope="module")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chroma server on loopback."""
    folder = tmp_path_factory.mktemp("chroma")
    program = Path(sys.executable).with_name("chroma")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until = monotonic() + 120
        while True:
            try:
                httpx.get(f"{address}/api/v2/heartbeat").raise_for_status()
                break
            except httpx.HTTPError:
                assert server.poll() is None and monotonic() < until, (folder / "log").read_text()
                sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def test_stores_behind_urls_have_a_folder_each(
    new_place: Callable[[], StorePlace], tmp_path: Path
) -> None:
    addresses = [new_place().address for _ in range(2)]
    if "://" not in addresses[0]:
        addresses = [f"sqlite:///{tmp_path / name}.db" for name in ("one", "two")]
    first, second = (open_store(address, folder=tmp_path / "files") for address in addresses)
    assert first.folder != second.folder
    assert {first.folder.name, second.folder.name} == {first.id, second.id}
    with first.writing():  # one's lock is not the other's
        second.add_items([Item(item_id="i1")])
    again = open_store(addresses[0], folder=tmp_path / "files")
    assert (again.id, again.folder) == (first.id, first.folder)


def test_a_store_in_a_folder_lies_there_itself(tmp_path: Path) -> None:
    assert open_store(str(tmp_path / "s")).folder == tmp_path / "s"


def test_stores_on_one_chroma_server_share_no_vectors(chroma_server: str, tmp_path: Path) -> None:
    stores = [open_store(str(tmp_path / name)) for name in ("one", "two")]
    first, second = (
        Index(store.folder / "chroma", Letters(), store.id, chroma_server) for store in stores
    )
    first.upsert("portraits", [IndexRow("u1", "aaa")])
    second.upsert("portraits", [IndexRow("v1", "aaa"), IndexRow("v2", "bbb")])
    query = Letters().queries(["a"])
    assert [hit.id for hit in first.search("portraits", query, 9)[0]] == ["u1"]
    assert [hit.id for hit in second.search("portraits", query, 9)[0]] == ["v1", "v2"]
    first.clear()  # what --reindex does
    assert (first.count("portraits"), second.count("portraits")) == (0, 2)
    other_embedder = Index(tmp_path / "three", Letters("other", 13), "3" * 32, chroma_server)
    assert other_embedder.count("portraits") == 0


def test_vectors_from_before_stores_had_ids_are_kept(tmp_path: Path) -> None:
    import chromadb

    old = chromadb.PersistentClient(str(tmp_path / "chroma"))
    index = Index(tmp_path / "chroma", Letters(), "1" * 32)
    index.upsert("items", [IndexRow("1", "aaa"), IndexRow("2", "bbb")])
    index.close()
    collection = old.get_collection(index._name("items"), embedding_function=None)
    collection.modify(name="limner-items")
    adopted = Index(tmp_path / "chroma", Letters(), "2" * 32)
    assert adopted.count("items") == 2
    assert adopted.everything("items")[0] == ["1", "2"]
    shutil.rmtree(tmp_path / "chroma")
