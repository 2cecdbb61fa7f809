"""Reasons: grounds are chosen by code, words are verified, and what fails falls back to template
words.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from limner.core.errors import BudgetSpentError, ModelUnavailableError
from limner.core.schema import Grade, Item, Preference, Profile, Scale
from limner.core.settings import ReasonStyle, Settings
from limner.explain.attribution import Attribution, Link, Past
from limner.explain.reasons import (
    SAME,
    Explained,
    choose_grounds,
    model_reasons,
    phrasing,
    template_reasons,
)
from limner.llm import ChatRequest
from limner.profile.template import preference_of
from limner.testing import FakeChat
from limner.verify import EMPTY_LEXICON, Lexicon, item_values, lexicon_from
from limner.words import load_language
from tests.unit.portraits import EVENTS, FACTS, OTHERS

EN = load_language("en")
OWN = [shown.item for shown in EVENTS if shown.item]
PAST = Past(
    [shown.event for shown in EVENTS],
    {item.item_id: item for item in OWN},
    {e.event.event_id: e.signal for e in EVENTS},
)
PROFILE = Profile(
    user_id="secret-id-77",
    as_of=datetime(1998, 4, 1, tzinfo=UTC),
    summary="",
    # Of older events too, which are not among those of PAST.
    preferences=[
        preference_of(f.model_copy(update={"evidence": [*f.evidence, "e2", "e3"]}), EN)
        for f in FACTS
    ],
)
NEW = [
    Item(item_id="n1", title="Bean (1997)", categories=["Comedy"]),
    Item(item_id="n2", title="Brazil (1985)", categories=["Sci-Fi"]),
    Item(item_id="n3", title="Cube (1997)", categories=["Horror"]),
    Item(item_id="n4", title="Gandhi (1982)", categories=["Biography"]),
]
LED = {
    "n2": [
        Attribution("e13", "next_item", 0.9),
        Attribution("e16", "collaborative", 0.8),
        Attribution("e12", "collaborative", 0.2),
    ]
}
CHANNELS = {
    "n1": ["content"],
    "n2": ["collaborative"],
    "n3": ["recent", "popular"],
    "n4": ["popular"],
}
LEXICON = lexicon_from([*OWN, *OTHERS, *NEW], EN)
SETTINGS = Settings()


async def explain(
    profile: Profile,
    items: list[Item],
    past: Past,
    chat: FakeChat | None,
    grade: Grade,
    settings: Settings,
    *,
    led: Mapping[str, Sequence[Attribution]] | None = None,
    channels: Mapping[str, Sequence[str]] | None = None,
    lexicon: Lexicon = EMPTY_LEXICON,
    scales: Mapping[str, Scale] | None = None,
) -> Explained:
    """Grounds chosen, then worded."""
    whys = choose_grounds(profile, items, past, led or {}, channels or {}, item_values)
    language = settings.reasons.language or profile.language
    if chat is None:
        return template_reasons(whys, settings, scales or {}, language)
    return await model_reasons(
        whys,
        chat,
        grade,
        settings,
        scales or {},
        language,
        lexicon=lexicon,
        user_id=profile.user_id,
    )


async def reasons(
    chat: FakeChat | None = None,
    grade: Grade = "none",
    settings: Settings = SETTINGS,
    items: list[Item] | None = None,
) -> Explained:
    return await explain(
        PROFILE,
        items or NEW,
        PAST,
        chat,
        grade,
        settings,
        led=LED,
        channels=CHANNELS,
        lexicon=LEXICON,
        scales={"": Scale(source="", low=1, high=5)},
    )


def grounds(items: list[Item] = NEW) -> dict[str, tuple[list[str], str | None]]:
    whys = choose_grounds(PROFILE, items, PAST, LED, CHANNELS, item_values)
    return {
        w.item.item_id: (
            [p.value for p in w.preferences],
            w.seen.event.event_id if w.seen else None,
        )
        for w in whys
    }


def test_grounds_are_shared_likes_and_the_nearest_liked_event() -> None:
    found = grounds()
    assert found["n1"] == (["Comedy"], "e14")  # the event behind the preference
    assert found["n2"] == ([], "e16")  # not e13, which was disliked, however near
    assert found["n4"] == ([], None)


def test_a_dislike_is_no_ground() -> None:
    assert "Horror" not in grounds()["n3"][0]


def test_an_event_is_named_beside_preferences_only_where_it_shares_them() -> None:
    led = {"n1": [Attribution("e12", "next_item", 0.9), Attribution("e14", "next_item", 0.1)]}
    (why,) = choose_grounds(
        PROFILE, NEW[:1], PAST, led, CHANNELS, lambda item: {"category": item.categories}
    )
    assert (
        why.seen
        and why.seen.event.event_id == "e14"
        and [p.value for p in why.preferences] == ["Comedy"]
    )


def test_grounds_are_spread_over_the_list() -> None:
    same = [Item(item_id=f"s{n}", title=f"Robot {n}", categories=["Robot"]) for n in range(3)]
    led = {
        i.item_id: [
            Attribution(e, "content", w) for e, w in (("e16", 1.0), ("e12", 0.9), ("e14", 0.8))
        ]
        for i in same
    }
    whys = choose_grounds(PROFILE, same, PAST, led, {}, item_values)
    assert len({w.seen.event.event_id for w in whys if w.seen}) == 3


def test_the_channel_that_leads_is_the_one_that_is_named() -> None:
    links: tuple[Link, ...] = ("next_item", "collaborative", "content")
    bare = [Item(item_id=name, title=name) for name in links]
    led: dict[str, list[Attribution]] = {link: [Attribution("e16", link, 0.5)] for link in links}
    whys = choose_grounds(PROFILE, bare, PAST, led, {}, item_values)
    assert [w.origin for w in whys] == ["next_item", "collaborative", "content"]


def test_of_two_events_that_led_as_far_the_one_of_the_same_kind_is_named() -> None:
    new = Item(item_id="x", title="Solaris (1972)", categories=["Sci-Fi"])
    led = {
        "x": [Attribution("e14", "collaborative", 0.5), Attribution("e16", "collaborative", 0.4)]
    }
    (why,) = choose_grounds(PROFILE, [new], PAST, led, CHANNELS, item_values)
    assert why.seen is not None and why.seen.event.event_id == "e16"


def test_a_like_that_was_named_is_worth_half_in_the_next_reason() -> None:
    """A like of two thirds of its strength comes before it there, and one of a third does not."""

    def like(value: str, strength: float) -> Preference:
        return PROFILE.preferences[0].model_copy(
            update={
                "value": value,
                "facet": "genre",
                "polarity": "like",
                "strength": strength,
                "confidence": 1.0,
                "evidence": ["of no item", "of another"],
            }
        )

    likes = [like("Robot", 0.9), like("Opera", 0.6), like("Ballet", 0.3)]
    profile = PROFILE.model_copy(update={"preferences": likes})
    items = [
        Item(item_id="first", title="One", categories=["Robot"]),
        Item(item_id="second", title="Two", categories=["Robot", "Opera"]),
        Item(item_id="third", title="Three", categories=["Robot"]),
        Item(item_id="fourth", title="Four", categories=["Opera", "Ballet"]),
    ]
    whys = choose_grounds(profile, items, PAST, {}, {}, item_values)
    assert [[p.value for p in why.preferences] for why in whys] == [
        ["Robot"],
        ["Opera", "Robot"],  # .6 before .9 / 2
        ["Robot"],
        ["Opera", "Ballet"],  # .6 / 2 is still no less than .3
    ]


def test_a_like_that_repeats_gives_way_to_an_event_that_led_there() -> None:
    comedies = [Item(item_id=f"c{n}", title=f"Laugh {n}", categories=["Comedy"]) for n in range(4)]
    led = {item.item_id: [Attribution("e16", "next_item", 0.5)] for item in comedies}
    whys = choose_grounds(PROFILE, comedies, PAST, led, {}, item_values)
    assert [bool(w.preferences) for w in whys] == [True, True, False, False]


def test_what_one_event_speaks_for_is_no_taste() -> None:
    """ "You tend to enjoy comedies" of one comedy; the event itself is all that there is to say."""
    once = [p.model_copy(update={"evidence": p.evidence[:1]}) for p in PROFILE.preferences]
    (why,) = choose_grounds(
        PROFILE.model_copy(update={"preferences": once}),
        NEW[:1],
        PAST,
        {"n1": [Attribution("e14", "content", 0.5)]},
        CHANNELS,
        item_values,
    )
    assert why.preferences == () and why.seen is not None and why.origin == "content"


def test_a_decade_or_a_price_alone_gives_way_to_an_event() -> None:
    old = Item(item_id="o", title="Old One (1995)", categories=["Opera"])
    assert [
        p.value
        for p in choose_grounds(PROFILE, [old], PAST, {}, CHANNELS, item_values)[0].preferences
    ] == ["1990s"]
    (why,) = choose_grounds(
        PROFILE, [old], PAST, {"o": [Attribution("e16", "next_item", 0.1)]}, CHANNELS, item_values
    )
    assert why.preferences == () and why.origin == "next_item"


def test_a_decade_is_not_named_beside_what_the_item_is_about() -> None:
    """ "the same interest in action and titles from the 1990s" """
    (why,) = choose_grounds(PROFILE, NEW[:1], PAST, {}, CHANNELS, item_values)
    assert [p.value for p in why.preferences] == ["Comedy"]


def test_two_names_for_one_thing_are_not_named_side_by_side() -> None:
    comedy = PROFILE.preferences[0]
    both = [comedy, comedy.model_copy(update={"facet": "theme", "value": "Comedy night"})]
    new = Item(item_id="x", title="X", categories=["Comedy", "Comedy night"])
    (why,) = choose_grounds(
        PROFILE.model_copy(update={"preferences": both}), [new], PAST, {}, {}, item_values
    )
    assert [p.value for p in why.preferences] == ["Comedy"]


def test_an_item_of_the_same_name_is_named_where_nothing_else_led() -> None:
    """Phones that are all called "samsung smartphone": better than "near to your choices as a
    whole".
    """
    (event,) = [e for e in PAST.events if e.event_id == "e16"]
    own = PAST.items[event.item_id or ""]
    new = Item(item_id="x", title=own.title)
    led = {"x": [Attribution("e16", "content", 0.9)]}
    (why,) = choose_grounds(PROFILE, [new], PAST, led, {"x": ["content"]}, item_values)
    assert why.seen is not None and why.seen.event.event_id == "e16"
    led = {"x": [Attribution("e16", "content", 0.9), Attribution("e12", "content", 0.1)]}
    (why,) = choose_grounds(PROFILE, [new], PAST, led, {"x": ["content"]}, item_values)
    assert why.seen is not None and why.seen.event.event_id == "e12"


async def test_what_similar_people_chose_says_so() -> None:
    new = [Item(item_id=f"x{n}", title=f"X{n}") for n in range(2)]
    found = await explain(
        PROFILE,
        new,
        PAST,
        None,
        "none",
        SETTINGS,
        channels={"x0": ["similar_users", "popular"], "x1": ["content"]},
    )
    assert "yours" in found.reasons["x0"].text and "yours" not in found.reasons["x1"].text


def test_a_thing_called_as_its_kind_is_not_named_beside_the_kind() -> None:
    """“You looked at “bed”, and this fits the same interest in “bed””"""
    called = {
        **PAST.items,
        "i14": Item(item_id="i14", title="Comedy (1997)", categories=["Comedy"]),
    }
    (why,) = choose_grounds(
        PROFILE, NEW[:1], Past(PAST.events, called, PAST.signal), {}, CHANNELS, item_values
    )
    assert [p.value for p in why.preferences][:1] == ["Comedy"]
    assert why.seen is None or why.seen.event.event_id != "e14"


def test_an_item_without_a_title_is_named_in_no_reason() -> None:
    untitled = {**PAST.items, "i16": Item(item_id="i16")}
    (why,) = choose_grounds(
        PROFILE, NEW[1:2], Past(PAST.events, untitled, PAST.signal), LED, CHANNELS, item_values
    )
    assert why.seen is not None and why.seen.event.event_id == "e12"


async def test_an_item_met_without_liking_it_may_lead_on_but_its_rating_is_not_said() -> None:
    middling = Past(PAST.events, PAST.items, dict.fromkeys(PAST.signal, 0.0))
    found = await explain(
        PROFILE,
        NEW[1:2],
        middling,
        None,
        "none",
        SETTINGS,
        led=LED,
        channels=CHANNELS,
        scales={"": Scale(source="", low=1, high=5)},
    )
    text = found.reasons["n2"].text
    assert "Blade Runner" in text and "of 5" not in text
    turned_down = Past(PAST.events, PAST.items, dict.fromkeys(PAST.signal, -0.9))
    (why,) = choose_grounds(PROFILE, NEW[1:2], turned_down, LED, CHANNELS, item_values)
    assert why.seen is None and why.origin == "nothing"  # not "near to what you have chosen"


async def test_what_is_merely_popular_says_so_and_who_is_new_is_told() -> None:
    known = await reasons()
    assert "Recently" in known.reasons["n3"].text and "history" in known.reasons["n3"].text
    assert "opular" in known.reasons["n4"].text and "history" in known.reasons["n4"].text
    found = await explain(
        PROFILE,
        NEW[2:],
        Past([], {}, {}),
        None,
        "none",
        SETTINGS,
        channels={"n3": ["recent", "popular"], "n4": ["popular"]},
    )
    assert all("about you" in reason.text for reason in found.reasons.values())


@pytest.mark.parametrize("past", [PAST, Past([], {}, {})], ids=["known", "new"])
async def test_what_no_channel_found_is_not_called_popular(past: Past) -> None:
    """An item that was asked for, of which the store knows nothing, or that nobody had."""
    found = await explain(
        PROFILE, [Item(item_id="nowhere")], past, None, "none", SETTINGS, channels={"nowhere": []}
    )
    assert (
        "history" in found.reasons["nowhere"].text and "opular" not in found.reasons["nowhere"].text
    )


async def test_template_reasons_cite_and_the_fallback_is_honest() -> None:
    found = await reasons()
    assert set(found.reasons) == {item.item_id for item in NEW} and found.claims == 0
    first = found.reasons["n1"]
    assert (
        "comedy" in first.text.lower()
        and "genre:Comedy" in first.preferences
        and first.evidence[0] == "e14"
    )
    assert "Blade Runner" in found.reasons["n2"].text and found.reasons["n2"].evidence == ["e16"]
    assert "opular" in found.reasons["n4"].text and found.reasons["n4"].evidence == []
    assert {reason.source for reason in found.reasons.values()} == {"template"}


async def test_templates_do_not_repeat_a_phrasing_while_others_are_left() -> None:
    items = [Item(item_id=f"c{n}", title=f"Laugh {n}", categories=["Comedy"]) for n in range(3)]
    found = await reasons(items=items)
    whys = choose_grounds(PROFILE, items, PAST, {}, {}, item_values)
    shapes = {phrasing(found.reasons[w.item.item_id].text, w, EN) for w in whys}
    assert len(shapes) == 3


def phrased(text: str | Callable[[str], str]) -> FakeChat:
    def answer(request: ChatRequest) -> str:
        line = request.messages[-1].content
        return json.dumps({"text": text if isinstance(text, str) else text(line)})

    return FakeChat(answer)


def truthful(line: str) -> str:
    taste = re.search(r"taste: ([^;]+)", line)
    liked = re.search(r"“(.+)”", line)
    return (
        f"This is for your taste for {taste[1]}."
        if taste
        else f"Since you enjoyed “{liked[1] if liked else ''}”, this may suit you"
    )


async def test_phrased_reasons_that_hold_stand_and_unknown_items_are_not_asked_about() -> None:
    chat = phrased(truthful)
    found = await reasons(chat, "phrase")
    assert found.dropped == [] and found.claims == len(chat.requests) == 2
    assert found.reasons["n2"].text == "Since you enjoyed “Blade Runner”, this may suit you."
    assert found.reasons["n2"].source == "llm" and found.reasons["n4"].source == "template"
    sent = "\n".join(message.content for request in chat.requests for message in request.messages)
    assert "secret-id-77" not in sent and {request.user_id for request in chat.requests} == {
        "secret-id-77"
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("You dislike comedy, so this is for you.", "flipped_polarity"),
        ("This award-winning comedy is for you.", "unsupported_word"),
        ("Since you enjoyed “Heat”, this may suit you.", "unsupported"),
        ("This is for your taste for romance.", "unsupported_value"),
        ("This is for your taste for comedy books.", "unsupported_word: books"),
        ("This is a good choice for you.", "off_claim"),
        ("", "empty"),
        ("Here is comedy for you, " + "and again comedy, " * 20 + "and that is it.", "too_long"),
    ],
)
async def test_a_false_reason_falls_back_and_is_counted(text: str, code: str) -> None:
    found = await reasons(phrased(text), "phrase", items=NEW[:1])
    assert [d.reason.startswith(code) for d in found.dropped] == [True] and found.claims == 1
    assert found.reasons["n1"].source == "template" and found.reasons["n1"].text != text


@pytest.mark.parametrize(
    ("origin", "title", "text", "held"),
    [
        (
            "collaborative",
            "Blade Runner (1982)",
            "People who chose “Blade Runner” chose this too.",
            True,
        ),
        ("next_item", "Blade Runner (1982)", "After “Blade Runner”, others went on to this.", True),
        (
            "content",
            "Blade Runner (1982)",
            "People who chose “Blade Runner” chose this too.",
            False,
        ),
        (
            "content",
            "Blade Runner (1982)",
            "You chose “Blade Runner”, and this is close to it in theme.",
            True,
        ),
        (
            "content",
            "Ordinary People (1980)",
            "You chose “Ordinary People”, and this is close to it.",
            True,
        ),
    ],
)
async def test_other_people_are_spoken_of_only_where_they_led(
    origin: Link, title: str, text: str, held: bool
) -> None:
    items = {**PAST.items, "i16": Item(item_id="i16", title=title)}
    found = await explain(
        PROFILE,
        NEW[1:2],
        Past(PAST.events, items, PAST.signal),
        phrased(text),
        "phrase",
        SETTINGS,
        led={"n2": [Attribution("e16", origin, 0.5)]},
        channels=CHANNELS,
        lexicon=LEXICON,
    )
    assert (found.reasons["n2"].source == "llm") == held, found.dropped
    assert held or found.dropped[0].reason.startswith("unsupported_claim")


async def test_a_liked_items_values_are_not_the_recommended_ones() -> None:
    """Blade Runner is science fiction; that does not make what it led to science fiction."""
    plain = Item(item_id="n2", title="Brazil (1985)")
    found = await reasons(
        phrased("Since you enjoyed “Blade Runner”, here is more sci-fi for you."),
        "phrase",
        items=[plain],
    )
    assert len(found.dropped) == 1 and found.reasons["n2"].source == "template"


async def test_a_recommended_items_values_are_not_the_users_taste() -> None:
    item = Item(item_id="n1", title="Bean", categories=["Comedy", "Romance"])
    found = await reasons(
        phrased("This is for your taste for comedy and romance."), "phrase", items=[item]
    )
    assert [d.reason for d in found.dropped] == ["unsupported_value: Romance"]


async def test_one_phrasing_does_not_fill_a_list() -> None:
    items = [Item(item_id=f"c{n}", title=f"Laugh {n}", categories=["Comedy"]) for n in range(5)]
    found = await reasons(phrased("This is for your taste for comedy."), "phrase", items=items)
    assert sum(reason.source == "llm" for reason in found.reasons.values()) == SAME
    assert {d.reason for d in found.dropped} == {"repeated_phrasing"}


async def test_reasons_keep_to_the_words_allowed() -> None:
    short = Settings(reasons=ReasonStyle(max_words=8))
    found = await reasons(
        phrased("This one is for your lasting taste for comedy, for you."), "phrase", short, NEW[:1]
    )
    assert found.dropped[0].reason.startswith("too_long")


# ---------------------------------------------------------------- grade full


def listed(*answers: tuple[int, str, list[str]]) -> FakeChat:
    return FakeChat(
        lambda request: json.dumps(
            {"reasons": [{"item": n, "text": t, "evidence": e} for n, t, e in answers]}
        )
    )


async def test_a_list_is_explained_in_one_call_and_cites_what_was_offered() -> None:
    chat = listed(
        (1, "“Bean” is for your taste for comedy.", ["P1"]),
        (2, "After “Blade Runner”, this may suit you.", ["E5"]),
    )
    found = await reasons(chat, "full")
    assert len(chat.requests) == 1 and found.dropped == []
    assert (
        found.reasons["n1"].preferences == ["genre:Comedy"] and found.reasons["n1"].source == "llm"
    )
    assert found.reasons["n2"].evidence == ["e16"]
    assert {found.reasons[i].source for i in ("n3", "n4")} == {"template"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((9, "For your taste for comedy.", ["P1"]), "unknown_item"),
        ((1, "For your taste for comedy.", []), "uncited"),
        ((1, "For your taste for comedy.", ["P77"]), "unknown_evidence"),
        ((2, "For your taste for comedy.", ["P1"]), "unknown_evidence"),
        ((1, "For your taste for comedy and for titles from the 1990s.", ["P1"]), "unsupported"),
        ((1, "For your taste for gritty comedy.", ["P1"]), "unsupported_word"),
    ],
)
async def test_a_listed_reason_that_fails_is_dropped(
    answer: tuple[int, str, list[str]], code: str
) -> None:
    items = [*NEW[:2], Item(item_id="n5", title="Sleeper", categories=["Comedy"])]
    found = await reasons(listed(answer), "full", items=items)
    assert [d.reason.startswith(code) for d in found.dropped] == [True]
    assert {reason.source for reason in found.reasons.values()} == {"template"}


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("grade", ["phrase", "full"])
@pytest.mark.parametrize("error", [ModelUnavailableError("gone"), BudgetSpentError("spent")])
async def test_a_model_that_fails_leaves_template_reasons_and_one_note(
    grade: Grade, error: Exception
) -> None:
    found = await reasons(FakeChat(lambda request: error), grade)
    assert (
        len(found.reasons) == len(NEW)
        and len(found.notes) == 1
        and str(error) in found.notes[0].text
    )
    assert {reason.source for reason in found.reasons.values()} == {"template"}


async def test_a_model_that_fails_midway_keeps_the_reasons_it_gave() -> None:
    calls = 0

    def answer(request: ChatRequest) -> str | Exception:
        nonlocal calls
        calls += 1
        return (
            ModelUnavailableError("gone")
            if calls > 1
            else json.dumps({"text": truthful(request.messages[-1].content)})
        )

    found = await reasons(FakeChat(answer), "phrase")
    assert (
        sorted(reason.source for reason in found.reasons.values()).count("llm") == 1 and found.notes
    )


@pytest.mark.parametrize("code", ["de", "fr", "es", "ko", "zh"])
async def test_reasons_speak_the_language_asked_for(code: str) -> None:
    found = await reasons(settings=Settings(reasons=ReasonStyle(language=code)))
    english = await reasons()
    assert all(
        reason.text and reason.text != english.reasons[i].text
        for i, reason in found.reasons.items()
    )


async def test_reasons_in_a_language_without_vocabulary_are_english_and_say_so() -> None:
    found = await reasons(settings=Settings(reasons=ReasonStyle(language="ja")))
    assert (
        any("'ja'" in note.text for note in found.notes) and "history" in found.reasons["n4"].text
    )
    assert (await reasons()).notes == []
