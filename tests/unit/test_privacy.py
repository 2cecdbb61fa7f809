"""What is hidden, what stays, and what the list of outgoing fields says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.settings import PrivacySettings, Settings
from limner.llm.privacy import TextMask, mask, masker, outgoing, pseudonym


def test_a_pseudonym_is_short_stable_and_the_stores_own() -> None:
    assert pseudonym("alice", "salt") == pseudonym("alice", "salt")
    assert pseudonym("alice", "salt") != pseudonym("alice", "another")
    assert pseudonym("alice", "salt") != pseudonym("bob", "salt")
    assert len(pseudonym("alice" * 50, "salt" * 50)) == 13
    assert "alice" not in pseudonym("alice", "")


@given(st.text(min_size=1), st.text())
def test_any_id_and_salt_will_do(user_id: str, salt: str) -> None:
    assert pseudonym(user_id, salt).isalnum()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+shop@mail.example.co.uk now", "write to [e-mail] now"),
        ("메일은 kim@naver.com입니다", "메일은 [e-mail]입니다"),
        ("see https://example.org/a?b=c&d=1, then", "see [link] then"),
        ("www.example.org is nice", "[link] is nice"),
        ("at bit.ly/3xYz", "at [link]"),
        ("card 4111 1111 1111 1111 please", "card [card number] please"),
        ("card 4111-1111-1111-1111.", "card [card number]."),
        ("378282246310005", "[card number]"),
        ("call +1 555-123-4567 today", "call [phone number] today"),
        ("(555) 123-4567", "[phone number]"),
        ("555-123-4567", "[phone number]"),
        ("+44 20 7946 0958", "[phone number]"),
        ("+49 (0)30 123456", "[phone number]"),
        ("+33 6 12 34 56 78", "[phone number]"),
        ("06 12 34 56 78", "[phone number]"),
        ("电话13812345678。", "电话[phone number]。"),
        ("138-1234-5678", "[phone number]"),
        ("+86 138 1234 5678", "[phone number]"),
        ("010-1234-5678로 전화", "[phone number]로 전화"),
        ("010 1234 5678", "[phone number]"),
        ("01012345678", "[phone number]"),
        ("+82-10-1234-5678", "[phone number]"),
        ("02-123-4567", "[phone number]"),
    ],
)
def test_what_is_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A film of 1994, seen on 2009-12-14 at 10:30.",
        "2009-12-14 08:37:49+00:00",
        '[12] 1998-03-01 rated 5 of 5 "Star Wars (1977)" | genre: Action | "review"',
        "1,234,567 sold for 12.50 or 1.299,00 EUR",
        "4111 1111 1111 1112 is no card",
        "between 1990-1999 and 2000-2009, 24/7, 3-4 times",
        "version 1.2.3 of item 44600062 and B001GXRQW0",
        "2001: A Space Odyssey, 10/10, 100 000 visitors",
        "rated 4.5 by 120000 people @ home",
        "e.g. this and/or that",
        "1917 1984 2046 2012 300",
        "Apollo 13 and Ocean's 11 12 13",
    ],
)
def test_what_stays(text: str) -> None:
    assert mask(text) == text


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize("piece", ["a", "a.", "1 ", "1-", "a@", "+1 1", "http://a.", "a.com/"])
def test_a_text_made_to_be_slow_is_masked_like_any_other(piece: str) -> None:
    # Quadratic work would take minutes here.
    assert mask(piece * 100_000 + " jane@mail.example").endswith(" [e-mail]")


def test_lines_stay_lines() -> None:
    assert mask("born 2010\n12 345 678\n555-123-4567").count("\n") == 2


def test_masking_can_be_turned_off() -> None:
    assert masker(Settings())("a@b.org") == "[e-mail]"
    assert masker(Settings(privacy=PrivacySettings(mask=False)))("a@b.org") == "a@b.org"


def test_the_list_of_outgoing_fields_follows_the_settings() -> None:
    said = " ".join(outgoing(Settings()))
    assert "No user id goes with portraits" in said and "user ids as pseudonyms" in said
    assert "masked" in said
    assert "None of the user's own attributes" in said
    opened = " ".join(
        outgoing(
            Settings(
                privacy=PrivacySettings(demographics=["age", "city"], pseudonyms=False, mask=False)
            )
        )
    )
    assert "age, city" in opened
    assert "user ids as they are" in opened and "No user id goes with portraits" in opened
    assert "Texts go as they are" in opened
    assert "as pseudonyms" not in opened


def test_a_veil_hides_whole_words_and_shows_them_again() -> None:
    text_mask = TextMask("salt")
    text_mask.learn(["19", "196", "ann-1", ""])
    text = "User 196 and ann-1, not 1967, ann-12 or x19."
    hidden = text_mask.hide(text)
    assert not re.search(r"\b(?:196|ann-1)\b(?!-|\d)", hidden) and "1967, ann-12 or x19" in hidden
    assert text_mask.show(hidden) == text
    assert TextMask().hide(text) == text
    assert TextMask("a").hide("x") == "x"


@given(st.lists(st.text("ab1-", min_size=1, max_size=4)), st.text("ab1- ,", max_size=40))
def test_what_a_veil_hides_comes_back(user_ids: list[str], text: str) -> None:
    text_mask = TextMask()
    text_mask.learn(user_ids)
    assert text_mask.show(text_mask.hide(text)) == text
