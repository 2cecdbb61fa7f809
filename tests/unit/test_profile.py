"""Painting: what a model says is verified claim by claim, and a portrait stands without it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from limner.core.columns import Nouns
from limner.core.errors import BudgetSpentError, ModelUnavailableError
from limner.core.interactions import Interactions
from limner.core.schema import Event, FieldValue, Grade, Item, Profile, User, Window
from limner.core.settings import (
    LlmSettings,
    PortraitField,
    PortraitSettings,
    Price,
    PrivacySettings,
    Settings,
)
from limner.facts import UserFacts, build_population
from limner.llm import ChatRequest, tokens
from limner.profile import Subject, estimate, paint, settings_digest, subject_of
from limner.profile.phrase import claims_of, unsaid
from limner.testing import FakeChat
from limner.verify import lexicon_from
from limner.words import load_language, supported_languages
from tests.unit.portraits import EVENTS, FACTS, OTHERS, TRAITS, WINDOW, fact

NOW = datetime(1998, 4, 1, tzinfo=UTC)
SUBJECT = Subject(
    user=User(user_id="u1", attributes={"age": "34", "gender": "F"}),
    events=[shown.event for shown in EVENTS],
    items={shown.item.item_id: shown.item for shown in EVENTS if shown.item},
    window=WINDOW,
    facts=UserFacts("u1", FACTS, TRAITS),
    lexicon=lexicon_from(
        [*(shown.item for shown in EVENTS if shown.item), *OTHERS], load_language("en")
    ),
    now=NOW,
)
SETTINGS = Settings()
Json = dict[str, object]


def draft(**parts: object) -> str:
    return json.dumps({"summary": [], "preferences": [], "fields": [], "unknowns": [], **parts})


def said(text: str, *evidence: str) -> Json:
    return {"sentence": text, "evidence": list(evidence)}


def preference(
    value: str, polarity: str, *evidence: str, text: str = "", facet: str = "genre"
) -> Json:
    return {
        "facet": facet,
        "value": value,
        "polarity": polarity,
        "kind": "taste",
        "evidence": list(evidence),
        "text": text,
    }


def model(*, draft: str, fixes: str = '{"fixes": []}') -> FakeChat:
    def answer(request: ChatRequest) -> str:
        return fixes if request.prompt.startswith("portrait-repair") else draft

    return FakeChat(answer)


async def full(
    text: str,
    *,
    settings: Settings = SETTINGS,
    subject: Subject = SUBJECT,
    fixes: str = '{"fixes": []}',
) -> Profile:
    return await paint(subject, model(draft=text, fixes=fixes), "full", settings)


def reasons(profile: Profile) -> list[str]:
    return [dropped.reason for dropped in profile.dropped]


# ---------------------------------------------------------------- without a model


async def test_a_language_without_vocabulary_falls_back_to_english_and_says_so() -> None:
    profile = await paint(SUBJECT, None, "none", SETTINGS, "ja")
    english = await paint(SUBJECT, None, "none", SETTINGS)
    assert profile.language == "en" and profile.summary == english.summary and english.notes == []
    assert (
        len(profile.notes) == 1
        and "'ja'" in profile.notes[0].text
        and "English" in profile.notes[0].text
    )
    worded = await paint(SUBJECT, model(draft=draft()), "full", SETTINGS, "pt-BR")
    assert worded.language == "en" and "'pt-BR'" in worded.notes[-1].text


async def test_the_template_portrait_is_complete() -> None:
    profile = await paint(SUBJECT, None, "none", SETTINGS)
    assert profile.summary and profile.summary_source == profile.source == "template"
    assert {(p.value, p.polarity) for p in profile.preferences} == {
        (f.value, f.polarity) for f in FACTS
    }
    assert all(p.text and p.strength and p.confidence for p in profile.preferences)
    assert profile.traits == TRAITS and profile.grade == "none" and profile.model is None
    built = profile.built_from
    assert (built.events, built.calls, built.first_event) == (5, 0, EVENTS[0].event.timestamp)


async def test_a_portrait_calls_things_what_the_catalogue_calls_them() -> None:
    eras = UserFacts("u1", [fact(1, "1990s", facet="era")], TRAITS)
    subject = replace(SUBJECT, facts=eras)
    plain = await paint(subject, None, "none", SETTINGS)
    nouns = Nouns(item="film", items="films")
    named = await paint(replace(subject, nouns=nouns), None, "none", SETTINGS)
    assert "titles from the 1990s" in plain.summary
    assert "films from the 1990s" in named.summary
    # It is painted anew where the nouns change.
    assert plain.built_from.settings != named.built_from.settings


async def test_a_user_of_whom_nothing_is_known_gets_an_honest_sentence_and_no_call() -> None:
    chat = FakeChat()
    empty = Subject(
        User(user_id="u2"),
        [],
        {},
        Window(user_id="u2", events=[], total=0, tokens=0),
        UserFacts("u2", [], []),
    )
    settings = Settings(portrait=PortraitSettings(ask=["What does this user do for a living?"]))
    for grade in ("none", "phrase", "full"):
        profile = await paint(empty, chat, grade, settings)
        assert "too little" in profile.summary and profile.preferences == []
        assert profile.unknowns == ["What does this user do for a living?"]
    assert chat.requests == []


async def test_values_that_two_facets_share_are_said_once() -> None:
    twice = [FACTS[0], FACTS[0].model_copy(update={"number": 2, "facet": "category"})]
    profile = await paint(
        replace(SUBJECT, facts=UserFacts("u1", twice, [])), None, "none", SETTINGS
    )
    assert len(profile.preferences) == 1 and profile.summary.lower().count("comedy") <= 2


async def test_the_strongest_dislike_is_kept_where_likes_fill_the_portrait() -> None:
    profile = await paint(
        SUBJECT, None, "none", Settings(portrait=PortraitSettings(max_preferences=2))
    )
    assert [p.polarity for p in profile.preferences] == ["like", "dislike"]


@pytest.mark.parametrize("code", ["en", "de", "fr", "es", "ko", "zh"])
async def test_every_language_paints(code: str) -> None:
    profile = await paint(SUBJECT, None, "none", SETTINGS, code)
    assert profile.language == code and profile.summary and all(p.text for p in profile.preferences)


# ---------------------------------------------------------------- grade phrase


def phrasing(**sentences: str) -> FakeChat:
    def answer(request: ChatRequest) -> str:
        assert request.schema is not None
        keys = request.schema.model_fields
        good = {
            "likes": "This user enjoys comedy, drama and westerns.",
            "share": "Comedy makes up 42% of their choices, against 30% on average.",
            "interest_rising": "Their interest in drama is growing.",
            "interest_fading": "Their interest in westerns is fading.",
            "dislikes": "Horror leaves them cold.",
            "habits": "They rate generously.",
        }
        return json.dumps({key: {**good, **sentences}[key] for key in keys})

    return FakeChat(answer)


async def test_phrased_sentences_that_hold_stand() -> None:
    chat = phrasing()
    profile = await paint(SUBJECT, chat, "phrase", SETTINGS)
    assert profile.dropped == [] and profile.summary_source == profile.source == "llm"
    assert profile.summary.startswith(
        "This user enjoys comedy, drama and westerns. Comedy makes up 42%"
    )
    assert "Horror leaves them cold." in profile.summary
    assert profile.grade == "phrase" and profile.model == "fake"
    assert profile.prompt and profile.prompt.startswith("portrait-phrase@1#")
    assert len(chat.requests) == profile.built_from.calls == 1
    assert profile.built_from.claims == 5 and profile.built_from.output_tokens > 0
    assert {p.source for p in profile.preferences} == {"template"}


@pytest.mark.parametrize(
    ("key", "sentence", "code"),
    [
        ("dislikes", "This user loves horror.", "flipped_polarity"),
        ("likes", "This user enjoys award-winning comedy.", "unsupported_word"),
        ("likes", "This user enjoys crime.", "unsupported_value"),
        ("share", "Comedy makes up 77% of their choices.", "unsupported_number"),
        ("likes", "They enjoy comedy books.", "unsupported_word: books"),
        ("likes", "They like what they choose.", "off_claim"),
        ("likes", "", "empty"),
    ],
)
async def test_a_phrased_sentence_that_fails_is_replaced_and_counted(
    key: str, sentence: str, code: str
) -> None:
    profile = await paint(SUBJECT, phrasing(**{key: sentence}), "phrase", SETTINGS)
    assert [reason.startswith(code) for reason in reasons(profile)] == [True]
    assert profile.dropped[0].claim == sentence
    assert not sentence or sentence not in profile.summary
    assert profile.summary_source == "llm"


async def test_where_most_sentences_fail_the_template_summary_stands_whole() -> None:
    bad = dict.fromkeys(
        ("likes", "share", "interest_rising", "interest_fading"),
        "They adore award-winning spectacles.",
    )
    profile = await paint(SUBJECT, phrasing(**bad), "phrase", SETTINGS)
    template = await paint(SUBJECT, None, "none", SETTINGS)
    assert (
        profile.summary == template.summary
        and profile.summary_source == profile.source == "template"
    )
    assert profile.grade == "phrase" and profile.built_from.claims == 5


# ---------------------------------------------------------------- grade full


async def test_a_draft_that_holds_is_kept_with_numbers_of_code() -> None:
    text = draft(
        summary=[
            said("This user enjoys comedies such as “The Full Monty”.", "F1", "E14"),
            said("They rate generously.", "T1"),
        ],
        preferences=[
            preference("Comedy", "like", "F1", "E14", text="This user is fond of comedy.")
        ],
    )
    profile = await full(text)
    assert profile.dropped == [] and profile.summary_source == "llm"
    assert (
        profile.summary
        == "This user enjoys comedies such as “The Full Monty”. They rate generously."
    )
    assert profile.summary_evidence == ["e14"]
    comedy = next(p for p in profile.preferences if p.value == "Comedy")
    assert (comedy.source, comedy.text) == ("llm", "This user is fond of comedy.")
    assert (comedy.strength, comedy.confidence, comedy.trend) == (
        FACTS[0].strength,
        FACTS[0].confidence,
        FACTS[0].trend,
    )
    assert profile.built_from.claims == 3 and profile.built_from.window_events == len(EVENTS)
    assert {p.value for p in profile.preferences} == {fact.value for fact in FACTS}


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (said("This user enjoys horror.", "F2"), "flipped_polarity"),
        (said("This user enjoys romance.", "F1"), "unsupported_value"),
        (said("This user enjoys gritty comedies.", "F1"), "unsupported_word"),
        (said("This user enjoys comedy.", "F77"), "unknown_evidence"),
        (said("This user enjoys comedy.", "E99"), "unknown_evidence"),
        (said("This user enjoys comedy."), "uncited"),
        (said("This user enjoys “Heat”.", "E12"), "unsupported"),
        (said("This user is a devout Catholic who enjoys comedy.", "F1"), ""),
    ],
)
async def test_a_false_sentence_is_dropped_whatever_it_cites(claim: Json, code: str) -> None:
    good = said("This user is fond of drama.", "F3")
    profile = await full(draft(summary=[good, claim]))
    assert profile.summary == "This user is fond of drama."
    assert len(profile.dropped) == 1 and code in profile.dropped[0].reason
    assert profile.built_from.claims == 2


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (preference("Horror", "like", "F2"), "flipped_polarity"),
        (preference("Romance", "like", "E12", "E16"), "attribute_missing"),
        (preference("Comedy", "like", "E13", "E15"), "attribute_missing"),
        (preference("Comedy", "like", "F99"), "unknown_evidence"),
        (
            preference("Comedy", "like", "F1", text="This user loves witty French comedy."),
            "unsupported",
        ),
    ],
)
async def test_a_false_preference_is_dropped_and_the_fact_stands(claim: Json, code: str) -> None:
    profile = await full(draft(preferences=[claim]))
    assert len(profile.dropped) == 1 and code in profile.dropped[0].reason
    assert {(p.value, p.polarity) for p in profile.preferences} == {
        (f.value, f.polarity) for f in FACTS
    }
    assert profile.source == "template" and profile.grade == "full"


async def test_a_theme_that_no_fact_counts_needs_two_events_that_say_it() -> None:
    found = await full(draft(preferences=[preference("Sci-Fi", "like", "E12", "E16")]))
    theme = next(p for p in found.preferences if p.value == "Sci-Fi")
    assert theme.basis == "inferred" and theme.evidence == ["e12", "e16"]
    alone = await full(draft(preferences=[preference("Sci-Fi", "like", "E12")]))
    assert reasons(alone) == ["too_little_evidence: Sci-Fi"]


async def test_a_refused_claim_is_sent_back_once_with_its_reason() -> None:
    fixes = json.dumps(
        {"fixes": [{"number": 1, "text": "This user enjoys comedies.", "evidence": ["F1"]}]}
    )
    chat = model(
        draft=draft(summary=[said("This user enjoys gritty comedies.", "F1")]), fixes=fixes
    )
    profile = await paint(SUBJECT, chat, "full", SETTINGS)
    assert profile.summary == "This user enjoys comedies." and profile.dropped == []
    assert len(chat.requests) == profile.built_from.calls == 2
    assert "unsupported_word: gritty" in chat.requests[1].messages[-1].content


async def test_a_fix_that_is_wrong_too_is_dropped_and_not_asked_again() -> None:
    fixes = json.dumps(
        {"fixes": [{"number": 1, "text": "This user enjoys bleak comedies.", "evidence": []}]}
    )
    chat = model(
        draft=draft(summary=[said("This user enjoys gritty comedies.", "F1")]), fixes=fixes
    )
    profile = await paint(SUBJECT, chat, "full", SETTINGS)
    assert reasons(profile) == ["unsupported_word: bleak"] and len(chat.requests) == 2
    assert profile.summary_source == "template"


async def test_two_drafts_that_contradict_each_other_do_not_both_stand() -> None:
    claims = [
        preference("Sci-Fi", "like", "E12", "E16"),
        preference("Sci-Fi", "dislike", "E13", "E15"),
    ]
    profile = await full(draft(preferences=claims))
    assert len([p for p in profile.preferences if p.value == "Sci-Fi"]) == 1


# ---------------------------------------------------------------- fields and questions

FIELDS = Settings(
    portrait=PortraitSettings(
        fields={
            "mood": PortraitField(
                description="Mood sought",
                type="choices",
                allowed=["warm", "witty", "dark"],
                update="merge",
            ),
            "medium": PortraitField(
                description="Medium", type="choice", allowed=["film"], update="keep_first"
            ),
        },
        ask=["Which review praises wit?"],
    )
)


def field(name: str, value: object, *evidence: str) -> Json:
    return {"name": name, "value": value, "evidence": list(evidence)}


async def test_fields_and_questions_are_answered_with_evidence_or_unknown() -> None:
    text = draft(
        fields=[field("mood", ["warm", "witty"], "E14"), field("Q1", "“The Full Monty”", "E14")],
        unknowns=["medium"],
    )
    profile = await full(text, settings=FIELDS)
    assert {f.name: f.value for f in profile.fields} == {
        "Which review praises wit?": "“The Full Monty”",
        "mood": ["warm", "witty"],
    }
    assert all(f.evidence == ["e14"] for f in profile.fields)
    assert profile.unknowns == ["medium"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (field("mood", ["cosy"], "E14"), "not_allowed"),
        (field("mood", ["warm"]), "uncited"),
        (field("mood", ["warm"], "E99"), "unknown_evidence"),
        (field("shoe size", "43", "E14"), "unknown_field"),
        (field("Q1", "“Heat”", "E14"), "unsupported"),
    ],
)
async def test_a_field_that_fails_is_dropped_and_listed_as_unknown(answer: Json, code: str) -> None:
    profile = await full(draft(fields=[answer]), settings=FIELDS)
    assert len(profile.dropped) == 1 and code in profile.dropped[0].reason
    assert profile.fields == [] and profile.unknowns == [
        "Which review praises wit?",
        "mood",
        "medium",
    ]


@pytest.mark.parametrize("value", ["unknown", "Unknown.", "", []])
async def test_unknown_is_an_answer_and_no_claim(value: object) -> None:
    profile = await full(draft(fields=[field("mood", value, "E14")]), settings=FIELDS)
    assert profile.dropped == [] and "mood" in profile.unknowns and profile.built_from.claims == 0


async def test_saying_both_an_answer_and_unknown_means_unknown() -> None:
    profile = await full(
        draft(fields=[field("mood", ["warm"], "E14")], unknowns=["Mood"]), settings=FIELDS
    )
    assert profile.fields == [] and "mood" in profile.unknowns


async def test_fields_are_updated_by_their_rules() -> None:
    previous = (await full(draft(), settings=FIELDS)).model_copy(
        update={
            "fields": [
                FieldValue(name="mood", value=["dark"], evidence=["e13"]),
                FieldValue(name="medium", value="film", evidence=["e12"]),
                FieldValue(name="Which review praises wit?", value="none left", evidence=["gone"]),
                FieldValue(name="no longer declared", value="x", evidence=["e12"]),
            ]
        }
    )
    subject = replace(SUBJECT, previous=previous)
    profile = await full(
        draft(fields=[field("mood", ["warm"], "E14")]), settings=FIELDS, subject=subject
    )
    assert {f.name: f.value for f in profile.fields} == {"mood": ["dark", "warm"], "medium": "film"}
    without = await paint(subject, None, "none", FIELDS)
    assert {f.name for f in without.fields} == {"mood", "medium"}


# ---------------------------------------------------------------- long histories

PARTS = [
    Window(user_id="u1", events=EVENTS[:2], total=40, tokens=80),
    Window(user_id="u1", events=EVENTS[2:], total=40, tokens=120),
]


def in_parts(*, broken: int = -1, seen: list[ChatRequest] | None = None) -> FakeChat:
    def answer(request: ChatRequest) -> str | Exception:
        if seen is not None:
            seen.append(request)
        if not request.prompt.startswith("portrait-part"):
            return draft(summary=[said("This user enjoys “Blade Runner”.", "E16")])
        first = "[12]" in request.messages[-1].content
        if broken == (0 if first else 1):
            return ModelUnavailableError("gone")
        notes = [
            said("This user enjoys “Star Wars”.", "E12"),
            said("They adore gritty films.", "E12"),
        ]
        return json.dumps(
            {"notes": notes if first else [said("This user enjoys “Blade Runner”.", "E16")]}
        )

    return FakeChat(answer)


async def test_a_very_long_history_is_read_in_parts_and_merged() -> None:
    seen: list[ChatRequest] = []
    profile = await paint(replace(SUBJECT, parts=PARTS), in_parts(seen=seen), "full", SETTINGS)
    assert [request.prompt.split("@")[0] for request in seen] == [
        "portrait-part",
        "portrait-part",
        "portrait-merge",
    ]
    merge = seen[-1].messages[-1].content
    assert "This user enjoys “Star Wars”. [E12]" in merge and "gritty" not in merge
    assert profile.summary == "This user enjoys “Blade Runner”."
    built = profile.built_from
    assert (built.parts, built.calls, built.window_events, built.claims) == (2, 3, 5, 4)
    assert len(profile.dropped) == 1 and "gritty" in profile.dropped[0].claim


async def test_a_part_that_fails_leaves_the_others_and_a_note() -> None:
    profile = await paint(replace(SUBJECT, parts=PARTS), in_parts(broken=0), "full", SETTINGS)
    assert profile.summary_source == "llm" and "1 of 2 parts" in profile.notes[0].text


# ---------------------------------------------------------------- when the model fails


def down(request: ChatRequest) -> Exception:
    return ModelUnavailableError("nobody answers")


@pytest.mark.parametrize("grade", ["phrase", "full"])
@pytest.mark.parametrize("answer", [down, lambda request: "not json"])
async def test_a_model_that_fails_costs_its_words_only(
    grade: Grade, answer: Callable[[ChatRequest], str | Exception]
) -> None:
    profile = await paint(SUBJECT, FakeChat(answer), grade, SETTINGS)
    template = await paint(SUBJECT, None, "none", SETTINGS)
    assert profile.model_dump(exclude={"notes"}) == template.model_dump(exclude={"notes"})
    assert len(profile.notes) == 1


async def test_a_model_that_dies_before_the_repair_keeps_the_draft() -> None:
    def answer(request: ChatRequest) -> str | Exception:
        if request.prompt.startswith("portrait-repair"):
            return ModelUnavailableError("gone")
        return draft(
            summary=[
                said("This user is fond of drama.", "F3"),
                said("They adore gritty films.", "F3"),
            ]
        )

    profile = await paint(SUBJECT, FakeChat(answer), "full", SETTINGS)
    assert (
        profile.summary == "This user is fond of drama."
        and "gone" in profile.notes[0].text
        and len(profile.dropped) == 1
    )


async def test_money_that_is_spent_ends_the_run_not_the_words() -> None:
    chat = FakeChat(lambda request: BudgetSpentError("spent"))
    with pytest.raises(BudgetSpentError):
        await paint(SUBJECT, chat, "full", SETTINGS)


# ---------------------------------------------------------------- what leaves the machine


async def test_no_user_id_and_only_named_demographics_are_sent() -> None:
    user = User(user_id="secret-id-77", attributes={"age": "34", "gender": "F"})
    chat = FakeChat(lambda request: draft(), hosted=True)
    await paint(
        replace(SUBJECT, user=user),
        chat,
        "full",
        Settings(privacy=PrivacySettings(demographics=["age"])),
    )
    sent = "\n".join(message.content for request in chat.requests for message in request.messages)
    assert "secret-id-77" not in sent and "age: 34" in sent and "gender" not in sent
    assert chat.requests[0].user_id == "secret-id-77"


async def test_reviews_are_masked_for_a_hosted_model_only() -> None:
    line = EVENTS[0].model_copy(update={"line": "[12] write to anna@example.org"})
    subject = replace(SUBJECT, window=WINDOW.model_copy(update={"events": [line, *EVENTS[1:]]}))
    for hosted in (True, False):
        chat = FakeChat(lambda request: draft(), hosted=hosted)
        await paint(subject, chat, "full", SETTINGS)
        assert ("anna@example.org" in chat.requests[0].messages[-1].content) is not hosted


# ---------------------------------------------------------------- cost


def test_an_estimate_scales_the_sample() -> None:
    settings = Settings(llm=LlmSettings(prices={"m": Price(input=1.0, output=2.0)}))
    one = estimate([SUBJECT], 1, "m", "phrase", settings, hosted=True)
    many = estimate([SUBJECT, SUBJECT], 1000, "m", "phrase", settings, hosted=True)
    assert many.calls == 1000 * one.calls == 1000
    assert many.input_tokens == 1000 * one.input_tokens > 0
    assert many.cost == pytest.approx((many.input_tokens + 2 * many.output_tokens) / 1e6, abs=1e-3)
    full_grade = estimate([SUBJECT], 1000, "m", "full", settings, hosted=True)
    parts = estimate([replace(SUBJECT, parts=PARTS)], 1000, "m", "full", settings, hosted=True)
    assert many.input_tokens < full_grade.input_tokens < parts.input_tokens and parts.calls == 3500
    assert estimate([SUBJECT], 10, None, "none", settings).calls == 0
    assert estimate([SUBJECT], 1000, "m", "phrase", settings).hours > many.hours


async def test_an_estimate_is_near_what_is_sent() -> None:
    chat = phrasing()
    await paint(SUBJECT, chat, "phrase", SETTINGS)
    sent = [message.content for request in chat.requests for message in request.messages]
    counted = sum(tokens.count(text) for text in sent)
    assert (
        0
        <= estimate([SUBJECT], 1, "fake", "phrase", SETTINGS).input_tokens - counted
        <= 4 * len(sent)
    )


def test_the_digest_of_settings_names_what_shapes_a_portrait() -> None:
    assert settings_digest(SETTINGS) == settings_digest(Settings(llm=LlmSettings(threads=7)))
    assert settings_digest(SETTINGS) != settings_digest(FIELDS)


def test_items_named_twice_in_parts_are_an_error() -> None:
    with pytest.raises(ValueError, match="two parts"):
        replace(SUBJECT, parts=[PARTS[0], PARTS[0]]).shown()


# ---------------------------------------------------------------- from events to a subject


ITEMS = {
    f"i{n}": Item(item_id=f"i{n}", title=f"Tale {n}", categories=[("Comedy", "Drama")[n % 2]])
    for n in range(50)
}


def long_history(events: int) -> list[Event]:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    return [
        Event(
            event_id=f"e{n}",
            user_id="u1",
            item_id=f"i{n % 50}",
            type="like",
            timestamp=begin + timedelta(days=n),
        )
        for n in range(events)
    ]


@pytest.mark.parametrize(
    ("grade", "events", "parts"),
    [("full", 30, 0), ("full", 130, 3), ("phrase", 130, 0), ("none", 130, 0)],
)
def test_a_subject_has_what_its_grade_reads(grade: Grade, events: int, parts: int) -> None:
    history = long_history(events)
    settings = Settings(portrait=PortraitSettings(parts_above=100, max_parts=3, window_tokens=400))
    order = np.arange(events, dtype=np.int64)
    nil = np.zeros(events, np.int16)
    columns = Interactions(
        ["u1"],
        list(ITEMS),
        ["like"],
        [""],
        nil.astype(np.int32),
        (order % 50).astype(np.int32),
        nil,
        nil,
        np.full(events, np.nan),
        order,
        order + 1,
    )
    population = build_population(columns, list(ITEMS.values()), np.ones(events, np.float32))
    subject = subject_of(
        User(user_id="u1"), history, ITEMS, population, settings, scales={}, grade=grade
    )
    assert len(subject.parts) == parts and subject.population == population.version
    assert bool(subject.window.events) is (grade == "full") and subject.window.tokens <= 400
    assert all(part.tokens <= 400 for part in subject.parts)
    assert subject.shown().total == events


async def test_first_signs_are_not_put_to_a_model_that_makes_a_passion_of_them() -> None:
    signs = [fact(1, "Comedy", count=1, share=1.0, negative=0, trend="unknown", evidence=("e14",))]
    chat = FakeChat(lambda request: "{}")
    profile = await paint(
        replace(SUBJECT, facts=UserFacts("u1", signs, [])), chat, "phrase", SETTINGS
    )
    assert not chat.requests and profile.summary.startswith(("First signs", "So far"))
    assert (profile.grade, profile.source, profile.model) == ("phrase", "template", chat.name)


@pytest.mark.parametrize("code", supported_languages())
def test_a_sentence_must_say_what_its_claim_says(code: str) -> None:
    language = load_language(code)
    claims = claims_of(FACTS, TRAITS, language)
    assert {"likes", "share", "dislikes"} <= {claim.key for claim in claims}
    for claim in claims:
        assert unsaid(claim.template, claim.key, language) == "", claim.template
    named = ", ".join(claims[0].content)
    assert {
        key
        for key in ("likes", "dislikes", "share", "interest_rising")
        if unsaid(named, key, language)
    } == {"likes", "dislikes", "share", "interest_rising"}


async def test_a_dislike_that_is_only_named_falls_back() -> None:
    profile = await paint(
        SUBJECT, phrasing(dislikes="Horror is a genre that is less known."), "phrase", SETTINGS
    )
    assert any(one.reason.startswith("off_claim") for one in profile.dropped)


def test_a_single_like_of_looks_is_one_sentence_in_template_words() -> None:
    language = load_language("en")
    looked = fact(1, "Comedy", count=40, share=0.6, base=0.1, trend="unknown").model_copy(
        update={"looked": True}
    )
    (claim,) = claims_of([looked], [], language)
    assert not claim.is_asked and "looked at" in claim.template
    (likes, share) = claims_of([looked.model_copy(update={"looked": False})], [], language)
    assert likes.is_asked and share.is_asked
