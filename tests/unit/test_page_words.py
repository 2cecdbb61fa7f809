"""The words of the page, and the small pieces that choose and cut them."""

import re
from importlib import resources

import pytest

from limner.api.languages import preferred
from limner.core.columns import Nouns
from limner.core.errors import BadInputError
from limner.core.filters import parse
from limner.core.messages import LANGUAGES as MESSAGE_LANGUAGES
from limner.core.messages import message, plain
from limner.web.render import cited
from limner.web.talk import lines
from limner.web.words import LANGUAGES, read_words


def _templates() -> str:
    folder = resources.files("limner.web").joinpath("templates")
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
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de,zh;q=0.5,en;q=0.7", "en"),
        ("fr", "en"),
        ("zh;q=0", "en"),
        ("en-GB", "en"),
        ("zh;q=x,en", "en"),
        (",;", "en"),
    ],
)
def test_the_browsers_language(accepted: str, code: str) -> None:
    assert preferred(accepted) == code


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


# ---------------------------------------------------------------- notes and errors


def test_notes_and_errors_are_said_in_the_language_of_the_page() -> None:
    said = read_words()["zh"].message
    assert said(message("list.idle_quota", what="genre: Noir")) == (
        "没有物品符合 genre: Noir，其配额不起作用。",
        "zh",
    )
    inner = message("portrait.unstored", why=message("store.other_request"))
    assert said(inner).text == "使用模板措辞，且未保存：另一请求正在更改数据库；请再试。"
    with pytest.raises(BadInputError) as raised:
        parse("age >")
    assert said(raised.value.message).text == "条件“age >”无法使用：“age >”之后缺少数值。"
    assert said(plain("Something else.")) == ("Something else.", "en")
    unknown = message("user.unknown", user="x")
    assert read_words()["en"].message(unknown) == (unknown.text, "en")
    assert said(unknown).text == "库中没有用户“x”；编号须与数据完全一致。"


def test_counts_in_notes_are_worded_by_the_language() -> None:
    note = message("list.short", given=1234, asked=5000)
    words = read_words()
    assert words["en"].message(note).text.startswith("1,234 of 5,000 items")
    assert words["zh"].message(note).text.startswith("要求 5,000 件，得 1,234 件")
    for n, noun in ((1, "character"), (2, "characters")):
        wrong = message("input.string_too_short", min_length=n)
        assert words["en"].message(wrong).text == f"String should have at least {n} {noun}"
        assert words["zh"].message(wrong).text == f"至少 {n} 个字符"


def test_the_page_speaks_the_languages_of_the_messages() -> None:
    assert set(LANGUAGES) == set(MESSAGE_LANGUAGES)


def test_the_page_calls_items_what_the_catalogue_calls_them() -> None:
    words, nouns = read_words(), Nouns(item="film", items="films")
    english = words["en"].calling(nouns)
    assert english("tool-popular_items") == "popular films"
    assert english("tool-item") == "a film"
    assert english("home-counts", users=1, events=2, items=3) == "1 users, 2 events, 3 films."
    assert english.value("price band", "low") == "low-priced films"
    assert words["zh"].calling(nouns).forms is words["zh"].forms
