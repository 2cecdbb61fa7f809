"""Reading a text against its grounds: every word, number, name, quotation, date, polarity and claim.

A text is cut into segments by longest match over the grounds, the catalogue and the language's lexicon; what is left
over is refused. Segments are then read clause by clause for polarity, claims of extent and trend, and numbers that
belong to something else than what they stand beside.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from agent.verify.grounds import EMPTY_LEXICON, Date, Grounds, Lexicon, Origin, Phrase
from agent.verify.sensitive import sensitive_in
from agent.words.language import CLAIMS, Language, Tags
from agent.words.text import readings, stem, tokens_of

RECENT = timedelta(days=90)
"""What happened longer ago than this before `Grounds.as_of` is not recent."""
OFTEN = 3
"""Events from which something happened often."""
RARE_SHARE = 0.2
ALL_SHARE = 0.999

PartialDate = tuple[int | None, int | None, int | None]
"""Year, month, day, as far as a text gives them."""
SegmentKind = Literal["phrase", "word", "number", "mark", "unknown"]

_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "»": "«", "《": "》", "「": "」", "『": "』", "〈": "〉", "‹": "›"}
_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”“]+)[”“]|„([^“”\"]+)[“”\"]|«\s*([^»]+?)\s*»|»\s*([^«]+?)\s*«|《([^》]+)》|「([^」]+)」|『([^』]+)』|〈([^〉]+)〉"
    r"|‹\s*([^›]+?)\s*›|(?<!\w)['‘]([^'’]+(?:['’]\w[^'’]*)*)['’](?!\w)"
)
_STRONG = frozenset(".;:!?。；：！？")
_SOFT = frozenset(",，、(（)）-–—[]")
_SENTENCE = re.compile(
    r"(?<=[.!?])[\"”»’)]*\s+(?=[\"“«„‘(¿¡]*[A-ZÀ-ÞĀ-Ž0-9가-힣])|(?<=[가-힣][.!?])\s+|(?<=[。！？])\s*"
)
_DATE_PARTS = re.compile(r"\d+")


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


def check_words(
    text: str, grounds: Grounds, language: Language | None = None, catalogue: Lexicon = EMPTY_LEXICON
) -> list[str]:
    """Refusal codes for a text of one or more sentences; empty if it says nothing beyond its grounds.

    Codes: "uncited" (nothing to stand on), "unsupported_word: X", "unsupported_name: X", "unsupported_number: X",
    "unsupported_date: X", "unsupported_quote: X", "unsupported_value: X" (a catalogue value or title not cited),
    "unsupported_claim: X" (recently, mostly, always, rising … that the facts do not bear out), "flipped_polarity: X",
    "wrong_pairing: X with Y", "sensitive: TRAIT". `language` must be the one that the grounds were built for.
    """
    language = language or grounds.language
    if language.code != grounds.language.code:
        raise ValueError(f"grounds are in {grounds.language.code}, text is to be read in {language.code}")
    problems: list[str] = []
    for sentence in split_sentences(text):
        problems += _Sentence(sentence, grounds, language, catalogue).problems()
    return list(dict.fromkeys(problems))


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, in any of the languages; marks inside titles may cut one in two only before a capital."""
    return [part.strip() for part in _SENTENCE.split(text.strip()) if part and part.strip()]


class _Sentence:
    def __init__(self, text: str, grounds: Grounds, language: Language, catalogue: Lexicon) -> None:
        self.text, self.grounds, self.language, self.catalogue = text, grounds, language, catalogue
        self.found: list[str] = []
        self.tokens = tokens_of(text)
        self.stems = [stem(t.folded, language.code) for t in self.tokens]
        self.folded = [t.folded for t in self.tokens]
        self._said_tags: Tags | None = None
        self.taken: dict[int, tuple[int, Segment | None]] = {}

    def problems(self) -> list[str]:
        self._quotes()
        segments = self._segments()
        if not self.found:
            self._capitals(segments)
        self._polarity(segments)
        self._claims(segments)
        self._pairs(segments)
        named = [
            (self.tokens[s.start].start, self.tokens[s.end - 1].end, s.quoted or s.phrase.kind == "title")
            for s in segments
            if s.phrase is not None
        ]
        if trait := sensitive_in(self.text, self.language, named):
            self.found.append(f"sensitive: {trait}")
        return self.found

    # ------------------------------------------------------------ quotations

    def _quotes(self) -> None:
        for match in _QUOTED.finditer(self.text):
            group = next(i for i, g in enumerate(match.groups(), 1) if g)
            start, end = match.span(group)
            inside = [i for i, t in enumerate(self.tokens) if t.start >= start and t.end <= end]
            if not inside:
                continue
            first, last = inside[0], inside[-1] + 1
            key = tuple(
                s for s, t in zip(self.stems[first:last], self.tokens[first:last], strict=True) if t.kind != "mark"
            )
            phrase = self.grounds.phrases.get(key)
            said = " ".join(key)
            if phrase is None and not any(f" {said} " in f" {review} " for review in self.grounds.reviews):
                self.found.append(f"unsupported_quote: {match.group(group)}")
            kind: SegmentKind = "phrase" if phrase else "word"
            segment = Segment(kind, match.group(group), first, last, phrase=phrase, quoted=True)
            self.taken[first] = (last, segment)

    # ------------------------------------------------------------ segments

    def _segments(self) -> list[Segment]:
        found: list[Segment] = []
        at, stop = 0, len(self.tokens)
        while at < stop:
            if at in self.taken:
                at, segment = self.taken[at]
                found += [segment] if segment else []
            elif self.tokens[at].kind == "cjk":
                end = at + 1
                while end < stop and self.tokens[end].kind == "cjk" and end not in self.taken:
                    end += 1
                found += self._cjk(at, end)
                at = end
            else:
                segment = self._next(at)
                found.append(segment)
                at = segment.end
        return found

    def _gap(self, at: int, end: int) -> bool:
        return any(t.kind == "mark" and t.text in ",;.()，；。（）" for t in self.tokens[at:end])

    def _next(self, at: int) -> Segment:
        token = self.tokens[at]
        if token.kind == "mark":
            return self._mark(at)
        if token.kind == "date":
            return self._date(at)
        words, positions = self._run(at)
        folded = [self.folded[i] for i in positions]
        phrase = self.grounds.phrases.longest(words, 0)
        lexical = self.language.lexicon.longest(folded, 0)
        foreign = self._foreign(at, words, positions)
        p, w, f = phrase[0] if phrase else 0, lexical[0] if lexical else 0, foreign[0] if foreign else 0
        if foreign and f > p and f >= w:
            end = positions[f - 1] + 1
            self.found.append(f"unsupported_value: {foreign[1]}")
            return Segment("unknown", self._said(at, end), at, end)
        if phrase and self._is_title_only(phrase[1], at, positions[p - 1] + 1):
            phrase, p = None, 0
        if phrase and p >= w and not (lexical and p == 1 and not self._named(at) and lexical[1] & _BOUND):
            end = positions[p - 1] + 1
            return Segment(
                "phrase", self._said(at, end), at, end, lexical[1] if lexical and w == p else frozenset(), phrase[1]
            )
        number = self._number(at)
        if number is not None and not (lexical and w > number.end - at):
            return number
        month = self._month(at) if self._named(at) or self.language.code != "en" else None
        if month is not None:
            return month
        if lexical:
            end = positions[w - 1] + 1
            return Segment("word", self._said(at, end), at, end, lexical[1])
        if words[0] in self.grounds.words:
            return Segment("word", token.text, at, at + 1, frozenset({"grounded"}))
        if words[0] in self.grounds.title_words and (self._named(at) or token.kind == "number"):
            return Segment("word", token.text, at, at + 1, frozenset({"name"}))
        kind = (
            "number"
            if token.kind == "number"
            else "name"
            if self._named(at) and self.language.capital_names
            else "word"
        )
        self.found.append(f"unsupported_{kind}: {self._compound(at)}")
        return Segment("unknown", token.text, at, at + 1)

    def _compound(self, at: int) -> str:
        """The whole of a hyphenated word, for the message."""
        start, end = at, at + 1
        while (
            start >= 2
            and self.tokens[start - 1].text == "-"
            and not self.tokens[start].spaced
            and not self.tokens[start - 1].spaced
        ):
            start -= 2
        while (
            end + 1 < len(self.tokens)
            and self.tokens[end].text == "-"
            and not self.tokens[end].spaced
            and not self.tokens[end + 1].spaced
        ):
            end += 2
        return self._said(start, end)

    def _run(self, at: int) -> tuple[list[str], list[int]]:
        """Stems from here to the next comma or quotation, marks left out, with their token positions."""
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

    def _foreign(self, at: int, words: list[str], positions: list[int]) -> tuple[int, str] | None:
        """The longest catalogue value or title here that is not the grounds', as (length, value)."""
        best: tuple[int, str] | None = None
        for length, value in self.catalogue.values.lengths(words, 0):
            key = tuple(words[:length])
            if key in self.grounds.phrases or self._gap(positions[0], positions[length - 1]):
                continue
            if length == 1 and self._common(at):
                continue
            best = (length, value)
            break
        for length, title in self.catalogue.titles.lengths(words, 0):
            if best and length <= best[0]:
                break
            key = tuple(words[:length])
            if key in self.grounds.phrases or self._gap(positions[0], positions[length - 1]):
                continue
            if self._capitalised(positions[:length]):
                return length, title
        return best

    def _common(self, at: int) -> bool:
        """A word of the language's frame, in lower case: it is not taken for a value that is spelled alike."""
        token = self.tokens[at]
        tags = self.language.lexicon.get((token.folded,)) or frozenset()
        return (not token.capital or at == 0 or not self.language.capital_names) and bool(
            tags & _FRAME or token.folded in self.language.person
        )

    def _capitalised(self, positions: Sequence[int]) -> bool:
        """Whether these tokens are written as a name: capitals past the first word, not all of them plain words."""
        tokens = [self.tokens[i] for i in positions]
        if self.language.cjk:
            known = self.language.lexicon.get(tuple(t.folded for t in tokens))
            return len(tokens) > 1 and known is None
        capitals = [t.capital for t in tokens if t.kind == "word"]
        if not capitals:
            return len(tokens) > 1
        if not self.language.capital_names:
            return all(capitals) and not all((t.folded,) in self.language.lexicon for t in tokens)
        start = positions[0] == 0
        counted = capitals[1:] if start and len(capitals) > 1 else capitals
        if start and len(capitals) == 1:
            return (tokens[0].folded,) not in self.language.lexicon
        return any(counted) and sum(capitals) * 2 >= len(capitals)

    def _is_title_only(self, phrase: Phrase, at: int, end: int) -> bool:
        """A title's words in lower case are prose, not the title: "heat" is not "Heat"."""
        if phrase.kind != "title" or self.language.cjk:
            return False
        return not any(t.capital or t.kind == "number" for t in self.tokens[at:end])

    def _named(self, at: int) -> bool:
        return self.tokens[at].capital and at > 0

    def _said(self, at: int, end: int) -> str:
        return self.text[self.tokens[at].start : self.tokens[end - 1].end]

    def _mark(self, at: int) -> Segment:
        return Segment("mark", self.tokens[at].text, at, at + 1)

    # ------------------------------------------------------------ numbers and dates

    def _number(self, at: int) -> Segment | None:
        """A number in digits or words, a percentage or a fraction; checked against all of the grounds."""
        token, language = self.tokens[at], self.language
        if fraction := language.fractions.longest(self.folded, at):
            length, share = fraction
            said = self._said(at, at + length)
            near = tuple(p for o in self.grounds.origins for p in self._percents(o) if abs(p - 100 * share) <= 3)
            if near:
                return Segment("number", said, at, at + length, frozenset({"percent"}), numbers=near)
            if (token.kind != "number" and share != 0.5) or share == 0.5:
                if (token.folded,) in language.lexicon and share != 0.5:
                    return None
                self.found.append(f"unsupported_number: {said}")
                return Segment("unknown", said, at, at + length)
        if self._beside_month(at):
            return Segment("word", token.text, at, at + 1)
        if token.kind == "number":
            values = readings(token.text, language.decimal_comma)
        elif token.folded in language.numbers and not (language.numbers[token.folded] == 1 and self._is_word(at)):
            values = (language.numbers[token.folded],)
        else:
            return None
        end = at + 1
        if end < len(self.tokens) and self.tokens[end].folded in language.percent:
            end += 1
            tags, known = frozenset({"percent"}), [self._percents(o) for o in self.grounds.origins]
        else:
            tags, known = frozenset[str](), [o.numbers | o.scale for o in self.grounds.origins]
        good = tuple(v for v in values if any(round(v, 4) in numbers for numbers in known))
        said = self._said(at, end)
        if good:
            return Segment("number", said, at, end, tags, numbers=good)
        if token.kind != "number" and ((token.folded,) in language.lexicon or values[0] == self._listed()):
            # "one of", "both", or the count of what the sentence lists.
            return Segment("word", said, at, end)
        if token.kind == "number" and token.text in self.grounds.title_words and not tags:
            return Segment("word", said, at, end, frozenset({"name"}))
        self.found.append(f"unsupported_number: {said}")
        return Segment("unknown", said, at, end)

    def _is_word(self, at: int) -> bool:
        """A number word that is a pronoun or article too: "one"."""
        return (self.tokens[at].folded,) in self.language.lexicon

    def _percents(self, o: Origin) -> frozenset[float]:
        """Percentages that may be said of an origin: everybody's and ratings' only where the sentence names them."""
        said = self._tags()
        return o.percents | (o.usual if "baseline" in said else _NONE) | (o.judged if said & _TASTE else _NONE)

    def _tags(self) -> Tags:
        if self._said_tags is None:
            found = (self.language.lexicon.longest(self.folded, i) for i in range(len(self.tokens)))
            self._said_tags = frozenset().union(*(match[1] for match in found if match))
        return self._said_tags

    def _beside_month(self, at: int) -> bool:
        """A day or year that belongs to a month's name, which `_month` checks as a whole."""
        if self.tokens[at].kind != "number" or not self.tokens[at].text.isdigit():
            return False
        near = [t for t in self.tokens[max(0, at - 4) : at + 3] if t.kind != "mark"]
        place = next(i for i, t in enumerate(near) if t.start == self.tokens[at].start)
        for step in (1, -1):
            i = place + step
            while 0 <= i < len(near) and (near[i].folded in _DAY_WORDS or (near[i].kind == "number" and step < 0)):
                i += step
            if 0 <= i < len(near) and near[i].folded in self.language.months and self._is_month(near[i].start):
                return True
        return False

    def _is_month(self, start: int) -> bool:
        token = next(t for t in self.tokens if t.start == start)
        return token.capital or self.language.code != "en"

    def _listed(self) -> int:
        """How many different phrases of the grounds the sentence mentions."""
        seen = set()
        for at in range(len(self.tokens)):
            if self.tokens[at].kind != "mark":
                words, _ = self._run(at)
                if match := self.grounds.phrases.longest(words, 0):
                    seen.add(match[1].text)
        return len(seen)

    def _date(self, at: int) -> Segment:
        token = self.tokens[at]
        parts = [int(p) for p in _DATE_PARTS.findall(token.text)]
        orders: list[PartialDate]
        if parts[0] > 999:
            padded: list[int | None] = [*parts, None, None]
            orders = [(padded[0], padded[1], padded[2])]
        else:
            day, month, year = parts
            orders = [(year, month, day), (year, day, month)] if self.language.code == "en" else [(year, month, day)]
        owners = self._dated(orders)
        if not owners and orders[0][1] is None:
            owners = frozenset(i for i, o in enumerate(self.grounds.origins) if float(parts[0]) in o.numbers)
        if not owners:
            self.found.append(f"unsupported_date: {token.text}")
        return Segment("number", token.text, at, at + 1, frozenset({"date"}), owners=owners)

    def _dated(self, dates: Sequence[PartialDate]) -> frozenset[int]:
        """Origins that have one of these dates, as far as they are given."""
        return frozenset(
            i
            for i, o in enumerate(self.grounds.origins)
            if any(_same_date(partial, date) for partial in dates for date in o.dates)
        )

    def _month(self, at: int) -> Segment | None:
        """A month's name, with a day before or after it and a year after, as far as they stand there."""
        month = self.language.months.get(self.folded[at])
        if month is None or (
            self.language.capital_names and self.language.code == "en" and not self.tokens[at].capital
        ):
            return None
        year = day = None
        for token in self.tokens[at + 1 : at + 5]:
            if token.kind == "number" and token.text.isdigit():
                if len(token.text) == 4:
                    year = int(token.text)
                    break
                day = day or int(token.text)
            elif token.kind == "word" and token.folded not in ("de", "del", "of"):
                break
        for token in reversed(self.tokens[max(0, at - 3) : at]):
            if token.kind == "number" and token.text.isdigit() and len(token.text) <= 2:
                day = day or int(token.text)
            if token.folded not in _DAY_WORDS:
                break
        owners = self._dated([(year, month, day)])
        if not owners:
            self.found.append(f"unsupported_date: {self.tokens[at].text}")
        return Segment("number", self.tokens[at].text, at, at + 1, frozenset({"date"}), owners=owners)

    # ------------------------------------------------------------ CJK

    def _cjk(self, at: int, end: int) -> list[Segment]:
        """The segmentation of a run of CJK characters with the fewest unknown characters, then the fewest pieces."""
        korean = self.language.code == "ko"
        best: list[tuple[float, int, Segment | None]] = [(0.0, at, None), *([(1e9, at, None)] * (end - at))]
        for i in range(at, end):
            cost = best[i - at][0]
            if cost >= 1e9:
                continue
            before = best[i - at][2]
            starts_word = (
                korean
                and self.tokens[i].spaced
                and not (i and self.tokens[i - 1].kind in ("number", "mark", "word") and not self.tokens[i].spaced)
            )
            for length, segment, price in self._pieces(i, end, starts_word, before):
                j = i + length - at
                if j <= end - at and cost + price < best[j][0]:
                    best[j] = (cost + price, i, segment)
        pieces: list[Segment] = []
        j = end
        while j > at:
            _, i, piece = best[j - at]
            if piece:
                pieces.append(piece)
            j = i
        pieces.reverse()
        return self._merge_unknown(pieces)

    def _pieces(
        self, i: int, end: int, starts_word: bool, before: Segment | None
    ) -> Iterator[tuple[int, Segment, float]]:
        text = self.text
        window = self.folded[i : min(end, i + 24)]

        def said(length: int) -> str:
            return text[self.tokens[i].start : self.tokens[i + length - 1].end]

        for length, phrase in self.grounds.phrases.lengths(window, 0):
            yield length, Segment("phrase", said(length), i, i + length, phrase=phrase), 1.0 if length > 1 else 1.4
        for length, tags in self.language.lexicon.lengths(window, 0):
            if self.language.code == "ko" and tags == _PARTICLE and (starts_word or self._crosses(i, length)):
                continue
            yield length, Segment("word", said(length), i, i + length, tags), 1.1 if length > 1 else 1.5
        for table in (self.catalogue.values, self.catalogue.titles):
            for length, name in table.lengths(window, 0):
                key = tuple(window[:length])
                if length > 1 and key not in self.grounds.phrases and key not in self.language.lexicon:
                    yield length, Segment("unknown", f"\0{name}", i, i + length), 1.05
        if fraction := self.language.fractions.longest(window, 0):
            length, share = fraction
            near = tuple(p for o in self.grounds.origins for p in self._percents(o) if abs(p - 100 * share) <= 3)
            if near:
                tags = frozenset({"percent"})
                yield length, Segment("number", said(length), i, i + length, tags, numbers=near), 1.0
        if window[0] in self.grounds.words and len(window[0]) > 0:
            yield 1, Segment("word", said(1), i, i + 1, frozenset({"grounded"})), 3.0
        if (numeral := self.language.numbers.get(window[0])) is not None and any(
            numeral in o.numbers for o in self.grounds.origins
        ):
            yield 1, Segment("number", said(1), i, i + 1, numbers=(numeral,)), 1.45
        yield 1, Segment("unknown", said(1), i, i + 1), 100.0

    def _crosses(self, i: int, length: int) -> bool:
        return any(t.spaced for t in self.tokens[i + 1 : i + length])

    def _merge_unknown(self, pieces: list[Segment]) -> list[Segment]:
        merged: list[Segment] = []
        for piece in pieces:
            if piece.text.startswith("\0"):
                self.found.append(f"unsupported_value: {piece.text[1:]}")
                merged.append(piece)
            elif (
                piece.kind == "unknown"
                and merged
                and merged[-1].kind == "unknown"
                and merged[-1].end == piece.start
                and not merged[-1].text.startswith("\0")
            ):
                merged[-1] = replace(merged[-1], text=merged[-1].text + piece.text, end=piece.end)
            else:
                merged.append(piece)
        for piece in merged:
            if piece.kind == "unknown" and not piece.text.startswith("\0"):
                self.found.append(f"unsupported_word: {piece.text}")
        return merged

    # ------------------------------------------------------------ names

    def _capitals(self, segments: list[Segment]) -> None:
        """Capitalised words that the grounds do not have as a name, in languages where capitals mean names."""
        if not self.language.capital_names:
            return
        for s in segments:
            token = self.tokens[s.start]
            if s.kind != "word" or s.quoted or not self._named(s.start) or "name" in s.tags or "grounded" in s.tags:
                continue
            before = self.tokens[s.start - 1]
            if (
                (before.kind == "mark" and before.text in ".!?:…")
                or token.folded in self.language.months
                or token.text == "I"
            ):
                continue
            if token.folded in _ARTICLES and s.end < len(self.tokens) and self.tokens[s.end].capital:
                continue
            self.found.append(f"unsupported_name: {s.text}")
        names: list[Segment] = []
        for s in [*segments, Segment("mark", "", 0, 0)]:
            if s.kind == "word" and "name" in s.tags:
                names.append(s)
                continue
            if names:
                key = tuple(self.stems[n.start] for n in names)
                if not self._part_of_title(key):
                    self.found.append(f"unsupported_name: {' '.join(n.text for n in names)}")
                names = []

    def _part_of_title(self, key: tuple[str, ...]) -> bool:
        said = " ".join(key)
        return any(f" {said} " in f" {title} " for title in self.grounds.title_lines)

    # ------------------------------------------------------------ polarity

    def _pieces_of(self, segments: list[Segment]) -> list[tuple[list[Segment], bool]]:
        """Clauses cut at commas and conjunctions, each with whether a "but" opens it."""
        pieces: list[tuple[list[Segment], bool]] = []
        current: list[Segment] = []
        opened = False
        for s in segments:
            if (s.kind == "mark" and s.text in _STRONG | _SOFT) or ("split" in s.tags and not s.phrase):
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

    def _sign(self, at: int, piece: list[Segment]) -> int:
        """1 or -1 of the taste word at a place, negations in its piece applied."""
        sign = 1 if "like" in piece[at].tags else -1
        if "like" in piece[at].tags and "dislike" in piece[at].tags:
            return 0
        previous = max((i for i in range(at) if piece[i].tags & _TASTE), default=-1)
        following = next((i for i in range(at + 1, len(piece)) if piece[i].tags & _TASTE), len(piece))
        where = self.language.negation
        around = piece[previous + 1 if where != "after" else max(previous + 1, at - 1) : at]
        if where != "before":
            around = [*around, *piece[at + 1 : following]]
        return -sign if any(_denies(s) for s in around) else sign

    def _polarity(self, segments: list[Segment]) -> None:
        pieces = self._pieces_of(segments)
        signs: list[int | None] = []
        own: list[bool] = []
        for piece, _ in pieces:
            taste = [i for i, s in enumerate(piece) if s.tags & _TASTE and not s.phrase and not s.quoted]
            own.append(bool(taste))
            signs.append(self._sign(taste[-1], piece) if taste else None)
        for n, (piece, opened) in enumerate(pieces):
            self._compare(piece)
            if own[n]:
                self._bind(piece)
                continue
            before = next((signs[k] for k in range(n - 1, -1, -1) if signs[k] is not None), None)
            after = None
            for k in range(n + 1, len(pieces)):
                if pieces[k][1] or signs[k] is not None:
                    after = None if pieces[k][1] else signs[k]
                    break
            sign = (after or before) if self.language.verb_last else (before or after)
            denials = [s for s in piece if _denies(s)]
            negated = len(denials) % 2
            plain = [s for s in denials if not s.tags & CLAIMS]
            if len(plain) % 2 and any("verb" in s.tags for s in piece) and any(s.phrase for s in piece):
                # What is cited was watched, rated, bought: it cannot be said that it was not.
                self.found.append(f"unsupported_claim: {plain[0].text}")
            if sign is not None and negated:
                base = before if before is not None else after
                sign = -(base or 0)
            elif opened and not negated:
                sign = None
            contrast = False
            for s in piece:
                contrast = contrast or "contrast" in s.tags
                if not contrast:
                    self._agree(s, sign)

    def _bind(self, piece: list[Segment]) -> None:
        """Each phrase takes the sign of the taste word before it, else of the next (the other way round in Korean)."""
        taste = [i for i, s in enumerate(piece) if s.tags & _TASTE and not s.phrase and not s.quoted]
        contrast = [i for i, s in enumerate(piece) if "contrast" in s.tags]
        for i, s in enumerate(piece):
            if s.phrase is None:
                continue
            before = [t for t in taste if t < i]
            after = [t for t in taste if t > i]
            nearest = (after[:1] or before[-1:]) if self.language.verb_last else (before[-1:] or after[:1])
            if not nearest or any(nearest[0] < c < i for c in contrast):
                continue
            sign = self._sign(nearest[0], piece)
            between = piece[nearest[0] + 1 : i] if self.language.negation == "before" else []
            self._agree(s, -sign if any(_denies(b) for b in between) else sign)

    def _compare(self, piece: list[Segment]) -> None:
        """ "More comedy than drama": what is said to be more must be, by count or strength."""
        at = next((i for i, s in enumerate(piece) if "contrast" in s.tags), None)
        if at is None or any("less" in s.text.casefold().split() for s in piece[:at]):
            return
        left, right = self._facts(piece[:at]), self._facts(piece[at:])
        for more in left:
            for less in right:
                same = more.polarity == less.polarity and "event" not in (more.kind, less.kind)
                if same and (more.count or 0) < (less.count or 0) and (more.strength or 0) < (less.strength or 0):
                    self.found.append(f"unsupported_claim: {piece[at].text}")
                    return

    def _agree(self, segment: Segment, sign: int | None) -> None:
        if not sign or segment.phrase is None or segment.phrase.kind == "person":
            return
        origins = [self.grounds.origins[i] for i in segment.phrase.origins]
        judged = [o for o in origins if o.kind in ("fact", "preference")] or [o for o in origins if o.polarity]
        if judged and all(o.polarity == -sign for o in judged):
            self.found.append(f"flipped_polarity: {segment.phrase.text}")

    # ------------------------------------------------------------ claims of extent, trend and time

    def _claims(self, segments: list[Segment]) -> None:
        pieces = self._pieces_of(segments)
        everywhere = self._facts([s for piece, _ in pieces for s in piece])
        for piece, _ in pieces:
            for i, s in enumerate(piece):
                claims = s.tags & CLAIMS
                if not claims or s.phrase or s.quoted:
                    continue
                if "only" in claims and any(later.kind == "number" for later in piece[i + 1 :]):
                    # "only 1 of 5" belittles a number that is checked on its own.
                    continue
                if (
                    any(tag.startswith("group:") and self._labelled(tag) for tag in s.tags)
                    or s.text.casefold() in self.grounds.labels
                ):
                    continue
                here = self._facts(piece)
                if not all(self._backed(claim, here, everywhere, piece, i) for claim in claims):
                    self.found.append(f"unsupported_claim: {s.text}")
            for s in piece:
                groups = [tag for tag in s.tags if tag.startswith("group:")]
                if groups and not s.tags - frozenset(groups) and not any(self._labelled(g) for g in groups):
                    word = self.stems[s.start]
                    if s.end - s.start > 1 or word not in self.grounds.words:
                        self.found.append(f"unsupported_word: {s.text}")

    def _labelled(self, group: str) -> bool:
        """Whether a habit in the grounds has this group's label."""
        return group.removeprefix("group:").replace("_", " ") in self.grounds.labels

    def _facts(self, segments: Sequence[Segment]) -> list[Origin]:
        found = {i: self.grounds.origins[i] for s in segments if s.phrase for i in s.phrase.origins}
        return [o for o in found.values() if o.kind in ("fact", "preference", "event")]

    def _backed(self, claim: str, here: list[Origin], everywhere: list[Origin], piece: list[Segment], at: int) -> bool:
        facts = [o for o in here if o.kind != "event"]
        if facts:
            return all(self._holds(claim, o, piece, at) for o in facts)
        wider = [o for o in everywhere if o.kind != "event"] or [self.grounds.origins[i] for i in self.grounds.facts]
        events = [o for o in (here or everywhere) if o.kind == "event"]
        if claim == "recent" and events:
            return any(self._holds(claim, o, piece, at) for o in events)
        if claim == "often" and len(events) >= OFTEN:
            return True
        if claim in ("broad", "narrow"):
            return self._holds(claim, Origin("", "note"), piece, at)
        return any(self._holds(claim, o, piece, at) for o in wider)

    def _holds(self, claim: str, o: Origin, piece: list[Segment], at: int) -> bool:
        """Whether one cited thing bears a claim out."""
        share = o.share
        if claim in ("rising", "fading", "steady"):
            return o.trend == claim
        if claim == "recent":
            near = (
                self.grounds.as_of is not None
                and o.last_seen is not None
                and self.grounds.as_of - o.last_seen <= RECENT
            )
            return o.trend == "rising" or near
        if claim == "majority":
            # "most of which they enjoyed" speaks of the value's own events.
            kind = o.positive if o.polarity > 0 else o.negative
            judged = any(s.tags & _TASTE for s in piece[at + 1 :]) and o.count and kind is not None
            return (share is not None and share > 0.5) or bool(judged and (kind or 0) * 2 > (o.count or 0))
        if claim == "only":
            return share is not None and share >= ALL_SHARE
        if claim == "always":
            one_sided = o.count is not None and o.count >= OFTEN and o.count in (o.positive, o.negative)
            return one_sided or (share is not None and share >= ALL_SHARE)
        if claim == "never":
            taste = any(s.tags & _TASTE for s in piece[at + 1 : at + 4])
            return taste and (o.positive == 0 or o.negative == 0)
        if claim == "often":
            return o.count is not None and o.count >= OFTEN
        if claim == "rare":
            few = share is not None and share < RARE_SHARE
            return few and (o.polarity < 0 or not any(s.tags & _TASTE for s in piece))
        if claim == "superlative":
            rivals = [r for i in self.grounds.facts if (r := self.grounds.origins[i]).polarity == o.polarity]
            return any(
                own is not None and all((theirs or 0) <= own for theirs in others)
                for own, others in (
                    (o.count, [r.count for r in rivals]),
                    (o.strength, [r.strength for r in rivals]),
                )
            )
        group = "group:broad" if claim == "broad" else "group:narrow"
        liked = [i for i in self.grounds.facts if self.grounds.origins[i].polarity > 0]
        return self._labelled(group) or (claim == "broad" and len(liked) >= 4)

    # ------------------------------------------------------------ what belongs together

    def _pairs(self, segments: list[Segment]) -> None:
        """Numbers beside what a piece speaks of must be its own; titles given as examples must carry the value."""
        pieces: list[list[Segment]] = [[]]
        for s in segments:
            if (s.kind == "mark" and s.text in _STRONG | frozenset(",，、")) or (
                s.tags & {"split", "reset", "exemplify"} and not s.phrase
            ):
                pieces.append([])
            else:
                pieces[-1].append(s)
        mentioned = {i for s in segments if s.phrase for i in s.phrase.origins}
        for piece in pieces:
            phrases = [s for s in piece if s.phrase]
            titles = [s for s in phrases if s.phrase and s.phrase.kind == "title"]
            subject = titles or phrases
            for s in piece:
                if s.kind != "number":
                    continue
                owners = self._owners(s, [n for n in piece if n.kind == "number" and n is not s])
                beside = {i for t in subject if t.phrase for i in t.phrase.origins}
                counted = next((t for t in piece if t.start == s.end and t.phrase and t.phrase.kind == "value"), None)
                if counted is not None and counted.phrase is not None and "percent" not in s.tags:
                    # "4 comedies" is a count: a rating of 4 does not bear it out, four cited comedies do.
                    events = {i for i in counted.phrase.origins if self.grounds.origins[i].kind == "event"}
                    if float(len(events)) not in s.numbers:
                        owners = {i for i in owners if self.grounds.origins[i].kind in ("fact", "preference")} or {-1}
                if not owners or not mentioned or owners & (beside or mentioned):
                    continue
                if -1 not in owners and all(self.grounds.origins[i].kind in ("note", "trait") for i in owners):
                    continue
                about = subject[0].text if subject else segments_text(segments)
                self.found.append(f"wrong_pairing: {s.text} with {about}")
        self._examples(segments)

    def _owners(self, s: Segment, others: Sequence[Segment]) -> set[int]:
        """Origins that have this number; the top of a scale only beside a rating of its own ("1 of 5")."""

        def has(numbers: frozenset[float], segment: Segment) -> bool:
            return any(round(n, 4) in numbers for n in segment.numbers)

        if "date" in s.tags:
            return set(s.owners)
        if "percent" in s.tags:
            return {i for i, o in enumerate(self.grounds.origins) if has(self._percents(o), s)}
        return {
            i
            for i, o in enumerate(self.grounds.origins)
            if has(o.numbers, s) or (has(o.scale, s) and any(has(o.numbers, other) for other in others))
        }

    def _examples(self, segments: list[Segment]) -> None:
        """A value said of a title ("the horror film “X”", "comedies such as “Y”") must be one that its item carries."""
        for n, s in enumerate(segments):
            if s.phrase is None or s.phrase.kind != "title":
                continue
            value = self._value_before(segments, n) or self._value_after(segments, n)
            if value is None or value.phrase is None:
                continue
            items = [i for i in s.phrase.origins if self.grounds.origins[i].kind in ("event", "item")]
            valued = [i for i in items if i in self.grounds.valued]
            if valued and not value.phrase.origins & set(valued):
                self.found.append(f"wrong_pairing: {value.phrase.text} with {s.phrase.text}")

    def _value_before(self, segments: list[Segment], n: int) -> Segment | None:
        """The value said of the title at `n`: nothing but nouns, articles and "such as" between them."""
        comma = example = False
        for back in range(n - 1, max(-1, n - 6), -1):
            s = segments[back]
            if s.phrase is not None:
                return s if s.phrase.kind == "value" and (example or not comma) else None
            if s.kind == "mark" and s.text in ",，、":
                comma = True
            elif "exemplify" in s.tags:
                example = True
            elif not (
                (s.kind == "mark" and (s.text in _QUOTES or s.text in _QUOTES.values() or s.text in "(（"))
                or ("noun" in s.tags and not s.tags & _TASTE)
                or s.text.casefold() in _ARTICLES
            ):
                return None
        return None

    def _value_after(self, segments: list[Segment], n: int) -> Segment | None:
        """The value that a title is said to be: "“X” is a horror film", "“X”, a horror film"."""
        said = False
        for s in segments[n + 1 : n + 7]:
            word = s.text.casefold()
            if s.phrase is not None:
                return s if said and s.phrase.kind == "value" else None
            if word in self.language.attribute_verbs or word in _ONE:
                said = True
            elif not (word in _ARTICLES or (s.kind == "mark" and (s.text in _QUOTES.values() or s.text in '",，'))):
                return None
        return None


def segments_text(segments: Sequence[Segment]) -> str:
    return next((s.text for s in segments if s.phrase), "the rest")


def _denies(s: Segment) -> bool:
    return "negation" in s.tags and not s.tags & _TASTE and "neutralizing" not in s.tags


def _same_date(partial: PartialDate, date: Date) -> bool:
    return all(part is None or part == whole for part, whole in zip(partial, date, strict=True))


_NONE: frozenset[float] = frozenset()
_TASTE = frozenset({"like", "dislike"})
_FRAME = frozenset({"function", "like", "dislike", "negation", "particle"}) | CLAIMS
_BOUND = frozenset({"function", "like", "dislike", "negation", "contrast", "reset"})
_PARTICLE = frozenset({"particle"})
_DAY_WORDS = frozenset({"de", "del", "of", "the", "st", "nd", "rd", "th", "er", "."})
"""What may stand between a day and its month."""
_ONE = frozenset({"a", "an", "un", "une", "una", "ein", "eine"})
_ARTICLES = frozenset({"the", "a", "an", "ein", "eine", "le", "la", "les", "l", "el", "los", "las", "un", "une", "una"})
