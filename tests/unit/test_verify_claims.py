"""Claims that a model proposes: what is kept, with whose numbers, and what is dropped for which
reason.
"""

from collections.abc import Sequence

import pytest

from limner.core.schema import Dropped, FieldValue, Polarity, Preference, Scalar
from limner.core.settings import PortraitField
from limner.verify import (
    grounds_from,
    resolve,
    strip_citations,
    verify_field,
    verify_preference,
    verify_text,
)
from limner.words import load_language
from tests.unit.portraits import EVENTS, FACTS, WINDOW, grounds, lexicon

ENGLISH = load_language("en")
LEXICON = lexicon()


def proposed(
    value: str,
    polarity: Polarity,
    evidence: Sequence[str | int],
    text: str = "",
    facet: str = "genre",
) -> Preference | Dropped:
    return verify_preference(
        facet=facet,
        value=value,
        polarity=polarity,
        evidence=evidence,
        text=text,
        facts=FACTS,
        window=WINDOW,
        language=ENGLISH,
        catalogue=LEXICON,
    )


def reason(outcome: Preference | Dropped | FieldValue) -> str:
    assert isinstance(outcome, Dropped), outcome
    return outcome.reason


def test_a_mined_value_takes_its_numbers_from_the_fact() -> None:
    kept = proposed("comedies", "like", ["F1", 14], "This user enjoys comedies [F1, 14].")
    assert isinstance(kept, Preference)
    fact = FACTS[0]
    assert (kept.facet, kept.value, kept.strength, kept.confidence, kept.trend) == (
        "genre",
        "Comedy",
        fact.strength,
        fact.confidence,
        fact.trend,
    )
    assert kept.evidence == ["e14"]
    assert (kept.text, kept.source) == ("This user enjoys comedies.", "llm")


def test_without_text_template_words_stand_in() -> None:
    kept = proposed("Comedy", "like", ["F1"])
    assert isinstance(kept, Preference)
    assert kept.source == "template"
    assert "comedy" in kept.text


def test_a_theme_that_was_not_mined_rests_on_two_reviews() -> None:
    kept = proposed("witty", "like", [14, 16], "They like what is witty.", facet="mood")
    assert isinstance(kept, Preference)
    assert kept.evidence == ["e14", "e16"]
    assert kept.strength == pytest.approx(0.75)
    assert kept.confidence == pytest.approx(2 / 5)
    assert (kept.basis, kept.trend) == ("inferred", "unknown")
    assert kept.first_seen == EVENTS[2].event.timestamp


@pytest.mark.parametrize(
    ("value", "polarity", "evidence", "text", "code"),
    [
        ("Comedy", "like", [], "", "uncited"),
        ("Comedy", "like", [99], "", "unknown_evidence: 99"),
        ("Comedy", "like", ["F9"], "", "unknown_evidence: F9"),
        ("Horror", "like", ["F2"], "", "flipped_polarity: Horror"),
        ("Comedy", "dislike", [14], "", "flipped_polarity: Comedy"),
        ("Horror", "dislike", [12], "", "attribute_missing: Horror"),
        ("Comedy", "like", ["F3"], "", "attribute_missing: Comedy"),
        ("Sci-Fi", "like", [13, 14], "", "attribute_missing: Sci-Fi"),
        ("Sci-Fi", "dislike", [12, 16], "", "flipped_polarity: Sci-Fi"),
        ("witty", "like", [14], "", "too_little_evidence: witty"),
        ("Comedy", "like", ["F1"], "This user loves French comedies.", "unsupported_value: France"),
        ("Comedy", "like", ["F1"], "This user dislikes comedies.", "flipped_polarity: Comedy"),
        ("Comedy", "like", ["F1"], "This user is drawn to drama.", "unsupported_word: drama"),
        ("Comedy", "like", ["F1"], "It makes up 55% of their choices.", "unsupported_number: 55%"),
        ("Catholic", "like", [14, 16], "", "sensitive: religion"),
    ],
)
def test_what_fails_is_dropped_with_a_stable_code(
    value: str, polarity: Polarity, evidence: Sequence[str | int], text: str, code: str
) -> None:
    assert code in reason(proposed(value, polarity, evidence, text)).split("; ")


def test_an_event_of_somebody_else_is_refused() -> None:
    window = WINDOW.model_copy(update={"user_id": "u2"})
    assert resolve([12], FACTS, window) == "not_users_event: 12"


def test_one_wrong_citation_among_right_ones_is_left_out() -> None:
    kept = proposed("Sci-Fi", "like", [12, 16, 13])
    assert isinstance(kept, Preference)
    assert kept.evidence == ["e12", "e16"]


def test_a_sensitive_facet_is_never_inferred() -> None:
    assert reason(proposed("witty", "like", [14, 16], facet="religion")) == "sensitive: religion"


def test_citations_are_read_and_removed() -> None:
    assert strip_citations("They like comedies [F1, 12] and dramas (F3).") == (
        "They like comedies and dramas.",
        ["F1", "12", "F3"],
    )
    assert strip_citations("They rated Heat (1995).")[1] == []


def test_sentences_are_kept_or_dropped_one_by_one() -> None:
    kept, dropped = verify_text(
        "They like comedies [F1]. They love award-winning dramas. Horror leaves them cold.",
        grounds(),
        LEXICON,
    )
    assert kept == "They like comedies. Horror leaves them cold."
    assert [d.reason for d in dropped] == ["unsupported_word: award-winning"]


def test_a_text_without_grounds_says_nothing() -> None:
    kept, dropped = verify_text("They like comedies.", grounds_from(ENGLISH))
    assert (kept, len(dropped)) == ("", 1)


def field(kind: str, **options: object) -> PortraitField:
    return PortraitField.model_validate({"description": "…", "type": kind, **options})


def checked(
    declared: PortraitField,
    value: Scalar | list[str],
    evidence: Sequence[str | int] = (14,),
    name: str = "style",
) -> FieldValue | Dropped:
    return verify_field(
        name,
        declared,
        value,
        evidence,
        facts=FACTS,
        window=WINDOW,
        language=ENGLISH,
        catalogue=LEXICON,
    )


def test_fields_keep_what_is_declared_and_grounded() -> None:
    choice = checked(field("choice", allowed=["Casual", "Devoted"]), "devoted")
    assert isinstance(choice, FieldValue)
    assert (choice.value, choice.evidence) == ("Devoted", ["e14"])
    choices = checked(field("choices", allowed=["a", "b"], strict=False), ["A", "comedy"])
    assert isinstance(choices, FieldValue)
    assert choices.value == ["a", "comedy"]
    assert isinstance(checked(field("number"), 4), FieldValue)
    assert isinstance(checked(field("flag"), True), FieldValue)
    text = checked(field("text"), "Enjoys warm and witty films [14]")
    assert isinstance(text, FieldValue)
    assert text.value == "Enjoys warm and witty films"


@pytest.mark.parametrize(
    ("declared", "value", "evidence", "code"),
    [
        (field("choice", allowed=["a"]), "b", [14], "not_allowed: b"),
        (field("choice", allowed=["a"]), ["a"], [14], "wrong_type: ['a'] is not choice"),
        (
            field("choices", allowed=["a"], strict=False),
            ["gritty"],
            [14],
            "unsupported_word: gritty",
        ),
        (field("number"), 17, [14], "unsupported_number: 17"),
        (field("number"), True, [14], "wrong_type: True is not number"),
        (field("flag"), "yes", [14], "wrong_type: 'yes' is not flag"),
        (field("text"), "Loves gritty films", [14], "unsupported_word: gritty"),
        (field("text"), "Is a devout Catholic", [14], "sensitive: religion"),
        (field("choice", allowed=["diabetic"]), "diabetic", [14], "sensitive: health"),
        (field("flag"), True, [], "uncited"),
        (field("flag"), True, [99], "unknown_evidence: 99"),
    ],
)
def test_fields_that_fail_are_dropped(
    declared: PortraitField, value: Scalar | list[str], evidence: Sequence[str | int], code: str
) -> None:
    assert reason(checked(declared, value, evidence)) == code


def test_a_field_named_for_a_sensitive_trait_is_never_filled() -> None:
    assert reason(checked(field("text"), "comedy", name="religion")) == "sensitive: religion"
