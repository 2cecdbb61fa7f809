"""A made store for the page, small and quick to train, with a user, a title and a review that mean
harm.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from limner.api.access import Access
from limner.core.schema import LedgerRow
from limner.engine import Engine, open_engine
from limner.server import create_app
from limner.store.api_keys import KeyRing
from limner.testing import FakeEmbedder
from tests.http.live import Live, live, settings_for
from tests.http.tasteful import copied, engine_of

GENRES = ("Comedy", "Drama", "Horror", "Western")
ANN = "ann"
HARM = '<b id="harm">Zoë</b> & "co" \'1\'/2?q#f'
"""A user's id with everything in it that an address or HTML could trip over."""
TITLE = "<script>document.title='harmed'</script> [free](http://evil.example/)"
REVIEW = "**Great** [click me](http://evil.example/) ![seen](http://evil.example/p.png)"
RIGHT = "مراجعة رائعة جدا"
USERS = 24
_BEGAN = datetime(2024, 1, 5, 12, tzinfo=UTC)


def make(folder: Path) -> None:
    """A store that is trained and painted."""
    with opened(folder) as engine:
        engine.edits.take(
            "items", [*_items(), {"item_id": "harm", "title": TITLE, "categories": ["Comedy"]}]
        )
        engine.edits.take("users", _users())
        engine.edits.take("events", _events(), "made")
        engine.train()
        for user_id in engine.store.user_ids():
            engine.recommendations.known(user_id)
        for purpose, cost in (("portrait", 0.02), ("reason", 0.01), ("reason", 0.01)):
            engine.store.add_ledger(
                LedgerRow(
                    purpose=purpose,
                    model="a-model",
                    prompt="p@1#x",
                    user_id=ANN,
                    input_tokens=1200,
                    output_tokens=80,
                    cost=cost,
                    seconds=0.5,
                    outcome="ok",
                    at=_BEGAN,
                )
            )


def _items() -> list[dict[str, object]]:
    return [
        {"item_id": f"{genre[0]}{at}", "title": f"{genre} Night {at} ({1960 + at})", "genre": genre}
        for genre in GENRES
        for at in range(12)
    ]


def _users() -> list[dict[str, object]]:
    others: list[dict[str, object]] = [
        {"user_id": f"u{at}", "age": 20 + at, "occupation": "writer" if at % 2 else "nurse"}
        for at in range(USERS - 2)
    ]
    return [
        {"user_id": ANN, "age": 41, "occupation": "gardener"},
        {"user_id": HARM, "occupation": "<i>spy</i>"},
        *others,
    ]


def _events() -> list[dict[str, object]]:
    rows = [
        row
        for at in range(USERS - 2)
        for row in _history(f"u{at}", GENRES[at % 4], GENRES[(at + 1) % 4], at)
    ]
    rows += _history(ANN, "Comedy", "Horror", 1)
    harmed = _history(HARM, "Comedy", "Western", 2)
    harmed[-1] |= {"item_id": "harm", "text": REVIEW, "rating": 5}
    harmed[-2] |= {"text": RIGHT}
    return rows + harmed


def _history(user_id: str, liked: str, disliked: str, seed: int) -> list[dict[str, object]]:
    """Sixteen ratings over a year: most of them high and of one genre, some low and of another."""
    chosen = [(liked, (seed + at) % 12, 5 - at % 2) for at in range(9)]
    chosen += [(disliked, (seed * 3 + at) % 12, 1) for at in range(4)]
    chosen += [(genre, (seed + 7) % 12, 3) for genre in GENRES if genre not in (liked, disliked)]
    times = [_BEGAN + timedelta(days=24 * at + seed) for at in range(len(chosen))]
    order = sorted(range(len(chosen)), key=lambda at: (at * 7) % len(chosen))
    return [
        {
            "user_id": user_id,
            "item_id": f"{chosen[at][0][0]}{chosen[at][1]}",
            "rating": chosen[at][2],
            "timestamp": time.isoformat(),
        }
        for at, time in zip(order, times, strict=True)
    ]


@contextmanager
def opened(folder: Path) -> Iterator[Engine]:
    engine = open_engine(settings_for(folder), create=True, embedder=FakeEmbedder())
    try:
        yield engine
    finally:
        engine.store.close()


@contextmanager
def served(made: Path, folder: Path, *, keys: bool = False) -> Iterator[tuple[Live, Engine]]:
    """The page over a copy of a made store."""
    engine = engine_of(copied(made, folder))
    ring = KeyRing(engine.store) if keys else None
    access = Access(ring, engine.settings.server, only_loopback=not keys)
    with live(create_app(engine, access=access)) as server:
        yield server, engine
