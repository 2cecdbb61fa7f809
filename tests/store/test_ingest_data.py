"""The development data sets, each as it is, into a real store; the counts are those of their
notes.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from limner.core.schema import IngestReport, Item
from limner.ingest import Sources, ingest, propose_mapping
from limner.ingest.datasets import known
from limner.store import Store
from tests.store.conftest import StorePlace


def load(folder: Path, place: StorePlace) -> tuple[Store, list[IngestReport], list[Sources]]:
    store = place.open()
    told = known(folder)
    assert told is not None
    reports = [ingest(store, sources) for sources in told[1]]
    for report in reports:
        for table in (report.events, report.items, report.users):
            assert table.read == table.kept + table.merged + table.rejected
    return store, reports, told[1]


@pytest.mark.parametrize(
    ("name", "users", "items", "events", "rejected"),
    [
        # 9,066 of the 9,125 films have ratings; 1,296 tags are comments.
        ("ml-latest-small", 671, 9125, 100_004 + 1_296, 0),
        ("movietweetings-100k", 16_554, 10_506, 100_000, 0),
        # 148 of the 1,547 cards have reviews.
        ("amazon-gift-cards", 458, 1547, 2972, 0),
        ("rees46-2019-Oct-5k", 1755, 2312, 5019, 0),
        # 32 rows of the 140,710 repeat a rating wholly; 600 of the 999 films have ratings.
        ("kmrd-small", 52_028, 999, 140_710 - 32, 0),
    ],
)
def test_counts(
    shared_data: Path,
    place: StorePlace,
    name: str,
    users: int,
    items: int,
    events: int,
    rejected: int,
) -> None:
    store, reports, sources = load(shared_data / name, place)
    counts = store.counts()
    assert (counts.users, counts.items, counts.events) == (users, items, events)
    assert sum(report.events.rejected for report in reports) == rejected
    again = [ingest(store, one) for one in sources]
    assert sum(r.events.kept + r.items.kept + r.users.kept for r in again) == 0
    assert store.counts() == counts


@pytest.mark.slow
def test_online_retail(shared_data: Path, place: StorePlace) -> None:
    store, (report,), _ = load(shared_data / "online-retail", place)
    assert (report.events.read, report.events.kept) == (541_909, 406_829)
    assert report.events.reasons == {"missing user_id": 135_080}
    # Descriptions of stock that no customer bought count as items, too.
    assert (store.counts().users, store.counts().items) == (4372, 4070)
    x = store.interactions()
    assert len(set(x.item.tolist())) == 3684
    assert set(x.types) == {"purchase", "return"}
    assert sum(x.types[one] == "return" for one in x.type) == 8905
    event = next(event for event in store.events("13995") if event.type == "purchase")
    assert {"price", "invoice"} <= event.context.keys()
    item = store.item("22423")
    assert item is not None
    assert item.title == "REGENCY CAKESTAND 3 TIER"


def item_of(store: Store, item_id: str) -> Item:
    item = store.item(item_id)
    assert item is not None
    return item


def test_what_items_hold(shared_data: Path, new_place: Callable[[], StorePlace]) -> None:
    store, _, _ = load(shared_data / "kmrd-small", new_place())
    film = item_of(store, "10001")
    assert film.title == "시네마 천국"
    assert film.categories == ["드라마", "멜로/로맨스"]
    assert (film.attributes["year"], film.attributes["country"]) == (1988, ["이탈리아", "프랑스"])
    assert len(film.attributes["cast"]) == 5  # type: ignore[arg-type]
    store, _, _ = load(shared_data / "movietweetings-100k", new_place())
    film = item_of(store, "0002844")
    assert (film.title, film.attributes["year"]) == (
        "Fantômas - À l'ombre de la guillotine (1913)",
        1913,
    )
    store, _, _ = load(shared_data / "rees46-2019-Oct-5k", new_place())
    thing = item_of(store, "3900821")
    assert thing.categories == ["appliances", "environment", "water_heater"]
    assert (thing.price, thing.attributes["brand"]) == (33.2, "aqua")
    store, _, _ = load(shared_data / "amazon-gift-cards", new_place())
    card = item_of(store, "B001BKEWF2")
    assert (card.categories, card.attributes["brand"]) == (["Gift Cards"], "Serendipity 3")
    assert card.text.startswith("Gift card for the purchase")
    assert any(
        event.text.startswith("Five Stars Another great gift.")
        for event in store.events("A31UBHTUUIFJUT")
    )


def test_tags_are_comments(shared_data: Path, place: StorePlace) -> None:
    store, _, _ = load(shared_data / "ml-latest-small", place)
    assert any(
        e.type == "comment" and e.text == "sandra 'boring' bullock" for e in store.events("15")
    )


@pytest.mark.parametrize(
    ("events", "items", "kept"),
    [
        ("movietweetings-100k/ratings.dat", "movietweetings-100k/movies.dat", 100_000),
        (
            "amazon-gift-cards/Gift_Cards_5.json.gz",
            "amazon-gift-cards/meta_Gift_Cards.json.gz",
            2972,
        ),
        ("rees46-2019-Oct-5k/2019-Oct.csv", "", 5019),
    ],
)
def test_a_proposed_mapping_reads_the_data(
    shared_data: Path, tmp_path: Path, place: StorePlace, events: str, items: str, kept: int
) -> None:
    files = [str(shared_data / name) for name in (events, items) if name]
    path = tmp_path / "mapping.yaml"
    path.write_text(propose_mapping(files), encoding="utf-8")
    report = ingest(place.open(), Sources(files[:1], files[1:], [], str(path)))
    assert report.events.kept == kept
