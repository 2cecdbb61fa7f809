"""Popularity of late: exact at any moment, and nothing of what came after it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.retrieve import History, fit_popular, fit_recent, popular

ITEMS = 5
NOTHING = np.empty(0)


def events(pairs: list[tuple[int, int]]) -> Interactions:
    """Of (time, item), each by a user of its own."""
    n = len(pairs)
    zeros = np.zeros(n, np.int16)
    return Interactions(
        [f"u{at}" for at in range(n)],
        [f"i{at}" for at in range(ITEMS)],
        ["view"],
        ["made"],
        np.arange(n, dtype=np.int32),
        np.array([item for _, item in pairs], dtype=np.int32),
        zeros,
        zeros,
        np.full(n, np.nan),
        np.array([time for time, _ in pairs], dtype=np.int64),
        np.arange(1, n + 1),
    )


def at(now: int) -> History:
    return History(NOTHING.astype(np.int64), NOTHING.astype(np.float32), now)


def brute(pairs: list[tuple[int, int]], now: int, half_life: float) -> NDArray[np.float64]:
    total = np.zeros(ITEMS)
    for time, item in pairs:
        if time <= now:
            total[item] += 0.5 ** ((now - time) / half_life)
    scaled: NDArray[np.float64] = total / max(total.max(), 1e-30)
    return scaled


PAIRS = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, ITEMS - 1)), min_size=2, max_size=200
)


@given(PAIRS, st.integers(-5, 10_500), st.sampled_from([0.5, 0.1, 0.02]))
def test_it_is_the_sum_over_events_up_to_the_moment(
    pairs: list[tuple[int, int]], now: int, share: float
) -> None:
    [recent] = fit_recent(events(pairs), half_lives={"recent": share})
    times = [time for time, _ in pairs]
    wanted = brute(pairs, now, share * max(max(times) - min(times), 1))
    assert recent.score([at(now)])[0] == pytest.approx(wanted, abs=1e-4)


@given(PAIRS, st.integers(0, 10_000))
def test_nothing_after_the_moment_is_heard(pairs: list[tuple[int, int]], now: int) -> None:
    pairs = [(0, 0), *pairs, (10_000, 0)]
    changed = [(time, item if time <= now else (item + 1) % ITEMS) for time, item in pairs]
    [one], [other] = fit_recent(events(pairs)), fit_recent(events(changed))
    assert np.allclose(one.score([at(now)]), other.score([at(now)]))


def test_without_a_moment_it_is_the_last_event_s() -> None:
    [recent] = fit_recent(events([(0, 1), (500, 2), (1000, 3)]))
    assert np.array_equal(recent.score([at(int(NO_TIME))]), recent.score([at(1000)]))


def test_each_user_is_answered_at_their_own_moment() -> None:
    [recent] = fit_recent(events([(0, 1), (1000, 3)]))
    early, late, again = recent.score([at(10), at(1000), at(10)])
    assert early.argmax() == 1 and late.argmax() == 3 and np.array_equal(early, again)


def test_a_short_half_life_forgets_sooner() -> None:
    pairs = [*[(time, 1) for time in range(0, 500, 10)], (990, 2), (1000, 2)]
    long, short = fit_recent(events(pairs), half_lives={"long": 1.0, "short": 0.01})
    assert long.score([at(1000)])[0].argmax() == 1 and short.score([at(1000)])[0].argmax() == 2
    assert (long.name, short.name) == ("long", "short")


def test_data_without_times_has_popularity() -> None:
    x = events([(0, 1), (0, 1), (0, 2)])
    x = replace(x, time=np.full(3, NO_TIME))
    [recent] = fit_recent(x)
    share = fit_popular(x).share
    assert recent.score([at(int(NO_TIME)), at(77)])[1] == pytest.approx(share / share.max())
    assert "without times" in recent.holds()


@given(PAIRS, st.integers(0, 500))
def test_what_is_kept_for_now_says_the_same_of_now(
    pairs: list[tuple[int, int]], later: int
) -> None:
    [whole] = fit_recent(events(pairs))
    kept = whole.from_now_on()
    now = max(time for time, _ in pairs)
    assert len(kept.heat) == 1 and len(kept.stream.time) <= len(whole.stream.time)
    for moment in (now, now + later, int(NO_TIME)):
        assert np.allclose(kept.score([at(moment)]), whole.score([at(moment)]), atol=1e-6)


@pytest.mark.parametrize("cells", [0, 12, 60, 10**9])
def test_memory_is_bounded_and_what_it_says_is_the_same(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(time, time % ITEMS if time < 700 else 1) for time in range(0, 1000, 3)]
    half_lives = {"long": 0.5, "short": 0.05}
    wide = fit_recent(events(pairs), half_lives=half_lives)
    monkeypatch.setattr(popular, "_CELLS", cells)
    held = fit_recent(events(pairs), half_lives=half_lives)
    # The sums before all events are one moment more.
    assert sum(one.heat.size for one in held) <= max(cells, 2 * len(half_lives) * ITEMS)
    for one, other in zip(held, wide, strict=True):
        asked = [at(now) for now in (0, 100, 555, 999, 2000)]
        assert one.score(asked) == pytest.approx(other.score(asked), abs=1e-5)


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (4_000 * 86_400_000, "200 days"),
        (100 * 86_400_000, "5 days"),
        (20 * 86_400_000, "1 day"),
        (30 * 3_600_000, "1.5 hours"),
        (30 * 60_000, "1.5 minutes"),
        (890_000, "44.5 seconds"),
        (20, "0.001 seconds"),
        (40_000 * 86_400_000, "2,000 days"),
    ],
)
def test_a_half_life_is_told_in_a_unit_that_fits(span: int, said: str) -> None:
    [recent] = fit_recent(events([(0, 0), (span, 1)]), half_lives={"recent": 0.05})
    assert recent.holds() == f"half-life {said}"
