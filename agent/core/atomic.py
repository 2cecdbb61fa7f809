"""Files, and folders of several files that belong together: written beside, put in place when they
are whole, and closed to other accounts of the machine.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def make_private(folder: Path) -> None:
    """Let nobody but the owner read or change a folder and all that is in it (0700, files 0600);
    what belongs to somebody else, or is gone meanwhile, is passed over.
    """
    for path in (folder, *folder.rglob("*")):
        with suppress(PermissionError, FileNotFoundError):
            if path.is_symlink():
                continue
            wanted = 0o700 if path.is_dir() else 0o600
            if path.stat().st_mode & 0o777 != wanted:
                path.chmod(wanted)


def replace_text(file: Path, text: str) -> None:
    """Write a file such that a reader finds the old text or the new one, and never a part."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A new folder, which takes the place of `folder` when the block ends without error, and is
    gone otherwise.

    Of one process at a time. For a moment there is neither, so that readers must be able to do
    without.
    """
    part, old = (folder.with_name(f".{folder.name}.{ending}") for ending in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
    part.mkdir(parents=True)
    try:
        yield part
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)
