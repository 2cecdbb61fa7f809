"""The window: what is chosen, how a line reads, and a budget that is never exceeded."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.schema import Event, Item, Window
from limner.core.signals import signals_of
from limner.llm.tokens import count
from limner.profile.window import cut_window, split_history
from tests.unit.mining import SCALES, TABLE, event

FILM = Item(
    item_id="x",
    title="Star Wars (1977)",
    categories=["Action", "Adventure"],
    attributes={
        "genre": ["Action", "Adventure"],
        "director": "George Lucas",
        "imdb_id": "tt0076759",
        "year": 1977,
    },
)
ITEMS = {"x": FILM} | {
    f"i{n}": Item(item_id=f"i{n}", title=f"Film {n}", categories=["Drama"]) for n in range(400)
}


def window(
    events: list[Event], budget: int = 1500, start: int = 1, items: Mapping[str, Item] = ITEMS
) -> Window:
    return cut_window(
        events, items, signals_of(events, TABLE, SCALES), budget=budget, start=start, scales=SCALES
    )


def line(one: Event) -> str:
    return window([one]).events[0].line


def stars(n: int, value: float, at: int, text: str = "") -> Event:
    return event(f"e{n}", item=f"i{n}", type_="rating", value=value, days=at, seq=n + 1, text=text)


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            event("a", item="x", type_="rating", value=5, days=0),
            '[1] 2020-01-06 rated 5 of 5 "Star Wars (1977)" | genre: Action, Adventure | '
            "director: George Lucas "
            "| era: 1970s",
        ),
        (
            event("a", item="i1", type_="review", value=4.5, days=0, text='So "good",\nreally '),
            '[1] 2020-01-06 rated 4.5 of 5 "Film 1" | category: Drama | "So \'good\', really"',
        ),
        (
            event("a", item="i1", type_="purchase", value=12),
            '[1] bought 12 "Film 1" | category: Drama',
        ),
        (
            event("a", item="i1", type_="purchase", value=-2),
            '[1] returned 2 "Film 1" | category: Drama',
        ),
        (event("a", item="gone", type_="view"), "[1] viewed item gone"),
        (
            event("a", item="i1", type_="rating", value=7, source="?"),
            '[1] rated 7 "Film 1" | category: Drama',
        ),
        (
            event("a", item="i1", type_="play", value=31.5),
            '[1] played (31.5) "Film 1" | category: Drama',
        ),
        (event("a", type_="search", text="red mug", days=1), '[1] 2020-01-07 searched | "red mug"'),
        (event("a", type_="answer", text="I cook daily"), '[1] answered | "I cook daily"'),
        (
            event(
                "a",
                type_="preference",
                context={"facet": "genre", "value": "War", "polarity": "dislike"},
            ),
            "[1] said: dislike genre War",
        ),
    ],
)
def test_a_line_says_what_happened(one: Event, expected: str) -> None:
    assert line(one) == expected


def test_no_line_names_the_user() -> None:
    one = event("a", user="user-4711", item="x", days=0)
    assert "4711" not in line(one)


def test_a_long_review_is_cut() -> None:
    long = line(event("a", item="i1", type_="review", value=4, text="a very long review " * 200))
    assert long.endswith('…"')
    assert count(long) < 100


def test_repeats_are_one_line_with_a_count() -> None:
    events = [event(f"e{n}", item="x", type_="purchase", value=2, days=n, seq=n) for n in range(5)]
    found = window([*events, event("v", item="x", days=9, seq=9)])
    assert [one.line.partition(" | ")[0] for one in found.events] == [
        '[1] 2020-01-10 bought 10 "Star Wars (1977)" (5 times)',
        '[2] 2020-01-15 viewed "Star Wars (1977)"',
    ]
    assert found.total == 6
    assert found.events[0].event.event_id == "e4"


# ---------------------------------------------------------------- what goes in


def test_a_short_history_goes_in_whole_and_oldest_first() -> None:
    events = [stars(n, 4, at=20 - n) for n in range(20)]
    found = window(events)
    assert [one.event.event_id for one in found.events] == [f"e{n}" for n in range(19, -1, -1)]
    assert [one.number for one in found.events] == list(range(1, 21))
    assert window(events, start=101).events[0].line.startswith("[101] ")


def test_reviewed_extreme_recent_and_old_events_all_have_a_place() -> None:
    events = [stars(n, 3, at=n) for n in range(400)]
    events[10] = stars(10, 3, at=10, text="worth the wait")
    events[20], events[30] = stars(20, 5, at=20), stars(30, 1, at=30)
    chosen = {int(one.event.event_id[1:]) for one in window(events, budget=900).events}
    assert {10, 20, 30, 399, 398, 397} <= chosen
    older = [n for n in chosen - {10, 20, 30} if n < 350]
    assert len(older) >= 4
    assert min(older) < 120
    assert max(older) > 200


def test_reviews_do_not_crowd_out_the_rest() -> None:
    events = [stars(n, 3, at=n, text=f"I have seen number {n} and it was fair") for n in range(200)]
    events += [stars(n, 3, at=n) for n in range(200, 300)]
    chosen = window(events, budget=1000).events
    assert any(one.event.text for one in chosen)
    assert sum(not one.event.text for one in chosen) >= 5


def test_likes_and_dislikes_go_in_in_turn() -> None:
    events = [stars(n, 5 if n % 3 else 1, at=n) for n in range(300)]
    signs = [one.signal > 0 for one in window(events, budget=600).events]
    assert signs.count(False) >= 4


def test_no_events_and_no_room() -> None:
    assert window([]) == Window(user_id="", events=[], total=0, tokens=0)
    assert window([stars(1, 4, at=0)], budget=3) == Window(
        user_id="a", events=[], total=1, tokens=0
    )
    assert window([stars(1, 4, at=0)], budget=0).events == []


# ---------------------------------------------------------------- parts


def test_a_long_history_is_cut_into_parts_by_time() -> None:
    events = [stars(n, 3 + n % 3, at=n) for n in range(300)]
    signal = signals_of(events, TABLE, SCALES)
    parts = split_history(events, ITEMS, signal, budget=400, max_parts=4, scales=SCALES)
    assert len(parts) == 4
    assert [one.number for part in parts for one in part.events] == list(
        range(1, 1 + sum(len(p.events) for p in parts))
    )
    times = [one.event.timestamp for part in parts for one in part.events]
    assert times == sorted(times, key=str)
    assert all(
        count("\n".join(one.line for one in part.events)) == part.tokens <= 400 for part in parts
    )
    assert sum(part.total for part in parts) == 300


def test_a_short_history_is_one_part_and_none_is_none() -> None:
    events = [stars(n, 3, at=n) for n in range(5)]
    signal = signals_of(events, TABLE, SCALES)
    assert len(split_history(events, ITEMS, signal, budget=1500, max_parts=4)) == 1
    assert split_history([], ITEMS, {}, budget=1500, max_parts=4) == []


# ---------------------------------------------------------------- whatever the data


TEXTS = st.text(max_size=80) | st.sampled_from(
    ["", "", "재미있어요", "👍🏽" * 30, "\n\n|[1]", "the " * 90]
)
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from([*(f"i{n}" for n in range(30)), "x", "gone", "odd", None]),
        st.sampled_from(
            ["rating", "view", "purchase", "search", "review", "preference", "made up"]
        ),
        st.one_of(st.none(), st.floats(-9, 1e9)),
        st.one_of(st.none(), st.floats(0, 4000)),
        TEXTS,
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(
    HISTORIES,
    st.integers(0, 700),
    st.sampled_from([1, 95, 999, 123456]),
    TEXTS,
    st.sampled_from(["", "gpt-4"]),
)
def test_the_budget_is_never_exceeded(
    rows: list[tuple[str | None, str, float | None, float | None, str]],
    budget: int,
    start: int,
    title: str,
    model: str,
) -> None:
    events = [
        event(f"e{n}", item=item, type_=type_, value=value, days=days, seq=n, text=text)
        for n, (item, type_, value, days, text) in enumerate(rows)
    ]
    items = {**ITEMS, "odd": Item(item_id="odd", title=title, categories=[title])}
    signal = signals_of(events, TABLE, SCALES)
    found = cut_window(
        events, items, signal, budget=budget, start=start, scales=SCALES, model=model
    )
    assert found.tokens == count("\n".join(one.line for one in found.events), model) <= budget
    assert all("\n" not in one.line for one in found.events)
    assert [one.number for one in found.events] == list(range(start, start + len(found.events)))
    assert found.total == len(events)
    ids = [one.event.event_id for one in found.events]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {one.event_id for one in events}


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.integers(0, 300), st.integers(1, 5))
def test_no_part_exceeds_the_budget_and_every_event_is_in_one(
    rows: list[tuple[str | None, str, float | None, float | None, str]], budget: int, max_parts: int
) -> None:
    events = [
        event(f"e{n}", item=item, type_=type_, value=value, days=days, seq=n, text=text)
        for n, (item, type_, value, days, text) in enumerate(rows)
    ]
    signal = signals_of(events, TABLE, SCALES)
    parts = split_history(events, ITEMS, signal, budget=budget, max_parts=max_parts, scales=SCALES)
    assert len(parts) <= max_parts
    assert sum(part.total for part in parts) == len(events)
    for part in parts:
        assert part.tokens == count("\n".join(one.line for one in part.events)) <= budget
    numbers = [one.number for part in parts for one in part.events]
    assert numbers == list(range(1, len(numbers) + 1))
