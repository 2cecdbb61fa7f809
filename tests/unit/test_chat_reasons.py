"""Reasons in the chat are in the language of the question, whatever language the portrait is in."""

import re
from pathlib import Path

import pytest

from limner.chat import Conversation, answer
from limner.core.progress import Quiet
from limner.core.settings import SettingPath, load_settings
from limner.engine import Engine
from limner.store import open_store
from limner.testing import FakeEmbedder
from tests.unit.chat_store import make_engine

_HAN = re.compile("[\u4e00-\u9fff]")


def reopened(folder: Path, language: str) -> Engine:
    """The same store with reasons in a language."""
    given: dict[SettingPath, object] = {
        ("data",): str(folder),
        ("llm",): {"choice": "none"},
        ("reasons",): {"language": language},
    }
    return Engine(
        load_settings({}, overrides=given), open_store(str(folder)), Quiet(), FakeEmbedder()
    )


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_reasons_are_in_the_language_of_the_question(tmp_path: Path, language: str) -> None:
    await make_engine(tmp_path / "store").close()
    engine = reopened(tmp_path / "store", language)
    talk = Conversation()
    for question, why, chinese in (
        ("给用户ann-1推荐2部电影", "为什么推荐第二部？", True),
        ("Recommend 2 films to user ann-1", "Why the second?", False),
    ):
        for turn in (question, why):
            reply = await answer(engine, turn, talk)
            bare = re.sub(r"“[^”]*”|《[^》]*》", "", reply.text)
            assert reply.answered and bool(_HAN.search(bare)) == chinese, reply.text
            assert not (chinese and re.search(r"\b(?:you|you've|people)\b", bare, re.IGNORECASE)), (
                reply.text
            )
            assert {one.event_id for one in reply.sources} <= set(reply.evidence)
    await engine.close()
