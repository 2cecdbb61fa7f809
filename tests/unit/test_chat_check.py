"""The check of a model's answer: what results hold stays, everything else goes, sentence by
sentence.
"""

from collections.abc import Iterator

import pytest

from limner.chat.check import check
from limner.chat.compose import AnswerLine, lines_of, sentences, text_of
from limner.chat.conversation import Conversation
from limner.engine import Engine
from limner.tools import ToolStatement
from tests.unit.chat_store import make_engine

QUESTION = "Who has more events, and what does user 13 like?"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("check") / "store")
    yield made
    made.store.close()


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


@pytest.fixture
def lines(talk: Conversation) -> list[AnswerLine]:
    likes = ToolStatement(
        form="preference",
        values={"value": "Film-Noir", "facet": "genre", "trend": ""},
        evidence=["ev-0"],
    )
    return lines_of(
        [
            ToolStatement(
                form="compare.events",
                values={
                    "more": "13",
                    "n": 6,
                    "less": "7",
                    "m": 3,
                    "type": "",
                    "of": "",
                    "when": "",
                    "what": "",
                },
                evidence=["ev-5", "ev-8"],
            ),
            ToolStatement(form="portrait.likes", values={"user": "13", "things": likes}),
        ],
        "en",
        talk,
    )


@pytest.mark.parametrize(
    "text",
    [
        "User 13 has more events than user 7: 6 against 3. [e1]",
        "User 13 likes “Film-Noir”. [e3]",
        "It is user 13, with 6 events. [e1] They like Film-Noir. [e3]",
    ],
)
def test_what_the_results_hold_stays(
    engine: Engine, talk: Conversation, lines: list[AnswerLine], text: str
) -> None:
    found = check(engine, text, lines, QUESTION, talk)
    assert found.text == text and not found.dropped


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("User 13 has 60 events.", "60"),
        ("User 7 has more events than user 13.", "who has more"),
        ("User 13 dislikes Film-Noir.", "dislike"),
        ("User 13 likes comedy.", "Comedy"),
        ("User 13 watched “Fargo”.", "Fargo"),
        ("User ann-1 likes Film-Noir.", "ann-1"),
        ("User 13 likes Film-Noir because it has more events.", "a reason"),
        ("User 13 likes the Film-Noir era.", "Film-Noir for another facet"),
    ],
)
def test_what_they_do_not_hold_goes(
    engine: Engine, talk: Conversation, lines: list[AnswerLine], text: str, wrong: str
) -> None:
    found = check(engine, text, lines, QUESTION, talk)
    assert found.text == "" and found.dropped == (wrong,)


def test_the_failing_sentence_goes_and_the_rest_stays(
    engine: Engine, talk: Conversation, lines: list[AnswerLine]
) -> None:
    text = "User 13 has 6 events. [e1] User 13 likes Film-Noir. [e3] They also own 99 hats."
    found = check(engine, text, lines, QUESTION, talk)
    assert found.text == "User 13 has 6 events. [e1] User 13 likes Film-Noir. [e3]"
    assert found.dropped == ("99",)


def test_marks_of_no_event_are_taken_out_and_missing_ones_put_in(
    engine: Engine, talk: Conversation, lines: list[AnswerLine]
) -> None:
    found = check(
        engine, "User 13 has 6 events, user 7 has 3. [e77] [e<event>]", lines, QUESTION, talk
    )
    assert "[e77]" not in found.text and "<event>" not in found.text and "[e1]" in found.text


def test_too_little_left_is_nothing(
    engine: Engine, talk: Conversation, lines: list[AnswerLine]
) -> None:
    text = "User 13 has 6 events. They have 4 cats. They have 5 dogs."
    assert check(engine, text, lines, QUESTION, talk).text == ""


def test_sentences_joined_are_the_text() -> None:
    text = (
        "1. “What now? (1999)”: You liked it. [e1] [e2]\n2. “M”: Fine.\nUser 5 has "
        "“A. B.” [e3]; done! 好。是的。[e4] x"
    )
    parts = sentences(text)
    assert "".join(parts) == text
    assert parts[0].strip() == "1. “What now? (1999)”: You liked it. [e1] [e2]"


def test_lists_stand_on_lines_of_their_own() -> None:
    lines = [
        AnswerLine("For you:", "recommend.lead"),
        AnswerLine("1. A", "recommend.item"),
        AnswerLine("Then.", "chat.read_user"),
    ]
    assert text_of(lines, "en") == "For you:\n1. A Then."


def test_a_taste_that_no_line_tells_of_goes(engine: Engine, talk: Conversation) -> None:
    counted = [AnswerLine("User 13 had 6 items of Film-Noir.", "counted", ("ev-5",))]
    found = check(
        engine, "User 13 likes Film-Noir: 6 items.", counted, "What does user 13 like?", talk
    )
    assert found.text == "" and found.dropped == ("like",)


def test_a_reason_stays_where_a_line_gives_one(engine: Engine, talk: Conversation) -> None:
    told = [
        AnswerLine(
            "“Fargo” is recommended to user 13 because user 13 likes Film-Noir.",
            "reason",
            ("ev-5",),
        )
    ]
    text = "“Fargo” is recommended because user 13 likes Film-Noir. [e1]"
    assert check(engine, text, told, "Why is Fargo recommended to user 13?", talk).text == text
