"""The capability probe's questions: generated from a seed, about people, towns and works that do
not exist.

Nothing in them can have been learned by heart, and none has an answer outside its own text. Each
skill's questions share the beginning of their prompt, so that a server with a prompt cache reads it
once; answers are a few tokens.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from limner.core.schema import ChatMessage
from limner.llm.base import parse
from limner.llm.prompts import Prompt, load_prompt

Skill = Literal["schema", "word", "cite", "refuse", "tool", "order"]
SKILLS: tuple[Skill, ...] = ("schema", "word", "cite", "refuse", "tool", "order")
_SEED = 20

T = TypeVar("T", bound="ProbeForm")


class ProbeForm(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProbeLine(ProbeForm):
    thing: str
    count: int


class ProbeOrder(ProbeForm):
    name: str
    age: int
    town: str
    bought: list[ProbeLine]


class ProbeSentence(ProbeForm):
    text: str


class ProbeCitation(ProbeForm):
    evidence: list[int]


class Answered(ProbeForm):
    answer: str


class PortraitCall(ProbeForm):
    tool: Literal["portrait"]
    user_id: str


class HistoryCall(ProbeForm):
    tool: Literal["history"]
    user_id: str


class RecommendCall(ProbeForm):
    tool: Literal["recommend"]
    user_id: str
    n: int


class FindUsersCall(ProbeForm):
    tool: Literal["find_users"]
    value: str
    polarity: Literal["like", "dislike"]


class ProbeCall(ProbeForm):
    call: PortraitCall | HistoryCall | RecommendCall | FindUsersCall


class ProbeRanking(ProbeForm):
    order: list[int]


@dataclass(frozen=True)
class ProbeRequest:
    """One request of a question."""

    prompt: str
    messages: Sequence[ChatMessage]
    schema: type[ProbeForm]
    max_tokens: int
    fits: Callable[[str], bool]
    """Whether an answer's text is right."""


@dataclass(frozen=True)
class ProbeTask:
    """One question of the probe. It counts as right when all its requests are answered rightly."""

    skill: Skill
    asked: tuple[ProbeRequest, ...]


def questions(skill: Skill, n: int) -> list[ProbeTask]:
    """The first `n` questions of a skill, from a fixed seed."""
    random = Random(f"{_SEED} {skill}")
    prompt = load_prompt(f"probe-{skill}")
    make = _MAKERS[skill]
    return [ProbeTask(skill, make(random, prompt, number)) for number in range(n)]


# ---------------------------------------------------------------- invented things

_FIRST = (
    "b",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "dr",
    "gr",
    "kl",
    "pr",
    "tr",
    "sk",
    "vl",
)
_VOWEL = ("a", "e", "i", "o", "u")
_LAST = ("n", "l", "r", "s", "th", "m", "sk", "ld", "rn", "x", "nd")
_THINGS = (
    "lamps",
    "kettles",
    "chairs",
    "ropes",
    "candles",
    "mirrors",
    "baskets",
    "hammers",
    "blankets",
    "bells",
    "jars",
)
_GENRES = (
    "harbour stories",
    "clockwork mysteries",
    "desert operas",
    "lantern comedies",
    "moss poems",
    "glacier thrillers",
    "orchard dramas",
    "tunnel romances",
    "kite documentaries",
    "salt ballads",
    "chimney farces",
    "reef epics",
)


def _name(random: Random) -> str:
    parts = [random.choice(_FIRST) + random.choice(_VOWEL) for _ in range(random.choice((1, 2)))]
    return (
        "".join(parts) + random.choice(_FIRST[:15]) + random.choice(_VOWEL) + random.choice(_LAST)
    ).capitalize()


def _names(random: Random, n: int) -> list[str]:
    names: list[str] = []
    while len(names) < n:
        name = _name(random)
        if name not in names:
            names.append(name)
    return names


def _asked(
    prompt: Prompt,
    output: type[T],
    max_tokens: int,
    right: Callable[[T], bool],
    values: dict[str, str],
) -> ProbeRequest:
    def fits(text: str) -> bool:
        try:
            return right(parse(text, output))
        except ValidationError:
            return False

    return ProbeRequest(prompt.label, prompt.render(**values), output, max_tokens, fits)


def _same(one: str, other: str) -> bool:
    return one.strip(" .\"'").casefold() == other.casefold()


# ---------------------------------------------------------------- one maker a skill


def _schema(random: Random, prompt: Prompt, number: int) -> tuple[ProbeRequest, ...]:
    name, town = _names(random, 2)
    age = random.randint(18, 89)
    bought = {thing: random.randint(2, 9) for thing in random.sample(_THINGS, 1 + number % 2)}
    parts = [f"customer {name}", f"age {age}", f"town {town}"]
    random.shuffle(parts)
    parts.append("bought " + ", ".join(f"{count} x {thing}" for thing, count in bought.items()))
    note = "; ".join(parts)

    def right(order: ProbeOrder) -> bool:
        got = {line.thing.casefold().rstrip("s"): line.count for line in order.bought}
        want = {thing.rstrip("s"): count for thing, count in bought.items()}
        return (
            _same(order.name, name) and order.age == age and _same(order.town, town) and got == want
        )

    return (_asked(prompt, ProbeOrder, 90, right, {"note": note}),)


_AGAINST = re.compile(
    r"\b(dislike[sd]?|dislik\w+|not|never|avoid\w*|hate[sd]?|low|lower|poor\w*|bad\w*|negativ\w*|rarely|seldom)\b|n't"
)
_FOR = re.compile(
    r"\b(like[sd]?|enjoy\w*|love[sd]?|prefer\w*|favou?r\w*|high|higher|fond|well|positiv\w*|good)\b"
)
_PLAIN = frozenset(
    (
        "the",
        "a",
        "an",
        "user",
        "users",
        "has",
        "have",
        "had",
        "is",
        "are",
        "was",
        "were",
        "and",
        "but",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "with",
        "by",
        "from",
        "as",
        "it",
        "its",
        "them",
        "they",
        "their",
        "this",
        "that",
        "these",
        "those",
        "which",
        "who",
        "when",
        "out",
        "all",
        "both",
        "each",
        "every",
        "some",
        "total",
        "only",
        "just",
        "often",
        "times",
        "time",
        "event",
        "events",
        "rated",
        "rating",
        "ratings",
        "rates",
        "gave",
        "given",
        "giving",
        "received",
        "high",
        "highly",
        "low",
        "lower",
        "higher",
        "likes",
        "like",
        "liked",
        "dislikes",
        "dislike",
        "disliked",
        "enjoys",
        "enjoyed",
        "enjoy",
        "prefers",
        "loves",
        "favors",
        "favours",
        "does",
        "do",
        "not",
        "positively",
        "negatively",
        "works",
        "work",
        "items",
        "item",
        "genre",
        "maker",
        "place",
        "theme",
        "stories",
        "shows",
        "showing",
        "shown",
        "found",
        "been",
        "being",
        "because",
        "according",
        "based",
        "overall",
        "made",
        "so",
        "then",
        "there",
        "than",
        "be",
    )
)
"""Words that a plain sentence may use besides the fact's own; any other word counts as invented."""


def _word(random: Random, prompt: Prompt, number: int) -> tuple[ProbeRequest, ...]:
    facet = ("genre", "maker", "place")[number % 3]
    value = random.choice(_GENRES) if facet == "genre" else _name(random)
    like = number % 2 == 0
    total = random.randint(5, 30)
    count = random.randint(total // 2 + 1, total)
    polarity, height = ("like", "high") if like else ("dislike", "low")
    fact = f'{facet} "{value}" | polarity: {polarity} | rated {height} in {count} of {total} events'

    def right(sentence: ProbeSentence) -> bool:
        return words_hold(sentence.text, value, like=like, numbers={str(count), str(total)})

    return (_asked(prompt, ProbeSentence, 60, right, {"fact": fact}),)


def words_hold(text: str, value: str, *, like: bool, numbers: set[str]) -> bool:
    """Whether a sentence keeps a fact's value, polarity and numbers, and adds no name, number or
    quality.
    """
    rest, found = re.subn(re.escape(value), " ", text, flags=re.IGNORECASE)
    rest = rest.casefold()
    against, favour = bool(_AGAINST.search(rest)), bool(_FOR.search(_AGAINST.sub(" ", rest)))
    turned = against if like else favour or not against
    if not found or turned or (like and not favour):
        return False
    tokens = re.findall(r"\d+(?:\.\d+)?%?|[^\W\d]+(?:['’-][^\W\d]+)*", rest)
    if not all(token in numbers if token[0].isdigit() else token in _PLAIN for token in tokens):
        return False
    return len(tokens) <= 30


def _cite(random: Random, prompt: Prompt, number: int) -> tuple[ProbeRequest, ...]:
    like = number % 2 == 0
    genre, *others = random.sample(_GENRES, 4)
    good, bad = (4, 5), (1, 2)
    # One or two that support, one of the genre that says the opposite, four of other genres.
    supporting = 1 + number % 3 % 2
    rows = [(genre, random.choice(good if like else bad), True) for _ in range(supporting)]
    rows.append((genre, random.choice(bad if like else good), False))
    rows += [
        (random.choice(others), random.choice(good + bad), False) for _ in range(6 - len(rows))
    ]
    random.shuffle(rows)
    titles = _names(random, len(rows))
    events = "\n".join(
        f'[{place}] rated {rating} of 5 "{title}" | genre: {of}'
        for place, ((of, rating, _), title) in enumerate(zip(rows, titles, strict=True), start=1)
    )
    want = {place for place, (_, _, supports) in enumerate(rows, start=1) if supports}
    claim = f"The user {'likes' if like else 'dislikes'} {genre}."

    def right(cited: ProbeCitation) -> bool:
        return set(cited.evidence) == want

    return (_asked(prompt, ProbeCitation, 40, right, {"events": events, "claim": claim}),)


_ASKABLE = (
    ("town", "lives in {}", "Which town does {} live in?"),
    ("thing", "bought {} last", "What did {} buy last?"),
    ("genre", "reads {} most", "What does {} read most?"),
    ("friend", "is a neighbour of {}", "Whose neighbour is {}?"),
    ("maker", "trusts the maker {}", "Which maker does {} trust?"),
    ("year", "joined in {}", "In which year did {} join?"),
)


def _refuse(random: Random, prompt: Prompt, number: int) -> tuple[ProbeRequest, ...]:
    known = number % 2 == 0
    who, other, *values = _names(random, 5)
    facts = random.sample(_ASKABLE, 4)
    filled: dict[str, str] = {
        "town": values[0],
        "thing": random.choice(_THINGS),
        "genre": random.choice(_GENRES),
        "friend": values[1],
        "maker": values[2],
        "year": str(random.randint(1990, 2020)),
    }
    # The last one is asked about: known of `who`, or told only of somebody else.
    about = facts[-1]
    subjects = [who, who, who, who if known else other]
    lines = [
        f"- {subject} {fact.format(filled[kind])}."
        for subject, (kind, fact, _) in zip(subjects, facts, strict=True)
    ]
    random.shuffle(lines)

    def right(answered: Answered) -> bool:
        said = answered.answer.casefold()
        return (filled[about[0]].casefold() in said) if known else "unknown" in said

    return (
        _asked(
            prompt,
            Answered,
            40,
            right,
            {"facts": "\n".join(lines), "question": about[2].format(who)},
        ),
    )


def _tool(random: Random, prompt: Prompt, number: int) -> tuple[ProbeRequest, ...]:
    who = f"{_name(random)}{random.randint(10, 99)}"
    genre = random.choice(_GENRES)
    n = random.randint(2, 9)
    options: tuple[tuple[str, BaseModel], ...] = (
        (f"What kind of person is {who}?", PortraitCall(tool="portrait", user_id=who)),
        (f"What does {who} prefer?", PortraitCall(tool="portrait", user_id=who)),
        (f"What did {who} buy in March?", HistoryCall(tool="history", user_id=who)),
        (f"Show me the last things that {who} did.", HistoryCall(tool="history", user_id=who)),
        (f"Suggest {n} things for {who}.", RecommendCall(tool="recommend", user_id=who, n=n)),
        (f"What should {who} try next?", RecommendCall(tool="recommend", user_id=who, n=5)),
        (f"Who likes {genre}?", FindUsersCall(tool="find_users", value=genre, polarity="like")),
        (
            f"Which users cannot stand {genre}?",
            FindUsersCall(tool="find_users", value=genre, polarity="dislike"),
        ),
    )
    question, want = options[number % len(options)]

    def right(called: ProbeCall) -> bool:
        return called.call == want

    return (_asked(prompt, ProbeCall, 60, right, {"question": question}),)


def _order(random: Random, prompt: Prompt, number: int) -> tuple[ProbeRequest, ...]:
    liked, disliked, *others = random.sample(_GENRES, 4)
    taste = f"likes {liked}, dislikes {disliked}."
    titles = _names(random, 4)
    items = list(zip(titles, [liked, others[0], others[1], disliked], strict=True))
    random.shuffle(items)
    # Listed one way and the other: a model that copies the list's order cannot be right twice.
    return tuple(
        _ranking(prompt, taste, listed, liked, disliked) for listed in (items, items[::-1])
    )


def _ranking(
    prompt: Prompt, taste: str, listed: list[tuple[str, str]], liked: str, disliked: str
) -> ProbeRequest:
    genres = [genre for _, genre in listed]
    first, last = genres.index(liked) + 1, genres.index(disliked) + 1

    def right(ranked: ProbeRanking) -> bool:
        order = ranked.order
        return sorted(order) == [1, 2, 3, 4] and order[0] == first and order[-1] == last

    lines = "\n".join(
        f'[{place}] "{title}" | genre: {genre}'
        for place, (title, genre) in enumerate(listed, start=1)
    )
    return _asked(prompt, ProbeRanking, 40, right, {"taste": taste, "items": lines})


_MAKERS: dict[Skill, Callable[[Random, Prompt, int], tuple[ProbeRequest, ...]]] = {
    "schema": _schema,
    "word": _word,
    "cite": _cite,
    "refuse": _refuse,
    "tool": _tool,
    "order": _order,
}
