"""The subject of a portrait, and the cost of painting it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from limner.core.columns import NO_NOUNS, Nouns
from limner.core.schema import (
    BuiltFrom,
    Event,
    Grade,
    Item,
    Profile,
    Scale,
    User,
    Window,
    WindowEvent,
)
from limner.core.settings import Settings
from limner.core.signals import signals_of
from limner.facts import Population, UserFacts, is_strike, mine_facts, without_withdrawn
from limner.llm import ChatReply
from limner.profile.window import cut_window, split_history
from limner.verify import EMPTY_LEXICON, Lexicon, item_values
from limner.verify.claims import ValuesOf


@dataclass(frozen=True)
class Subject:
    """One user, with everything that a portrait may rest on."""

    user: User
    events: Sequence[Event]
    """All of the user's events, in order."""
    items: Mapping[str, Item]
    """At least those of the events."""
    window: Window
    facts: UserFacts
    previous: Profile | None = None
    parts: Sequence[Window] = ()
    """A very long history in parts, with event numbers unique over all parts; used if there is more
    than one.
    """
    scales: Mapping[str, Scale] = field(default_factory=dict)
    population: str = ""
    """Version of the base-rate snapshot."""
    lexicon: Lexicon = EMPTY_LEXICON
    """Words of the whole catalogue, in the portrait's language."""
    values_of: ValuesOf = item_values
    now: datetime | None = None
    """Time of the painting; None for the current time."""
    nouns: Nouns = NO_NOUNS
    """What things of the catalogue are called."""

    @property
    def as_of(self) -> datetime:
        return self.now or datetime.now(UTC)

    @property
    def last_event(self) -> datetime | None:
        """Time of the last event. Recency is measured from it, so that old data can have recent
        interests.
        """
        return max((e.timestamp for e in self.events if e.timestamp is not None), default=None)

    @property
    def is_long(self) -> bool:
        return len(self.parts) > 1

    def shown(self) -> Window:
        """Every event that a model sees: the window, or all parts as one."""
        if not self.is_long:
            return self.window
        events: dict[int, WindowEvent] = {}
        for part in self.parts:
            for event in part.events:
                if event.number in events:
                    raise ValueError(f"event number {event.number} stands in two parts")
                events[event.number] = event
        return Window(
            user_id=self.window.user_id,
            events=list(events.values()),
            total=self.window.total,
            tokens=sum(part.tokens for part in self.parts),
        )


def subject_of(
    user: User,
    events: Sequence[Event],
    items: Mapping[str, Item],
    population: Population,
    settings: Settings,
    *,
    scales: Mapping[str, Scale],
    grade: Grade,
    model: str = "",
    previous: Profile | None = None,
    lexicon: Lexicon = EMPTY_LEXICON,
    now: datetime | None = None,
    nouns: Nouns = NO_NOUNS,
) -> Subject:
    """A user ready to be painted: facts mined, and for grade `full` the history cut to what the
    model will read.

    events: all of the user's. items: at least those of the events. model: whose tokens count.
    """
    facts = mine_facts(events, population, settings.signals, scales)
    window = Window(user_id=user.user_id, events=[], total=len(events), tokens=0)
    parts: list[Window] = []
    if grade == "full" and events:
        portrait = settings.portrait
        # That a claim was struck supports none.
        read = [event for event in without_withdrawn(events) if not is_strike(event)]
        signal = signals_of(events, settings.signals, scales, population.amounts)
        if len(read) > portrait.parts_above and portrait.max_parts > 1:
            parts = split_history(
                read,
                items,
                signal,
                budget=portrait.window_tokens,
                max_parts=portrait.max_parts,
                model=model,
                scales=scales,
                population=population,
            )
        window = cut_window(
            read,
            items,
            signal,
            budget=portrait.window_tokens,
            model=model,
            scales=scales,
            population=population,
        )
    return Subject(
        user=user,
        events=events,
        items=items,
        window=window,
        facts=facts,
        previous=previous,
        parts=parts,
        scales=scales,
        population=population.version,
        lexicon=lexicon,
        values_of=population.facets_of,
        now=now,
        nouns=nouns,
    )


@dataclass
class Tally:
    """What a painting has cost so far. Answers from the cache count as calls that cost nothing."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    claims: int = 0

    def add(self, answer: ChatReply) -> None:
        self.calls += 2 if answer.outcome == "repaired" else 1
        self.input_tokens += answer.usage.input_tokens
        self.output_tokens += answer.usage.output_tokens
        self.cost += answer.usage.cost


def built_from(
    subject: Subject, tally: Tally, settings: Settings, *, read: Window | None = None
) -> BuiltFrom:
    """Provenance of a portrait; `read` is the window that a model read, None where it read none."""
    times = [e.timestamp for e in subject.events if e.timestamp is not None]
    return BuiltFrom(
        events=len(subject.events),
        first_event=min(times, default=None),
        last_event=max(times, default=None),
        last_seq=max((e.seq for e in subject.events), default=0),
        window_events=len(read.events) if read else 0,
        window_tokens=read.tokens if read else 0,
        parts=len(subject.parts) if read and subject.is_long else 1,
        population=subject.population,
        calls=tally.calls,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost=tally.cost,
        claims=tally.claims,
        settings=settings_digest(settings, subject.nouns),
    )


RULES = 2
"""Counts up where facts or template words change, so that portraits of older rules are painted
anew.
"""


def settings_digest(settings: Settings, nouns: Nouns = NO_NOUNS) -> str:
    """Short SHA-256 of what shapes a portrait: rules, its own section, signal table, privacy,
    prompt overrides, nouns.
    """
    shaping = (settings.portrait, settings.signals, settings.privacy)
    text = "\0".join(
        [
            str(RULES),
            *(section.model_dump_json() for section in shaping),
            repr(sorted(settings.prompts.items())),
            *([nouns.item, nouns.items] if nouns.item else []),
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]
