"""A portrait packed for another model's prompt."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.errors import BadInputError
from limner.core.schema import Preference, Profile, Trait
from limner.index.documents import preference_text
from limner.llm import tokens
from limner.profile.context import pack, relevance_to

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


def preference(value: str, strength: float = 0.5, **more: object) -> Preference:
    given = {
        "facet": "genre",
        "polarity": "like",
        "confidence": 1.0,
        "evidence": [f"e-{value}"],
        **more,
    }
    return Preference.model_validate({"value": value, "strength": strength, **given})


def profile(*preferences: Preference, summary: str = "") -> Profile:
    return Profile(
        user_id="u",
        version=3,
        as_of=datetime(2026, 1, 2, tzinfo=UTC),
        summary=summary,
        preferences=list(preferences),
        traits=[Trait(name="breadth", label="narrow"), Trait(name="rhythm", label="unknown")],
    )


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXT, st.floats(0, 1)), max_size=8), TEXT, st.integers(16, 200))
def test_never_above_the_budget(given_: list[tuple[str, float]], summary: str, budget: int) -> None:
    found = pack(
        profile(*(preference(value, strength) for value, strength in given_), summary=summary),
        budget,
    )
    assert found.tokens == tokens.count(found.text) <= budget
    assert len(found.preferences) + found.left_out == len(given_)


def test_the_strong_and_sure_come_first_and_each_names_its_events() -> None:
    held = [
        preference("weak", 0.1),
        preference("strong", 0.9),
        preference("unsure", 1.0, confidence=0.2),
    ]
    found = pack(profile(*held, summary="All of it."), 500)
    assert [one.value for one in found.preferences] == ["strong", "unsure", "weak"]
    assert found.text.splitlines()[1] == "All of it."
    assert found.evidence == ["e-strong", "e-unsure", "e-weak"]
    assert all(f"[e-{one.value}]" in found.text for one in held)
    assert "breadth: narrow" in found.text and "rhythm" not in found.text


def test_what_was_asked_about_comes_before_the_summary() -> None:
    held = [preference("strong", 0.9), preference("near", 0.1)]
    found = pack(
        profile(*held, summary="All of it."),
        500,
        relevance={preference_text(held[1]): 1.0},
        query="near",
    )
    assert [one.value for one in found.preferences] == ["near", "strong"]
    assert "near" in found.text.splitlines()[1] and "All of it." in found.text


def test_a_long_claim_leaves_room_for_shorter_ones() -> None:
    found = pack(profile(preference("long " * 60, 0.9), preference("short", 0.1)), 60)
    assert [one.value for one in found.preferences] == ["short"] and found.left_out == 1


def test_a_small_budget_names_what_matters_most_before_it_says_more() -> None:
    held = [
        preference(
            "Documentary", 0.9, text="Chooses documentaries again and again, more than others do."
        ),
        preference("Western", 0.4),
    ]
    told = (
        "This user likes documentaries and westerns, and rates more strictly than "
        "nearly everybody else does."
    )
    found = pack(profile(*held, summary=told), 40)
    assert (
        found.preferences
        and "- likes genre: Documentary [e-Documentary]" in found.text.splitlines()
    )
    assert found.evidence[0] == "e-Documentary" and told not in found.text
    assert told in pack(profile(*held, summary=told), 120).text.splitlines()[1]


def test_a_budget_that_holds_nothing_is_refused() -> None:
    with pytest.raises(BadInputError):
        pack(profile(), 3)


def test_relevance_is_the_cosine() -> None:
    held = [preference("a"), preference("b")]
    vectors = np.eye(2, dtype=np.float32)
    assert relevance_to(vectors[1], held, vectors) == {
        preference_text(held[0]): 0.0,
        preference_text(held[1]): 1.0,
    }
