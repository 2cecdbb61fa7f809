"""What a user said of their taste, as weights on a list."""

import numpy as np

from limner.core.schema import Event, Item, Preference
from limner.facts import STRUCK as MARK
from limner.facts import WITHDRAWN, without_withdrawn
from limner.rank import stated_preferences_of
from limner.rank.stated_preferences import FIRST, PROMISED, STATED_DISLIKE, STATED_LIKE, STRUCK


def preference(value: str, **more: object) -> Preference:
    given = {
        "facet": "genre",
        "polarity": "like",
        "strength": 1,
        "confidence": 1,
        "evidence": [],
        **more,
    }
    return Preference.model_validate({"value": value, **given})


def said(value: str, polarity: str = "like", **context: str) -> Event:
    told = {"facet": "genre", "value": value, "polarity": polarity, **context}
    return Event(event_id=value, user_id="u", type="preference", context=told)


def facets(item: Item) -> dict[str, list[str]]:
    return {"genre": item.categories}


def of(*categories: str) -> Item:
    return Item(item_id="i", categories=list(categories))


def test_what_was_never_said_weighs_nothing() -> None:
    assert stated_preferences_of([preference("War")], [], facets) is None
    assert (
        stated_preferences_of([], [Event(event_id="1", user_id="u", item_id="i")], facets) is None
    )


def test_stated_likes_lift_and_dislikes_lower() -> None:
    stated = [
        preference("War", basis="stated"),
        preference("Drama", basis="stated", polarity="dislike"),
        preference("Noir"),
    ]
    said = stated_preferences_of(stated, [], facets)
    assert said is not None
    weight = said.weight
    assert weight(of("war")) == STATED_LIKE
    assert weight(of("Drama")) == STATED_DISLIKE
    assert weight(of("Noir")) == weight(of()) == 1
    assert weight(of("War", "Drama")) == STATED_LIKE * STATED_DISLIKE


def test_a_struck_claim_counts_less_until_it_is_stated_again() -> None:
    strikes = [said("War", **{MARK: "yes"}), said("Drama", "dislike", **{MARK: "yes"})]
    said_ = stated_preferences_of([], strikes, facets)
    assert said_ is not None
    weight = said_.weight
    assert weight(of("War")) == STRUCK and weight(of("Drama")) == 1 / STRUCK
    assert stated_preferences_of([], [*strikes[:1], said("War")], facets) is None


def test_what_was_taken_back_was_never_said() -> None:
    first, strike = said("War"), said("War", **{MARK: "yes"})
    back = said("war", **{WITHDRAWN: "yes"})
    assert without_withdrawn([first, strike]) == [first, strike]
    assert without_withdrawn([first, strike, back]) == [first]
    assert without_withdrawn([first, strike, back, back]) == []
    assert without_withdrawn([back, first]) == [first]
    other = said("War", "dislike", **{WITHDRAWN: "yes"})
    assert without_withdrawn([first, other]) == [first]
    assert stated_preferences_of([], [strike, back], facets) is None


def first_of(value: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[int]:
    order: list[int] = np.argsort(-value, kind="stable").tolist()
    return order[:FIRST]


def test_a_stated_like_reaches_the_first_ten_from_the_last_places() -> None:
    catalogue = [of("Drama")] * 40 + [of("War")] * 3
    given = np.linspace(1, 0, len(catalogue))
    said_ = stated_preferences_of([preference("War", basis="stated")], [], facets)
    assert said_ is not None
    first = first_of(said_.reweighted(given, catalogue))
    assert [first.index(40), first.index(41)] == [1, 3] and PROMISED == 2
    assert [one for one in first if one < 40] == list(range(FIRST - PROMISED))


def test_what_is_there_already_brings_nothing_more_in() -> None:
    catalogue = [of("War"), of("War"), *[of("Drama")] * 20, of("War")]
    said_ = stated_preferences_of([preference("War", basis="stated")], [], facets)
    assert said_ is not None
    assert first_of(said_.reweighted(np.linspace(1, 0.1, len(catalogue)), catalogue)) == list(
        range(FIRST)
    )


def test_many_likes_take_half_of_the_first_places_at_most() -> None:
    names = [f"G{at}" for at in range(9)]
    catalogue = [of("Drama")] * 30 + [of(one) for one in names for _ in range(3)]
    said_ = stated_preferences_of([preference(one, basis="stated") for one in names], [], facets)
    assert said_ is not None
    first = first_of(said_.reweighted(np.linspace(1, 0, len(catalogue)), catalogue))
    assert sum(one >= 30 for one in first) == FIRST // 2


def test_a_like_brings_nothing_in_that_is_disliked_too() -> None:
    catalogue = [of("Drama")] * 30 + [of("War", "Horror"), of("War")]
    stated = [
        preference("War", basis="stated"),
        preference("Horror", basis="stated", polarity="dislike"),
    ]
    said_ = stated_preferences_of(stated, [], facets)
    assert said_ is not None
    first = first_of(said_.reweighted(np.linspace(1, 0, len(catalogue)), catalogue))
    assert 31 in first and 30 not in first
