"""Facets are discovered: what is one, what is none, and how values are read."""

import pytest

from limner.core.columns import ColumnMeaning
from limner.core.schema import Attributes, Item
from limner.facts.column_roles import facet_name
from limner.facts.facets import discover, facets_of
from limner.facts.titles import find_themes, themes_in


def catalogue(n: int, **columns: object) -> list[Item]:
    """n items; each column is a function of the position, an attribute unless Item has such a
    field.
    """
    items = []
    for at in range(n):
        made = {name: make(at) for name, make in columns.items() if callable(make)}
        fields = {name: value for name, value in made.items() if name in Item.model_fields}
        rest: Attributes = {
            name: value for name, value in made.items() if name not in fields and value is not None
        }
        items.append(Item(item_id=f"i{at}", attributes=rest, **fields))
    return items


def named(items: list[Item]) -> dict[str, str]:
    return {rule.facet: rule.kind for rule in discover(items)}


def test_what_repeats_is_a_facet_and_what_names_one_item_is_none() -> None:
    items = catalogue(
        40,
        title=lambda at: f"Thing {at}",
        brand=lambda at: f"brand {at % 7}",
        imdb=lambda at: f"tt{at:07d}",
        serial=lambda at: f"S-{at}",
        category_id=lambda at: 2103807459595387724 + at % 5,
        poster=lambda at: f"https://example.org/{at % 3}.png",
        made_by=lambda at: "the same for all",
        story=lambda at: (
            f"A long story about a thing of kind {at % 3}, told again and again to whoever listens."
        ),
    )
    assert named(items) == {"brand": "value"}


def test_lists_numbers_years_and_paths() -> None:
    items = catalogue(
        60,
        categories=lambda at: [f"shop.part {at % 2}".replace(" ", "_") + f".kind_{at % 9}"],
        cast=lambda at: [f"actor {at % 10}", f"actor {(at * 7) % 10}", f"extra {at}"],
        price=lambda at: 1.0 + at,
        runtime=lambda at: 60 + at,
        released=lambda at: 1950 + at,
        age_limit=lambda at: (0, 6, 12, 18)[at % 4],
        on_sale=lambda at: at % 3 == 0,
    )
    assert named(items) == {
        "category": "path",
        "cast": "value",
        "price band": "band",
        "runtime band": "band",
        "era": "era",
        "age limit": "value",
        "on sale": "value",
    }
    rules = discover(items)
    first, last = facets_of(items[0], rules), facets_of(items[59], rules)
    assert first["category"] == ["shop", "part 0", "kind 0"]
    assert first["price band"] == ["low"]
    assert last["price band"] == ["high"]
    assert first["era"] == ["1950s"]
    assert last["era"] == ["2000s"]
    assert first["on sale"] == ["yes"]
    assert "on sale" not in facets_of(items[1], rules)
    assert first["cast"] == ["actor 0", "extra 0"]


def test_categories_take_the_name_that_an_attribute_gives_them() -> None:
    items = catalogue(20, categories=lambda at: [f"G{at % 4}"], genre=lambda at: [f"G{at % 4}"])
    assert named(items) == {"genre": "value"}
    assert facets_of(items[1]) == {"genre": ["G1"]}


@pytest.mark.parametrize(
    ("title", "era"),
    [
        ("Heat (1995)", "1990s"),
        ("Cinema Paradiso , 1988", "1980s"),
        ("2001: A Space Odyssey (1968)", "1960s"),
    ],
)
def test_the_year_that_ends_a_title_is_its_era(title: str, era: str) -> None:
    assert facets_of(Item(item_id="x", title=title))["era"] == [era]
    assert facets_of(Item(item_id="y", title="Blade Runner 2049")) == {}


def test_a_year_that_is_not_the_items_own_keeps_its_name() -> None:
    items = catalogue(30, year=lambda at: 1960 + at, shown=lambda at: 2000 + at % 15)
    assert named(items) == {"era": "era", "shown era": "era"}


def test_dates_are_read_for_their_decade() -> None:
    items = catalogue(
        30,
        release_date=lambda at: f"01-Jan-{1970 + at}",
        seen_first=lambda at: f"{1990 + at}-05-01",
    )
    assert named(items) == {"era": "era", "seen first era": "era"}
    assert facets_of(items[0], discover(items)) == {"era": ["1970s"], "seen first era": ["1990s"]}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("shipping_weight", ["0.3 ounces (", "0.6 ounces", "1 pound"]),
        ("heft", ["0.3 oz", "1,2 kg", "12 lbs; ships alone"]),  # whatever it is called
        ("extent", ["8.3 x 5.1 x 0.2 inches ; 0.3 ounces", "5 × 3 cm", "3.4 x 2.1 in"]),
        ("product_weight_g", [120, 300, 450, 90, 75, 800, 220, 310, 95, 60, 55, 410, 640]),
        ("product_length_cm", [12, 30, 45, 9, 7, 80, 22, 31, 95, 60, 55, 41, 64]),
        ("parcel dimensions", ["small parcel", "large parcel"]),
        ("international_shipping", ["not to islands", "everywhere"]),
        ("sales_rank", list(range(1, 40))),
        ("average_rating", [3.5, 4.0, 4.5, 5.0, 2.5]),
        ("vote_count", list(range(100, 140))),
        ("item_model_number", ["US_Email", "US_Print", "Denomination"]),
        ("gtin", ["840341676232", "078678972639"]),
        ("ref", ["B00BWDH2O6", "B00H5BMZPU", "B01GP1W4LA"]),
        ("date_first_available", ["September 10, 2013", "May 3, 2014", "June 1, 2009"]),
        ("updated_at", ["2013-09-10", "2014-05-03", "2009-06-01T10:00:00Z"]),
        ("page", ["https://a.example/x", "https://a.example/y"]),
        (
            "remark",
            ["This item ships in its own packaging.", "Not sold to people under the age of 18."],
        ),
        ("blank", ["^", "--"]),
        ("also_buy", [["i1", "i2", "i9"], ["i3"], ["i2", "i5"]]),  # ids of the catalogue itself
        ("seen_with", [[str(7000 + at * k) for k in range(9)] for at in range(1, 20)]),
        ("details.asin:", ["X 1", "X 2", "X 3"]),
        ("Configuration Asin", ["B00BWDH2O6", "B00H5BMZPU"]),
        ("card brand", ["Visa", "MasterCard", "Amex"]),  # by what it holds
        ("paid", ["credit_card", "boleto", "voucher"]),
        ("payment_method", ["by post", "at the door"]),
        ("state", ["AZ", "NV", "ON"]),
        ("street_address", ["Main Street", "High Street"]),
        ("chart", ["2 in Gift Cards (", ">#1,204 in Toys & Games"]),
        ("filed", [["fav songs", "seen live"], ["to-read"], ["my favourites"]]),
        ("made_in", ["here"] * 39 + ["there"]),
        ("open", [1] * 39 + [0]),
    ],
)
def test_what_measures_and_registers_a_thing_is_no_taste(name: str, values: list[object]) -> None:
    items = catalogue(
        60,
        title=lambda at: f"Thing {at}",
        brand=lambda at: f"brand {at % 7}",
        **{name: lambda at: values[at % len(values)]},
    )
    assert set(named(items)) == {"brand"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rating", ["PG", "PG-13", "R"]),
        ("format", ["DVD", "Blu-ray", "35 mm print"]),
        ("memory", ["64 GB", "128 GB", "256 GB"]),
        ("studio", ["Warner Bros. Pictures Co. Ltd.", "Studio 54", "A24"]),
        ("length", ["short", "long"]),
        ("grade", ["12세 관람가", "전체 관람가"]),
        ("duration", list(range(60, 180))),
        ("state", ["new", "used", "refurbished"]),
        ("shoe_sizes", [["36", "37"], ["38"], ["39", "40"]]),
        ("shelf", [["to-read", "dragons"], ["fav songs", "ships"], ["dragons", "ships"]]),
    ],
)
def test_what_only_looks_like_a_measure_stays(name: str, values: list[object]) -> None:
    items = catalogue(
        120, title=lambda at: f"Thing {at}", **{name: lambda at: values[at % len(values)]}
    )
    assert len(named(items)) == 1


def test_a_role_that_a_mapping_tells_goes_before_what_a_column_holds() -> None:
    items = catalogue(
        40,
        categories=lambda at: [f"Kind {at % 4}"],
        brand=lambda at: f"brand {at % 7}",
        state=lambda at: ("AZ", "NV")[at % 2],
        votes=lambda at: at,
    )
    told = {
        "categories": ColumnMeaning(role="fact"),
        "state": ColumnMeaning(role="taste", label="Region"),
        "votes": ColumnMeaning(role="amount"),
        "brand": ColumnMeaning(label="maker"),
    }
    assert {rule.facet for rule in discover(items, told)} == {"region", "vote band", "maker"}


def test_a_sentence_among_names_is_dropped_alone() -> None:
    items = catalogue(
        40,
        categories=lambda at: [
            f"Kind {at % 4}",
            "No expiration, no fees.",
            "For any occasion, " * 6,
        ],
    )
    assert facets_of(items[1], discover(items)) == {"category": ["Kind 1"]}


def test_a_category_that_nearly_all_share_leaves_room_for_themes() -> None:
    items = catalogue(
        90,
        title=lambda at: f"Card {('Birthday', 'Christmas', 'Wedding', *'abcdef')[at % 9]} {at}",
        categories=lambda at: ["Cards"] if at % 20 else ["Cards", "Sets"],
    )
    found = {value for item in items for value in facets_of(item, discover(items)).get("theme", [])}
    assert found >= {"Birthday", "Christmas", "Wedding"}


def test_placeholders_are_no_values() -> None:
    named = ("(no genres listed)", "Drama", "N/A", "War", "NR", "Unrated")
    items = catalogue(20, categories=lambda at: [named[at % 6]])
    found = {
        value
        for item in items
        for values in facets_of(item, discover(items)).values()
        for value in values
    }
    assert found == {"Drama", "War"}


def test_korean_values_and_names() -> None:
    items = catalogue(
        30,
        title=lambda at: f"영화 {at}",
        categories=lambda at: [("드라마", "멜로/로맨스", "액션")[at % 3]],
        국가=lambda at: ("한국", "미국")[at % 2],
    )
    assert named(items) == {"category": "value", "국가": "value"}
    assert facets_of(items[1], discover(items)) == {"category": ["멜로/로맨스"], "국가": ["미국"]}


def test_a_catalogue_without_attributes_has_themes() -> None:
    colours = ["RED", "BLUE", "PINK", "GREEN", "IVORY", "BLACK"]
    things = ["LUNCH BAG", "HEART", "VINTAGE CLOCK", "TEA TOWEL", "CANDLE HOLDER"]
    items = [Item(item_id=f"{c}{t}", title=f"SET OF 6 {c} {t}") for c in colours for t in things]
    rules = discover(items)
    assert [rule.facet for rule in rules] == ["theme"]
    # Titles in capitals are not quoted in them.
    assert facets_of(items[0], rules)["theme"] == ["lunch bag", "red"]
    assert facets_of(items[1], rules)["theme"] == ["red", "heart"]


def test_a_pair_stands_for_its_words_and_chance_pairs_do_not_count() -> None:
    titles = (
        [f"{colour} LUNCH BAG" for colour in "abcdefgh"]
        + [f"{c} HEART" for c in "abcdefgh"]
        + list("ijklmnopqrst" * 2)
    )
    themes = find_themes([*titles, *(f"word{n}" for n in range(40))], 100)
    assert themes == {"lunch bag", "heart"}
    assert themes_in("My Lunch Bag, my heart", themes) == ["Lunch Bag", "heart"]


def test_no_items_no_facets() -> None:
    assert discover([]) == []
    assert discover([Item(item_id="bare")]) == []


@pytest.mark.parametrize(
    ("name", "facet"),
    [
        ("Genres", "genre"),
        ("countries", "country"),
        ("cast", "cast"),
        ("main_cat", "main cat"),
        ("mainActor", "main actor"),
        ("series", "series"),
        ("status", "status"),
        ("배우", "배우"),
    ],
)
def test_facet_names(name: str, facet: str) -> None:
    assert facet_name(name) == facet
