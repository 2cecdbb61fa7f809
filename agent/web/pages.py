"""The paths of the page: each asks the engine, makes a view of what it answers, and renders it."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from limner.api.access import KEY_COOKIE, other_user, seen_by
from limner.api.conversations import ConversationLogs, Talk
from limner.api.paths import Decoded
from limner.api.pool import Pool
from limner.api.routes.common import EVENTS, bound_to, streamed
from limner.chat import Piece, TextDelta, ToolStarted
from limner.core.errors import LimnerError, UnknownIdError
from limner.core.schema import Profile
from limner.core.urls import segment
from limner.engine import Engine
from limner.recommend.edits import ClaimKey, EventPatch, PortraitEdit, Statement
from limner.recommend.feedback import Feedback, FeedbackItem
from limner.store.api_keys import KeyRing
from limner.web.ledger import Accountant
from limner.web.map import HEIGHT, WIDTH, Cartographer
from limner.web.people import Directory
from limner.web.person import MOST, USUAL, PersonQuery, events_of, person
from limner.web.render import Renderer, quoted
from limner.web.talk import lines, sources
from limner.web.timeline import HEIGHT as COLUMN_HEIGHT
from limner.web.timeline import WIDTH as COLUMN_WIDTH
from limner.web.versions import compared

UserId = Annotated[Decoded, Path()]
Text = Annotated[str, Form(max_length=2000)]
FormKey = Annotated[str, Form(max_length=64)]
"""Drawn anew for each form that is shown: one that is sent twice counts once."""
_A_YEAR = {
    "cache-control": "public, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'",
}


@dataclass(frozen=True)
class StatusLine:
    """What was done just now, and how to undo it."""

    key: str
    title: str
    undo: ClaimKey | None = None


def router(engine: Engine, pool: Pool, renderer: Renderer) -> APIRouter:
    """Every path of the page; none stands in the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)
    directories = {True: Directory(engine), False: Directory(engine.discreet)}
    cartographer, accountant = (Cartographer(engine), Accountant(engine.store))
    ring, logs = KeyRing(engine.store), ConversationLogs(engine)

    async def show_person(
        request: Request, user_id: str, wanted: PersonQuery, status: StatusLine | None = None
    ) -> HTMLResponse:
        words = renderer.language(request)
        seen = seen_by(request, engine)
        page = await pool.run(lambda: person(seen, user_id, wanted, words))
        # A part that htmx asked for; a form sent without it gets the whole page.
        template = "person.html" if request.headers.get("hx-request") else "user.html"
        return renderer.page(
            request,
            template,
            person=page,
            said=status,
            size=(COLUMN_WIDTH, COLUMN_HEIGHT),
            most=MOST,
        )

    # ------------------------------------------------------------ looking

    @routes.get("/")
    async def home(request: Request, q: str = "") -> Response:
        own = bound_to(request)
        if own is not None:
            return RedirectResponse(f"/users/{segment(own)}", 303)
        asked = q.strip()
        part = bool(request.headers.get("hx-request"))
        named = [asked] if asked and not part else []
        known = await pool.call(engine.data.known_users, named)
        if known:
            return RedirectResponse(f"/users/{segment(asked)}", 303)
        directory = directories[seen_by(request, engine) is engine]
        people = await pool.call(directory.people, q, renderer.language(request))
        return renderer.page(request, "found.html" if part else "home.html", people=people)

    @routes.get("/users/{user_id}/history")
    async def history(
        request: Request, user_id: UserId, page: Annotated[int, Query(ge=1)] = 1
    ) -> Response:
        found = await pool.call(events_of, engine, user_id, page, renderer.language(request))
        part = bool(request.headers.get("hx-request"))
        return renderer.page(
            request, "history_part.html" if part else "history.html", history=found, user_id=user_id
        )

    @routes.get("/users/{user_id}/versions")
    async def versions(request: Request, user_id: UserId, a: int = 0, b: int = 0) -> Response:
        words = renderer.language(request)

        def look() -> object:
            engine.recommendations.known(user_id)  # paints the first, where there is none
            return compared(engine.data.portrait_versions(user_id), a, b, words)

        return renderer.page(
            request, "versions.html", compared=await pool.call(look), user_id=user_id
        )

    @routes.get("/users/{user_id}")
    async def user(
        request: Request,
        user_id: UserId,
        n: Annotated[int, Query(ge=1, le=MOST)] = USUAL,
        page: Annotated[int, Query(ge=1)] = 1,
        facet: str = "",
        before: str = "",
    ) -> Response:
        return await show_person(request, user_id, PersonQuery(n, page, facet, before))

    @routes.get("/training")
    async def training(request: Request) -> Response:
        status = await pool.call(engine.trainer.status)
        return renderer.page(request, "training.html", training=status, watched=True)

    @routes.get("/map")
    async def portraits(request: Request) -> Response:
        found = await pool.call(cartographer.map, renderer.language(request))
        return renderer.page(request, "map.html", map=found, size=(WIDTH, HEIGHT))

    @routes.get("/ledger")
    async def ledger(request: Request) -> Response:
        return renderer.page(request, "ledger.html", ledger=await pool.call(accountant.ledger))

    # ------------------------------------------------------------ changing

    @routes.post("/users/{user_id}/feedback")
    async def feedback(
        request: Request,
        user_id: UserId,
        item_id: Annotated[str, Form(min_length=1, max_length=255)],
        type: Annotated[Literal["like", "dislike", "hide", "withdraw"], Form()],
        title: Text = "",
        recommendation_id: Annotated[str, Form(max_length=32)] = "",
        n: Annotated[int, Form(ge=1, le=MOST)] = USUAL,
        given: Annotated[str, Form(max_length=32)] = "",
        key: FormKey = "",
    ) -> Response:
        event_id = f"{key}-{type}" if key and type != "withdraw" else None
        thumb = FeedbackItem(item_id=item_id, type=type, event_id=event_id)
        before = (
            [FeedbackItem(item_id=item_id, type="withdraw")] if given and type != "withdraw" else []
        )

        def hear() -> None:
            # A thumb that was given is of the list that showed its item, if that is still kept.
            of = engine.feedback.shown(given or recommendation_id)
            shown = of.recommendation_id if of is not None and type != "withdraw" else None
            engine.feedback.hear(user_id, Feedback(recommendation_id=shown, items=[*before, thumb]))

        await pool.call(hear)
        if not request.headers.get("hx-request"):
            return _back(user_id, recommendation_id, n)
        said = StatusLine(
            "done-unthumb" if type == "withdraw" else f"done-{type}", title or item_id
        )
        return await show_person(request, user_id, PersonQuery(n, before=recommendation_id), said)

    @routes.post("/users/{user_id}/history")
    async def change_event(
        request: Request,
        user_id: UserId,
        event_id: Annotated[str, Form(min_length=1, max_length=1000)],
        action: Annotated[Literal["remove", "correct"], Form()] = "remove",
        number: Annotated[float | None, Form(allow_inf_nan=False)] = None,
        page: Annotated[int, Form(ge=1)] = 1,
    ) -> Response:
        def change() -> None:
            with suppress(UnknownIdError):  # sent twice
                if engine.edits.event(event_id).user_id != user_id:
                    return
                if action == "remove":
                    engine.erase_event(event_id)
                elif number is not None:
                    engine.correct_event(event_id, EventPatch(value=number))

        await pool.call(change)
        if request.headers.get("hx-request"):
            return await history(request, user_id, page)
        return RedirectResponse(f"/users/{segment(user_id)}/history?page={page}", 303)

    @routes.post("/users/{user_id}/portrait")
    async def portrait(
        request: Request,
        user_id: UserId,
        action: Annotated[Literal["state", "strike", "withdraw"], Form()],
        value: Annotated[str, Form(max_length=500)] = "",
        facet: Annotated[str, Form(max_length=100)] = "",
        polarity: Annotated[Literal["like", "dislike"], Form()] = "like",
        recommendation_id: Annotated[str, Form(max_length=32)] = "",
        n: Annotated[int, Form(ge=1, le=MOST)] = USUAL,
        key: FormKey = "",
    ) -> Response:
        claim = ClaimKey(facet=facet, value=value, polarity=polarity)
        if action == "state":
            edit = PortraitEdit(state=[Statement(value=value, facet=facet, polarity=polarity)])
        elif action == "strike":
            edit = PortraitEdit(strike=[claim])
        else:
            edit = PortraitEdit(withdraw=[claim])
        edit = edit.model_copy(update={"edit_id": key or None})
        profile = await pool.call(engine.edits.edit_portrait, user_id, edit)
        if not request.headers.get("hx-request"):
            return _back(user_id, recommendation_id, n)
        undo = (
            claim if action == "strike" else _stated(profile, claim) if action == "state" else None
        )
        named = undo or claim
        said = StatusLine(
            f"done-{action}", renderer.language(request).value(named.facet, named.value), undo
        )
        return await show_person(request, user_id, PersonQuery(n, before=recommendation_id), said)

    # ------------------------------------------------------------ asking

    async def talk_of(request: Request, talk: str, user: str) -> Talk:
        only = bound_to(request)
        if only is not None and user not in ("", only):
            raise other_user()
        return await (
            pool.call(logs.of(request).go_on, talk, "", only)
            if talk
            else pool.call(logs.of(request).begin, (), user, only)
        )

    @routes.get("/ask")
    async def asked(request: Request, user: str = "", talk: str = "", q: str = "") -> Response:
        talk_state = await talk_of(request, talk, user)
        return renderer.page(
            request,
            "ask.html",
            talk=talk,
            user=user or talk_state.conversation.user_id or "",
            turns=talk_state.pairs,
            reply=None,
            begun=q,
        )

    @routes.post("/ask")
    async def ask(
        request: Request,
        question: Annotated[str, Form(min_length=1, max_length=2000)],
        user: Text = "",
        talk: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        talk_state, talks = await talk_of(request, talk, user), logs.of(request)
        if EVENTS in request.headers.get("accept", ""):
            pieces = pool.stream(lambda: talks.stream(talk_state, question))
            return streamed(_said(request, renderer, engine, pool, question, talk_state.id, pieces))
        reply = await pool.run(lambda: talks.answer(talk_state, question))
        words = renderer.language(request)
        return renderer.page(
            request,
            "ask.html",
            talk=talk_state.id,
            user=user,
            turns=talk_state.pairs,
            reply=reply,
            question=question,
            begun="",
            sources=await pool.call(sources, reply.sources, engine.data, words),
        )

    # ------------------------------------------------------------ who asks

    @routes.get("/sign-in")
    async def sign_in(request: Request, next: str = "/") -> Response:
        return renderer.page(request, "sign_in.html", wrong=False, next=_local(next))

    @routes.post("/sign-in")
    async def signed_in(
        request: Request, key: Annotated[str, Form(max_length=200)], next: Text = "/"
    ) -> Response:
        found = await pool.call(ring.look_up, key.strip())
        if found is None:
            return renderer.page(request, "sign_in.html", 401, wrong=True, next=_local(next))
        own = f"/users/{segment(found.user_id)}" if found.user_id is not None else _local(next)
        answer = RedirectResponse(own, 303)
        answer.set_cookie(
            KEY_COOKIE,
            key.strip(),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post("/sign-out")
    async def sign_out() -> Response:
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(KEY_COOKIE, httponly=True, samesite="strict")
        return answer

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        found = renderer.static.get(name)
        if found is None:
            raise HTTPException(404)
        return Response(found.body, media_type=found.type, headers=_A_YEAR)

    return routes


def _back(user_id: str, recommendation_id: str, n: int) -> RedirectResponse:
    """To the user's page, which then says how the list moved."""
    more = f"&n={n}" if n != USUAL else ""
    return RedirectResponse(
        f"/users/{segment(user_id)}?before={quoted(recommendation_id)}{more}#recommendations", 303
    )


def _stated(profile: Profile, claim: ClaimKey) -> ClaimKey | None:
    """A statement as the portrait holds it, with the facet that knows its value."""
    candidates = [
        one
        for one in profile.preferences
        if one.basis == "stated" and one.polarity == claim.polarity
    ]
    found = next(
        (one for one in candidates if one.value.casefold() == claim.value.strip().casefold()), None
    )
    return (
        ClaimKey(facet=found.facet, value=found.value, polarity=found.polarity) if found else None
    )


def _local(path: str) -> str:
    """An address of this server, and of no other."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


# ---------------------------------------------------------------- the chat


async def _said(
    request: Request,
    renderer: Renderer,
    engine: Engine,
    pool: Pool,
    question: str,
    talk: str,
    pieces: AsyncGenerator[Piece, None],
) -> AsyncGenerator[str, None]:
    """The answer as server-sent events, each a piece of HTML and where it goes."""
    turn = f"t{secrets.token_hex(4)}"

    def part(kind: str, **values: object) -> str:
        return lines(
            renderer.html(request, "ask_part.html", kind=kind, turn=turn, talk=talk, **values)
        )

    yield part("question", question=question)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, ToolStarted):
                    yield part("tool", tool=piece.tool)
                elif isinstance(piece, TextDelta):
                    yield part("text", text=piece.text)
                else:
                    words = renderer.language(request)
                    cited = await pool.call(sources, piece.answer.sources, engine.data, words)
                    yield part("end", reply=piece.answer, sources=cited)
    except LimnerError as error:
        yield part("problem", message=error.message)
