"""What the page shows, made from the engine's values."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from agent.leads import Past
from agent.schema import Event, Item, LedgerRow, Preference, Profile, Reason, Scale, User
from agent.store import open_store
from agent.web.events import Reader
from agent.web.ledger import Accountant
from agent.web.suggestions import Part, parts
from agent.web.timeline import timeline
from agent.web.versions import rows_of
from agent.web.words import read_words
from agent.world import World

EN = read_words()["en"]
BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
GENRES = ("Comedy", "Drama")


def reader(times: Sequence[datetime | None]) -> Reader:
    """One event a time, of items of two genres in turn, rated 5 and 1."""
    items = {f"i{at}": Item(item_id=f"i{at}", title=f"Film {at} (1990)", categories=[GENRES[at % 2]])
             for at in range(len(times))}  # fmt: skip
    events = [
        Event(
            event_id=f"x{at}", user_id="u", item_id=f"i{at}", type="rating", value=5 if at % 2 == 0 else 1,
            timestamp=time, source="s", seq=at + 1,
        )
        for at, time in enumerate(times)
    ]  # fmt: skip
    signal = {one.event_id: 1.0 if one.value == 5 else -1.0 for one in events}
    world = SimpleNamespace(
        items=items, scales={"s": Scale(source="s", low=1, high=5)}, population=SimpleNamespace(primary="genre"),
        facets_of=lambda item: {"genre": item.categories, "decade": ["1990s"]},
    )  # fmt: skip
    return Reader(Past(events, items, signal), cast(World, world), EN)


def drawn(times: Sequence[datetime | None]) -> tuple[list[str], list[int]]:
    """Labels and events of the columns."""
    read = reader(times)
    found = timeline(read, read._world, EN)
    assert found is not None and found.facet == "genre"
    for column in found.columns:
        assert round(sum(block.height for block in column.blocks)) == 180
    return [one.label for one in found.columns], [one.events for one in found.columns]


def test_columns_are_the_finest_calendar_periods_with_few_enough() -> None:
    assert drawn([BEGAN + timedelta(days=at) for at in range(4)])[0] == [f"2024-03-0{at}" for at in range(1, 5)]
    assert drawn([BEGAN + timedelta(days=3 * at) for at in range(30)])[0][:2] == ["2024-W09", "2024-W10"]
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
    assert found.marks[0].said == "Film 0 (1990) · 5 of 5 · 2024-03-01" and found.marks[0].tone == "good"


def preference(value: str, strength: float = 0.5, **more: object) -> Preference:
    given = {"facet": "genre", "polarity": "like", "confidence": 0.9, "evidence": ["x0", "x2"], **more}
    return Preference.model_validate({"value": value, "strength": strength, **given})


def profile(*preferences: Preference, version: int = 1) -> Profile:
    return Profile(user_id="u", version=version, as_of=BEGAN, summary="", preferences=list(preferences))


def cut(text: str, preferences: Sequence[str] = (), evidence: Sequence[str] = ("x0",)) -> list[Part]:
    reason = Reason(text=text, preferences=list(preferences), evidence=list(evidence))
    return parts(reason, profile(preference("Comedy")), reader([BEGAN] * 4))


def test_claims_are_cut_out_of_a_reason() -> None:
    assert cut("You gave “Film 0” 5 of 5.") == [Part("You gave “"), Part("Film 0", "e1"), Part("” 5 of 5.")]
    both = cut("You like comedy, as Film 0 (1990)", ["genre:Comedy"])
    assert both == [Part("You like "), Part("comedy", "e1 e3"), Part(", as "), Part("Film 0 (1990)", "e1")]


def test_a_reason_without_words_of_its_events_is_one_claim_and_one_without_events_none() -> None:
    assert cut("Because you did.") == [Part("Because you did.", "e1")]
    assert cut("Many did.", evidence=[]) == [Part("Many did.")]
    assert cut("Film 0", evidence=["somebody-else's"]) == [Part("Film 0")]


def test_an_event_without_words_cuts_nothing() -> None:
    read = reader([BEGAN] * 2)
    silent = Event(event_id="silent", user_id="u", type="answer", source="s", seq=9)
    read = Reader(Past([*read.past.events, silent], read.past.items, read.past.signal), read._world, EN)
    for text, cited, found in (
        ("Because.", ["silent"], [Part("Because.", "e9")]),
        ("As Film 0.", ["x0", "silent"], [Part("As "), Part("Film 0", "e1"), Part(".")]),
    ):
        assert parts(Reason(text=text, evidence=cited), profile(), read) == found


def test_versions_side_by_side() -> None:
    before = profile(preference("Comedy", 0.5), preference("Drama", 0.5), preference("War"), preference("Noir"))
    after = profile(
        preference("Comedy", 0.8), preference("Drama", 0.2), preference("War"), preference("Western"),
        preference("Comedy", polarity="dislike", facet="theme"), version=2,
    )  # fmt: skip
    found = [(one.name, one.change) for one in rows_of(before, after, EN)]
    assert found == [
        ("Western", "new"), ("Comedy", "new"), ("Noir", "gone"), ("Comedy", "stronger"), ("Drama", "weaker"),
        ("War", "same"),
    ]  # fmt: skip
    trend = rows_of(profile(preference("War")), profile(preference("War", trend="rising")), EN)
    assert [(one.change, one.after) for one in trend] == [("other", "clear, rising, sure")]
    slightly = rows_of(profile(preference("War")), profile(preference("War", 0.51, evidence=["x0"])), EN)
    assert [one.change for one in slightly] == ["same"]


def test_the_ledger_is_added_up_once_and_anew_after_an_erasure(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    store.add_users([User(user_id="u")])

    def spend(user_id: str | None, outcome: str = "ok") -> None:
        store.add_ledger(
            LedgerRow.model_validate(
                {
                    "purpose": "reason", "model": "m", "prompt": "p", "user_id": user_id, "input_tokens": 100,
                    "output_tokens": 10, "cost": 0.1, "seconds": 2, "outcome": outcome, "at": BEGAN,
                }
            )
        )  # fmt: skip

    books = Accountant(store)
    assert books.ledger().total.calls == 0
    spend("u")
    spend(None, "cached")
    spend(None, "refused")
    for _ in range(2):
        whole = books.ledger().total
        assert (whole.calls, whole.cached, whole.failed, round(whole.cost, 6), whole.seconds) == (3, 1, 1, 0.3, 2)
    store.erase_user("u")
    assert books.ledger().total.calls == 2
    store.close()
