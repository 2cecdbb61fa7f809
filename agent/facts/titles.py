"""Themes from titles, for catalogues that have nothing else: words and pairs of words that several
titles share.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

MIN_TITLES = 3
"""Titles that must share a theme."""
MAX_SHARE = 0.2
"""Share of titles above which a word groups nothing."""
ABSORBED = 0.7
"""Share of a word's titles that a single pair must cover for the word to be left out."""

_WORD = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*")
_SMALL = frozenset(
    [
        "and",
        "the",
        "for",
        "with",
        "from",
        "into",
        "your",
        "you",
        "his",
        "her",
        "its",
        "our",
        "their",
        "this",
        "that",
        "are",
        "was",
        "not",
        "all",
        "new",
        "set",
        "pack",
        "box",
        "per",
        "pcs",
        "und",
        "der",
        "die",
        "das",
        "mit",
        "für",
        "von",
        "les",
        "des",
        "une",
        "pour",
        "avec",
        "los",
        "las",
        "del",
        "con",
        "para",
        "por",
        "una",
    ]
)
"""Words of grammar and packing that group no items; anything shorter than three Latin letters is
left out too.
"""


def find_themes(titles: Sequence[str], limit: int) -> frozenset[str]:
    """The words and pairs, lower case, that at least `MIN_TITLES` different titles share; the
    commonest `limit`.

    A pair stays where its words meet more often than by chance (pointwise mutual information,
    Church and Hanks 1990).
    """
    different = list(dict.fromkeys(title.casefold() for title in titles if title))
    words, pairs = _count_titles(different)
    most = max(MIN_TITLES, MAX_SHARE * len(different))

    def belongs_together(pair: tuple[str, str]) -> bool:
        first, second = pair
        more_than_chance = pairs[pair] * len(different) > 4 * words[first] * words[second]
        return more_than_chance and all(map(_tells, pair))

    themes: dict[str, int] = {}
    absorbed: set[str] = set()
    for pair, n in pairs.items():
        if MIN_TITLES <= n <= most and belongs_together(pair):
            themes[" ".join(pair)] = n
            absorbed.update(word for word in pair if n >= ABSORBED * words[word])
    for word, n in words.items():
        if MIN_TITLES <= n <= most and word not in absorbed and _tells(word):
            themes[word] = n
    ranked = sorted(themes, key=lambda theme: (-themes[theme], theme))
    return frozenset(ranked[:limit])


def _count_titles(titles: Sequence[str]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """In how many of the titles each word and each pair of neighbouring words stands."""
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for title in titles:
        tokens = _tokens(title)
        words.update(set(tokens))
        pairs.update(set(pairwise(tokens)))
    return words, pairs


def themes_in(title: str, vocabulary: frozenset[str]) -> list[str]:
    """The themes of one title, spelled as the title spells them, pairs first."""
    themes: dict[str, str] = {}
    tokens = _WORD.findall(title)
    for size in (2, 1):
        for words in _runs(tokens, size):
            theme = " ".join(words)
            if theme.casefold() in vocabulary:
                themes.setdefault(theme.casefold(), theme)
    return list(themes.values())


def _tokens(title: str) -> list[str]:
    return _WORD.findall(title)


def _runs(tokens: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (tokens[at : at + size] for at in range(len(tokens) - size + 1))


def _tells(word: str) -> bool:
    return word not in _SMALL and (len(word) > 2 or (len(word) > 1 and not word.isascii()))
