"""What is popular, and what is near."""

import numpy as np
import pytest

from limner.retrieve import ItemVectors
from limner.retrieve.cooccurrence import holders_of
from limner.retrieve.neighbors import most_had, near_in_text, near_in_users
from tests.unit.test_cooccurrence import interactions

HOLDERS = holders_of(interactions({"u1": "abb", "u2": "ab", "u3": "ac", "u4": "ad"}))


def test_the_most_had_are_counted_by_users() -> None:
    assert most_had(HOLDERS, {"a", "b", "c", "d"}, 3) == [("a", 4), ("b", 2), ("c", 1)]
    assert most_had(HOLDERS, {"b", "d"}, 9) == [("b", 2), ("d", 1)]
    assert most_had(HOLDERS, set(), 9) == []


def test_near_in_users_is_the_cosine_of_who_had_them() -> None:
    [(nearest, cosine)] = near_in_users(HOLDERS, "b")
    assert nearest == "a" and cosine == pytest.approx(2 / np.sqrt(2 * 4))
    assert [one for one, _ in near_in_users(HOLDERS, "a")] == ["b", "c", "d"]
    assert near_in_users(HOLDERS, "never seen") == []


def test_near_in_text_is_every_other_item_nearest_first() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    found = near_in_text(ItemVectors(["a", "b", "c"], vectors), "a")
    assert [one for one, _ in found] == ["b", "c"] and found[0][1] > found[1][1]
    assert near_in_text(ItemVectors(["a", "b", "c"], vectors), "z") == []
