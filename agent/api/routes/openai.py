"""OpenAI's protocol, so that its clients, langchain's and chat front ends talk to Limner
unchanged.
"""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from fastapi.responses import Response

from limner.api.access import seen_by
from limner.api.languages import language_of
from limner.api.models import (
    Chunk,
    ChunkChoice,
    Completion,
    CompletionChoice,
    CompletionMessage,
    CompletionRequest,
    CompletionUsage,
    Delta,
    ModelCard,
    Models,
    Said,
)
from limner.api.pool import Pool
from limner.api.problems import document_of
from limner.api.routes.chat import pairs_of
from limner.api.routes.common import EVENTS, bound_to, streamed, told, usual
from limner.api.strict_route import StrictRoute
from limner.chat import Conversation, Finished, Piece, TextDelta, answer, recall, stream
from limner.core.errors import BadInputError, LimnerError
from limner.engine import Engine
from limner.llm import tokens

MODEL = "limner"


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["openai"], route_class=StrictRoute)
    created = int(time.time())

    @routes.get("/models", response_model=Models, responses=usual(plain=True), summary="Models")
    async def models() -> Response:
        """The models to choose from: only Limner itself."""
        return told(Models(data=[ModelCard(id=MODEL, created=created)]))

    @routes.post(
        "/chat/completions",
        response_model=Completion,
        responses={
            **usual(502, body=True),
            200: {
                "description": "A completion; with `stream`, chunks.",
                "content": {EVENTS: _STREAM},
            },
        },
        summary="Chat completions",
    )
    async def complete(http: Request, request: CompletionRequest) -> Response:
        """Answer the last of the user's messages, as `POST /v1/chat` does. System messages are
        passed over: they cannot change what may be said.
        """
        question, pairs = _asked(request)
        only, seen = bound_to(http), seen_by(http, engine)

        def recalled() -> Conversation:
            talk = recall(seen, pairs, only)
            # Chat front ends send names of their own here too.
            if only is None:
                talk.spoke_of(engine.data.known_users([request.about()]))
            return talk

        talk = await pool.call(recalled)
        made = _Made(request)
        if request.stream:
            pieces = pool.stream(lambda: stream(seen, question, talk))
            return streamed(_chunks(made, pieces, language_of(http.headers)))
        reply = await pool.run(lambda: answer(seen, question, talk))
        return told(made.whole(reply.text))

    return routes


_STREAM = {
    "schema": {"description": "Server-sent events."},
    "example": 'data: {"object":"chat.completion.chunk"}\n\ndata: [DONE]\n\n',
}


def _asked(request: CompletionRequest) -> tuple[str, list[tuple[str, str]]]:
    """The question, and the questions and answers before it. Raises BadInputError."""
    turns = [
        (one.role, _text(one)) for one in request.messages if one.role in ("user", "assistant")
    ]
    if not turns or turns[-1][0] != "user" or not turns[-1][1]:
        raise BadInputError("chat.last_not_users")
    question = turns.pop()[1]
    return question, pairs_of(turns)


def _text(message: CompletionMessage) -> str:
    if message.content is None or isinstance(message.content, str):
        return (message.content or "").strip()
    parts = [part.get("text") for part in message.content if part.get("type") == "text"]
    return "\n".join(part for part in parts if isinstance(part, str)).strip()


class _Made:
    """Fields that all chunks of one completion share."""

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self.wants_usage = bool((request.stream_options or {}).get("include_usage"))

    def usage(self, text: str) -> CompletionUsage:
        asked = tokens.count("\n".join(_text(one) for one in self._request.messages))
        said = tokens.count(text)
        return CompletionUsage(
            prompt_tokens=asked, completion_tokens=said, total_tokens=asked + said
        )

    def whole(self, text: str) -> Completion:
        return Completion(
            id=self.id,
            created=self.created,
            model=self._request.model,
            choices=[CompletionChoice(message=Said(content=text))],
            usage=self.usage(text),
        )

    def chunk(self, delta: Delta, *, last: bool = False) -> str:
        choice = ChunkChoice(delta=delta, finish_reason="stop" if last else None)
        return self._event(
            Chunk(id=self.id, created=self.created, model=self._request.model, choices=[choice])
        )

    def counted(self, text: str) -> str:
        chunk = Chunk(
            id=self.id,
            created=self.created,
            model=self._request.model,
            choices=[],
            usage=self.usage(text),
        )
        return self._event(chunk)

    def _event(self, chunk: Chunk) -> str:
        left_out = set() if chunk.usage is not None else {"usage"}
        return f"data: {chunk.model_dump_json(exclude=left_out)}\n\n"


async def _chunks(
    made: _Made, pieces: AsyncGenerator[Piece, None], language: str
) -> AsyncGenerator[str, None]:
    yield made.chunk(Delta(role="assistant", content=""))
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, TextDelta):
                    yield made.chunk(Delta(content=piece.text))
                elif isinstance(piece, Finished):
                    yield made.chunk(Delta(), last=True)
                    if made.wants_usage:
                        yield made.counted(piece.answer.text)
    except LimnerError as error:
        # As OpenAI's clients know an error within a stream: its message is a text.
        problem = document_of(error, language)
        told = problem.model_dump(exclude={"message"}) | {"message": problem.detail}
        yield f"data: {json.dumps({'error': told}, ensure_ascii=False)}\n\n"
        return
    yield "data: [DONE]\n\n"
