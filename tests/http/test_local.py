"""The embedded models, really: SmolLM2 for the protocol, Qwen for what the shipped measurement says
of it.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import BaseModel

from limner.core.errors import ModelRefusedError, ModelUnavailableError
from limner.core.schema import ChatMessage
from limner.core.settings import Settings, load_settings
from limner.llm import (
    CachedChat,
    ChatRequest,
    ChosenModel,
    LocalServer,
    MemoryCache,
    choose_chat,
    fetch_model,
)
from limner.llm.fetch import known_models
from limner.llm.probe import cached_probe, probe_version, shipped_probes
from limner.llm.probe_tasks import Skill, questions

QWEN, SMOLLM2 = known_models()["qwen2.5-coder-1.5b"], known_models()["smollm2"]

pytestmark = [pytest.mark.local_model, pytest.mark.slow]


def settings_of(model: str) -> Settings:
    pytest.importorskip(
        "xllamacpp", reason="THE EMBEDDED RUNTIME IS MISSING: pip install 'limner[local]'"
    )
    return load_settings(overrides={("llm", "choice"): "local", ("llm", "local_model"): model})


@pytest.fixture(scope="module")
def smollm2() -> Iterator[ChosenModel]:
    chosen = choose_chat(settings_of("smollm2"))
    assert chosen is not None and chosen.server is not None
    yield chosen
    chosen.server.close()


@pytest.fixture(scope="module")
def qwen() -> Iterator[ChosenModel]:
    chosen = choose_chat(settings_of(QWEN.name))
    assert chosen is not None and chosen.server is not None
    yield chosen
    chosen.server.close()


class Colour(BaseModel):
    colour: str
    warm: bool


def question(text: str, **options: object) -> ChatRequest:
    return ChatRequest("test", "test@1#0", [ChatMessage(role="user", content=text)], **options)  # type: ignore[arg-type]


async def test_speaks_the_protocol(smollm2: ChosenModel) -> None:
    book = MemoryCache()
    chat = CachedChat(smollm2.chat, book, identity=smollm2.identity)
    assert (
        smollm2.name == "smollm2-135m-instruct-q4_1"
        and SMOLLM2.sha256 in smollm2.identity
        and not smollm2.hosted
    )
    answer = await chat.complete(question("Name a colour.", schema=Colour, max_tokens=60))
    assert Colour.model_validate_json(answer.text) and answer.usage.output_tokens > 5
    chosen = await chat.complete(
        question("Is snow white? yes or no", choices=("yes", "no"), max_tokens=1)
    )
    assert chosen.logprobs is not None and all(value < 0 for value in chosen.logprobs.values())
    assert [row.outcome for row in book.rows] == ["ok", "ok"] and book.rows[0].cost == 0


async def test_serves_only_its_own_process(smollm2: ChosenModel) -> None:
    from limner.llm import OpenAIChat

    chat = smollm2.chat
    assert isinstance(chat, OpenAIChat)
    with pytest.raises(ModelRefusedError, match="key"):
        await OpenAIChat(chat.name, chat.endpoint.url, api_key="guess").complete(question("Hello"))


async def test_is_graded_none_and_remembered(smollm2: ChosenModel, tmp_path: Path) -> None:
    """Under an identity of its own, so that nothing shipped answers for it."""
    thresholds = settings_of("smollm2").llm.probe
    result = await cached_probe(smollm2.chat, "measured now", thresholds, tmp_path)
    assert result.grade == "none" and len(list((tmp_path / "probes").iterdir())) == 1
    assert await cached_probe(None, "measured now", thresholds, tmp_path) == result  # type: ignore[arg-type]


def test_closing_frees_the_port() -> None:
    server = LocalServer(fetch_model(settings_of("smollm2")), threads=1, context=1024, slots=1)
    address = urlsplit(server.base_url)
    assert address.hostname == "127.0.0.1" and address.port
    socket.create_connection((address.hostname, address.port), timeout=5).close()
    server.close()
    server.close()
    with pytest.raises(OSError):
        socket.create_connection((address.hostname, address.port), timeout=5).close()


_BUSY = """
import os, subprocess, sys
from pathlib import Path
from limner.llm.local import LocalServer
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
try:
    for _ in range(8):
        LocalServer(Path(sys.argv[1]), threads=1, context=1024, slots=1).close()
finally:
    for hog in hogs:
        hog.kill()
        hog.wait()
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="THIS SYSTEM CANNOT KEEP A PROCESS ON ONE CORE"
)
def test_closing_at_once_on_a_busy_core_does_not_hang() -> None:
    """The server listens before its loop runs; told to stop in between it once waited for ever."""
    model = fetch_model(settings_of("smollm2"))
    with subprocess.Popen(
        [sys.executable, "-c", _BUSY, str(model)], start_new_session=True
    ) as process:
        try:
            assert process.wait(60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    settings_of("smollm2")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 1000)
    with pytest.raises(ModelUnavailableError, match="LIMNER_LOCAL_MODEL"):
        LocalServer(tmp_path / "broken.gguf")


_SCRIPT = """
import asyncio
from limner.core.settings import load_settings
from limner.llm import ChatRequest, choose_chat
from limner.core.schema import ChatMessage
chosen = choose_chat(load_settings({"LIMNER_LLM": "local", "LIMNER_LOCAL_MODEL": "smollm2"}))
hello = [ChatMessage(role="user", content="Hi")]
asyncio.run(chosen.chat.complete(ChatRequest("t", "t", hello, max_tokens=4)))
"""


def test_is_silent_and_ends_with_the_process() -> None:
    """Not closed on purpose: the interpreter's end must stop it, without a word from llama.cpp at
    any time.
    """
    fetch_model(settings_of("smollm2"))
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_works_from_one_event_loop_after_another(smollm2: ChosenModel) -> None:
    def run() -> str:
        return asyncio.run(smollm2.chat.complete(question("Hello", max_tokens=2))).text

    assert await asyncio.to_thread(run) and await asyncio.to_thread(run)


# ---------------------------------------------------------------- the shipped measurement


async def right_of(chosen: ChosenModel, skill: Skill, numbers: range) -> int:
    """How many of these questions the model answers rightly."""
    right = 0
    for asked in questions(skill, numbers.stop)[numbers.start :: numbers.step]:
        answers = [
            one.fits(
                (
                    await chosen.chat.complete(
                        ChatRequest(
                            "probe", one.prompt, one.messages, one.schema, max_tokens=one.max_tokens
                        )
                    )
                ).text
            )
            for one in asked.asked
        ]
        right += all(answers)
    return right


async def test_the_default_still_does_as_was_measured(qwen: ChosenModel) -> None:
    shipped = shipped_probes()[QWEN.sha256]
    assert shipped.probe == probe_version(20), "questions changed: run python -m limner.llm.measure"
    assert shipped.grade == "phrase"
    assert await right_of(qwen, "schema", range(4)) >= 3
    assert await right_of(qwen, "word", range(4)) >= 3
    assert await right_of(qwen, "refuse", range(1, 7, 2)) == 0, "it answers what it cannot know"
