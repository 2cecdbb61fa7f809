"""The files of an embedded Chroma: taking out what they should not hold, and looking for it."""

import pickletools
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import UUID

DATABASE = "chroma.sqlite3"
_WAIT = 10.0
"""Seconds for which another process may read Chroma's database before it is given up."""
_GRAPH_HEADER = "header.bin"
"""hnswlib's: version, offset, most vectors, vectors, bytes of each, …"""
_GRAPH_IDS = "index_metadata.pickle"
"""The file in which a graph names its rows."""


def compact_files(folder: Path) -> None:
    """Give back free space of Chroma's database, and folders of graphs that are nobody's any more.

    Nothing else of this process may have the database open. Where another process reads it for
    long it stays as it is, which a check of what is left tells.
    """
    file = folder / DATABASE
    if not file.exists():
        return
    with suppress(sqlite3.OperationalError), closing(_opened(file)) as database:
        database.execute("PRAGMA secure_delete = ON")
        database.execute("VACUUM")
    with closing(_opened(file)) as database:
        used = {row[0] for row in database.execute("SELECT id FROM segments")}
    for path in folder.iterdir():
        if path.is_dir() and _is_uuid(path.name) and path.name not in used:
            shutil.rmtree(path, ignore_errors=True)


def clear_unset(folder: Path) -> None:
    """Put zeros into the parts of graphs' files that no vector has yet. Chroma writes the files of
    a new graph with whatever lay in the memory of its process, names and all.
    """
    for header in folder.glob(f"*/{_GRAPH_HEADER}"):
        with suppress(OSError, struct.error):
            _, _, _, count, size = struct.unpack("<iQQQQ", header.read_bytes()[:36])
            _clear_from(header.with_name("data_level0.bin"), count * size)
            _clear_from(header.with_name("length.bin"), count * 4)


def _clear_from(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        rest = opened.read()
        if rest.count(0) < len(rest):
            opened.seek(at)
            opened.write(bytes(len(rest)))


def rows_naming(folder: Path, user_id: str) -> list[str]:
    """Places in an embedded Chroma that name a user: tables of its database, and graphs. Items are
    left out, since one may have the same id.
    """
    file = folder / DATABASE
    if not file.exists():
        return []
    under = f"{user_id}\x1f"  # as ids of preferences begin
    given = {"id": user_id, "under": under, "length": len(under)}
    places = []
    with closing(_opened(file)) as database:
        for name, query in _QUERIES.items():
            if database.execute(query, given).fetchone()[0]:
                places.append(f"{file.name}: {name}")
        items = {row[0] for row in database.execute(_ITEM_GRAPHS)}
    for graph in sorted(folder.glob(f"*/{_GRAPH_IDS}")):
        if graph.parent.name not in items and any(
            text == user_id or text.startswith(under) for text in _strings(graph, user_id)
        ):
            places.append(f"{graph.parent.name}/{graph.name}")
    return places


_IS_ITEMS = "SELECT id FROM collections WHERE name LIKE '%-items'"
_ITEM_GRAPHS = f"SELECT id FROM segments WHERE collection IN ({_IS_ITEMS})"
_NAMED = "({0} = :id OR substr({0}, 1, :length) = :under)"
_QUERIES = {
    "embeddings": f"SELECT count(*) FROM embeddings WHERE {_NAMED.format('embedding_id')} "
    f"AND segment_id NOT IN ({_ITEM_GRAPHS})",
    "embedding_metadata": "SELECT count(*) FROM embedding_metadata "
    "WHERE key = 'user_id' AND string_value = :id",
    "embeddings_queue": f"SELECT count(*) FROM embeddings_queue WHERE {_NAMED.format('id')} "
    "AND NOT EXISTS (SELECT 1 FROM collections WHERE name LIKE '%-items' "
    "AND topic LIKE '%' || collections.id)",
}


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_WAIT, isolation_level=None)


def _strings(file: Path, user_id: str) -> Iterator[str]:
    """Texts in a pickle, which is not run; none where the bytes of the id are not in it."""
    body = file.read_bytes()
    if user_id.encode() not in body:
        return
    with suppress(ValueError):
        for _, argument, _ in pickletools.genops(body):
            if isinstance(argument, str):
                yield argument


def _is_uuid(name: str) -> bool:
    with suppress(ValueError):
        return str(UUID(name)) == name
    return False
