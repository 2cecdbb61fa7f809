"""Measures of portraits, reasons and chat against values worked out by hand; each must be able to
fail.
"""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from limner.core.errors import BudgetSpentError
from limner.core.schema import Event, Fact, Item, LedgerRow, Preference, Profile, Scale
from limner.evals.money import spent
from limner.evals.studies.cost import cost_of
from limner.evals.studies.judge import Judge
from limner.evals.studies.lab import _grouped, nameless
from limner.evals.studies.portraits import coverage, groundedness, jaccard, key_of, summary_grounded
from limner.evals.studies.questions import StudyQuestion, outcome
from limner.evals.studies.raw import Numbers, carries, judge, says, speaks_for
from limner.evals.studies.reasons import (
    ReasonCase,
    feature_coverage,
    feature_diversity,
    place,
    statements,
    unique_ratio,
)
from limner.evals.studies.records import Case, GivenReason
from limner.evals.studies.summary import by_bucket, by_group, comparisons, figure, figures
from limner.evals.studies.utility import WEIGHTS, chosen, ndcg, ranks_of, shift
from limner.evals.studies.words import (
    CatalogueValue,
    ValueNames,
    is_title,
    named_in,
    numbers,
    quoted,
    shape,
)
from limner.llm import OpenAIChat
from limner.testing import FakeChat, ScriptedAnswer, ScriptedServer

TYPES = {"rating": 0.0, "purchase": 0.8, "return": -0.8, "preference": 1.0, "search": 0.0}
STARS = Scale(source="s", low=1, high=5)
ITEMS = {
    "heat": Item(item_id="heat", title="Heat (1995)", categories=["Crime", "Drama"], price=5.0),
    "alien": Item(
        item_id="alien", title="Alien (1979)", categories=["Horror", "Sci-Fi"], price=9.0
    ),
    "tea": Item(
        item_id="tea", title="RED TEA LIGHTS", attributes={"genres": "Home|Kitchen"}, price=1.0
    ),
}


def event(
    number: int, item: str | None, value: float | None = None, kind: str = "rating", text: str = ""
) -> Event:
    return Event(
        event_id=f"e{number}",
        user_id="u",
        item_id=item,
        type=kind,
        value=value,
        source="s",
        text=text,
    )


EVENTS = [
    event(1, "heat", 5),
    event(2, "alien", 1),
    event(3, "tea", kind="purchase"),
    event(4, None, kind="preference", text="no horror please"),
]
OWN = {one.event_id: one for one in EVENTS}


def claim(
    value: str,
    evidence: list[str],
    polarity: str = "like",
    facet: str = "genre",
    basis: str = "revealed",
) -> Preference:
    return Preference.model_validate(
        {
            "facet": facet,
            "value": value,
            "polarity": polarity,
            "basis": basis,
            "strength": 0.5,
            "confidence": 0.5,
            "evidence": evidence,
        }
    )


def fact(
    value: str,
    strength: float,
    polarity: str = "like",
    basis: str = "revealed",
    facet: str = "genre",
) -> Fact:
    return Fact.model_validate(
        {
            "number": 1,
            "facet": facet,
            "value": value,
            "polarity": polarity,
            "basis": basis,
            "count": 1,
            "positive": 1,
            "negative": 0,
            "share": 0.1,
            "base_rate": 0.1,
            "affinity": 1,
            "strength": strength,
            "confidence": 1,
            "trend": "unknown",
            "first_seen": None,
            "last_seen": None,
            "evidence": [],
        }
    )


# ---------------------------------------------------------------- the reader


@pytest.mark.parametrize(
    ("item", "facet", "value", "held"),
    [
        ("heat", "category", "crime", True),
        ("heat", "category", "Horror", False),
        ("heat", "era", "1990s", True),
        ("alien", "era", "1990s", False),
        ("tea", "genre", "Kitchen", True),
        ("tea", "theme", "tea light", True),
        ("tea", "theme", "tea cup", False),
        ("tea", "theme", "ten", False),
        ("tea", "price band", "low", True),
        ("alien", "price band", "low", False),
        ("alien", "price band", "high", True),
    ],
)
def test_an_item_carries_what_its_fields_hold(
    item: str, facet: str, value: str, held: bool
) -> None:
    # Thirds of 1, 5 and 9 lie at 3.67 and 6.33.
    assert carries(ITEMS[item], facet, value, Numbers.of(ITEMS, list(ITEMS))) is held


def test_a_value_stands_in_the_field_of_its_facet() -> None:
    item = Item(item_id="x", title="", attributes={"brand": "Apple", "colour": "Green"})
    assert carries(item, "brand", "apple")
    assert not carries(item, "brand", "green")
    assert carries(item, "mood", "green")  # no such field: anywhere


def test_paths_are_read_level_by_level() -> None:
    item = Item(item_id="x", categories=["electronics.audio.headphone"])
    assert carries(item, "category", "electronics.audio") and carries(item, "category", "audio")
    assert not carries(item, "category", "electronics.video")


def test_an_underscore_is_a_space() -> None:
    item = Item(item_id="x", categories=["appliances.environment.air_heater"])
    assert carries(item, "category", "air heater") and not carries(item, "category", "water heater")


def test_words_stand_side_by_side() -> None:
    assert says("White tea lights", "tea light") and not says("tea for lights", "tea light")


@pytest.mark.parametrize(
    ("kind", "value", "own", "like", "dislike"),
    [
        ("rating", 5, 4.5, True, False),
        ("rating", 1, 1.5, False, True),
        (
            "rating",
            4,
            4.5,
            True,
            True,
        ),  # above the middle, below the own mean: can be read either way
        ("rating", 3, math.nan, False, False),
        ("purchase", None, math.nan, True, False),
        ("purchase", -2, math.nan, False, True),
        ("search", None, math.nan, False, False),
    ],
)
def test_what_an_event_speaks_for(
    kind: str, value: float | None, own: float, like: bool, dislike: bool
) -> None:
    one = event(1, "heat", value, kind)
    assert speaks_for(one, "like", TYPES, STARS, own) is like
    assert speaks_for(one, "dislike", TYPES, STARS, own) is dislike


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("one", "cited", "facet", "polarity", "basis"),
    [
        (claim("Crime", ["e1"]), True, True, True, True),
        (claim("Horror", ["e1"]), True, False, True, True),
        (claim("Crime", ["e1"], "dislike"), True, True, False, True),
        (claim("Crime", ["e1", "e2"]), True, False, False, True),
        (claim("Crime", ["e1", "gone"]), False, False, False, False),
        (claim("Crime", []), False, False, False, False),
        (claim("horror", ["e4"], "dislike", basis="stated"), True, True, True, True),
        (claim("Crime", ["e1"], basis="stated"), True, True, True, False),
        (claim("horror", ["e4"], "dislike"), True, True, False, False),
    ],
)
def test_a_claim_is_judged_by_its_events(
    one: Preference, cited: bool, facet: bool, polarity: bool, basis: bool
) -> None:
    found = judge(one, OWN, ITEMS, TYPES, {"s": STARS}, Numbers())
    assert (found.cited, found.facet, found.polarity, found.basis) == (
        cited,
        facet,
        polarity,
        basis,
    )
    assert found.grounded is (cited and facet and polarity and basis)


def portrait(*claims: Preference, summary: str = "") -> Profile:
    return Profile(
        user_id="u",
        as_of=datetime(2020, 1, 1, tzinfo=UTC),
        summary=summary,
        preferences=list(claims),
    )


def test_groundedness_is_a_share_of_the_claims_and_undefined_without_any() -> None:
    good, bad = claim("Crime", ["e1"]), claim("Drama", ["e2"])
    found = groundedness(portrait(good, bad), EVENTS, ITEMS, TYPES, {"s": STARS}, Numbers())
    assert (
        found["grounded"] == 0.5 and found["grounded.cited"] == 1 and found["grounded.facet"] == 0.5
    )
    # e2 was given 1 of 5, where the user's mean is 3: no sign of liking.
    assert found["grounded.polarity"] == 0.5
    none = groundedness(portrait(), EVENTS, ITEMS, TYPES, {"s": STARS}, Numbers())
    assert all(math.isnan(one) for one in none.values())


def test_a_summary_is_held_against_the_users_items() -> None:
    names = ValueNames([("genre", "Crime"), ("genre", "Horror"), ("genre", "Western")])
    items = [ITEMS["heat"], ITEMS["alien"]]
    assert summary_grounded("Fond of crime and horror.", names, items, Numbers()) == 1
    assert summary_grounded("Fond of crime and westerns.", names, items, Numbers()) == 0.5
    assert math.isnan(summary_grounded("Hard to say.", names, items, Numbers()))


def test_of_values_alike_one_is_enough() -> None:
    names = ValueNames([("theme", "paint"), ("theme", "painted"), ("theme", "rose")])
    item = Item(item_id="x", title="PAINTED ROSE")
    assert summary_grounded("Drawn to “painted” and “rose”.", names, [item], Numbers()) == 1


def test_coverage_counts_the_strongest_facts() -> None:
    facts = [
        fact("Crime", 0.9),
        fact("Horror", 0.8, "dislike"),
        fact("Drama", 0.2),
        fact("Home", 0.1, basis="stated"),
    ]
    named = [claim("crime", []), claim("Horror", [], "like"), claim("Home", [])]
    # Of Home (stated), Crime and Horror: the last is named with the wrong polarity.
    assert coverage(facts, named, 3) == pytest.approx(2 / 3)
    assert coverage(facts, named, 4) == 0.5
    assert math.isnan(coverage([], named, 3))
    assert (
        coverage(
            [fact("Crime", 0.9), fact("Crime", 0.8, facet="category")], [claim("Crime", [])], 5
        )
        == 1
    )


def test_jaccard_of_preferences() -> None:
    a = {key_of(claim("Crime", [])), key_of(claim("Drama", []))}
    b = {key_of(claim("crime", ["e1"])), key_of(claim("Drama", [], "dislike"))}
    assert jaccard(a, b) == pytest.approx(1 / 3)
    assert jaccard(a, a) == 1 and math.isnan(jaccard([], []))


# ---------------------------------------------------------------- ranking


def test_ranks_shifts_and_ndcg_by_hand() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.7])
    assert ranks_of(scores, np.array([1])).tolist() == [3, 4, 2, 1]
    # Ranks 1 and 3 of two relevant: (1 + 1/2) / (1 + 1/log2 3).
    assert ndcg(np.array([1, 3]), 2) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert ndcg(np.array([11]), 1) == 0 and math.isnan(ndcg(np.array([], dtype=np.int64), 0))
    before, after = np.array([3, 4, 2, 1]), np.array([1, 2, 4, 3])
    assert shift(before, after, np.array([0, 1]), 4) == pytest.approx(0.5)
    assert math.isnan(shift(before, after, np.array([], dtype=np.int64), 4))


def test_a_weight_is_chosen_on_other_users() -> None:
    n = len(WEIGHTS) - 2
    # Users 0 and 2 gain by the second weight, 1 and 3 lose by it, less: without one who gains the
    # first is best.
    gains, loses = [0.2, 0.8, *[0.0] * n], [0.5, 0.1, *[0.0] * n]
    cases = [
        case(at).model_copy(update={"tried": {"with": loses if at % 2 else gains}})
        for at in range(4)
    ]
    found = chosen(cases)
    assert [one.values["utility.facets.with"] for one in found] == [0.2, 0.1, 0.2, 0.1]
    assert [one.values["utility.facets.weight"] for one in found] == [
        0.0,
        WEIGHTS[1],
        0.0,
        WEIGHTS[1],
    ]
    assert [one.values["utility.facets.without"] for one in found] == [0.2, 0.5, 0.2, 0.5]
    assert chosen(cases[:1]) == cases[:1] and chosen([]) == []


def test_a_tied_item_has_the_mean_rank() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.5])
    assert place(scores, 0, np.array([], dtype=np.int64)) == 3
    assert place(scores, 0, np.array([1])) == 2


# ---------------------------------------------------------------- reasons

NAMES = ValueNames([("genre", "Crime"), ("genre", "Sci-Fi"), ("genre", "Horror")])
CITED = ReasonCase(
    Item(item_id="up", title="Up (2009)", categories=["Animation"]),
    [(EVENTS[0], ITEMS["heat"])],
    [CatalogueValue("genre", "Crime")],
    {"s": STARS},
)


@pytest.mark.parametrize(
    ("text", "made", "supported", "stated"),
    [
        ("You gave “Heat” 5 of 5, and this is crime too.", 4, 4, 2),
        ("You gave “Alien” 4 of 5.", 3, 1, 0),  # not cited, not the value; 5 ends the scale
        (
            "This sci-fi fits your taste for crime.",
            2,
            1,
            2,
        ),  # crime is carried by the cited event's item
        ("You will love it.", 0, 0, 0),
        ("“Up” is for those who gave “Heat” 5.", 3, 3, 1),
    ],
)
def test_statements_are_supported_by_what_is_cited(
    text: str, made: int, supported: int, stated: int
) -> None:
    found = statements(text, CITED, NAMES)
    assert (found.made, found.supported, found.cited, found.stated) == (made, supported, 2, stated)


def test_prices_and_quoted_values_are_statements_too() -> None:
    names = ValueNames(
        [("price band", "low"), ("price band", "high"), ("category", "player")],
        "en",
        {"price band:low": ["low prices"], "price band:high": ["high prices"]},
    )
    cheap = Item(item_id="c", title="sony player", categories=["audio.player"], price=1.0)
    cited = ReasonCase(cheap, [(EVENTS[0], cheap)], [CatalogueValue("price band", "low")], {})
    thirds = Numbers({"price": (3.0, 6.0)})
    found = statements("It matches your taste for low prices and “player”.", cited, names, thirds)
    assert (found.made, found.supported, found.cited, found.stated) == (2, 2, 2, 2)
    found = statements("It matches your taste for high prices.", cited, names, thirds)
    assert (found.made, found.supported, found.cited, found.stated) == (1, 0, 2, 0)


def test_words_of_titles_count_in_quotes_alone() -> None:
    names = ValueNames([("theme", "stand"), ("theme", "mug"), ("genre", "Crime")])
    text = "What stands out is “mug”, and crime."
    assert names.find(text) == [CatalogueValue("genre", "Crime")]
    assert named_in(text, names) == [
        CatalogueValue("genre", "Crime"),
        CatalogueValue("theme", "mug"),
    ]


def test_without_statements_precision_is_undefined() -> None:
    nothing = ReasonCase(ITEMS["heat"], [], [], {})
    found = statements("Recently popular with others.", nothing, NAMES)
    assert math.isnan(found.precision) and math.isnan(found.recall)


def test_features_and_sentences_of_all_reasons() -> None:
    assert unique_ratio(["a", "a", "b", "c"]) == 0.75 and math.isnan(unique_ratio([]))
    named = [["Crime", "Drama"], ["Crime"], ["Crime", "Drama"], []]
    assert feature_coverage(named, 8) == 0.25
    # Of the six pairs Crime is shared by three, Drama by one.
    assert feature_diversity(named) == pytest.approx(4 / 6)
    assert math.isnan(feature_diversity([["Crime"]]))


def test_shapes_leave_names_and_numbers_out() -> None:
    one = shape("You gave “Heat” 5 of 5, and this is crime.", NAMES)
    assert one == shape("You gave “The Alien” 4 of 5, and this is horror.", NAMES)
    assert one != shape("This is crime.", NAMES)


def test_reading_titles_numbers_and_values() -> None:
    assert quoted('“Heat,” he said of "Up"') == ["Heat", "Up"]
    assert is_title("The Full Monty", "Full Monty, The (1997)") and not is_title(
        "Monty", "Full Monty, The (1997)"
    )
    assert numbers("You gave “2001” 4.5 of 5 in the 1990s.") == [4.5, 5]
    assert NAMES.find("“Horror” is crime, not sci-fi") == [
        CatalogueValue("genre", "Crime"),
        CatalogueValue("genre", "Sci-Fi"),
    ]


async def test_a_verdict_that_cannot_be_read_is_unscored() -> None:
    script = [
        ScriptedAnswer('{"verdict": "supported"}'),
        ScriptedAnswer('{"verdict": "unsupported"}'),
        ScriptedAnswer("well, perhaps"),
        ScriptedAnswer("I could not say"),  # asked once more, and as bad
    ]
    with ScriptedServer(script) as server:
        chat = OpenAIChat("scripted", server.base_url)
        judged = Judge(chat)
        found = [
            await judged.supported("u", "Heat", f"because {at}", ["rating 5: Up"])
            for at in range(3)
        ]
        await chat.close()
    assert found == [True, False, None]


async def test_a_spent_budget_is_no_verdict_at_all() -> None:
    with pytest.raises(BudgetSpentError):
        await Judge(FakeChat(lambda _: BudgetSpentError("spent"))).supported(
            "u", "Heat", "because", []
        )


# ---------------------------------------------------------------- chat


def asked(
    kind: str, expected: tuple[str, ...], rivals: tuple[str, ...] = (), text: str = ""
) -> StudyQuestion:
    return StudyQuestion(
        f"{kind}:7",
        kind,
        "7",
        text or "How many events does user 7 have?",
        expected,
        rivals,
        ("7",),
    )


@pytest.mark.parametrize(
    ("question", "answer", "found"),
    [
        (
            asked("count", ("27",)),
            "7 has 27 events. Latest: rating 4 of Heat on 1998-01-02.",
            "right",
        ),
        (asked("count", ("7",)), "7 has 7 events.", "right"),
        (asked("count", ("27",)), "User 7 has 2 events.", "wrong"),
        (asked("count", ("1204",)), "7 has 1,204 events.", "right"),
        (asked("count", ("27",)), "Fond of comedies.", "wrong"),
        (asked("count", ("27",)), "I don't know: nothing answers this.", "abstained"),
        (
            asked("last", ("Heat",), ("Heat", "Alien")),
            "Latest: rating 5 of Heat; rating 1 of Alien.",
            "right",
        ),
        (asked("last", ("Heat",), ("Heat", "Alien")), "Alien, then Heat.", "wrong"),
        (asked("best", ("Alien 3",), ("Alien", "Alien 3")), "It was Alien 3.", "right"),
        (asked("best", ("Alien",), ("Alien", "Alien 3")), "It was Alien 3.", "wrong"),
        (asked("compare", ("12",), ("7", "12")), "User 12 has more than user 7.", "right"),
        (asked("compare", ("12",), ("7", "12")), "7, by far.", "wrong"),
        (asked("compare", ("12",), ("7", "12")), "They like comedies.", "wrong"),
        (
            asked("cohort", ("3",), text='How many users have had "Toy 2"?'),
            '3 users had "Toy 2".',
            "right",
        ),
        (
            asked("cohort", ("3",), text='How many users have had "Toy 2"?'),
            '"Toy 2" was had by 3.',
            "right",
        ),
        (asked("unanswerable", ()), "There is no user 'nobody' in the store.", "abstained"),
        (asked("unanswerable", ()), "It is 555-1234.", "wrong"),
    ],
)
def test_how_an_answer_is_read(question: StudyQuestion, answer: str, found: str) -> None:
    assert outcome(question, answer) == found


# ---------------------------------------------------------------- figures and cost


def case(number: int, bucket: str = "1-4", state: str = "ok", **values: float | None) -> Case:
    return Case.model_validate(
        {
            "id": f"u{number}",
            "user_id": f"u{number}",
            "bucket": bucket,
            "state": state,
            "values": values,
            "groups": {"sex": "F" if number % 2 else "M"},
            "source": "llm" if number else "failed",
            "seconds": 2.0,
        }
    )


def test_a_figure_counts_what_is_undefined() -> None:
    found = figure([1.0, None, 0.0, None])
    assert (found.mean, found.n, found.undefined) == (0.5, 2, 2)
    none = figure([None])
    assert (none.mean, none.ci95, none.n, none.undefined) == (None, None, 0, 1)


def test_figures_by_bucket_and_group() -> None:
    cases = [case(0, a=1.0), case(1, a=0.0), case(2, "100+", a=0.5, b=1.0)]
    assert figures(cases)["a"].mean == 0.5 and figures(cases)["b"].undefined == 2
    assert {name: one["a"].mean for name, one in by_bucket(cases).items()} == {
        "1-4": 0.5,
        "100+": 0.5,
    }
    assert {name: one["a"].mean for name, one in by_group(cases).items()} == {
        "sex=F": 0.0,
        "sex=M": 0.75,
    }


def test_all_reasons_together() -> None:
    said = [
        GivenReason(item_id="i", text="one", shape="*", features=["Crime"]),
        GivenReason(item_id="j", text="two", shape="*"),
    ]
    found = figures([case(0).model_copy(update={"said": said})], features=4)
    assert found["sentences.unique"].mean == 1 and found["shapes.unique"].mean == 0.5
    assert found["feature.coverage"].mean == 0.25 and found["feature.coverage"].n == 2


def test_pairs_are_tested_by_user() -> None:
    cases = [
        case(at, "1-4", "ok", **{"necessity": 0.1 + at / 1000, "necessity.random": 0.0})
        for at in range(20)
    ]
    [found] = comparisons("reasons", cases)
    assert (found.system, found.baseline, found.n) == ("necessity", "necessity.random", 20)
    assert found.difference == pytest.approx(0.1095) and found.p_holm < 0.001


def test_cost_is_what_the_ledger_says() -> None:
    def row(purpose: str, outcome: str, cost: float = 0.0) -> LedgerRow:
        return LedgerRow.model_validate(
            {
                "purpose": purpose,
                "model": "m",
                "prompt": "p",
                "user_id": "u",
                "input_tokens": 10,
                "output_tokens": 5,
                "cost": cost,
                "seconds": 2.0,
                "outcome": outcome,
                "at": datetime(2020, 1, 1, tzinfo=UTC),
            }
        )

    rows = [row("reason", "ok", 0.5), row("reason", "cached"), row("portrait", "bad_answer", 0.25)]
    assert spent(rows).model_dump() == {
        "calls": 2,
        "cached": 1,
        "failed": 1,
        "input_tokens": 20,
        "output_tokens": 10,
        "cost": 0.75,
        "seconds": 4.0,
    }
    found = cost_of(rows, [case(0), case(1), case(2, state="error")])
    assert found.purposes["portrait"].failed == 1
    assert found.per_user == {
        "calls": 1.0,
        "tokens": 15.0,
        "cost": 0.375,
        "model_seconds": 2.0,
        "seconds": 2.0,
    }
    assert found.per_request == {"tokens": 15.0, "cost": 0.375, "seconds": 2.0}
    assert found.llm == {"ran": 1, "fell back": 1, "skipped": 0}
    assert cost_of([], []).per_user["cost"] is None


def test_nameless_items_keep_their_values_alone() -> None:
    item = Item(
        item_id="x",
        title="Heat (1995)",
        text="A film",
        image="heat.jpg",
        categories=["Crime"],
        attributes={"url": "https://e/heat", "slug": "heat (1995) dvd", "brand": "Warner"},
    )
    bare = nameless(item, 3)
    assert (bare.item_id, bare.title, bare.text, bare.image) == ("x", "Item 3 (1995)", "", None)
    assert bare.categories == ["Crime"] and bare.attributes == {"brand": "Warner"}


def test_groups_of_users() -> None:
    few = {f"u{at}": "F" if at < 6 else "M" if at < 12 else "X" for at in range(13)}
    assert set(_grouped(few).values()) == {"F", "M"}  # X is one user
    ages = {f"u{at}": float(at) for at in range(30)}
    assert len(set(_grouped(ages).values())) == 3
    assert _grouped({f"u{at}": f"street {at}" for at in range(30)}) == {}
