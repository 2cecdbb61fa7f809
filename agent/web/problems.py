"""What goes wrong, as a page: problem documents turned into HTML where a person asked."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limner.api.paths import path_sent
from limner.api.problems import MEDIA_TYPE, Problem
from limner.core import messages
from limner.web.render import Renderer

_PROBLEM = (b"content-type", MEDIA_TYPE.encode())
_API = ("/v1", "/health", "/metrics", "/docs", "/openapi.json", "/static/")


class ProblemPages:
    """Pure ASGI middleware around everything: passes all on but problem documents that a browser
    would show.
    """

    def __init__(self, app: ASGIApp, *, renderer: Renderer) -> None:
        self.app, self.renderer = app, renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"].startswith(_API)
            or not _is_for_people(Request(scope))
        ):
            await self.app(scope, receive, send)
            return
        start: list[Message] = []

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start" and _PROBLEM in message["headers"]:
                start.append(message)
            elif start and message["type"] == "http.response.body":
                start.append(message)
                if not message.get("more_body", False):
                    await self._answer(scope, receive, send, start)
            else:
                await send(message)

        await self.app(scope, receive, pass_on)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, held: "list[Message]"
    ) -> None:
        start, *bodies = held
        problem = Problem.model_validate_json(b"".join(one.get("body", b"") for one in bodies))
        problem = problem.model_copy(update={"message": _by_name(problem.message)})
        request = Request(scope, receive)
        status = int(start["status"])
        headers = {
            name.decode(): value.decode("latin-1")
            for name, value in start["headers"]
            if name
            in (
                b"retry-after",
                b"x-request-id",
                b"x-content-type-options",
                b"cross-origin-resource-policy",
            )
        }
        headers["cache-control"] = "no-store"
        if request.headers.get("hx-request"):
            # A part of a page was asked for: the rest stays as it is, and says what is wrong.
            headers |= {"hx-retarget": "#status", "hx-reswap": "innerHTML"}
            answer = self.renderer.page(
                request, "problem_part.html", status, headers, problem=problem
            )
        elif status == 401:
            answer = self.renderer.page(
                request,
                "sign_in.html",
                status,
                headers,
                wrong=False,
                next=_asked(request) if _is_look(request) else "/",
            )
        else:
            answer = self.renderer.page(request, "problem.html", status, headers, problem=problem)
        await answer(scope, receive, send)


def _by_name(said: messages.Message) -> messages.Message:
    """What is wrong with a field, by its name alone: whoever fills in a form knows of no parts of a
    request.
    """
    if said.code != "input.wrong":
        return said
    name = str(said.args["where"]).rpartition(".")[2]
    return messages.message("input.wrong", where=name, why=said.args["why"])


def _is_for_people(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _is_look(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def _asked(request: Request) -> str:
    return path_sent(request.scope) + (f"?{request.url.query}" if request.url.query else "")
