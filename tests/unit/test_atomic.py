"""What is derived lies in folders that are whole or not there: base rates, demographics, who had
what.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from limner.core.atomic import written_whole
from limner.core.schema import Item, User
from limner.facts import build_population, load_population
from limner.facts.population import Population
from limner.retrieve import count_demographics, load_demographics
from limner.retrieve.cooccurrence import holders_of, load_holders
from tests.unit.test_evaluation import many


class Saved(Protocol):
    def save(self, folder: Path) -> None: ...


def population() -> Population:
    x = many()
    items = [
        Item(item_id=one, categories=["a" if at % 2 else "b"]) for at, one in enumerate(x.item_ids)
    ]
    return build_population(x, items, np.ones(len(x), dtype=np.float32))


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "old").touch()
    (tmp_path / ".kept.part").mkdir()
    (tmp_path / ".kept.part" / "left by a kill").touch()
    with written_whole(folder) as part:
        (part / "new").touch()
        assert [one.name for one in folder.iterdir()] == ["old"]
    assert [one.name for one in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_goes_wrong_leaves_what_stood_there(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(OSError, match="full"), written_whole(folder) as part:
        (part / "new").touch()
        raise OSError("the disk is full")
    assert [one.name for one in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("kind", ["population", "demographics", "holders"])
def test_derived_files_are_never_of_two_savings(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that dies between its two files leaves both of the one before."""
    x = many()
    users = [
        User(user_id=one, attributes={"side": "lr"[at % 2]}) for at, one in enumerate(x.user_ids)
    ]
    makers: dict[str, Callable[[], Saved]] = {
        "population": population,
        "demographics": lambda: count_demographics(x, users),
        "holders": lambda: holders_of(x),
    }
    value = makers[kind]()
    loaders: dict[str, Callable[[Path], object]] = {
        "population": load_population,
        "demographics": load_demographics,
        "holders": load_holders,
    }
    load = loaders[kind]
    folder = tmp_path / kind
    value.save(folder)
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    assert len(before) == 2

    def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="full"):
        value.save(folder)
    monkeypatch.undo()
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    assert load(folder) is not None
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["population", "demographics"])
def test_another_version_of_the_format_is_counted_anew(name: str, tmp_path: Path) -> None:
    x = many()
    users = [
        User(user_id=one, attributes={"side": "lr"[at % 2]}) for at, one in enumerate(x.user_ids)
    ]
    (population() if name == "population" else count_demographics(x, users)).save(tmp_path / name)
    head = tmp_path / name / f"{name}.json"
    told = json.loads(head.read_text())
    for other in (
        {**told, "format": told["format"] + 1},
        {key: one for key, one in told.items() if key != "format"},
    ):
        head.write_text(json.dumps(other))
        # Of other arrays too.
        np.savez(tmp_path / name / f"{name}.npz", other=np.zeros(1))
        assert (load_population if name == "population" else load_demographics)(
            tmp_path / name
        ) is None
