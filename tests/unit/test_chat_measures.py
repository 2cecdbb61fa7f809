"""Items by a number that they have: the cheapest, cheaper than 20, before 1960; against the items
of a store.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from limner import tools
from limner.chat import Conversation, answer, plan
from limner.chat.measures import find_bounds
from limner.core.progress import Quiet
from limner.core.schema import Item
from limner.core.settings import load_settings
from limner.engine import Engine
from limner.store import open_store
from limner.testing import FakeEmbedder
from limner.tools.items import ItemsResult
from tests.unit.chat_store import ITEMS, make_engine

GOODS = [
    Item(
        item_id="a",
        title="Red Lamp",
        categories=["Lamp"],
        price=30.0,
        attributes={"runtime": 90, "abv": 4.5},
    ),
    Item(
        item_id="b", title="Blue Lamp", categories=["Lamp"], price=12.5, attributes={"runtime": 120}
    ),
    Item(
        item_id="c",
        title="Oak Table",
        categories=["Table"],
        price=30.0,
        attributes={"runtime": 100, "abv": 8},
    ),
    Item(item_id="d", title="Old Chair", categories=["Chair"]),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("films") / "store")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Goods with prices that nobody has had yet."""
    store = open_store(str(tmp_path_factory.mktemp("shop") / "store"))
    store.add_items(GOODS)
    made = Engine(
        load_settings({}, overrides={("llm",): {"choice": "none"}}), store, Quiet(), FakeEmbedder()
    )
    yield made
    store.close()


async def found(engine: Engine, question: str) -> ItemsResult:
    [step] = plan(engine, question, Conversation())[0].steps
    assert step.tool.name == "search_items", question
    result = await step.tool.run(engine, step.args)
    assert isinstance(result, ItemsResult)
    return result


def year_of(one: Item) -> int:
    return int(str(one.attributes["year"]))


@pytest.mark.parametrize(
    ("question", "fits"),
    [
        ("films before 1960", lambda one: year_of(one) < 1960),
        ("comedies after 1990", lambda one: year_of(one) > 1990 and "Comedy" in one.categories),
        ("How many films released before 1950 are there?", lambda one: year_of(one) < 1950),
        ("Which films came out between 1940 and 1980?", lambda one: 1940 <= year_of(one) <= 1980),
        ("films from 1995", lambda one: year_of(one) == 1995),
        ("1960年以前的电影有哪些？", lambda one: year_of(one) < 1960),
        (
            "1990年以后上映的喜剧有多少部？",
            lambda one: year_of(one) >= 1990 and "Comedy" in one.categories,
        ),
        ("Which films are older than 1946?", lambda one: year_of(one) < 1946),
        ("比1946年更老的电影", lambda one: year_of(one) < 1946),
        ("year < 1945", lambda one: year_of(one) < 1945),
    ],
)
async def test_items_within_years(
    engine: Engine, question: str, fits: Callable[[Item], bool]
) -> None:
    right = {one.item_id for one in ITEMS if fits(one)}
    result = await found(engine, question)
    assert result.total == len(right) and {one.item_id for one in result.items} <= right
    assert all(one.measures["year"] for one in result.items)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("What is the oldest film?", ["i5"]),
        ("the newest comedy", ["i7"]),
        ("最新的喜剧是什么？", ["i7"]),
        ("film with the lowest year", ["i5"]),
    ],
)
async def test_items_in_order_of_years(engine: Engine, question: str, first: Sequence[str]) -> None:
    assert (await found(engine, question)).items[0].item_id in first


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        ("What is the most expensive item?", ["a", "c", "b"]),
        ("the cheapest lamp", ["b", "a"]),
        ("something cheaper than 20", ["b"]),
        ("items under $31", ["a", "b", "c"]),
        ("lamps over 20 euros", ["a"]),
        ("items that cost between 10 and 20", ["b"]),
        ("items longer than 95 minutes", ["b", "c"]),
        ("items with the highest abv", ["c", "a"]),
        ("items with abv over 5", ["c"]),
        ("最便宜的商品", ["b", "a", "c"]),
        ("最贵的商品是什么？", ["a", "c", "b"]),
        ("比20元便宜的东西", ["b"]),
        ("20元以上的商品", ["a", "c"]),
    ],
)
async def test_goods_by_price_and_by_any_number(
    shop: Engine, question: str, ids: list[str]
) -> None:
    assert [one.item_id for one in (await found(shop, question)).items] == ids


async def test_an_attribute_called_as_ratings_are_is_not_what_users_gave(tmp_path: Path) -> None:
    films = make_engine(tmp_path / "store")
    films.store.add_items(
        [one.model_copy(update={"attributes": {"rating": 7.5, "year": 1990}}) for one in ITEMS]
    )
    for question, tool in (
        ("Which film got the highest rating from user 13?", "history"),
        ("Who gave Fargo the highest rating?", "raters"),
        ("the films with the highest rating", "popular_items"),
    ):
        assert [one.tool.name for one in plan(films, question, Conversation())[0].steps] == [
            tool
        ], question
    await films.close()


async def test_money_is_said_to_be_a_plain_number(shop: Engine) -> None:
    assert "the data name no currency" in (await answer(shop, "lamps over 20 euros")).text
    assert "currency" not in (await answer(shop, "something cheaper than 20")).text


async def test_ties_and_what_has_no_price_are_said(shop: Engine) -> None:
    text = (await answer(shop, "What is the most expensive item?")).text
    assert "“Red Lamp” (price 30, " in text and "2 items share the first place at 30." in text
    assert "Left out: 1 item without a price." in text
    talk = Conversation()
    await answer(shop, "the cheapest lamp", talk)
    dearest = await answer(shop, "and the most expensive?", talk)
    assert (
        dearest.calls[0].arguments["value"] == "Lamp"
        and dearest.calls[0].arguments["descending"] == "True"
    )


@pytest.mark.parametrize(
    ("question", "lacking"),
    [
        ("films longer than 100 minutes", "no item in the store has a length"),
        ("the shortest film", "has a length"),
        ("片长超过100分钟的电影", "没有物品有长度"),
    ],
)
async def test_a_number_that_no_item_has_is_named(
    engine: Engine, question: str, lacking: str
) -> None:
    reply = await answer(engine, question)
    assert not reply.answered and lacking in reply.text


async def test_recommendations_are_bound_too(engine: Engine) -> None:
    talk = Conversation()
    reply = await answer(engine, "Recommend user ann-1 a film released before 1960", talk)
    assert reply.calls[0].arguments["where"] == "year <= 1959" and "Apollo" not in reply.text
    why = await answer(engine, "why?", talk)
    assert why.calls[0].arguments["where"] == "year <= 1959"


@pytest.mark.parametrize(
    "question",
    [
        "How many films released before 1950 has user 13 seen?",
        "Who bought the cheapest item?",
        "Which users rated films before 1950?",
        "films like Fargo cheaper than 20",
        "Recommend user 13 the cheapest comedy",
        "items not cheaper than 20",
        "films longer than 2 hours",
        "Which user is the oldest?",
        "What was the most expensive purchase of user 13?",
    ],
)
def test_what_no_search_takes_is_declined(engine: Engine, question: str) -> None:
    assert plan(engine, question, Conversation())[0].steps == ()


@pytest.mark.parametrize(
    ("question", "tool"),
    [
        ("How many ratings were made in 2020?", "count_events"),
        ("What did user 13 watch in 2020?", "history"),
        ("Who saw the most films in 2020?", "cohort"),
        ("the most popular films in 2020", "popular_items"),
        ("What is the newest rating of user 13?", "last_item"),
    ],
)
def test_times_of_what_was_done_stay_so(engine: Engine, question: str, tool: str) -> None:
    [step] = plan(engine, question, Conversation())[0].steps
    assert step.tool.name == tool and "where" not in step.shown()


def test_what_users_are_is_no_number_of_items() -> None:
    measures = {"price": "price", "runtime": "runtime"}
    for text in (
        "users older than 30",
        "users with more than 20 events",
        "rated Fargo below 3",
        "more than 20 films",
    ):
        assert not find_bounds(text, measures)[1], text


async def test_the_tool_says_where_no_item_has_such_a_number(engine: Engine) -> None:
    result = await tools.search_items.run(
        engine, tools.search_items.args.model_validate({"by": "weight"})
    )
    assert not result.found and result.answer == "I don't know: no item has a weight."
