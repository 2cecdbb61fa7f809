"""Variants of one thing: found at ingest, one of each in a list, none of what a user had."""

import asyncio
from pathlib import Path

import pytest

from limner.core.schema import Candidate, Item, RecommendationRequest, Recommendations
from limner.core.variants import GROUP, NO_VARIANTS, Variants
from limner.engine import Engine
from limner.facts.facets import discover
from limner.index.documents import item_text, plain_text
from limner.rank import RankedCandidate, one_of_each
from tests.http.tasteful import engine_of, made
from tests.unit.ingesting import Bench


def item(item_id: str, group: str = "") -> Item:
    return Item(item_id=item_id, title=item_id, attributes={GROUP: group} if group else {})


def ranked(count: int) -> list[RankedCandidate]:
    return [RankedCandidate(Candidate(item_id=f"i{at}"), -at) for at in range(count)]


def test_variants_are_the_items_of_a_group() -> None:
    variants = Variants([item("a", "g"), item("b", "g"), item("c", "alone"), item("d")])
    assert (variants.groups, variants.items) == (1, 2)
    assert (variants.of("a"), variants.of("c"), variants.of("d")) == (["a", "b"], ["c"], ["d"])
    assert variants.with_variants(frozenset("ad")) == {"a", "b", "d"}
    assert [*variants.distinct("dbac", str)] == ["d", "b", "c"]
    assert not NO_VARIANTS


def test_a_list_has_one_of_each_and_stays_as_long() -> None:
    variants = Variants([item(f"i{at}", f"g{at // 5}") for at in range(30)])
    asked: list[int] = []

    def ordered(k: int) -> list[RankedCandidate]:
        asked.append(k)
        return ranked(40)[:k]

    found = one_of_each(ordered, variants)(8)
    assert [one.candidate.item_id for one in found] == [
        *("i0", "i5", "i10", "i15", "i20", "i25"),
        *("i30", "i31"),
    ]
    assert asked[0] == 8
    assert len(one_of_each(ordered, variants)(99)) == 16
    assert one_of_each(ordered, NO_VARIANTS) is ordered


def test_a_group_is_found_or_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = "".join(f"a{at},p{at // 2},Kettle {at},Shop {at % 2}\n" for at in range(10))
    path = bench.write("i.csv", "asin,parent_asin,title,parent_id\n" + rows)
    report = bench.run(items=path)
    found = bench.store.item("a3")
    assert found is not None
    assert found.attributes == {GROUP: "p1", "parent_id": "Shop 1"}
    (note,) = [one.text for one in report.notes if "variants" in one.text]
    assert "10 items are variants of 5 things (column 'parent_asin')" in note
    bench.run(items=path, mapping={"items": {"group": "parent_id"}})
    found = bench.store.item("a3")
    assert found is not None
    assert found.attributes[GROUP] == "Shop 1"


def test_a_wide_group_that_only_a_name_finds_is_an_attribute(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = "".join(f"a{at},p{at % 3}\n" for at in range(100))
    bench.run(items=bench.write("i.csv", "item_id,parent_id\n" + rows))
    found = bench.store.item("a3")
    assert found is not None
    assert found.attributes == {"parent_id": "p0"}


def test_a_group_is_no_taste_and_no_text() -> None:
    items = [item(f"i{at}", f"g{at % 4}") for at in range(40)]
    assert all(rule.where != f"attributes.{GROUP}" for rule in discover(items))
    assert "g1" not in item_text(items[1]) + plain_text(items[1])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Every list's first five items are one thing."""
    engine = engine_of(made(tmp_path_factory.mktemp("variants")))
    best = [one.item.item_id for one in answer(engine, "u0").recommendations[:5]]
    rows = [{"item_id": one, "attributes": {GROUP: "same"}} for one in best]
    engine.edits.take("items", rows)
    return engine


def answer(engine: Engine, user: str, **wishes: object) -> Recommendations:
    request = RecommendationRequest.model_validate({"user_id": user, "n": 8, **wishes})
    return asyncio.run(engine.recommend(request))


def listed(answer: Recommendations) -> list[str]:
    return [one.item.item_id for one in answer.recommendations]


def same(answer: Recommendations) -> list[str]:
    """The items of a list that are the one thing."""
    return [
        one.item.item_id
        for one in answer.recommendations
        if one.item.attributes.get(GROUP) == "same"
    ]


def test_lists_hold_nothing_twice_and_nothing_that_was_had(engine: Engine) -> None:
    first = answer(engine, "u0")
    assert len(same(first)) == 1
    assert len(listed(first)) == 8

    async def everyone() -> list[Recommendations]:
        lists = engine.recommend_all(RecommendationRequest(n=8))
        return [one async for one in lists]

    assert all(len(same(one)) <= 1 for one in asyncio.run(everyone()))
    (mine,) = same(first)
    engine.edits.take("events", [{"user_id": "u0", "item_id": mine, "type": "purchase"}])
    after = answer(engine, "u0")
    assert same(after) == []
    assert len(listed(after)) == 8
    assert len(same(answer(engine, "u0", repeats=True))) <= 1
    named = [*engine.data.catalogue().items]
    assert len(listed(answer(engine, "u0", items=named))) == len(named)
