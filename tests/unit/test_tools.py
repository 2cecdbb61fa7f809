"""What each tool finds in a small store, against numbers counted by hand, and how statements are
said.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from limner import tools
from limner.chat import answer
from limner.core.columns import Meanings, Nouns
from limner.core.errors import BadInputError, UnknownIdError
from limner.core.interactions import Interactions
from limner.engine import Engine
from limner.tools import TOOLS, Result, Tool, ToolStatement, say
from limner.tools.words import channel, events_of, listed, phrase
from tests.unit.chat_store import make_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("tools") / "store")
    yield made
    made.store.close()


async def called(engine: Engine, tool: Tool, **given: object) -> Result:
    return await tool.run(engine, tool.args.model_validate(given))


async def test_history(engine: Engine) -> None:
    found = await called(engine, tools.history, user_id="13")
    assert found.model_dump()["total"] == 6 and found.answer.startswith("User 13 has 6 events.")
    assert found.evidence[0] == "ev-5"  # the newest first
    dramas = await called(engine, tools.history, user_id="13", value="Drama", limit=0)
    assert (
        dramas.answer == "User 13 has 2 events on items that carry “Drama”, over 2 different items."
    )
    best = await called(engine, tools.history, user_id="13", order="highest", limit=2)
    assert "The Big Sleep" in best.answer.splitlines()[0]
    none = await called(engine, tools.history, user_id="13", type="return")
    assert not none.found and none.answer == "User 13 has 0 return events."
    week = await called(engine, tools.history, user_id="13", since="2020-01-02", until="2020-01-03")
    assert week.model_dump()["total"] == 2


async def test_last_and_favourites_and_ratings(engine: Engine) -> None:
    assert "“Apollo 13 (1995)”" in (await called(engine, tools.last_item, user_id="13")).answer
    assert not (await called(engine, tools.last_item, user_id="quiet")).found
    top = await called(engine, tools.favourites, user_id="7")
    assert top.answer.startswith(
        "“Comedy” is the category that most items of user 7 carry: 2 of 3."
    )
    assert (await called(engine, tools.ratings, user_id="13")).model_dump()["mean"] == 3.0
    assert not (await called(engine, tools.ratings, user_id="quiet")).found


async def test_two_users(engine: Engine) -> None:
    more = await called(engine, tools.compare_users, user_id="7", other_id="13", aspect="events")
    assert more.answer == "User 13 has more events: 6, against 3 of user 7."
    comedies = await called(
        engine, tools.compare_users, user_id="7", other_id="13", aspect="items", value="Comedy"
    )
    assert "equally many" in comedies.answer
    kinder = await called(engine, tools.compare_users, user_id="7", other_id="13", aspect="rating")
    assert kinder.answer.startswith("User 7 rates higher: 4.67 on average, against 3 of user 13.")
    alike = await called(engine, tools.similar_users, user_id="13")
    assert {one["user_id"] for one in alike.model_dump()["users"]} <= {"7", "ann-1"}
    assert not (await called(engine, tools.similar_users, user_id="quiet")).found


@pytest.mark.parametrize(
    ("given", "total", "of"),
    [
        ({"item": "Apollo 13"}, 3, 4),
        ({"item": "i1", "type": "rating"}, 2, 4),
        ({"value": "Comedy"}, 2, 4),
        ({"value": "Comedy", "where": "gender = F"}, 1, 2),
        ({"item": "i2", "max_events": 0}, 2, 4),
        ({"min_events": 3}, 2, 4),
        ({"item": "i2", "and_item": "i1"}, 2, 4),
        ({"value": "Film-Noir", "polarity": "like"}, 1, 4),
        ({"value": "Film-Noir", "polarity": "like", "course": "stopped"}, 1, 4),
        ({"value": "Film-Noir", "polarity": "like", "course": "started"}, 0, 4),
        ({"value": "Comedy", "polarity": "dislike"}, 1, 4),
        ({"item": "i6", "polarity": "like"}, 1, 4),
        ({"item": "i1", "rating": "= 5"}, 1, 4),
        ({"item": "i1", "rating": "< 3"}, 1, 4),
        ({"rating": ">= 4"}, 3, 4),
        ({"item": "i1", "polarity": "like", "and_item": "i6", "and_polarity": "like"}, 1, 4),
        ({"item": "i1", "polarity": "like", "not_item": "i2"}, 1, 4),
        (
            {
                "value": "Film-Noir",
                "polarity": "like",
                "and_value": "Comedy",
                "and_polarity": "dislike",
            },
            1,
            4,
        ),
        ({"value": "Comedy", "or_value": "Film-Noir"}, 2, 4),
        ({"value": "Comedy", "polarity": "like", "or_value": "Film-Noir"}, 1, 4),
        ({"item": "i2", "max_events": 0, "and_item": "i1"}, 1, 4),
        ({"item": "i2", "max_events": 0, "not_item": "i1"}, 1, 4),
        ({"item": "i6", "polarity": "like", "until": "2020-01-08"}, 0, 4),
        ({"since": "2020-01-09"}, 2, 4),
        ({"where": "age > 60"}, 1, 1),
    ],
)
async def test_cohorts(engine: Engine, given: dict[str, object], total: int, of: int) -> None:
    found = (await called(engine, tools.cohort, **given)).model_dump()
    assert (found["total"], found["of"]) == (total, of)
    assert (
        found["answer"].startswith(f"{total} ")
        and "Period: 2020-01-01 to 2020-01-10." in found["answer"]
    )


@pytest.mark.parametrize(
    "given",
    [
        {"item": "i1", "polarity": "like", "max_events": 0},
        {"value": "Comedy", "course": "stopped"},
        {"item": "i1", "or_item": "i2", "max_events": 0},
        {"item": "i1", "not_polarity": "like"},
    ],
)
async def test_a_cohort_of_contradictions_is_refused(
    engine: Engine, given: dict[str, object]
) -> None:
    with pytest.raises(BadInputError):
        await called(engine, tools.cohort, **given)


async def test_a_cohort_says_all_that_was_asked(engine: Engine) -> None:
    both = await called(engine, tools.cohort, item="i1", polarity="like", and_item="i3")
    assert both.answer.startswith(
        "2 of 4 users liked “Apollo 13 (1995)” and have at least one event on “Airplane! (1980)”."
    )
    rated = await called(engine, tools.cohort, item="i1", rating=">= 4")
    assert rated.answer.startswith(
        "1 of 4 users have at least one event on “Apollo 13 (1995)” rated 4 or more."
    )
    often = await called(engine, tools.cohort, value="Comedy", polarity="like", min_events=3)
    assert often.answer.startswith(
        "0 of 4 users liked items that carry “Comedy” (3 or more of them)."
    )


async def test_audiences_say_by_what_of_how_many_and_how_to_have_all(tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "store")
    found = await called(engine, tools.audience, item="Fargo", limit=1)
    held = found.model_dump()
    assert held["considered"] == 2 and held["population"] == 4 and held["definition"]
    for said in (
        "the first 1 of 2 users",
        "In order of",
        "2 users had it already and are left out.",
        "2 of 4 users were ranked.",
        "Period: 2020-01-01 to 2020-01-10.",
        "`limner users --for-item i2 --out users.csv`",
    ):
        assert said in found.answer, found.answer
    women = await called(engine, tools.audience, where="gender = F", limit=1)
    assert "`limner users --where 'gender = F' --out users.csv`" in women.answer
    for given in ({}, {"item": "i2", "like": "drama"}):
        with pytest.raises(BadInputError):
            await called(engine, tools.audience, **given)
    await engine.close()


async def test_events_values_and_neighbours(engine: Engine) -> None:
    events = await called(engine, tools.count_events, type="rating")
    assert events.answer.startswith("There are 10 rating events, of 3 users on 6 different items.")
    values = (await called(engine, tools.popular_values, limit=1)).model_dump()
    assert [(one["value"], one["events"]) for one in values["values"]] == [("Drama", 5)]
    near = (await called(engine, tools.similar_items, item="Airplane!")).model_dump()
    assert near["items"][0]["item_id"] == "i6"
    lone = await called(engine, tools.similar_items, item="i7")
    assert not lone.found


async def test_a_list_without_a_value_has_none_of_it(tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "store")
    found = (
        await called(engine, tools.recommend, user_id="7", n=20, not_value="Drama")
    ).model_dump()
    assert found["recommendations"] and not any(
        "Drama" in one["item"]["categories"] for one in found["recommendations"]
    )
    with pytest.raises(BadInputError):
        await called(engine, tools.recommend, user_id="7", not_value="Zebra")
    await engine.close()


async def test_items_and_the_store(engine: Engine) -> None:
    item = await called(engine, tools.item, item="Apollo 13")
    assert "3 users" in item.answer and "3.5" in item.answer and "9.5" in item.answer
    popular = (await called(engine, tools.popular_items)).model_dump()
    assert popular["items"][0]["item_id"] == "i1"
    found = (await called(engine, tools.search_items, words="apollo")).model_dump()
    assert [one["item_id"] for one in found["items"]] == ["i1"]
    assert (await called(engine, tools.search_items, value="Comedy")).model_dump()["total"] == 3
    assert not (await called(engine, tools.search_items, words="zebra")).found
    store = await called(engine, tools.catalogue)
    assert "4 users, 8 items and 11 events" in store.answer
    said = await called(engine, tools.user_attributes, user_id="13", attribute="age")
    assert said.answer == "Of user 13 the data say: age: 47."


async def test_what_is_not_there(engine: Engine) -> None:
    with pytest.raises(UnknownIdError):
        await called(engine, tools.item, item="No Such Film")
    with pytest.raises(UnknownIdError):
        await called(engine, tools.history, user_id="nobody")
    with pytest.raises(UnknownIdError, match="shoe size"):
        await called(engine, tools.user_attributes, user_id="13", attribute="shoe size")
    with pytest.raises(BadInputError):
        await called(engine, tools.cohort, where="age <")
    with pytest.raises(BadInputError):
        await called(engine, tools.find_users)
    with pytest.raises(ValidationError):
        await called(engine, tools.history, user_id="13", limit=1000)


async def test_portraits_and_why(engine: Engine) -> None:
    portrait = await called(engine, tools.portrait, user_id="13")
    assert portrait.found and portrait.evidence
    found = (await called(engine, tools.find_users, value="Film-Noir")).model_dump()
    assert (found["searched"], found["total"]) == (1, len(found["users"]))
    like = await called(engine, tools.find_users, like="crime in the dark")
    assert [one["user_id"] for one in like.model_dump()["users"]] == ["13"] and like.notes
    unsaid = await called(engine, tools.explain_preference, user_id="13", value="Western")
    assert not unsaid.found and "does not speak of" in unsaid.answer


def test_every_tool_describes_its_arguments() -> None:
    for one in TOOLS:
        schema = one.args.model_json_schema()
        assert one.description and schema["additionalProperties"] is False
        undescribed = [
            name for name, part in schema["properties"].items() if "description" not in part
        ]
        assert undescribed in ([], ["limit"]), one.name


def test_statements_are_said_in_two_languages_with_marks() -> None:
    line = ToolStatement(
        form="event",
        values={"type": "view", "value": "", "title": "Fargo", "day": phrase("")},
        evidence=["x"],
    )
    whole = ToolStatement(form="history.latest", values={"lines": listed([line, line])})
    assert say(whole) == "The latest: view of “Fargo”; view of “Fargo”."
    assert (
        say(whole, "zh", lambda event: f"[{event}]")
        == "最近的：“Fargo”（view） [x]；“Fargo”（view） [x]。"
    )
    assert events_of(whole) == ["x"]
    assert (
        say(ToolStatement(form="catalogue.users", values={"n": 1}))
        == "There are 1 user in the store."
    )
    assert "1,682 users" in say(ToolStatement(form="catalogue.users", values={"n": 1682}))


async def test_users_by_words_and_by_attributes_alone(engine: Engine) -> None:
    await engine.build(["13", "7"])
    found = engine.users(1, like="crime in the dark")
    assert (found.population, found.matching, found.considered, len(found.users)) == (4, 4, 2, 1)
    assert (
        found.like == "crime in the dark"
        and found.period == "2020-01-01 to 2020-01-10"
        and found.notes
    )
    women = engine.users(None, like="comedies", where="gender = F")
    assert [one.user_id for one in women.users] == ["7"] and women.matching == 2
    students = engine.users(None, where="occupation = student")
    assert [(one.user_id, one.score) for one in students.users] == [("7", 3), ("ann-1", 2)]
    assert students.item is None and students.definition == "number of events, most first"
    with pytest.raises(BadInputError):
        engine.users(like="  ")


async def test_template_reasons_are_said_in_the_language_of_the_question(engine: Engine) -> None:
    found = await called(engine, tools.recommend, user_id="7", n=3)
    lines = [one for one in found.said if one.form == "recommend.reason"]
    assert lines
    for one in lines:
        assert re.search("[一-鿿]", say(one, "zh"))
        assert not re.search("[一-鿿]", say(one, "en"))


def test_channels_are_said_in_the_language_of_the_question() -> None:
    assert (
        say(channel("next_item")) == "“next_item”"
        and say(channel("next_item"), "zh") == "“常为下一选择”"
    )
    assert say(channel("a-new-one"), "zh") == "“a-new-one”"


async def test_a_tool_counts_what_there_was_when_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody new comes between its first look at the events and its second."""
    engine = make_engine(tmp_path / "store")
    read = engine.store.interactions
    looks: list[int] = []

    def interactions() -> Interactions:
        x = read()
        looks.append(len(x))
        rows = [{"user_id": f"new{len(looks)}", "item_id": "i1", "type": "like"}]
        engine.edits.take("events", rows)
        return x

    monkeypatch.setattr(engine.store, "interactions", interactions)
    liked = await called(engine, tools.cohort, item="i1", polarity="like")
    had = await called(engine, tools.cohort, item="i1")
    assert liked.found and had.found and looks
    engine.store.close()


async def test_things_are_called_what_the_catalogue_calls_them(tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "store")
    engine.store.add_meanings(Meanings(nouns=Nouns(item="film", items="films")))
    reply = await answer(engine, "How many items has user 13 had?")
    assert re.search(r"\d+ different films\b", reply.text) and "item" not in reply.text
    engine.store.close()
