"""Who liked something, counted over all events at once."""

import numpy as np

from limner.core.interactions import Interactions
from limner.state.event_counts import Census, Polarity

LIKED, DISLIKED, NEITHER = 0.8, -0.8, 0.0


def census(tastes: dict[str, list[tuple[str, float]]]) -> Census:
    """By user, (item, signal) in order."""
    users = list(tastes)
    rows = [
        (users.index(u), item, signal) for u, events in tastes.items() for item, signal in events
    ]
    items = sorted({item for _, item, _ in rows})
    n = len(rows)
    x = Interactions(
        users,
        items,
        ["view"],
        [""],
        user=np.array([user for user, _, _ in rows], dtype=np.int32),
        item=np.array([items.index(item) for _, item, _ in rows], dtype=np.int32),
        type=np.zeros(n, dtype=np.int16),
        source=np.zeros(n, dtype=np.int16),
        value=np.full(n, np.nan),
        time=np.arange(n, dtype=np.int64),
        seq=np.arange(n, dtype=np.int64),
    )
    return Census(x, np.array([s for *_, s in rows], dtype=np.float32), np.zeros(n, dtype=bool))


def likers(tastes: dict[str, list[tuple[str, float]]], polarity: Polarity = "like") -> list[str]:
    counted = census(tastes)
    every = np.ones(len(counted.x), dtype=bool)
    found = counted.likers(every, polarity, "", None)
    return [counted.user_ids[at] for at in found.users.tolist()]


def test_who_turned_down_as_much_as_they_liked_is_no_liker() -> None:
    tastes = {
        "fond": [("a", LIKED), ("b", LIKED), ("c", DISLIKED), ("d", NEITHER)],
        "torn": [("a", LIKED), ("b", LIKED), ("c", DISLIKED), ("d", DISLIKED)],
        "averse": [("a", LIKED), ("b", LIKED), ("c", DISLIKED), ("d", DISLIKED), ("e", DISLIKED)],
        "slight": [("a", LIKED), ("d", NEITHER)],
    }
    assert likers(tastes) == ["fond"]
    assert likers(tastes, "dislike") == ["averse"]


def test_one_item_that_was_liked_again_and_again_counts_once() -> None:
    tastes = {
        "again": [("a", LIKED), ("a", LIKED), ("a", LIKED), ("b", LIKED), ("c", DISLIKED)],
        "torn": [("a", LIKED), ("a", LIKED), ("b", LIKED), ("c", DISLIKED), ("d", DISLIKED)],
    }
    assert likers(tastes) == ["again"]
