"""The model of one engine: what its settings mean for what it may spend."""

from pathlib import Path

import pytest

import limner.llm.session
from limner.core.errors import BudgetSpentError
from limner.core.progress import Quiet
from limner.core.schema import ChatMessage, Usage
from limner.core.settings import LlmSettings, Settings
from limner.llm import ChatReply, ChatRequest, ChosenModel
from limner.llm.session import ModelSession
from limner.store import open_store
from limner.testing import FakeChat

REQUEST = ChatRequest(
    "test", "test@1#0", [ChatMessage(role="user", content="How many?")], max_tokens=20
)


@pytest.mark.parametrize(
    ("setting", "run", "asked"), [(0.0, None, 1), (0.0, 0.0, 0), (1e-9, None, 0), (1.0, None, 1)]
)
async def test_without_a_cost_limit_a_hosted_model_is_asked(
    setting: float, run: float | None, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = Usage(input_tokens=1000, output_tokens=10)
    chat = FakeChat(lambda _: ChatReply("ok", usage), name="gpt-4o-mini", hosted=True)
    chosen = ChosenModel(chat, "fake", "nowhere")
    monkeypatch.setattr(limner.llm.session, "choose_chat", lambda *_: chosen)
    settings = Settings(llm=LlmSettings(choice="openai", grade="phrase", max_cost=setting))
    store = open_store(str(tmp_path))
    ready = await ModelSession(settings, store, Quiet()).for_run(run)
    assert ready.chat is not None
    if asked:
        assert (await ready.chat.complete(REQUEST)).text == "ok"
    else:
        with pytest.raises(BudgetSpentError):
            await ready.chat.complete(REQUEST)
    assert len(chat.requests) == asked
    store.close()
