"""Which events of a history speak for an item: each channel that can says so, in its own sense."""

import numpy as np
import pytest

from limner.rank import Model, fit
from limner.retrieve import History, ItemVectors, Traced
from tests.unit.test_rank import made


@pytest.fixture(scope="module")
def model() -> Model:
    x = made()
    return fit(x, np.ones(len(x), np.float32))


def history(*items: int, signal: float = 1.0) -> History:
    return History(np.array(items, np.int64), np.full(len(items), signal, np.float32))


def test_every_channel_of_a_users_own_events_can_be_traced(model: Model) -> None:
    assert [channel.name for channel in model.channels.traced] == ["next_item", "collaborative"]
    for channel in model.channels.traced:
        assert isinstance(channel, Traced)


def test_parts_sum_to_the_score(model: Model) -> None:
    """Where no item repeats, what the events say for an item adds up to what the channel says."""
    events = history(1, 9, 3, 4)
    for channel in model.channels.traced:
        whole = channel.score([events])[0]
        for item in (5, 6, 10):
            assert np.isclose(
                channel.neighbours(events, np.array([item])).sum(), whole[item], atol=1e-5
            ), channel.name


def test_the_event_that_item_follows_speaks_most(model: Model) -> None:
    for channel in model.channels.traced:
        assert channel.neighbours(history(12, 4, 11), np.array([5]))[:, 0].argmax() == 1, (
            channel.name
        )


def test_a_long_history_keeps_its_length_and_old_events_are_silent(model: Model) -> None:
    old = history(4, *[15] * 60)
    assert len(model.channels.next_item.neighbours(old, np.array([5]))) == 61
    assert model.channels.next_item.neighbours(old, np.array([5]))[0, 0] == 0


def test_disliked_items_speak_for_nothing_in_the_collaborative_channel(model: Model) -> None:
    assert not model.channels.collaborative.neighbours(history(4, signal=-1.0), np.array([5])).any()


def vectors(n: int = 300) -> ItemVectors:
    """Items on a circle: neighbours by number are neighbours by content."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return ItemVectors(
        [f"i{at}" for at in range(n)],
        np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32),
    )


def test_content_names_only_the_nearest() -> None:
    said = vectors().neighbours(["i10", "i11", "i150", "unknown", "i9"], "i9")
    assert said[1] > 0 and said[0] > said[1]
    assert said[2] == said[3] == 0  # far away, or without a vector
    assert said[4] == 0  # the item itself
    assert not vectors().neighbours(["i10"], "unknown").any()


def test_what_is_near_an_item_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held = vectors()
    first = held.neighbours(["i10", "i150"], "i9")
    monkeypatch.setattr(np, "partition", None)
    assert held.neighbours(["i150", "i10", "i11"], "i9")[:2].tolist() == first[::-1].tolist()


def test_among_few_items_some_are_near() -> None:
    assert vectors(8).neighbours(["i1", "i4"], "i0")[0] > 0
