"""Reading text: folding, tokens, light stems and phrase tables. No language data here."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
TokenKind = Literal["word", "number", "date", "cjk", "mark"]

CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_LETTER = rf"[^\W\d_{CJK}]"
_TOKEN = re.compile(
    rf"""
    (?P<decade>\d{{2,4}}(?:年代|년대|er(?!\w)|['’]?s(?!\w)))
  | (?P<date>\d{{4}}-\d{{1,2}}-\d{{1,2}}(?!\d) | \d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}(?!\d)
      | \d{{4}}\s?[年년](?:\s?\d{{1,2}}\s?[月월](?:\s?\d{{1,2}}\s?[日일])?)?)
  | (?P<number>\d+(?:[.,]\d+)*)
  | (?P<cjk>[{CJK}])
  | (?P<word>{_LETTER}+(?:['’](?:s|t|re|ve|ll|d|m)(?!{_LETTER}))?)
  | (?P<mark>[^\s\w]|_)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LIGATURES = str.maketrans(
    {"ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", "ı": "i", "’": "'", "‘": "'"}
)
_ACCENT = re.compile("[\u0300-\u036f]")


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Case, width and Latin accents folded: "Amélie" and "AMELIE" become equal."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_LIGATURES)
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))


def _undouble(word: str) -> str:
    return (
        word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls" else word
    )


def _stem_en(word: str) -> str:
    word = word.removesuffix("'s")
    if len(word) <= 3:
        return word
    word = _singular_en(word)
    for suffix in ("ing", "ed"):
        if word.endswith(suffix) and len(word) > len(suffix) + 3:
            word = _undouble(word[: -len(suffix)])
            break
    if word.endswith("ie") and len(word) > 4:  # "movie" and "movies" get the same stem
        return f"{word[:-2]}y"
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def _singular_en(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


_SUFFIXES = {
    "de": ("ern", "en", "er", "es", "em", "e", "n", "s"),
    "fr": ("ees", "es", "ee", "e", "s", "x"),
    "es": ("es", "os", "as", "o", "a", "s", "e"),
}


@lru_cache(maxsize=65536)
def stem(folded: str, code: str) -> str:
    """A light stem of a folded word: plural and simplest endings only; CJK is returned as it is."""
    if not folded.isascii() or (not folded.isalpha() and "'" not in folded):
        return folded
    if code in _SUFFIXES:
        for suffix in _SUFFIXES[code]:
            if folded.endswith(suffix) and len(folded) - len(suffix) >= 4:
                return folded[: -len(suffix)]
        return folded
    return _stem_en(folded)


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    folded: str
    kind: TokenKind
    start: int
    end: int
    spaced: bool
    """True if white space (or the beginning) stands before it."""

    @property
    def capital(self) -> bool:
        return self.text[:1].isupper()


def tokens_of(text: str) -> list[Token]:
    """Words, numbers, dates, single CJK characters and marks, in order. Decades ("1990s") are
    words.
    """
    tokens: list[Token] = []
    end = -1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "mark"
        raw = match.group()
        if kind == "decade":
            kind = "word"
        folded = (
            raw
            if kind in ("number", "date", "mark")
            else fold(raw).replace("'s", "s" if raw[0].isdigit() else "'s")
        )
        tokens.append(Token(raw, folded, kind, match.start(), match.end(), match.start() != end))  # type: ignore[arg-type]
        end = match.end()
    return tokens


def stems_of(text: str, code: str) -> tuple[str, ...]:
    """Stems of the words, numbers and characters of a text; marks are left out."""
    return tuple(stem(t.folded, code) for t in tokens_of(text) if t.kind != "mark")


class Phrases(Generic[T]):
    """A table of token sequences with a payload each; finds the longest that starts at a
    position.
    """

    def __init__(self) -> None:
        self._table: dict[tuple[str, ...], T] = {}
        self._lengths: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, key: tuple[str, ...]) -> bool:
        return key in self._table

    def entries(self) -> Iterable[tuple[tuple[str, ...], T]]:
        return self._table.items()

    def get(self, key: tuple[str, ...]) -> T | None:
        return self._table.get(key)

    def put(self, key: tuple[str, ...], payload: T) -> None:
        """Adds or replaces; an empty key is ignored."""
        if not key:
            return
        self._table[key] = payload
        lengths = self._lengths.setdefault(key[0], [])
        if len(key) not in lengths:
            lengths.append(len(key))
            lengths.sort(reverse=True)

    def lengths(self, words: Sequence[str], at: int) -> list[tuple[int, T]]:
        """All phrases that start at `at`, longest first, as (length, payload)."""
        return list(self._starting(words, at))

    def longest(self, words: Sequence[str], at: int) -> tuple[int, T] | None:
        """The longest phrase that starts at `at`, as (length, payload); None if none does."""
        return next(self._starting(words, at), None)

    def _starting(self, words: Sequence[str], at: int) -> Iterator[tuple[int, T]]:
        for length in self._lengths.get(words[at], ()):
            payload = self._table.get(tuple(words[at : at + length]))
            if payload is not None and at + length <= len(words):
                yield length, payload


def readings(number: str, decimal_comma: bool) -> tuple[float, ...]:
    """What a number may mean: "1,682" is 1682 in English; "4,2" is 4.2 where the comma is
    decimal.
    """
    separators = [c for c in number if c in ".,"]
    if not separators:
        return (float(number),)
    decimal = "," if decimal_comma else "."
    grouping = "." if decimal_comma else ","
    values = []
    if _is_grouped(number, grouping, decimal):
        values.append(float(number.replace(grouping, "").replace(decimal, ".")))
    # Models mix the habits of languages: a single separator may always be the decimal one.
    if len(separators) == 1 and (separators[0] == "." or decimal_comma):
        values.append(float(number.replace(",", ".")))
    return tuple(dict.fromkeys(values))


def _is_grouped(number: str, grouping: str, decimal: str) -> bool:
    """Whether every group after a grouping mark has three digits, and at most one decimal mark
    stands in the number.
    """
    _, *groups = number.split(grouping)
    if groups:
        groups[-1] = groups[-1].split(decimal)[0]
    return number.count(decimal) <= 1 and all(len(digits) == 3 for digits in groups)
