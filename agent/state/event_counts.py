"""Counting over all events of a store at once: who had what, when, and how much of it. Arrays in,
arrays out.

Users and items are positions in `Census.user_ids` and `item_ids`. "Liked" is a positive signal,
"disliked" a negative one, as `limner.core.signals` reads an event; events nearer to zero than
NEUTRAL say neither.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions, milliseconds
from limner.core.schema import Item
from limner.facts import Population

Mask = NDArray[np.bool_]
Course = Literal["", "stopped", "started"]
Polarity = Literal["like", "dislike"]
NEUTRAL = 0.1
MIN_LIKED = 2
"""Different liked items from which a user is said to have liked a value."""


@dataclass(frozen=True)
class Filter:
    """Selects the events to count; the default selects all."""

    items: Mask | None = None
    """[items] of the items that count."""
    types: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""


@dataclass(frozen=True)
class UserCounts:
    """Users that match a condition, most matching events first, ties by id."""

    users: NDArray[np.int64]
    """[n] positions."""
    counts: NDArray[np.int64]
    """[n] events, or different items, of each that the condition is about."""
    seqs: NDArray[np.int64]
    """[n] the store's number of the newest of these events."""

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class ItemCounts:
    """Counts and mean rating of each item."""

    events: NDArray[np.int64]
    """[items]."""
    users: NDArray[np.int64]
    """[items] different ones."""
    rating: NDArray[np.float64]
    """[items] mean raw rating, NaN for unrated items."""
    ratings: NDArray[np.int64]
    """[items] how many it is the mean of."""


@dataclass(frozen=True, eq=False)
class Census:
    """All item events of a store, ready to be counted."""

    x: Interactions
    signal: NDArray[np.float32]
    """[n]."""
    rated: Mask
    """[n] whether the event's value is a rating."""

    @property
    def user_ids(self) -> list[str]:
        return self.x.user_ids

    @property
    def item_ids(self) -> list[str]:
        return self.x.item_ids

    @cached_property
    def user_position(self) -> dict[str, int]:
        return {one: at for at, one in enumerate(self.x.user_ids)}

    @cached_property
    def item_position(self) -> dict[str, int]:
        return {one: at for at, one in enumerate(self.x.item_ids)}

    def items(self, ids: Collection[str]) -> Mask:
        """[items] true for those ids."""
        found = np.zeros(len(self.item_ids), dtype=bool)
        found[[self.item_position[one] for one in ids if one in self.item_position]] = True
        return found

    def users(self, ids: Collection[str]) -> Mask:
        """[users] true for those ids."""
        found = np.zeros(len(self.user_ids), dtype=bool)
        found[[self.user_position[one] for one in ids if one in self.user_position]] = True
        return found

    # ------------------------------------------------------------ which events

    def rows(self, which: Filter) -> Mask:
        """[n] the events that a filter leaves."""
        x = self.x
        mask = np.ones(len(x), dtype=bool)
        if which.items is not None:
            mask &= which.items[x.item]
        if which.types:
            mask &= np.array([one in which.types for one in x.types], dtype=bool)[x.type]
        if which.since is not None:
            mask &= x.time >= milliseconds(which.since)
        if which.until is not None:
            mask &= (x.time < milliseconds(which.until)) & (x.time != NO_TIME)
        return mask

    # ------------------------------------------------------------ who

    def holders(self, rows: Mask, among: Mask | None = None) -> UserCounts:
        """Users with at least one of the events, most events first."""
        selected = rows if among is None else rows & among[self.x.user]
        counts = np.bincount(self.x.user[selected], minlength=len(self.user_ids))
        return self._ordered(np.flatnonzero(counts), counts, selected)

    def likers(
        self,
        rows: Mask,
        polarity: Polarity,
        course: Course,
        among: Mask | None,
        least: int = MIN_LIKED,
    ) -> UserCounts:
        """Users who liked (or disliked) at least `least` items of some events and most of those
        that they judged there.

        course: `stopped`, those none of whose liked ones lie in the newer half of all their events,
        though they liked some before; `started`, those all of whose liked ones lie there. Counted
        by different items.
        """
        x, users = self.x, len(self.user_ids)
        on = rows if among is None else rows & among[x.user]
        yes, no = (
            on & self.judged(polarity),
            on & self.judged("dislike" if polarity == "like" else "like"),
        )
        liked, turned = self._different(yes), self._different(no)
        matching = (liked >= least) & (liked > turned)
        if course:
            starts = x.starts()
            place = np.arange(len(x)) - starts[x.user]
            newer = 2 * place >= np.diff(starts)[x.user]
            recent = np.bincount(x.user[yes & newer], minlength=users)
            early = np.bincount(x.user[yes & ~newer], minlength=users)
            matching &= (recent == 0) if course == "stopped" else (early == 0)
        return self._ordered(np.flatnonzero(matching), liked, yes)

    def judged(self, polarity: Polarity) -> Mask:
        """[n] the events that say like, or dislike."""
        return self.signal >= NEUTRAL if polarity == "like" else self.signal <= -NEUTRAL

    def either(self, one: UserCounts, other: UserCounts, rows: Mask) -> UserCounts:
        """Users in either of two groups, ordered by their number of different items among the
        events.
        """
        return self._ordered(np.union1d(one.users, other.users), self._different(rows), rows)

    def _different(self, rows: Mask) -> NDArray[np.int64]:
        """[users] different items among the events."""
        pairs = np.unique(
            self.x.user[rows].astype(np.int64) * max(len(self.item_ids), 1) + self.x.item[rows]
        )
        return np.bincount(pairs // max(len(self.item_ids), 1), minlength=len(self.user_ids))

    def _ordered(
        self, users: NDArray[np.int64], counts: NDArray[np.int64], rows: Mask
    ) -> UserCounts:
        newest = np.zeros(len(self.user_ids), dtype=np.int64)
        selected = np.flatnonzero(rows)
        newest[self.x.user[selected]] = self.x.seq[
            selected
        ]  # rows are in order of time, and the last assignment stays
        ids = np.array([self.user_ids[one] for one in users.tolist()], dtype=object)
        ties = (
            np.argsort(np.argsort(ids, kind="stable"), kind="stable")
            if len(ids)
            else np.empty(0, np.int64)
        )
        order = np.lexsort((ties, -counts[users]))
        users = users[order]
        return UserCounts(users, counts[users].astype(np.int64), newest[users])

    # ------------------------------------------------------------ how much

    def counts(self, rows: Mask) -> ItemCounts:
        """Events, users and ratings of every item, over the selected events."""
        x, size = self.x, len(self.item_ids)
        pairs = np.unique(x.item[rows].astype(np.int64) * max(len(self.user_ids), 1) + x.user[rows])
        rated = rows & self.rated
        n = np.bincount(x.item[rated], minlength=size)
        total = np.bincount(x.item[rated], weights=x.value[rated], minlength=size)
        return ItemCounts(
            events=np.bincount(x.item[rows], minlength=size),
            users=np.bincount(pairs // max(len(self.user_ids), 1), minlength=size),
            rating=np.where(n > 0, total / np.maximum(n, 1), np.nan),
            ratings=n,
        )


def carriers(
    population: Population, items: Mapping[str, Item], facets: Sequence[str], value: str
) -> frozenset[str]:
    """Ids of the items that carry a value under one of the named facets; under any facet if none is
    named.

    A value too rare to be counted as a facet value is searched in the items' categories and
    attributes.
    """
    wanted = value.casefold()
    codes = [
        one
        for one in population.known.get(wanted, ())
        if not facets or population.facets[one] in facets
    ]
    if codes:
        row = np.repeat(np.arange(len(population.item_ids)), np.diff(population.starts))
        return frozenset(
            population.item_ids[at] for at in row[np.isin(population.codes, codes)].tolist()
        )
    return frozenset(one.item_id for one in items.values() if _says(one, wanted))


def _says(item: Item, wanted: str) -> bool:
    if any(one.casefold() == wanted for one in item.categories):
        return True
    return any(
        wanted in (part.casefold() for part in value)
        if isinstance(value, list)
        else str(value).casefold() == wanted
        for value in item.attributes.values()
    )
