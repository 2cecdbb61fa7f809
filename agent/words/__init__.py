"""The words a portrait may use, by language: closed vocabularies for verification, and template
sentences.
"""

from limner.words.language import (
    Language,
    is_spoken,
    load_language,
    spoken,
    supported_languages,
    unspoken,
)
from limner.words.templates import (
    preference_text,
    reason_text,
    summary_text,
    thing,
    things,
    trait_text,
)
from limner.words.titles import is_shouted, last_level, listed_title, plain_title, title_variants

__all__ = [
    "Language",
    "is_shouted",
    "is_spoken",
    "last_level",
    "listed_title",
    "load_language",
    "plain_title",
    "preference_text",
    "reason_text",
    "spoken",
    "summary_text",
    "supported_languages",
    "thing",
    "things",
    "title_variants",
    "trait_text",
    "unspoken",
]
