"""An engine without a store or a model, for tests of the command line."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime

from typing_extensions import override

from limner.core.errors import UnknownIdError, UsageError
from limner.core.messages import plain
from limner.core.progress import Progress, Quiet
from limner.core.schema import (
    Audience,
    BuildReport,
    BuiltFrom,
    ChannelReport,
    Check,
    Dropped,
    Estimate,
    Event,
    FieldValue,
    IngestReport,
    Item,
    Preference,
    Profile,
    RankedUser,
    Reason,
    Recommendation,
    RecommendationRequest,
    Recommendations,
    Scale,
    TableReport,
    TrainReport,
    Trait,
    User,
)
from limner.core.settings import Settings
from limner.diagnostics import Doctor
from limner.engine import Engine
from limner.ingest import Sources
from limner.profile.builder import ProfileBuilder
from limner.recommend.edits import EventPatch
from limner.recommend.erasure import Erased, ResidueCheck
from limner.recommend.training import Trainer
from limner.state.reader import DataReader
from limner.store import Counts

SCALES = {"ml": Scale(source="ml", low=1, high=5)}
HOSTILE = "[red]Evil[/red] \x1b[31mTitle\x1b[0m\u202e\r\nsecond [/] line"
KOREAN = "기생충 (패러사이트)"


def at(year: int, month: int = 4, date: int = 22) -> datetime:
    return datetime(year, month, date, 10, 30, tzinfo=UTC)


ITEMS = {
    "50": Item(
        item_id="50", title="Star Wars (1977)", categories=["Action", "Adventure", "Sci-Fi"]
    ),
    "181": Item(
        item_id="181",
        title="Return of the Jedi (1983)",
        categories=["Action", "Adventure"],
        price=9.5,
    ),
    "7": Item(item_id="7", title=KOREAN, categories=["드라마", "스릴러"]),
    "666": Item(item_id="666", title=HOSTILE, categories=["[bold]x"]),
}
EVENTS = [
    Event(
        event_id="e1",
        user_id="196",
        item_id="50",
        type="rating",
        value=5,
        timestamp=at(1997),
        seq=1,
        source="ml",
    ),
    Event(
        event_id="e2",
        user_id="196",
        item_id="7",
        type="rating",
        value=4,
        timestamp=at(1998, 1),
        seq=2,
        source="ml",
    ),
    Event(
        event_id="e3",
        user_id="196",
        item_id="666",
        type="rating",
        value=1,
        timestamp=at(1998, 4),
        seq=3,
        source="ml",
        text=f"never again {HOSTILE}",
    ),
    Event(
        event_id="e4",
        user_id="196",
        type="search",
        text="space opera",
        timestamp=at(1998, 4),
        seq=4,
        source="ml",
    ),
]


def preference(value: str, polarity: str = "like", **more: object) -> Preference:
    given: dict[str, object] = {
        "facet": "genre",
        "value": value,
        "polarity": polarity,
        "strength": 0.84,
        "confidence": 0.71,
        "trend": "rising",
        "first_seen": at(1997),
        "last_seen": at(1998),
        "evidence": ["e1", "e2"],
        "text": f"Comes back to {value} again and again.",
    }
    return Preference.model_validate(given | more)


def profile(user_id: str = "196", version: int = 2, **more: object) -> Profile:
    return Profile(
        user_id=user_id,
        version=version,
        as_of=at(1998),
        summary=(
            "Loves Sci-Fi and Adventure, above all Star Wars (1977), and has little "
            "patience with horror."
        ),
        summary_evidence=["e1"],
        preferences=[
            preference("Sci-Fi"),
            preference("드라마", strength=0.52, trend="steady", evidence=["e2"]),
            preference(
                "1990s", facet="era", strength=0.2, trend="unknown", kind="need", basis="stated"
            ),
            preference("Horror", "dislike", strength=0.66, trend="fading", evidence=["e3"]),
            preference(HOSTILE, "dislike", facet="[blue]facet", text=HOSTILE, evidence=["e3"]),
        ],
        traits=[
            Trait(
                name="rating_habit",
                label="generous",
                detail="mean rating 4.2 over 61 ratings",
                n=61,
            ),
            Trait(name="breadth", label="broad", detail="14 of 18 genres", n=61),
        ],
        fields=[FieldValue(name="mood", value=["wistful", "epic"], evidence=["e1"])],
        unknowns=["What the user watches with children."],
        dropped=[
            Dropped(
                stage="preference",
                claim="Adores award-winning",
                reason="unsupported_word: award-winning",
            )
        ],
        built_from=BuiltFrom(
            events=61,
            first_event=at(1997, 12, 4),
            last_event=at(1998),
            window_events=39,
            window_tokens=1204,
            calls=1,
            input_tokens=1204,
            output_tokens=310,
            cost=0.0004,
            claims=6,
        ),
        source="llm",
        grade="full",
        model="gpt-4o-mini",
        prompt="portrait@1#abcdef",
    ).model_copy(update=more)


def recommendations(
    user_id: str = "196", n: int = 10, explain: bool = True, fallback: bool = False
) -> Recommendations:
    reason = Reason(
        text="You rated Star Wars (1977) 5 of 5; this continues it.", evidence=["e1"], source="llm"
    )
    return Recommendations(
        user_id=user_id,
        recommendations=[
            Recommendation(
                item=item,
                rank=rank,
                score=1 / rank,
                channels={"content": 0.4, "collaborative": 0.6},
                reason=reason if explain else None,
                flags=["fallback"] if fallback else [],
            )
            for rank, item in enumerate(list(ITEMS.values())[:n], 1)
        ],
        profile_version=2,
        grade="full",
        model="gpt-4o-mini",
        fallback=fallback,
        notes=[plain("The model was slow.")],
    )


class Calls:
    """What was called with what, in turn; `raises` is thrown by every call that is noted."""

    def __init__(self, raises: BaseException | None = None) -> None:
        self.raises = raises
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    def note(self, name: str, *given: object) -> None:
        self.asked.append((name, given))
        if self.raises is not None:
            raise self.raises


# Each fake stands in for a part of the engine and has nothing of its insides: what a test needs is
# overridden, and mypy checks that the real part has it, with the same arguments.
class FakeData(DataReader):
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def require(self, user_id: str) -> None:
        if user_id != "196":
            raise UnknownIdError(
                f"There is no user '{user_id}' in the store; limner history shows a user's events."
            )

    @override
    def user(self, user_id: str) -> User:
        if user_id != "new":  # whose list is a fallback
            self.require(user_id)
        return User(user_id=user_id)

    @override
    def scales(self) -> dict[str, Scale]:
        return SCALES

    @override
    def counts(self) -> Counts:
        return Counts(users=1, items=4, events=4, profiles=1)

    @override
    def active_users(self, min_events: int = 1) -> list[tuple[str, int]]:
        return [("196", 61)]

    @override
    def events_by_id(self, ids: Iterable[str]) -> dict[str, Event]:
        wanted = set(ids)
        return {event.event_id: event for event in EVENTS if event.event_id in wanted}

    @override
    def items_by_id(self, ids: Iterable[str]) -> dict[str, Item]:
        return {one: ITEMS[one] for one in ids}

    @override
    def history(self, user_id: str) -> list[Event]:
        self.calls.note("history", user_id)
        self.require(user_id)
        return EVENTS


class FakeTrainer(Trainer):
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    @override
    def is_trained(self) -> bool:
        return False

    @override
    def reindex(self) -> int:
        self.calls.note("reindex")
        return 4


class FakeBuilder(ProfileBuilder):
    def __init__(self, calls: Calls, data: FakeData) -> None:
        self.calls, self.data = calls, data

    @override
    async def current(self, user_id: str) -> Profile | None:
        self.data.require(user_id)
        return None

    @override
    async def estimate(self, user_ids: Sequence[str] | None = None) -> Estimate:
        self.calls.note("estimate", user_ids)
        return Estimate(
            users=943,
            sample=5,
            model="gpt-4o-mini",
            grade="full",
            calls=943,
            input_tokens=1_500_000,
            output_tokens=300_000,
            cost=0.405,
            hours=1.25,
        )


class FakeDoctor(Doctor):
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    @override
    async def examine(self, *, probe: bool = False) -> list[Check]:
        self.calls.note("doctor", probe)
        return [
            Check(name="store", state="ok", detail="1 user, 4 items, 4 events"),
            Check(
                name="model",
                state="fail" if probe else "warn",
                detail="no model; set OPENAI_API_KEY or install limner[local]",
            ),
        ]


class FakeEngine(Engine):
    """Knows the user 196."""

    def __init__(
        self, settings: Settings, progress: Progress, raises: BaseException | None = None
    ) -> None:
        self.settings, self.progress, self.calls = settings, progress, Calls(raises)
        self.data: FakeData = FakeData(self.calls)
        self.trainer = FakeTrainer(self.calls)
        self.portraits = FakeBuilder(self.calls, self.data)
        self.doctor = FakeDoctor(self.calls)
        self.closed = False

    @property
    def asked(self) -> list[tuple[str, tuple[object, ...]]]:
        return self.calls.asked

    @override
    def ingest(self, *parts: Sources) -> IngestReport:
        self.calls.note("ingest", *parts)
        return IngestReport(
            events=TableReport(read=10, kept=7, merged=1, rejected=2, reasons={"missing user": 2}),
            items=TableReport(read=4, kept=4),
            notes=[plain("Scale of ml observed: 1 to 5.")],
            rejected_file="store/rejected/1.jsonl",
        )

    @override
    def erase(self, user_id: str) -> Erased:
        self.calls.note("erase", user_id)
        return Erased(
            user_id=user_id,
            known=True,
            events=4,
            removed={"events": 4, "users": 1},
            residue=ResidueCheck(files=9, bytes=3 << 20, found=[], unchecked=[]),
            notes=[plain("The trained channels forget them with the next training.")],
        )

    @override
    def correct_event(self, event_id: str, patch: EventPatch) -> Event:
        self.calls.note("correct", event_id, patch)
        return EVENTS[0].model_copy(update=patch.model_dump(exclude_unset=True))

    @override
    async def weigh(self, trained: TrainReport, users: int | None = None) -> TrainReport:
        self.calls.note("weigh", users)
        return trained

    @override
    def train(self) -> TrainReport:
        self.calls.note("train")
        self.progress.start("embedding items", 4)
        self.progress.advance(4)
        self.progress.done()
        self.progress.say("Something to read.")
        channels = [
            ChannelReport(name="content", holds="4 items"),
            ChannelReport(name="popular", holds="4 items"),
        ]
        return TrainReport(
            version=3,
            events=4,
            users=1,
            items=4,
            channels=channels,
            embedder="fake",
            embedded=4,
            seconds=0.2,
            notes=[plain("No times: order of rows.")],
        )

    @override
    async def build(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        concurrency: int = 4,
        max_cost: float | None = None,
        force: bool = False,
        embed: bool = True,
    ) -> BuildReport:
        self.calls.note("build", user_ids, concurrency, max_cost, force)
        for user_id in user_ids or []:
            if user_id == "broken":
                return BuildReport(built=[], failed={"broken": plain("the store has no room")})
            self.data.require(user_id)
        return BuildReport(
            built=[profile()], skipped=3, notes=[plain("The embedded model words slowly.")]
        )

    @override
    async def profile(self, user_id: str, version: int | None = None) -> Profile:
        self.calls.note("profile", user_id, version)
        self.data.require(user_id)
        return profile(version=version or 2)

    @override
    async def recommend(
        self, request: RecommendationRequest, *, keep: bool = False
    ) -> Recommendations:
        self.calls.note("recommend", request)
        user_id = request.user_id or ""
        if request.items is not None:
            self.data.require(user_id)
            return recommendations(user_id, len(request.items), request.explain)
        fallback = user_id not in ("196", "")
        return recommendations(user_id, request.n, request.explain, fallback=fallback)

    @override
    async def recommend_all(self, request: RecommendationRequest) -> AsyncIterator[Recommendations]:
        self.calls.note("recommend_all", request)
        for user_id in ("196", "7"):
            yield recommendations(user_id, request.n, request.explain, fallback=user_id != "196")

    @override
    def users(
        self,
        n: int | None = 10,
        *,
        for_item: str | None = None,
        like: str | None = None,
        where: str = "",
        repeats: bool = False,
    ) -> Audience:
        self.calls.note("users", n, for_item, like, where, repeats)
        item_id = for_item or ""
        if item_id not in ITEMS:
            raise UnknownIdError(
                f"There is no item '{item_id}' in the store; ids are used exactly as in the data."
            )
        found = [
            RankedUser(user_id="196", rank=1, score=1.5, probability=0.31),
            RankedUser(user_id=HOSTILE, rank=2, score=0.5, probability=0.02, flags=["seen"]),
        ]
        return Audience(
            item=ITEMS[item_id],
            users=found[:n],
            definition="calibrated probability",
            population=943,
            matching=500,
            had=61,
            considered=439,
            filter=where,
            notes=[plain("Two of them did nothing.")],
        )

    @override
    async def close(self) -> None:
        self.closed = True


class Opening:
    """Stands for `open_engine`; remembers the engines it opened."""

    def __init__(self, raises: BaseException | None = None, missing: bool = False) -> None:
        self.raises, self.missing = raises, missing
        self.engines: list[FakeEngine] = []

    def __call__(
        self, settings: Settings, *, create: bool = False, progress: Progress | None = None
    ) -> FakeEngine:
        if self.missing and not create:
            raise UsageError(f"There is no store at {settings.data}; run limner ingest first.")
        engine = FakeEngine(settings, progress or Quiet(), self.raises)
        self.engines.append(engine)
        return engine
