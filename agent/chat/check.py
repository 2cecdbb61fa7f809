"""The check after a model's answer: what no tool returned goes, sentence by sentence.

A sentence stands where one line of the results (or two) holds all that it says: its numbers, quoted
titles, users, items and values (each under its facet), its tastes and reasons, and the same order
of users where two are compared. Marks that stand for no event of the results are taken out, and a
sentence that needs a mark gets that of its line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from limner.chat.compose import MARK, AnswerLine, sentences
from limner.chat.conversation import Conversation
from limner.chat.reading import QuestionReading, read
from limner.engine import Engine
from limner.words.text import fold, tokens_of

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"[\"“«《「]([^\"”»》」]{2,})[\"”»》」]")
_LISTED = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+", re.MULTILINE)
_NEITHER = re.compile(r"\b(?:do(?:es)?n[o']t know|not known)\b|不知道", re.IGNORECASE)
_KEPT = 0.5
"""Share of an answer's sentences that must stand for it to be given at all."""
_BORNE_OUT = {"like": "like", "dislike": "dislike", "why": "a reason"}
"""Tags of a reading that a line must have too, and how they are named where none has: a taste, and
why something is so, which a small model makes up where a result gives no reason.
"""


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer after the check."""

    text: str
    """Empty where too little stands."""
    dropped: tuple[str, ...] = ()
    """What each sentence that went said that no result holds."""


@dataclass(frozen=True)
class _Held:
    """What one line says."""

    line: AnswerLine
    text: str
    numbers: frozenset[str]
    reading: QuestionReading


def check(
    engine: Engine, text: str, lines: Sequence[AnswerLine], question: str, talk: Conversation
) -> CheckedAnswer:
    """The sentences of a model's answer that the lines bear out."""
    held = [_held(engine, line, talk) for line in lines]
    barred = _unexplained(engine, question, talk).difference(
        token.folded for one in held for token in tokens_of(one.text)
    )
    kept: list[str] = []
    dropped: list[str] = []
    parts = [part for part in sentences(_tidy(text)) if part.strip()]
    for part in parts:
        wrong = next((one.text for one in tokens_of(part) if one.folded in barred), "")
        said = part
        if not wrong:
            said, wrong = _sentence(engine, part, held, question, talk)
        if wrong:
            dropped.append(wrong)
        else:
            kept.append(said)
    if not kept or len(kept) < _KEPT * len(parts):
        return CheckedAnswer("", tuple(dropped))
    return CheckedAnswer("".join(kept).strip(), tuple(dropped))


def _unexplained(engine: Engine, question: str, talk: Conversation) -> frozenset[str]:
    """Words of somebody who may ask of themselves alone that may be another's id, or nobody's: none
    is said again, so that nothing of another is said in their words.
    """
    if talk.only is None:
        return frozenset()
    asked = [question, *(turn.content for turn in talk.turns if turn.role == "user")]
    readings = [read(engine, one, talk.only) for one in asked]
    said = [word for one in readings for word in (*one.strange, *one.nobody, *one.unknown_items)]
    return frozenset(
        token.folded for word in said for token in tokens_of(word) if token.kind != "mark"
    )


def _tidy(text: str) -> str:
    return re.sub(r"\*\*|__|`", "", text).strip()


def _held(engine: Engine, line: AnswerLine, talk: Conversation) -> _Held:
    bare = MARK.sub("", line.text)
    return _Held(line, fold(bare), _numbers(bare), read(engine, bare, talk.only))


def _numbers(text: str) -> frozenset[str]:
    return frozenset(one.replace(",", "") for one in _NUMBER.findall(text))


def _coded(text: str) -> frozenset[str]:
    """Words with digits in them, as ids are."""
    words = (token.folded for token in tokens_of(text) if token.kind == "word")
    return frozenset(word for word in words if any(map(str.isdigit, word)))


def _sentence(
    engine: Engine, sentence: str, held: Sequence[_Held], question: str, talk: Conversation
) -> tuple[str, str]:
    """(the sentence as it may stand, "") or ("", what it says that no line holds)."""
    numbers = {f"{talk.numbers.get(event, 0)}" for one in held for event in one.line.evidence}
    sentence = MARK.sub(lambda mark: mark[0] if mark[1] in numbers else "", sentence)
    sentence = re.sub(
        r"\[e[^\]]*\]", lambda mark: mark[0] if MARK.fullmatch(mark[0]) else "", sentence
    )
    bare = _LISTED.sub("", MARK.sub("", sentence))
    if not re.search(r"\w", bare):
        return sentence, ""
    # As the question was read: where one user alone may be told of, nothing here knows whether
    # there are others.
    said = read(engine, bare, talk.only)
    wrong = ""
    for size in (1, 2):
        for some in combinations(held, min(size, len(held))):
            problem = _unsupported(bare, said, some, question, talk)
            if not problem:
                return _with_marks(sentence, some, talk), ""
            wrong = problem
    return (
        ("", wrong or "no result")
        if not _NEITHER.search(bare) or _names(said, bare)
        else (sentence, "")
    )


def _names(said: QuestionReading, bare: str) -> bool:
    return bool(said.users or said.items or said.values or _numbers(bare))


def _unsupported(
    bare: str, said: QuestionReading, held: Sequence[_Held], question: str, talk: Conversation
) -> str:
    """The first thing of a sentence that these lines do not hold."""
    text = " ".join(one.text for one in held)
    asked = _numbers(question) if talk.only is None else frozenset()
    numbers = asked.union(*(one.numbers for one in held))
    if fold(question).strip(" .?!") in fold(bare):
        return "the question again"
    plain = bare
    for user in said.users:
        plain = plain.replace(user, " ")
    for one in sorted(_numbers(plain) - numbers):
        return one
    if talk.only is not None:
        for one in sorted(_coded(plain) - _coded(text)):
            return one
    for quoted in _QUOTED.findall(bare):
        if fold(quoted).strip(" .,") not in text and fold(quoted).strip(" .,") not in fold(
            question
        ):
            return str(quoted)
    known_users = {user for one in held for user in one.reading.users}
    for user in said.users:
        if user not in known_users:
            return user
    nobody = {one for line in held for one in line.reading.nobody}
    for one in said.nobody:
        if one not in nobody:
            return one
    for item in said.items:
        if fold(item.text) not in text and fold(item.text) not in fold(question):
            return item.text
    for value in said.values:
        if not any(fold(one.value) in text for one in value):
            return value[0].value
    order = [user for one in held for user in one.reading.users]
    if (
        said.has("more", "less")
        and len(said.users) > 1
        and said.users != [one for one in order if one in said.users]
    ):
        return "who has more"
    facets = frozenset(said.facets)
    for value in said.values:
        if facets and facets.isdisjoint(one.facet for one in value):
            return f"{value[0].value} for another facet"
    for tag, name in _BORNE_OUT.items():
        if said.has(tag) and not any(one.reading.has(tag) for one in held):
            return name
    return ""


def _with_marks(sentence: str, held: Sequence[_Held], talk: Conversation) -> str:
    """The sentence with the first mark of its line where it has none and says something of it."""
    if MARK.search(sentence) or not held or not held[0].line.evidence or not _numbers(sentence):
        return sentence
    mark = f"[e{talk.number_of(held[0].line.evidence[0])}]"
    body = sentence.rstrip()
    return f"{body} {mark}{sentence[len(body) :]}"
