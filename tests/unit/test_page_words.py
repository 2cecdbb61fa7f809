"""The words of the page, and the small pieces that choose and cut them."""

import re
from importlib import resources

import pytest

from agent.web.render import cited
from agent.web.talk import lines
from agent.web.words import LANGUAGES, chosen, read_words


def _templates() -> str:
    folder = resources.files("agent.web").joinpath("templates")
    return "".join(one.read_text(encoding="utf-8") for one in folder.iterdir())


def test_every_key_that_a_template_names_is_there() -> None:
    words = read_words()
    named = set(re.findall(r"\bt\('([a-z0-9-]+)'[,)]", _templates()))
    assert len(named) > 80
    for code in LANGUAGES:
        assert named <= set(words[code].forms)


def test_languages_take_the_same_values() -> None:
    words = read_words()
    for key, form in words["en"].forms.items():
        said = form if isinstance(form, str) else form["other"]
        other = words["zh"].forms[key]
        assert isinstance(other, str)
        assert set(re.findall(r"\{(\w+)\}", other)) <= set(re.findall(r"\{(\w+)\}", said)), key


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("de,zh;q=0.5,en;q=0.7", "en"), ("fr", "en"), ("zh;q=0", "en"),
        ("en-GB", "en"), ("zh;q=x,en", "en"), (",;", "en"),
    ],
)  # fmt: skip
def test_the_browsers_language(accepted: str, code: str) -> None:
    assert chosen(accepted) == code


def test_numbers_and_plurals() -> None:
    words = read_words()
    assert words["en"]("n-events", n=1) == "1 event"
    assert words["en"]("n-events", n=12345) == "12,345 events"
    assert words["zh"]("n-events", n=1) == "1 个事件"


def test_citations_are_cut_out() -> None:
    assert cited("Likes it [e1] [e12]. Yes") == [("Likes it ", "1"), (" ", "12"), (". Yes", "")]
    assert cited("[e1]") == [("", "1")]
    assert cited("plain [x] [e]") == [("plain [x] [e]", "")]


def test_html_as_a_server_sent_event() -> None:
    assert lines("<p>\na\r\nb</p>") == "data: <p>\ndata: a\ndata: b</p>\n\n"
