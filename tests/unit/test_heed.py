"""What a user said of their taste, as weights on a list."""

from agent.facts import STRUCK as MARK
from agent.facts import WITHDRAWN, standing
from agent.rank import heeding
from agent.rank.heed import STATED_DISLIKE, STATED_LIKE, STRUCK
from agent.schema import Event, Item, Preference


def preference(value: str, **more: object) -> Preference:
    given = {"facet": "genre", "polarity": "like", "strength": 1, "confidence": 1, "evidence": [], **more}
    return Preference.model_validate({"value": value, **given})


def said(value: str, polarity: str = "like", **context: str) -> Event:
    told = {"facet": "genre", "value": value, "polarity": polarity, **context}
    return Event(event_id=value, user_id="u", type="preference", context=told)


def facets(item: Item) -> dict[str, list[str]]:
    return {"genre": item.categories}


def of(*categories: str) -> Item:
    return Item(item_id="i", categories=list(categories))


def test_what_was_never_said_weighs_nothing() -> None:
    assert heeding([preference("War")], [], facets) is None
    assert heeding([], [Event(event_id="1", user_id="u", item_id="i")], facets) is None


def test_stated_likes_lift_and_dislikes_lower() -> None:
    stated = [
        preference("War", basis="stated"), preference("Drama", basis="stated", polarity="dislike"), preference("Noir"),
    ]  # fmt: skip
    weight = heeding(stated, [], facets)
    assert weight is not None
    assert weight(of("war")) == STATED_LIKE
    assert weight(of("Drama")) == STATED_DISLIKE
    assert weight(of("Noir")) == weight(of()) == 1
    assert weight(of("War", "Drama")) == STATED_LIKE * STATED_DISLIKE


def test_a_struck_claim_counts_less_until_it_is_stated_again() -> None:
    strikes = [said("War", **{MARK: "yes"}), said("Drama", "dislike", **{MARK: "yes"})]
    weight = heeding([], strikes, facets)
    assert weight is not None
    assert weight(of("War")) == STRUCK and weight(of("Drama")) == 1 / STRUCK
    assert heeding([], [*strikes[:1], said("War")], facets) is None


def test_what_was_taken_back_was_never_said() -> None:
    first, strike = said("War"), said("War", **{MARK: "yes"})
    back = said("war", **{WITHDRAWN: "yes"})
    assert standing([first, strike]) == [first, strike]
    assert standing([first, strike, back]) == [first]
    assert standing([first, strike, back, back]) == []
    assert standing([back, first]) == [first]
    other = said("War", "dislike", **{WITHDRAWN: "yes"})
    assert standing([first, other]) == [first]
    assert heeding([], [strike, back], facets) is None
