"""Facts: those of 1,000 users, beside pandas' groupby of each user's rows of the same table.

The made table has the shape of MovieLens-100K: 1,682 items, 19 genres, long-tailed users and items.
The time includes making the `Event` objects. The ratio is what to compare between machines; the
target is 10 s for 1,000 users on 2 cores.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from limner.core.interactions import Interactions
from limner.core.schema import Event, Item, Scale
from limner.core.settings import SignalTable
from limner.core.signals import signals
from limner.evals.bench.harness import SEED, Report, in_turns, line, timed
from limner.facts import build_population, mine_facts

USERS, EVENTS, ITEMS, GENRES = 1_000, 106_000, 1_682, 19


@dataclass(frozen=True)
class FactsFigures:
    """Measurements of one run; seconds are wall clock."""

    users: int
    events: int
    population_seconds: float
    """Signals and base rates, once for all users."""
    facts_seconds: float
    """Event objects, facts and traits of all users."""
    facts: int
    users_per_second: float
    pandas_seconds: float
    """User by user, `groupby("genre").agg(mean, count)` of the same table, its genres exploded
    beforehand.
    """
    ratio: float
    """Facts seconds over pandas' seconds."""


def reports(users: int = USERS, events: int = EVENTS) -> Iterator[Report]:
    yield report(run(users, events))


def run(users: int = USERS, events: int = EVENTS) -> FactsFigures:
    """Make the table, then count the facts of a user and group the rows of a user in turns."""
    import pandas as pd

    x, items = make(users, events)
    table, scales = SignalTable(), {"bench": Scale(source="bench", low=1, high=5)}
    population_seconds, population = timed(
        lambda: build_population(x, items, signals(x, table, scales))
    )
    genres = pd.Series([item.categories for item in items])
    frame = pd.DataFrame(
        {"user": x.user, "genre": genres.iloc[x.item].to_numpy(), "rating": x.value}
    ).explode("genre")
    bounds, facts = x.starts().tolist(), np.zeros(users, dtype=int)
    rows_by_user = iter(frame.groupby("user"))

    def mine(user: int) -> None:
        history = _events(x, bounds[user], bounds[user + 1])
        facts[user] = len(mine_facts(history, population, table, scales).facts)

    def group(_: int) -> None:
        for _user, rows in rows_by_user:
            rows.groupby("genre")["rating"].agg(["mean", "count"])
            break

    seconds = {
        name: float(spent.sum())
        for name, spent in in_turns({"limner": mine, "pandas": group}, users).items()
    }
    return FactsFigures(
        users=users,
        events=events,
        population_seconds=population_seconds,
        facts_seconds=seconds["limner"],
        facts=int(facts.sum()),
        users_per_second=users / seconds["limner"],
        pandas_seconds=seconds["pandas"],
        ratio=seconds["limner"] / seconds["pandas"],
    )


def report(figures: FactsFigures) -> Report:
    return Report(
        f"facts: {figures.users:,} users, {figures.events:,} events, {figures.facts:,} facts",
        [
            line("base rates", f"{figures.population_seconds:.2f} s", "once for all users"),
            line(
                "facts and habits",
                f"{figures.facts_seconds:.2f} s",
                f"{figures.users_per_second:9,.0f} users/s",
            ),
            line(
                "pandas groupby",
                f"{figures.pandas_seconds:.2f} s",
                f"{figures.users / figures.pandas_seconds:9,.0f} users/s",
                "mean and count by genre only",
            ),
            line(
                "ratio", f"{figures.ratio:.1f}", "(target: 10 s for 1,000 users of MovieLens-100K)"
            ),
        ],
        figures,
    )


def make(
    users: int = USERS, events: int = EVENTS, seed: int = SEED
) -> tuple[Interactions, list[Item]]:
    """A population: every user prefers one genre and rates it higher."""
    random = np.random.default_rng(seed)
    genres = [f"Genre {number:02d}" for number in range(GENRES)]
    sizes = random.integers(1, 4, ITEMS)
    of_item = [sorted(random.choice(GENRES, size, replace=False).tolist()) for size in sizes]
    items = [
        Item(
            item_id=f"i{at}",
            title=f"Film {at} ({1930 + at % 70})",
            categories=[genres[genre] for genre in of_item[at]],
        )
        for at in range(ITEMS)
    ]
    user = np.sort((users * random.random(events) ** 1.5).astype(np.int32))
    item = (ITEMS * random.random(events) ** 2).astype(np.int32)
    has = np.zeros((ITEMS, GENRES), dtype=bool)
    for row, genres_of_item in enumerate(of_item):
        has[row, genres_of_item] = True
    liked = has[item, (user % GENRES)]
    value = np.clip(np.round(random.normal(3.3, 1.0, events) + liked), 1, 5)
    clock = np.sort(random.integers(0, 200 * 86_400_000, events))
    x = Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at}" for at in range(ITEMS)],
        ["rating"],
        ["bench"],
        user,
        item,
        np.zeros(events, np.int16),
        np.zeros(events, np.int16),
        value,
        874_700_000_000 + clock,
        np.arange(1, events + 1),
    )
    return x, items


def _events(x: Interactions, first: int, end: int) -> list[Event]:
    return [
        Event.model_construct(
            event_id=f"{x.seq[at]:016x}",
            user_id=x.user_ids[x.user[at]],
            item_id=x.item_ids[x.item[at]],
            type="rating",
            value=float(x.value[at]),
            timestamp=datetime.fromtimestamp(x.time[at] / 1000, UTC),
            text="",
            source="bench",
            context={},
            seq=int(x.seq[at]),
        )
        for at in range(first, end)
    ]
