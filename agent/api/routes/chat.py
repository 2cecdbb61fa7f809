"""Questions about users in words."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from limner.api.access import other_user
from limner.api.conversations import ConversationLogs, Talk
from limner.api.languages import language_of
from limner.api.models import ChatAnswer, Question
from limner.api.pool import Pool
from limner.api.problems import document_of
from limner.api.routes.common import EVENTS, bound_to, streamed, told, usual
from limner.api.strict_route import StrictRoute
from limner.chat import Finished, Piece
from limner.core.errors import BadInputError, LimnerError
from limner.engine import Engine


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["chat"], route_class=StrictRoute)
    logs = ConversationLogs(engine)

    @routes.post(
        "/chat",
        response_model=ChatAnswer,
        responses={
            **usual(404, 502, body=True),
            200: {
                "description": "The answer; or, where `Accept` names it, its pieces.",
                "content": {EVENTS: _STREAM},
            },
        },
        summary="Ask",
    )
    async def chat(
        request: Request,
        asks: Question,
        accept: Annotated[
            str,
            Header(
                max_length=1000,
                description="text/event-stream: the answer piece by piece, as it is made.",
            ),
        ] = "application/json",
    ) -> Response:
        """Ask about users in words. Answers say only what tools found, cite events as `[e1]`, and
        are checked.

        As server-sent events: `tool` as each tool begins, `text` with more of the answer, `answer`
        once, last. Should the answer fail after its begin, `problem` comes instead of `answer`.

        With a key of one end user the conversation is of that user alone: what would tell of others
        is declined, and "I" is that user.
        """
        question, pairs = _of(asks)
        talks = logs.of(request)
        only = bound_to(request)
        if only is not None and asks.user_id not in ("", only):
            raise other_user()

        def begun() -> Talk:
            if asks.conversation_id:
                return talks.go_on(asks.conversation_id, asks.user_id, only)
            return talks.begin(pairs, asks.user_id, only)

        talk = await pool.call(begun)
        if EVENTS in accept:
            pieces = pool.stream(lambda: talks.stream(talk, question))
            return streamed(_events(talk, pieces, language_of(request.headers)))
        answer = await pool.run(lambda: talks.answer(talk, question))
        return told(ChatAnswer(conversation_id=talk.id, answer=answer))

    return routes


_STREAM = {
    "schema": {"description": "Server-sent events."},
    "example": 'event: text\ndata: {"kind":"text","text":"User 196 likes Comedy [e1]."}\n\n',
}


def _of(asks: Question) -> tuple[str, list[tuple[str, str]]]:
    """The question, and the questions and answers before it. Raises BadInputError."""
    turns: list[tuple[str, str]] = [(one.role, one.content) for one in asks.messages]
    question = asks.question.strip()
    if not question:
        if not turns or turns[-1][0] != "user" or not turns[-1][1].strip():
            raise BadInputError("chat.no_question")
        question = turns.pop()[1].strip()
    if turns and asks.conversation_id:
        raise BadInputError("chat.two_histories")
    return question, pairs_of(turns)


def pairs_of(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """(question, answer) of messages in turn; several of one side in a row are one."""
    pairs: list[tuple[str, str]] = []
    for role, content in turns:
        if role == "user":
            open_ = pairs and not pairs[-1][1]
            pairs = (
                [*pairs[:-1], (f"{pairs[-1][0]}\n{content}", "")]
                if open_
                else [*pairs, (content, "")]
            )
        elif role == "assistant" and pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}\n{content}".strip())
    return pairs


async def _events(
    talk: Talk, pieces: AsyncGenerator[Piece, None], language: str
) -> AsyncGenerator[str, None]:
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Finished):
                    yield _event(
                        "answer",
                        ChatAnswer(conversation_id=talk.id, answer=piece.answer).model_dump_json(),
                    )
                else:
                    yield _event(piece.kind, piece.model_dump_json())
    except LimnerError as error:
        yield _event("problem", document_of(error, language).model_dump_json())


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
