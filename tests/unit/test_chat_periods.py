"""Two periods in one question, told apart from one that has two ends; counts against the events of
a small store.
"""

from collections.abc import Iterator
from datetime import date

import pytest

from limner.chat import Conversation, answer, plan
from limner.chat.dates import find_periods
from limner.core.errors import BadInputError
from limner.engine import Engine
from limner.tools.periods import PeriodsArgs, PeriodsResult, compare_periods
from tests.unit.chat_store import EVENTS, ITEMS, make_engine

COMEDIES = {one.item_id for one in ITEMS if "Comedy" in one.categories}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("periods") / "store")
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "in January or in February 1998",
            [("1998-01-01", "1998-01-31"), ("1998-02-01", "1998-02-28")],
        ),
        (
            "in 1997 and how many in 1998",
            [("1997-01-01", "1997-12-31"), ("1998-01-01", "1998-12-31")],
        ),
        ("more in 1997 than 1998", [("1997-01-01", "1997-12-31"), ("1998-01-01", "1998-12-31")]),
        ("in 1995 and 1997", [("1995-01-01", "1995-12-31"), ("1997-01-01", "1997-12-31")]),
        ("in 1997 and 1998", [("1997-01-01", "1998-12-31")]),
        ("between January and February 1998", [("1998-01-01", "1998-02-28")]),
        ("between December and January 1998", [("1997-12-01", "1998-01-31")]),
        ("from December 1997 to January 1998", [("1997-12-01", "1998-01-31")]),
        (
            "in December 1997 or in January",
            [("1997-12-01", "1997-12-31"), ("1998-01-01", "1998-01-31")],
        ),
        ("before 1997 or after 1998", [(None, "1996-12-31"), ("1999-01-01", None)]),
        (
            "change from January 1998 to February 1998",
            [("1998-01-01", "1998-01-31"), ("1998-02-01", "1998-02-28")],
        ),
        (
            "Compare 1 January 1998 to 2 January 1998",
            [("1998-01-01", "1998-01-01"), ("1998-01-02", "1998-01-02")],
        ),
        (
            "ratings from 1997 and how many from 1998",
            [("1997-01-01", "1997-12-31"), ("1998-01-01", "1998-12-31")],
        ),
        ("since 1998 and how many before 1998", [("1998-01-01", None), (None, "1997-12-31")]),
        ("1998年1月还是2月", [("1998-01-01", "1998-01-31"), ("1998-02-01", "1998-02-28")]),
        ("1997年和1998年各有多少", [("1997-01-01", "1997-12-31"), ("1998-01-01", "1998-12-31")]),
        ("1997年到1998年", [("1997-01-01", "1998-12-31")]),
        ("more than 2000 ratings", []),
    ],
)
def test_one_period_or_two(text: str, found: list[tuple[str | None, str | None]]) -> None:
    read = find_periods(text, date(1998, 4, 22))
    periods = read[0] if read else []
    assert [
        (f"{one.since}" if one.since else None, f"{one.until}" if one.until else None)
        for one in periods
    ] == found


def held(user: str, first: int, last: int, items: set[str] | None = None) -> list[tuple[str, str]]:
    """(user, item) of the events on days of January 2020."""
    return [
        (who, item)
        for who, item, _, _, day in EVENTS
        if first <= day <= last and user in ("", who) and (items is None or item in items)
    ]


@pytest.mark.parametrize("user", ["", "13", "7", "quiet"])
@pytest.mark.parametrize("comedies", [False, True])
async def test_counts_of_two_periods(engine: Engine, user: str, comedies: bool) -> None:
    days = {
        "since": "2020-01-01",
        "until": "2020-01-04",
        "other_since": "2020-01-05",
        "other_until": "2020-01-10",
    }
    args = PeriodsArgs.model_validate(
        {"user_id": user, "value": "Comedy" if comedies else "", **days}
    )
    result = await compare_periods.run(engine, args)
    assert isinstance(result, PeriodsResult)
    for one, (first, last) in zip(result.periods, ((1, 4), (5, 10)), strict=True):
        right = held(user, first, last, COMEDIES if comedies else None)
        assert (one.events, one.items, one.users) == (
            len(right),
            len({item for _, item in right}),
            len({who for who, _ in right}),
        )
        assert bool(one.event_id) == bool(user and right)


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("Did user 13 rate more films in 2019 or in 2020?", {"user_id": "13", "count": "items"}),
        ("How many ratings in 2019 and how many in 2020?", {"type": "rating"}),
        ("Were more users active in 2019 or 2020?", {"count": "users"}),
        (
            "How many comedies did user 13 watch in 2019 and in 2020?",
            {"user_id": "13", "value": "Comedy", "facet": "category"},
        ),
        ("Did more people watch Fargo in 2019 or in 2020?", {"item": "i2", "count": "users"}),
        ("用户13在2019年还是2020年看的电影更多？", {"user_id": "13", "count": "items"}),
        ("2019年和2020年各有多少评分？", {"type": "rating"}),
    ],
)
def test_what_is_compared(engine: Engine, question: str, given: dict[str, str]) -> None:
    [step] = plan(engine, question, Conversation())[0].steps
    days = {
        "since": "2019-01-01",
        "until": "2019-12-31",
        "other_since": "2020-01-01",
        "other_until": "2020-12-31",
    }
    assert step.tool.name == "compare_periods" and step.shown() == {**days, **given}


async def test_which_had_more_is_said_first_and_each_count_with_what_it_counts(
    engine: Engine,
) -> None:
    reply = await answer(engine, "How many ratings in 2019 and how many in 2020?")
    ratings = sum(kind == "rating" for _, _, kind, _, _ in EVENTS)
    assert reply.text.startswith(f"More in the second of the two periods: {ratings}, against 0.")
    assert (
        f"There are {ratings} rating events between 2020-01-01 and 2020-12-31, of all users."
        in reply.text
    )


def test_any_other_question_is_answered_for_each(engine: Engine) -> None:
    for question, tool in (
        ("What did user 13 watch last in 2019 and in 2020?", "last_item"),
        ("Did user 13 rate higher in 2019 or in 2020?", "ratings"),
        ("Who was most active in 2019 and in 2020?", "cohort"),
    ):
        steps = plan(engine, question, Conversation())[0].steps
        assert [one.tool.name for one in steps] == [tool, tool]
        assert [one.shown()["since"] for one in steps] == ["2019-01-01", "2020-01-01"]


@pytest.mark.parametrize(
    "question",
    [
        "How many users were active in 2019 but not in 2020?",
        "Did user 13 or user 7 rate more in 2019 or 2020?",
        "Did user 13 like more comedies in 2019 or 2020?",
        "How many films from 1994 and how many from 1995 are there?",
        "How many ratings in 2018, 2019 and 2020?",
        "Recommend user 13 films from 1994 or 1995",
    ],
)
def test_what_no_count_answers_is_declined(engine: Engine, question: str) -> None:
    assert plan(engine, question, Conversation())[0].steps == ()


async def test_the_tool_needs_both(engine: Engine) -> None:
    with pytest.raises(BadInputError):
        await compare_periods.run(engine, PeriodsArgs.model_validate({"since": "2020-01-01"}))


async def test_own_chat_compares_own_periods_alone(engine: Engine) -> None:
    own = await answer(engine, "Did I rate more films in 2019 or in 2020?", Conversation(only="13"))
    assert own.answered and own.calls[0].arguments["user_id"] == "13"
    others = await answer(
        engine, "How many ratings in 2019 and how many in 2020?", Conversation(only="13")
    )
    assert not others.answered and not others.calls
