"""What the page shows, made from the engine's values."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from limner.chat import CitedEvent
from limner.core.progress import Quiet
from limner.core.schema import (
    Event,
    Item,
    LedgerRow,
    Preference,
    Profile,
    Reason,
    Recommendation,
    Recommendations,
    Scale,
    ShownList,
    Trait,
    User,
)
from limner.core.settings import Settings
from limner.engine import Engine
from limner.explain.attribution import Past
from limner.ingest import ingest_rows
from limner.state.derived import DerivedState
from limner.state.reader import DataReader
from limner.state.snapshots import CatalogueSnapshot
from limner.store import Store, open_store
from limner.testing import FakeEmbedder
from limner.web.events import EventReader
from limner.web.ledger import Accountant
from limner.web.people import Directory
from limner.web.portrait import card
from limner.web.suggestions import Part, listed, parts
from limner.web.talk import sources
from limner.web.timeline import timeline
from limner.web.versions import compared, rows_of
from limner.web.words import read_words

EN, ZH = read_words()["en"], read_words()["zh"]
BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
GENRES = ("Comedy", "Drama")


def reader(times: Sequence[datetime | None]) -> EventReader:
    """One event a time, of items of two genres in turn, rated 5 and 1."""
    items = {
        f"i{at}": Item(item_id=f"i{at}", title=f"Film {at} (1990)", categories=[GENRES[at % 2]])
        for at in range(len(times))
    }
    events = [
        Event(
            event_id=f"x{at}",
            user_id="u",
            item_id=f"i{at}",
            type="rating",
            value=5 if at % 2 == 0 else 1,
            timestamp=time,
            source="s",
            seq=at + 1,
        )
        for at, time in enumerate(times)
    ]
    signal = {one.event_id: 1.0 if one.value == 5 else -1.0 for one in events}
    world = SimpleNamespace(
        items=items,
        scales={"s": Scale(source="s", low=1, high=5)},
        population=SimpleNamespace(primary="genre"),
        facets_of=lambda item: {"genre": item.categories, "decade": ["1990s"]},
    )
    return EventReader(Past(events, items, signal), cast(CatalogueSnapshot, world), EN)


def drawn(times: Sequence[datetime | None]) -> tuple[list[str], list[int]]:
    """Labels and events of the columns."""
    read = reader(times)
    found = timeline(read, read._world, EN)
    assert found is not None and found.facet == "genre"
    for column in found.columns:
        assert round(sum(block.height for block in column.blocks)) == 180
    return [one.label for one in found.columns], [one.events for one in found.columns]


def test_columns_are_the_finest_calendar_periods_with_few_enough() -> None:
    assert drawn([BEGAN + timedelta(days=at) for at in range(4)])[0] == [
        f"2024-03-0{at}" for at in range(1, 5)
    ]
    assert drawn([BEGAN + timedelta(days=3 * at) for at in range(30)])[0][:2] == [
        "2024-W09",
        "2024-W10",
    ]
    assert drawn([BEGAN + timedelta(days=100 * at) for at in range(40)])[0][-1] == "2034"


def test_a_history_of_one_day_or_without_times_is_cut_in_equal_parts() -> None:
    for time in (None, BEGAN):
        labels, events = drawn([time] * 20)
        assert (labels[0], labels[-1], len(labels)) == ("1–2", "19–20", 8) and sum(events) == 20


def test_nothing_is_drawn_of_nothing() -> None:
    read = reader([])
    assert timeline(read, read._world, EN) is None


def test_many_events_are_marked_in_part() -> None:
    read = reader([BEGAN + timedelta(hours=at) for at in range(1500)])
    found = timeline(read, read._world, EN)
    assert found is not None and found.sampled and len(found.marks) == 500
    assert (
        found.marks[0].said == "Film 0 (1990) · 5 of 5 · 2024-03-01"
        and found.marks[0].tone == "good"
    )


def preference(value: str, strength: float = 0.5, **more: object) -> Preference:
    given = {
        "facet": "genre",
        "polarity": "like",
        "confidence": 0.9,
        "evidence": ["x0", "x2"],
        **more,
    }
    return Preference.model_validate({"value": value, "strength": strength, **given})


def profile(*preferences: Preference, version: int = 1) -> Profile:
    return Profile(
        user_id="u", version=version, as_of=BEGAN, summary="", preferences=list(preferences)
    )


def cut(
    text: str, preferences: Sequence[str] = (), evidence: Sequence[str] = ("x0",)
) -> list[Part]:
    reason = Reason(text=text, preferences=list(preferences), evidence=list(evidence))
    return parts(reason, profile(preference("Comedy")), reader([BEGAN] * 4))


def test_claims_are_cut_out_of_a_reason() -> None:
    assert cut("You gave “Film 0” 5 of 5.") == [
        Part("You gave “"),
        Part("Film 0", "e1"),
        Part("” 5 of 5."),
    ]
    both = cut("You like comedy, as Film 0 (1990)", ["genre:Comedy"])
    assert both == [
        Part("You like "),
        Part("comedy", "e1 e3"),
        Part(", as "),
        Part("Film 0 (1990)", "e1"),
    ]


def test_a_reason_without_words_of_its_events_is_one_claim_and_one_without_events_none() -> None:
    assert cut("Because you did.") == [Part("Because you did.", "e1")]
    assert cut("Many did.", evidence=[]) == [Part("Many did.")]
    assert cut("Film 0", evidence=["somebody-else's"]) == [Part("Film 0")]


def test_an_event_without_words_cuts_nothing() -> None:
    read = reader([BEGAN] * 2)
    silent = Event(event_id="silent", user_id="u", type="answer", source="s", seq=9)
    read = EventReader(
        Past([*read.past.events, silent], read.past.items, read.past.signal), read._world, EN
    )
    for text, cited, found in (
        ("Because.", ["silent"], [Part("Because.", "e9")]),
        ("As Film 0.", ["x0", "silent"], [Part("As "), Part("Film 0", "e1"), Part(".")]),
    ):
        assert parts(Reason(text=text, evidence=cited), profile(), read) == found


def test_a_list_says_whether_it_changed() -> None:
    def shown(*items: str) -> ShownList:
        return ShownList(
            recommendation_id="r",
            user_id="u",
            at=BEGAN,
            items=list(items),
            channels=[""] * len(items),
            model_version=1,
        )

    rows = [
        Recommendation(item=Item(item_id=one), rank=at, score=1)
        for at, one in enumerate(("a", "b"), 1)
    ]
    found = Recommendations(user_id="u", recommendations=rows)

    def changed(before: ShownList | None) -> bool | None:
        return listed(found, profile(), reader([]), EN, before).changed

    assert changed(None) is None
    assert changed(shown("a", "b")) is False and changed(shown("a", "b", "c")) is False
    assert changed(shown("b", "a")) is True and changed(shown("c")) is True


def test_a_reason_retold_is_in_the_readers_language() -> None:
    rows = [
        Recommendation(
            item=Item(item_id="a"), rank=1, score=1, reason=Reason(text="Because of comedies.")
        )
    ]
    found = Recommendations(user_id="u", recommendations=rows)
    retold = {"a": Reason(text="因为您喜欢喜剧。", preferences=["genre:Comedy"], evidence=["x0"])}
    [one] = listed(
        found, profile(preference("Comedy")), reader([BEGAN] * 3), ZH, None, retold
    ).suggestions
    assert one.lang == "zh" and [part.text for part in one.reason if part.lights] == ["喜剧"]
    [one] = listed(found, profile(preference("Comedy")), reader([BEGAN] * 3), ZH).suggestions
    assert one.lang == "en"


def test_chinese_keeps_the_numbers_and_the_versions_speak_it_too() -> None:
    trait = Trait(name="rating_habit", label="generous", value=4.25, detail="mean rating 4.2", n=12)
    held = profile(preference("Comedy")).model_copy(
        update={"traits": [trait], "summary": "Likes comedy."}
    )
    assert card(held, reader([BEGAN] * 3), ZH).habits[0].detail == "平均 4.25，共 12 次评分"
    assert card(held, reader([BEGAN] * 3), EN).habits[0].detail == "mean rating 4.2"
    found = compared([held], 0, 0, ZH)
    assert found is not None and found.after.lang == "zh" and "喜剧" in found.after.summary
    assert ZH.facet("stated") == "本人陈述"


def data_of(store: Store) -> DataReader:
    return DataReader(store, DerivedState(Settings(), store, Quiet()))


def test_a_stated_event_says_in_sources_what_was_said(tmp_path: Path) -> None:
    with closing(open_store(str(tmp_path))) as store:
        context = {"facet": "genre", "value": "Comedy", "polarity": "like"}
        row = {"event_id": "s1", "user_id": "u", "type": "preference", "context": context}
        ingest_rows(store, "events", [row], "stated")
        cited = CitedEvent(number=1, event_id="s1", user_id="u", type="preference", timestamp=BEGAN)
        [one] = sources([cited], data_of(store), EN)
        assert one.title == "likes genre Comedy"


def test_heard_from_lately_is_by_time_and_names_a_condition_that_fits(tmp_path: Path) -> None:
    with closing(open_store(str(tmp_path))) as store:
        store.add_users(
            [User(user_id="new", attributes={"age": 30, "job": "writer"}), User(user_id="old")]
        )
        store.add_items([Item(item_id="i")])
        for user_id, days in (("new", 400), ("old", 0)):
            time = (BEGAN + timedelta(days=days)).isoformat()
            ingest_rows(
                store,
                "events",
                [{"user_id": user_id, "item_id": "i", "type": "view", "timestamp": time}],
            )
        engine = Engine(Settings(), store, Quiet(), FakeEmbedder())
        people = Directory(engine).people("", EN)
        assert [(one.user_id, one.last) for one in people.lately] == [
            ("new", "2025-04-05"),
            ("old", "2024-03-01"),
        ]
        assert people.example == "age >= 30 and job = writer"


def test_versions_side_by_side() -> None:
    before = profile(
        preference("Comedy", 0.5), preference("Drama", 0.5), preference("War"), preference("Noir")
    )
    after = profile(
        preference("Comedy", 0.8),
        preference("Drama", 0.2),
        preference("War"),
        preference("Western"),
        preference("Comedy", polarity="dislike", facet="theme"),
        version=2,
    )
    found = [(one.name, one.change) for one in rows_of(before, after, EN)]
    assert found == [
        ("Western", "new"),
        ("Comedy", "new"),
        ("Noir", "gone"),
        ("Comedy", "stronger"),
        ("Drama", "weaker"),
        ("War", "same"),
    ]
    trend = rows_of(profile(preference("War")), profile(preference("War", trend="rising")), EN)
    assert [(one.change, one.after) for one in trend] == [("other", "clear, rising, sure")]
    slightly = rows_of(
        profile(preference("War")), profile(preference("War", 0.51, evidence=["x0"])), EN
    )
    assert [one.change for one in slightly] == ["same"]


def test_the_ledger_is_added_up_once_and_anew_after_an_erasure(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    store.add_users([User(user_id="u")])

    def spend(user_id: str | None, outcome: str = "ok") -> None:
        store.add_ledger(
            LedgerRow.model_validate(
                {
                    "purpose": "reason",
                    "model": "m",
                    "prompt": "p",
                    "user_id": user_id,
                    "input_tokens": 100,
                    "output_tokens": 10,
                    "cost": 0.1,
                    "seconds": 2,
                    "outcome": outcome,
                    "at": BEGAN,
                }
            )
        )

    books = Accountant(store)
    assert books.ledger().total.calls == 0
    spend("u")
    spend(None, "cached")
    spend(None, "refused")
    for _ in range(2):
        whole = books.ledger().total
        assert (whole.calls, whole.cached, whole.failed, round(whole.cost, 6), whole.seconds) == (
            3,
            1,
            1,
            0.3,
            2,
        )
    store.erase_user("u")
    assert books.ledger().total.calls == 2
    store.close()
