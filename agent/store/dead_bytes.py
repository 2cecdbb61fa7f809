"""What an SQLite file holds beside its rows: free pages, and unused space within pages.

By sqlite.org/fileformat2.html, 1.3 to 1.6. Pages of overflow, which are no b-trees, count as rows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TREE_HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}
"""Bytes of the header of a b-tree's page, by its kind."""
_FILE_HEADER = 100
"""Bytes before the header of the first page."""
_TRUNK = 8
"""Bytes at the beginning of a page that lists free pages: the next such page, and how many."""


def dead_bytes(file: Path) -> Iterator[bytes]:
    """Each unused part of a file that holds more than zeros. While somebody writes, bytes of rows
    may be among them.
    """
    with file.open("rb") as opened:
        header = opened.read(_FILE_HEADER)
        if len(header) < _FILE_HEADER:
            return
        size = _number(header, 16) if _number(header, 16) > 1 else 65536
        free = dict(_free_pages(opened, size, _number(header, 32, 4)))
        opened.seek(0)
        at = 0
        while page := opened.read(size):
            at += 1
            unused = [page[free[at] :]] if at in free else _unused(page, at)
            yield from (part for part in unused if part.count(0) < len(part))


def _free_pages(opened: BinaryIO, size: int, trunk: int) -> Iterator[tuple[int, int]]:
    """(number, bytes at its beginning that are in use) of the free pages, which trunks list."""
    seen: set[int] = set()
    while trunk and trunk not in seen:
        seen.add(trunk)
        opened.seek((trunk - 1) * size)
        page = opened.read(size)
        leaves = min(_number(page, 4, 4), size // 4 - 2)
        yield trunk, _TRUNK + 4 * leaves
        for leaf in range(leaves):
            yield _number(page, _TRUNK + 4 * leaf, 4), 0
        trunk = _number(page, 0, 4)


def _unused(page: bytes, number: int) -> Iterator[bytes]:
    """The parts of a b-tree's page between its pointers and its cells, and freed cells."""
    start = _FILE_HEADER if number == 1 else 0
    header = _TREE_HEADERS.get(page[start])
    if header is None:
        return
    pointers = start + header + 2 * _number(page, start + 3)
    yield page[pointers : _number(page, start + 5) or len(page)]
    block, last = _number(page, start + 1), 0
    while last < block <= len(page) - 4:
        yield page[block + 4 : block + _number(page, block + 2)]
        last, block = block, _number(page, block)


def _number(page: bytes, at: int, length: int = 2) -> int:
    return int.from_bytes(page[at : at + length], "big")
