"""The values that flow between stages: frozen, typed, in the words of the project.

Times are timezone-aware UTC. `None` for a time means that the data had none; order is then that of
the rows (`seq`). Shares, strengths and confidences are in [0, 1]; signals in [-1, 1].
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from limner.core.messages import Message

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
    """Base of all values: immutable, unknown keys refused, fields described by their docstrings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


# ---------------------------------------------------------------- what came in


class User(Value):
    """Somebody whose events are known."""

    user_id: str
    """The user's id, exactly as in the data."""
    source: str = ""
    """The data set that the user comes from."""
    attributes: Attributes = {}
    """Free attributes by name: text, numbers, flags, or lists of text."""


class Item(Value):
    """Something that can be recommended."""

    item_id: str
    """The item's id, exactly as in the data."""
    source: str = ""
    """The data set that the item comes from."""
    title: str = ""
    """The name that people know it by."""
    text: str = ""
    """A description."""
    categories: list[str] = []
    """From the widest to the narrowest, or side by side, as the data has them."""
    price: float | None = None
    """In the data's currency; null where it is not known."""
    image: str | None = None
    """Path or address of a picture."""
    audio: str | None = None
    """Path or address of a sound."""
    attributes: Attributes = {}
    """Free attributes by name: text, numbers, flags, or lists of text."""


class Event(Value):
    """Something that a user did, at one time, mostly with one item."""

    event_id: str
    """Unique in the store; an event that is sent again under its id is stored once."""
    user_id: str
    """The user's id, exactly as in the data."""
    item_id: str | None = None
    """`None` for a search, a survey answer or a stated preference."""
    type: str = "view"
    """What was done: view, click, like, purchase, rating, …"""
    value: float | None = None
    """The value as in the data: a rating on its own scale, a quantity, seconds played."""
    timestamp: datetime | None = None
    """When it happened, UTC; null where the data has no times."""
    text: str = ""
    """What the user wrote: a review, a comment, the words of a search."""
    source: str = ""
    """The data set that the event comes from."""
    context: Attributes = {}
    """Free attributes of the situation: device, page, query, …"""
    seq: int = 0
    """The store's sequence number: 1 for the first event ever ingested."""


class Scale(Value):
    """The rating scale of a source, as declared or observed."""

    source: str
    """The data set whose ratings are on this scale."""
    low: float
    """The lowest rating."""
    high: float
    """The highest rating."""
    declared: bool = False
    """True where a mapping file names the scale; false where it was observed in the ratings."""


class TableReport(Value):
    """What became of one table's rows. read = kept + merged + rejected."""

    read: int = 0
    """Rows in the table."""
    kept: int = 0
    """Rows that were stored: new ones, and newer versions of stored ones."""
    merged: int = 0
    """Rows that repeat a stored row: ingested before, or exact copies."""
    rejected: int = 0
    """Rows that could not be used."""
    reasons: dict[str, int] = {}
    """Rejected rows by reason; sums to `rejected`."""


class IngestReport(Value):
    """What became of the rows of each table."""

    events: TableReport = TableReport()
    """The table of events."""
    items: TableReport = TableReport()
    """The table of items."""
    users: TableReport = TableReport()
    """The table of users."""
    notes: list[Message] = []
    """What a person should know: no time column, scale observed, columns that became attributes."""
    rejected_file: str | None = None
    """Where rejected rows went: JSON lines of file, line, reason, row."""


class RejectedRow(Value):
    """A row that could not be used."""

    row: int
    """Position among the rows that were sent; 0 is the first."""
    reason: str
    """Why it could not be used."""


class RowsReport(Value):
    """What became of rows that a program sent. read = kept + merged + rejected."""

    source: str = ""
    """The data set that the rows belong to; ratings are read on its scale."""
    read: int = 0
    """Rows that were sent."""
    kept: int = 0
    """Rows that were stored: new ones, and newer versions of stored ones."""
    merged: int = 0
    """Rows that repeat a stored row."""
    rejected: int = 0
    """Rows that could not be used."""
    rows: list[RejectedRow] = []
    """Each row that was rejected, and why."""
    notes: list[Message] = []
    """What a person should know: columns that became attributes, a scale that was observed."""


# ---------------------------------------------------------------- what was counted


LOOKS = ("view", "click")
"""Event types that show interest without a choice."""


class Fact(Value):
    """A counted statement about one facet value of one user."""

    number: int
    """Short local number that a model may cite as F<number>."""
    facet: str
    """The dimension of taste: genre, brand, era, …"""
    value: str
    """The value of that facet: Drama, Sony, 1990s."""
    polarity: Polarity
    """like or dislike."""
    basis: Basis = "revealed"
    """What it rests on: stated, revealed or inferred."""
    count: int
    """Events of this user that carry the value."""
    positive: int
    """Number of these events with a signal above 0."""
    negative: int
    """Number of these events with a signal below 0."""
    share: float
    """Share of the user's different items that carry the value."""
    base_rate: float
    """Share of all user-item pairs of the population whose item carries the value."""
    affinity: float
    """Likes: shrunk log2 lift of liked items over the base rate. Dislikes: shrunk distance of the
    value's mean signal below the user's own, negative. 0 is average; the formulae stand in
    `limner.facts.mine`.
    """
    strength: float
    """How much it counts, in [0, 1]."""
    confidence: float
    """How sure it is, in [0, 1]."""
    trend: Trend
    """rising, steady, fading, or unknown."""
    first_seen: datetime | None
    """Time of the first of these events, UTC."""
    last_seen: datetime | None
    """Time of the last of these events, UTC."""
    evidence: list[str]
    """Event ids that support the polarity, best first (bounded)."""
    looked: bool = False
    """True where every one of these events is a view or a click."""


class Trait(Value):
    """A counted habit."""

    name: str
    """rating_habit, breadth, novelty_seeking, popularity_taste, price_band, rhythm, …"""
    label: str
    """One word or short phrase: generous, narrow, mainstream, …; "unknown" where too little is
    known.
    """
    value: float | None = None
    """The measured number; null where the habit has none."""
    detail: str = ""
    """The numbers in words, e.g. "mean rating 4.2 over 61 ratings, population 3.5"."""
    n: int = 0
    """How many events it rests on."""


class WindowEvent(Value):
    """One event as the model sees it, under a short local number."""

    number: int
    """1 for the oldest; a model cites the event by it."""
    event: Event
    """The event itself."""
    item: Item | None
    """The item of the event; None where it has none, or the item is not in the store."""
    signal: float
    """What the event says about taste, in [-1, 1]."""
    line: str
    """The rendered line, number included."""


class Window(Value):
    """The part of a user's history that fits the token budget, oldest first."""

    user_id: str
    """The user's id, exactly as in the data."""
    events: list[WindowEvent]
    """The chosen events, oldest first."""
    total: int
    """Events the user has in all."""
    tokens: int
    """Tokens of all lines together; never above the budget."""


# ---------------------------------------------------------------- the portrait


class Preference(Value):
    """One claim of a portrait: what the user likes or dislikes, how much, how sure that is, and
    from which events it is known.
    """

    facet: str
    """The dimension of taste: genre, brand, era, …"""
    value: str
    """The value of that facet: Drama, Sony, 1990s."""
    polarity: Polarity
    """like or dislike."""
    kind: Kind = "taste"
    """taste, constraint (never without it) or need (for now)."""
    basis: Basis = "revealed"
    """stated: the user said so. revealed: their choices show it. inferred: it follows from searches
    or words.
    """
    strength: float
    """How much it counts, from 0 to 1."""
    confidence: float
    """How sure it is, from 0 to 1."""
    trend: Trend = "unknown"
    """rising, steady, fading, or unknown."""
    first_seen: datetime | None = None
    """Time of the first event that supports it, UTC."""
    last_seen: datetime | None = None
    """Time of the last event that supports it, UTC."""
    count: int = 0
    """How many of the user's events carry the value; 0 where that was not counted."""
    evidence: list[str]
    """Ids of the events that support it best, at most eight."""
    text: str = ""
    """The preference in words, in the portrait's language."""
    source: Source = "template"
    """Who wrote it: llm (a language model), or template (fixed sentences)."""


class Dropped(Value):
    """A claim that verification refused."""

    stage: Literal["summary", "preference", "field", "reason"]
    """What was being made: summary, preference, field or reason."""
    claim: str
    """The sentence or value that was refused."""
    reason: str
    """A stable code, then words: "unsupported_word: award-winning"."""


class FieldValue(Value):
    """One of the project's own portrait fields."""

    name: str
    """The field's name, as in the settings."""
    value: Scalar | list[str]
    """What the field says of the user."""
    evidence: list[str]
    """Ids of the events that support it."""
    source: Source = "llm"
    """Who wrote it: llm (a language model), or template (fixed sentences)."""


class BuiltFrom(Value):
    """What a portrait was built from, and what building it cost."""

    events: int = 0
    """Events in the user's history."""
    first_event: datetime | None = None
    """Time of the first event, UTC."""
    last_event: datetime | None = None
    """Time of the last event, UTC."""
    last_seq: int = 0
    """The store's sequence number of the last event."""
    window_events: int = 0
    """Events that the model read."""
    window_tokens: int = 0
    """Tokens of the events that the model read."""
    parts: int = 1
    """Parts that a long history was cut into; each was read by itself."""
    population: str = ""
    """Version of the base-rate snapshot."""
    calls: int = 0
    """Calls of the language model."""
    input_tokens: int = 0
    """Tokens sent to the model."""
    output_tokens: int = 0
    """Tokens that the model answered with."""
    cost: float = 0.0
    """US dollars; 0 for embedded models."""
    claims: int = 0
    """Claims that the model made."""
    settings: str = ""
    """Hash of the settings that shape a portrait."""


class Profile(Value):
    """A portrait: a user's taste in words and in claims, each of which names the events that
    support it.
    """

    user_id: str
    """The user's id, exactly as in the data."""
    version: int = 0
    """1 for the first; 0 while not stored."""
    as_of: datetime
    """When the portrait was built, UTC."""
    language: str = "en"
    """Language of the text, as a BCP 47 tag: en, zh, pt-BR."""
    summary: str
    """The user in a few sentences."""
    summary_source: Source = "template"
    """Who wrote the summary: llm (a language model), or template (fixed sentences)."""
    summary_evidence: list[str] = []
    """Ids of the events that support the summary."""
    preferences: list[Preference] = []
    """Likes and dislikes, strongest first."""
    traits: list[Trait] = []
    """Counted habits: breadth, rating habit, price band, rhythm, …"""
    fields: list[FieldValue] = []
    """The project's own portrait fields."""
    segments: list[str] = []
    """Groups of users that the user belongs to."""
    unknowns: list[str] = []
    """What was asked for and cannot be said from the events."""
    dropped: list[Dropped] = []
    """Claims that verification refused; none of them is shown."""
    built_from: BuiltFrom = BuiltFrom()
    """What the portrait rests on, and what it cost."""
    source: Source = "template"
    """Who wrote it: llm where a language model wrote any of it, else template."""
    grade: Grade = "none"
    """How far the model is trusted. full: it proposes claims; phrase: it words claims that code
    picked; none: it writes nothing.
    """
    model: str | None = None
    """The language model that wrote it; null where none did."""
    prompt: str | None = None
    """The prompt, as `id@version#hash`; null where no model was asked."""
    notes: list[Message] = []
    """What a person should know of how it was made: the model that did not answer, parts of the
    history left out.
    """


# ---------------------------------------------------------------- recommendations


class Candidate(Value):
    """An item that may be recommended, before it is ranked."""

    item_id: str
    """The item's id, exactly as in the data."""
    scores: dict[str, float] = {}
    """Score by channel; channels that did not find the item are absent."""


class Reason(Value):
    """Why an item is recommended: a sentence that was verified against the events that it cites."""

    text: str
    """The sentence."""
    preferences: list[str] = []
    """The preferences that it cites, each as `facet:value`."""
    evidence: list[str] = []
    """Ids of the events of this user that it cites."""
    source: Source = "template"
    """Who wrote it: llm (a language model), or template (fixed sentences)."""


class Recommendation(Value):
    """A recommended item, with its place in the list."""

    item: Item
    """The item, as the store has it now."""
    rank: int
    """1 is best."""
    score: float
    """Higher is better; comparable within one answer only."""
    probability: float | None = None
    """Probability that the user interacts with the item; null where that was not learned."""
    predicted_rating: float | None = None
    """The rating that the user would give, on the data's scale; null where nobody rates."""
    channels: dict[str, float] = {}
    """Score in each channel that found it; the channel that places it highest comes first."""
    rerank: RerankState = "skipped"
    """Whether a language model reordered the list: applied, skipped or failed."""
    flags: list[str] = []
    """seen: the user had the item before. unknown: the store does not know the item. cold_item:
    nobody had the item when the channels were trained. fallback: popular, since the user has no
    usable history.
    """
    reason: Reason | None = None
    """Why it is recommended; null where no reason was asked for."""


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
    """A list for one user, best first."""

    user_id: str
    """The user's id, exactly as in the data."""
    recommendations: list[Recommendation]
    """Best first."""
    recommendation_id: str | None = None
    """Names the list, for feedback; null where the list was not kept."""
    profile_version: int | None = None
    """Version of the portrait it was made from; null or 0 where no portrait is stored."""
    grade: Grade = "none"
    """How far the model is trusted. full: it proposes claims; phrase: it words claims that code
    picked; none: it writes nothing.
    """
    model: str | None = None
    """The language model that had a part in it; null where none had."""
    fallback: bool = False
    """True where the user has no usable history and the list holds popular items."""
    untrained: bool = False
    """True before the first training has ended: the list comes from counts alone, in fixed
    weights.
    """
    wishes: ListOptions | None = None
    """Filters and shaping that were asked for; null where there were none."""
    notes: list[Message] = []
    """What a reader should know about how it was made."""
    dropped: list[Dropped] = []
    """Claims that verification refused; none of them is shown."""


class ShownList(Value):
    """A list that was given as an answer, stored so that feedback can refer to it."""

    recommendation_id: str
    """Names the list; feedback refers to it."""
    user_id: str | None
    """The user; null for a visitor who is not in the store."""
    at: datetime
    """When it was answered, UTC."""
    items: list[str]
    """Item ids, best first."""
    channels: list[str]
    """For each item the channel that placed it highest; "" where none did."""
    model_version: int
    """Version of the trained channels."""
    profile_version: int | None = None
    """Version of the portrait it was made from; null or 0 where no portrait is stored."""


class Outcome(Value):
    """What somebody did with one item of a list that was shown."""

    recommendation_id: str
    """The list that the item was shown in."""
    user_id: str | None
    """The user; null for a visitor who is not in the store."""
    item_id: str
    """The item's id, exactly as in the data."""
    type: str
    """impression, click, like, …"""
    channel: str
    """The channel that placed the item highest; "" where none did."""
    model_version: int
    """Version of the trained channels."""


class RankedUser(Value):
    """A user with their place in an order of users."""

    user_id: str
    """The user's id, exactly as in the data."""
    rank: int
    """1 is best."""
    score: float
    """Higher is better; comparable within one answer only."""
    probability: float | None = None
    """Probability that the user interacts with the item; null where that was not learned, or
    nothing is known of the user.
    """
    flags: list[str] = []
    """seen (had the item already), cold_user (no usable history)."""


class Audience(Value):
    """The users who would like an item or a description most, and how many were considered."""

    item: Item | None = None
    """The item that users are ordered by; null where it is a description, or nothing."""
    like: str = ""
    """The description that portraits are compared with."""
    users: list[RankedUser]
    """Best first."""
    definition: str
    """What the users are ordered by, in words."""
    period: str = ""
    """The period of the events used, in words; empty where events have no times."""
    population: int
    """Users in the store."""
    matching: int
    """Users who meet the condition on their attributes."""
    had: int
    """Matching users who had the item already; they are left out."""
    considered: int
    """Users that were ordered."""
    filter: str = ""
    """The condition on users' attributes that was asked for."""
    notes: list[Message] = []
    """What a reader should know about how it was made."""


# ---------------------------------------------------------------- models


class ToolUse(Value):
    """A call of a tool that a language model asks for."""

    id: str
    """What the answer to it refers to."""
    name: str
    """The tool."""
    arguments: str
    """A JSON object, as the model wrote it."""


class ChatMessage(Value):
    """One message to a language model, or its answer."""

    role: Literal["system", "user", "assistant", "tool"]
    """Who wrote the message; `tool`: what a tool returned."""
    content: str
    """The text of the message."""
    tool_uses: list[ToolUse] = []
    """The calls that an assistant's message asks for."""
    tool_use_id: str = ""
    """Of a tool's message: the call that it answers."""


class Usage(Value):
    """What one call of a language model took."""

    input_tokens: int = 0
    """Tokens sent to the model."""
    output_tokens: int = 0
    """Tokens that the model answered with."""
    cost: float = 0.0
    """US dollars; 0 for embedded models."""


class StoredAnswer(Value):
    """A model's answer as the response cache stores it."""

    text: str
    """The answer as the model wrote it."""
    usage: Usage = Usage()
    """What the call took when it was made."""
    logprobs: dict[str, float] | None = None
    """Log-probability of each choice as the first token, where the request asked for choices."""
    tool_uses: list[ToolUse] = []
    """The calls that it asks for, where the request offered tools."""


LedgerOutcome = Literal["ok", "repaired", "cached", "unavailable", "refused", "bad_answer"]


class LedgerRow(Value):
    """One call of a language model; answers from the cache are recorded too."""

    purpose: str
    """What the model was asked for: portrait, phrase, reason, rerank, judge, probe, chat, …"""
    model: str
    """The language model that was asked."""
    prompt: str
    """The prompt, as `id@version#hash`."""
    user_id: str | None
    """The user that the call was about; null where it was about none."""
    input_tokens: int
    """Tokens sent to the model."""
    output_tokens: int
    """Tokens that the model answered with."""
    cost: float
    """US dollars; 0 for embedded models."""
    seconds: float
    """How long the call took."""
    outcome: LedgerOutcome
    """ok; repaired: right at the second try; cached: not asked again; unavailable, refused or
    bad_answer: failed.
    """
    at: datetime
    """When the call ended, UTC."""

    @property
    def has_failed(self) -> bool:
        return self.outcome in ("unavailable", "refused", "bad_answer")


class SkillScore(Value):
    """How a model did at one skill of the capability probe."""

    skill: str
    """The skill: schema, word, cite, refuse, tool or order."""
    asked: int
    """Questions that were asked."""
    right: int
    """Questions that were answered rightly."""
    threshold: float
    """Share that must be right."""
    passed: bool
    """Whether the share of right answers reaches the threshold."""


class ProbeResult(Value):
    """What the capability probe found out about a language model."""

    model: str
    """The model that was examined."""
    probe: str
    """Version hash of the questions."""
    skills: list[SkillScore]
    """The model's score at each skill."""
    grade: Grade
    """How far the model is trusted. full: it proposes claims; phrase: it words claims that code
    picked; none: it writes nothing.
    """
    seconds: float = Field(default=0.0, ge=0)
    """How long the probe took."""


# ---------------------------------------- what the engine says of its own work


class ChannelReport(Value):
    """What one channel learned."""

    name: str
    """The channel: content, next_item, collaborative, …"""
    holds: str
    """What it learned from, in words: "1,682 items", "EASE over 1,682 items"."""
    ndcg: float | None = None
    """ndcg@10 of this channel alone, on candidates of held-out users; None where nothing was
    learned.
    """
    adds: float | None = None
    """Permutation importance: by how much the fusion's ndcg@10 falls, on held-out users, when this
    channel's scores are shuffled among the candidates.
    """


class BucketWeight(Value):
    """How much a model's order helped, for users with a certain number of events."""

    bucket: str
    """`all`, or a range of events such as `5-19`."""
    cases: int
    """Users that it was measured on."""
    weight: float
    """Share of the model's order in the blend, in [0, 1]; 0 where it did not help with 95%
    certainty.
    """
    gain: float | None
    """Mean change of ndcg@10, each user's at the weight that was best for other users."""
    low: float | None
    """Lower end of the gain's 95% bootstrap interval."""
    high: float | None
    """Upper end of the gain's 95% bootstrap interval."""


class RerankWeight(Value):
    """How far a model may reorder a store's recommendations, fitted on the past."""

    model: str
    """The language model whose order was measured."""
    method: str
    """listwise, pointwise or likeness."""
    buckets: list[BucketWeight]
    """`all` first."""

    def of(self, bucket: str) -> float:
        """The bucket's own weight, or that of all users where it had too few."""
        own = {one.bucket: one.weight for one in self.buckets}
        return own.get(bucket, own["all"])


class RatingReport(Value):
    """Errors of predicted ratings, on users that were held out, in points of the rating scale."""

    ratings: int
    """Ratings that it was measured on."""
    rmse: float
    """Root mean squared error of the predicted ratings."""
    rmse_of_mean: float
    """Root mean squared error of always predicting the mean rating."""
    mae: float
    """Mean absolute error of the predicted ratings."""
    calibration_error: float
    """Mean distance of predicted from given ratings, over ten bins by prediction."""
    low: float
    """Lowest rating of the scale."""
    high: float
    """Highest rating of the scale."""


class TrainReport(Value):
    """What a training run learned, and how well."""

    version: int
    """1 for the first; each training adds one."""
    events: int
    """Events trained on."""
    users: int
    """Users trained on."""
    items: int
    """Items trained on."""
    channels: list[ChannelReport]
    """What each channel learned."""
    embedder: str
    """The model that turns item texts into vectors."""
    embedded: int
    """Item texts embedded anew; the others were up to date."""
    lessons: int = 0
    """Training queries from which the fusion learned to rank; 0 where there were too few and fixed
    weights are used.
    """
    unanswered: int = 0
    """Further training queries whose candidates hold no right answer; only the probabilities are
    fitted on them.
    """
    fusion_ndcg: float | None = None
    """ndcg@10 of the learned fusion, on the candidates that channels are measured on."""
    calibration_error: float | None = None
    """Expected calibration error of the probabilities of an item, given that the user does anything
    at all, on held-out users.
    """
    probability_mean: float | None = None
    """Mean predicted probability of a held-out candidate."""
    probability_share: float | None = None
    """Share of the held-out candidates that the user did interact with."""
    activity_error: float | None = None
    """Expected calibration error of the probability that a user does anything at all; None where
    events have no times to learn it from.
    """
    ratings: RatingReport | None = None
    """Errors of predicted ratings; None where there are too few ratings to learn from."""
    rerank: RerankWeight | None = None
    """How much a language model's reordering helps; None where it was not measured."""
    seconds: float
    """How long training took."""
    notes: list[Message] = []
    """What a reader should know about how it was made."""


class BuildReport(Value):
    """What a run that built portraits came to."""

    built: list[Profile]
    """The portraits that were built."""
    skipped: int = 0
    """Portraits that were up to date."""
    failed: dict[str, Message] = {}
    """By user id, why the portrait could not be built; the user keeps the portrait from before."""
    notes: list[Message] = []
    """What a reader should know about how it was made."""
    stopped: Message | None = None
    """Why the run ended early: the cost limit, or a model that failed. The next run goes on."""


class Estimate(Value):
    """What a build would cost, from a sample."""

    users: int
    """Users whose portraits would be built."""
    sample: int
    """Users that were looked at for the estimate."""
    model: str | None
    """The language model that would write; null where none would."""
    grade: Grade
    """How far the model is trusted. full: it proposes claims; phrase: it words claims that code
    picked; none: it writes nothing.
    """
    calls: int
    """Calls of the language model."""
    input_tokens: int
    """Tokens sent to the model."""
    output_tokens: int
    """Tokens that the model answers with."""
    cost: float
    """US dollars; 0 for embedded models."""
    hours: float
    """Time that the build would take."""


class Check(Value):
    """One line of `limner doctor`."""

    name: str
    """What was checked."""
    state: Literal["ok", "warn", "fail"]
    """ok, warn (works, but not as well as it could) or fail."""
    detail: str
    """What was seen, and what to do about it."""


class TrainingStep(Value):
    """What a training is doing now."""

    process: int
    """Id of the process that trains, on the store's machine."""
    step: str
    """Its present step, in words."""
    done: int = 0
    """Number of parts of the step that are done."""
    total: int | None = None
    """Number of its parts; null where that is not known."""
    since: datetime
    """When the step began, UTC."""


class TrainingStatus(Value):
    """How the ranker of a store stands."""

    state: Literal["untrained", "training", "trained"]
    """untrained: lists come from counts alone; training: for the first time, or anew; trained:
    lists come from the learned ranker.
    """
    model_version: int | None = None
    """Version of the trained model that lists come from; null before the first."""
    outdated: bool = False
    """Whether newer events came after those it was trained on."""
    now: TrainingStep | None = None
    """What the training under way is doing; null where none is."""
    error: Message | None = None
    """Why the last training in this process failed; null where none did."""


# ---------------------------------------------------------------- who may ask

Scope = Literal["read", "write", "admin"]
"""What a key may do; each scope includes those before it."""


class ApiKey(Value):
    """A key of the REST API, without its secret."""

    key_id: str
    """Names the key; no secret."""
    name: str = ""
    """A label for people: whose key it is, what it is for."""
    scope: Scope = "read"
    """What it allows: read, write (also read) or admin (everything)."""
    user_id: str | None = None
    """The only user whose data it gives access to; null: all users."""
    created: datetime
    """When it was made, UTC."""
    revoked: datetime | None = None
    """When it was revoked, UTC; null while it is valid."""
