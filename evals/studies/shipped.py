"""The shipped question set: what is asked, what is right, and how an answer is judged.

What a right answer must say is stated, or worked out here from events, items and users alone, apart
from the tools.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from importlib import resources
from statistics import fmean

import yaml
from pydantic import Field

from limner.chat import Answer, Conversation, answer
from limner.core.schema import Event, Item
from limner.core.signals import signals_of
from limner.engine import Engine
from limner.evals.records import StrictRecord

Given = str | int | list[str]


class Shipped(StrictRecord):
    """One question of the set, with the turns that lead to it."""

    id: str
    kind: str
    ask: list[str]
    says: list[str] = Field(default=[])
    """Each must occur in the answer; of alternatives parted by `|` one."""
    computed: list[dict[str, Given]] = Field(default=[])
    """Figures that are computed and must occur: a measure, its arguments, conditions on users."""
    cites: bool = False
    """Whether the answer must cite an event."""
    abstains: bool = False
    refuses: bool = False


class JudgedAnswer(StrictRecord):
    """A question, its answer, and the answer's fault; the fault is empty for a right answer."""

    question: Shipped
    answer: Answer
    wrong: str


def load_shipped(name: str = "ml-100k") -> list[Shipped]:
    text = (
        resources.files("limner.evals")
        .joinpath(f"questions/{name}.yaml")
        .read_text(encoding="utf-8")
    )
    return [Shipped.model_validate(one) for one in yaml.safe_load(text)]


async def ask_shipped(engine: Engine, asked: Sequence[Shipped]) -> list[JudgedAnswer]:
    """Each question in a conversation of its own, judged."""
    key = Key(engine)
    judged = []
    for one in asked:
        talk = Conversation()
        replies = [await answer(engine, turn, talk) for turn in one.ask]
        judged.append(
            JudgedAnswer(question=one, answer=replies[-1], wrong=judge(one, replies[-1], key))
        )
    return judged


def judge(question: Shipped, reply: Answer, key: "Key") -> str:
    """The fault of an answer; empty for a right one."""
    if question.abstains or question.refuses:
        return "" if _declines(question, reply) else "it does not decline"
    if not reply.answered:
        return "it does not answer"
    for wanted in [*question.says, *map(key.right, question.computed)]:
        if not any(_says(reply.text, one) for one in wanted.split("|")):
            return f"it does not say {wanted}"
    if question.cites and not reply.sources:
        return "it cites no event"
    return _wrong_citations(reply)


def _declines(question: Shipped, reply: Answer) -> bool:
    said = r"don't know|不知道" if question.abstains else r"cannot answer|不能"
    return not reply.answered and re.search(said, reply.text) is not None


def _wrong_citations(reply: Answer) -> str:
    cited, known = re.findall(r"\[e(\d+)\]", reply.text), {str(one.number) for one in reply.sources}
    unknown = sorted(set(cited) - known)
    return f"it cites what is no event: {', '.join(unknown)}" if unknown else ""


def _says(text: str, wanted: str) -> bool:
    """Whether a text has a number, id or name, and not only as part of another one."""
    ends = r"(?![A-Za-z0-9]|[.,]\d)"
    return (
        re.search(rf"(?<![A-Za-z0-9.]){re.escape(wanted)}{ends}", text, re.IGNORECASE) is not None
    )


@dataclass
class Key:
    """The right answers, worked out from a store."""

    engine: Engine

    @cached_property
    def items(self) -> dict[str, Item]:
        return {one.item_id: one for one in self.engine.store.items()}

    @cached_property
    def events(self) -> dict[str, list[Event]]:
        return {one: self.engine.store.events(one) for one in self.engine.data.user_ids()}

    def right(self, asked: dict[str, Given]) -> str:
        """The text that an answer must contain, or alternatives separated by `|`."""
        (name, of), *where = asked.items()
        arguments = [str(one) for one in (of if isinstance(of, list) else [of])]
        if name in _USER_TESTS:
            return self._users(partial(_USER_TESTS[name], self, arguments), dict(where))
        return _MEASURES[name](self, arguments)

    # ------------------------------------------------------------ of one user

    def _had(self, user: str) -> set[str]:
        return {one.item_id for one in self.events[user] if one.item_id}

    def _values(self, user: str) -> list[float]:
        return [
            one.value for one in self.events[user] if one.type == "rating" and one.value is not None
        ]

    def _is(self, item_id: str, category: str) -> bool:
        return category in self.items[item_id].categories

    def _titled(self, titles: Sequence[str]) -> set[str]:
        found = {one.item_id for one in self.items.values() if one.title in titles}
        if len(found) != len(set(titles)):
            raise ValueError(f"not each of {titles} is one item's title")
        return found

    def _last(self, of: Sequence[str]) -> str:
        events = [one for one in self.events[of[0]] if one.item_id]
        return "|".join(
            self.items[one.item_id or ""].title
            for one in events
            if one.timestamp == events[-1].timestamp
        )

    def _rating(self, of: Sequence[str]) -> str:
        [item] = self._titled(of[1:])
        return next(f"rating {one.value:g}" for one in self.events[of[0]] if one.item_id == item)

    def _in(self, of: Sequence[str]) -> str:
        since, until = date.fromisoformat(of[1]), date.fromisoformat(of[2])
        return self._count(
            {
                one.event_id
                for one in self.events[of[0]]
                if one.timestamp and since <= one.timestamp.date() <= until
            }
        )

    def _top(self, of: Sequence[str]) -> str:
        counts = Counter(
            value for item in self._had(of[0]) for value in self.items[item].categories
        )
        most = max(counts.values())
        return "|".join(f"{one}” is the|{one}”是" for one, n in counts.items() if n == most)

    def _extreme(self, of: Sequence[str], which: Callable[[list[float]], float]) -> str:
        rated = [
            (event.value, self.items[event.item_id].title)
            for event in self.events[of[0]]
            if event.item_id
            and event.value is not None
            and (len(of) < 2 or self._is(event.item_id, of[1]))
        ]
        edge = which([value for value, _ in rated])
        return "|".join(title for value, title in rated if value == edge)

    def _many(self, user: str, category: str) -> float:
        return len([one for one in self._had(user) if not category or self._is(one, category)])

    def _mean(self, user: str, _category: str = "") -> float:
        return fmean(self._values(user))

    def _more(self, of: Sequence[str], measure: Callable[[str, str], float]) -> str:
        category = of[2] if len(of) > 2 else ""
        best = max(of[:2], key=lambda user: measure(user, category))
        return f"User {best} has|User {best} rates|用户 {best} 的"

    # ------------------------------------------------------------ of all users

    def _users(self, fits: Callable[[str], bool], where: dict[str, Given] | None = None) -> str:
        people = {one.user_id: one.attributes for one in self.engine.data.users()}

        def matches(user: str) -> bool:
            return all(
                float(str(people[user]["age"])) < float(str(value))
                if name == "younger"
                else people[user][name] == value
                for name, value in (where or {}).items()
            )

        return self._count({one for one in people if matches(one) and fits(one)})

    def _has_stopped(self, of: Sequence[str], user: str) -> bool:
        """At least two liked, more than disliked, and none of the liked in the newer half of the
        user's events.

        Liked is a rating more than a tenth of the half scale above its middle and the user's own
        habit, as the signal table says it.
        """
        events = [one for one in self.events[user] if one.item_id]
        signals = signals_of(events, self.engine.settings.signals, self.engine.data.scales())
        on = [
            (place, signals[one.event_id])
            for place, one in enumerate(events)
            if self._is(one.item_id or "", of[0])
        ]
        liked = [place for place, signal in on if signal >= 0.1]
        disliked = [place for place, signal in on if signal <= -0.1]
        return len(liked) >= max(2, len(disliked) + 1) and 2 * max(liked) < len(events)

    @staticmethod
    def _count(found: "set[str]") -> str:
        return f"{len(found):,}"


_MEASURES: Mapping[str, Callable[[Key, list[str]], str]] = {
    "items_of": lambda key, of: key._count(key._had(of[0])),
    "last_of": Key._last,
    "rating_of": Key._rating,
    "mean_of": lambda key, of: f"{key._mean(of[0]):.2f}".rstrip("0").rstrip("."),
    "events_in": Key._in,
    "top_of": Key._top,
    "best_of": lambda key, of: key._extreme(of, max),
    "worst_of": lambda key, of: key._extreme(of, min),
    "more_of": lambda key, of: key._more(of, key._many),
    "kinder_of": lambda key, of: key._more(of, key._mean),
    "shared_by": lambda key, of: key._count(key._had(of[0]) & key._had(of[1])),
    "items_with": lambda key, of: f"{key._many(*of[:2]):,.0f}",
}
"""Figures about named users, by name."""

_USER_TESTS: Mapping[str, Callable[[Key, list[str], str], bool]] = {
    "users_with": lambda key, of, user: key._many(user, of[0]) > 0,
    "users_without": lambda key, of, user: not key._had(user) & key._titled(of),
    "users_over": lambda key, of, user: len(key._had(user)) > int(of[0]),
    "users_of": lambda key, of, user: key._titled(of) <= key._had(user),
    "stopped": Key._has_stopped,
}
"""Conditions on a user, by name; the right answer is how many users fulfil one."""
