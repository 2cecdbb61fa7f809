"""Facts benchmark: 1,000 users' facts from a MovieLens-sized table, beside pandas' groupby of each
user's rows.

    python -m limner.evals.bench_facts [USERS] [EVENTS]

The generated table has the shape of MovieLens-100K: 1,682 items, 19 genres, long-tailed users and
items. The time includes making the `Event` objects. The ratio is what to compare between machines;
the target is 10 s for 1,000 users on 2 cores.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np

from limner.core.interactions import Interactions
from limner.core.schema import Event, Item, Scale
from limner.core.settings import SignalTable
from limner.core.signals import signals
from limner.facts import build_population, mine_facts

USERS, EVENTS, ITEMS, GENRES = 1_000, 106_000, 1_682, 19
_SEED = 7


@dataclass(frozen=True)
class FactsBench:
    """What one run measured; seconds are wall clock."""

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


def make(
    users: int = USERS, events: int = EVENTS, seed: int = _SEED
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
    for at, found in enumerate(of_item):
        has[at, found] = True
    liked = has[item, (user % GENRES)]
    value = np.clip(np.round(random.normal(3.3, 1.0, events) + liked), 1, 5)
    clock = np.sort(random.integers(0, 200 * 86_400_000, events))
    x = Interactions(
        [f"u{at}" for at in range(users)],
        [one.item_id for one in items],
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


def run(users: int = USERS, events: int = EVENTS) -> FactsBench:
    """Generate, count, and group with pandas."""
    import pandas as pd

    x, items = make(users, events)
    table, scales = SignalTable(), {"bench": Scale(source="bench", low=1, high=5)}
    start = time.perf_counter()
    population = build_population(x, items, signals(x, table, scales))
    built = time.perf_counter()
    bounds, found = x.starts().tolist(), 0
    for at in range(users):
        found += len(
            mine_facts(_events(x, bounds[at], bounds[at + 1]), population, table, scales).facts
        )
    mined = time.perf_counter()
    genres = pd.Series([item.categories for item in items])
    frame = pd.DataFrame(
        {"user": x.user, "genre": genres.iloc[x.item].to_numpy(), "rating": x.value}
    ).explode("genre")
    begun = time.perf_counter()
    for _, group in frame.groupby("user"):
        group.groupby("genre")["rating"].agg(["mean", "count"])
    bare = time.perf_counter() - begun
    seconds = mined - built
    return FactsBench(
        users=users,
        events=events,
        population_seconds=built - start,
        facts_seconds=seconds,
        facts=found,
        users_per_second=users / seconds,
        pandas_seconds=bare,
        ratio=seconds / bare,
    )


def table(bench: FactsBench) -> str:
    """The figures in four lines of text."""
    return "\n".join(
        [
            f"facts: {bench.users:,} users, {bench.events:,} events, {bench.facts:,} facts",
            f"  base rates       {bench.population_seconds:7.2f} s  once for all users",
            (
                f"  facts and habits {bench.facts_seconds:7.2f} s  "
                f"{bench.users_per_second:9,.0f} users/s"
            ),
            f"  pandas groupby   {bench.pandas_seconds:7.2f} s  "
            f"{bench.users / bench.pandas_seconds:9,.0f} users/s"
            "  mean and count by genre only",
            (
                f"  ratio            {bench.ratio:7.1f}    (target: 10 s for 1,000 users of "
                "MovieLens-100K)"
            ),
        ]
    )


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


def main() -> None:
    bench = run(*(int(argument) for argument in sys.argv[1:3]))
    sys.stdout.write(f"{table(bench)}\n{json.dumps(asdict(bench))}\n")


if __name__ == "__main__":
    main()
