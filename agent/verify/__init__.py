"""Verification: nothing that a model wrote leaves unless its grounds bear it out, word for word."""

from limner.verify.check import check_words, split_sentences
from limner.verify.claims import (
    resolve,
    strip_citations,
    tidy,
    verify_field,
    verify_preference,
    verify_text,
)
from limner.verify.grounds import (
    EMPTY_LEXICON,
    Grounds,
    Lexicon,
    grounds_from,
    item_values,
    lexicon_from,
)
from limner.verify.sensitive import sensitive

__all__ = [
    "EMPTY_LEXICON",
    "Grounds",
    "Lexicon",
    "check_words",
    "grounds_from",
    "item_values",
    "lexicon_from",
    "resolve",
    "sensitive",
    "split_sentences",
    "strip_citations",
    "tidy",
    "verify_field",
    "verify_preference",
    "verify_text",
]
