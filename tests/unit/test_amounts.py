"""Plays, pieces and money, summed: against sums made by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner import tools
from limner.chat import answer
from limner.core.errors import UnknownIdError
from limner.core.schema import Item
from limner.engine import Engine
from limner.ingest import Sources
from limner.tools import Result
from limner.tools.amounts import AmountsResult
from tests.http.live import small_engine

PLAYS = [
    ("ann", "a1", 1200.0),
    ("ann", "a2", 3.0),
    ("bob", "a1", 40.0),
    ("bob", "a2", 900.0),
    ("cat", "a1", None),
]
PURCHASES = [("ann", "mug", 12.0), ("bob", "mug", 2.0), ("bob", "mug", -1.0), ("bob", "pen", 5.0)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = small_engine(tmp_path_factory.mktemp("amounts"))
    titles = {"a1": ("The Kinks", None), "a2": ("Nina Simone", None), "mug": ("Blue Mug", 2.5)}
    engine.store.add_items(
        [Item(item_id=one, title=title, price=price) for one, (title, price) in titles.items()]
    )
    for kind, rows in (("play", PLAYS), ("purchase", PURCHASES)):
        engine.edits.take(
            "events",
            [
                {"user_id": user, "item_id": item, "type": kind, "value": value}
                for user, item, value in rows
            ],
        )
    yield engine
    engine.store.close()


async def summed(engine: Engine, **given: object) -> AmountsResult:
    found: Result = await tools.amounts.run(engine, tools.amounts.args.model_validate(given))
    assert isinstance(found, AmountsResult)
    return found


async def test_plays_of_an_item_and_who_has_most(engine: Engine) -> None:
    found = await summed(engine, item="The Kinks")
    assert (found.total, found.events, found.plain, found.of) == (1241, 3, 1, 3)
    assert [(one.id, one.amount) for one in found.top] == [("ann", 1200), ("bob", 40), ("cat", 1)]
    least = await summed(engine, item="a1", least=True, limit=1)
    assert [one.id for one in least.top] == ["cat"]


async def test_what_was_returned_is_taken_off_and_money_needs_prices(engine: Engine) -> None:
    found = await summed(engine, item="mug")
    assert found.total == 13
    spent = await summed(engine, spent=True)
    assert spent.total == 13 * 2.5 and spent.events == 3  # the pen has no price
    assert [(one.id, one.amount) for one in spent.top] == [("ann", 30), ("bob", 2.5)]
    assert not (await summed(engine, item="a1", spent=True)).found


async def test_the_amounts_of_a_user_are_told_by_item(engine: Engine) -> None:
    found = await summed(engine, user_id="bob", type="play")
    assert [(one.id, one.amount) for one in found.top] == [("a2", 900), ("a1", 40)]
    assert found.said[1].values["lines"] is not None
    with pytest.raises(UnknownIdError):
        await summed(engine, user_id="nobody")


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("How many plays does The Kinks have?", "1,241"),
        ("Who plays The Kinks the most?", "ann (1,200)"),
        ("How many pieces of Blue Mug were bought?", "14"),
        ("How much did user ann spend?", "30"),
        ("How many plays does user bob have?", "900"),
    ],
)
async def test_questions_about_amounts(engine: Engine, question: str, holds: str) -> None:
    reply = await answer(engine, question)
    assert holds in reply.text, reply.text


@pytest.mark.parametrize(("column", "label"), [("plays", "returning"), ("seconds", "trying")])
def test_play_counts_are_loyalty_and_seconds_are_none(
    tmp_path: Path, column: str, label: str
) -> None:
    rows = [f"ann,artist{at},{20 + at}" for at in range(12)]
    (tmp_path / "plays.csv").write_text("\n".join([f"user_id,item_id,{column}", *rows]))
    (tmp_path / "map.yaml").write_text(
        f"events: {{value: {column}, type: {{constant: play}}}}\n", encoding="utf-8"
    )
    engine = small_engine(tmp_path)
    engine.ingest(Sources([str(tmp_path / "plays.csv")], mapping=str(tmp_path / "map.yaml")))
    assert engine.data.catalogue().population.plays == (column == "plays")
    traits = {one.name: one for one in engine.portraits.profile("ann").traits}
    assert traits["loyalty"].label == label
    engine.store.close()
