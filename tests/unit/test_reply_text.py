"""What a model says, apart from what it thinks."""

import pytest

from limner.llm.reply_text import joined_text, without_thinking


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Plain.", "Plain."),
        ("<think>\nhm {a}\n</think>\n\nSaid.", "Said."),
        ("<THINKING>a</THINKING><think>b</think> Said.", "Said."),
        ("They want {x}.\n</think>\nSaid.", "Said."),
        ("<think>cut off in the mid", ""),
        ("Write <think> in the page, then </think>.", "Write <think> in the page, then </think>."),
        ("", ""),
    ],
)
def test_thinking_in_tags_is_left_out(text: str, said: str) -> None:
    assert without_thinking(text) == said


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([{"type": "text", "text": "a"}, "b", {"text": "c"}], "abc"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], ""),
        ([{"type": "image_url", "text": 3}, 7], ""),
    ],
)
def test_parts_of_an_answer_are_joined(content: object, text: str) -> None:
    assert joined_text(content) == text
