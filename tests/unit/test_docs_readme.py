"""README's commands, options, targets, settings and links exist; `tests/e2e/test_readme.py` runs
them.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from limner.cli.app import app
from limner.core.settings import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.S))
INLINE = re.findall(r"`((?:[A-Z_]+=\S+ )*(?:limner|make) [^`]+)`", TEXT)
OUTPUT = "\n".join(re.findall(r"```text\n(.*?)```", TEXT, re.S))


def commands(program: str) -> list[list[str]]:
    """The words after `program` of every command that README shows, without variables, comments and
    redirections.
    """
    found = []
    for line in [*SHELL.splitlines(), *INLINE]:
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words and words[0] == program:
            found.append(words[1 : words.index(">")] if ">" in words else words[1:])
    return found


@pytest.mark.parametrize("words", commands("limner"), ids=" ".join)
def test_every_command_exists_with_its_options(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    left = list(words)
    while left:
        word = left.pop(0)
        if word.startswith("-"):
            option = next((one for one in command.params if word in one.opts), None)
            assert option is not None, f"{word} is no option of {command.name}"
            if not option.is_flag:
                left.pop(0)
        elif hasattr(command, "commands"):
            assert word in command.commands
            command = command.commands[word]
    assert not hasattr(command, "commands"), "a group is no command"


def test_every_target_exists() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = [words[0] for words in commands("make")]
    assert {"demo", "test"} <= set(named) <= set(targets)
    assert [words[0] for words in commands("make")][:2] == ["demo", "test"]


def test_every_variable_is_read() -> None:
    assert set(re.findall(r"\b((?:LIMNER|OPENAI)_[A-Z_]+)\b", TEXT)) <= set(ENVIRONMENT)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 3
    for link in links:
        path, _, heading = link.partition("#")
        assert (ROOT / path).is_file(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.M)
            assert heading in [
                re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings
            ]


def test_the_output_that_is_shown_is_drawn_whole() -> None:
    """Pasted from a terminal of 80 columns: no line was broken or retyped."""
    assert OUTPUT.count("╭") == OUTPUT.count("╰") > 1
    assert {len(line) for line in OUTPUT.splitlines() if line.startswith(("╭", "│", "╰"))} == {80}
