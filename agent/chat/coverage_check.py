"""What a plan passes over of what was read: it would answer another question than the one that was
asked.

Every number, negation, item, value, facet, type, rating, time and trend that a question names must
stand in a call's arguments, or be what a tool always tells; this is the one place that looks
whether they do.
"""

import re
from collections.abc import Sequence

from limner.chat.reading import QuestionReading
from limner.chat.steps import Step
from limner.words.text import fold

_NOT = ("not_item", "not_value")
_VALUES = ("value", "or_value", "and_value", "not_value")
_ITEMS = ("item", "or_item", "and_item", "not_item", "near")
_EXPLAIN = frozenset({"explain_recommendation", "explain_preference"})
_OF_FACETS = frozenset({"favourites", "popular_values", "catalogue"})
_UNCOUNTED = frozenset({"portrait", "recommend", "similar_users", "similar_items", *_EXPLAIN})
"""Tools that say what, and not how much of it."""
_BY_RATING = frozenset({"ratings", "item", "popular_items"})
_NEEDS: dict[str, frozenset[str]] = {
    "likely": frozenset({"audience"}),
    "price": frozenset({"item"}),
    "why": _EXPLAIN,
    "similar": frozenset({"similar_users", "similar_items", "find_users", "audience"}),
    "mean": frozenset({"ratings", "catalogue", "item", "popular_items", "compare_users"}),
}
"""Tags that only some tools answer to."""
_USERS = frozenset({"cohort", "find_users"})
_HOW_MANY = re.compile(r"\bhow many\b|多少", re.IGNORECASE)


def unread(reading: QuestionReading, steps: Sequence[Step]) -> list[str]:
    """What of a question its calls say nothing of, in its words; empty where nothing is."""
    return [one for one in _Guard(reading, steps).unread() if one]


class _Guard:
    def __init__(self, reading: QuestionReading, steps: Sequence[Step]) -> None:
        self.reading = reading
        self.steps = len(steps)
        self.tools = {one.tool.name for one in steps}
        self.given = [one.args.model_dump() for one in steps]
        self.texts = fold(" ".join(f"{value}" for one in self.given for value in one.values()))

    def unread(self) -> list[str]:
        return [
            *self._numbers(),
            *self._things(),
            *self._groups(),
            self._negation(),
            self._facet(),
            self._trend(),
            *self._types(),
            *self._marks(),
            *self._measures(),
            self._users(),
            *self.reading.ranges,
        ]

    def _has(self, *names: str) -> list[object]:
        """What the calls give for these arguments."""
        return [
            one[name] for one in self.given for name in names if one.get(name) not in (None, "")
        ]

    def _numbers(self) -> list[str]:
        numeric = {
            value + by
            for one in self.given
            for name, value in one.items()
            if isinstance(value, int)
            for by in (
                (0, -1) if name == "min_events" else (0, 1) if name == "max_events" else (0,)
            )
        }
        words = self.texts.replace(">", " ").replace("<", " ").replace("=", " ").split()
        among = len(self.reading.users)  # "I have two accounts here"
        return [
            f"{one}"
            for one in self.reading.numbers
            if one not in numeric and f"{one}" not in words and not (among > 1 and one == among)
        ]

    def _things(self) -> list[str]:
        items, values = (
            {str(one) for one in self._has(*_ITEMS)},
            {str(one) for one in self._has(*_VALUES)},
        )
        said = fold(" ".join(str(one) for one in self._has("like", "words")))
        wanted = [
            one.text
            for one in self.reading.items
            if items.isdisjoint(one.ids) and fold(one.text) not in said
        ]
        missed = [
            one[0].value
            for one in self.reading.values
            if values.isdisjoint(named.value for named in one)
            and not any(fold(named.value) in said for named in one)
        ]
        period = self.reading.period is not None and not self._has("since", "until")
        rating = self.reading.rating if self.reading.rating and not self._has("rating") else ""
        return [
            *wanted,
            *missed,
            self.reading.period_text if period or self._other_period() else "",
            rating,
        ]

    def _other_period(self) -> bool:
        """Whether the calls pass over a second period."""
        other = self.reading.other_period
        given = [(one.get("since"), one.get("until")) for one in self.given]
        given += [(one.get("other_since"), one.get("other_until")) for one in self.given]
        return other is not None and (other.since, other.until) not in given

    def _groups(self) -> list[str]:
        if self.tools <= {"user_attributes"} or self._has("like"):
            return []
        where = fold(" ".join(str(one) for one in self._has("where")))
        found = [one.value for one in self.reading.groups if fold(one.value) not in where]
        if self.reading.has("female", "male") and not where:
            found.append(self.reading.text_of("female", "male"))
        if self.reading.has("older", "younger", "aged") and not where:
            found.append(self.reading.text_of("older", "younger", "aged"))
        return [*found, *(one for one in self.reading.conditions if fold(one) not in where)]

    def _measures(self) -> list[str]:
        """Bounds and the order of items; the tool `item` tells every number of its one item."""
        r = self.reading
        if self.tools == {"item"}:  # "which is longer, Fargo or Heat?" is told by no item
            return [
                one.text
                for one in r.words
                if one.text.casefold() in ("longer", "shorter") and not r.bounds
            ]
        where = " and ".join(str(one) for one in self._has("where"))
        missed = [one.text for one in r.bounds if one.condition not in where]
        ordered = [(one.get("by"), one.get("descending")) for one in self.given]
        if r.order_by and (r.order_by.name, r.order_by.descending) not in ordered:
            missed.append(r.order_by.text)
        if (r.bounds or r.order_by) and self.tools == {"search_items"}:
            missed.append(r.text_of("most", "popular", "best", "worst"))
        return missed

    def _negation(self) -> str:
        if (
            not self.reading.has("never", "except")
            or self._has(*_NOT)
            or self._has("like", "words")
        ):
            return ""
        if (
            any(one.get("max_events") == 0 for one in self.given)
            or "explain_recommendation" in self.tools
        ):
            return ""
        if self.tools == {"recommend"} and self.reading.has("had") and self._has("near"):
            return (
                ""  # "films like Fargo that user 5 has not seen": what was had is never recommended
            )
        if self.tools <= {"history"} and self._has(
            "item"
        ):  # "has user 5 not seen Fargo?" is answered by how often
            return ""
        return self.reading.text_of("never", "except")

    def _facet(self) -> str:
        r = self.reading
        held = {named.facet for one in r.values for named in one} | {
            str(one) for one in self._has("facet")
        }
        missed = [one for one in r.facets if one not in held]
        topics = {str(one) for one in self._has("topic")}
        if missed and not (self.tools & (_OF_FACETS - {"catalogue"}) or topics & {"all", "values"}):
            return missed[0]
        if (
            r.facets and r.has("popular") and self.tools & _USERS
        ):  # "popular genres among users who like horror"
            return r.facets[0]
        told = bool(
            r.values or r.facets or self.tools & _OF_FACETS or self._has("facet", "words", "like")
        )
        return (
            r.text_of("category")
            if r.has("category") and not told and "item" not in self.tools
            else ""
        )

    def _trend(self) -> str:
        r, given = self.reading, {str(one) for one in self._has("trend", "course")}
        if self._has("like", "words"):
            return ""
        if r.has("fading", "stopped") and given.isdisjoint({"fading", "stopped"}):
            return r.text_of("fading", "stopped")
        if r.has("started") and self.tools & _USERS and given.isdisjoint({"rising", "started"}):
            return r.text_of("started")
        return r.text_of("steady") if r.has("steady") and "steady" not in given else ""

    def _types(self) -> list[str]:
        given = {str(one) for one in self._has("type")}
        only = len(set(self.reading.types)) == 1 and not given
        if self._has("like", "words") or "catalogue" in self.tools:
            return []
        missed = [
            one for one in dict.fromkeys(self.reading.types) if one not in given and one != "rating"
        ]
        return (
            []
            if only and not self.tools & {*_USERS, "history", "last_item", "count_events"}
            else missed
        )

    def _marks(self) -> list[str]:
        r = self.reading
        found = [
            r.text_of(tag)
            for tag, tools in _NEEDS.items()
            if r.has(tag)
            and not self.tools & tools
            and not self._has("like", "words", *("near",) * (tag == "similar"))
        ]
        found += self._beside_items()
        if (
            self.steps < 2
            and len(_HOW_MANY.findall(r.text)) > 1
            and "compare_periods" not in self.tools
        ):
            found.append(r.text_of("count"))  # "how many films, and how many comedies?"
        found.append(
            r.text_of("earlier", "later")
        )  # what these are of is known from the call before, and made of it
        if r.has("since") and not self._says_since():
            found.append(r.text_of("since"))
        if r.has("count") and self.tools and self.tools <= _UNCOUNTED:
            found.append(r.text_of("count"))
        if r.has("recommend") and self.tools & {"compare_users", "cohort"}:
            found.append(r.text_of("recommend"))
        if (
            self.tools == {"search_items"}
            and self._has("words")
            and r.has("most", "more", "best", "worst")
        ):
            found.append(
                r.text_of("most", "more", "best", "worst")
            )  # "which year had the most ratings?"
        if self.tools == {"raters"}:
            found += self._raters()
        if r.has("higher", "lower") and r.has("rate") and "history" in self.tools:
            found.append(r.text_of("higher", "lower"))
        return found

    def _beside_items(self) -> list[str]:
        """ "Before Fargo", "《Fargo》之后": what was done around an item, which no call takes."""
        found = []
        for one in self.reading.items:
            title = re.escape(one.text)
            form = (
                rf"\b(?:before|after|since|until)\s+[\"“'‘]?{title}|"
                rf"《?{title}[\"”》」]?(?:之前|之后|以前|以后)"
            )
            found += [match[0] for match in re.finditer(form, self.reading.text, re.IGNORECASE)]
        return found

    def _says_since(self) -> bool:
        """Whether a call tells the first event, or from when on there are any."""
        return (
            self.tools <= {"since_when"}
            or "oldest" in self._has("order")
            or (self.tools == {"catalogue"} and "period" in self._has("topic"))
        )

    def _raters(self) -> list[str]:
        """What an order by rating alone does not answer."""
        r, orders = self.reading, {str(one) for one in self._has("order")}
        if r.has("best", "worst") and len(orders) < r.has("best") + r.has("worst"):
            return [r.text_of("best", "worst")]
        return [
            r.text_of(one)
            for one in ("active", "last", "first", "most_n", "exact", "over", "under")
            if r.has(one)
        ]

    def _users(self) -> str:
        """Lists of users are in the order of how many events, and of no other."""
        r = self.reading
        if r.has("of_them"):
            return r.text_of("of_them")
        if r.has("who") and self.tools == {"catalogue"}:  # "who rates highest on average?"
            return r.text_of("best", "worst", "higher", "lower")
        if not self.tools & _USERS or self._has("like"):
            return ""
        rated = r.has("rate") and r.has("best", "worst", "higher", "lower")
        return (
            r.text_of("best", "worst", "higher", "lower") if rated else r.text_of("last", "first")
        )
