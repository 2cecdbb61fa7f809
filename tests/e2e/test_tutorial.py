"""docs/tutorial.md is run as it stands: every command in a shell, in order, in an empty folder."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.running import ROOT, environment

pytestmark = pytest.mark.slow

TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
[SCRIPT] = re.findall(r"```python\n(.*?)```", TEXT, re.S)
SERVE = "limner serve"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, with `limner` and `python3` of this environment on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (
        ("limner", [sys.executable, "-m", "limner.cli"]),
        ("python3", [sys.executable]),
    ):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        (programs / name).chmod(0o755)
    work = tmp_path / "shop"
    work.mkdir()
    return work


def variables(folder: Path) -> dict[str, str]:
    kept = environment(COLUMNS="80")
    return {**kept, "PATH": f"{folder.parent / 'bin'}{os.pathsep}{kept['PATH']}"}


def run(block: str, folder: Path) -> str:
    """What a block of commands prints; each must succeed."""
    done = subprocess.run(
        ["bash", "-e", "-c", block],
        cwd=folder,
        env=variables(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@contextmanager
def serving(command: str, folder: Path) -> Iterator[None]:
    port = re.findall(r"--port (\d+)", command)[0]
    server = subprocess.Popen(
        shlex.split(command), cwd=folder, env=variables(folder), stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not ready(f"http://127.0.0.1:{port}/health/ready"):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server never became ready"
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(timeout=60)


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not shutil.which("curl"), reason="CURL IS MISSING: the tutorial uses it")
def test_every_command_works_and_shows_what_the_text_says(folder: Path) -> None:
    (folder / "make_shop.py").write_text(SCRIPT, encoding="utf-8")
    at = next(number for number, block in enumerate(SHELL) if block.startswith(SERVE))
    printed = [run(block, folder) for block in SHELL[:at]]
    with serving(SHELL[at].strip(), folder):
        answer = json.loads(run(SHELL[at + 1], folder))
    printed += [run(block, folder) for block in SHELL[at + 2 :]]
    everything = "\n".join(printed)
    assert len(answer["recommendations"]) == 2
    assert all(one["reason"]["text"] for one in answer["recommendations"])
    assert "user_id: client  # guessed" in everything, "init guesses the user, and says so"
    assert "rests on" in everything, "the portrait names its evidence"
    garden = json.loads((folder / "garden.json").read_text(encoding="utf-8"))
    assert garden["recommendations"]
    assert {one["item"]["categories"][0] for one in garden["recommendations"]} == {"Garden"}
    bought = re.search(r"(\d+) of 60 users", everything)
    assert bought and int(bought[1]) > 0, "the chat counts buyers"


def test_the_index_names_every_page() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    for page in docs.glob("*.md"):
        assert page.name == "README.md" or f"]({page.name}" in index, page.name
