"""`limner chat` in a pseudo-terminal: streaming, commands, and Ctrl-C that stops an answer and not
the program.
"""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.unit.chat_store import make_engine

PATIENCE = 60.0
"""Seconds that a word may take on a busy machine."""


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.ours, theirs = pty.openpty()
        env = {**os.environ, "LIMNER_LLM": "none", "TERM": "dumb", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "limner.cli", "--data", str(folder), "chat"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
            # Tests that run in a shell's background inherit that Ctrl-C is ignored.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        self.said = ""

    def until(self, word: str) -> None:
        """Read on until a word came since the last call."""
        end = time.monotonic() + PATIENCE
        while not self._read(word, 0.2):
            assert time.monotonic() < end, f"{word!r} did not come; so far: {self.said!r}"
        self.said = self.said.split(word, 1)[1]

    def interrupt(self, word: str) -> None:
        """Press Ctrl-C until a word comes: Python shows a prompt a moment before it listens for
        signals there.
        """
        end = time.monotonic() + PATIENCE
        while word not in self.said:
            assert time.monotonic() < end, f"{word!r} did not come; so far: {self.said!r}"
            self.process.send_signal(signal.SIGINT)
            self._read(word, 5.0)
        self.until(word)

    def _read(self, word: str, seconds: float) -> bool:
        end = time.monotonic() + seconds
        ready = (
            select.poll()
        )  # select() takes no file beyond the 1,024th, and hundreds of tests may run before
        ready.register(self.ours, select.POLLIN)
        while word not in self.said and ready.poll(1000 * max(0.0, end - time.monotonic())):
            self.said += os.read(self.ours, 65536).decode(errors="replace")
        return word in self.said

    def type(self, line: str) -> None:
        os.write(self.ours, f"{line}\n".encode())


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    engine = make_engine(tmp_path / "store")
    engine.store.close()
    return Terminal(tmp_path / "store")


def test_a_session(terminal: Terminal) -> None:
    try:
        terminal.until("Ctrl-D ends")
        terminal.type("What did user 13 watch last?")
        terminal.until("Apollo 13 (1995)")
        terminal.until("[e1]")
        terminal.type("/sources")
        terminal.until("ev-5")
        terminal.type("/user 7")
        terminal.until("Speaking of user 7")
        terminal.type("/nonsense")
        terminal.until("no command '/nonsense'")
        terminal.type("/user nobody")
        terminal.until("There is no user 'nobody'")
        terminal.until("> ")  # before it the signal would stop an answer
        terminal.interrupt("Ctrl-D ends")
        terminal.type("How many users are there?")
        terminal.until("There are 4 users")
        terminal.type("/quit")
        assert terminal.process.wait(PATIENCE) == 0
    finally:
        terminal.process.kill()
