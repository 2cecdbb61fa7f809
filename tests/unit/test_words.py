"""Languages and template sentences: they are whole, they vary, and they pass the verification that
models must pass.
"""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.core.columns import Nouns
from limner.core.errors import UsageError
from limner.core.schema import Event, Fact, Item, Preference, Trait
from limner.verify import check_words, grounds_from
from limner.words import (
    load_language,
    plain_title,
    preference_text,
    reason_text,
    spoken,
    summary_text,
    supported_languages,
    thing,
)
from limner.words.language import with_nouns
from limner.words.templates import (
    Origin,
    join,
    particles,
    percent,
    percents,
    right_particles,
    stands_out,
)
from limner.words.text import tokens_of
from tests.unit.portraits import EVENTS, FACTS, TRAITS, fact

CODES = supported_languages()
VALUES = [
    "Comedy",
    "Horror",
    "Sci-Fi",
    "드라마",
    "Film-Noir",
    "1990s",
    "France",
    "Sony",
    "oak",
    "Gay & Lesbian",
    "Health",
    "Children's",
    "Movies & TV",
    "smartphone",
    "수상한 그녀",
    "Christian",
    "Politics",
]
FACETS = [
    "genre",
    "category",
    "theme",
    "era",
    "brand",
    "director",
    "author",
    "actor",
    "country",
    "material",
    "price band",
]
TITLES = [
    "Star Wars (1977)",
    "Full Monty, The (1997)",
    "괴물 (2006)",
    "WHITE HANGING HEART T-LIGHT HOLDER",
    "Léon",
    "8½ (1963)",
    "2001: A Space Odyssey (1968)",
]

facts = st.builds(
    Fact,
    number=st.integers(1, 40),
    facet=st.sampled_from(FACETS),
    value=st.sampled_from(VALUES),
    polarity=st.sampled_from(["like", "dislike"]),
    basis=st.just("revealed"),
    count=st.integers(1, 500),
    positive=st.integers(0, 20),
    negative=st.integers(0, 20),
    share=st.floats(0.01, 1),
    base_rate=st.floats(0.001, 1),
    affinity=st.floats(-3, 3),
    strength=st.floats(0, 1),
    confidence=st.floats(0, 1),
    trend=st.sampled_from(["rising", "steady", "fading", "unknown"]),
    first_seen=st.none(),
    last_seen=st.none(),
    evidence=st.just(["e1"]),
)
fact_lists = st.lists(facts, max_size=5, unique_by=lambda f: f.value)
traits = st.sampled_from(
    [
        [],
        TRAITS,
        [
            Trait(name="popularity_taste", label="niche", n=9),
            Trait(name="novelty_seeking", label="exploring", n=9),
        ],
        [
            Trait(name="rating_habit", label="critical", n=9),
            Trait(name="price_band", label="low", n=9),
        ],
        [Trait(name="breadth", label="narrow", n=9), Trait(name="loyalty", label="returning", n=9)],
        [
            Trait(name="rating_habit", label="unknown"),
            Trait(name="rhythm", label="often, weekend", n=9),
        ],
        [Trait(name="price_band", label="high", n=9), Trait(name="loyalty", label="trying", n=9)],
        [
            Trait(name="popularity_taste", label="mainstream", n=9),
            Trait(name="novelty_seeking", label="habitual", n=9),
        ],
    ]
)
items = st.builds(
    Item, item_id=st.text("abc123", min_size=1, max_size=4), title=st.sampled_from(TITLES)
)


def test_a_stated_taste_that_nobody_shows_does_not_stand_out() -> None:
    never = fact(1, "flying saucers", share=0.0, base=0.0, count=1).model_copy(
        update={"basis": "stated", "facet": "stated"}
    )
    assert not stands_out(never)
    assert "%" not in summary_text(
        [never, fact(2, "Comedy", share=0.3, base=0.3)], [], load_language("en")
    )
    assert stands_out(fact(3, "Comedy", share=0.1, base=0.0))


@given(facts, st.sampled_from(CODES))
@settings(max_examples=250, deadline=None)
def test_preference_sentences_pass_verification(one: Fact, code: str) -> None:
    language = load_language(code)
    text = preference_text(one, language)
    assert check_words(text, grounds_from(language, facts=[one]), language) == [], text


NAMED = spoken("en", Nouns(item="wine", items="wines"))


@given(fact_lists, traits)
@settings(max_examples=100, deadline=None)
def test_sentences_with_a_catalogues_own_nouns_pass_verification(
    some: list[Fact], habits: list[Trait]
) -> None:
    for text in [summary_text(some, habits, NAMED), *(preference_text(one, NAMED) for one in some)]:
        here = grounds_from(NAMED, facts=some, traits=habits)
        assert check_words(text, here, NAMED) == [], text
        assert not re.search(r"\bitems?\b", text)


def test_english_says_what_things_are_called() -> None:
    assert thing("era", "1990s", NAMED) == "wines from the 1990s"
    assert thing("price band", "low", NAMED) == "low-priced wines"
    assert thing("era", "1990s", load_language("en")) == "titles from the 1990s"
    nouns = Nouns(item="episode", items="episodes")
    assert spoken("zh", nouns) is load_language("zh")
    assert with_nouns("An item, an item, {items}", item="episode", items="episodes") == (
        "An episode, an episode, {items}"
    )
    assert with_nouns("An item", item="film", items="films") == "A film"
    assert with_nouns("as an item", item="film", items="films") == "as a film"


@given(fact_lists, traits, st.sampled_from(CODES))
@settings(max_examples=250, deadline=None)
def test_summaries_pass_verification(some: list[Fact], habits: list[Trait], code: str) -> None:
    language = load_language(code)
    text = summary_text(some, habits, language)
    assert check_words(text, grounds_from(language, facts=some, traits=habits), language) == [], (
        text
    )


VOUCHED = [
    "popular beliebt populaires populares 热门 인기 recently zuletzt récemment "
    "recientemente 最近 최근 "
    "populäres populaire popular mainstream many viele vielen 很多 nombreuses muchas"
]
"""What code vouches for where a reason speaks of what others chose."""


@given(
    items,
    items,
    fact_lists,
    st.floats(1, 10).map(lambda x: round(x * 2) / 2),
    st.sampled_from(CODES),
    st.booleans(),
    st.booleans(),
    st.sampled_from(
        ["", "next_item", "collaborative", "content", "similar", "popular", "recent", "nothing"]
    ),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from(["rating", "view", "purchase"]),
)
@settings(max_examples=400, deadline=None)
def test_reasons_pass_verification(
    item: Item,
    seen: Item,
    some: list[Fact],
    value: float,
    code: str,
    with_seen: bool,
    rated: bool,
    origin: Origin,
    cold: bool,
    turn: int,
    kind: str,
) -> None:
    language = load_language(code)
    when = datetime(2020, 5, 4, tzinfo=UTC)
    event = Event(
        event_id="e", user_id="u", item_id=seen.item_id, type=kind, value=value, timestamp=when
    )
    shown = EVENTS[0].model_copy(
        update={
            "event": event,
            "item": seen,
            "signal": 1.0,
            "line": f"[1] 2020-05-04 rated {value:g} of 10",
        }
    )
    text = reason_text(
        item,
        language=language,
        preferences=some,
        seen=(event, seen) if with_seen else None,
        high=10.0 if rated else None,
        origin=origin,
        cold=cold,
        turn=turn,
    )
    here = grounds_from(language, facts=some, events=[shown], items=[item], notes=VOUCHED)
    assert check_words(text, here, language) == [], text


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("kind", "rated"), [("purchase", False), ("view", False), ("rating", True)]
)
def test_each_way_to_an_item_has_its_own_words(code: str, kind: str, rated: bool) -> None:
    """What follows what, what the same people had and what is described alike are three things to
    say.
    """
    language, seen = load_language(code), Item(item_id="s", title="Léon")
    event = Event(event_id="e", user_id="u", item_id="s", type=kind, value=4)
    ways: list[Origin] = ["next_item", "collaborative", "content"]
    for turn in range(2):
        said = [
            reason_text(
                Item(item_id="a", title="X"),
                language=language,
                seen=(event, seen),
                origin=way,
                turn=turn,
                high=5.0 if rated else None,
            )
            for way in ways
        ]
        assert len(set(said)) == 3 and all(
            "Léon" in text and ("5" in text) == rated for text in said
        ), said


def test_a_look_is_no_choice() -> None:
    seen = Item(item_id="s", title="Léon")
    looked = Event(event_id="e", user_id="u", item_id="s", type="view")
    for code in CODES:
        language = load_language(code)
        for way in ("next_item", "collaborative", "content"):
            one = [
                reason_text(Item(item_id="a"), language=language, seen=(event, seen), origin=way)
                for event in (looked, looked.model_copy(update={"type": "purchase"}))
            ]
            assert one[0] != one[1]
    assert "looked at" in reason_text(
        Item(item_id="a"), language=load_language("en"), seen=(looked, seen)
    )


@pytest.mark.parametrize("code", CODES)
def test_words_for_other_people_stand_in_every_sentence_about_them(code: str) -> None:
    """What verification looks for in a model's reason is what the templates themselves say of
    others.
    """
    language = load_language(code)
    forms = language.templates.reason
    for form in (*forms.followed, *forms.together_rated, *forms.together_looked, *forms.similar):
        words = form if language.cjk else {token.folded for token in tokens_of(form)}
        assert any(word in words for word in language.crowd), form
    for form in (*forms.alike, *forms.alike_rated, *forms.shared_rated, *forms.alike_looked):
        words = form if language.cjk else {token.folded for token in tokens_of(form)}
        assert not any(word in words for word in language.crowd), form


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("origin", ["popular", "recent"])
def test_what_is_merely_popular_is_told_from_what_is_unknown(code: str, origin: Origin) -> None:
    """Of someone known nothing points to it; of someone new too little is known to say so."""
    language = load_language(code)
    known, cold = (
        {
            reason_text(Item(item_id="a"), language=language, origin=origin, cold=c, turn=t)
            for t in range(2)
        }
        for c in (False, True)
    )
    assert len(known) == len(cold) == 2 and not known & cold
    plain = {reason_text(Item(item_id="a"), language=language, turn=turn) for turn in range(2)}
    assert not plain & (known | cold)


@pytest.mark.parametrize("code", CODES)
def test_every_language_is_whole(code: str) -> None:
    language, english = load_language(code), load_language("en")
    assert set(language.templates.trend) == set(english.templates.trend)
    assert set(language.templates.prices) == set(english.templates.prices) == {"low", "mid", "high"}
    assert {"default", "named", "genre", "brand", "era", "sensitive"} <= set(
        language.templates.value
    )
    assert set(language.templates.value) == set(english.templates.value)
    assert set(language.facets) >= set(english.facets) - {
        "categories",
        "decade",
        "year",
        "price_band",
    }
    for form in (*language.templates.reason, *language.templates.summary):
        assert form[1], f"{form[0]} has no words"
    assert {name: set(labels) for name, labels in language.phrases.items()} == {
        name: set(labels) for name, labels in english.phrases.items()
    }
    for tag in (
        "like",
        "dislike",
        "negation",
        "reset",
        "rising",
        "fading",
        "majority",
        "recent",
        "always",
        "only",
    ):
        assert any(tag in tags for _, tags in language.lexicon.entries()), tag
    assert len(language.lexicon) >= (3000 if code == "en" else 900)


@pytest.mark.parametrize("code", CODES)
def test_a_short_portrait_reads_as_sentences(code: str) -> None:
    text = summary_text(FACTS, TRAITS, load_language(code))
    ends = sum(text.count(mark) for mark in ".。")
    assert 2 <= ends <= 6
    assert "{" not in text


@pytest.mark.parametrize("code", CODES)
def test_few_events_are_a_first_sign_and_not_a_taste(code: str) -> None:
    """One event of ten thousand is no fondness; nor is a share said where there are three items."""
    language = load_language(code)
    one, two = (
        fact(n, value, count=n, share=n / 3, base=0.1, negative=0, trend="unknown")
        for n, value in enumerate(["Comedy", "Drama"], 1)
    )
    summary = summary_text([one, two], [], language)
    assert "%" not in summary and language.value("Comedy").lower() in summary.lower()
    assert not any(
        summary.startswith(form.partition("{")[0]) for form in language.templates.summary.likes
    )
    for claim in (one, two):
        assert "%" not in preference_text(claim, language)
    assert "2" in preference_text(two, language)


def test_small_shares_are_not_rounded_to_nothing() -> None:
    english, german = load_language("en"), load_language("de")
    assert [percent(x, english) for x in (0.42, 0.0149, 0.0099, 0.004, 0.0004)] == [
        "42",
        "1",
        "1",
        "0.4",
        "0.04",
    ]
    assert percent(0.004, german) == "0,4"


def test_a_share_is_never_said_beside_an_average_that_reads_the_same() -> None:
    english, german = load_language("en"), load_language("de")
    assert percents(0.0223, 0.0179, english) == ("2.2", "1.8") and percents(
        0.0223, 0.0179, german
    ) == ("2,2", "1,8")
    assert percents(0.36, 0.26, english) == ("36", "26") and percents(0.054, 0.035, english) == (
        "5.4",
        "3.5",
    )
    near = fact(1, "Western", count=10, share=0.0223, base=0.0221)
    assert "%" not in preference_text(near, english)
    little = fact(1, "Western", count=10, share=0.0223, base=0.0179)
    assert "2.2%" in preference_text(little, english)
    assert "%" not in summary_text([little], [], english), (
        "a share near the average does not stand out"
    )


@pytest.mark.parametrize("code", CODES)
def test_looks_are_not_called_choices(code: str) -> None:
    language = load_language(code)
    for count, share in ((40, 0.4), (4, 0.6), (1, 0.5)):
        chosen = fact(1, "Comedy", count=count, share=share, base=0.1, negative=0, trend="unknown")
        looked = chosen.model_copy(update={"looked": True})
        said = [preference_text(one, language) for one in (chosen, looked)]
        assert said[0] != said[1] or (code == "de" and count == 40)
        assert check_words(said[1], grounds_from(language, facts=[looked]), language) == []
    two = [
        fact(n, v, count=40, share=0.4, base=0.1, trend="unknown")
        for n, v in enumerate(("Comedy", "Drama"), 1)
    ]
    text = summary_text([one.model_copy(update={"looked": True}) for one in two], [], language)
    assert check_words(text, grounds_from(language, facts=two), language) == [], text
    if code == "en":
        assert "choice" not in text and "looked at" in text


def test_a_middling_rating_is_not_called_a_negative_response() -> None:
    """Below the user's own mean may be 3 of 5."""
    said = preference_text(fact(1, "Horror", "dislike", count=9, negative=8), load_language("en"))
    assert "8" in said and "lukewarm" in said


def test_what_is_turned_down_has_no_interest_that_rises() -> None:
    one = fact(1, "Horror", "dislike", count=9, negative=9, trend="rising")
    assert "rising" not in preference_text(one, load_language("en"))


@pytest.mark.parametrize(
    ("facet", "value", "said"),
    [
        ("theme", "DOOR SIGN", "“door sign” items"),
        ("theme", "FRENCH", "“french” items"),
        ("theme", "DVD", "“DVD” items"),
        ("theme", "party", "items labelled “party”"),
        ("category", "meat grinder", "“meat grinder”"),
        ("category", "Comedy", "comedy"),
        ("brand", "SUBWAY", "the brand SUBWAY"),
        ("price band", "low", "low-priced items"),
        ("price band", "mid", "mid-priced items"),
        ("grade", "PG", "the grade “PG”"),
        ("cast", "성룡", "titles with 성룡"),
    ],
)
def test_values_as_a_sentence_speaks_of_them(facet: str, value: str, said: str) -> None:
    assert thing(facet, value, load_language("en")) == said


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "White hanging heart t-light holder"),
        ("huawei electronics.smartphone", "huawei smartphone"),
        ("bene appliances.kitchen.meat_grinder", "bene meat grinder"),
        ("Amazon.com Gift Card", "Amazon.com Gift Card"),
        ("amazon.com card", "amazon.com card"),
        ("Matrix, The (1999)", "The Matrix"),
        ("WALL·E (2008)", "WALL·E"),
        ("JFK (1991)", "JFK"),
        ("3 TRADITIONAL COOKIE CUTTERS SET", "3 traditional cookie cutters set"),
        ("괴물 (2006)", "괴물"),
    ],
)
def test_titles_as_prose_says_them(title: str, said: str) -> None:
    assert plain_title(title) == said


def test_ten_reasons_do_not_read_the_same() -> None:
    english = load_language("en")
    texts = [
        reason_text(Item(item_id=f"i{n}", title="X"), language=english, preferences=[FACTS[0]])
        for n in range(10)
    ]
    assert len(set(texts)) >= 3
    assert texts == [
        reason_text(Item(item_id=f"i{n}", title="X"), language=english, preferences=[FACTS[0]])
        for n in range(10)
    ]


def test_english_sentences_as_they_read() -> None:
    english = load_language("en")
    item = Item(item_id="a", title="Airplane! (1980)", categories=["Comedy"])
    assert summary_text(FACTS, TRAITS, english) == (
        "This user is fond of comedy, drama, and westerns. What stands out is comedy, at "
        "42% of their choices "
        "against 30% on average. The interest in drama is rising. They respond less well to horror."
    )
    rising = [
        FACTS[0].model_copy(update={"trend": "rising"}),
        *(f for f in FACTS if f.value == "Drama"),
    ]
    said = summary_text(rising, [], english)
    assert "against 30% on average. The interest is rising." in said
    assert summary_text(FACTS[:1], [], english).count("comedy") == 1, "one like is one sentence"
    assert summary_text([], [], english) == "We know too little about this user yet."
    seen = (EVENTS[0].event, Item(item_id="sw", title="Star Wars (1977)"))
    origins: tuple[Origin, ...] = ("next_item", "collaborative", "content")
    assert [
        reason_text(item, language=english, seen=seen, high=5, origin=origin, turn=turn)
        for turn, origin in enumerate(origins, 1)
    ] == [
        "People who chose “Star Wars”, which you gave 5 of 5, went on to this.",
        "You gave “Star Wars” 5 of 5; people who chose that chose this too.",
        "Close in theme to “Star Wars”, which you gave 5 of 5.",
    ]
    assert "little about you yet" in reason_text(
        item, language=english, origin="popular", cold=True
    )
    assert "4.5 of 5" in reason_text(
        item, language=english, seen=(seen[0].model_copy(update={"value": 4.5}), seen[1]), high=5
    )


def test_values_are_translated_where_known_and_kept_where_not() -> None:
    assert load_language("zh").value("Comedy") == "喜剧"
    assert load_language("en").value("코미디") == "Comedy"
    assert load_language("ko").value("Northwind") == "Northwind"
    assert thing("era", "1990s", load_language("ko")) == "1990년대 작품"
    assert thing("brand", "Sony", load_language("fr")) == "la marque Sony"


def test_lists_in_words() -> None:
    english = load_language("en")
    assert [join(list("abc")[:n], english) for n in (1, 2, 3)] == ["a", "a and b", "a, b, and c"]
    assert join(["a", "b"], load_language("de")) == "a und b"


@pytest.mark.parametrize(
    ("given_text", "said"),
    [
        ("코미디{을/를}", "코미디를"),
        ("액션{을/를}", "액션을"),
        ("“괴물”{은/는}", "“괴물”은"),
        ("서울{으로/로}", "서울로"),
        ("부산{으로/로}", "부산으로"),
        ("드라마{과/와} 공포", "드라마와 공포"),
        ("SF{이/가}", "SF가"),
    ],
)
def test_korean_particles_follow_the_sound_before_them(given_text: str, said: str) -> None:
    assert particles(given_text) == said


def test_a_models_particles_after_quoted_names_are_set_right() -> None:
    assert right_particles("“지옥의 묵시록”를 좋아하시고 “괴물”과 “드라마”은 그대로.") == (
        "“지옥의 묵시록”을 좋아하시고 “괴물”과 “드라마”는 그대로."
    )


def test_a_preference_without_numbers_has_a_plain_sentence() -> None:
    english = load_language("en")
    bare = Preference(
        facet="mood", value="witty", polarity="like", strength=0.5, confidence=0.4, evidence=["e1"]
    )
    assert "%" not in preference_text(bare, english)
    assert "Comedy" in preference_text(fact(1, "Comedy", facet="brand"), english)


def test_a_language_without_words_is_refused_with_the_choice() -> None:
    assert load_language("zh-Hans-CN").code == "zh"
    with pytest.raises(
        UsageError, match="cannot be verified; choose one of en, zh, ko, de, fr, es"
    ):
        load_language("ja")
