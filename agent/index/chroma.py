"""Vectors in Chroma: items, portraits and single preferences. The only place for chromadb.

Embeddings are always passed in, so that Chroma never fetches an embedder of its own. A row is
embedded only when the hash of its text changed. One process owns the index; others see the
generation file change and reopen, since an open client does not notice another process's writes.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar
from urllib.parse import urlsplit

import numpy as np

from limner.core.atomic import replace_text
from limner.core.errors import (
    IndexAwayError,
    IndexBrokenError,
    IndexMismatchError,
    StoreError,
    StoreFullError,
)
from limner.core.progress import Progress, Quiet
from limner.core.telemetry import logged
from limner.index.chroma_files import clear_unset, compact_files, rows_naming
from limner.index.embedders import Embedder, Remembering, Vectors

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection
    from chromadb.config import System

Kind = Literal["items", "portraits", "preferences"]
KINDS: tuple[Kind, ...] = ("items", "portraits", "preferences")
PERSONAL: tuple[Kind, ...] = ("portraits", "preferences")
"""The kinds of vectors that are of users."""
_BATCH = 256
"""Rows embedded and written in one batch; far below Chroma's limit of 5,461."""
_READ = 2048
_FULL = ("disk is full", "No space left", "disk I/O error", "File too large", "readonly")
"""Parts of error messages from SQLite and the system that mean a disk that cannot be written."""
_SLACK = 16 << 20
"""Bytes that stay free: Chroma does not survive a disk that fills while it writes."""
_GENERATION = "generation"
_LOG = 2
"""Chroma's least threshold: rows of its log after which it works them into the graph."""
_USUAL_LOG = 1000
"""The threshold that Chroma has by itself."""


@dataclass(frozen=True)
class IndexRow:
    """A text to embed under an id."""

    id: str
    text: str
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict)
    vector: Vectors | None = None
    """The text's vector [dimensions], if it was embedded before."""


@dataclass(frozen=True)
class Hit:
    id: str
    score: float
    """Cosine similarity in [-1, 1]."""


P = ParamSpec("P")
R = TypeVar("R")


def _translated(work: "Callable[Concatenate[Index, P], R]") -> "Callable[Concatenate[Index, P], R]":
    """Translates Chroma's errors into ours, and lets one thread in at a time, since a write reopens
    the collection that another thread would be reading.
    """

    @wraps(work)
    def call(self: "Index", /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with self._guard:
                return work(self, *args, **kwargs)
        except _chroma_errors() as error:
            raise self._failure(error) from error

    return call


def _chroma_errors() -> tuple[type[Exception], ...]:
    import httpx
    from chromadb.errors import ChromaError

    return ChromaError, httpx.TransportError


def generations(folder: Path) -> dict[str, int]:
    """By kind of vector, a number that grows with every write to it, in any process; {} where
    nothing was written yet.

    folder: of an index.
    """
    try:
        read = json.loads((folder / _GENERATION).read_text())
        return {str(kind): int(n) for kind, n in read.items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


class Index:
    """The vectors of one store.

    Raises IndexMismatchError at first use where the folder was made by another embedder,
    IndexBrokenError where Chroma cannot read or write it, StoreFullError where there is no space,
    IndexAwayError where its server does not answer.
    """

    def __init__(self, folder: Path, embedder: Embedder, store_id: str, url: str = "") -> None:
        """`url`: address of a Chroma server, which other stores may share; empty for an embedded
        database in the store's folder.
        """
        self._folder, self._store_id, self._url = folder, store_id, url
        self.embedder = Remembering(embedder)
        self._client: ClientAPI | None = None
        self._system: System | None = None
        self._cleared: list[System | None] = []
        self._collections: dict[Kind, Collection] = {}
        self._opened = -1
        self._guard = RLock()

    # ------------------------------------------------------------ opening

    def generation(self, kind: Kind | None = None) -> int:
        """A number that grows with every write to this kind of vector, in any process. None: of all
        kinds together.
        """
        counts = generations(self._folder)
        return sum(counts.values()) if kind is None else counts.get(kind, 0)

    def _wrote(self, *kinds: Kind) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        counts = generations(self._folder)
        counts.update({kind: counts.get(kind, 0) + 1 for kind in kinds})
        replace_text(self._folder / _GENERATION, json.dumps(counts))
        if not self._url:
            clear_unset(self._folder)
        self._opened = sum(counts.values())

    def _open(self) -> "ClientAPI":
        current = self.generation()
        if self._client is not None and (self._url or current == self._opened):
            return self._client
        self.close()
        self._client = self._reach() if self._url else self._read_anew()
        self._opened = current
        return self._client

    def close(self) -> None:
        """Release files, threads and memory; the next use opens the index again."""
        with self._guard:
            self._collections.clear()
            self._client = None
            if self._system is not None:
                self._system.stop()
                self._system = None
                clear_unset(self._folder)

    def _reach(self) -> "ClientAPI":
        import chromadb
        from chromadb.config import Settings as ChromaSettings

        to = urlsplit(self._url)
        quiet = ChromaSettings(anonymized_telemetry=False)
        try:
            return chromadb.HttpClient(
                host=to.hostname or "",
                port=to.port or 8000,
                ssl=to.scheme == "https",
                settings=quiet,
            )
        except ValueError as error:
            raise IndexAwayError("index.no_server", url=self._url) from error

    def _read_anew(self) -> "ClientAPI":
        """Over a system of our own: Chroma shares one a path in the whole process, which never
        reads anew, and holds its files, threads and memory for good once it is only forgotten.
        """
        from chromadb.api import ServerAPI
        from chromadb.api.client import Client
        from chromadb.config import Settings as ChromaSettings
        from chromadb.config import System

        self._folder.mkdir(parents=True, exist_ok=True)
        system = System(
            ChromaSettings(
                anonymized_telemetry=False, is_persistent=True, persist_directory=str(self._folder)
            )
        )
        system.instance(ServerAPI)  # type: ignore[type-abstract]  # Chroma finds what is set for it
        system.start()
        client = Client.from_system(system)
        self._system = system
        self._adopt(client)
        return client

    def _adopt(self, client: "ClientAPI") -> None:
        """Give collections from before stores had ids, which in a folder of its own are this
        store's, its id.
        """
        names = {collection.name for collection in client.list_collections()}
        for kind in KINDS:
            if f"limner-{kind}" in names and self._name(kind) not in names:
                client.get_collection(f"limner-{kind}", embedding_function=None).modify(
                    name=self._name(kind)
                )

    def _name(self, kind: Kind) -> str:
        return f"limner-{self._store_id}-{kind}"

    def _collection(self, kind: Kind) -> "Collection":
        client = self._open()
        if kind in self._collections:
            return self._collections[kind]
        made = client.get_or_create_collection(
            self._name(kind),
            metadata={"embedder": self.embedder.name, "dimensions": self.embedder.dimensions},
            configuration={"hnsw": {"space": "cosine"}},
            embedding_function=None,
        )
        owner, size = ((made.metadata or {}).get(key) for key in ("embedder", "dimensions"))
        if (owner, size) != (self.embedder.name, self.embedder.dimensions):
            raise IndexMismatchError(
                "index.other_dimensions",
                owner=owner,
                size=size,
                name=self.embedder.name,
                dimensions=self.embedder.dimensions,
            )
        self._collections[kind] = made
        return made

    @_translated
    def check(self) -> None:
        """Raises IndexMismatchError where another embedder made the index, IndexBrokenError where
        it cannot be read.
        """
        for kind in KINDS:
            self._collection(kind).get(limit=1, include=["embeddings"])

    def _failure(self, error: Exception) -> StoreError:
        import httpx

        message = " ".join(str(error).split())[:160]
        if self._url:
            if isinstance(error, httpx.TransportError):
                return IndexAwayError("index.no_server_error", url=self._url, error=message)
            return StoreError("index.server_failed", url=self._url, error=message)
        if any(sign in str(error) for sign in _FULL):
            return StoreFullError("index.cannot_write", folder=self._folder)
        return IndexBrokenError("index.broken", folder=self._folder, error=message)

    # ------------------------------------------------------------ writing

    @logged("index", "embed", lambda embedded: {"embedded": embedded})
    def upsert(self, kind: Kind, rows: Sequence[IndexRow], progress: Progress | None = None) -> int:
        """Embed the rows whose text is new or changed, and return how many there were. Meanwhile
        other threads read what is there.
        """
        fresh = self.outdated(kind, rows)
        if not fresh:
            return 0
        self._make_sure_of_room(fresh)
        say = progress or Quiet()
        say.start(f"embedding {kind}", len(fresh))
        for at in range(0, len(fresh), _BATCH):
            part = fresh[at : at + _BATCH]
            self._put(kind, part, self._embedded(part))
            say.advance(len(part))
        say.done()
        self._wrote(kind)
        return len(fresh)

    @_translated
    def _put(self, kind: Kind, rows: Sequence[IndexRow], vectors: Vectors) -> None:
        self._collection(kind).upsert(
            ids=[row.id for row in rows],
            embeddings=vectors,
            metadatas=[{**row.metadata, "hash": _hash(row)} for row in rows],
        )

    def _embedded(self, rows: Sequence[IndexRow]) -> Vectors:
        """The vectors of the rows' texts, [rows, dimensions]."""
        new = self.embedder.passages([row.text for row in rows if row.vector is None])
        made = iter(new)
        return np.stack([next(made) if row.vector is None else row.vector for row in rows])

    @_translated
    def outdated(self, kind: Kind, rows: Sequence[IndexRow]) -> list[IndexRow]:
        """The rows whose text is not embedded yet, or was embedded with different words."""
        known = self._hashes(kind, [row.id for row in rows])
        return [
            row for row in {row.id: row for row in rows}.values() if known.get(row.id) != _hash(row)
        ]

    def _make_sure_of_room(self, rows: Sequence[IndexRow]) -> None:
        """Raises StoreFullError before anything is written, since a full disk would leave an index
        that is broken.
        """
        if self._url:
            return
        # Vectors lie in Chroma's log and in its graph, texts not at all; measured with 256 and 384
        # dimensions.
        needed = len(rows) * (16 * self.embedder.dimensions + 2048) + _SLACK
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise StoreFullError(
                "index.no_space", folder=self._folder, needed=needed >> 20, free=free >> 20
            )

    @_translated
    def delete(self, kind: Kind, ids: Sequence[str]) -> None:
        if ids:
            self._collection(kind).delete(ids=list(ids))
            self._wrote(kind)

    def clear(self) -> None:
        """Drop everything, whoever made it and in whatever state; the way to another embedder.

        A folder goes whole, since Chroma keeps what was deleted in a log of its own; of a server,
        our collections go.
        """
        if self._url:
            try:
                client = self._open()
                names = {collection.name for collection in client.list_collections()}
                for kind in KINDS:
                    if self._name(kind) in names:
                        client.delete_collection(self._name(kind))
            except _chroma_errors() as error:
                raise self._failure(error) from error
        else:
            counts = generations(self._folder)
            # Kept, not closed: Chroma writes unset parts of a new graph to disk as it found the
            # memory, names and all.
            self._cleared.append(self._system)
            self._client = self._system = None
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / _GENERATION).write_text(json.dumps(counts))
        self._collections.clear()
        self._wrote(*KINDS)

    @_translated
    def erase(self, user_id: str) -> int:
        """Delete a user's portrait (its id is the user's) and preferences (metadata `user_id`); how
        many rows that were. `compact` takes them out of the files too.
        """
        deleted = 0
        for kind in PERSONAL:
            collection = self._collection(kind)
            which = [user_id] if kind == "portraits" else self.owned(kind, [user_id])
            held = list(collection.get(ids=which, include=[])["ids"]) if which else []
            if not held:
                continue
            # Overwritten first: the graph keeps the vector of a row that is deleted.
            blank = np.full(self.embedder.dimensions, self.embedder.dimensions**-0.5, np.float32)
            collection.update(ids=held, embeddings=np.tile(blank, (len(held), 1)))
            collection.delete(ids=held)
            deleted += len(held)
        self._wrote(*PERSONAL)
        return deleted

    @_translated
    def compact(self) -> None:
        """Make Chroma's files hold nothing but what is stored: the log of what was written to the
        vectors of people ends, and free space is given back. Does nothing on a server.

        Chroma keeps the rows of its log until a thousand more have come. Here the log is worked
        into the graph at once, by a threshold that is lowered meanwhile.
        """
        if self._url:
            return
        for kind in PERSONAL:
            collection = self._collection(kind)
            found = collection.get(limit=1, include=["embeddings", "metadatas"])
            if not found["ids"]:
                self._open().delete_collection(self._name(kind))
                continue
            # The newest row of the log stays in it: one that is there anyway, written again.
            for _ in range(_LOG):
                collection.update(
                    ids=found["ids"], embeddings=found["embeddings"], metadatas=found["metadatas"]
                )
            self._merge_log(kind)
        self.close()
        compact_files(self._folder)
        self._wrote(*PERSONAL)

    @_translated
    def residue(self, user_id: str) -> list[str]:
        """Places that still hold a user: of an embedded Chroma its tables and graphs, of a server
        its collections.
        """
        if not self._url:
            return [f"chroma/{place}" for place in rows_naming(self._folder, user_id)]
        held = {
            "portraits": self._collection("portraits").get(ids=[user_id], include=[])["ids"],
            "preferences": self.owned("preferences", [user_id]),
        }
        return [f"Chroma: {kind}" for kind, ids in held.items() if ids]

    def _merge_log(self, kind: Kind) -> None:
        """Have Chroma work its log into the graph, which it does when a graph is read anew."""
        self._collection(kind).modify(configuration={"hnsw": {"sync_threshold": _LOG}})
        self.close()
        any_vector = np.full((1, self.embedder.dimensions), 1.0, np.float32)
        self._collection(kind).query(query_embeddings=any_vector, n_results=1, include=[])
        self._collection(kind).modify(configuration={"hnsw": {"sync_threshold": _USUAL_LOG}})

    # ------------------------------------------------------------ reading

    @_translated
    def everything(self, kind: Kind) -> tuple[list[str], Vectors]:
        """All ids, sorted, and their vectors [n, dimensions]."""
        collection = self._collection(kind)
        ids: list[str] = []
        parts = [np.empty((0, self.embedder.dimensions), dtype=np.float32)]
        for offset in range(0, collection.count(), _READ):
            page = collection.get(limit=_READ, offset=offset, include=["embeddings"])
            if page["embeddings"] is not None and page["ids"]:
                ids += page["ids"]
                parts.append(np.asarray(page["embeddings"], dtype=np.float32))
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return [ids[at] for at in order], np.concatenate(parts)[order]

    @_translated
    def count(self, kind: Kind) -> int:
        return self._collection(kind).count()

    @_translated
    def search(self, kind: Kind, vectors: Vectors, k: int) -> list[list[Hit]]:
        """The k nearest rows of each of [n, dimensions] vectors, best first."""
        collection = self._collection(kind)
        size = collection.count()
        if size == 0 or len(vectors) == 0:
            return [[] for _ in range(len(vectors))]
        nearest = collection.query(
            query_embeddings=vectors, n_results=min(k, size), include=["distances"]
        )
        distances = nearest["distances"] or []
        return [
            [Hit(one, 1.0 - float(distance)) for one, distance in zip(ids, row, strict=True)]
            for ids, row in zip(nearest["ids"], distances, strict=True)
        ]

    @_translated
    def owned(self, kind: Kind, user_ids: Sequence[str]) -> list[str]:
        """Ids of all rows that belong to these users (metadata `user_id`)."""
        among: dict[Literal["$in", "$nin"], list[str | int | float | bool]] = {"$in": [*user_ids]}
        return list(self._collection(kind).get(where={"user_id": among}, include=[])["ids"])

    @_translated
    def vectors(self, kind: Kind, ids: Sequence[str]) -> dict[str, Vectors]:
        """The stored vectors of these ids, each [dimensions]; an unknown id is left out."""
        out: dict[str, Vectors] = {}
        for offset in range(0, len(ids), _READ):
            page = self._collection(kind).get(
                ids=list(ids[offset : offset + _READ]), include=["embeddings"]
            )
            rows = page["embeddings"]
            if rows is not None:
                out.update(zip(page["ids"], np.asarray(rows, dtype=np.float32), strict=True))
        return out

    def _hashes(self, kind: Kind, ids: Sequence[str]) -> dict[str, str]:
        known: dict[str, str] = {}
        for at in range(0, len(ids), _READ):
            found = self._collection(kind).get(
                ids=list(ids[at : at + _READ]), include=["metadatas"]
            )
            for one, metadata in zip(found["ids"], found["metadatas"] or [], strict=True):
                known[one] = str((metadata or {}).get("hash", ""))
        return known


def _hash(row: IndexRow) -> str:
    body = json.dumps([row.text, row.metadata], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(body.encode(), digest_size=12).hexdigest()
