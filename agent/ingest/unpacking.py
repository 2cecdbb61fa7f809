"""Compressed files as they are read: nothing unpacks to more than a table ever does."""

import bz2
import gzip
import io
import lzma
import os
from typing import IO, TYPE_CHECKING, cast

from limner.core.errors import BadInputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

RATIO = 300
"""Bytes that one compressed byte may become; logs and tables of zeros come to 100."""
FLOOR = 64 << 20
"""Bytes that anything may become."""


class _Bounded(io.RawIOBase):
    """Another stream, which fails when it has given too much for what it was made from."""

    def __init__(self, stream: IO[bytes], most: int, name: str) -> None:
        self._stream, self._most, self._name = stream, most, name
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = self._stream.seek(offset, whence)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        block = self._stream.read(len(view))
        view[: len(block)] = block
        self._place += len(block)
        if self._place > self._most:
            raise BadInputError("table.bomb", file=self._name, ratio=RATIO)
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


def bounded(stream: IO[bytes], packed: int, name: str) -> IO[bytes]:
    """A decompressed stream that raises BadInputError where `packed` bytes become too many."""
    return io.BufferedReader(_Bounded(stream, max(FLOOR, RATIO * packed), name), 1 << 16)


def unpacked(raw: IO[bytes], name: str) -> IO[bytes]:
    """A stream, decompressed if it is gzip, xz or bzip2. It raises BadInputError while it is read,
    where it becomes too much.
    """
    head = raw.read(6)
    packed = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    if head[:2] == b"\x1f\x8b":
        return bounded(cast(IO[bytes], gzip.open(raw)), packed, name)
    if head == b"\xfd7zXZ\x00":
        return bounded(lzma.open(raw), packed, name)
    if head[:3] == b"BZh":
        return bounded(bz2.open(raw), packed, name)
    return raw
