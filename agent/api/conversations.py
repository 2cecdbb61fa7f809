"""Conversations of the API, each under an id. They are kept in the store, so that any process can
continue them.
"""

import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from threading import Lock

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from limner.api.access import seen_by
from limner.chat import Answer, Conversation, Finished, Piece, answer, recall, stream
from limner.core.errors import UnknownIdError
from limner.engine import Engine
from limner.store import ResponseLog

PAIRS = 50
"""Most questions with their answers that a conversation keeps; the oldest go first."""
LIVE = 200
"""Conversations that stand ready in memory."""


class _Body(BaseModel):
    """A conversation as the store keeps it."""

    model_config = ConfigDict(frozen=True)

    pairs: list[tuple[str, str]]
    numbers: dict[str, int] = {}
    given: int = 0
    user_id: str | None = None
    only: str | None = None
    about: list[str] = []
    """Every user whom it speaks of."""


@dataclass
class Talk:
    """A conversation that a request goes on with."""

    id: str
    conversation: Conversation
    pairs: list[tuple[str, str]] = field(default_factory=list)


class ConversationLog:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._kept = engine, ResponseLog(engine.store)
        self._live: OrderedDict[str, tuple[str, Conversation]] = OrderedDict()
        self._lock = Lock()

    def begin(
        self, pairs: Sequence[tuple[str, str]] = (), user_id: str = "", only: str | None = None
    ) -> Talk:
        """A new one, after some questions and answers, about a user where the questions name none.

        only: the one user of whom it may ever tell.
        """
        talk = Talk(f"c{secrets.token_hex(10)}", recall(self._engine, pairs, only), list(pairs))
        self._about(talk, user_id or only or "")
        return talk

    def go_on(self, conversation_id: str, user_id: str = "", only: str | None = None) -> Talk:
        """Continue a stored conversation. Raises UnknownIdError for an unknown id, and for a
        conversation that is not confined to the user `only`.
        """
        body = self._kept.conversation(conversation_id)
        if body is None or (only is not None and _Body.model_validate_json(body).only != only):
            raise UnknownIdError("chat.unknown_conversation", conversation=conversation_id)
        stored = _Body.model_validate_json(body)
        with self._lock:
            held = self._live.pop(conversation_id, None)
        if held is not None and held[0] == body:
            conversation = held[1]
        else:
            conversation = recall(self._engine, stored.pairs, stored.only)
            conversation.numbers, conversation.given = dict(stored.numbers), stored.given
            conversation.user_id = conversation.user_id or stored.user_id
        talk = Talk(conversation_id, conversation, list(stored.pairs))
        self._about(talk, user_id)
        return talk

    def _about(self, talk: Talk, user_id: str) -> None:
        if user_id:
            self._engine.data.user(user_id)
            if talk.conversation.only is None:
                talk.conversation.spoke_of([user_id])

    async def answer(self, talk: Talk, question: str) -> Answer:
        """The answer to a question, remembered."""
        reply = await answer(self._engine, question, talk.conversation)
        self._keep(talk, question, reply)
        return reply

    async def stream(self, talk: Talk, question: str) -> AsyncGenerator[Piece, None]:
        """The pieces of an answer. The answer is stored before its last piece is sent."""
        async with aclosing(stream(self._engine, question, talk.conversation)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    self._keep(talk, question, piece.answer)
                yield piece

    def _keep(self, talk: Talk, question: str, reply: Answer) -> None:
        pairs = [*talk.pairs, (question, reply.text)][-PAIRS:]
        conversation = talk.conversation
        named = (conversation.user_id, conversation.only, *conversation.users)
        about = sorted({user for user in named if user})
        body = _Body(
            pairs=pairs,
            numbers=conversation.numbers,
            given=conversation.given,
            user_id=conversation.user_id,
            only=conversation.only,
            about=about,
        ).model_dump_json()
        self._kept.save_conversation(talk.id, body, about)
        with self._lock:
            self._live[talk.id] = (body, conversation)
            while len(self._live) > LIVE:
                self._live.popitem(last=False)


class ConversationLogs:
    """The conversations of one store, of callers who may see sensitive attributes and of those who
    may not.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._all, self._discreet = ConversationLog(engine), ConversationLog(engine.discreet)

    def of(self, request: Request) -> ConversationLog:
        return self._all if seen_by(request, self._engine) is self._engine else self._discreet
