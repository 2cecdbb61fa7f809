"""Where a model answers: its address and key as people paste them, and clients that reach it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from limner.core.errors import ModelRefusedError, SettingsError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

OPENAI_URL = "https://api.openai.com/v1"
_CALLS = ("/chat/completions", "/completions", "/embeddings", "/models")
"""What people paste behind the address, from a line of documentation."""
_PASTED = " \t\r\n\ufeff\u200b\"'"
"""What comes along with an address or a key that is copied."""


@dataclass(frozen=True)
class ModelEndpoint:
    """An OpenAI-compatible server. Made by `ModelEndpoint.parse`."""

    url: str
    """Without a query and without a slash at the end."""
    api_key: str = field(default="", repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request, like Azure's `api-version`."""

    @classmethod
    def parse(cls, address: str, api_key: str = "") -> "ModelEndpoint":
        """OpenAI where the address is empty. Raises SettingsError for what is no address."""
        parts = urlsplit(address.strip(_PASTED) or OPENAI_URL)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError("model.bad_url", url=address)
        path = parts.path.rstrip("/")
        for call in _CALLS:
            path = path.removesuffix(call)
        return cls(
            urlunsplit((parts.scheme, parts.netloc, path.rstrip("/"), "", "")),
            api_key.strip(_PASTED),
            dict(parse_qsl(parts.query)),
        )

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_openai(self) -> bool:
        return self.host == urlsplit(OPENAI_URL).hostname

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified

    @property
    def deployment(self) -> str:
        """The model that the address itself names, as Azure's do; "" elsewhere."""
        _, _, rest = urlsplit(self.url).path.partition("/deployments/")
        return unquote(rest.split("/")[0])

    def async_client(self, timeout: float) -> "AsyncOpenAI":
        """A client for one event loop; `timeout` in seconds. Retries are the caller's.

        Raises ModelRefusedError where the proxy that the environment names cannot be used.
        """
        import openai

        with _proxies_checked():
            http = openai.DefaultAsyncHttpxClient(trust_env=not self.is_local, timeout=timeout)
        azure = partial(openai.AsyncAzureOpenAI, api_version=self._version)
        make = azure if self._version else openai.AsyncOpenAI
        return make(http_client=http, **self._options(timeout))

    def client(self, timeout: float) -> "OpenAI":
        """A client without an event loop; otherwise as `async_client`."""
        import openai

        with _proxies_checked():
            http = openai.DefaultHttpxClient(trust_env=not self.is_local, timeout=timeout)
        azure = partial(openai.AzureOpenAI, api_version=self._version)
        make = azure if self._version else openai.OpenAI
        return make(http_client=http, **self._options(timeout))

    @property
    def _version(self) -> str | None:
        """Of Azure's interface; None elsewhere."""
        return self.query.get("api-version")

    def _options(self, timeout: float) -> "_ClientOptions":
        return {
            "base_url": self.url,
            "api_key": self.api_key or "none",
            "default_query": self.query,
            "max_retries": 0,
            "timeout": timeout,
        }


class _ClientOptions(TypedDict):
    base_url: str
    api_key: str
    default_query: Mapping[str, object]
    max_retries: int
    timeout: float


@contextmanager
def _proxies_checked() -> Iterator[None]:
    """Proxies of the environment are heeded, with NO_PROXY, except for this machine."""
    import httpx2

    try:
        yield
    except ImportError as error:
        raise ModelRefusedError("model.proxy_socks") from error
    except (ValueError, httpx2.InvalidURL) as error:
        raise ModelRefusedError("model.proxy_wrong", error=error) from error
