"""Facts: by hand on tiny data, and what must hold whatever the data."""

import math
import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.errors import StoreError
from limner.core.schema import Event, Fact, Item
from limner.facts import load_population, mine_facts, unread_statements
from tests.unit.mining import SCALES, START, TABLE, Row, World, event, fact, values, world

FILMS = [
    Item(item_id=f"{kind[0].lower()}{n}", title=f"{kind} {n}", categories=[kind])
    for kind in ("War", "Comedy", "Drama")
    for n in range(1, 13)
]


def bought(user: str, *items: str, days: float | None = None) -> list[Row]:
    return [
        (user, item, "purchase", 1, None if days is None else days + at)
        for at, item in enumerate(items)
    ]


def rated(user: str, stars: dict[str, float]) -> list[Row]:
    return [(user, item, "rating", value, 0.0) for item, value in stars.items()]


CROWD = [*bought("b", *(f"c{n}" for n in range(1, 7))), *bought("c", "c1", "c2", "d1")]


# ---------------------------------------------------------------- by hand


def test_a_like_by_hand() -> None:
    w = world([*bought("a", "w1", "w2", "w3"), *CROWD], FILMS)
    war = fact(w.facts("a"), "War")
    assert (war.facet, war.polarity, war.basis) == ("category", "like", "revealed")
    assert (war.count, war.positive, war.negative) == (3, 3, 0)
    # 12 user-item pairs, 3 of War; a has 3 items, so 0.75 would be expected of War.
    assert (war.share, war.base_rate) == (1.0, 0.25)
    assert war.affinity == pytest.approx(math.log2((3 + 4) / (0.75 + 4)), abs=1e-4)
    # P(lambda > 1) for Gamma(7, 4.75) is P(N <= 6) for a Poisson count of mean 4.75.
    above = sum(math.exp(-4.75) * 4.75**n / math.factorial(n) for n in range(7))
    assert war.confidence == pytest.approx(2 * above - 1, abs=1e-4)
    assert war.strength == pytest.approx((1 - 4.75 / 7) / 2 + 0.8 / 2, abs=1e-4)
    assert sorted(war.evidence) == ["e1", "e2", "e3"]
    assert war.trend == "unknown"
    assert war.first_seen is None


def test_facts_of_looks_alone_say_so() -> None:
    looks = [("a", f"w{n}", "view", None, None) for n in range(1, 4)]
    assert fact(world([*looks, *CROWD], FILMS).facts("a"), "War").looked
    assert not fact(world([*looks, *bought("a", "w4"), *CROWD], FILMS).facts("a"), "War").looked


def test_a_dislike_by_hand() -> None:
    stars = {f"c{n}": 5.0 for n in range(1, 7)} | {f"d{n}": 1.0 for n in range(1, 4)}
    w = world([*rated("a", stars), *CROWD], FILMS)
    drama = fact(w.facts("a"), "Drama")
    assert (drama.polarity, drama.count, drama.positive, drama.negative) == ("dislike", 3, 0, 3)
    # Places 1 and -1, mean 1/3: signals 1 - 1/6 and max(-1, -1 - 1/6) = -1; their mean is (6 x 5/6
    # - 3) / 9 = 2/9.
    assert drama.affinity == pytest.approx((-1 - 2 / 9) * 3 / (3 + 1.5), abs=1e-4)
    spread = math.sqrt((6 * (5 / 6 - 2 / 9) ** 2 + 3 * (1 + 2 / 9) ** 2 + 4 * 0.4**2) / (9 + 4))
    z = (1 + 2 / 9) / (spread / math.sqrt(3))
    assert drama.confidence == pytest.approx(math.erf(z / math.sqrt(2)) * 3 / 4.5, abs=1e-4)
    assert drama.strength == pytest.approx(min(1.0, -drama.affinity / 2 + 0.5), abs=1e-4)
    assert sorted(drama.evidence) == ["e7", "e8", "e9"]


def test_watching_much_of_what_one_rates_low_is_no_like() -> None:
    stars = {f"c{n}": 5.0 for n in range(1, 4)} | {f"w{n}": 1.0 for n in range(1, 10)}
    w = world([*rated("a", stars), *CROWD], FILMS)
    assert fact(w.facts("a"), "War").polarity == "dislike"


def test_a_few_harsh_words_among_kind_ones_are_no_dislike() -> None:
    stars = {f"c{n}": 5.0 for n in range(1, 9)} | {"d1": 4.0, "d2": 4.0, "d3": 4.0, "d4": 1.0}
    w = world([*rated("a", stars), *CROWD], FILMS)
    assert all(one.polarity == "like" for one in w.facts("a").facts)


def test_a_return_takes_the_purchase_back() -> None:
    rows = [
        *bought("a", "w1", "w2", "w3", "w4"),
        *((("a", f"w{n}", "purchase", -1, None)) for n in range(1, 5)),
        *CROWD,
    ]
    assert "War" not in values(world(rows, FILMS).facts("a"))


def test_ten_views_of_one_item_are_one_item() -> None:
    often = world([*(("a", "w1", "view", None, None) for _ in range(10)), *CROWD], FILMS).facts("a")
    once = world([("a", "w1", "view", None, None), *CROWD], FILMS).facts("a")
    assert fact(often, "War").confidence == fact(once, "War").confidence
    assert fact(often, "War").count == 10
    assert len(fact(often, "War").evidence) == 10


def test_one_event_proves_little_and_is_said_only_where_nothing_else_is() -> None:
    alone = world([*bought("a", "w1"), *CROWD], FILMS).facts("a")
    assert values(alone) == ["War"]
    assert alone.facts[0].confidence < 0.3
    among = world([*bought("a", "w1", *(f"d{n}" for n in range(1, 9))), *CROWD], FILMS).facts("a")
    assert values(among) == ["Drama"]


def test_what_everyone_has_is_no_taste() -> None:
    rows = [row for user in "abc" for row in bought(user, "c1", "c2", "c3", "d1", "d2", "d3")]
    assert world(rows, FILMS).facts("a").facts == []


def test_names_that_share_their_items_are_one_fact() -> None:
    trilogy = [
        Item(item_id=f"r{n}", title=f"Ring {n}", attributes={"cast": ["Wood", "Astin", "Bloom"]})
        for n in range(3)
    ]
    others = [
        Item(item_id=f"o{n}", title=f"Other {n}", attributes={"cast": [f"X{n % 4}"]})
        for n in range(20)
    ]
    rows = [*bought("a", "r0", "r1", "r2"), *bought("b", *(f"o{n}" for n in range(20)))]
    cast = [one for one in world(rows, [*trilogy, *others]).facts("a").facts if one.facet == "cast"]
    assert len(cast) == 1


# ---------------------------------------------------------------- trend and recency


def over_time(early: str, late: str, gap: float = 100) -> World:
    rows = bought("a", *(f"{early}{n}" for n in range(1, 8)), days=0)
    rows += bought(
        "a", *(f"{late}{n}" for n in range(8, 13)), *(f"w{n}" for n in range(1, 3)), days=gap
    )
    return world(
        [
            *rows,
            *CROWD,
            *bought("z", *(f"d{n}" for n in range(1, 13)), *(f"w{n}" for n in range(1, 13))),
        ],
        FILMS,
    )


def test_a_taste_that_comes_rises_and_one_that_goes_fades() -> None:
    found = over_time("d", "c").facts("a")
    assert fact(found, "Comedy").trend == "rising"
    faded = over_time("c", "d").facts("a")
    assert fact(faded, "Comedy").trend == "fading"
    assert fact(faded, "Comedy").last_seen == START + timedelta(days=6)
    assert fact(faded, "Comedy").first_seen == START


def test_a_taste_that_stays_is_steady() -> None:
    assert fact(over_time("c", "c").facts("a"), "Comedy").trend in ("steady", "fading")
    rows = bought("a", *(f"c{n}" for n in range(1, 13)), days=0)
    w = world([*rows, *bought("z", *(f"d{n}" for n in range(1, 13)))], FILMS)
    assert fact(w.facts("a"), "Comedy").trend == "steady"


def test_one_burst_and_no_times_have_no_trend() -> None:
    rows = [
        (user, item, type_, value, 0.001 * at)
        for at, (user, item, type_, value, _) in enumerate(
            bought("a", *(f"d{n}" for n in range(1, 8)), *(f"c{n}" for n in range(1, 8)))
        )
    ]
    assert {one.trend for one in world([*rows, *CROWD], FILMS).facts("a").facts} == {"unknown"}
    timeless = [(user, item, type_, value, None) for user, item, type_, value, _ in rows]
    found = world([*timeless, *CROWD], FILMS).facts("a")
    assert {one.trend for one in found.facts} == {"unknown"}
    assert {one.last_seen for one in found.facts} == {None}


def test_evidence_is_extreme_first_then_recent_and_bounded() -> None:
    stars = (
        {f"c{n}": 4.0 for n in range(1, 11)}
        | {"c11": 5.0, "c12": 5.0}
        | {f"d{n}": 2.0 for n in range(1, 6)}
    )
    rows: list[Row] = [
        ("a", item, "rating", value, float(at)) for at, (item, value) in enumerate(stars.items())
    ]
    comedy = fact(
        world(
            [
                *rows,
                *bought("z", *(f"d{n}" for n in range(1, 13)), *(f"w{n}" for n in range(1, 13))),
            ],
            FILMS,
        ).facts("a"),
        "Comedy",
    )
    assert comedy.evidence == ["e12", "e11", *(f"e{n}" for n in range(10, 0, -1))]


# ---------------------------------------------------------------- what is said in words


def test_a_stated_preference_is_a_fact_of_its_own() -> None:
    w = world([*bought("a", "w1", "w2", "w3"), *CROWD], FILMS)
    said = event(
        "s",
        type_="preference",
        context={"facet": "category", "value": "War", "polarity": "dislike"},
        days=1,
    )
    found = w.facts("a", said)
    assert [(one.value, one.polarity, one.basis) for one in found.facts] == [
        ("War", "dislike", "stated")
    ]
    assert found.facts[0].evidence == ["s"]
    assert found.facts[0].confidence == 0.9


@pytest.mark.parametrize(
    "text",
    [
        "please no WAR films",
        "I don't like war but I love comedy",
        "I used to love war films",
        "not only war",
        "my wife hates war films",
        "rather Comedy than War",
        "不喜欢 War，喜欢 Comedy",
        "never anything with spiders",
    ],
)
def test_words_that_do_not_tell_a_polarity_state_none(text: str) -> None:
    said = event("s", user="b", type_="preference", text=text)
    found = world(CROWD + bought("a", "w1", "w2"), FILMS).facts("b", said)
    assert not [fact for fact in found.facts if fact.basis == "stated"]
    assert unread_statements([said]) == [text]
    like = said.model_copy(update={"text": "I hate war", "context": {"polarity": "like"}})
    assert unread_statements([like]) == ["I hate war"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I love war films", ("category", "War", "like")),
        ("I hate WAR films", ("category", "War", "dislike")),
        ("strawberry jam", ("stated", "strawberry jam", "like")),
        ("award winners", ("stated", "award winners", "like")),
    ],
)
def test_a_preference_in_words(text: str, expected: tuple[str, str, str]) -> None:
    found = world(CROWD + bought("a", "w1", "w2"), FILMS).facts(
        "b", event("s", user="b", type_="preference", text=text)
    )
    assert (found.facts[0].facet, found.facts[0].value, found.facts[0].polarity) == expected


def test_the_newest_statement_wins() -> None:
    said = [
        event(
            "s1",
            type_="preference",
            context={"facet": "category", "value": "War", "polarity": "dislike"},
            days=1,
            seq=91,
        ),
        event(
            "s2",
            type_="preference",
            context={"facet": "category", "value": "war", "polarity": "like"},
            days=2,
            seq=92,
        ),
    ]
    found = world([*bought("a", "d1"), *CROWD], FILMS).facts("a", *said)
    assert [(one.polarity, one.evidence) for one in found.facts if one.basis == "stated"] == [
        ("like", ["s2"])
    ]


def test_a_search_infers_only_what_the_catalogue_knows() -> None:
    w = world([*bought("a", "d1"), *CROWD, *bought("z", "w1", "w2")], FILMS)
    found = w.facts(
        "a",
        event("q1", type_="search", text="best war movies"),
        event("q2", type_="search", text="weather"),
    )
    inferred = [one for one in found.facts if one.basis == "inferred"]
    assert [(one.value, one.polarity, one.evidence, one.confidence) for one in inferred] == [
        ("War", "like", ["q1"], 0.2)
    ]


def test_a_korean_search_needs_no_spaces() -> None:
    items = [
        Item(item_id=f"m{n}", title=f"영화 {n}", categories=[("드라마", "공포")[n % 2]])
        for n in range(8)
    ]
    w = world([*bought("b", *(f"m{n}" for n in range(8)))], items)
    found = w.facts("a", event("q", type_="search", text="무서운공포영화"))
    assert values(found) == ["공포"]


# ---------------------------------------------------------------- other catalogues


def test_a_korean_catalogue() -> None:
    items = [
        Item(
            item_id=f"m{n}",
            title=f"영화 {n}",
            categories=[("드라마", "멜로/로맨스")[n % 2]],
            attributes={"국가": "한국"},
        )
        for n in range(20)
    ]
    w = world(
        [*bought("a", "m1", "m3", "m5", "m7"), *bought("b", *(f"m{n}" for n in range(0, 20, 2)))],
        items,
    )
    assert values(w.facts("a")) == ["멜로/로맨스"]


def test_a_word_that_titles_share_is_a_theme_only_where_people_follow_it() -> None:
    """Hearts are bought with hearts; what is large is bought as anything else is."""
    nouns = ("HEART", "CLOCK", "LANTERN", "TEAPOT", "RIBBON", "BASKET")
    items = [
        Item(
            item_id=f"{noun}{n}", title=f"{'LARGE ' if n < 2 else ''}{noun} N{chr(65 + n)}{noun[0]}"
        )
        for noun in nouns
        for n in range(10)
    ]
    rows = [
        row
        for u in range(60)
        for row in bought(f"u{u}", *(f"{nouns[u % 6]}{n}" for n in range(10)))
    ]
    w = world(rows, items)
    themes = {
        value
        for facet, value in zip(w.population.facets, w.population.values, strict=True)
        if facet == "theme"
    }
    assert themes == {noun.lower() for noun in nouns}
    new = Item(item_id="new", title="LARGE HEART")
    assert w.population.facets_of(new) == {"theme": ["heart"]}


def test_what_was_met_without_liking_it_is_no_sign_of_taste() -> None:
    middling = {"w1": 3.0}
    assert w_facts(rated("a", middling)) == []
    assert [one.value for one in w_facts(rated("a", {"w1": 5.0}))] == ["War"]


def w_facts(rows: list[Row]) -> list[Fact]:
    return world([*rows, *CROWD], FILMS).facts("a").facts


def test_how_little_is_known_is_said_in_words() -> None:
    loyalty = {
        one.name: one.detail
        for one in world([*bought("a", "w1", "w2"), *CROWD], FILMS).facts("a").traits
    }
    assert (
        loyalty["loyalty"] == "only 2 purchases or plays"
        and loyalty["rating_habit"] == "no ratings"
    )


def test_a_catalogue_without_attributes_has_themes() -> None:
    items = [
        Item(item_id=f"{t}{n}", title=f"{c} {t}")
        for t in ("LUNCH BAG", "HEART", "CLOCK", "MUG", "LAMP", "FORK")
        for n, c in enumerate(("RED", "BLUE", "PINK", "GREEN", "WHITE", "BLACK"))
    ]
    w = world(
        [
            *bought("a", *(f"LUNCH BAG{n}" for n in range(5))),
            *bought("b", *(i.item_id for i in items)),
        ],
        items,
    )
    assert values(w.facts("a"))[0] == "lunch bag"


def test_items_that_nobody_described_and_users_without_events() -> None:
    w = world([("a", "unheard of", "view", None, None)], [])
    assert w.facts("a").facts == []
    assert {one.label for one in w.facts("a").traits} == {"unknown"}
    nobody = mine_facts([], w.population, TABLE, SCALES)
    assert (nobody.user_id, nobody.facts) == ("", [])


# ---------------------------------------------------------------- habits


def habits(w: World, user: str) -> dict[str, tuple[str, str]]:
    return {one.name: (one.label, one.detail) for one in w.facts(user).traits}


def test_rating_habit() -> None:
    rows = [
        row for user in "bcdefg" for row in rated(user, {f"c{n}": 3.0 + n % 2 for n in range(1, 9)})
    ]
    rows += rated("high", {f"d{n}": 5.0 for n in range(1, 9)}) + rated(
        "low", {f"d{n}": 1.0 for n in range(1, 9)}
    )
    rows += rated("few", {"d1": 1.0})
    w = world(rows, FILMS)
    assert habits(w, "high")["rating_habit"][0] == "generous"
    assert (
        "mean rating 5.0 of 5 over 8 ratings, everyone 3.3; always the same"
        in habits(w, "high")["rating_habit"][1]
    )
    assert habits(w, "low")["rating_habit"][0] == "critical"
    assert habits(w, "b")["rating_habit"][0] == "balanced"
    assert habits(w, "few")["rating_habit"] == ("unknown", "only 1 rating")


def test_breadth_novelty_and_popularity_are_read_against_the_population() -> None:
    random_ = random.Random(1)
    items = [Item(item_id=f"i{n}", title=f"I {n}", categories=[f"K{n % 8}"]) for n in range(160)]
    rows: list[Row] = []
    for user in range(60):
        for at, n in enumerate(random_.sample(range(120), 12)):
            rows.append((f"u{user}", f"i{n}", "view", None, float(at)))
    rows += [("one kind", f"i{n * 8}", "view", None, float(n)) for n in range(12)]
    rows += [("off the path", f"i{n}", "view", None, float(n)) for n in range(140, 152)]
    w = world(rows, items)
    assert habits(w, "one kind")["breadth"][0] == "narrow"
    assert habits(w, "one kind")["novelty_seeking"][0] == "habitual"
    assert "1 of 8 category values over 12 items" in habits(w, "one kind")["breadth"][1]
    assert habits(w, "off the path")["popularity_taste"][0] == "niche"


def test_price_band_rhythm_and_loyalty() -> None:
    items = [Item(item_id=f"p{n}", title=f"P {n}", price=float(n)) for n in range(1, 31)]
    dear = [("a", f"p{25 + n % 5}", "purchase", 1.0, 7.0 * n) for n in range(20)]
    w = world([*dear, *bought("b", *(f"p{n}" for n in range(1, 31)))], items)
    found = habits(w, "a")
    assert found["price_band"][0] == "high"
    assert found["rhythm"] == (
        "now and then, Mondays",
        "20 events on 20 days in 20 sessions, 2020-01-06 to 2020-05-18; 100% of sessions "
        "on Mondays; "
        "100% of sessions in the afternoon, UTC",
    )
    assert found["loyalty"] == (
        "returning",
        "15 of 20 purchases or plays were of an item had before",
    )
    assert habits(w, "b")["loyalty"][0] == "trying"
    assert habits(w, "b")["rhythm"] == ("unknown", "no dated events")


# ---------------------------------------------------------------- the population


def test_a_saved_population_says_the_same(tmp_path: Path) -> None:
    w = over_time("d", "c")
    w.population.save(tmp_path)
    loaded = load_population(tmp_path)
    assert loaded is not None
    assert loaded.version == w.population.version
    assert mine_facts(w.of("a"), loaded, TABLE, SCALES) == w.facts("a")
    assert loaded.values_of("c1") == {"category": ["Comedy"]}
    assert loaded.facets_of(Item(item_id="new", categories=["War"])) == {"category": ["War"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["population.json", "population.npz"]


def test_the_version_is_the_content() -> None:
    assert over_time("d", "c").population.version == over_time("d", "c").population.version
    assert over_time("d", "c").population.version != over_time("c", "d").population.version


def test_no_population_and_a_broken_one(tmp_path: Path) -> None:
    assert load_population(tmp_path) is None
    (tmp_path / "population.json").write_text("{")
    with pytest.raises(StoreError, match="delete the folder"):
        load_population(tmp_path)


# ---------------------------------------------------------------- whatever the data


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([film.item_id for film in FILMS]),
        st.sampled_from(["rating", "view", "purchase", "return", "skip"]),
        st.one_of(st.none(), st.floats(-3, 5)),
        st.floats(0, 400).map(lambda days: round(days, 3)),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_bounds_and_the_order_of_rows(rows: list[Row], order: random.Random) -> None:
    w = world(rows, FILMS)
    for user in {row[0] for row in rows}:
        found = w.facts(user)
        own = w.of(user)
        for one in found.facts:
            assert 0 <= one.strength <= 1
            assert 0 <= one.confidence <= 1
            assert 0 <= one.share <= 1
            assert 0 <= one.base_rate <= 1
            assert one.count >= one.positive + one.negative >= len(one.evidence) > 0
            assert set(one.evidence) <= {event_.event_id for event_ in own}
            assert (one.affinity > 0) == (one.polarity == "like")
            assert one.first_seen is not None
            assert one.last_seen is not None
            assert one.first_seen <= one.last_seen
            if one.count == 1:
                assert one.confidence < 0.5
        assert [one.number for one in found.facts] == list(range(1, len(found.facts) + 1))
        assert len({(one.facet, one.value) for one in found.facts}) == len(found.facts)
        shuffled: list[Event] = order.sample(own, len(own))
        assert mine_facts(shuffled, w.population, TABLE, SCALES) == found
        assert len(mine_facts(own, w.population, TABLE, SCALES, limit=1).facts) <= 1
