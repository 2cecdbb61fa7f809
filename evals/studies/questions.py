"""Questions with known answers, made from the events themselves, and how an answer is read.

================ ===================================================================== =============
kind             question                                                              right
================ ===================================================================== =============
count            How many events does user U have?                                     the number
count-type       How many TYPE events does user U have? (where there are several)      the number
last             What is the last item of user U?                                      its title
                 (any of a tie)
favourite        Which FACET occurs most often among the items of user U?              the value
                 (any of a tie)
best             Which item did user U rate highest? (where one alone is)              its title
compare          Who has more events, user U or user V?                                the id
cohort           How many users have had "TITLE"?                                      the number
cohort-value     How many users are there whose history has FACET VALUE?               the number
unanswerable     of what no data hold; of a user who does not exist; of the future     none: it must
                 say so
================ ===================================================================== =============

Questions are asked in words of their own, or in those of a file of phrasings: by kind and language
(`en`, `zh`), templates with {user}, {other}, {type}, {facet}, {title}, {value} and {nobody}, one
drawn by chance for each question.

An answer is read by rules: of the rivals that a right answer could be taken for (any number; any
title of the user's; any value of the facet; either id), the first that it names counts. Ids, dates
and the words of the question itself are not read as answers. An answer that says that it does not
know, or that there is nothing, is an abstention.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from string import Formatter

import numpy as np
import yaml
from pydantic import RootModel, ValidationError

from limner.core.errors import BadInputError
from limner.core.interactions import Interactions
from limner.core.schema import Event, Item
from limner.evals.studies.lab import Lab
from limner.evals.studies.records import Outcome
from limner.words import title_variants
from limner.words.text import fold

KINDS = (
    "count",
    "count-type",
    "last",
    "favourite",
    "best",
    "compare",
    "cohort",
    "cohort-value",
    "unanswerable",
)
NOBODY = "nobody-0000"
_ABSTAINS = re.compile(
    r"\b(?:do(?:es)?n[o']t know|cannot (?:say|answer|tell|know)|can't (?:say|answer|"
    r"tell)|not known|unknown to me"
    r"|no (?:data|information|record|such user|user|events|\w+ events)\b[^.]*|"
    r"there is no user|which user do you mean"
    r"|hold nothing|not (?:available|recorded|stored)|none of the)\b|不知道|不能回答|"
    r"没有用户|没有记录",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])\d+(?:[.,]\d+)*(?![A-Za-z0-9_])")
_UNANSWERABLE = (
    "What is the phone number of user {user}?",
    "What colour is the car of user {user}?",
    "Which school did user {user} go to as a child?",
    "What did user {nobody} choose last?",
    "How many events does user {nobody} have?",
    "What will user {user} choose on 1 March 2087?",
)


SHIPPED = "paraphrases"
"""The phrasings that come with the package, by name."""
_NEEDED: Mapping[str, frozenset[str]] = {
    "count": frozenset({"user"}),
    "count-type": frozenset({"user", "type"}),
    "last": frozenset({"user"}),
    "favourite": frozenset({"user", "facet"}),
    "best": frozenset({"user"}),
    "compare": frozenset({"user", "other"}),
    "cohort": frozenset({"title"}),
    "cohort-value": frozenset({"facet", "value"}),
    "unanswerable": frozenset(),
}
"""Placeholders that a phrasing of a kind must have."""


class Phrasings(RootModel[dict[str, dict[str, list[str]]]]):
    """Templates by kind and language."""

    def of(self, kind: str) -> list[tuple[str, str]]:
        """(language, template) of a kind, in the order of the file."""
        return [
            (language, one)
            for language, templates in self.root.get(kind, {}).items()
            for one in templates
        ]


def load_phrasings(name: str) -> Phrasings:
    """The shipped ones by their name, or those of a file. Raises BadInputError for what cannot be
    used.
    """
    try:
        if name == SHIPPED:
            text = (
                resources.files("limner.evals")
                .joinpath(f"questions/{SHIPPED}.yaml")
                .read_text(encoding="utf-8")
            )
        else:
            text = Path(name).read_text(encoding="utf-8")
        phrasings = Phrasings.model_validate(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise BadInputError(
            "questions.unreadable", file=name, error=" ".join(str(error).split())[:200]
        ) from error
    for kind, needed in _NEEDED.items():
        templates = phrasings.of(kind)
        if not templates:
            raise BadInputError("questions.none_for_kind", file=name, kind=kind)
        for _, template in templates:
            has = {one for _, one, _, _ in Formatter().parse(template) if one is not None}
            if missing := needed - has:
                raise BadInputError(
                    "questions.lacks_names",
                    template=template,
                    file=name,
                    names="}, {".join(sorted(missing)),
                )
            if unknown := has - needed - {"user", "nobody"}:
                raise BadInputError(
                    "questions.unknown_names",
                    template=template,
                    file=name,
                    names="}, {".join(sorted(unknown)),
                    kind=kind,
                )
    return phrasings


@dataclass(frozen=True)
class StudyQuestion:
    id: str
    kind: str
    user_id: str
    """The user whose history the question is about, or the first of those it names."""
    text: str
    expected: tuple[str, ...]
    """Any of these is right; empty where the data hold no answer."""
    rivals: tuple[str, ...] = ()
    """Everything that an answer could name instead, what is right included; of numbers none, since
    all are.
    """
    ids: tuple[str, ...] = ()
    """Ids that the question names, which are no answers unless they are rivals."""
    fill: tuple[tuple[str, str], ...] = ()
    """What fills the placeholders of a phrasing of this kind."""
    language: str = "en"

    @property
    def answerable(self) -> bool:
        return bool(self.expected)


def outcome(question: StudyQuestion, answer: str) -> Outcome:
    """How an answer is scored; see the module's table."""
    if _ABSTAINS.search(answer):
        return "abstained"
    if not question.answerable:
        return "wrong"
    if question.rivals:
        named = _first_named(answer, question.rivals)
        return "right" if named in question.expected else "wrong"
    bare = _DATE.sub(" ", answer)
    for one in question.ids:
        bare = re.sub(rf"(?<![A-Za-z0-9_]){re.escape(one)}(?![A-Za-z0-9_])", " ", bare, count=1)
    for one in re.findall(r"[\"“]([^\"”]+)[\"”]", question.text):
        bare = bare.replace(one, " ")
    said = _NUMBER.search(bare)
    return "right" if said and said[0].replace(",", "") in question.expected else "wrong"


def _first_named(answer: str, rivals: Sequence[str]) -> str:
    """The rival that is named first; of two at one place the longer. Empty where none is."""
    text = fold(answer)
    best = (len(text), 0, "")
    for rival in rivals:
        for form in dict.fromkeys([rival, *title_variants(rival)]):
            plain = fold(form)
            # Of thousands of rivals nearly none is there at all, which is told faster without a
            # pattern.
            if plain not in text or (len(form) == 1 and form != rival):
                continue
            if match := re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", text):
                best = min(best, (match.start(), -len(form), rival))
    return best[2]


def questions(
    lab: Lab, users: Sequence[str], seed: int = 0, phrasings: Phrasings | None = None
) -> list[StudyQuestion]:
    """Up to nine about each user; the kinds that need something their history lacks are left
    out.
    """
    asked: list[StudyQuestion] = []
    titles = Counter(item.title for item in lab.items.values())
    facet = lab.engine.data.catalogue().population.primary
    # Read once: of a large store it takes seconds.
    x = lab.engine.data.interactions()
    owners = _owners(x)
    for index, user_id in enumerate(users):
        events = lab.events(user_id)
        if not events:
            continue
        drawn = np.random.default_rng((seed, index))
        other = users[(index + 1) % len(users)]
        made = [
            _count(user_id, events),
            _count_type(user_id, events),
            _last(lab, user_id, events),
            _favourite(lab, user_id, events, facet),
            _best(lab, user_id, events),
            _compare(user_id, other, events, lab.events(other), swap=bool(index % 2)),
            _cohort(lab, user_id, events, owners, titles, drawn),
            _cohort_value(lab, x, user_id, facet, drawn),
            _unanswerable(user_id, index),
        ]
        asked += [_phrased(one, phrasings, drawn) for one in made if one is not None]
    return asked


def _phrased(
    question: StudyQuestion, phrasings: Phrasings | None, drawn: np.random.Generator
) -> StudyQuestion:
    """The question in one of the phrasings of its kind."""
    if phrasings is None:
        return question
    templates = phrasings.of(question.kind)
    language, template = templates[int(drawn.integers(len(templates)))]
    return replace(question, text=template.format(**dict(question.fill)), language=language)


def _owners(x: Interactions) -> Mapping[str, int]:
    """Number of different users of each item."""
    pairs = np.unique(x.user.astype(np.int64) * max(len(x.item_ids), 1) + x.item) % max(
        len(x.item_ids), 1
    )
    counts = np.bincount(pairs, minlength=len(x.item_ids))
    return {item_id: int(counts[at]) for at, item_id in enumerate(x.item_ids)}


def _count(user_id: str, events: Sequence[Event]) -> StudyQuestion:
    text = f"How many events does user {user_id} have?"
    return StudyQuestion(
        f"count:{user_id}",
        "count",
        user_id,
        text,
        (str(len(events)),),
        ids=(user_id,),
        fill=(("user", user_id),),
    )


def _count_type(user_id: str, events: Sequence[Event]) -> StudyQuestion | None:
    kinds = Counter(one.type for one in events)
    if len(kinds) < 2:
        return None
    kind, n = min(kinds.items(), key=lambda pair: (pair[1], pair[0]))
    text = f"How many {kind} events does user {user_id} have?"
    return StudyQuestion(
        f"count-type:{user_id}",
        "count-type",
        user_id,
        text,
        (str(n),),
        ids=(user_id,),
        fill=(("user", user_id), ("type", kind)),
    )


def _last(lab: Lab, user_id: str, events: Sequence[Event]) -> StudyQuestion | None:
    timed = [one for one in events if one.timestamp is not None and one.item_id]
    if not timed:
        return None
    moment = max(one.timestamp for one in timed if one.timestamp is not None)
    right = tuple(dict.fromkeys(_title(lab, one) for one in timed if one.timestamp == moment))
    if not all(right):  # an item without a title has no name to answer with
        return None
    text = f"What is the last item of user {user_id}?"
    return StudyQuestion(
        f"last:{user_id}",
        "last",
        user_id,
        text,
        right,
        _titles(lab, events),
        (user_id,),
        (("user", user_id),),
    )


def _favourite(lab: Lab, user_id: str, events: Sequence[Event], facet: str) -> StudyQuestion | None:
    population = lab.engine.data.catalogue().population
    items = dict.fromkeys(one.item_id for one in events if one.item_id)
    counts = Counter(
        value for one in items for value in population.values_of(one or "").get(facet, ())
    )
    if len(counts) < 2:
        return None
    most = max(counts.values())
    right = tuple(value for value, n in counts.items() if n == most)
    text = f"Which {facet} occurs most often among the items of user {user_id}?"
    candidates = tuple(
        value
        for name, value in zip(population.facets, population.values, strict=True)
        if name == facet
    )
    return StudyQuestion(
        f"favourite:{user_id}",
        "favourite",
        user_id,
        text,
        right,
        candidates,
        (user_id,),
        (("user", user_id), ("facet", facet)),
    )


def _best(lab: Lab, user_id: str, events: Sequence[Event]) -> StudyQuestion | None:
    rated = [
        one for one in events if one.type == "rating" and one.value is not None and _title(lab, one)
    ]
    if len(rated) < 2:
        return None
    top = max(one.value or 0 for one in rated)
    best = {_title(lab, one) for one in rated if one.value == top}
    if len(best) != 1:
        return None
    text = f"Which item did user {user_id} rate highest?"
    return StudyQuestion(
        f"best:{user_id}",
        "best",
        user_id,
        text,
        tuple(best),
        _titles(lab, events),
        (user_id,),
        (("user", user_id),),
    )


def _compare(
    user_id: str, other: str, events: Sequence[Event], others: Sequence[Event], *, swap: bool
) -> StudyQuestion | None:
    if other == user_id or len(events) == len(others):
        return None
    right = user_id if len(events) > len(others) else other
    first, second = (other, user_id) if swap else (user_id, other)
    text = f"Who has more events, user {first} or user {second}?"
    both = (user_id, other)
    fill = (("user", first), ("other", second))
    return StudyQuestion(f"compare:{user_id}", "compare", user_id, text, (right,), both, both, fill)


def _cohort(
    lab: Lab,
    user_id: str,
    events: Sequence[Event],
    owners: Mapping[str, int],
    titles: Mapping[str, int],
    drawn: np.random.Generator,
) -> StudyQuestion | None:
    titled = [one.item_id for one in events if one.item_id and _title(lab, one)]
    titled = [one for one in dict.fromkeys(titled) if titles[lab.items[one].title] == 1]
    if not titled:
        return None
    item = titled[int(drawn.integers(len(titled)))]
    text = f'How many users have had "{lab.items[item].title}"?'
    right = (str(owners.get(item, 0)),)
    fill = (("title", lab.items[item].title), ("user", user_id))
    return StudyQuestion(f"cohort:{user_id}", "cohort", user_id, text, right, fill=fill)


def _cohort_value(
    lab: Lab, x: Interactions, user_id: str, facet: str, drawn: np.random.Generator
) -> StudyQuestion | None:
    population = lab.engine.data.catalogue().population
    codes = [code for code, name in enumerate(population.facets) if name == facet]
    if not codes:
        return None
    code = codes[int(drawn.integers(len(codes)))]
    rows = np.repeat(np.arange(len(population.item_ids)), np.diff(population.starts))
    held = {population.item_ids[at] for at in rows[population.codes == code].tolist()}
    has = np.array([one in held for one in x.item_ids], dtype=bool)
    n = len(np.unique(x.user[has[x.item]]))
    text = f"How many users are there whose history has the {facet} {population.values[code]}?"
    fill = (("facet", facet), ("value", population.values[code]), ("user", user_id))
    return StudyQuestion(
        f"cohort-value:{user_id}", "cohort-value", user_id, text, (str(n),), fill=fill
    )


def _unanswerable(user_id: str, at: int) -> StudyQuestion:
    text = _UNANSWERABLE[at % len(_UNANSWERABLE)].format(user=user_id, nobody=NOBODY)
    fill = (("user", user_id), ("nobody", NOBODY))
    return StudyQuestion(
        f"unanswerable:{user_id}", "unanswerable", user_id, text, (), ids=(user_id,), fill=fill
    )


def _title(lab: Lab, event: Event) -> str:
    item: Item | None = lab.items.get(event.item_id or "")
    return item.title if item else ""


def _titles(lab: Lab, events: Sequence[Event]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(title for one in events if (title := _title(lab, one))))
