"""How many had both of two items."""

from pathlib import Path

import numpy as np
import pytest

from limner.core.interactions import NO_TIME, Interactions
from limner.retrieve.cooccurrence import Holders, holders_of, load_holders


def interactions(histories: dict[str, str]) -> Interactions:
    """User id to their items in order, a letter each."""
    rows = [(user, item) for user, items in histories.items() for item in items]
    users, items = list(histories), sorted({item for _, item in rows})
    n = len(rows)
    return Interactions(
        users,
        items,
        ["view"],
        ["s"],
        np.array([users.index(user) for user, _ in rows], dtype=np.int32),
        np.array([items.index(item) for _, item in rows], dtype=np.int32),
        np.zeros(n, np.int16),
        np.zeros(n, np.int16),
        np.full(n, np.nan),
        np.full(n, NO_TIME, np.int64),
        np.arange(n, dtype=np.int64),
    )


@pytest.fixture
def holders() -> Holders:
    return holders_of(
        interactions({"u1": "ab", "u2": "ba", "u3": "ab", "u4": "a", "u5": "cb", "u6": "bab"})
    )


def test_counts_those_who_had_both(holders: Holders) -> None:
    assert holders.companions("a", "b") == holders.companions("b", "a") == 4
    assert holders.companions("a", "c") == 0
    assert holders.companions("a", "never seen") == 0


def test_in_order_is_any_time_after(holders: Holders) -> None:
    assert holders.companions("a", "b", in_order=True) == 3
    assert holders.companions("b", "a", in_order=True) == 2


def test_comes_back_from_a_folder_as_it_was(holders: Holders, tmp_path: Path) -> None:
    holders.save(tmp_path)
    found = load_holders(tmp_path)
    assert found is not None and found.companions("a", "b", in_order=True) == 3
    (tmp_path / "holders.npz").write_bytes(b"damaged")
    assert load_holders(tmp_path) is None


def test_nobody_has_anything() -> None:
    assert holders_of(interactions({})).companions("a", "b") == 0
