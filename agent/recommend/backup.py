"""Backups of a store: one archive, made while others serve and write, and put back whole.

All that the database holds is in it, rejected rows, the trained channels and an embedded Chroma's
vectors. Counts over everyone are made anew from what is restored.
"""

import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field

from limner.core.atomic import make_private
from limner.core.errors import (
    UNREADABLE,
    BadInputError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    UsageError,
)
from limner.core.messages import Message, message
from limner.core.schema import Value
from limner.store import Store, open_store
from limner.store.tombstones import tombstone_of

_DATABASE, _MANIFEST = "limner.db", "backup.json"
_MODELS, _VECTORS, _REJECTED = "models", "chroma", "rejected"
_OTHERS = 5.0
"""Seconds for whoever writes to a store that is to be replaced."""
_FORM = 1
"""Version of the archive's form."""
_AT_ONCE = 1000
"""Pages of the database that are copied before others may write again."""


class BackupManifest(Value):
    """What an archive says of itself."""

    form: int
    """Version of the archive's form."""
    store_id: str
    """The store's id."""
    at: datetime
    """When the copy of the database was whole; nothing that came later is in it."""
    users: int
    """Users in it."""
    events: int
    """Events in it."""


class BackupReport(Value):
    """What a backup or a restored store holds."""

    file: str
    """The archive."""
    manifest: BackupManifest
    """What the archive says of itself."""
    erased_again: int = 0
    """Users who were erased after the backup, and who were erased from the restored store too."""
    notes: list[Message] = Field(default=[])
    """What a reader should know about how it was made."""


def back_up(store: Store, file: Path, *, wait: float) -> BackupReport:
    """Write an archive of an SQLite store; others may read and write meanwhile. While the vectors
    are copied, which are last, writers wait.

    wait: seconds for whoever writes then; where that does not end, the vectors are left out, and
    are made anew from what is restored. Raises UsageError where the file is there already, and for
    a database that has tools of its own.
    """
    if store.file is None:
        raise UsageError("backup.postgres")
    if file.exists():
        raise UsageError("backup.exists", file=file)
    part = file.with_name(f"{file.name}.part")
    notes = []
    try:
        with TemporaryDirectory(dir=file.absolute().parent, prefix=".limner-backup-") as made:
            copies = Path(made)
            _copy_database(store.file, copies / _DATABASE)
            manifest = _manifest_of(copies / _DATABASE, store.id)
            (copies / _MANIFEST).write_text(manifest.model_dump_json(indent=1))
            _copy_models(store.folder / _MODELS, copies / _MODELS)
            if (store.folder / _REJECTED).is_dir():
                shutil.copytree(store.folder / _REJECTED, copies / _REJECTED)
            try:
                with store.writing(wait):
                    _copy_vectors(store.folder / _VECTORS, copies / _VECTORS)
            except StoreBusyError:
                notes.append(message("backup.without_vectors"))
            with tarfile.open(part, "w:gz", compresslevel=3) as archive:
                for path in sorted(copies.iterdir()):
                    archive.add(path, path.name)
        part.chmod(0o600)
        part.replace(file)
    except OSError as error:
        raise StoreFullError("backup.cannot_write", file=file, error=error.strerror) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return BackupReport(file=str(file), manifest=manifest, notes=notes)


def _copy_database(file: Path, copy: Path) -> None:
    """SQLite's online backup: a state of one moment, whoever writes meanwhile."""
    try:
        with (
            closing(sqlite3.connect(f"file:{file.absolute()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.execute("PRAGMA busy_timeout = 10000")
            source.backup(target, pages=_AT_ONCE)
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise StoreError("store.failed", error=error) from error


def _manifest_of(copy: Path, store_id: str) -> BackupManifest:
    with closing(sqlite3.connect(copy)) as base:
        users, events = (
            base.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("users", "events")
        )
    return BackupManifest(
        form=_FORM, store_id=store_id, at=datetime.now(UTC), users=users, events=events
    )


def _copy_models(folder: Path, copy: Path) -> None:
    """The current version alone. One that is swapped meanwhile is left out: it is derived."""
    try:
        name = (folder / "current").read_text().strip()
        shutil.copytree(folder / name, copy / name)
        (copy / "current").write_text(name)
    except OSError:
        shutil.rmtree(copy, ignore_errors=True)


def _copy_vectors(folder: Path, copy: Path) -> None:
    """An embedded Chroma, which nobody writes to now."""
    if not folder.is_dir():
        return
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("chroma.sqlite3*"))
    if (folder / "chroma.sqlite3").exists():
        _copy_database(folder / "chroma.sqlite3", copy / "chroma.sqlite3")


# ---------------------------------------------------------------- restoring


def restore(
    file: Path, home: Path, erase: Callable[[Path, Sequence[str]], None], *, replace: bool = False
) -> BackupReport:
    """Put a backup in the place of a store's folder, wholly or not at all. Users whom the store
    that is replaced erased after the backup are erased from what is restored, before it takes that
    place.

    erase: erases users from the store of a folder. Raises BadInputError for a file that is no
    backup, UsageError where the folder holds something and `replace` is false, StoreBusyError where
    somebody writes to the store that is there.
    """
    new, old = (home.with_name(f".{home.name}.{ending}") for ending in ("restored", "replaced"))
    if old.exists() and not home.exists():
        old.rename(home)  # a restore was killed between its two last steps
    if home.exists() and not replace and any(home.iterdir()):
        raise UsageError("restore.not_empty", folder=home)
    home.parent.mkdir(parents=True, exist_ok=True)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
    try:
        manifest = _unpacked(file, new)
        with _replaced(home) as replaced:
            again = _erased_later(new, replaced, manifest)
            erase(new, again)
            make_private(new)
            if home.exists():
                home.rename(old)
            new.rename(home)
    except OSError as error:
        raise StoreError("restore.failed", folder=home, error=error.strerror) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if home.exists():
            shutil.rmtree(old, ignore_errors=True)
    notes = []
    if replaced is None:
        notes.append(message("restore.erasures_unknown", date=manifest.at.isoformat()))
    return BackupReport(file=str(file), manifest=manifest, erased_again=len(again), notes=notes)


@contextmanager
def _replaced(home: Path) -> Iterator[Store | None]:
    """The store that is replaced, while nobody writes to it; None where there is none that can be
    read.
    """
    try:
        store = open_store(str(home), create=False)
    except (StoreError, UsageError):
        yield None
        return
    try:
        with store.writing(_OTHERS):
            yield store
    finally:
        store.close()


def _unpacked(file: Path, new: Path) -> BackupManifest:
    try:
        new.mkdir(parents=True)
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(new, filter="data")
        manifest = BackupManifest.model_validate_json((new / _MANIFEST).read_text())
        (new / _MANIFEST).unlink()
    except (*UNREADABLE, tarfile.TarError) as error:
        raise BadInputError("restore.no_backup", file=file) from error
    if manifest.form != _FORM or not (new / _DATABASE).exists():
        raise BadInputError("restore.no_backup", file=file)
    restored = open_store(str(new), create=False)
    try:
        if restored.damage():
            raise BadInputError("restore.no_backup", file=file)
        if not (new / _VECTORS).exists():
            restored.set_unembedded()
    finally:
        restored.close()
    return manifest


def _erased_later(new: Path, replaced: Store | None, manifest: BackupManifest) -> list[str]:
    """Users of an unpacked backup whom the store that it replaces erased since."""
    if replaced is None:
        return []
    # To the second, as erasures are noted.
    since = manifest.at.replace(microsecond=0)
    later = {one for one, at in replaced.erasures().items() if at >= since}
    restored = open_store(str(new), create=False)
    try:
        return [one for one in restored.user_ids() if tombstone_of(replaced.id, one) in later]
    finally:
        restored.close()
