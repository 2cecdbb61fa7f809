"""Reading a text against its grounds: every word, number, name, quotation, date, polarity and
claim.

A text is cut into segments by longest match over the grounds, the catalogue and the language's
lexicon; what is left over is refused. Segments are then read clause by clause for polarity, claims
of extent and trend, and numbers that belong to something else than what they stand beside.
"""

import re

from limner.verify.extent import check_extent
from limner.verify.grounds import EMPTY_LEXICON, Grounds, Lexicon
from limner.verify.names import check_names
from limner.verify.pairing import check_pairs
from limner.verify.polarity import check_polarity
from limner.verify.sensitive import sensitive_in
from limner.verify.sentence import Sentence
from limner.verify.split_text import cut, take_quotations
from limner.words.language import Language

_SENTENCE = re.compile(
    r"(?<![\W_][A-Z]\.)(?<!\b[DM]r\.)(?<!\bM[rs]s\.)(?<!\bMs\.)(?<!\bSt\.)(?<!\bvs\.)(?<=[.!?])[\"”»’)]*\s+(?=[\"“«„‘(¿¡]*[A-ZÀ-ÞĀ-Ž0-9가-힣])|(?<=[가-힣][.!?])\s+|(?<=[。！？])\s*"
)
_QUOTATION = re.compile(r"“[^”]*”|„[^“”]*[“”]|«[^»]*»|《[^》]*》|「[^」]*」|\"[^\"]*\"")


def check_words(
    text: str,
    grounds: Grounds,
    language: Language | None = None,
    catalogue: Lexicon = EMPTY_LEXICON,
) -> list[str]:
    """Refusal codes for a text of one or more sentences; empty if it says nothing beyond its
    grounds.

    Codes: "uncited" (nothing to stand on), "unsupported_word: X", "unsupported_name: X",
    "unsupported_number: X", "unsupported_date: X", "unsupported_quote: X", "unsupported_value: X"
    (a catalogue value or title not cited), "unsupported_claim: X" (recently, mostly, always, rising
    … that the facts do not bear out), "flipped_polarity: X", "wrong_pairing: X with Y", "sensitive:
    TRAIT". `language` must be the one that the grounds were built for.
    """
    language = language or grounds.language
    if language.code != grounds.language.code:
        raise ValueError(
            f"grounds are in {grounds.language.code}, text is to be read in {language.code}"
        )
    problems: list[str] = []
    for sentence in split_sentences(text):
        problems += _problems(Sentence(sentence, grounds, language, catalogue))
    return list(dict.fromkeys(problems))


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, in any of the languages.

    Marks inside quotations cut nothing; those of titles that stand without may, before a capital.
    """
    text = text.strip()
    quoted = [match.span() for match in _QUOTATION.finditer(text)]
    parts, at = [], 0
    for end in _SENTENCE.finditer(text):
        if not any(first < end.start() < last - 1 for first, last in quoted):
            parts.append(text[at : end.start()])
            at = end.end()
    return [part.strip() for part in (*parts, text[at:]) if part.strip()]


def _problems(sentence: Sentence) -> list[str]:
    take_quotations(sentence)
    segments = cut(sentence)
    if not sentence.found:
        check_names(sentence, segments)
    check_polarity(sentence, segments)
    check_extent(sentence, segments)
    check_pairs(sentence, segments)
    named = [
        (
            sentence.tokens[s.start].start,
            sentence.tokens[s.end - 1].end,
            s.quoted or s.phrase.kind == "title",
        )
        for s in segments
        if s.phrase is not None
    ]
    if trait := sensitive_in(sentence.text, sentence.language, named):
        sentence.found.append(f"sensitive: {trait}")
    return sentence.found
