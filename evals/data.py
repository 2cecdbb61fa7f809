"""The data of an evaluation: a known data set or a store, as events and items."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from limner.core.errors import SettingsError, UsageError
from limner.core.interactions import Interactions
from limner.core.progress import Progress, Quiet
from limner.core.schema import Item, Scale
from limner.core.settings import EmbedSettings, Settings, cache_folder
from limner.index.documents import item_text, plain_text
from limner.index.embedders import choose_embedder
from limner.ingest import ingest
from limner.ingest.datasets import MIRRORS, fetch, known
from limner.retrieve import ItemVectors
from limner.store import Store, open_store


@dataclass(frozen=True)
class Shelf:
    """Descriptions of the items, independent of events; rows in the order of the events'
    `item_ids`. Reviews are left out: they are events, and may be later than the time that is asked
    about.
    """

    items: Sequence[Item]

    @cached_property
    def texts(self) -> list[str]:
        """[items] title, categories, attributes and text, as they are embedded."""
        return [item_text(one) for one in self.items]

    @cached_property
    def plain_texts(self) -> list[str]:
        """[items] their own words."""
        return [plain_text(one) for one in self.items]

    @cached_property
    def vectors(self) -> ItemVectors | None:
        """Vectors of the item texts, by an embedder that takes seconds for a catalogue. None where
        it is not installed.
        """
        try:
            embedder = choose_embedder(Settings(embed=EmbedSettings(choice="wordllama")))
        except SettingsError:
            return None
        return ItemVectors([one.item_id for one in self.items], embedder.passages(self.texts))


@dataclass(frozen=True)
class EvaluationData:
    name: str
    x: Interactions
    scales: dict[str, Scale]
    shelf: Shelf


def load(dataset: str, progress: Progress | None = None) -> EvaluationData:
    """A known name, the folder of a known data set, or a store. Raises UsageError for anything
    else.
    """
    with opened(dataset, progress) as (name, store):
        items = {one.item_id: one for one in store.items()}
        x = store.interactions().over(items)
        scales = store.scales()
    ordered = [items.get(one) or Item(item_id=one) for one in x.item_ids]
    return EvaluationData(name, x, scales, Shelf(ordered))


@contextmanager
def opened(dataset: str, progress: Progress | None = None) -> Iterator[tuple[str, Store]]:
    """(name, store) of a data set; the store may be read inside the block. Raises as `load`
    does.
    """
    with tempfile.TemporaryDirectory() as scratch:
        store = _open(dataset, Path(scratch), progress or Quiet())
        try:
            yield Path(dataset).name or dataset, store
        finally:
            store.close()


def _open(dataset: str, scratch: Path, progress: Progress) -> Store:
    folder = Path(dataset)
    if "://" in dataset or (folder / "limner.db").exists():
        return open_store(dataset, create=False)
    if dataset in MIRRORS and not folder.is_dir():
        folder = fetch(dataset, cache_folder() / "data", progress)
    recipe = known(folder) if folder.is_dir() else None
    if recipe is None:
        raise UsageError("evals.unknown_data", name=dataset)
    store = open_store(str(scratch / "store"))
    ingest(store, *recipe[1], progress=progress)
    return store
