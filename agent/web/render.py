"""Values into HTML: templates, static files, the headers that every page carries. All text of the
data is escaped.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from limner.api.access import Caller
from limner.api.languages import language_of
from limner.api.paths import path_sent
from limner.core.columns import Nouns
from limner.core.urls import segment
from limner.web.words import LANGUAGES, Words, read_words

LANGUAGE_COOKIE = "limner_lang"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_YEAR = 365 * 24 * 3600
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_CITED = re.compile(r"\[e(\d+)\]")


@dataclass(frozen=True)
class Static:
    body: bytes
    type: str


@dataclass(frozen=True)
class At:
    """Request data that every template may use."""

    path: str
    lang: str
    languages: Sequence[tuple[str, str, str]]
    """Code, name, and the address of this page in it."""
    caller: Caller
    places: Sequence[tuple[str, str]]
    """Address and name of the pages that the caller may see."""


class Renderer:
    """Everything that turns values into pages."""

    def __init__(self, nouns: Callable[[], Nouns] = Nouns) -> None:
        """nouns: gives what things of the catalogue are called."""
        self.words = read_words()
        self._nouns = nouns
        self.static = dict(_static())
        self._environment = Environment(
            loader=PackageLoader("limner.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        version = hashlib.sha256(b"".join(one.body for one in self.static.values())).hexdigest()[
            :12
        ]
        # So that a form which is sent twice, by a double click, counts once.
        self._environment.globals["form_key"] = lambda: secrets.token_hex(8)
        self._environment.globals["static"] = lambda name: f"/static/{name}?{version}"
        self._environment.filters |= {"id": segment, "quoted": quoted, "cited": cited}

    def language(self, request: Request) -> Words:
        """As the address, a former choice, or the browser says."""
        for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if asked is not None and asked in self.words:
                return self.words[asked].calling(self._nouns())
        return self.words[language_of(request.headers)].calling(self._nouns())

    def page(
        self,
        request: Request,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """A template over its values as an answer."""
        answer = HTMLResponse(
            self.html(request, template, **values),
            status,
            {"content-security-policy": POLICY, **(headers or {})},
        )
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(
                LANGUAGE_COOKIE,
                request.query_params["lang"],
                max_age=_YEAR,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return answer

    def html(self, request: Request, template: str, **values: Any) -> str:
        words = self.language(request)
        return self._environment.get_template(template).render(
            at=_at(request, words), t=words, **values
        )


def quoted(one: str) -> str:
    """Text as a value of a query, or a part of an anchor."""
    return quote(one, safe="")


def cited(text: str) -> list[tuple[str, str]]:
    """(text, number of the event that is cited after it) in order; the number is empty at the
    end.
    """
    pieces = _CITED.split(text)
    return [
        (piece, number)
        for piece, number in zip(pieces[::2], [*pieces[1::2], ""], strict=True)
        if piece or number
    ]


def _at(request: Request, words: Words) -> At:
    given = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    # What a form was sent to is no page of its own.
    path = path_sent(request.scope) if request.method == "GET" else "/"
    languages = [
        (code, name, f"{path}?{urlencode([*given, ('lang', code)])}")
        for code, name in LANGUAGES.items()
    ]
    caller: Caller | None = getattr(request.state, "caller", None)
    return At(path, words.code, languages, caller or Caller(), _places(caller, path))


def _places(caller: Caller | None, path: str) -> Sequence[tuple[str, str]]:
    if caller is None or path == "/sign-in":
        return ()
    if caller.user_id is not None:
        return ((f"/users/{segment(caller.user_id)}", "own-page"), ("/ask", "ask"))
    return (("/", "users"), ("/map", "map"), ("/ask", "ask"), ("/ledger", "ledger"))


def _static() -> "list[tuple[str, Static]]":
    folder = resources.files("limner.web").joinpath("static")
    static_files = []
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        ending = f".{file.name.rpartition('.')[2]}"
        if ending in _TYPES:
            static_files.append((file.name, Static(file.read_bytes(), _TYPES[ending])))
    return static_files
