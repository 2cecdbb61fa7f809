"""Words without spaces: the segmentation of a run of CJK characters that leaves the fewest of them
unknown.
"""

from collections.abc import Iterator
from dataclasses import replace

from limner.verify.sentence import Segment, Sentence

_PARTICLE = frozenset({"particle"})


def cut_cjk(sentence: Sentence, at: int, end: int) -> list[Segment]:
    """The segmentation of a run of CJK characters with the fewest unknown characters, then the
    fewest pieces.
    """
    korean = sentence.language.code == "ko"
    best: list[tuple[float, int, Segment | None]] = [
        (0.0, at, None),
        *([(1e9, at, None)] * (end - at)),
    ]
    for i in range(at, end):
        cost = best[i - at][0]
        if cost >= 1e9:
            continue
        before = best[i - at][2]
        starts_word = (
            korean
            and sentence.tokens[i].spaced
            and not (
                i
                and sentence.tokens[i - 1].kind in ("number", "mark", "word")
                and not sentence.tokens[i].spaced
            )
        )
        for length, segment, price in _pieces(sentence, i, end, starts_word, before):
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
    return _merge_unknown(sentence, pieces)


def _pieces(
    sentence: Sentence, i: int, end: int, starts_word: bool, before: Segment | None
) -> Iterator[tuple[int, Segment, float]]:
    text = sentence.text
    window = sentence.folded[i : min(end, i + 24)]

    def said(length: int) -> str:
        return text[sentence.tokens[i].start : sentence.tokens[i + length - 1].end]

    for length, phrase in sentence.grounds.phrases.lengths(window, 0):
        yield (
            length,
            Segment("phrase", said(length), i, i + length, phrase=phrase),
            1.0 if length > 1 else 1.4,
        )
    for length, tags in sentence.language.lexicon.lengths(window, 0):
        if (
            sentence.language.code == "ko"
            and tags == _PARTICLE
            and (starts_word or _crosses(sentence, i, length))
        ):
            continue
        yield length, Segment("word", said(length), i, i + length, tags), 1.1 if length > 1 else 1.5
    for table in (sentence.catalogue.values, sentence.catalogue.titles):
        for length, name in table.lengths(window, 0):
            key = tuple(window[:length])
            if (
                length > 1
                and key not in sentence.grounds.phrases
                and key not in sentence.language.lexicon
            ):
                yield length, Segment("unknown", f"\0{name}", i, i + length), 1.05
    if fraction := sentence.language.fractions.longest(window, 0):
        length, share = fraction
        near = tuple(
            p
            for o in sentence.grounds.origins
            for p in sentence.percents(o)
            if abs(p - 100 * share) <= 3
        )
        if near:
            tags = frozenset({"percent"})
            yield length, Segment("number", said(length), i, i + length, tags, numbers=near), 1.0
    if window[0] in sentence.grounds.words and len(window[0]) > 0:
        yield 1, Segment("word", said(1), i, i + 1, frozenset({"grounded"})), 3.0
    if (numeral := sentence.language.numbers.get(window[0])) is not None and any(
        numeral in o.numbers for o in sentence.grounds.origins
    ):
        yield 1, Segment("number", said(1), i, i + 1, numbers=(numeral,)), 1.45
    yield 1, Segment("unknown", said(1), i, i + 1), 100.0


def _crosses(sentence: Sentence, i: int, length: int) -> bool:
    return any(t.spaced for t in sentence.tokens[i + 1 : i + length])


def _merge_unknown(sentence: Sentence, pieces: list[Segment]) -> list[Segment]:
    merged: list[Segment] = []
    for piece in pieces:
        if piece.text.startswith("\0"):
            sentence.found.append(f"unsupported_value: {piece.text[1:]}")
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
            sentence.found.append(f"unsupported_word: {piece.text}")
    return merged
