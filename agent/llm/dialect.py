"""What an OpenAI-compatible server understands, learned from what it complains about."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from limner.llm.base import ChatRequest

if TYPE_CHECKING:
    from openai import APIStatusError
    from openai.types.chat import ChatCompletion

Form = Literal["json_schema", "json_object", "text"]
_NEXT_FORM: dict[Form, Form] = {"json_schema": "json_object", "json_object": "text"}
_VAGUE = frozenset({400, 422})
"""Statuses of a request that is not understood, whether or not its complaint says why."""
_NAMED = frozenset({403, 404})
"""Statuses of such a request only where the complaint names what is not understood."""
_RETRIED = frozenset({408, 409, 425, 429})
_FILTERS = ("content_filter", "content_policy", "data_inspection", "content management policy")
_NO_CREDIT = ("insufficient_quota", "insufficient_balance", "insufficient balance", "billing_")
_TOO_LONG = re.compile(r"context.*(length|size|exceed)|(exceed|maximum).*context", re.DOTALL)


@dataclass(frozen=True)
class Complaint:
    """What a server says is wrong with a request."""

    status: int
    text: str
    """The server's own sentence."""
    code: str = ""
    """Code, type and name of the parameter, where it tells them."""
    headers: Mapping[str, str] | None = None

    @classmethod
    def of(cls, error: "APIStatusError") -> "Complaint":
        named = (error.code, error.type, error.param)
        code = " ".join(str(name) for name in named if name)
        body = error.body
        text = body.get("message") if isinstance(body, Mapping) else None
        return cls(error.status_code, str(text or error.message), code, error.response.headers)

    @classmethod
    def inside(cls, completion: "ChatCompletion") -> "Complaint | None":
        """The error that a server sent as a success; None where there is none."""
        error = getattr(completion, "error", None)
        if not error:
            return None
        if not isinstance(error, Mapping):
            return cls(502, str(error))
        told = str(error.get("code") or error.get("status") or "")
        status = int(told) if re.fullmatch("[45]..", told) else 429 if "rate" in told else 502
        return cls(status, str(error.get("message") or error), f"{told} {error.get('type') or ''}")

    @property
    def detail(self) -> str:
        """The server's sentence as it may be shown."""
        return short(self.text)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait; None where it does not say."""
        return _retry_after(self.headers or {})

    @property
    def words(self) -> str:
        """All that it says, in lower case."""
        return f"{self.text} {self.code}".lower()

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be answered later."""
        return (self.status >= 500 or self.status in _RETRIED) and not self.is_credit

    @property
    def is_filter(self) -> bool:
        """Whether only the words of this one request are refused."""
        return any(word in self.words for word in _FILTERS)

    @property
    def is_credit(self) -> bool:
        """Whether no request is answered until somebody pays."""
        return self.status == 402 or any(word in self.words for word in _NO_CREDIT)

    @property
    def is_length(self) -> bool:
        """Whether the request is longer than the model reads."""
        return self.status == 413 or bool(_TOO_LONG.search(self.words))


@dataclass
class Dialect:
    """What a server was found to understand."""

    form: Form = "json_schema"
    logprobs: bool = True
    temperature: bool = True
    system: bool = True
    """Whether messages may have the role `system`."""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def learn(self, complaint: Complaint, request: ChatRequest) -> bool:
        """Leave out what the complaint is about, from now on; False where that cannot be told, and
        asking again makes no sense.
        """
        if complaint.is_filter or complaint.is_length or complaint.is_credit:
            return False
        if complaint.status not in _VAGUE | _NAMED:
            return False
        vague = complaint.status in _VAGUE
        return any(lesson(self, complaint.words, request, vague) for lesson in _LESSONS)


def short(text: str) -> str:
    """One line of at most 200 characters, without anything that looks like a key."""
    return re.sub(r"sk-[\w-]{8,}", "sk-…", " ".join(text.split()))[:200]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` (seconds or an HTTP date) or OpenAI's `retry-after-ms`;
    None where absent.
    """
    if milliseconds := headers.get("retry-after-ms"):
        try:
            return max(0.0, float(milliseconds) / 1000)
        except ValueError:
            pass  # the standard header may still be right
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _other_limit(dialect: Dialect, words: str, _: ChatRequest, __: bool) -> bool:
    if "max_completion_tokens" not in words:
        return False
    is_new = dialect.limit == "max_completion_tokens"
    dialect.limit = "max_tokens" if is_new else "max_completion_tokens"
    return True


def _own_temperature(dialect: Dialect, words: str, _: ChatRequest, __: bool) -> bool:
    if not dialect.temperature or "temperature" not in words:
        return False
    dialect.temperature = False
    return True


def _no_system(dialect: Dialect, words: str, _: ChatRequest, __: bool) -> bool:
    if not dialect.system or not re.search(r"\bsystem\b", words) or "role" not in words:
        return False
    dialect.system = False
    return True


def _no_logprobs(dialect: Dialect, words: str, request: ChatRequest, vague: bool) -> bool:
    if not dialect.logprobs or not request.choices:
        return False
    if "logprobs" not in words and not (vague and request.schema is None):
        return False
    dialect.logprobs = False
    return True


def _looser_form(dialect: Dialect, words: str, request: ChatRequest, vague: bool) -> bool:
    named = any(word in words for word in ("structured", "response_format", "schema"))
    if request.schema is None or dialect.form not in _NEXT_FORM or not (vague or named):
        return False
    dialect.form = _NEXT_FORM[dialect.form]
    return True


_LESSONS: tuple[Callable[[Dialect, str, ChatRequest, bool], bool], ...] = (
    _other_limit,
    _own_temperature,
    _no_system,
    _no_logprobs,
    _looser_form,
)
"""In the order in which they are tried: what a complaint names before what may be meant."""
