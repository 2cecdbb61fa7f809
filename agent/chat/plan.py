"""The deterministic planner: from what a question names and what its words mean to the tools that
answer it.

One subject a function, the narrowest first; the first that has something to say decides. What no
function takes is not known, and a question with words that nothing explains is answered by nobody:
what it asks might be in those words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from limner.chat.clauses import Clause, clauses
from limner.chat.conversation import Conversation
from limner.chat.coverage_check import unread
from limner.chat.dates import Period
from limner.chat.follow import carried_on, followed
from limner.chat.measures import CURRENCY, Bound, ItemOrder
from limner.chat.reading import MentionedItem, QuestionReading, newest_day, read
from limner.chat.safety import refusal
from limner.chat.split_questions import parts
from limner.chat.steps import AnswerPlan, Given, Step, calls, cannot, step, users_of
from limner.engine import Engine
from limner.state.entity_index import NamedValue
from limner.tools import (
    ToolStatement,
    amounts,
    audience,
    catalogue,
    cohort,
    compare_periods,
    compare_users,
    count_events,
    explain_preference,
    explain_recommendation,
    favourites,
    find_users,
    history,
    item,
    last_item,
    popular_items,
    popular_values,
    portrait,
    raters,
    ratings,
    recommend,
    search_items,
    similar_items,
    similar_users,
    since_when,
    user_attributes,
)
from limner.tools.recommend import ListArgs
from limner.tools.which import most_had
from limner.tools.words import kind as kind_of

_MOST_USERS = 5
"""Users that one question may be answered for, each by a call of its own."""
_LISTED = 20
_FEW_STRANGE = 3
_SAYS = re.compile(r"\b(?:is|are|was|were|do|does|did|has|have|had)\b", re.IGNORECASE)
_VERBS = ("had", "like", "dislike", "rate", "recommend", "similar", "compare")
"""Tags of words that say what is asked of somebody."""


def plan(engine: Engine, question: str, talk: Conversation) -> tuple[AnswerPlan, QuestionReading]:
    """What answers a question in a conversation, and how it was read."""
    reading = read(engine, question, talk.only)
    bare = question
    for one in reading.items:
        bare = bare.replace(one.text, " ")
    if reason := refusal(bare):
        return cannot(f"chat.refused.{reason}"), reading
    asked = parts(question, [one.text for one in reading.items])
    if len(asked) > 1 and (both := _each(engine, asked, talk)) is not None:
        return both, reading
    if on := carried_on(reading, talk):
        found, reading = (
            AnswerPlan((on,)),
            replace(talk.reading or reading, text=question, language=reading.language),
        )
        return (found if talk.may(on) else cannot("chat.refused.others")), reading
    reading = followed(reading, talk)
    found = _Planner(engine, reading, talk).plan()
    return (
        found if talk.only is None else _kept_to(engine, found, reading, talk, talk.only)
    ), reading


def _each(engine: Engine, asked: Sequence[str], talk: Conversation) -> AnswerPlan | None:
    """The calls that answer each part of a question, a later one as it follows the one before; None
    where one of them cannot be answered by itself, or they ask for the same.
    """
    so_far = replace(talk)
    steps: list[Step] = []
    readings: list[ToolStatement] = []
    for one in asked:
        found, reading = plan(engine, one, so_far)
        if not found.steps or any(step in steps for step in found.steps):
            return None
        if steps and not _stands_alone(reading, found, so_far):
            return None
        steps += found.steps
        readings += [said for said in found.readings if said not in readings]
        so_far.spoke_of(users_of(found.steps))
        so_far.reading, so_far.steps = reading, found.steps
    return AnswerPlan(tuple(steps), tuple(readings))


def _stands_alone(reading: QuestionReading, found: AnswerPlan, so_far: Conversation) -> bool:
    """Whether a later part says what it asks: "and how many comedies?" after "how many films did
    user 13 see" leaves out of whom, so that only the same call for another thing may be meant, or
    the grounds of what was called.
    """
    if reading.has("why") or _SAYS.search(reading.text) or reading.has(*_VERBS):
        return True
    return [one.tool for one in found.steps] == [one.tool for one in so_far.steps]


def _kept_to(
    engine: Engine, found: AnswerPlan, reading: QuestionReading, talk: Conversation, only: str
) -> AnswerPlan:
    """The plan of somebody who may ask about themselves alone: where it lacks a user, it is of
    them.
    """
    if reading.nobody or not all(map(talk.may, found.steps)):
        return cannot("chat.refused.others")
    if found.missing is not None and found.missing.form in _OWN:
        return AnswerPlan(
            missing=found.missing.model_copy(update={"form": f"{found.missing.form}_own"})
        )
    if found.missing is None or found.missing.form != "chat.which_user":
        return found
    about = _Planner(engine, replace(reading, users=[only]), talk).plan()
    return about if all(map(talk.may, about.steps)) else cannot("chat.refused.others")


class _Planner:
    def __init__(self, engine: Engine, reading: QuestionReading, talk: Conversation) -> None:
        self.engine, self.reading, self.talk = engine, reading, talk
        self.readings: list[ToolStatement] = []

    def plan(self) -> AnswerPlan:
        found = self._plan()
        return (
            AnswerPlan(found.steps, (*self.readings, *found.readings), found.missing)
            if found.steps
            else found
        )

    def _plan(self) -> AnswerPlan:
        r = self.reading
        if r.nobody:
            return cannot("chat.no_user", user=r.nobody[0])
        if r.unknown_items and not (r.has("words_like") or self._searches()):
            return cannot("chat.no_item", title=r.unknown_items[0])
        if r.has("thanks") and r.names_nothing and not r.strange and r.tags <= {"thanks", "like"}:
            return cannot("chat.welcome")
        if (
            r.has("help", "greet")
            and r.names_nothing
            and not r.has("count", "portrait", "recommend")
        ):
            return cannot("chat.help")
        if self._is_future():
            return cannot("chat.future")
        if personal := self._personal():
            return cannot("chat.strange", words=f"“{personal}”")
        self._say_readings()
        subjects: Sequence[Callable[[], AnswerPlan | None]] = (
            self._since,
            self._two_periods,
            self._like_words,
            self._why,
            self._audience,
            self._measured,
            self._raters,
            self._amounts,
            self._users,
            self._user,
            self._cohort,
            self._item,
            self._store,
        )
        for subject in subjects:
            found = subject()
            if found is not None and found.missing is not None:
                return found
            if found is not None:
                strange = self._unexplained(found)
                if strange:
                    return self._described() or cannot("chat.strange", words=_quoted(strange))
                missed = unread(r, found.steps)
                return cannot("chat.unread", words=_quoted(missed)) if missed else found
        onward = [r.text_of(one) for one in ("since", "earlier", "later") if r.has(one)]
        if passed := [*(one.text for one in (*r.bounds, r.order_by) if one is not None), *onward]:
            return cannot("chat.unread", words=_quoted(passed))
        if r.strange and (described := self._described()):
            return described
        if r.strange:
            return cannot("chat.strange", words=", ".join(f"“{one}”" for one in r.strange[:3]))
        return cannot("chat.which_user") if self._needs_user() else cannot("chat.unknown")

    # ------------------------------------------------------------ what stands in the way

    def _is_future(self) -> bool:
        r = self.reading
        newest = newest_day(self.engine)
        if (
            r.period
            and r.period.since
            and newest
            and r.period.since > newest
            and not r.period.relative
        ):
            return True
        if r.has("will") and not r.has("future") and not self._will_do():
            return False
        return r.has("future", "will") and not (
            r.has("like") or (r.has("recommend") and not r.has("had"))
        )

    def _unexplained(self, found: AnswerPlan) -> list[str]:
        """Strange words that a plan passes over; none where the plan's own words take them."""
        r = self.reading
        taken = any(
            one.tool in (find_users, search_items) and _words_of(one) for one in found.steps
        )
        if taken or found.missing is not None:
            return []
        strange = [one for one in r.strange if not self._is_harmless(one)]
        return [] if not strange or self._may_pass(found, strange) else strange[:3]

    def _may_pass(self, found: AnswerPlan, strange: Sequence[str]) -> bool:
        """Whether a few strange words can hardly change what is asked, since all else of it is
        named.
        """
        r = self.reading
        tools = {one.tool.name for one in found.steps}
        small = all(one.islower() or not one.isascii() for one in strange)
        if r.facets and (tools == {"favourites"} or (tools == {"cohort"} and r.values)):
            return len(strange) <= _FEW_STRANGE and small  # the facet says what is asked about
        if len(strange) > 2 or any(one not in r.loose for one in strange):
            return False
        if tools == {"cohort"}:
            return bool(r.items)
        named = r.has("event", "item", "thing", "had", "rate", "active") or bool(r.types)
        short = len(strange) == 1 or not strange[0].isascii()
        return short and named and tools <= {"history", "last_item", "compare_users"}

    def _personal(self) -> str:
        """What is asked of a person that no store of events holds; empty where the data have it as
        an attribute.
        """
        r = self.reading
        if r.has("size"):
            if r.has("store", "event"):
                r.tags.add("count")
            elif not r.values:
                return "size"
        names = {one.lower() for one in r.personal}
        if names and names <= {"last name", "first name"} and r.has("store", "item", "event"):
            r.tags.add(
                "last" if "last name" in names else "first"
            )  # "the last name in the history"
            return ""
        if not r.personal or r.attributes or not (r.users or self.talk.user_id):
            return ""
        return ", ".join(r.personal)

    def _is_harmless(self, word: str) -> bool:
        return (len(word) == 1 and word.isascii()) or word.lower().endswith("ly") or word == "s"

    def _needs_user(self) -> bool:
        return self.reading.has(
            "like",
            "dislike",
            "last",
            "first",
            "best",
            "favourite",
            "recommend",
            "portrait",
            "had",
            "similar",
            "rate",
            "why",
            "pronoun",
        )

    def _say_readings(self) -> None:
        r = self.reading
        if r.bare_user:
            self.readings.append(
                ToolStatement(form="chat.read_user", values={"user": ", ".join(r.users)})
            )
        for kind in dict.fromkeys(r.absent_types):
            if not r.types and not (kind == "rating" and not r.has("count")):
                self.readings.append(
                    ToolStatement(form="chat.absent_type", values={"type": kind_of(kind)})
                )
        if any(one.kind == "price" and CURRENCY.search(one.text) for one in r.bounds):
            self.readings.append(ToolStatement(form="chat.read_price"))
        if r.period and r.period.relative and r.period.since and r.period.until:
            days = {"since": f"{r.period.since}", "until": f"{r.period.until}"}
            self.readings.append(ToolStatement(form="chat.read_period", values={**days}))

    def _will_do(self) -> bool:
        """Whether it is the user who will do something: "how many events will I find" asks of what
        was.
        """
        who = "|".join(
            [
                *map(re.escape, self.reading.users),
                "users?",
                "customers?",
                "people",
                "he",
                "she",
                "they",
            ]
        )
        will = r"\b(?:will|shall)\b"
        form = (
            rf"{will}(?:\s+(?:the|this|that|user|customer|id))*\s+(?:{who})\b|\b(?:{who})\s+{will}"
        )
        return re.search(form, self.reading.text, re.IGNORECASE) is not None

    # ------------------------------------------------------------ arguments

    def _item_id(self, found: MentionedItem) -> str:
        chosen = most_had(self.engine, found.ids)
        if len(found.ids) > 1:
            title = self.engine.data.items_by_id([chosen])[chosen].title or chosen
            self.readings.append(
                ToolStatement(
                    form="chat.read_item",
                    values={"text": found.text, "n": len(found.ids), "title": title},
                )
            )
        return chosen

    @cached_property
    def _value(self) -> dict[str, Given]:
        """The value that a question is about, and of what: the facet it names, else the one for
        what items are.
        """
        r = self.reading
        if not r.values:
            return {}
        named = r.values[0]
        chosen = (
            _of_facets(named, r.facets)
            or _of_facets(named, [self.engine.data.names().primary])
            or named[0]
        )
        others = {one.facet for one in named} - {chosen.facet}
        if others and not _of_facets(named, r.facets):
            self.readings.append(
                ToolStatement(
                    form="chat.read_value", values={"value": chosen.value, "facet": chosen.facet}
                )
            )
        return {"value": chosen.value, "facet": chosen.facet}

    def _type(self) -> str:
        """The event type that is asked for; "rating" only where it is no word about ratings."""
        r = self.reading
        kinds = [
            one
            for one in dict.fromkeys(r.types)
            if one != "rating" or len(self._types()) > 1 or r.has("count")
        ]
        return kinds[0] if kinds else ""

    def _types(self) -> Sequence[str]:
        return list(self.engine.data.names().types)

    def _when(self) -> dict[str, Given]:
        p = self.reading.period
        if p is None:
            return {}
        return {
            "since": f"{p.since}" if p.since else None,
            "until": f"{p.until}" if p.until else None,
        }

    @cached_property
    def _which(self) -> dict[str, Given]:
        """What events are asked about: item, value, type, time."""
        r = self.reading
        found: dict[str, Given] = {
            **self._when(),
            "type": self._type(),
            "rating": self.reading.rating,
        }
        if r.items:
            return {**found, "item": self._item_id(r.items[0])}
        return {**found, **self._value}

    def _thing(self, clause: Clause, to: str = "") -> dict[str, Given]:
        """What a clause is about, as arguments. to: what stands before their names."""
        if clause.thing.item is not None:
            return {f"{to}item": self._item_id(clause.thing.item)}
        named = clause.thing.value
        chosen = _of_facets(named, self.reading.facets) or _of_facets(
            named, [self.engine.data.names().primary]
        )
        chosen = chosen or named[0]
        return (
            {f"{to}value": chosen.value} if to else {"value": chosen.value, "facet": chosen.facet}
        )

    @cached_property
    def _clauses(self) -> list[Clause]:
        return clauses(self.reading)

    def _where(self) -> str:
        """The condition on users' attributes that words and signs come to."""
        r, names = self.reading, self.engine.data.names()
        parts = [*r.conditions, *(f'{one.facet} = "{one.value}"' for one in r.groups)]
        if gender := next(
            (names.attributes[one] for one in ("gender", "sex") if one in names.attributes), ""
        ):
            for tag, word in (("female", "female"), ("male", "male")):
                if r.has(tag) and (value := self._gender(gender, word)):
                    parts.append(f'{gender} = "{value}"')
        if (age := names.attributes.get("age")) and r.numbers:
            sign = "<" if r.has("younger") or (r.has("under") and r.has("aged")) else ""
            sign = sign or (">" if r.has("older") or (r.has("over") and r.has("aged")) else "")
            if sign or r.has("aged"):
                parts.append(f"{age} {sign or '='} {r.numbers[0]}")
        return " and ".join(parts)

    def _gender(self, attribute: str, word: str) -> str:
        held = sorted(self.engine.data.names().texts.get(attribute, ()))
        return next((one for one in held if one.casefold() in (word, word[0])), "")

    def _n(self, otherwise: int, most: int = _LISTED) -> int:
        numbers = [one for one in self.reading.numbers if 1 <= one <= most]
        return numbers[0] if numbers else otherwise

    # ------------------------------------------------------------ users by words

    def _like_words(self) -> AnswerPlan | None:
        r = self.reading
        if (
            not r.has("words_like")
            or r.users
            or r.items
            or (r.values and not r.strange)
            or r.has("count")
        ):
            return None
        text = r.text
        for lead in _LEADS:
            at = text.lower().find(lead)
            if at >= 0:
                words = text[at + len(lead) :].strip(" :：“”\"'?？.。！!")
                if words:
                    return calls(step(find_users, like=words, limit=self._n(5)))
        return None

    def _described(self) -> AnswerPlan | None:
        """ "Retired gardeners who buy gifts": people that are described in words which no data
        hold.
        """
        r = self.reading
        if (
            r.users
            or r.items
            or r.personal
            or r.nobody
            or r.unknown_items
            or self.talk.only is not None
        ):
            return None
        match = _DESCRIBED.fullmatch(r.text)
        if match is None or r.has(
            "count", "future", "why", "recommend", "never", "except", "likely"
        ):
            return None
        return calls(step(audience, like=match["words"], limit=self._n(5)))

    def _audience(self) -> AnswerPlan | None:
        """Users that an item is likeliest for."""
        r = self.reading
        asked = r.has("likely") or (r.has("recommend") and r.has("who", "person"))
        if not asked or r.users or not (r.has("who", "person", "find", "likely") or self._where()):
            return None
        if len(r.items) != 1:
            return cannot("chat.which_item") if r.has("likely") and not r.names_nothing else None
        return calls(
            step(audience, item=self._item_id(r.items[0]), where=self._where(), limit=self._n(5))
        )

    def _since(self) -> AnswerPlan | None:
        """ "Since when does user 5 like comedies?", "since when have they been active?"."""
        r = self.reading
        since = r.has("since") or (
            r.has("period") and r.has("started") and r.has("like", "dislike")
        )
        if (
            not since
            or len(r.users) != 1
            or r.period
            or r.has("count", "recommend", "why", "never", "except")
        ):
            return None
        user, judged = r.users[0], r.has("like", "dislike", "favourite")
        if judged and not r.items:
            polarity = "dislike" if r.has("dislike") else "like"
            return calls(
                step(since_when, user_id=user, polarity=polarity, **self._value, limit=self._n(5))
            )
        return calls(step(history, user_id=user, **self._which, order="oldest", limit=1))

    def _two_periods(self) -> AnswerPlan | None:
        """ "More in January or in February?": counts of two periods, or the same question for each
        of them.
        """
        r, other = self.reading, self.reading.other_period
        if other is None:
            return None
        if r.has("never", "except") or len(r.users) > 1:
            return cannot("chat.unread", words=_quoted([r.period_text]))
        counted = r.has("count", "more", "less", "compare", "most")
        values = bool(r.facets or r.has("category"))
        if (
            not counted
            or values
            or r.has("last", "first", "best", "worst", "mean", "higher", "lower")
        ):
            return self._in_each(other)
        done = bool(
            r.users or r.types or r.has("had", "rate", "event", "active", "store", "person", "who")
        )
        if (
            r.has("like", "dislike", "recommend", "similar", "popular", "portrait")
            or self._where()
            or not done
        ):
            return cannot("chat.unread", words=_quoted([r.period_text]))
        people = not r.users and r.has("person", "who")
        count = "users" if people else "items" if self._counts_items() else "events"
        given = {
            **self._which,
            "user_id": r.users[0] if r.users else None,
            "count": count,
            "other_since": f"{other.since}" if other.since else None,
            "other_until": f"{other.until}" if other.until else None,
        }
        return calls(step(compare_periods, **given))

    def _in_each(self, other: Period) -> AnswerPlan | None:
        """The same question of each of two periods."""
        found: list[Step] = []
        for one in (self.reading.period, other):
            planner = _Planner(
                self.engine, replace(self.reading, period=one, other_period=None), self.talk
            )
            about = planner._plan()
            if about.missing is not None:
                return about
            found += about.steps
        return calls(*found)

    def _measured(self) -> AnswerPlan | None:
        """Items by a number that they have: "the cheapest comedy", "films longer than 90
        minutes".
        """
        r = self.reading
        asked: list[Bound | ItemOrder] = [*r.bounds, *([r.order_by] if r.order_by else [])]
        if lacking := next((one for one in asked if not one.name), None):
            return cannot("chat.no_measure", name=ToolStatement(form=f"measure.{lacking.kind}"))
        tags = r.tags - {"more"} if self._says_the_most else r.tags
        if not asked or r.users or r.items or not tags <= _MEASURED:
            return None
        order = r.order_by
        if order is None and r.has("popular", "most"):
            return None
        by: dict[str, Given] = {"by": order.name, "descending": order.descending} if order else {}
        return calls(
            step(search_items, **self._value, where=self._items_where(), **by, limit=self._n(5))
        )

    @property
    def _says_the_most(self) -> bool:
        return self.reading.text_of("more").casefold() == "the most"

    def _items_where(self) -> str:
        """The condition on items that bounds come to."""
        return " and ".join(dict.fromkeys(one.condition for one in self.reading.bounds))

    def _raters(self) -> AnswerPlan | None:
        """Users by their rating of an item: "who rated Fargo highest?", "who gave it the lowest
        rating?".
        """
        r = self.reading
        if (
            r.users
            or len(r.items) != 1
            or r.values
            or r.has("mean", "recommend", "likely", "less", "compare")
        ):
            return None
        the_most = self._says_the_most
        if r.has("more") and not the_most:
            return None
        judged = r.has("like", "dislike") and not r.has("rate")  # "who liked Fargo best?"
        if judged and not (r.has("who") and self.engine.data.census().rated.any()):
            return None
        if not judged and not (
            r.has("rate") and (r.has("who", "person") or _EDGE_RATING.search(r.text))
        ):
            return None
        tags = [one for one in ("best", "worst") if r.has(one)] or ["best"] * (
            judged and (r.has("most") or the_most)
        )
        turned = judged and r.has("dislike")
        orders = ["highest" if (one == "best") != turned else "lowest" for one in tags]
        about = {"item": self._item_id(r.items[0]), **self._when(), "where": self._where()}
        return (
            calls(*(step(raters, **about, order=one, limit=self._n(5)) for one in orders))
            if orders
            else None
        )

    # ------------------------------------------------------------ why

    def _amounts(self) -> AnswerPlan | None:
        """How much there was in all, and who has the most of it, where the data hold amounts."""
        r = self.reading
        held = {
            kind for one in self.engine.data.catalogue().population.amounts.values() for kind in one
        }
        listens = self._type() == "play" and r.has("who") and r.has("most", "more")
        if not held or len(r.users) > 1 or not (r.has("amount", "spent") or listens):
            return None
        if r.has("mean") or len(self._clauses) > 1 or any(one.negated for one in self._clauses):
            return None
        asks_user = r.users or (r.has("pronoun") and self.talk.user_id)
        user = (r.users[0] if r.users else self.talk.user_id) if asks_user else ""
        which = {one: given for one, given in self._which.items() if one != "rating"}
        least = r.has("worst", "less") and not r.has("most", "best")
        return calls(
            step(
                amounts,
                **which,
                user_id=user or "",
                spent=r.has("spent"),
                least=least,
                where=self._where(),
                limit=self._n(5),
            )
        )

    def _why(self) -> AnswerPlan | None:
        r = self.reading
        if not r.has("why"):
            return None
        if not r.users:
            return cannot("chat.which_user") if not self.talk.steps else None
        user = r.users[-1]
        if r.items:
            return calls(step(explain_recommendation, user_id=user, item=self._item_id(r.items[0])))
        if r.has("recommend") and not r.values:
            at = 2 if r.has("third") else 1 if r.has("second") else 0
            chosen = self.talk.items[at] if at < len(self.talk.items) else None
            return calls(
                step(explain_recommendation, user_id=user, item=chosen, **self._wanted_before(user))
            )
        if r.values:
            return calls(step(explain_preference, user_id=user, value=str(self._value["value"])))
        if r.has("like", "dislike", "portrait", "favourite"):
            polarity = (
                "dislike" if r.has("dislike") else "like" if r.has("like", "favourite") else None
            )
            return calls(step(explain_preference, user_id=user, polarity=polarity))
        return None

    def _wanted_before(self, user: str) -> dict[str, Given]:
        """What the list that was given last was asked to hold, so that it is that list which is
        explained.
        """
        last = self.talk.steps[-1] if self.talk.steps else None
        if last is None or last.tool not in (recommend, explain_recommendation):
            return {}
        given = last.args.model_dump()
        return (
            {one: given[one] for one in ListArgs.model_fields} if given["user_id"] == user else {}
        )

    # ------------------------------------------------------------ two users and more

    def _users(self) -> AnswerPlan | None:
        r = self.reading
        if len(r.users) < 2:
            return None
        if r.facets and not r.values and r.has("most", "favourite", "best", "like"):
            return calls(
                *(step(favourites, user_id=one, facet=r.facets[0]) for one in r.users[:_MOST_USERS])
            )
        if r.has("recommend") and not r.has("compare", "more", "less", "why"):
            return self._each()
        if len(r.users) > 2 or (r.has("last", "first") and not r.has("compare", "more", "less")):
            return self._each()
        if r.attributes or any(one.startswith("attribute.") for one in r.tags):
            return self._each()
        first, second = r.users
        # Ratings are compared by their mean only where they are said to be high or low; else they
        # are counted.
        rating = (
            r.has("rate", "mean", "higher", "lower")
            and r.has("mean", "higher", "lower")
            and not r.has("count")
        )
        rating = rating and not r.has("event", "active")
        counted = r.has("more", "less", "most", "count", "active", "event", "who", "had")
        if rating:
            aspect = "rating"
        elif r.has("both") and not r.has("more", "less", "most", "active"):
            aspect = "taste"  # which says what they share
        elif counted and r.has("item") and not r.has("event", "active") and not self._type():
            aspect = "items"
        elif counted and not (
            r.has("compare", "portrait", "like")
            and not r.has("more", "less", "most", "count", "active")
        ):
            aspect = "events"
        else:
            aspect = "taste"
        return calls(
            step(compare_users, user_id=first, other_id=second, aspect=aspect, **self._which)
        )

    def _each(self) -> AnswerPlan | None:
        """The same question for each of several users."""
        steps: list[Step] = []
        for user in self.reading.users[:_MOST_USERS]:
            found = self._of(user)
            if found is None or found.missing is not None:
                return found
            steps += found.steps
        return calls(*steps)

    # ------------------------------------------------------------ one user

    def _user(self) -> AnswerPlan | None:
        r = self.reading
        return self._of(r.users[0]) if len(r.users) == 1 else None

    def _of(self, user: str) -> AnswerPlan | None:
        r = self.reading
        if (r.has("similar") and not r.values and not r.has("recommend")) or self._asks_for_alike():
            return calls(step(similar_users, user_id=user, limit=self._n(5)))
        if r.has("recommend") or (r.has("future") and r.has("like")):
            return calls(step(recommend, user_id=user, n=self._n(5), **self._wanted()))
        if alike := self._alike_for(user):
            return alike
        for tag in sorted(one for one in r.tags if one.startswith("attribute.")):
            name = tag.partition(".")[2]
            known = self.engine.data.names().attributes
            there = next(
                (known[one] for one in _SAME_ATTRIBUTE.get(name, (name,)) if one in known), None
            )
            if there is None:
                return cannot("chat.strange", words=f"“{name}”")
            if there not in r.attributes:
                r.attributes.append(there)
        if r.attributes and not r.values:
            return calls(
                *(
                    step(user_attributes, user_id=user, attribute=one)
                    for one in dict.fromkeys(r.attributes)
                )
            )
        return self._events(user) or self._taste(user)

    def _wanted(self) -> dict[str, Given]:
        """What a list should hold, and what not."""
        r = self.reading
        found: dict[str, Given] = {}
        for one in self._clauses:
            if one.thing.item is None:
                given = (
                    self._thing(one, "not_")
                    if one.negated or one.verb == "dislike"
                    else self._thing(one)
                )
                found = {**given, **found}
        turned = any(
            one.negated or one.verb == "dislike" for one in self._clauses if one.thing.item
        )
        near = (
            self._item_id(r.items[0])
            if len(r.items) == 1 and self._is_alike() and not turned
            else None
        )
        return {**found, "where": self._items_where(), "near": near}

    def _is_alike(self, noun: str = "") -> bool:
        """Whether things like the one item are meant: "something like Fargo"."""
        r = self.reading
        title = re.escape(r.items[0].text)
        form = rf"{noun}(?:\blike|\b(?:similar|close)\s+to)\s+[\"“'‘«《「]?{title}"
        zh = rf"(?:像|似于?|和|与|跟)\s*[\"“《「]?{title}"
        return bool(
            re.search(form, r.text, re.IGNORECASE) or (r.has("similar") and re.search(zh, r.text))
        )

    def _alike_for(self, user: str) -> AnswerPlan | None:
        """ "Something like Fargo for user 13", "films like Fargo that user 13 has not seen"."""
        r = self.reading
        if len(r.items) != 1 or r.has("count", "why", "who") or not self._is_alike(_NOUN_BEFORE):
            return None
        for_them = re.search(rf"\bfor\s+(?:\w+\s+)?(?:{re.escape(user)}|me)\b|给", r.text)
        if for_them or (r.has("never") and r.has("had")):
            return calls(step(recommend, user_id=user, n=self._n(5), **self._wanted()))
        return cannot("chat.unread", words=_quoted([r.items[0].text]))

    def _asks_for_alike(self) -> bool:
        """ "Which users are like user 5", "Who is like user 5": like stands between those who are
        asked for and the user, and there is nothing to like.
        """
        r = self.reading
        if (
            not (r.has("like") and r.has("person") and r.has("find", "who"))
            or r.values
            or r.facets
            or r.items
        ):
            return False
        who, person, like = (
            r.order.index(one) if one in r.order else len(r.order)
            for one in ("who", "person", "like")
        )
        return (person < like or who < like) and not r.has("portrait", "had", "most", "best")

    def _events(self, user: str) -> AnswerPlan | None:
        """What they did: counted, last, first, best rated, most frequent."""
        r = self.reading
        about = {"user_id": user, **self._which}
        object_ = r.has("event", "item", "had", "rate", "store") or bool(about.get("type"))
        most = r.has("most", "favourite", "best")
        if r.facets and not r.values and (most or not r.has(*_NOT_FAVOURITE)):
            return calls(
                step(
                    favourites,
                    user_id=user,
                    facet=r.facets[0],
                    **_without(about, "user_id", "value", "facet"),
                )
            )
        if (
            r.has("category")
            and not r.facets
            and r.has("most", "favourite", "best")
            and not r.values
        ):
            return calls(
                step(favourites, user_id=user, **_without(about, "user_id", "value", "facet"))
            )
        if r.has("rate") and r.has("mean", "higher", "lower"):
            return calls(step(ratings, **_without(about, "type")))
        if (
            r.has("best", "worst", "favourite")
            and not r.items
            and (r.has("rate", "item", "best", "worst") or r.values)
            and not (r.has("count") and not r.has("rate"))
        ):
            order = "lowest" if r.has("worst") and not r.has("best") else "highest"
            return calls(step(history, **_without(about, "type"), order=order, limit=self._n(1)))
        if (
            r.has("most")
            and r.has("like", "rate")
            and r.has("item", "rate")
            and not r.has("count", "event")
        ):
            return calls(
                step(history, **_without(about, "type"), order="highest", limit=self._n(1))
            )
        if (
            r.has("last")
            and not r.has("count")
            and (
                object_
                or about.get("value")
                or r.has("who", "find")
                or not r.has("like", "dislike", "portrait")
            )
        ):
            if self._n(1) > 1 or (r.has("find") and r.has("event")):
                return calls(step(history, **about, limit=self._n(5)))
            if r.has("first"):  # "what did they watch first, and what last?"
                return calls(
                    step(last_item, **about), step(history, **about, order="oldest", limit=1)
                )
            return calls(step(last_item, **about))
        if r.has("first") and not r.has("count"):
            return calls(step(history, **about, order="oldest", limit=self._n(1)))
        if r.items:
            return calls(step(history, **about, limit=3))
        if (
            r.has("count")
            and (object_ or r.values or r.period)
            and (
                r.has("event", "item", "active")
                or about.get("type")
                or r.values
                or r.period
                or self._counts_history()
            )
        ):
            return calls(
                step(history, **about, limit=0, count="items" if self._counts_items() else None)
            )
        if r.values and r.has("like", "dislike") and not r.has("event", "count", "last"):
            return calls(
                step(explain_preference, user_id=user, value=str(about["value"])),
                step(history, **about, limit=0),
            )
        if r.values:
            return calls(step(history, **about, limit=5))
        if r.period or about.get("type"):
            return calls(step(history, **about, limit=self._n(5)))
        if r.has("active") and not r.has("like"):
            return calls(step(history, **about, limit=0))
        return None

    def _counts_items(self) -> bool:
        r = self.reading
        return r.has("item") and not r.has("event", "thing") and not self._type()

    def _counts_history(self) -> bool:
        """ "How long is the history of user 5": the history itself is counted."""
        return self.reading.has("store") and not self.reading.strange

    def _taste(self, user: str) -> AnswerPlan | None:
        r = self.reading
        facet = r.facets[0] if r.facets else None
        trend = "fading" if r.has("stopped", "fading") else "rising" if r.has("started") else None
        if r.has("dislike"):
            return calls(step(portrait, user_id=user, polarity="dislike", trend=trend, facet=facet))
        if trend:
            return calls(step(portrait, user_id=user, polarity="like", trend=trend, facet=facet))
        if r.has("like", "favourite"):
            return calls(step(portrait, user_id=user, polarity="like", facet=facet))
        if r.has("portrait", "who") or (
            facet is None and not r.strange and not (r.tags - {"person", "pronoun"})
        ):
            return calls(step(portrait, user_id=user))
        if r.has("had", "event", "store") and not r.has("count") and not r.strange:
            return calls(step(history, user_id=user, **self._which, limit=self._n(5)))
        if r.tags <= {"person", "pronoun", "find", "item", "active"}:
            return calls(step(portrait, user_id=user))
        return None

    # ------------------------------------------------------------ all users

    def _cohort(self) -> AnswerPlan | None:
        r = self.reading
        if r.users:
            return None
        where = self._where()
        people = r.has("person", "who") or bool(where)
        if not people or (r.has("recommend") and not r.items):
            return None
        if r.has("portrait") and r.has("count") and not (r.items or r.values):
            return calls(step(catalogue, topic="portraits"))
        if r.has("mean") and r.has("event", "active", "had", "item") and not (r.items or r.values):
            return calls(step(catalogue, topic="activity"))
        course = (
            "stopped" if r.has("stopped", "fading") else "started" if r.has("started") else None
        )
        judged = r.has("like", "favourite") or course is not None
        polarity = (
            "dislike" if r.has("dislike") else "like" if judged and (r.items or r.values) else None
        )
        about = self._which
        if len(r.things) > 1 or (r.has("never", "except") and r.things):
            return self._several(where, course)
        plain = not (r.items or r.period or r.rating or r.numbers or r.has("had", "event"))
        if r.values and polarity and plain and self._all_painted():
            trend = "fading" if course == "stopped" else "rising" if course else None
            return calls(
                step(
                    find_users,
                    value=str(about["value"]),
                    polarity=polarity,
                    trend=trend,
                    where=where,
                )
            )
        bounds = self._bounds(where)
        limit = self._n(5) if not bounds and not r.has("aged", "older", "younger") else 5
        if not (r.items or r.values or where or bounds or about["type"] or r.period or r.rating):
            if r.has("most", "active", "more", "best") and r.has(
                "event", "active", "had", "item", "store", "count", "most"
            ):
                return calls(step(cohort, limit=limit))
            if r.has("count") and not r.strange and not r.has("popular", "most"):
                return calls(step(catalogue, topic="users"))
            return None
        return calls(
            step(
                cohort,
                **about,
                **bounds,
                polarity=polarity,
                course=course if polarity else None,
                where=where,
                limit=limit,
            )
        )

    def _several(self, where: str, course: str | None) -> AnswerPlan | None:
        """Users by several things, or by what they did not have; what finds no place here the guard
        misses.
        """
        wanted = [one for one in self._clauses if not one.negated]
        barred = [one for one in self._clauses if one.negated]
        given: dict[str, Given] = {
            **self._when(),
            "type": self._type(),
            "rating": self.reading.rating,
            "where": where,
            "limit": self._n(5),
        }
        if not wanted and len(barred) == 1 and barred[0].verb == "had":
            return calls(step(cohort, **given, **self._thing(barred[0]), max_events=0))
        if wanted:
            given |= self._thing(wanted[0])
            given["polarity"] = _judged(wanted[0])
            given["course"] = course if given["polarity"] else None
            given |= self._bounds(where)
        for one in wanted[1:]:
            if one.either and _judged(one) == given["polarity"]:
                given = {**self._thing(one, "or_"), **given}
            elif not one.either and given.get("and_polarity", _judged(one)) == _judged(one):
                given = {**self._thing(one, "and_"), **given, "and_polarity": _judged(one)}
        for one in barred:
            if given.get("not_polarity", _judged(one)) == _judged(one):
                given = {**self._thing(one, "not_"), **given, "not_polarity": _judged(one)}
        return calls(step(cohort, **given))

    def _bounds(self, where: str) -> dict[str, Given]:
        """At least or at most how many events."""
        r = self.reading
        if r.has("never", "except"):
            return {"max_events": 0} if not r.things and self._did_nothing() else {}
        numbers = [one for one in r.numbers if f" {one}" not in where]
        if not numbers or r.has("aged", "older", "younger"):
            return {}
        if r.has("over"):
            return {"min_events": numbers[0] + 1}
        if r.has("exact"):
            return {"min_events": numbers[0]}
        if r.has("under") or r.has("less"):
            return {"max_events": numbers[0] - 1}
        return {"max_events": numbers[0]} if r.has("most_n") else {}

    def _did_nothing(self) -> bool:
        """ "Users who did nothing in 2010", and not "active in 2010 but not in 2011": the negation
        stands first.
        """
        words = self.reading.words
        no = min(one.at for one in words if one.tag in ("never", "except"))
        did = [
            one.at
            for one in words
            if one.tag in ("had", "event", "active", "rate") or one.tag.startswith("type.")
        ]
        return not any(one < no for one in did)

    def _all_painted(self) -> bool:
        counts = self.engine.data.counts()
        return 0 < counts.users == counts.profiles

    # ------------------------------------------------------------ items and the store

    def _item(self) -> AnswerPlan | None:
        r = self.reading
        if not r.items or r.users:
            return None
        if r.has("recommend") and not r.has("count"):
            return cannot("chat.which_user")
        if self._asks_for_near():
            return calls(step(similar_items, item=self._item_id(r.items[0]), limit=self._n(5)))
        if self._counts_events():
            return calls(step(count_events, **self._which))
        return calls(*(step(item, item=self._item_id(one)) for one in r.items[:3]))

    def _asks_for_near(self) -> bool:
        """ "Films like Toy Story", "which items are similar to Fargo?"."""
        r = self.reading
        if len(r.items) != 1 or r.values:
            return False
        before = [one.tag for one in r.words if one.at < r.things[0].at]
        like = (
            "like" in before
            and "item" in before
            and not r.has("person", "who", "pronoun", "had", "count")
        )
        return r.has("similar") or like

    def _counts_events(self) -> bool:
        """ "How many ratings", "the number of purchases": events are counted, and not those who did
        something.
        """
        r = self.reading
        if not r.has("count") or r.has("person", "who"):
            return False
        words = sorted(r.words, key=lambda one: one.at)
        at = next(place for place, one in enumerate(words) if one.tag == "count")
        behind = [one for one in words[at:] if one.at > words[at].at]
        following = (
            {one.tag: one.text for one in behind if one.at == behind[0].at} if behind else {}
        )
        noun = any(
            one.startswith("type.") and (text.casefold().endswith("s") or not text.isascii())
            for one, text in following.items()
        )
        return "event" in following or noun

    def _searches(self) -> bool:
        r = self.reading
        return r.has("find", "item") and not r.has("person", "who") and not r.users

    def _store(self) -> AnswerPlan | None:
        r = self.reading
        if r.users or r.has("recommend", "pronoun"):
            return None
        value = self._value
        if r.has("kinds") and r.has("event"):
            return calls(step(catalogue, topic="types"))
        if (
            (r.facets or r.has("category"))
            and not value
            and not r.strange
            and r.has("popular", "most")
        ):
            facet = r.facets[0] if r.facets else None
            fewest = r.has("less", "worst")
            return calls(
                step(
                    popular_values,
                    **_without(self._which, "facet"),
                    facet=facet,
                    ascending=fewest,
                    limit=self._n(5),
                )
            )
        if (r.facets or r.has("category")) and not value and not r.strange:
            return calls(step(catalogue, topic="values", facet=r.facets[0] if r.facets else None))
        popular = r.has("popular") or (
            r.has("most", "best", "worst") and (r.has("item", "rate", "had") or bool(value))
        )
        if self._counts_events() and not r.strange:
            plain = not (value or r.period or self._type() or r.rating)
            return (
                calls(step(catalogue, topic="events"))
                if plain
                else calls(step(count_events, **self._which))
            )
        if popular and (r.has("item", "popular") or value) and not r.strange:
            by = (
                "rating"
                if (r.has("rate", "best", "worst") and not r.has("popular", "had")) or r.has("rate")
                else ("events" if r.has("event") else "users")
            )
            return calls(
                step(
                    popular_items,
                    by=by,
                    ascending=r.has("worst", "less"),
                    limit=self._n(5),
                    type=self._type(),
                    where=self._items_where(),
                    **self._when(),
                    **value,
                )
            )
        if r.has("mean") and r.has("rate"):
            return calls(step(catalogue, topic="rating"))
        if (r.has("count") and r.has("event", "had") and not r.has("item")) or (
            r.has("count") and self._type()
        ):
            if value or r.period or self._type():
                return calls(step(cohort, **value, **self._when(), type=self._type()))
            return (
                calls(step(catalogue, topic="events")) if r.has("event") and not r.strange else None
            )
        if (r.has("count") and r.has("item")) or (value and r.has("count")):
            return (
                calls(step(search_items, **value))
                if value
                else calls(step(catalogue, topic="items"))
            )
        if (r.has("period") or (r.has("since") and r.has("store", "event"))) and not r.strange:
            return calls(step(catalogue, topic="period"))
        if self._searches() and (value or r.strange or r.unknown_items):
            words = " ".join([*r.unknown_items, *r.strange])
            return calls(step(search_items, words=words, **value, limit=self._n(5)))
        if r.has("store", "portrait") and not r.strange and not r.has("like", "last"):
            return calls(step(catalogue))
        return None


_EDGE_RATING = re.compile(
    r"\b(?:highest|lowest|best|worst|top)\s+(?:rating|score|mark|grade)\b|最[高低](?:的)?(?:评分|打分|得分|分)",
    re.IGNORECASE,
)
"""The highest rating itself, and not what is highest rated."""
_NOUN_BEFORE = (
    r"\b(?:films?|movies?|items?|products?|books?|songs?|games?|something|anything|things?|one|ones)\s+"
    r"(?:that(?:'s|\s+is|\s+are)\s+|which\s+(?:is|are)\s+)?"
)
"""Before "like" they ask for what is like an item, and not for who likes it."""
_MEASURED = frozenset(
    {
        "item",
        "thing",
        "find",
        "count",
        "exist",
        "store",
        "had",
        "popular",
        "older",
        "category",
        "recommend",
        "again",
        "price",
        "most",
    }
)
"""With these tags alone a question that orders or bounds items asks for the items."""
_NOT_FAVOURITE = (
    "like",
    "dislike",
    "recommend",
    "similar",
    "why",
    "stopped",
    "started",
    "fading",
    "portrait",
    "last",
)
"""With these a facet that is named narrows something else."""
_SAME_ATTRIBUTE = {
    "gender": ("gender", "sex"),
    "occupation": ("occupation", "job", "profession"),
    "age": ("age", "age group"),
}
"""What an attribute may be called in data, by what questions call it."""
_OWN = frozenset(("chat.strange", "chat.unknown", "chat.help"))
"""What is said otherwise to somebody who may ask about themselves alone."""
_DESCRIBED = re.compile(
    r"(?:(?:please\s+)?(?:find|show|list|give)\s+(?:me\s+)?)?(?:(?:all|the|some)\s+)?"
    r"(?P<words>(?!who\b|which\b|what\b|whom\b|whose\b|how\b|when\b|where\b|why\b|do\b|does\b|did\b|is\b|are\b|was\b"
    r"|were\b|has\b|have\b|can\b|could\b|will\b|would\b|should\b|tell\b|say\b|count\b|recommend\b)"
    r"(?:[\w'-]+\s+){1,5}(?:who|that|whose|with)\s[^?？]{3,200}?)[.!]?",
    re.IGNORECASE,
)
"""People in a noun phrase: no question, and no order but to find them."""
_LEADS = (
    "users who are like",
    "people who are like",
    "users similar to",
    "people similar to",
    "customers similar to",
    "users resembling",
    "users matching",
    "people matching",
    "users such as",
    "users like",
    "people like",
    "customers like",
    "someone like",
    "像这样的用户",
    "类似这样的用户",
)


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"“{one}”" for one in dict.fromkeys(words))


def _judged(clause: Clause) -> str:
    """What a clause says of taste, as tools take it; empty of what was merely had."""
    return clause.verb if clause.verb in ("like", "dislike") else ""


def _words_of(one: Step) -> str:
    given = one.args.model_dump()
    return str(given.get("like") or given.get("words") or "")


def _of_facets(named: Sequence[NamedValue], facets: Sequence[str]) -> NamedValue | None:
    return next((one for one in named if one.facet in facets), None)


def _without(given: dict[str, Given], *names: str) -> dict[str, Given]:
    return {name: one for name, one in given.items() if name not in names}
