"""The `limner` command as a process of its own, and a small store to run it on."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from limner.testing import ScriptedServer

ROOT = Path(__file__).resolve().parents[2]
GENRES = ("Comedy", "Horror", "War")
USERS, ITEMS = 12, 30
IDS = [f"u{user}" for user in range(USERS)]
SILENT = "quiet"
"""A user of whom nothing is known but the id."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def failure(self) -> str:
        """Its one sentence, after a check that nothing else was said of what went wrong."""
        assert "Traceback" not in self.out + self.err, self.err
        said = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(said) == 1, self.err
        return said[0].removeprefix("Error: ")

    @property
    def warnings(self) -> list[str]:
        assert "Traceback" not in self.out + self.err, self.err
        return [
            line.removeprefix("Note: ")
            for line in self.err.splitlines()
            if line.startswith("Note: ")
        ]


def environment(**more: str) -> dict[str, str]:
    """This process' variables without its settings for Limner; no model unless `more` names one."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "LIMNER_CACHE" or not name.startswith(("LIMNER_", "OPENAI_"))
    }
    # The quick embedder where there is one: what is embedded does not matter here.
    embedder = {"LIMNER_EMBED": "wordllama"} if importlib.util.find_spec("wordllama") else {}
    return {
        **kept,
        "LIMNER_LLM": "none",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        **embedder,
        **more,
    }


def soaking() -> bool:
    """Whether the long runs were asked for, as `make soak` does."""
    return bool(os.environ.get("LIMNER_SOAK"))


def asking(server: ScriptedServer, **more: str) -> dict[str, str]:
    """Variables that make the scripted server the model."""
    return {
        "LIMNER_LLM": "openai",
        "LIMNER_LLM_MODEL": "scripted",
        "LIMNER_LLM_GRADE": "phrase",
        "OPENAI_BASE_URL": server.base_url,
        **more,
    }


def start(folder: Path, *args: str | Path, **env: str) -> "subprocess.Popen[str]":
    """`limner --data FOLDER/store ARGS`, run in FOLDER."""
    return subprocess.Popen(
        [sys.executable, "-m", "limner.cli", "--data", "store", *map(str, args)],
        cwd=folder,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def limner(
    folder: Path,
    *args: str | Path,
    before: Callable[[], None] | None = None,
    given: str = "",
    env: Mapping[str, str] | None = None,
) -> Done:
    """The same, waited for. `before` runs in the new process before the command does."""
    done = subprocess.run(
        [sys.executable, "-m", "limner.cli", "--data", "store", *map(str, args)],
        cwd=folder,
        env=environment(**(env or {})),
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=before,
    )
    return Done(done.returncode, done.stdout, done.stderr)


TABLES = ("--events", "events.csv", "--items", "items.csv", "--users", "users.csv")
"""As `ingest` takes them."""


def together(*runs: Callable[[], Done]) -> list[Done]:
    """Commands that do not touch one another, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda run: run(), runs))


def write_tables(folder: Path) -> None:
    """Users with a taste, each with another number of events, and one of whom nothing else is
    known.
    """
    write_taste(folder, lambda user: 8 + user)
    (folder / "users.csv").write_text("\n".join(["user_id", *IDS, SILENT]) + "\n", encoding="utf-8")


def write_taste(folder: Path, until: Callable[[int], int]) -> int:
    """`items.csv` and `events.csv`: each user likes a genre and had its items before `until(user)`;
    how many events.
    """
    items = ["item_id,title,genres"] + [
        f"{i:02},Film {i} (19{70 + i}),{GENRES[i % 3]}" for i in range(ITEMS)
    ]
    events = ["user_id,item_id,rating,timestamp"]
    for user in range(USERS):
        liked = user % 3
        events += [
            f"u{user},{i:02},{5 if i % 3 == liked else 2},{1_000_000_000 + 86_400 * (user + i)}"
            for i in range(ITEMS)
            if (i % 3 == liked and i < until(user)) or i % 10 == user % 10
        ]
    for name, rows in (("events", events), ("items", items)):
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return len(events) - 1
