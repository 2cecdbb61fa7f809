"""Numbers, percentages, fractions and dates in digits and words, each checked against all of the
grounds.
"""

import re
from collections.abc import Sequence

from limner.verify.grounds import Date
from limner.verify.sentence import Segment, Sentence
from limner.words.text import readings

PartialDate = tuple[int | None, int | None, int | None]
"""Year, month, day, as far as a text gives them."""

_DATE_PARTS = re.compile(r"\d+")
_DAY_WORDS = frozenset({"de", "del", "of", "the", "st", "nd", "rd", "th", "er", "."})
"""What may stand between a day and its month."""


def read_number(sentence: Sentence, at: int) -> Segment | None:
    """A number in digits or words, a percentage or a fraction; checked against all of the
    grounds.
    """
    token, language = sentence.tokens[at], sentence.language
    if fraction := language.fractions.longest(sentence.folded, at):
        length, share = fraction
        said = sentence.said(at, at + length)
        near = tuple(
            p
            for o in sentence.grounds.origins
            for p in sentence.percents(o)
            if abs(p - 100 * share) <= 3
        )
        if near:
            return Segment("number", said, at, at + length, frozenset({"percent"}), numbers=near)
        if (token.kind != "number" and share != 0.5) or share == 0.5:
            if (token.folded,) in language.lexicon and share != 0.5:
                return None
            sentence.found.append(f"unsupported_number: {said}")
            return Segment("unknown", said, at, at + length)
    if _beside_month(sentence, at):
        return Segment("word", token.text, at, at + 1)
    if token.kind == "number":
        values = readings(token.text, language.decimal_comma)
    elif token.folded in language.numbers and not (
        language.numbers[token.folded] == 1 and _is_word(sentence, at)
    ):
        values = (language.numbers[token.folded],)
    else:
        return None
    end = at + 1
    if end < len(sentence.tokens) and sentence.tokens[end].folded in language.percent:
        end += 1
        tags, known = (
            frozenset({"percent"}),
            [sentence.percents(o) for o in sentence.grounds.origins],
        )
    else:
        tags, known = frozenset[str](), [o.numbers | o.scale for o in sentence.grounds.origins]
    good = tuple(v for v in values if any(round(v, 4) in numbers for numbers in known))
    said = sentence.said(at, end)
    if good:
        return Segment("number", said, at, end, tags, numbers=good)
    if token.kind != "number" and (
        (token.folded,) in language.lexicon or values[0] == _listed(sentence)
    ):
        # "one of", "both", or the count of what the sentence lists.
        return Segment("word", said, at, end)
    if token.kind == "number" and token.text in sentence.grounds.title_words and not tags:
        return Segment("word", said, at, end, frozenset({"name"}))
    sentence.found.append(f"unsupported_number: {said}")
    return Segment("unknown", said, at, end)


def _is_word(sentence: Sentence, at: int) -> bool:
    """A number word that is a pronoun or article too: "one"."""
    return (sentence.tokens[at].folded,) in sentence.language.lexicon


def _beside_month(sentence: Sentence, at: int) -> bool:
    """A day or year that belongs to a month's name, which `_month` checks as a whole."""
    if sentence.tokens[at].kind != "number" or not sentence.tokens[at].text.isdigit():
        return False
    near = [t for t in sentence.tokens[max(0, at - 4) : at + 3] if t.kind != "mark"]
    place = next(i for i, t in enumerate(near) if t.start == sentence.tokens[at].start)
    for step in (1, -1):
        i = place + step
        while 0 <= i < len(near) and (
            near[i].folded in _DAY_WORDS or (near[i].kind == "number" and step < 0)
        ):
            i += step
        if (
            0 <= i < len(near)
            and near[i].folded in sentence.language.months
            and _is_month(sentence, near[i].start)
        ):
            return True
    return False


def _is_month(sentence: Sentence, start: int) -> bool:
    token = next(t for t in sentence.tokens if t.start == start)
    return token.capital or sentence.language.code != "en"


def _listed(sentence: Sentence) -> int:
    """How many different phrases of the grounds the sentence mentions."""
    seen = set()
    for at in range(len(sentence.tokens)):
        if sentence.tokens[at].kind != "mark":
            words, _ = sentence.run(at)
            if match := sentence.grounds.phrases.longest(words, 0):
                seen.add(match[1].text)
    return len(seen)


def read_date(sentence: Sentence, at: int) -> Segment:
    token = sentence.tokens[at]
    parts = [int(p) for p in _DATE_PARTS.findall(token.text)]
    orders: list[PartialDate]
    if parts[0] > 999:
        padded: list[int | None] = [*parts, None, None]
        orders = [(padded[0], padded[1], padded[2])]
    else:
        day, month, year = parts
        orders = (
            [(year, month, day), (year, day, month)]
            if sentence.language.code == "en"
            else [(year, month, day)]
        )
    owners = _dated(sentence, orders)
    if not owners and orders[0][1] is None:
        owners = frozenset(
            i for i, o in enumerate(sentence.grounds.origins) if float(parts[0]) in o.numbers
        )
    if not owners:
        sentence.found.append(f"unsupported_date: {token.text}")
    return Segment("number", token.text, at, at + 1, frozenset({"date"}), owners=owners)


def _dated(sentence: Sentence, dates: Sequence[PartialDate]) -> frozenset[int]:
    """Origins that have one of these dates, as far as they are given."""
    return frozenset(
        i
        for i, o in enumerate(sentence.grounds.origins)
        if any(_same_date(partial, date) for partial in dates for date in o.dates)
    )


def read_month(sentence: Sentence, at: int) -> Segment | None:
    """A month's name, with a day before or after it and a year after, as far as they stand
    there.
    """
    month = sentence.language.months.get(sentence.folded[at])
    if month is None or (
        sentence.language.capital_names
        and sentence.language.code == "en"
        and not sentence.tokens[at].capital
    ):
        return None
    year = day = None
    for token in sentence.tokens[at + 1 : at + 5]:
        if token.kind == "number" and token.text.isdigit():
            if len(token.text) == 4:
                year = int(token.text)
                break
            day = day or int(token.text)
        elif token.kind == "word" and token.folded not in ("de", "del", "of"):
            break
    for token in reversed(sentence.tokens[max(0, at - 3) : at]):
        if token.kind == "number" and token.text.isdigit() and len(token.text) <= 2:
            day = day or int(token.text)
        if token.folded not in _DAY_WORDS:
            break
    owners = _dated(sentence, [(year, month, day)])
    if not owners:
        sentence.found.append(f"unsupported_date: {sentence.tokens[at].text}")
    return Segment(
        "number", sentence.tokens[at].text, at, at + 1, frozenset({"date"}), owners=owners
    )


def _same_date(partial: PartialDate, date: Date) -> bool:
    return all(part is None or part == whole for part, whole in zip(partial, date, strict=True))
