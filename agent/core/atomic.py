"""Folders of several files that belong together: written beside, and put in place when they are
whole.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
