"""Sensitive traits are never said of a person: religion, health, politics, orientation,
ethnicity.
"""

from collections.abc import Sequence

from limner.words.language import Language
from limner.words.text import Token, tokens_of

Span = tuple[int, int, bool]
"""Start and end of a value of the grounds in the text, and whether it is quoted or a title: then it
names a thing.
"""


def sensitive(text: str, language: Language) -> str | None:
    """The trait that a text attributes to a person ("sensitive: health"), or None.

    Words for people (“diabetic”, “Catholic”, “gay”) are refused unless a noun for items follows
    ("gay cinema"); words for topics ("religion", "health") only where they are said of the person:
    "has health problems", "their religion", but not "picks books on religion".
    """
    trait = sensitive_in(text, language, ())
    return f"sensitive: {trait}" if trait else None


def sensitive_in(text: str, language: Language, named: Sequence[Span]) -> str | None:
    """The trait alone; `named` are places in the text where a value of the grounds stands."""
    tokens = tokens_of(text)
    folded = [t.folded for t in tokens]
    for at in range(len(tokens)):
        for table, about_person in (
            (language.sensitive_person, True),
            (language.sensitive_topic, False),
        ):
            match = table.longest(folded, at)
            if match is None:
                continue
            length, trait = match
            if _attributed(
                tokens,
                at,
                at + length,
                language,
                about_person,
                _name_at(tokens, at, at + length, named),
            ):
                return trait
    return None


def _name_at(tokens: Sequence[Token], at: int, end: int, named: Sequence[Span]) -> bool:
    return any(
        thing and start <= tokens[at].start and tokens[end - 1].end <= stop
        for start, stop, thing in named
    )


def _attributed(
    tokens: Sequence[Token],
    at: int,
    end: int,
    language: Language,
    about_person: bool,
    is_name: bool,
) -> bool:
    if language.cjk:
        return _attributed_cjk(tokens, at, end, language, about_person, is_name)
    before = [t for t in tokens[max(0, at - 4) : at] if t.kind != "mark"]
    verb = max(
        (i for i, t in enumerate(before) if t.folded in language.attribute_verbs), default=-1
    )
    said_of = verb >= len(before) - 3 and verb >= 0
    # "books on religion", "gay cinema": a noun for items between the verb and the word, or right
    # after it.
    speaks_of_items = any(
        t.folded in language.item_nouns for t in before[max(verb + 1, len(before) - 3) :]
    )
    for token in tokens[end : end + 2]:
        if token.kind == "mark" or "split" in (language.lexicon.get((token.folded,)) or ()):
            break
        speaks_of_items = speaks_of_items or token.folded in language.item_nouns
    owned = bool(before) and (
        before[-1].folded in language.possessives or before[-1].folded.endswith("'s")
    )
    if said_of or owned:
        return not speaks_of_items
    return about_person and not is_name and not speaks_of_items


def _attributed_cjk(
    tokens: Sequence[Token],
    at: int,
    end: int,
    language: Language,
    about_person: bool,
    is_name: bool,
) -> bool:
    text = "".join(t.folded for t in tokens)
    start = sum(len(t.folded) for t in tokens[:at])
    stop = start + sum(len(t.folded) for t in tokens[at:end])
    after, ahead = text[stop : stop + 8], text[max(0, start - 5) : start]
    if any(noun in after or noun in ahead for noun in language.item_nouns):
        return False
    if any(verb in ahead for verb in language.attribute_verbs) or any(
        ahead.endswith(p) for p in language.possessives
    ):
        return True
    return about_person and not is_name
