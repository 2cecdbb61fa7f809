"""Which of a user's events led to an item, channel by channel, and what may be said of other
people.
"""

import numpy as np
import pytest

from limner.core.schema import Candidate, Event, Item
from limner.explain.attribution import EACH, Attribution, Past, attributions, channel_scores
from limner.rank import Model, fit
from tests.unit.test_rank import made
from tests.unit.test_traced_channels import vectors

PLACED = {"i5": {"next_item": 1.0, "collaborative": 0.5, "content": 0.2}}


@pytest.fixture(scope="module")
def model() -> Model:
    x = made()
    return fit(x, np.ones(len(x), np.float32))


def past(*items: str) -> Past:
    events = [
        Event(event_id=f"e{at}", user_id="u", item_id=item, seq=at) for at, item in enumerate(items)
    ]
    return Past(
        events,
        {item: Item(item_id=item, title=item) for item in items},
        {event.event_id: 0.8 for event in events},
    )


def found(
    model: Model, *items: str, others: int = 9, placed: dict[str, dict[str, float]] = PLACED
) -> list[Attribution]:
    return attributions(["i5"], past(*items), model, vectors(20), placed, lambda *_: others)["i5"]


def test_every_channel_names_its_events_strongest_first(model: Model) -> None:
    said = found(model, "i12", "i3", "i4")
    assert {lead.link for lead in said} == {"next_item", "collaborative", "content"}
    assert said == sorted(said, key=lambda lead: -lead.weight) and said[0].link == "next_item"
    for link in ("next_item", "collaborative", "content"):
        assert next(lead for lead in said if lead.link == link).event_id == "e2", link
    assert all(0 < lead.weight <= 1 for lead in said)


def test_only_channels_that_found_the_item_speak(model: Model) -> None:
    assert {lead.link for lead in found(model, "i3", "i4", placed={"i5": {"content": 1.0}})} == {
        "content"
    }
    assert found(model, "i3", "i4", placed={}) == []


def test_people_are_spoken_of_only_where_they_are(model: Model) -> None:
    """A channel may give weight to a pair that one person made, or nobody."""
    assert {lead.link for lead in found(model, "i3", "i4", others=1)} == {"content"}


def test_order_is_asked_of_what_follows_only(model: Model) -> None:
    asked: set[tuple[str, str, bool]] = set()

    def companions(first: str, second: str, in_order: bool) -> int:
        asked.add((first, second, in_order))
        return 2 if in_order else 0

    said = attributions(["i5"], past("i4"), model, vectors(20), PLACED, companions)["i5"]
    assert asked == {("i4", "i5", True), ("i4", "i5", False)}
    assert {lead.link for lead in said} == {"next_item", "content"}


def test_an_item_does_not_lead_to_itself_and_one_of_many_views_speaks_for_all(model: Model) -> None:
    said = found(model, "i5", "i4", "i4", "i4")
    assert {lead.event_id for lead in said} == {"e3"}
    assert (
        len(
            [
                lead
                for lead in found(model, *[f"i{n}" for n in range(5)])
                if lead.link == "next_item"
            ]
        )
        <= EACH
    )


def test_places_fall_with_rank_and_put_the_best_channel_first() -> None:
    placed = channel_scores(
        [
            Candidate(item_id="a", scores={"popular": 0.9, "content": 0.1}),
            Candidate(item_id="b", scores={"popular": 0.1, "content": 0.7}),
            Candidate(item_id="c", scores={"content": 0.0}),
        ]
    )
    assert list(placed["a"]) == ["popular", "content"] and list(placed["b"]) == [
        "content",
        "popular",
    ]
    assert placed["a"]["popular"] == 1.0 and 0 < placed["b"]["popular"] < 1 and placed["c"] == {}
