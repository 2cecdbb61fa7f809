"""Conditions on attributes: what they mean, what they refuse; and whether an item is on the
shelf.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.availability import is_hidden, is_unavailable
from limner.core.errors import BadInputError
from limner.core.filters import fitting, names_of, parse
from limner.core.schema import Attributes, Item, User

FILM = Item(
    item_id="7",
    title="Heat (1995)",
    categories=["Crime", "Film Noir"],
    price=12.5,
    attributes={
        "Year": 1995,
        "genre": ["Crime", "Drama"],
        "code": "0049",
        "on_disc": True,
        "out": "1995-12-15",
    },
)
PHONE = Item(item_id="8", categories=["electronics.smartphone"], attributes={"brand": "lg"})


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("price < 20 and category = crime", True),
        ("price<12.5", False),
        ("price <= 12.50", True),
        ("price>=12.5 and price>12", True),
        ("year = 1995", True),
        ("year = 1995.0", True),
        ("YEAR > 1990 AND not genre = Horror", True),
        ("genre = Drama", True),
        ("genre != Drama", False),
        ("genre != Horror", True),
        ("category = Film Noir", True),
        ('category = "Film Noir" and year = 1995', True),
        ("category = 'film noir' or price > 100", True),
        ("genre in (Horror, Drama)", True),
        ("genre in (Horror, War)", False),
        ("brand is missing", True),
        ("brand is not missing", False),
        ("brand = lg", False),
        ("brand != lg", True),
        ("brand < 5", False),
        ("not brand < 5", True),
        ("title ~ heat", True),
        ('title ~ "(1995)"', True),
        ("title < 5", False),
        ("code = 49", True),
        ("on_disc = true", True),
        ("on_disc = 1", False),
        ("out >= 1995-06-01 and out < 1996-01-01", True),
        ("year < 1990 or year > 1994 and price > 20", False),
        ("(year < 1990 or year > 1994) and price > 10", True),
        ("not (year < 1990) and not not price > 10", True),
        ("item_id == 7", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, fits: bool) -> None:
    assert parse(text).fits(FILM) is fits


@pytest.mark.parametrize(
    "text", ["category = electronics", "category = smartphone", "category = electronics.smartphone"]
)
def test_a_category_is_found_by_a_level_of_its_path(text: str) -> None:
    assert parse(text).fits(PHONE)
    assert not parse("category = smart").fits(PHONE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("price", "after 'price'"),
        ("price <", "value is missing"),
        ("< 5", "name of an attribute"),
        ("price < 5 and", "name of an attribute is missing at the end"),
        ("(price < 5", r"'\)' is missing"),
        ("price < 5)", r"'\)' stands where"),
        ("price is cheap", "'missing' is missing"),
        ("year in 1995", r"'\(' is"),
        ("year in (1995", r"'\)' is missing"),
        ('title = "open', "cannot be read"),
        ("and = 5", "before 'and'"),
        ("(" * 60 + "a=1" + ")" * 60, "too deep"),
        ("not " * 60 + "a=1", "too deep"),
        ("price < 5 = 6", "stands where"),
        ("__import__('os')", "after '__import__'"),
        ("year in ()", "a value is missing after 'year in'"),
        ("year in (1995, )", "a value is missing after 'year in'"),
        ("a = 1 and Price != and or", "name of an attribute is missing at the end"),
        ("a = 1 and Price !=", "a value is missing after 'price !='"),
        ("price is not cheap", "'missing' is missing"),
        ("a = !b", "'!b' cannot be read; quote values with other signs"),
        ("(" * 5000 + "a=1" + ")" * 5000, "too deep"),
        ("(" * 5000 + "a=1" + ")" * 5001, r"'\)' stands where"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadInputError, match=why):
        parse(text)


def test_keywords_are_words_where_no_keyword_may_stand() -> None:
    item = Item(item_id="i", attributes={"band": "and", "song": "Not in love", "android": "is"})
    assert parse("band = and and android = is").fits(item)
    assert parse("song = not in love or band = x").fits(item)
    assert parse("'song' ~ is").names() == {"song"}


def test_nesting_is_read_up_to_fifty_deep() -> None:
    item = Item(item_id="i", attributes={"a": 1})
    assert parse("(" * 25 + "not " * 24 + "a=1" + ")" * 25).fits(item)
    assert parse("(" * 50 + "a=1" + ")" * 50).fits(item)


def test_a_condition_of_any_length_is_read() -> None:
    ids = ", ".join(str(number) for number in range(5000))
    condition = parse(f"item_id in ({ids})")
    assert condition.fits(Item(item_id="4999")) and not condition.fits(Item(item_id="5000"))


@given(st.text(max_size=40) | st.text(alphabet="ab =<>()!~,'\"andortis missing5", max_size=40))
def test_any_text_is_a_condition_or_a_complaint(text: str) -> None:
    try:
        condition = parse(text)
    except BadInputError:
        return
    assert condition.fits(FILM) in (True, False)
    assert condition.names()


def test_ids_are_told_apart_to_the_letter() -> None:
    users = [User(user_id=one) for one in ("100", "1e2", "0100", "1_00", "ab", "AB")]

    def found(text: str) -> list[str]:
        return [one.user_id for one in fitting(users, text, "users")]

    assert found("user_id = 100") == ["100"] and found("user_id in (1e2, AB)") == ["1e2", "AB"]
    assert found("user_id != 100") == ["1e2", "0100", "1_00", "ab", "AB"]
    assert found("user_id ~ 00") == ["100", "0100", "1_00"]


@pytest.mark.parametrize("code", ["1_000", "infinity", "-inf", "\u0661\u0660"])
def test_words_that_python_reads_as_numbers_are_words(code: str) -> None:
    item = Item(item_id="i", attributes={"code": code})
    assert parse(f"code = {code}").fits(item) and not parse("code = 1000").fits(item)
    assert not parse("code > 5").fits(item) and not parse("code < 5").fits(item)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    users = [
        User(user_id="a", attributes={"age": 30}),
        User(user_id="b", attributes={"Age": 20, "job": "smith"}),
    ]
    assert [one.user_id for one in fitting(users, "age < 25", "users")] == ["b"]
    assert fitting(users, "", "users") == users
    with pytest.raises(
        BadInputError, match=r"No user has 'agee'; users have age, job, source, user_id\."
    ):
        fitting(users, "agee < 25", "users")
    with pytest.raises(BadInputError, match="No user has 'categories'"):
        fitting(users, "categories = Drama", "users")
    assert set(names_of([FILM])) >= {"year", "genre", "price", "category", "title", "item_id"}


@pytest.mark.parametrize(
    ("attributes", "hidden", "gone"),
    [
        ({}, False, False),
        ({"hidden": True}, True, False),
        ({"hidden": "False"}, False, False),
        ({"is_hidden": 1}, True, False),
        ({"hidden": "0"}, False, False),
        ({"hidden": 0.0}, False, False),
        ({"available": False}, False, True),
        ({"available": "no"}, False, True),
        ({"Available": "true"}, False, False),
        ({"in_stock": 0}, False, True),
        ({"in_stock": 12}, False, False),
        ({"availability": "https://schema.org/OutOfStock"}, False, True),
        ({"availability": "in_stock"}, False, False),
        ({"availability": "out_of_stock"}, False, True),
        ({"availability": "preorder"}, False, False),
        ({"stock": 0, "colour": "hidden"}, False, False),
    ],
)
def test_the_shelf_is_read_from_the_words_of_the_field(
    attributes: Attributes, hidden: bool, gone: bool
) -> None:
    assert is_hidden(attributes) is hidden
    assert is_unavailable(attributes) is gone
