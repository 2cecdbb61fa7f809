"""The last call one on in time ("and before that?"), or from its beginning ("since when?")."""

from collections.abc import Iterator, Sequence
from datetime import date

import pytest

from limner.chat import Conversation, answer, recall
from limner.chat.dates import Period, beside
from limner.engine import Engine
from tests.unit.chat_store import EVENTS, ITEMS, make_engine

TITLES = {one.item_id: one.title for one in ITEMS}
OF_13 = [TITLES[item] for user, item, *_ in EVENTS if user == "13"][::-1]
"""What user 13 had, the newest first."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("onward") / "store")
    yield made
    made.store.close()


async def said(engine: Engine, turns: Sequence[str]) -> list[str]:
    talk = Conversation()
    return [(await answer(engine, one, talk)).text for one in turns]


@pytest.mark.parametrize(
    "turns",
    [
        ["What did user 13 watch last?", *["And before that?"] * 6],
        ["用户13最近看了什么？", "再之前呢？", *["在那之前呢？"] * 5],
    ],
)
async def test_the_item_before(engine: Engine, turns: list[str]) -> None:
    replies = await said(engine, turns)
    for reply, title in zip(replies, OF_13, strict=False):
        assert f"“{title}”" in reply
    assert "don't know" in replies[len(OF_13)] or "不知道" in replies[len(OF_13)]


async def test_on_and_back_again_and_for_another_user(engine: Engine) -> None:
    turns = [
        "What did user 13 watch last?",
        "and before that?",
        "and after that?",
        "and user 7?",
        "and before that?",
    ]
    replies = await said(engine, turns)
    of_7 = [TITLES[item] for user, item, *_ in EVENTS if user == "7"][::-1]
    for reply, title in zip(replies[1:], [OF_13[1], OF_13[0], *of_7[:2]], strict=True):
        assert f"“{title}”" in reply


async def test_lists_go_on_where_they_ended(engine: Engine) -> None:
    _, more = await said(engine, ["What are the last 2 films of user 13?", "and before that?"])
    assert all(one in more for one in OF_13[2:4]) and not any(
        one in more for one in (*OF_13[:2], *OF_13[4:])
    )
    _, then = await said(engine, ["What did user 13 watch first?", "and then?"])
    assert OF_13[-2] in then and OF_13[-1] not in then


@pytest.mark.parametrize(
    ("turns", "days"),
    [
        (
            ["How many films did user 13 rate in January 2020?", "and before that?"],
            ("2019-12-01", "2019-12-31"),
        ),
        (
            ["How many films did user 13 rate in 2019?", "and before that?"],
            ("2018-01-01", "2018-12-31"),
        ),
        (
            ["How many ratings were made in 2020?", "And before that?", "and after that?"],
            ("2020-01-01", "2020-12-31"),
        ),
        (["How many comedies did user 13 see after 2019?", "and before that?"], ("", "2019-12-31")),
        (
            ["Who was most active in January 2020?", "and before that?"],
            ("2019-12-01", "2019-12-31"),
        ),
        (["用户13在2020年1月看了多少部电影？", "那之前呢？"], ("2019-12-01", "2019-12-31")),
    ],
)
async def test_the_period_before(engine: Engine, turns: list[str], days: tuple[str, str]) -> None:
    talk = Conversation()
    first = await answer(engine, turns[0], talk)
    for turn in turns[1:]:
        reply = await answer(engine, turn, talk)
    given = reply.calls[0].arguments
    assert reply.calls[0].tool == first.calls[0].tool
    assert (given.pop("since", ""), given.pop("until", "")) == days
    assert given == {
        k: v for k, v in first.calls[0].arguments.items() if k not in ("since", "until")
    }


@pytest.mark.parametrize(
    ("since", "until", "later", "found"),
    [
        ("2020-03-01", "2020-03-31", False, ("2020-02-01", "2020-02-29")),
        ("2020-01-01", "2020-12-31", True, ("2021-01-01", "2021-12-31")),
        ("2020-01-05", "2020-01-06", False, ("2020-01-03", "2020-01-04")),
        ("2020-01-05", None, False, (None, "2020-01-04")),
        ("2020-01-05", None, True, None),
        (None, "2020-01-05", False, None),
        (None, "2020-01-05", True, ("2020-01-06", None)),
    ],
)
def test_periods_beside(
    since: str | None, until: str | None, later: bool, found: tuple[str | None, str | None] | None
) -> None:
    moved = beside(period(since, until), later=later)
    assert moved == (None if found is None else period(*found))


def period(since: str | None, until: str | None) -> Period:
    day = date.fromisoformat
    return Period(day(since) if since else None, day(until) if until else None)


@pytest.mark.parametrize(
    ("turns", "first"),
    [
        (["How many comedies has user 13 seen?", "Since when?"], "“Airplane! (1980)”"),
        (["Has user 13 seen Fargo?", "since when?"], "rating 3 of “Fargo (1996)” on 2020-01-04"),
        (
            ["Why does user 13 like film noir?", "since when?"],
            "rating 5 of “The Big Sleep (1946)” on 2020-01-01",
        ),
        (
            ["Why does user 13 dislike comedies?", "since when?"],
            "“Comedy” since rating 1 of “Airplane! (1980)”",
        ),
        (
            ["When did user 13 start liking film noir?"],
            "rating 5 of “The Big Sleep (1946)” on 2020-01-01",
        ),
        (
            ["What did user 13 watch first and what last?"],
            "The first item of user 13 is “The Big Sleep (1946)”",
        ),
        (
            ["What does user 13 dislike?", "since when?"],
            "“Comedy” since rating 1 of “Airplane! (1980)” on 2020-01-03",
        ),
        (
            ["Since when does user 13 like film noir?"],
            "rating 5 of “The Big Sleep (1946)” on 2020-01-01",
        ),
        (
            ["How long has user 13 liked film noir?"],
            "rating 5 of “The Big Sleep (1946)” on 2020-01-01",
        ),
        (
            ["Since when has user 13 been active?"],
            "rating 5 of “The Big Sleep (1946)” on 2020-01-01",
        ),
        (["用户13从什么时候开始喜欢黑色电影？"], "“The Big Sleep (1946)”（评分 5，2020-01-01）"),
        (
            ["用户13不喜欢什么？", "从什么时候开始？"],
            "“Comedy”，始于“Airplane! (1980)”（评分 1，2020-01-03）",
        ),
    ],
)
async def test_since_when(engine: Engine, turns: list[str], first: str) -> None:
    assert first in (await said(engine, turns))[-1]


async def test_a_taste_that_the_portrait_does_not_hold_is_not_said_to_be_one(
    engine: Engine,
) -> None:
    reply = await answer(engine, "Since when does user 13 like crime?")
    assert "likes" not in reply.text
    assert not (await answer(engine, "Since when does user 13 like comedies?")).answered


@pytest.mark.parametrize(
    "turns",
    [
        ["Since when?"],
        ["and before that?"],
        ["Who rated Fargo highest?", "since when?"],
        ["Who rated Fargo highest?", "and before that?"],
        ["Recommend 2 films to user ann-1", "since when?"],
        ["Compare users 13 and 7", "and before that?"],
        ["Which film did user 13 rate highest?", "and before that?"],
        ["Did user 13 rate more films in 2019 or in 2020?", "and before that?"],
        ["What did user 13 watch last?", "and after that?"],
        ["What did user 13 watch first?", "and before that?"],
        ["What did user 13 watch last?", "What did user 7 watch before that?"],
        ["Who watched Fargo before that?"],
    ],
)
async def test_what_has_nothing_before_is_declined(engine: Engine, turns: list[str]) -> None:
    talk = Conversation()
    for turn in turns:
        reply = await answer(engine, turn, talk)
    assert not reply.answered, reply.text


async def test_a_recalled_conversation_goes_on_too(engine: Engine) -> None:
    talk = recall(engine, [("What did user 13 watch last?", "…"), ("and before that?", "…")])
    assert f"“{OF_13[2]}”" in (await answer(engine, "and before that?", talk)).text


async def test_own_chat_goes_on_about_oneself(engine: Engine) -> None:
    talk = Conversation(only="13")
    await answer(engine, "What did I watch last?", talk)
    assert OF_13[1] in (await answer(engine, "and before that?", talk)).text
