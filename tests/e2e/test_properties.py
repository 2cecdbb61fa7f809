"""Whatever the table: the real engine, its store, index and channels, over small random tables and
no model.
"""

import asyncio
import csv
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.core.schema import RecommendationRequest
from limner.core.settings import load_settings
from limner.engine import Engine, open_engine
from limner.ingest import Sources
from limner.testing import FakeEmbedder

pytestmark = pytest.mark.slow

USERS = st.integers(0, 4).map("u{}".format)
ITEMS = st.integers(0, 14).map("i{}".format)
GENRES = ("Comedy", "Drama|War", "", "Drama")


@dataclass(frozen=True)
class Tables:
    """An events table whose columns vary, and the catalogue beside it."""

    columns: tuple[str, ...]
    events: list[tuple[str, str, str, str, str]]
    items: list[str]
    """Items with a title and genres; events may name others."""

    def write(self, folder: Path) -> Sources:
        names = ("user_id", "item_id", "type", "rating", "timestamp")
        with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(self.columns)
            out.writerows(
                [cell for name, cell in zip(names, row, strict=True) if name in self.columns]
                for row in self.events
            )
        with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["item_id", "title", "genres"])
            out.writerows(
                [one, f"Film {one[1:]}", GENRES[int(one[1:]) % len(GENRES)]] for one in self.items
            )
        # A user of whom nothing is known but the id.
        (folder / "users.csv").write_text("user_id,age\nnewcomer,30\n", encoding="utf-8")
        events, items, users = (
            [str(folder / f"{one}.csv")] for one in ("events", "items", "users")
        )
        return Sources(events, items, users, allow_unknown_items=True)


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    optional = draw(st.sets(st.sampled_from(["type", "rating", "timestamp"])))
    columns = (
        "user_id",
        "item_id",
        *(one for one in ("type", "rating", "timestamp") if one in optional),
    )
    times = st.integers(1_000_000_000, 1_000_000_000 + 90 * 86_400).map(str)
    events = draw(
        st.lists(
            st.tuples(
                USERS,
                ITEMS,
                st.sampled_from(["view", "purchase", "like", "dislike", "skip", "rating", "play"]),
                st.sampled_from(["", "1", "2", "3.5", "5"]),
                times,
            ),
            min_size=1,
            max_size=30,
        )
    )
    return Tables(columns, events, draw(st.lists(ITEMS, max_size=10)))


@contextmanager
def engine_of(given_tables: Tables) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        chosen = load_settings(
            {}, overrides={("data",): str(place / "store"), ("llm", "choice"): "none"}
        )
        engine = open_engine(chosen, create=True, embedder=FakeEmbedder())
        engine.ingest(given_tables.write(place))
        yield engine
        engine.store.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.integers(1, 20), st.data())
def test_recommendations_are_the_best_unseen_items_each_once(
    given_tables: Tables, n: int, data: st.DataObject
) -> None:
    with engine_of(given_tables) as engine:
        users = engine.store.user_ids()
        catalogue = {item.item_id for item in engine.store.items()}
        user = data.draw(st.sampled_from(users))
        own = {event.event_id: event for event in engine.data.history(user)}
        had = {event.item_id for event in own.values()}
        found = asyncio.run(engine.recommend(RecommendationRequest(user_id=user, n=n)))
        ids = [one.item.item_id for one in found.recommendations]
        assert len(ids) == len(set(ids)) == min(n, len(catalogue - had))
        assert set(ids) <= catalogue - had
        assert [one.rank for one in found.recommendations] == list(range(1, len(ids) + 1))
        scores = [one.score for one in found.recommendations]
        assert scores == sorted(scores, reverse=True)
        for one in found.recommendations:
            assert one.reason is not None and one.reason.text
            assert set(one.reason.evidence) <= own.keys()
        assert found.fallback == (not own)
        again = asyncio.run(engine.recommend(RecommendationRequest(user_id=user, n=n)))
        assert again == found
        anything = RecommendationRequest(user_id=user, n=n, repeats=True, explain=False)
        repeated = asyncio.run(engine.recommend(anything))
        assert len(repeated.recommendations) == min(n, len(catalogue))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.data())
def test_ranking_orders_what_was_given_and_portraits_keep_their_budget(
    given_tables: Tables, data: st.DataObject
) -> None:
    with engine_of(given_tables) as engine:
        user = data.draw(st.sampled_from(engine.store.user_ids()))
        given_items = data.draw(st.lists(ITEMS | st.just("unheard of"), min_size=1, max_size=12))
        given = RecommendationRequest(user_id=user, items=given_items, explain=False)
        ranked = asyncio.run(engine.recommend(given)).recommendations
        assert sorted(one.item.item_id for one in ranked) == sorted(set(given_items))
        scores = [one.score for one in ranked]
        assert scores == sorted(scores, reverse=True)
        known = {item.item_id for item in engine.store.items()}
        had = {event.item_id for event in engine.data.history(user)}
        for one in ranked:
            assert ("unknown" in one.flags) == (one.item.item_id not in known)
            assert ("seen" in one.flags) == (one.item.item_id in had)

        profile = asyncio.run(engine.profile(user))
        assert profile.built_from.window_tokens <= engine.settings.portrait.window_tokens
        own = {event.event_id for event in engine.data.history(user)}
        assert all(one.evidence and set(one.evidence) <= own for one in profile.preferences)
        assert profile.built_from.events == len(own)
