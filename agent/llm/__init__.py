"""Models: one chat protocol over hosted, self-hosted and embedded models; retries, repair, cache, ledger, probe."""

from agent.llm.base import Chat, ChatAnswer, ChatRequest, ask, parse, strict_schema
from agent.llm.openai_chat import OpenAIChat, Retries

__all__ = ["Chat", "ChatAnswer", "ChatRequest", "OpenAIChat", "Retries", "ask", "parse", "strict_schema"]
