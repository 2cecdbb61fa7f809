"""Rejected rows on their way to a file; it gets its name only when what was read with them is
stored.
"""

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from limner.core.errors import StoreError, StoreFullError


class RejectedRows:
    """Rows with file, line and reason, written as they come, so that memory stays flat."""

    def __init__(self, folder: Path, most: int) -> None:
        """`most`: number of rows in memory at once."""
        self._folder, self._most = folder, most
        self._rows: list[Mapping[str, object]] = []
        self._name = ""
        self.path: Path | None = None
        """The finished file; None before the ingest ends, or where no row was rejected."""

    def add(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Raises StoreFullError or StoreError where they cannot be written."""
        self._rows += rows
        if len(self._rows) >= self._most:
            self.write()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Surrounds an ingest: on success the file moves into place, on failure it is deleted."""
        made = not self._folder.exists()
        try:
            yield
            if self._name:
                self.path = self._part.replace(self._folder / self._name)
        except BaseException:
            with suppress(OSError):
                if self._name:
                    self._part.unlink(missing_ok=True)
                if made:
                    self._folder.rmdir()
            raise

    @property
    def _part(self) -> Path:
        return self._folder / f"{self._name}.part"

    def write(self) -> None:
        """Write the rows in memory to the file. Called before the transaction ends, so that a full
        disk undoes the whole ingest.
        """
        if not self._rows:
            return
        lines = [json.dumps(row, ensure_ascii=False) for row in self._rows]
        try:
            if not self._name:
                self._folder.mkdir(parents=True, exist_ok=True)
                # Named by content, so that the same bad file again makes no second one.
                digest = hashlib.blake2b("\n".join(lines).encode(), digest_size=6).hexdigest()
                self._name = f"{digest}.jsonl"
                self._part.unlink(missing_ok=True)
            with self._part.open("a", encoding="utf-8") as out:
                out.write("\n".join(lines) + "\n")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreFullError("rejects.no_space", folder=self._folder) from error
            raise StoreError(
                "rejects.cannot_write", folder=self._folder, error=error.strerror
            ) from error
        self._rows.clear()
