"""Models: one chat protocol over hosted, self-hosted and embedded models; retries, repair, cache,
ledger, probe.
"""

from limner.llm.base import HELPLESS, Chat, ChatReply, ChatRequest, ask, parse, strict_schema
from limner.llm.cached_client import Budget, CachedChat, MemoryCache, ResponseCache, answer_key
from limner.llm.choose import ChosenModel, choose_chat, which
from limner.llm.fetch import fetch_model, is_fetched, model_file
from limner.llm.local import LocalServer, runtime_installed
from limner.llm.openai_chat import OpenAIChat, Retries

__all__ = [
    "HELPLESS",
    "Budget",
    "CachedChat",
    "Chat",
    "ChatReply",
    "ChatRequest",
    "ChosenModel",
    "LocalServer",
    "MemoryCache",
    "OpenAIChat",
    "ResponseCache",
    "Retries",
    "answer_key",
    "ask",
    "choose_chat",
    "fetch_model",
    "is_fetched",
    "model_file",
    "parse",
    "runtime_installed",
    "strict_schema",
    "which",
]
