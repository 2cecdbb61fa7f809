"""Splits of interactions into what a system may learn from and what it is asked about.

============== ================================= ============================= =====================
name           training                          asked for                       of others, later
============== ================================= ============================= =====================
leave-last-out each user's events but the last   the last, where new to the user may be seen
ratio          the first four fifths of each     items of the rest, new to the   may be seen
               user's events                     user
global-time    events before T, when four fifths items after T, new to users     never seen
               had happened                      known by T
cold-users     as global-time                    the same, users with few events never seen
                                                 before T
cold-items     as global-time                    the same, items without events  never seen
                                                 before T
============== ================================= ============================= =====================

Events at the same time are ordered by item id. Nothing is dropped in silence: `notes` says what is
not asked.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import BadInputError, UsageError
from limner.core.interactions import NO_TIME, Interactions
from limner.core.messages import Message, joined, message

SHARE = 0.8
"""Share of events for training: of all by time, or of each user's."""
COLD = 5
"""Training events below which a user is cold."""


@dataclass(frozen=True)
class Split:
    """`train` and, for each of `users` (positions), the items that are asked for."""

    name: str
    train: Interactions
    users: NDArray[np.int64]
    relevant: list[NDArray[np.int64]]
    """For each user, positions of the relevant items."""
    test: Interactions
    """All test events, also those of users who are not asked."""
    digest: str
    """Hash of the test events; equal for runs with the same test set."""
    moment: int | None = None
    """Epoch milliseconds before which all training lies; None where each user has a moment of their
    own.
    """
    notes: tuple[Message, ...] = ()
    """Sentences on users and events that are left out, and why."""

    @property
    def test_events(self) -> int:
        return len(self.test)

    def everyone(self) -> "Split":
        """This split, asking every user who is known at the cut, whether they came back or not, so
        that predicted probabilities can be compared with how often something happened.

        The hash changes. A split without one moment for all users stays as it is.
        """
        if self.moment is None:
            return self
        known = np.flatnonzero(np.diff(self.train.starts()) > 0)
        users = np.union1d(self.users, known).astype(np.int64)
        if len(users) == len(self.users):
            return self
        place = {int(user): at for at, user in enumerate(self.users)}
        nothing = np.empty(0, dtype=np.int64)
        relevant = [
            self.relevant[place[user]] if user in place else nothing for user in users.tolist()
        ]
        digest = hashlib.sha256(f"{self.digest} everyone".encode()).hexdigest()[:16]
        note = message("split.everyone_known", all=len(users), n=len(self.users))
        return replace(
            self, users=users, relevant=relevant, digest=digest, notes=(*self.notes, note)
        )

    def limited(self, users: int, seed: int = 0) -> "Split":
        """This split for a random sample of its users. The training stays, the hash changes."""
        if users >= len(self.users):
            return self
        drawn = np.sort(np.random.default_rng(seed).choice(len(self.users), users, replace=False))
        digest = hashlib.sha256(f"{self.digest} {self.users[drawn].tolist()}".encode()).hexdigest()[
            :16
        ]
        note = message("split.drawn", n=users, all=len(self.users), seed=seed)
        return replace(
            self,
            users=self.users[drawn],
            relevant=[self.relevant[at] for at in drawn],
            digest=digest,
            notes=(*self.notes, note),
        )


def make_split(name: str, x: Interactions) -> Split:
    """Make the split with this name.

    Raises UsageError for an unknown name, BadInputError for a split without users to ask or events
    to train on.
    """
    if name not in SPLITS:
        raise UsageError("split.unknown", name=name, names=", ".join(SPLITS))
    split = SPLITS[name](x)
    if not len(split.train):
        raise BadInputError("split.no_training", split=name, n=len(x))
    if not len(split.users):
        asks_nobody = message("split.asks_nobody", split=name, n=len(x))
        raise BadInputError(joined([asks_nobody, *split.notes]))
    return split


def leave_last_out(x: Interactions, skip: int = 0) -> Split:
    """Each user's last event by (time, item id) is the test, everything before it training; `skip`
    more are dropped from the end first (1 gives the validation split). Users with fewer than two
    events have no test.

    Item ids that are numbers are compared as numbers.
    """
    x = _ordered(x)
    starts = x.starts()
    ends = starts[1:] - skip
    has = ends - starts[:-1] >= 2
    keep = np.zeros(len(x), dtype=bool)
    for begin, end in zip(starts[:-1], ends, strict=True):
        keep[begin : max(end - 1, begin)] = end - begin >= 2
        if end - begin == 1:
            keep[begin] = True
    # What a user had before takes no rank, so that nobody could find it again.
    had = {(int(user), int(item)) for user, item in zip(x.user[keep], x.item[keep], strict=True)}
    new = np.array(
        [(int(x.user[at]), int(x.item[at])) not in had for at in ends[has] - 1], dtype=bool
    )
    last = (ends[has] - 1)[new]
    repeats = int((~new).sum())
    notes = (message("split.repeated_last", n=repeats),) if repeats else ()
    return Split(
        "leave-last-out",
        x.take(keep),
        np.flatnonzero(has)[new],
        [x.item[at : at + 1].astype(np.int64) for at in last],
        x.take(last),
        _digest(x, last),
        notes=(*_single(x), *notes, *_untimed(x)),
    )


def ratio(x: Interactions, share: float = SHARE) -> Split:
    """The first `share` of each user's events is training, at least one and all but one; the rest
    is the test.

    Relevant are items of the rest that the user had not had before; who has none of these is not
    asked.
    """
    x = _ordered(x)
    starts = x.starts()
    length = np.diff(starts)
    kept = np.clip(
        np.round(length * share).astype(np.int64), np.minimum(length, 1), np.maximum(length - 1, 0)
    )
    kept[length == 1] = 1
    early = np.arange(len(x)) - starts[x.user] < kept[x.user]
    return _asked("ratio", x, early, None, (*_single(x), *_untimed(x)))


def global_time(x: Interactions, share: float = SHARE) -> Split:
    """Train before the moment T at which `share` of all events have happened, test at and after it.

    Asked are users with an event before T; relevant are items that they had not had before. Events
    of users unknown before T are not asked about (they need another split), and nobody's later
    events reach the training. Events without a time are in neither part.
    """
    x, early, moment, notes = _before(x, share)
    return _asked("global-time", x, early, moment, notes)


def cold_users(x: Interactions, share: float = SHARE, fewer_than: int = COLD) -> Split:
    """Split by global time, but ask only users with fewer than `fewer_than` training events, those
    without any included.
    """
    x, early, moment, notes = _before(x, share)
    size = np.bincount(x.user[early], minlength=len(x.user_ids))
    return _asked("cold-users", x, early, moment, notes, users=size < fewer_than)


def cold_items(x: Interactions, share: float = SHARE) -> Split:
    """Split by global time, but only items without training events are relevant."""
    x, early, moment, notes = _before(x, share)
    size = np.bincount(x.item[early], minlength=len(x.item_ids))
    return _asked("cold-items", x, early, moment, notes, items=size == 0)


SPLITS: dict[str, Callable[[Interactions], Split]] = {
    "global-time": global_time,
    "leave-last-out": leave_last_out,
    "ratio": ratio,
    "cold-users": cold_users,
    "cold-items": cold_items,
}


def _before(
    x: Interactions, share: float
) -> tuple[Interactions, NDArray[np.bool_], int, tuple[Message, ...]]:
    """Timed events in order, which of them are before T, T, and notes."""
    timed = x.time != NO_TIME
    notes: tuple[Message, ...] = ()
    if not timed.all():
        notes = (message("split.untimed_left_out", n=int((~timed).sum())),)
        x = x.take(timed)
    x = _ordered(x)
    moment = int(np.quantile(x.time, share, method="higher")) if len(x) else 0
    return x, x.time < moment, moment, notes


def _asked(
    name: str,
    x: Interactions,
    early: NDArray[np.bool_],
    moment: int | None,
    notes: tuple[Message, ...],
    *,
    users: NDArray[np.bool_] | None = None,
    items: NDArray[np.bool_] | None = None,
) -> Split:
    """The split whose training is the `early` events and whose test is the rest.

    users: [users] mask of those who are asked; everyone with an early event where None. items:
    [items] mask of those that count as relevant; all where None.
    """
    wide = max(len(x.item_ids), 1)
    key = x.user.astype(np.int64) * wide + x.item
    late = ~early
    known = np.bincount(x.user[early], minlength=len(x.user_ids)) > 0
    who = known if users is None else users
    unknown = np.unique(x.user[late & ~known[x.user]])
    if users is None and len(unknown) and moment is not None:
        notes = (*notes, message("split.unknown_before", n=len(unknown)))
    wanted = np.unique(key[late & who[x.user]])
    wanted = wanted[~np.isin(wanted, key[early])]
    if items is not None:
        wanted = wanted[items[wanted % wide]]
    owner, thing = wanted // wide, wanted % wide
    asked, first = np.unique(owner, return_index=True)
    none = len(np.unique(x.user[late & who[x.user]])) - len(asked)
    if none:
        code = "split.none_without_training" if items is not None else "split.none_new"
        notes = (*notes, message(code, n=none))
    relevant = np.split(thing, first[1:]) if len(asked) else []
    # Splits that ask for some of the same test events would otherwise have the same hash.
    part = users is not None or items is not None
    digest = _digest_asked(name, x, owner, thing) if part else _digest(x, np.flatnonzero(late))
    return Split(
        name, x.take(early), asked.astype(np.int64), relevant, x.take(late), digest, moment, notes
    )


def _single(x: Interactions) -> tuple[Message, ...]:
    alone = int((np.bincount(x.user, minlength=1) == 1).sum())
    return (message("split.single_event", n=alone),) if alone else ()


def _untimed(x: Interactions) -> tuple[Message, ...]:
    untimed = int((x.time == NO_TIME).sum())
    return (message("split.untimed_first", n=untimed),) if untimed else ()


def _ordered(x: Interactions) -> Interactions:
    return x.take(np.lexsort((_item_order(x), x.time, x.user)))


def _item_order(x: Interactions) -> NDArray[np.int64]:
    """[n] position of each event's item among all items in order of id."""
    try:
        keys: list[tuple[int, str]] = [(int(one), one) for one in x.item_ids]
    except ValueError:
        keys = [(0, one) for one in x.item_ids]
    place = np.empty(len(keys), dtype=np.int64)
    place[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
    return place[x.item]


def _digest_asked(
    name: str, x: Interactions, users: NDArray[np.int64], items: NDArray[np.int64]
) -> str:
    pairs = zip(users.tolist(), items.tolist(), strict=True)
    lines = sorted(f"{x.user_ids[user]}\t{x.item_ids[item]}" for user, item in pairs)
    return hashlib.sha256("\n".join([name, *lines]).encode()).hexdigest()[:16]


def _digest(x: Interactions, rows: NDArray[np.int64]) -> str:
    lines = sorted(
        f"{x.user_ids[x.user[at]]}\t{x.item_ids[x.item[at]]}\t{x.time[at]}" for at in rows.tolist()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
