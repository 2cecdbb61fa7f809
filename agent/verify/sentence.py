"""One sentence as verification sees it: tokens, segments with what they stand for, and the clauses
they make.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limner.verify.grounds import Grounds, Lexicon, Origin, Phrase
from limner.words.language import CLAIMS, Language, Tags
from limner.words.text import stem, tokens_of

SegmentKind = Literal["phrase", "word", "number", "mark", "unknown"]

QUOTES = {
    '"': '"',
    "“": "”",
    "„": "“",
    "«": "»",
    "»": "«",
    "《": "》",
    "「": "」",
    "『": "』",
    "〈": "〉",
    "‹": "›",
}
STRONG = frozenset(".;:!?。；：！？")
SOFT = frozenset(",，、(（)）-–—[]")
TASTE = frozenset({"like", "dislike"})
FRAME = frozenset({"function", "like", "dislike", "negation", "particle"}) | CLAIMS
BOUND = frozenset({"function", "like", "dislike", "negation", "contrast", "reset"})
ARTICLES = frozenset(
    {
        "the",
        "a",
        "an",
        "ein",
        "eine",
        "le",
        "la",
        "les",
        "l",
        "el",
        "los",
        "las",
        "un",
        "une",
        "una",
    }
)
_NONE: frozenset[float] = frozenset()


@dataclass(frozen=True, slots=True)
class Segment:
    kind: SegmentKind
    text: str
    start: int
    """Index of its first token."""
    end: int
    tags: Tags = frozenset()
    phrase: Phrase | None = None
    numbers: tuple[float, ...] = ()
    quoted: bool = False
    owners: frozenset[int] = frozenset()
    """For dates: the origins that have it."""

    @property
    def denies(self) -> bool:
        return "negation" in self.tags and not self.tags & TASTE and "neutralizing" not in self.tags


class Sentence:
    """A sentence, what it is read against, and what was found wrong with it so far."""

    def __init__(self, text: str, grounds: Grounds, language: Language, catalogue: Lexicon) -> None:
        self.text, self.grounds, self.language, self.catalogue = text, grounds, language, catalogue
        self.found: list[str] = []
        """Refusal codes."""
        self.tokens = tokens_of(text)
        self.stems = [stem(t.folded, language.code) for t in self.tokens]
        self.folded = [t.folded for t in self.tokens]
        self.taken: dict[int, tuple[int, Segment]] = {}
        """Quotations: by their first token the token after them and what they are."""
        self._said_tags: Tags | None = None

    def run(self, at: int) -> tuple[list[str], list[int]]:
        """Stems from here to the next comma or quotation, marks left out, with their token
        positions.
        """
        words, positions = [], []
        for i in range(at, min(at + 14, len(self.tokens))):
            if i > at and i in self.taken:
                break
            if self.tokens[i].kind == "mark":
                if self.tokens[i].text in ';()，；。（）“”"«»':
                    break
                continue
            words.append(self.stems[i])
            positions.append(i)
        return words, positions

    def named(self, at: int) -> bool:
        return self.tokens[at].capital and at > 0

    def said(self, at: int, end: int) -> str:
        return self.text[self.tokens[at].start : self.tokens[end - 1].end]

    def percents(self, o: Origin) -> frozenset[float]:
        """Percentages that may be said of an origin: everybody's and ratings' only where the
        sentence names them.
        """
        said = self.tags()
        return (
            o.percents
            | (o.usual if "baseline" in said else _NONE)
            | (o.judged if said & TASTE else _NONE)
        )

    def tags(self) -> Tags:
        if self._said_tags is None:
            found = (self.language.lexicon.longest(self.folded, i) for i in range(len(self.tokens)))
            self._said_tags = frozenset().union(*(match[1] for match in found if match))
        return self._said_tags

    def facts(self, segments: Sequence[Segment]) -> list[Origin]:
        found = {i: self.grounds.origins[i] for s in segments if s.phrase for i in s.phrase.origins}
        return [o for o in found.values() if o.kind in ("fact", "preference", "event")]

    def clauses(self, segments: list[Segment]) -> list[tuple[list[Segment], bool]]:
        """Clauses cut at commas and conjunctions, each with whether a "but" opens it."""
        pieces: list[tuple[list[Segment], bool]] = []
        current: list[Segment] = []
        opened = False
        for s in segments:
            if (s.kind == "mark" and s.text in STRONG | SOFT) or (
                "split" in s.tags and not s.phrase
            ):
                pieces.append((current, opened))
                current, opened = [], False
            elif "reset" in s.tags:
                # In Korean the word that says "but" ends its clause; elsewhere it opens the next.
                pieces.append((([*current, s] if self.language.verb_last else current), opened))
                current, opened = ([] if self.language.verb_last else [s]), True
            else:
                current.append(s)
        pieces.append((current, opened))
        return [(p, o) for p, o in pieces if p]

    def labelled(self, group: str) -> bool:
        """Whether a habit in the grounds has this group's label."""
        return group.removeprefix("group:").replace("_", " ") in self.grounds.labels
