"""What README shows is run: its own-data commands and its Python, on a small table, without a
model.
"""

import contextlib
import io
import re
import shlex
from functools import partial
from pathlib import Path

import pytest

from limner.cli import main
from limner.engine import open_engine
from limner.testing import FakeEmbedder

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables that README speaks of."""
    events = [
        f"u{user},i{item},{5 - item % 3},{1_000_000_000 + item}"
        for user in range(6)
        for item in range(user, 12)
    ]
    items = [f"i{item},Film {item},{('Comedy', 'Drama')[item % 2]}" for item in range(15)]
    (tmp_path / "events.csv").write_text(
        "\n".join(["user_id,item_id,rating,timestamp", *events]), encoding="utf-8"
    )
    (tmp_path / "items.csv").write_text(
        "\n".join(["item_id,title,genres", *items]), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIMNER_DATA", raising=False)
    monkeypatch.setenv("LIMNER_LLM", "none")
    return tmp_path


def section(title: str, language: str) -> str:
    return re.search(rf"^## {title}\n.*?```{language}\n(.*?)```", TEXT, re.M | re.S)[1]  # type: ignore[index]


@pytest.mark.usefixtures("shop")
def test_the_commands_for_own_data_work_in_their_order() -> None:
    opener = partial(open_engine, embedder=FakeEmbedder())
    ran = []
    for line in section("With your own data", "sh").splitlines():
        words = shlex.split(re.sub(r"\bITEM\b", "i3", line.replace("USER", "u3")), comments=True)
        if words[:1] != ["limner"]:
            continue
        target = words[words.index(">") + 1] if ">" in words else None
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = main(words[1 : words.index(">")] if target else words[1:], open_engine=opener)
        assert (line, status) == (line, 0)
        assert said.getvalue().strip()
        if target:
            Path(target).write_text(said.getvalue(), encoding="utf-8")
        ran.append(words[1])
    assert {"init", "ingest", "recommend", "profile", "users"} <= set(ran)


def test_the_python_works(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(section("From Python", "python"), "README.md", "exec"), {})
    assert re.search(r"Film 1\d +\S.*\.", capsys.readouterr().out)
    assert (shop / "shop" / "limner.db").exists()
