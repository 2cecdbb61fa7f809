"""The values that flow between stages: frozen, typed, in the words of the project.

Times are timezone-aware UTC. `None` for a time means that the data had none; order is then that of
the rows (`seq`). Shares, strengths and confidences are in [0, 1]; signals in [-1, 1].
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scalar = str | int | float | bool
Attributes = dict[str, Scalar | list[str]]
"""Free attributes of a user, an item or an event's context; lists are lists of values of one
facet.
"""

Polarity = Literal["like", "dislike"]
Kind = Literal["taste", "constraint", "need"]
Basis = Literal["stated", "revealed", "inferred"]
Trend = Literal["rising", "steady", "fading", "unknown"]
Source = Literal["llm", "template"]
Grade = Literal["full", "phrase", "none"]
RerankState = Literal["applied", "skipped", "failed"]
ReasonWording = Literal["llm", "cached", "template"]

EVENT_TYPES = (
    "view",
    "click",
    "like",
    "dislike",
    "cart",
    "purchase",
    "return",
    "rating",
    "review",
    "comment",
    "play",
    "skip",
    "search",
    "share",
    "answer",
    "preference",
)
"""Types that the default signal table knows. Others are kept as they are, without signal until the
table names them.
"""


class Value(BaseModel):
    """Base of all values: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# ---------------------------------------------------------------- what came in


class User(Value):
    user_id: str
    source: str = ""
    attributes: Attributes = {}


class Item(Value):
    item_id: str
    source: str = ""
    title: str = ""
    text: str = ""
    categories: list[str] = []
    price: float | None = None
    image: str | None = None
    audio: str | None = None
    attributes: Attributes = {}


class Event(Value):
    event_id: str
    user_id: str
    item_id: str | None = None
    """`None` for a search, a survey answer or a stated preference."""
    type: str = "view"
    value: float | None = None
    """As it came: a rating on its own scale, a quantity, seconds played."""
    timestamp: datetime | None = None
    text: str = ""
    source: str = ""
    context: Attributes = {}
    seq: int = 0
    """The store's sequence number: 1 for the first event ever ingested."""


class Scale(Value):
    """The rating scale of a source, as declared or observed."""

    source: str
    low: float
    high: float
    declared: bool = False


class TableReport(Value):
    """What became of one table's rows. read = kept + merged + rejected."""

    read: int = 0
    kept: int = 0
    merged: int = 0
    """Rows that say what a stored row says already (re-ingest, exact copies of a users or items
    row).
    """
    rejected: int = 0
    reasons: dict[str, int] = {}
    """Rejected rows by reason; sums to `rejected`."""


class IngestReport(Value):
    events: TableReport = TableReport()
    items: TableReport = TableReport()
    users: TableReport = TableReport()
    notes: list[str] = []
    """What a person should know: no time column, scale observed, columns that became attributes."""
    rejected_file: str | None = None
    """Where rejected rows went: JSON lines of file, line, reason, row."""


class RejectedRow(Value):
    row: int
    """Its place among the rows that were sent, from 0."""
    reason: str


class RowsReport(Value):
    """What became of rows that a program sent. read = kept + merged + rejected."""

    source: str = ""
    """Where the rows are said to be from; ratings are read on its scale."""
    read: int = 0
    kept: int = 0
    """New, or in the place of what was stored under the same id."""
    merged: int = 0
    """Say what is stored already."""
    rejected: int = 0
    rows: list[RejectedRow] = []
    """Each row that was rejected, and why."""
    notes: list[str] = []


# ---------------------------------------------------------------- what was counted


LOOKS = ("view", "click")
"""Event types that are a look, and no choice."""


class Fact(Value):
    """A counted statement about one facet value of one user."""

    number: int
    """Short local number that a model may cite as F<number>."""
    facet: str
    value: str
    polarity: Polarity
    basis: Basis = "revealed"
    count: int
    """Events of this user that carry the value."""
    positive: int
    negative: int
    share: float
    """Of the user's different items, the share that carries the value."""
    base_rate: float
    """The same share over the whole population: all its user-item pairs."""
    affinity: float
    """Likes: shrunk log2 lift of liked items over the base rate. Dislikes: shrunk distance of the
    value's mean signal below the user's own, negative. 0 is average; the formulae stand in
    `limner.facts.mine`.
    """
    strength: float
    confidence: float
    trend: Trend
    first_seen: datetime | None
    last_seen: datetime | None
    evidence: list[str]
    """Event ids that support the polarity, best first (bounded)."""
    looked: bool = False
    """Whether every one of these events was a look, and none a choice."""


class Trait(Value):
    """A counted habit."""

    name: str
    """rating_habit, breadth, novelty_seeking, popularity_taste, price_band, rhythm, …"""
    label: str
    """One word or short phrase: generous, narrow, mainstream, …; "unknown" where too little is
    known.
    """
    value: float | None = None
    detail: str = ""
    """The numbers in words, e.g. "mean rating 4.2 over 61 ratings, population 3.5"."""
    n: int = 0
    """How many events it rests on."""


class WindowEvent(Value):
    """One event as the model sees it, under a short local number."""

    number: int
    event: Event
    item: Item | None
    signal: float
    line: str
    """The rendered line, number included."""


class Window(Value):
    """The part of a user's history that fits the token budget, oldest first."""

    user_id: str
    events: list[WindowEvent]
    total: int
    """Events the user has in all."""
    tokens: int
    """Tokens of all lines together; never above the budget."""


# ---------------------------------------------------------------- the portrait


class Preference(Value):
    facet: str
    value: str
    polarity: Polarity
    kind: Kind = "taste"
    basis: Basis = "revealed"
    strength: float
    confidence: float
    trend: Trend = "unknown"
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    evidence: list[str]
    text: str = ""
    """The preference in words, in the portrait's language."""
    source: Source = "template"


class Dropped(Value):
    """A claim that verification refused."""

    stage: Literal["summary", "preference", "field", "reason"]
    claim: str
    reason: str
    """A stable code, then words: "unsupported_word: award-winning"."""


class FieldValue(Value):
    """One of the project's own portrait fields."""

    name: str
    value: Scalar | list[str]
    evidence: list[str]
    source: Source = "llm"


class BuiltFrom(Value):
    """Provenance: enough to say what a portrait rests on and what it cost."""

    events: int = 0
    first_event: datetime | None = None
    last_event: datetime | None = None
    last_seq: int = 0
    window_events: int = 0
    window_tokens: int = 0
    parts: int = 1
    """Into how many parts a long history was cut."""
    population: str = ""
    """Version of the base-rate snapshot."""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars; 0 for embedded models."""
    claims: int = 0
    """Claims that the model made."""
    settings: str = ""
    """Hash of the settings that shape a portrait."""


class Profile(Value):
    user_id: str
    version: int = 0
    """1 for the first; 0 while not stored."""
    as_of: datetime
    language: str = "en"
    summary: str
    summary_source: Source = "template"
    summary_evidence: list[str] = []
    preferences: list[Preference] = []
    traits: list[Trait] = []
    fields: list[FieldValue] = []
    segments: list[str] = []
    unknowns: list[str] = []
    """What was asked for and cannot be said from the events."""
    dropped: list[Dropped] = []
    built_from: BuiltFrom = BuiltFrom()
    source: Source = "template"
    grade: Grade = "none"
    model: str | None = None
    prompt: str | None = None
    """`id@version#hash` of the prompt."""
    notes: list[str] = []
    """What a person should know of how it was made: the model that did not answer, parts of the
    history left out.
    """


# ---------------------------------------------------------------- recommendations


class Candidate(Value):
    item_id: str
    scores: dict[str, float] = {}
    """Score per channel; absent where the channel did not find it."""


class Reason(Value):
    text: str
    preferences: list[str] = []
    """`facet:value` of the preferences it cites."""
    evidence: list[str] = []
    """Event ids of this user."""
    source: Source = "template"


class Recommendation(Value):
    item: Item
    rank: int
    """1 is best."""
    score: float
    probability: float | None = None
    predicted_rating: float | None = None
    channels: dict[str, float] = {}
    """Score in each channel that found it; the channel that places it highest comes first."""
    rerank: RerankState = "skipped"
    flags: list[str] = []
    """seen, unknown, cold_item, fallback, …"""
    reason: Reason | None = None


Share = Annotated[float, Field(ge=0, le=1)]


IdText = Annotated[str, Field(min_length=1, max_length=255)]


class ListOptions(Value):
    """What a list should be like beyond what the user likes best; nothing is asked as it stands."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    category: list[str] = Field(default=[], max_length=50)
    """Only items of one of these categories; a level of a category's path will do."""
    price_min: float | None = None
    """Only items whose price is known and no lower."""
    price_max: float | None = None
    """Only items whose price is known and no higher."""
    available: bool = True
    """False: also items that cannot be had now; hidden ones never come."""
    filter: str = Field(default="", max_length=10_000, examples=["year >= 1990"])
    """Only items that a condition fits, such as: year >= 1990 and genre = Drama."""
    exclude: list[IdText] = Field(default=[], max_length=10_000)
    """Not these items."""
    diversity: Share = 0.0
    """How much an item must differ from those above it: maximal marginal relevance, 0 not at all, 1
    nothing else.
    """
    novelty: Share = 0.0
    """How much being had by few counts: 0 not at all, 1 nothing else."""
    quota: dict[str, Annotated[int, Field(ge=0)]] = Field(default={}, max_length=20)
    """At most so many items of each value of an attribute (category=2), or of one value
    (category:Drama=1).
    """
    context: list[IdText] = Field(default=[], max_length=50)
    """Items of this visit, oldest first: they count as the newest events, and do not come back."""
    boost: dict[str, Annotated[float, Field(ge=0, le=10)]] = Field(
        default={}, max_length=20, examples=[{"category:Drama": 1.5}]
    )
    """Items that fit a condition count so many times, from 0 to 10: category:Drama*1.5."""

    @property
    def filters(self) -> bool:
        """Whether some items of the catalogue do not fit."""
        return bool(
            self.category or self.filter or self.price_min is not None or self.price_max is not None
        )

    @property
    def shapes(self) -> bool:
        """Whether the list is chosen as a whole, and not by each item's score alone."""
        return bool(self.diversity or self.novelty or self.quota or self.boost)

    @property
    def asks_nothing(self) -> bool:
        """Whether every option is as it is by itself."""
        fields = ListOptions.model_fields
        return all(getattr(self, name) == field.default for name, field in fields.items())


class RecommendationRequest(ListOptions):
    """One request for recommendations. Every door (REST, command line, tools, MCP, clients) is made
    from these fields.
    """

    user_id: str | None = None
    """For whom, exactly as in the data; without one, for a visitor of whom nothing is known."""
    n: int = Field(default=10, ge=1, le=1000)
    """How many items, at most."""
    explain: bool = True
    """With a verified reason for every item."""
    wording: ReasonWording = "llm"
    """Who words the reasons. llm: the language model is waited for, its order too. cached: at once,
    in its words where they are known and still hold, else in template words. template: at once, in
    template words.
    """
    repeats: bool = False
    """Items that the user has had already may return."""
    items: list[IdText] | None = Field(default=None, min_length=1, max_length=100_000)
    """Put these items in order, all of them, instead of choosing from the catalogue."""

    @property
    def options(self) -> ListOptions | None:
        """What was asked of the list beyond whom it is for; None where nothing was."""
        if self.asks_nothing:
            return None
        return ListOptions.model_construct(
            **{name: getattr(self, name) for name in ListOptions.model_fields}
        )

    @property
    def asks_model(self) -> bool:
        """Whether a language model is waited for; nothing is known of a visitor that it could
        word.
        """
        return self.wording == "llm" and self.user_id is not None

    @model_validator(mode="after")
    def _given_items_stand_alone(self) -> Self:
        if self.items is not None and not self.asks_nothing:
            raise ValueError("given items are all put in order; leave the list's options out")
        return self


class Recommendations(Value):
    user_id: str
    recommendations: list[Recommendation]
    recommendation_id: str | None = None
    """What feedback names; None where the list was not kept."""
    profile_version: int | None = None
    grade: Grade = "none"
    model: str | None = None
    fallback: bool = False
    """True where the user has no usable history and the list is what is popular."""
    wishes: ListOptions | None = None
    """What was asked of the list; None where nothing was."""
    notes: list[str] = []
    dropped: list[Dropped] = []


class ShownList(Value):
    """A list that was answered with, as it is kept so that feedback may name it."""

    recommendation_id: str
    user_id: str | None
    """None for a visitor who is nobody in the store."""
    at: datetime
    items: list[str]
    """Item ids, best first."""
    channels: list[str]
    """The channel that leads each item; "" where none does."""
    model_version: int
    """Of the trained channels."""
    profile_version: int | None = None


class Outcome(Value):
    """What somebody did with one item of a list that was shown."""

    recommendation_id: str
    user_id: str | None
    item_id: str
    type: str
    """impression, click, like, …"""
    channel: str
    model_version: int


class RankedUser(Value):
    user_id: str
    rank: int
    """1 is best."""
    score: float
    probability: float | None = None
    """Of an interaction with the item; None where it was not learned, or nothing is known of the
    user.
    """
    flags: list[str] = []
    """seen (had the item already), cold_user (no usable history)."""


class Audience(Value):
    """Users that an item, or words, are likeliest for, and among how many they were looked for."""

    item: Item | None = None
    """What they are ordered for; None where it is words, or nothing."""
    like: str = ""
    """The words that portraits are compared with."""
    users: list[RankedUser]
    definition: str
    """What the users are ordered by, in words."""
    period: str = ""
    """The time of the events that this rests on, in words; empty where they have none."""
    population: int
    """Users in the store."""
    matching: int
    """Of these, users that the condition on their attributes fits."""
    had: int
    """Of these, users who had the item already and are left out."""
    considered: int
    """Users that were ordered: the denominator of every share of them."""
    filter: str = ""
    """The condition on users' attributes that was asked for."""
    notes: list[str] = []


# ---------------------------------------------------------------- models


class ChatMessage(Value):
    role: Literal["system", "user", "assistant"]
    content: str


class Usage(Value):
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


class StoredAnswer(Value):
    """A model's answer as the answer cache keeps it."""

    text: str
    usage: Usage = Usage()
    logprobs: dict[str, float] | None = None
    """Log-probability of each choice as the first token, where the request asked for choices."""


LedgerOutcome = Literal["ok", "repaired", "cached", "unavailable", "refused", "bad_answer"]


class LedgerRow(Value):
    """Written for every model call, cached answers included."""

    purpose: str
    """portrait, phrase, reason, rerank, judge, probe, chat, embed, …"""
    model: str
    prompt: str
    """`id@version#hash`."""
    user_id: str | None
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float
    outcome: LedgerOutcome
    at: datetime

    @property
    def has_failed(self) -> bool:
        return self.outcome in ("unavailable", "refused", "bad_answer")


class SkillScore(Value):
    """How a model did at one skill of the capability probe."""

    skill: str
    asked: int
    right: int
    threshold: float
    """Share that must be right."""
    passed: bool


class ProbeResult(Value):
    model: str
    probe: str
    """Version hash of the questions."""
    skills: list[SkillScore]
    grade: Grade
    seconds: float = Field(default=0.0, ge=0)


# ---------------------------------------- what the engine says of its own work


class ChannelReport(Value):
    """What one channel learned."""

    name: str
    holds: str
    """In words: "1,682 items", "EASE over 1,682 items"."""
    ndcg: float | None = None
    """ndcg@10 of this channel alone over the candidates of users that were held out; None where
    nothing was learned.
    """
    adds: float | None = None
    """What the fusion loses of its own there where what this channel tells is shuffled among the
    candidates.
    """


class BucketWeight(Value):
    """What a model's order was worth for users of one length of history."""

    bucket: str
    """`all`, or a range of events such as `5-19`."""
    cases: int
    """Users asked about."""
    weight: float
    """Share of the model's order in the blend, in [0, 1]; 0 where it did not help with 95%
    certainty.
    """
    gain: float | None
    """Mean change of ndcg@10, each user's at the weight that was best for other users."""
    low: float | None
    high: float | None
    """The gain's 95% bootstrap interval."""


class RerankWeight(Value):
    """How far a model may reorder a store's recommendations, fitted on the past."""

    model: str
    method: str
    """listwise, pointwise or likeness."""
    buckets: list[BucketWeight]
    """`all` first."""

    def of(self, bucket: str) -> float:
        """The bucket's own weight, or that of all users where it had too few."""
        own = {one.bucket: one.weight for one in self.buckets}
        return own.get(bucket, own["all"])


class RatingReport(Value):
    """How far predicted ratings are off on users that their model did not see, in steps of the
    scale.
    """

    ratings: int
    rmse: float
    rmse_of_mean: float
    """Of saying the mean rating every time."""
    mae: float
    calibration_error: float
    """Mean distance of predicted from given ratings, over ten bins by prediction."""
    low: float
    high: float
    """The scale that predictions are told on."""


class TrainReport(Value):
    version: int
    events: int
    users: int
    items: int
    channels: list[ChannelReport]
    embedder: str
    embedded: int
    """Item texts embedded anew; the others were up to date."""
    lessons: int = 0
    """Questions of the past that fusion learned to order from; 0 where there were too few, and
    fixed weights order.
    """
    unanswered: int = 0
    """Further questions without an answer among their candidates; they count in the probabilities
    alone.
    """
    fusion_ndcg: float | None = None
    """ndcg@10 of the learned fusion over the same candidates as each channel's."""
    calibration_error: float | None = None
    """Expected calibration error of its probabilities of an item for users who do anything, on
    users it did not see.
    """
    probability_mean: float | None = None
    """Probability told of a held-out candidate, on average."""
    probability_share: float | None = None
    """Of these candidates that were had in fact."""
    activity_error: float | None = None
    """The same of the probabilities that a user does anything; None where events have no times to
    learn them from.
    """
    ratings: RatingReport | None = None
    """Of predicted ratings; None where there are too few to learn from."""
    rerank: RerankWeight | None = None
    """What a model's reordering adds; None where none was measured."""
    seconds: float
    notes: list[str] = []


class BuildReport(Value):
    built: list[Profile]
    skipped: int = 0
    """Portraits that were up to date."""
    failed: dict[str, str] = {}
    """User id to what went wrong; such users keep the portrait they had."""
    notes: list[str] = []
    stopped: str | None = None
    """Why the run ended early: cost limit, model gave up. The next run goes on."""


class Estimate(Value):
    """What a build would cost, from a sample."""

    users: int
    sample: int
    model: str | None
    grade: Grade
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float
    hours: float


class Check(Value):
    """One line of `limner doctor`."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str


# ---------------------------------------------------------------- who may ask

Scope = Literal["read", "write", "admin"]
"""What a key may do, each also what those before it may."""


class ApiKey(Value):
    """A key of the REST API, as everyone but its holder knows it."""

    key_id: str
    name: str = ""
    """For people: whose it is, what for."""
    scope: Scope = "read"
    user_id: str | None = None
    """The one end user whom it may ask about; None: everyone."""
    created: datetime
    revoked: datetime | None = None
