"""Signals: the formula by hand, and columns that say what single events say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.schema import Event, Scale
from limner.core.settings import SignalTable
from limner.core.signals import mean_place, signal_of, signals, signals_of, typical_amounts
from tests.unit.mining import SCALES, TABLE, columns, event

AMOUNTS = st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.inf), st.just(math.nan))


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from("ab"),
                st.sampled_from(["x", "y", "z"]),
                st.sampled_from([*TABLE.types, "rating", "made up"]),
                AMOUNTS,
                st.sampled_from(["t", "flat", "unknown"]),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return [
        event(f"e{at}", user=user, item=item, type_=type_, value=value, source=source, seq=at)
        for at, (user, item, type_, value, source) in enumerate(rows)
    ]


ALL_SCALES = {**SCALES, "flat": Scale(source="flat", low=1, high=1)}


def test_a_rating_by_hand() -> None:
    events = [
        event("a", item="x", type_="rating", value=5),
        event("b", item="y", type_="rating", value=2),
    ]
    # Places 1 and -0.5, own mean 0.25, h = 0.5: 0.5 x 1 + 0.5 x 0.75, and 0.5 x -0.5 + 0.5 x -0.75.
    assert mean_place(events, SCALES) == 0.25
    assert signals_of(events, TABLE, SCALES) == {"a": 0.875, "b": -0.625}


def test_the_same_rating_means_less_from_a_generous_user() -> None:
    four = event("a", item="x", type_="rating", value=4)
    assert (
        signal_of(four, TABLE, SCALES, 0.9)
        < signal_of(four, TABLE, SCALES, None)
        < signal_of(four, TABLE, SCALES, -0.5)
    )


def test_without_habit_a_rating_is_its_place() -> None:
    table = SignalTable(rating_habit=0)
    assert signal_of(event("a", item="x", type_="rating", value=4), table, SCALES, 0.9) == 0.5


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("purchase", 12, 0.8),
        ("purchase", -3, -0.8),
        ("purchase", 0, 0.0),
        ("cart", -1, -0.8),
        ("return", -3, -0.8),
        ("return", 2, -0.8),
        ("like", -1, -1.0),
        ("skip", -1, -0.5),
        ("play", 86_400, 0.5),
        ("play", math.inf, 0.5),
        ("view", None, 0.2),
        ("review", None, 0.4),
        ("review", 5, 1.0),
        ("made up", 3, 0.0),
    ],
)
def test_by_type_and_value(type_: str, value: float | None, expected: float) -> None:
    assert (
        signal_of(event("a", item="x", type_=type_, value=value), TABLE, SCALES, None) == expected
    )


def test_a_scale_of_one_step_says_that_the_item_was_chosen() -> None:
    assert (
        signal_of(
            event("a", item="x", type_="rating", value=1, source="flat"), TABLE, ALL_SCALES, None
        )
        == 0.2
    )


def test_a_rating_without_a_scale_says_nothing() -> None:
    assert (
        signal_of(
            event("a", item="x", type_="rating", value=4, source="unknown"), TABLE, SCALES, None
        )
        == 0.0
    )


@given(histories())
def test_columns_say_what_single_events_say(events: list[Event]) -> None:
    x = columns(events)
    by_seq = dict(zip(x.seq.tolist(), signals(x, TABLE, ALL_SCALES).tolist(), strict=True))
    for user in "ab":
        own = [one for one in events if one.user_id == user]
        for one in own:
            single = signals_of(own, TABLE, ALL_SCALES, typical_amounts(x))[one.event_id]
            assert by_seq[one.seq] == pytest.approx(single, abs=1e-6)
            assert -1 <= single <= 1


def test_thousands_of_plays_are_not_one() -> None:
    plays = [
        event(f"e{at}", user="a", item="x", type_="play", value=value, source="t", seq=at)
        for at, value in enumerate([1, 20, 20, 20, 13883])
    ]
    x = columns(plays)
    assert typical_amounts(x) == {"t": {"play": 20.0}}
    least, usual, *_, most = signals(x, TABLE, SCALES).tolist()
    base = TABLE.types["play"]
    assert (least, usual, most) == pytest.approx((base / 2, base, base * 2))
    off = TABLE.model_copy(update={"amounts": False})
    assert set(signals(x, off, SCALES).tolist()) == {base}
    assert signals_of(plays, TABLE, SCALES) == dict.fromkeys([f"e{at}" for at in range(5)], base)


def test_no_events() -> None:
    assert signals(columns([]), TABLE, SCALES).shape == (0,)
    assert signals(columns([]), TABLE, SCALES).dtype == np.float32
