"""Facts and windows of every user of real data: bounds hold, and what is known of the data comes
out.
"""

from collections import Counter
from pathlib import Path

import pytest

from limner.core.settings import SignalTable
from limner.core.signals import signals, signals_of
from limner.facts import build_population, mine_facts
from limner.ingest import ingest
from limner.ingest.datasets import known
from limner.llm.tokens import count
from limner.profile.window import cut_window
from limner.store import Store, open_store

TABLE = SignalTable()

pytestmark = pytest.mark.slow


def ingested(shared_data: Path, name: str, folder: Path) -> Store:
    found = known(shared_data / name)
    assert found is not None
    store = open_store(str(folder / name))
    ingest(store, *found[1])
    return store


@pytest.mark.parametrize(
    ("name", "facets", "primary", "usual"),
    [
        ("ml-latest-small", {"genre", "era"}, "genre", 4.0),
        ("kmrd-small", {"genre", "era", "country", "cast", "grade", "shown era"}, "genre", 2.0),
        ("rees46-2019-Oct-5k", {"category", "brand", "price band"}, "category", 1.5),
        ("online-retail", {"theme", "price band"}, "theme", 8.0),
    ],
)
def test_facts_of_real_users(
    shared_data: Path, tmp_path: Path, name: str, facets: set[str], primary: str, usual: float
) -> None:
    store = ingested(shared_data, name, tmp_path)
    x, items, scales = store.interactions(), store.items(), store.scales()
    population = build_population(x, items, signals(x, TABLE, scales))
    assert set(population.facet_names) == facets
    assert population.primary == primary
    by_id = {item.item_id: item for item in items}
    active = store.active_users(5)
    sampled = active[:: max(1, len(active) // 100)]
    kinds: Counter[str] = Counter()
    for user_id, _ in sampled:
        events = store.events(user_id)
        found = mine_facts(events, population, TABLE, scales)
        own = {event.event_id: event for event in events}
        kinds.update(one.polarity for one in found.facts)
        for one in found.facts:
            assert 0 < one.strength <= 1
            assert 0 < one.confidence <= 1
            for event_id in one.evidence:
                carried = population.values_of(own[event_id].item_id or "")
                assert one.value in carried[one.facet]
        window = cut_window(
            events,
            by_id,
            signals_of(events, TABLE, scales),
            budget=500,
            scales=scales,
            population=population,
        )
        assert window.tokens == count("\n".join(one.line for one in window.events)) <= 500
        assert window.events
    assert kinds["like"] >= usual * len(sampled) / 2
    if scales:
        assert kinds["dislike"] > 0
    store.close()
