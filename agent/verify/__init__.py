"""Verification: nothing that a model wrote leaves unless its grounds bear it out, word for word."""

from agent.verify.check import check_words, split_sentences
from agent.verify.claims import resolve, strip_citations, tidy, verify_field, verify_preference, verify_text
from agent.verify.grounds import EMPTY_LEXICON, Grounds, Lexicon, grounds_from, item_values, lexicon_from
from agent.verify.sensitive import sensitive

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
