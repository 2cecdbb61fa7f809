"""`limner erase` on a real store: it asks, it looks for ids that are gone too, and it says what it
found afterwards.
"""

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from limner.cli import main
from limner.engine import open_engine
from limner.store import open_store
from limner.testing import FakeEmbedder
from tests.http.tasteful import copied, made

Erase = Callable[..., int]


class AtTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("erase"))


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return copied(trained, tmp_path) / "store"


@pytest.fixture
def erase(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Erase:
    """Runs the verb; `typed` is what somebody at a terminal types."""
    monkeypatch.setenv("LIMNER_LLM", "none")

    def run(*argv: str, typed: str | None = None) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO() if typed is None else AtTerminal(typed))
        return main(
            ["--data", str(folder), "erase", *argv],
            open_engine=partial(open_engine, embedder=FakeEmbedder()),
        )

    return run


def users(folder: Path) -> set[str]:
    store = open_store(str(folder))
    found = set(store.user_ids())
    store.close()
    return found


def test_several_are_erased_at_once_and_json_says_what(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = users(folder)
    assert erase("u0", "u1", "u0", "--yes", "--json") == 0
    shown = capsys.readouterr()
    erased = json.loads(shown.out)["erased"]
    assert [one["user_id"] for one in erased] == ["u0", "u1"]
    for one in erased:
        assert one["events"] > 0
        assert any("limner train" in note["text"] for note in one["notes"])
    assert users(folder) == there - {"u0", "u1"}


def test_an_id_that_was_never_known_is_looked_for_and_said(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = users(folder)
    assert erase("u0", "nobody", "--yes") == 0
    shown = capsys.readouterr()
    assert "Nothing was there of nobody." in shown.out
    assert "never a user 'nobody'" in shown.err
    assert users(folder) == there - {"u0"}


def test_who_is_gone_can_be_erased_again(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert erase("u0", "--yes") == 0
    (folder / "rejected").mkdir()
    row = json.dumps({"reason": "bad time", "row": {"user_id": "u0"}}) + "\n"
    (folder / "rejected" / "a.jsonl.part").write_text(row)  # of an ingest that was killed
    capsys.readouterr()
    assert erase("u0", "--yes") == 0
    shown = capsys.readouterr()
    assert "Erased what was left of u0." in shown.out and "rejected 1" in shown.out
    assert "erased before" in shown.err
    assert erase("u0", "--yes") == 0
    assert "Nothing was there of u0." in capsys.readouterr().out


def test_what_cannot_be_erased_is_named_and_the_command_fails(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notes of mine.json").write_text('{"user_id": "u0"}')
    assert erase("u0", "--yes") == 1
    assert "FOUND in notes of mine.json" in " ".join(capsys.readouterr().out.split())


def test_one_event_is_erased_and_another_users_is_not(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(str(folder))
    mine, other = store.events("u0"), store.events("u1")
    store.close()
    assert erase("u0", "--event", mine[0].event_id, "--event", other[0].event_id, "--yes") == 2
    assert "no event" in capsys.readouterr().err
    assert erase("u0", "--event", mine[0].event_id, "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["erased"][0]["event_id"] == mine[0].event_id
    store = open_store(str(folder))
    assert store.events("u0") == mine[1:] and store.events("u1") == other
    store.close()


def test_without_a_terminal_it_must_be_said(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = users(folder)
    assert erase("u0") == 2
    assert "--yes" in capsys.readouterr().err
    assert users(folder) == there


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 130)])
def test_at_a_terminal_it_asks_and_nothing_but_yes_erases(
    erase: Erase, folder: Path, capsys: pytest.CaptureFixture[str], typed: str, status: int
) -> None:
    assert erase("u0", typed=typed) == status
    shown = capsys.readouterr()
    assert ("u0" in users(folder)) == (status != 0)
    assert ("Erased user u0" in shown.out) == (status == 0)
    if status == 0:
        assert "limner train" in shown.err and "nothing of u0 is left" in shown.out
