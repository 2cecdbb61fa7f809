"""Models for tests: a scripted OpenAI-compatible server over real HTTP, a chat that a function
answers, an embedder.

    with ScriptedServer([Failure(429, retry_after=0.1), Answer('{"colour": "red"}')]) as server:
        chat = OpenAIChat("scripted", server.base_url)

Every chat request takes the next behaviour of the script; when that is used up, `otherwise`
answers.
"""

import base64
import hashlib
import json
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from pydantic import BaseModel

from limner.core.schema import Usage
from limner.index.embedders import Vectors
from limner.llm.base import ChatReply, ChatRequest, strict_schema

Json = dict[str, object]

# ---------------------------------------------------------------- behaviours


@dataclass(frozen=True)
class ScriptedAnswer:
    """Says this. `logprobs`: first token to log-probability, given where the request asks for
    them.
    """

    text: str
    logprobs: dict[str, float] = field(default_factory=dict)
    finish: Literal["stop", "length", "content_filter"] = "stop"


@dataclass(frozen=True)
class Echo:
    """The smallest value that fits the schema asked for; without a schema, the last message
    again.
    """


@dataclass(frozen=True)
class Invented:
    """Fits the schema, but every string is made up and every number is 999: ids that exist
    nowhere.
    """

    word: str = "nobody-999"


@dataclass(frozen=True)
class WrongSchema:
    """JSON, but not what was asked for."""


@dataclass(frozen=True)
class Truncated:
    """Half of what Echo (or `text`) would say, cut off by the token limit."""

    text: str | None = None


@dataclass(frozen=True)
class Refusal:
    """The refusal field instead of an answer."""

    text: str = "I cannot help with that."


@dataclass(frozen=True)
class CallTool:
    """A native tool call."""

    name: str
    arguments: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """An HTTP error with OpenAI's error body."""

    status: int = 500
    message: str = "scripted failure"
    retry_after: float | str | None = None
    param: str | None = None
    code: str | None = None
    """The status where it is None."""


@dataclass(frozen=True)
class Hang:
    """Takes the request and says nothing for so long (or until the server is closed), then drops
    it.
    """

    seconds: float = 3600.0


@dataclass(frozen=True)
class Drop:
    """Closes the connection: at once, or after the first `after` bytes of an answer."""

    after: int = 0


@dataclass(frozen=True)
class Garbage:
    """200 with a body that is no chat completion."""

    body: str = "<html>not an API</html>"


@dataclass(frozen=True)
class Drip:
    """Answers in pieces of `size` bytes with a pause between them, headers first."""

    then: "ScriptedAnswer | Echo" = field(default_factory=Echo)
    size: int = 16
    pause: float = 0.01


Behaviour = (
    ScriptedAnswer
    | Echo
    | Invented
    | WrongSchema
    | Truncated
    | Refusal
    | CallTool
    | Failure
    | Hang
    | Drop
    | Garbage
    | Drip
)


@dataclass(frozen=True)
class SeenRequest:
    """A request as it arrived."""

    path: str
    """Without its query."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: Json

    @property
    def text(self) -> str:
        """All messages' contents, one after another."""
        return "\n".join(str(message.get("content") or "") for message in self.messages)

    @property
    def messages(self) -> list[Json]:
        messages = self.body.get("messages")
        return messages if isinstance(messages, list) else []

    @property
    def schema(self) -> Json | None:
        """The JSON schema asked for."""
        form = self.body.get("response_format")
        if not isinstance(form, dict) or not isinstance(form.get("json_schema"), dict):
            return None
        schema = form["json_schema"].get("schema")
        return schema if isinstance(schema, dict) else None


Script = Behaviour | Callable[[SeenRequest], Behaviour]


class ScriptedServer:
    """An OpenAI-compatible server on a random loopback port, in a thread of its own.

    Serves `/v1/models`, `/v1/chat/completions` (streaming too) and `/v1/embeddings`; records what
    it is sent.
    """

    def __init__(
        self,
        script: Sequence[Script] = (),
        *,
        otherwise: Script | None = None,
        model: str = "scripted",
        dimensions: int = 16,
        api_key: str = "",
        speaks: Sequence[str] = ("json_schema", "json_object", "text"),
        logprobs: bool = True,
        batch: int | None = None,
        longest: int | None = None,
    ) -> None:
        """`api_key`: any other key is answered 401. `speaks`: response formats that are not
        answered 400. `logprobs`: False answers 400 to a request for them. `batch`, `longest`: more
        texts at once, or longer ones, are not embedded.
        """
        self.model = model
        self.requests: list[SeenRequest] = []
        """Every request to the chat, in the order of arrival."""
        self.embedded: list[str] = []
        """Every text that was to be embedded."""
        self._script = list(script)
        self._otherwise: Script = otherwise or Echo()
        self._dimensions = dimensions
        self._api_key = api_key
        self._speaks = frozenset(speaks)
        self._logprobs = logprobs
        self._batch, self._longest = batch, longest
        self._lock = threading.Lock()
        self._closing = threading.Event()
        outer = self

        class Handler(_Handler):
            server_side = outer

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def script(self, *behaviours: Script) -> None:
        """Add to what the next requests meet."""
        with self._lock:
            self._script += behaviours

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------ for the handler

    def _next(self, seen: SeenRequest) -> Behaviour:
        with self._lock:
            self.requests.append(seen)
            step = self._script.pop(0) if self._script else self._otherwise
        return step(seen) if callable(step) else step

    def _refused(self, seen: SeenRequest) -> Failure | None:
        """What this server does not understand, as real ones say it."""
        if self._api_key and seen.headers.get("authorization") != f"Bearer {self._api_key}":
            return Failure(401, "Incorrect API key provided")
        form = seen.body.get("response_format")
        if isinstance(form, dict) and form.get("type") not in self._speaks:
            return Failure(
                400, f"response_format {form.get('type')} is not supported", param="response_format"
            )
        if seen.body.get("logprobs") and not self._logprobs:
            return Failure(400, "logprobs are not supported", param="logprobs")
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the script."""


class _Handler(BaseHTTPRequestHandler):
    server_side: ScriptedServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        if urlsplit(self.path).path.rstrip("/") == "/v1/models":
            if refused := self.server_side._refused(self._seen({})):
                self._fail(refused)
                return
            entry = {
                "id": self.server_side.model,
                "object": "model",
                "created": 0,
                "owned_by": "limner",
            }
            self._json(200, {"object": "list", "data": [entry]})
        else:
            self._fail(Failure(404, "no such path"))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:  # the client died while it was asking
            self.close_connection = True
            return
        body = json.loads(raw or b"{}")
        path = urlsplit(self.path).path
        if path.endswith("/embeddings"):
            if refused := self.server_side._refused(self._seen(body)):
                self._fail(refused)
            else:
                self._embed(body)
            return
        if not path.endswith("/chat/completions"):
            self._fail(Failure(404, "no such path"))
            return
        seen = self._seen(body)
        side = self.server_side
        if refused := side._refused(seen):
            with side._lock:
                side.requests.append(seen)
            self._fail(refused)
            return
        self._behave(side._next(seen), seen)

    def _seen(self, body: Json) -> SeenRequest:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return SeenRequest(parts.path, dict(parse_qsl(parts.query)), headers, body)

    # ------------------------------------------------------------ behaviours

    def _behave(self, behaviour: Behaviour, seen: SeenRequest) -> None:
        match behaviour:
            case Failure():
                self._fail(behaviour)
            case Hang(seconds):
                self.server_side._closing.wait(seconds)
                self._hang_up()
            case Drop(after):
                if after:
                    whole = json.dumps(_completion(self.server_side.model, Echo(), seen)).encode()
                    self._head(200, "application/json", len(whole))
                    self.wfile.write(whole[:after])
                    self.wfile.flush()
                self._hang_up()
            case Garbage(body):
                self._send(
                    200, "application/json" if body.startswith("{") else "text/html", body.encode()
                )
            case Drip(then, size, pause):
                self._drip(then, seen, size, pause)
            case _:
                if seen.body.get("stream"):
                    self._stream(behaviour, seen)
                else:
                    self._json(200, _completion(self.server_side.model, behaviour, seen))

    def _fail(self, failure: Failure) -> None:
        body: Json = {
            "error": {
                "message": failure.message,
                "type": "scripted",
                "param": failure.param,
                "code": failure.code or failure.status,
            }
        }
        extra = {} if failure.retry_after is None else {"Retry-After": str(failure.retry_after)}
        self._json(failure.status, body, extra)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _drip(
        self, then: "ScriptedAnswer | Echo", seen: SeenRequest, size: int, pause: float
    ) -> None:
        if seen.body.get("stream"):
            self._stream(then, seen, pause)
            return
        whole = json.dumps(_completion(self.server_side.model, then, seen)).encode()
        self._head(200, "application/json", len(whole))
        for start in range(0, len(whole), size):
            if self.server_side._closing.wait(pause):
                break
            self.wfile.write(whole[start : start + size])
            self.wfile.flush()

    def _stream(self, behaviour: Behaviour, seen: SeenRequest, pause: float = 0.0) -> None:
        completion = _completion(self.server_side.model, behaviour, seen)
        self._head(200, "text/event-stream", None)
        for event in _events(completion):
            if pause and self.server_side._closing.wait(pause):
                break
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _embed(self, body: Json) -> None:
        side = self.server_side
        inputs = body.get("input")
        texts = (
            [inputs]
            if isinstance(inputs, str)
            else [str(text) for text in inputs]
            if isinstance(inputs, list)
            else []
        )
        if side._batch is not None and len(texts) > side._batch:
            self._fail(Failure(400, f"batch size should not be larger than {side._batch}"))
            return
        if side._longest is not None and max(map(len, texts), default=0) > side._longest:
            self._fail(Failure(400, "the maximum context length is exceeded"))
            return
        with side._lock:
            side.embedded += texts
        data = []
        for index, text in enumerate(texts):
            vector = hash_vector(text, side._dimensions)
            packed: object = vector
            if body.get("encoding_format") == "base64":
                packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": packed})
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self._json(200, {"object": "list", "data": data, "model": side.model, "usage": usage})

    # ------------------------------------------------------------ bytes

    def _json(self, status: int, body: Json, extra: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(body).encode(), extra)

    def _send(
        self, status: int, kind: str, body: bytes, extra: dict[str, str] | None = None
    ) -> None:
        self._head(status, kind, len(body), extra)
        self.wfile.write(body)

    def _head(
        self, status: int, kind: str, length: int | None, extra: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()


def _completion(model: str, behaviour: Behaviour, seen: SeenRequest) -> Json:
    """A chat completion as OpenAI writes it."""
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    finish = "stop"
    logprobs: dict[str, float] = {}
    match behaviour:
        case ScriptedAnswer(text, logprobs, finish):
            message["content"] = text
        case Echo():
            message["content"] = _echo(seen)
        case Invented(word):
            message["content"] = (
                json.dumps(smallest(seen.schema, word, 999)) if seen.schema else word
            )
        case WrongSchema():
            message["content"] = '{"unexpected": true}'
        case Truncated(given):
            whole = given if given is not None else _echo(seen)
            message["content"], finish = whole[: max(1, len(whole) // 2)], "length"
        case Refusal(text):
            message["refusal"] = text
        case CallTool(name, arguments):
            call = {"name": name, "arguments": json.dumps(arguments)}
            message["tool_calls"] = [{"id": f"call_{name}", "type": "function", "function": call}]
            finish = "tool_calls"
        case _:
            raise TypeError(f"{behaviour} is not an answer")
    answered = len(str(message["content"] or message["refusal"] or "").split())
    asked = len(seen.text.split())
    choice: Json = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    if seen.body.get("logprobs"):
        top = [
            _token(token, logprob)
            for token, logprob in (logprobs or {"yes": -0.1, "no": -2.4}).items()
        ]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}], "refusal": None}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        },
    }


def _token(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _events(completion: Json) -> Iterator[str]:
    """A completion as the events of a stream, one word each."""
    choices = completion["choices"]
    assert isinstance(choices, list)
    choice = choices[0]
    message = choice["message"]
    pieces: list[Json] = [{"role": "assistant"}]
    pieces += [{"content": word} for word in _words(message["content"] or "")]
    if message["refusal"]:
        pieces.append({"refusal": message["refusal"]})
    if "tool_calls" in message:
        pieces.append(
            {"tool_calls": [{**call, "index": i} for i, call in enumerate(message["tool_calls"])]}
        )
    frame = {**completion, "object": "chat.completion.chunk"}
    frame.pop("usage")
    for delta in pieces:
        yield json.dumps(
            {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        )
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield json.dumps({**frame, "choices": [last], "usage": completion["usage"]})
    yield "[DONE]"


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + words[-1:]


def _echo(seen: SeenRequest) -> str:
    if seen.schema is not None:
        return json.dumps(smallest(seen.schema))
    messages = seen.body.get("messages")
    return str(messages[-1].get("content") or "") if isinstance(messages, list) and messages else ""


def smallest(schema: Json | None, word: str = "text", number: int = 1) -> object:
    """A small value that fits a JSON schema of the kinds that strict mode allows."""
    definitions = (schema or {}).get("$defs")
    return _Smallest(definitions if isinstance(definitions, dict) else {}, word, number).of(schema)


@dataclass(frozen=True)
class _Smallest:
    definitions: Mapping[str, object]
    word: str
    number: int

    def of(self, node: object) -> object:
        if not isinstance(node, dict):
            return self.word
        if isinstance(reference := node.get("$ref"), str):
            return self.of(self.definitions.get(reference.rsplit("/", 1)[-1]))
        for key in ("anyOf", "allOf", "oneOf"):
            if isinstance(options := node.get(key), list):
                return self.of(options[0])
        if "const" in node:
            return node["const"]
        if isinstance(values := node.get("enum"), list):
            return values[0]
        return self._of_type(node)

    def _of_type(self, node: Mapping[str, object]) -> object:
        match node.get("type"):
            case "object":
                properties = node.get("properties")
                fields = properties if isinstance(properties, dict) else {}
                return {key: self.of(value) for key, value in fields.items()}
            case "array":
                return [self.of(node.get("items"))] * max(1, _whole(node.get("minItems"), 1))
            case "integer" | "number":
                low = _whole(node.get("minimum"), self.number)
                return (
                    max(low, self.number)
                    if "minimum" in node
                    else min(_whole(node.get("maximum"), self.number), self.number)
                )
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self.word


def _whole(bound: object, otherwise: int) -> int:
    return int(bound) if isinstance(bound, int | float) else otherwise


def hash_vector(text: str, dimensions: int = 16) -> list[float]:
    """A unit vector from the words of a text: the same for the same text, near for texts that share
    words.
    """
    vector = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        for i in range(dimensions):
            digest = hashlib.blake2b(f"{i} {word}".encode(), digest_size=2).digest()
            vector[i] += int.from_bytes(digest) / 32767.5 - 1.0
    norm = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / norm for x in vector]


# ---------------------------------------------------------------- without HTTP

Reply = str | BaseModel | ChatReply | Exception


class FakeChat:
    """A chat that a function answers; the smallest fitting value where it is not given one. Records
    its requests.
    """

    def __init__(
        self,
        answer: Callable[[ChatRequest], Reply] | None = None,
        *,
        name: str = "fake",
        hosted: bool = False,
    ) -> None:
        self._answer = answer or _smallest_reply
        self.name = name
        self.hosted = hosted
        self.requests: list[ChatRequest] = []
        self.closed = False

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        reply = self._answer(request)
        match reply:
            case Exception():
                raise reply
            case ChatReply():
                return reply
            case BaseModel():
                text = reply.model_dump_json()
            case _:
                text = reply
        asked = sum(len(message.content.split()) for message in request.messages)
        usage = Usage(input_tokens=asked, output_tokens=len(text.split()))
        return ChatReply(text, usage, logprobs=_even(request.choices) if request.choices else None)

    async def close(self) -> None:
        self.closed = True


class FakeEmbedder:
    """Embeds by the words of a text, in microseconds; near are texts that share words."""

    name = "fake:words"
    dimensions = 16

    def passages(self, texts: Sequence[str]) -> Vectors:
        vectors = [hash_vector(text, self.dimensions) for text in texts]
        return np.array(vectors, dtype=np.float32).reshape(-1, self.dimensions)

    queries = passages


def _even(choices: tuple[str, ...]) -> dict[str, float]:
    return dict.fromkeys(choices, -math.log(len(choices)))


def _smallest_reply(request: ChatRequest) -> Reply:
    return json.dumps(smallest(strict_schema(request.schema))) if request.schema else "text"
