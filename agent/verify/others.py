"""What a sentence to the user says of other people, and of the item that they had themselves."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from limner.verify.sentence import TASTE
from limner.words.language import Language
from limner.words.text import fold, tokens_of

NEAR = 3
"""Words within which one word is said of another."""
NEAR_CJK = 10
"""Characters within which it is, where words are not set apart."""
OFFER = 5
"""Words after "may" within which the thing offered stands, unless a clause begins."""
_CLAUSE = frozenset(
    {
        "since",
        "after",
        "because",
        "as",
        "if",
        "weil",
        "nach",
        "da",
        "wenn",
        "après",
        "puisque",
        "comme",
        "si",
        "después",
        "porque",
        "como",
        ",",
        ";",
        ":",
    }
)
_DEEDS = frozenset(
    {"looked", "chose", "enjoyed", "liked", "loved", "watched", "bought", "rated", "gave"}
)
"""What users do and items do not."""
_RELATIVE = frozenset({"which", "that", "das", "die", "der", "den", "que"})
_OWN, _NAME = "§", "*"


def misread(
    text: str,
    language: Language,
    *,
    own: Iterable[str],
    names: Iterable[str],
    people: bool,
    looked: bool = False,
) -> str:
    """A refusal code where a reason makes of its event what is not so; empty if nothing is wrong.

    own: how the title of the user's own item may be said; names: titles and values whose words are
    names. Other people may be spoken of only where they led to the item (`people`), and not as if
    their taste were known: they had both items, and no more is counted. The user's own item may not
    be offered in the recommended one's place ("you may like “X”", of an X that they had), nor be
    called liked where they only `looked` at it.
    """
    said = _aside(_aside(fold(text), own, _OWN), names, _NAME)
    words = [said] if language.cjk else [token.folded for token in tokens_of(said)]
    crowd = _found(words, language.crowd, language)
    if crowd and not people:
        return f"unsupported_claim: {crowd[0][1]}"
    felt = _found(words, _taste_words(language), language)
    for at, word in felt:
        ahead = (
            [place - at for place, _ in crowd]
            if language.verb_last or language.code == "zh"
            else []
        )
        behind = [at - place for place, _ in crowd] if not ahead else []
        if any(0 < step <= (NEAR_CJK if language.cjk else NEAR) for step in [*ahead, *behind]):
            return f"unsupported_claim: {word}"
    if not language.cjk:
        if any(word in language.points and after in _DEEDS for word, after in pairwise(words)):
            return "off_claim: it has the item do what the user did"
        if any(word in language.points and after == _OWN for word, after in pairwise(words)):
            return "off_claim: it takes the user's own for the item"
        if looked and (liked := next((word for at, word in felt if _is_of_own(words, at)), "")):
            return f"unsupported_claim: {liked}"
    for at, _ in _found(words, language.modal, language):
        rest = list(said[at : at + NEAR_CJK]) if language.cjk else words[at : at + OFFER + 1]
        end = next((place for place, word in enumerate(rest) if word in _CLAUSE), len(rest))
        if _OWN in rest[:end]:
            return "off_claim: it offers what the user had"
    return ""


def _is_of_own(words: Sequence[str], at: int) -> bool:
    """Whether the word there is said of the user's own item: right before it, or after it by a
    relative pronoun.
    """
    if _OWN in words[at + 1 : at + 3]:
        return True
    before = [word for word in words[:at] if word == _OWN or word.isalnum()][-4:]
    return _OWN in before and bool(_RELATIVE & set(before[before.index(_OWN) :]))


def points_at(text: str, language: Language) -> bool:
    """Whether a sentence speaks of the item at hand, other than by its title."""
    said = fold(text)
    if not language.cjk:
        said = f" {' '.join(token.folded for token in tokens_of(said) if token.kind != 'mark')} "
    return any((word if language.cjk else f" {word} ") in said for word in language.points)


def _aside(text: str, names: Iterable[str], mark: str) -> str:
    for name in sorted({fold(name) for name in names if name}, key=len, reverse=True):
        text = re.sub(r"[ -]".join(map(re.escape, re.split(r"[ -]", name))), f" {mark} ", text)
    return text


def _found(
    words: Sequence[str], wanted: frozenset[str], language: Language
) -> list[tuple[int, str]]:
    """Places and words, in order: of tokens, or of characters where words are not set apart."""
    if not language.cjk:
        return [(at, word) for at, word in enumerate(words) if word in wanted]
    return sorted((at, word) for word in wanted for at in _places(words[0], word))


def _places(text: str, word: str) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(word, at)]


@lru_cache(maxsize=16)
def _taste_words(language: Language) -> frozenset[str]:
    """Single words of liking and disliking; in Chinese and Korean of two characters and more."""
    found = (
        "".join(key)
        for key, tags in language.lexicon.entries()
        if tags & TASTE and (language.cjk or len(key) == 1)
    )
    return frozenset(word for word in found if len(word) > 1)
