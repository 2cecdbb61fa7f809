"""The words of the page, and the small pieces that choose and cut them."""

import ast
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from limner.core.messages import catalogue
from limner.web.render import cited
from limner.web.retold import Told, read_forms
from limner.web.talk import lines
from limner.web.words import LANGUAGES, chosen, read_words


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


# ---------------------------------------------------------------- notes and errors


def test_notes_and_errors_are_said_anew() -> None:
    told = read_words()["zh"].told
    assert told("No item has genre: Noir, so its quota changes nothing.") == Told(
        "没有物品符合 genre: Noir，其配额不起作用。", "zh"
    )
    inner = "In template words and not stored: Another request is changing the store; ask again."
    assert told(inner).text == "使用模板措辞，且未保存：另一请求正在更改数据库；请再试。"
    assert told("The condition 'age >' cannot be used: a value is missing after 'age >'.").text == (
        "条件“age >”无法使用：“age >”之后缺少数值。"
    )
    assert told("Something else.") == Told("Something else.", "en")
    english = "There is no user 'x' in the store; ids are used exactly as in the data."
    assert read_words()["en"].told(english) == Told(english, "en")
    assert told(english).text == "库中没有用户“x”；编号须与数据完全一致。"


def test_the_more_telling_form_is_taken() -> None:
    told = read_words()["zh"].told
    assert told("query.n: Input should be less than or equal to 50").text == "n：不得大于 50"
    assert told("form.type: Input should be 'like' or 'hide'").text == "type：应为 'like' or 'hide'"


def test_sentences_take_the_same_values_in_every_language() -> None:
    for form in read_forms():
        assert set(form.said) == set(LANGUAGES)
        english, other = (set(re.findall(r"\{(\w+)\}", form.said[code])) for code in ("en", "zh"))
        assert other <= english, form.said["en"]


FOREIGN = ("{where}.{name}: ", "Not Found")
"""What other packages say."""


def test_sentences_are_those_that_the_code_says() -> None:
    """A note that is worded otherwise one day must be so here too."""
    sentences = [*_sentences("agent", "tools"), *_coded()]
    said = [one for one in sentences if len(one.replace("\0", "")) > 8]
    patterns = [re.compile(".*".join(map(re.escape, one.split("\0"))), re.DOTALL) for one in said]
    for form in read_forms():
        english = form.said["en"]
        if not english.startswith(FOREIGN):
            assert any(one.fullmatch(english) for one in patterns), english


def _coded() -> Iterator[str]:
    """Every English text of the message catalogue, in the same form."""
    for said in catalogue().values():
        if isinstance(english := said["en"], str):
            yield re.sub(r"\{\w+(:[^}]*)?\}", "\0", english)


def _sentences(*packages: str) -> Iterator[str]:
    """Every string of the code, with a zero byte in place of each value."""
    for package in packages:
        for file in (Path(__file__).parents[2] / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        str(one.value) if isinstance(one, ast.Constant) else "\0"
                        for one in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
