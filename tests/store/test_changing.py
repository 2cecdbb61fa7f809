"""What one thread reads and then writes, no other thread changes in between."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Event

import pytest

from limner.core.errors import StoreBusyError
from limner.core.progress import Quiet
from limner.core.schema import Item
from limner.engine import Engine
from limner.recommend.edits import ItemPatch
from limner.testing import FakeEmbedder
from tests.http.live import settings_for
from tests.store.conftest import StorePlace


def test_two_changes_of_an_item_at_once_are_both_kept(
    place: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(settings_for(place.files, write_wait=60), place.open(), Quiet(), FakeEmbedder())
    engine.store.add_items([Item(item_id="i1", title="One")])
    read, both = engine.store.item, Barrier(2)

    def slowly(item_id: str) -> Item | None:
        found = read(item_id)
        with suppress(BrokenBarrierError):
            both.wait(0.5)  # until the other thread has read too, where nothing keeps it from it
        return found

    monkeypatch.setattr(engine.store, "item", slowly)
    with ThreadPoolExecutor(2) as threads:
        changes = [ItemPatch(attributes={"colour": "red"}), ItemPatch(attributes={"size": "L"})]
        list(threads.map(lambda one: engine.edits.patch_item("i1", one), changes))
    item = read("i1")
    assert item is not None and item.attributes == {"colour": "red", "size": "L"}
    engine.store.close()


def test_changing_nests_and_keeps_other_threads_out_alone(place: StorePlace) -> None:
    store = place.open()
    inside, done = Event(), Event()

    def hold() -> None:
        with store.changing(), store.changing(), store.writing():
            inside.set()
            done.wait(30)

    def change() -> None:
        with store.changing(wait=0.05):
            pytest.fail("two threads change at once")

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(hold)
        assert inside.wait(30)
        with pytest.raises(StoreBusyError, match="Another request"):
            change()
        store.add_items([Item(item_id="i1")])  # what is only written need not wait
        done.set()
        held.result()
    with store.changing():
        assert store.item("i1") is not None
    store.close()
