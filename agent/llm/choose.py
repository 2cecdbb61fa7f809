"""Choosing the model: a configured endpoint, else the embedded model, else an error that says what
to do.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from limner.core.errors import ModelRefusedError, ModelUnavailableError, SettingsError
from limner.core.progress import Progress, Quiet
from limner.core.settings import LlmSettings, Settings
from limner.llm.base import Chat
from limner.llm.endpoint import ModelEndpoint
from limner.llm.fetch import fetch_model, fingerprint
from limner.llm.local import LocalServer, runtime_installed
from limner.llm.openai_chat import OpenAIChat, Retries

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
    endpoint = ModelEndpoint.parse(llm.base_url, llm.api_key)
    name = llm.model or endpoint.deployment
    name = name or (OPENAI_MODEL if endpoint.is_openai else _first_model(endpoint, llm))
    chat = OpenAIChat(
        name=name,
        base_url=llm.base_url,
        api_key=llm.api_key,
        timeout=llm.timeout,
        retries=Retries(budget=llm.retry_budget, backoff=llm.backoff),
        limit=llm.concurrency,
        hosted=not endpoint.is_local,
    )
    return ChosenModel(chat, f"{name} {endpoint.url}", f"at {urlsplit(endpoint.url).netloc}")


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
    return ChosenModel(chat, identity, "inside this process", server)


def _first_model(endpoint: ModelEndpoint, llm: LlmSettings) -> str:
    """The first model that a server lists."""
    import openai

    try:
        with endpoint.client(min(llm.timeout, 10.0)) as client:
            return client.models.list().data[0].id
    except openai.APIStatusError as error:
        if error.status_code in (401, 403):
            raise ModelRefusedError("model.wrong_key", url=endpoint.url) from error
        raise ModelUnavailableError(
            "model.list_refused", url=endpoint.url, status=error.status_code
        ) from error
    except (openai.APIError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelUnavailableError(
            "model.no_server", url=endpoint.url, error=error.__cause__ or error
        ) from error
