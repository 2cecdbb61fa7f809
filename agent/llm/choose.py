"""Choosing the model: a configured endpoint, else the embedded model, else an error that says what
to do.
"""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from limner.core.errors import ModelRefusedError, ModelUnavailableError, SettingsError
from limner.core.progress import Progress, Quiet
from limner.core.settings import LlmSettings, Settings
from limner.llm.base import Chat
from limner.llm.fetch import fetch_model, fingerprint
from limner.llm.local import LocalServer, runtime_installed
from limner.llm.openai_chat import OPENAI_URL, OpenAIChat, Retries

OPENAI_MODEL = "gpt-4o-mini"
_LOCAL_TIMEOUT = 300.0
"""Seconds at least: 2,000 tokens in and 500 out take a slow machine minutes."""
_WITHOUT = "LIMNER_LLM=none gives the same portraits in template words at once"


@dataclass(frozen=True)
class ChosenModel:
    """A model that is ready to be asked."""

    chat: Chat
    identity: str
    """Name and endpoint, or name and file hash: what caches tell models apart by."""
    where: str
    """For a person: "at api.openai.com", "inside this process"."""
    base_url: str
    api_key: str = field(repr=False)
    """The endpoint's key, also for other clients such as langchain's."""
    server: LocalServer | None = None

    @property
    def name(self) -> str:
        return self.chat.name

    @property
    def hosted(self) -> bool:
        return self.chat.hosted

    async def close(self) -> None:
        await self.chat.close()
        if self.server:
            self.server.close()


def which(llm: LlmSettings) -> str:
    """The kind of model that the settings choose: openai, local or none, with `auto` resolved.
    Raises SettingsError where `auto` finds no model, or the chosen kind is not set up.
    """
    if llm.choice == "openai" and not (llm.api_key or llm.base_url):
        raise SettingsError("model.openai_needs_key")
    if llm.choice == "local" and not runtime_installed():
        raise SettingsError("model.local_needs_runtime")
    if llm.choice != "auto":
        return llm.choice
    if llm.api_key or llm.base_url:
        return "openai"
    if runtime_installed():
        return "local"
    raise SettingsError("model.not_set_up")


def choose_chat(settings: Settings, progress: Progress | None = None) -> ChosenModel | None:
    """The model of the settings, ready; None for `none`. Fetches and loads the embedded model where
    that is chosen.

    Raises SettingsError, FetchError, ModelUnavailableError or ModelRefusedError.
    """
    progress = progress or Quiet()
    match which(settings.llm):
        case "none":
            return None
        case "openai":
            return _endpoint(settings.llm)
        case _:
            return _embedded(settings, progress)


def _endpoint(llm: LlmSettings) -> ChosenModel:
    base_url = (llm.base_url or OPENAI_URL).rstrip("/")
    host = urlsplit(base_url).hostname or ""
    if not host:
        raise SettingsError("model.bad_url", url=llm.base_url)
    name = llm.model or (OPENAI_MODEL if base_url == OPENAI_URL else _first_model(base_url, llm))
    chat = OpenAIChat(
        name=name,
        base_url=base_url,
        api_key=llm.api_key,
        timeout=llm.timeout,
        retries=Retries(budget=llm.retry_budget, backoff=llm.backoff),
        limit=llm.concurrency,
        hosted=not _on_this_machine(host),
    )
    return ChosenModel(
        chat,
        f"{name} {base_url}",
        f"at {urlsplit(base_url).netloc}",
        base_url,
        llm.api_key or "none",
    )


def _embedded(settings: Settings, progress: Progress) -> ChosenModel:
    llm = settings.llm
    if not runtime_installed():
        raise SettingsError("model.embedded_needs_runtime")
    path = fetch_model(settings, progress)
    server = LocalServer(path, threads=llm.threads, context=llm.context, slots=llm.slots)
    chat = OpenAIChat(
        name=server.name,
        base_url=server.base_url,
        api_key=server.api_key,
        timeout=max(llm.timeout, _LOCAL_TIMEOUT),
        retries=Retries(budget=llm.retry_budget, backoff=llm.backoff),
        limit=llm.slots,
        hosted=False,
    )
    identity = f"{server.name} {fingerprint(path)}"
    return ChosenModel(
        chat, identity, "inside this process", server.base_url, server.api_key, server
    )


def _on_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _first_model(base_url: str, llm: LlmSettings) -> str:
    """The first model that a server lists."""
    request = urllib.request.Request(
        f"{base_url}/models", headers={"Authorization": f"Bearer {llm.api_key or 'none'}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=min(llm.timeout, 10.0)) as answer:
            listed = json.load(answer)["data"]
            return str(listed[0]["id"])
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise ModelRefusedError("model.wrong_key", url=base_url) from error
        raise ModelUnavailableError(
            "model.list_refused", url=base_url, status=error.code
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelUnavailableError(
            "model.no_server", url=base_url, error=getattr(error, "reason", None) or error
        ) from error
