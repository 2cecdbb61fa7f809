"""Cutting a sentence into segments by the longest match over the grounds, the catalogue and the
lexicon.
"""

import re
from collections.abc import Sequence

from limner.verify.cjk import cut_cjk
from limner.verify.grounds import Phrase
from limner.verify.numbers import read_date, read_month, read_number
from limner.verify.sentence import BOUND, FRAME, Segment, SegmentKind, Sentence

_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”“]+)[”“]|„([^“”\"]+)[“”\"]|«\s*([^»]+?)\s*»|»\s*([^«]+?)\s*«|《([^》]+)》|「([^」]+)」|『([^』]+)』|〈([^〉]+)〉"
    r"|‹\s*([^›]+?)\s*›|(?<!\w)['‘]([^'’]+(?:['’]\w[^'’]*)*)['’](?!\w)"
)


def take_quotations(sentence: Sentence) -> None:
    for match in _QUOTED.finditer(sentence.text):
        group = next(i for i, g in enumerate(match.groups(), 1) if g)
        start, end = match.span(group)
        inside = [i for i, t in enumerate(sentence.tokens) if t.start >= start and t.end <= end]
        if not inside:
            continue
        first, last = inside[0], inside[-1] + 1
        key = tuple(
            s
            for s, t in zip(sentence.stems[first:last], sentence.tokens[first:last], strict=True)
            if t.kind != "mark"
        )
        phrase = sentence.grounds.phrases.get(key)
        said = " ".join(key)
        if phrase is None and not any(
            f" {said} " in f" {review} " for review in sentence.grounds.reviews
        ):
            sentence.found.append(f"unsupported_quote: {match.group(group)}")
        kind: SegmentKind = "phrase" if phrase else "word"
        segment = Segment(kind, match.group(group), first, last, phrase=phrase, quoted=True)
        sentence.taken[first] = (last, segment)


def cut(sentence: Sentence) -> list[Segment]:
    found: list[Segment] = []
    at, stop = 0, len(sentence.tokens)
    while at < stop:
        if at in sentence.taken:
            at, segment = sentence.taken[at]
            found.append(segment)
        elif sentence.tokens[at].kind == "cjk":
            end = at + 1
            while end < stop and sentence.tokens[end].kind == "cjk" and end not in sentence.taken:
                end += 1
            mixed = next(filter(None, (_mixed(sentence, i) for i in range(at, end))), None)
            end = mixed.start if mixed else end
            found += cut_cjk(sentence, at, end) if end > at else []
            found += [mixed] if mixed else []
            at = mixed.end if mixed else end
        else:
            segment = _next(sentence, at)
            found.append(segment)
            at = segment.end
    return found


def _mixed(sentence: Sentence, at: int) -> Segment | None:
    """A name in the grounds that begins with characters and goes on with figures or letters: "록키
    4".
    """
    words, positions = sentence.run(at)
    phrase = sentence.grounds.phrases.longest(words, 0)
    if phrase is None or all(sentence.tokens[i].kind == "cjk" for i in positions[: phrase[0]]):
        return None
    end = positions[phrase[0] - 1] + 1
    return Segment("phrase", sentence.said(at, end), at, end, phrase=phrase[1])


def _gap(sentence: Sentence, at: int, end: int) -> bool:
    return any(t.kind == "mark" and t.text in ",;.()，；。（）" for t in sentence.tokens[at:end])


def _next(sentence: Sentence, at: int) -> Segment:
    token = sentence.tokens[at]
    if token.kind == "mark":
        return Segment("mark", sentence.tokens[at].text, at, at + 1)
    if token.kind == "date":
        return read_date(sentence, at)
    words, positions = sentence.run(at)
    folded = [sentence.folded[i] for i in positions]
    phrase = sentence.grounds.phrases.longest(words, 0)
    lexical = sentence.language.lexicon.longest(folded, 0)
    foreign = _foreign(sentence, at, words, positions)
    p, w, f = phrase[0] if phrase else 0, lexical[0] if lexical else 0, foreign[0] if foreign else 0
    if foreign and f > p and f >= w:
        end = positions[f - 1] + 1
        sentence.found.append(f"unsupported_value: {foreign[1]}")
        return Segment("unknown", sentence.said(at, end), at, end)
    if phrase and _is_title_only(sentence, phrase[1], at, positions[p - 1] + 1):
        phrase, p = None, 0
    if (
        phrase
        and p >= w
        and not (lexical and p == 1 and not sentence.named(at) and lexical[1] & BOUND)
    ):
        end = positions[p - 1] + 1
        return Segment(
            "phrase",
            sentence.said(at, end),
            at,
            end,
            lexical[1] if lexical and w == p else frozenset(),
            phrase[1],
        )
    number = read_number(sentence, at)
    if number is not None and not (lexical and w > number.end - at):
        return number
    month = (
        read_month(sentence, at) if sentence.named(at) or sentence.language.code != "en" else None
    )
    if month is not None:
        return month
    if lexical:
        end = positions[w - 1] + 1
        return Segment("word", sentence.said(at, end), at, end, lexical[1])
    if words[0] in sentence.grounds.words:
        return Segment("word", token.text, at, at + 1, frozenset({"grounded"}))
    if words[0] in sentence.grounds.title_words and (sentence.named(at) or token.kind == "number"):
        return Segment("word", token.text, at, at + 1, frozenset({"name"}))
    kind = (
        "number"
        if token.kind == "number"
        else "name"
        if sentence.named(at) and sentence.language.capital_names
        else "word"
    )
    sentence.found.append(f"unsupported_{kind}: {_compound(sentence, at)}")
    return Segment("unknown", token.text, at, at + 1)


def _compound(sentence: Sentence, at: int) -> str:
    """The whole of a hyphenated word, for the message."""
    start, end = at, at + 1
    while (
        start >= 2
        and sentence.tokens[start - 1].text == "-"
        and not sentence.tokens[start].spaced
        and not sentence.tokens[start - 1].spaced
    ):
        start -= 2
    while (
        end + 1 < len(sentence.tokens)
        and sentence.tokens[end].text == "-"
        and not sentence.tokens[end].spaced
        and not sentence.tokens[end + 1].spaced
    ):
        end += 2
    return sentence.said(start, end)


def _foreign(
    sentence: Sentence, at: int, words: list[str], positions: list[int]
) -> tuple[int, str] | None:
    """The longest catalogue value or title here that is not the grounds', as (length, value)."""
    best: tuple[int, str] | None = None
    for length, value in sentence.catalogue.values.lengths(words, 0):
        key = tuple(words[:length])
        if key in sentence.grounds.phrases or _gap(sentence, positions[0], positions[length - 1]):
            continue
        if length == 1 and _common(sentence, at):
            continue
        best = (length, value)
        break
    for length, title in sentence.catalogue.titles.lengths(words, 0):
        if best and length <= best[0]:
            break
        key = tuple(words[:length])
        if key in sentence.grounds.phrases or _gap(sentence, positions[0], positions[length - 1]):
            continue
        if _capitalised(sentence, positions[:length]):
            return length, title
    return best


def _common(sentence: Sentence, at: int) -> bool:
    """A word of the language's frame, in lower case: it is not taken for a value that is spelled
    alike.
    """
    token = sentence.tokens[at]
    tags = sentence.language.lexicon.get((token.folded,)) or frozenset()
    return (not token.capital or at == 0 or not sentence.language.capital_names) and bool(
        tags & FRAME or token.folded in sentence.language.person
    )


def _capitalised(sentence: Sentence, positions: Sequence[int]) -> bool:
    """Whether these tokens are written as a name: capitals past the first word, not all of them
    plain words.
    """
    tokens = [sentence.tokens[i] for i in positions]
    if sentence.language.cjk:
        known = sentence.language.lexicon.get(tuple(t.folded for t in tokens))
        return len(tokens) > 1 and known is None
    capitals = [t.capital for t in tokens if t.kind == "word"]
    if not capitals:
        return len(tokens) > 1
    if not sentence.language.capital_names:
        return all(capitals) and not all((t.folded,) in sentence.language.lexicon for t in tokens)
    start = positions[0] == 0
    counted = capitals[1:] if start and len(capitals) > 1 else capitals
    if start and len(capitals) == 1:
        return (tokens[0].folded,) not in sentence.language.lexicon
    return any(counted) and sum(capitals) * 2 >= len(capitals)


def _is_title_only(sentence: Sentence, phrase: Phrase, at: int, end: int) -> bool:
    """A title's words in lower case are prose, not the title: "heat" is not "Heat"."""
    if phrase.kind != "title" or sentence.language.cjk:
        return False
    return not any(t.capital or t.kind == "number" for t in sentence.tokens[at:end])
