"""Erasing users for good: files first, then rows, and a look at what is left."""

import json
import shutil
from pathlib import Path

from pydantic import Field

from limner.core.errors import LimnerError
from limner.core.messages import Message, message
from limner.core.schema import Value
from limner.core.settings import Settings
from limner.state.derived import DerivedState
from limner.store import Store
from limner.store.dead_bytes import dead_bytes
from limner.store.residue import ResidueSearch, Traces, file_holds, files_of

_COUNTS = ("population", "demographics", "holders")
"""Folders of what is counted over everyone, made anew when it is asked for."""
_CHROMA = "chroma.sqlite3"


class ResidueCheck(Value):
    """What was found of a user after they were erased."""

    files: int
    """Files of the store that were looked through, every byte of them."""
    bytes: int
    """Their size."""
    found: list[str]
    """Places that still hold something of the user: a table with the number of its rows, a file,
    the free space of a database file. Empty where nothing is left.
    """
    unchecked: list[Message]
    """What could not be looked at, and why."""


class Erased(Value):
    """What was erased of a user."""

    user_id: str
    """The user's id, exactly as in the data."""
    known: bool
    """Whether the store had such a user; false for one that was erased before or never there."""
    events: int
    """Events that were erased."""
    removed: dict[str, int]
    """Rows that were erased, by table, `vectors` and lines of `rejected` rows among them; tables
    without any are left out.
    """
    residue: ResidueCheck
    """What a look through the store found afterwards."""
    notes: list[Message] = Field(default=[])
    """What a reader should know about how it was made."""


class Eraser:
    """Takes a user out of everything that may hold them."""

    def __init__(self, settings: Settings, store: Store, derived: DerivedState) -> None:
        self._wait, self._server = settings.server.write_wait, settings.chroma_url
        self._store, self._derived = store, derived
        self._search = ResidueSearch(store)

    def erase(self, user_id: str) -> Erased:
        """Erase a user and all that names them, also what an erasure that was killed has left of
        one who is gone.

        What was learned over everyone holds no names; it is counted anew, and trained anew with the
        next training. Raises StoreBusyError where others go on writing.
        """
        with self._store.changing(wait=self._wait):
            known = self._store.user(user_id) is not None
            before = self._store.erased_at(user_id)
            traces = self._search.traces(user_id)
            removed = {
                # first: where the index is away, nothing is erased by half
                "vectors": self._derived.portraits.forget(user_id),
                "rejected": clean_rejected(self._store.folder, user_id),
            }
            if known:
                for name in _COUNTS:
                    shutil.rmtree(self._store.folder / name, ignore_errors=True)
            removed |= self._store.erase_user(user_id)
        with self._store.writing(self._wait):
            residue = self._clean_files(traces, bool(removed["vectors"]))
        notes = [message("erase.channels_later")] if known else []
        if not known:
            notes.append(
                message("erase.before", user=user_id, date=before.isoformat())
                if before
                else message("erase.never_known", user=user_id)
            )
        return Erased(
            user_id=user_id,
            known=known,
            events=removed.get("events", 0),
            removed={name: count for name, count in removed.items() if count},
            residue=residue,
            notes=notes,
        )

    def compact(self) -> None:
        """Take what was erased lately out of files too: the index's, and the log of the store."""
        with self._store.writing(self._wait):
            self._derived.portraits.compact()
            self._store.empty_log(self._wait)

    def check(self, user_id: str) -> ResidueCheck:
        """What is left of a user who was erased, or all that is held of one who was not."""
        return self._look(Traces(user_id))

    def _clean_files(self, traces: Traces, compact: bool) -> ResidueCheck:
        """Take what was erased out of files too, where they hold it beside their rows."""
        if compact:
            self._derived.portraits.compact()
        traces = self._search.own_words(traces)
        residue = self._look(traces)
        if not residue.found:
            return residue
        self._derived.portraits.compact()
        self._store.vacuum()
        self._store.empty_log(self._wait)
        return self._look(traces)

    def _look(self, traces: Traces) -> ResidueCheck:
        rows = self._search.rows(traces.user_id).items()
        found = [f"{table}: {count:,}" for table, count in rows]
        unchecked = []
        try:
            found += self._derived.portraits.residue(traces.user_id)
        except LimnerError as error:
            unchecked.append(message("erase.unchecked_vectors", error=error))
        raw = self._search.raw_id(traces.user_id)
        found += self._search.database_files(traces, raw)
        files, size = 0, 0
        own = self._store.file
        for path in files_of(self._store.folder):
            name = str(path.relative_to(self._store.folder))
            try:
                size += path.stat().st_size
                files += 1
                is_own = own is not None and path.name.startswith(own.name)
                if not is_own and _holds(path, traces, raw):
                    found.append(name)
            except FileNotFoundError:
                continue  # it went meanwhile
            except OSError as error:
                unchecked.append(
                    message("erase.unchecked_file", file=name, error=error.strerror or error)
                )
        if own is None:
            unchecked.append(message("erase.unchecked_postgres"))
        if self._server:
            unchecked.append(message("erase.unchecked_chroma"))
        return ResidueCheck(
            files=files, bytes=size, found=list(dict.fromkeys(found)), unchecked=unchecked
        )


def _holds(path: Path, traces: Traces, raw: bytes | None) -> bool:
    """Whether a file beside the store's database holds a trace. Of Chroma's database, whose rows
    are looked at as such, only the rest is read.
    """
    if path.name != _CHROMA:
        return file_holds(path, traces, raw)
    sought = [*traces.anywhere(), *([raw] if raw else [])]
    return any(one in part for part in dead_bytes(path) for one in sought)


# ---------------------------------------------------------------- rejected rows


def rejected_files(folder: Path) -> list[Path]:
    """Files of rejected rows in a store's folder, and what killed processes left of such."""
    return sorted(path for path in (folder / "rejected").glob("*") if path.is_file())


def is_whole(line: str) -> bool:
    """Whether a line is a rejected row, and not cut off."""
    try:
        return isinstance(json.loads(line)["row"], dict)
    except (ValueError, KeyError, TypeError):
        return False


def names_user(line: str, user_id: str) -> bool:
    """Whether a cell of a rejected row is the user's id; a line that was cut off is searched as
    text.
    """
    if not is_whole(line):
        return user_id in line
    return user_id in {str(cell).strip() for cell in json.loads(line)["row"].values()}


def clean_rejected(folder: Path, user_id: str) -> int:
    """Take a user's rows out of the files of rejected rows; how many lines that were."""
    return sum(_without(file, user_id) for file in rejected_files(folder))


def _without(file: Path, user_id: str) -> int:
    lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    left = [line for line in lines if not names_user(line, user_id)]
    if len(left) < len(lines):
        part = file.with_name(f"{file.name}.cleaned")
        part.write_text("".join(left), encoding="utf-8", errors="surrogateescape")
        part.replace(file)
    return len(lines) - len(left)
