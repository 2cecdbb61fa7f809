"""Problems and notes in the reader's language, by the API and on the page."""

import html
import json
from collections.abc import Iterator

import httpx
import pytest

from limner.client import LimnerClient, LimnerRefused
from limner.core.messages import Message, message
from limner.core.schema import Recommendations
from limner.server import create_app
from tests.http.live import Live, live, small_engine

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
UNKNOWN = message("user.unknown", user="eve")
LIST = "/v1/users/ann/recommendations"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    engine = small_engine(tmp_path_factory.mktemp("languages"), body_bytes=2000)
    with live(create_app(engine), engine.settings.server) as running:
        yield running


@pytest.fixture
def client(server: Live) -> httpx.Client:
    return server.client


def test_a_problem_is_english_by_default_and_holds_a_code_and_arguments(
    client: httpx.Client,
) -> None:
    answer = client.get("/v1/users/eve")
    assert answer.status_code == 404 and answer.headers["content-language"] == "en"
    assert answer.headers["vary"] == "Accept-Language"
    document = answer.json()
    assert document["detail"] == UNKNOWN.text and document["code"] == "unknown_id"
    assert document["message"] == {
        "code": "user.unknown",
        "args": {"user": "eve"},
        "text": UNKNOWN.text,
    }
    assert client.get("/v1/users/eve", headers={"Accept-Language": "fr"}).json() == document


def test_a_problem_is_said_in_the_language_that_is_accepted(client: httpx.Client) -> None:
    answer = client.get("/v1/users/eve", headers=CHINESE)
    assert answer.headers["content-language"] == "zh"
    assert answer.json()["detail"] == "库中没有用户“eve”；编号须与数据完全一致。"
    assert answer.json()["message"]["text"] == UNKNOWN.text


@pytest.mark.parametrize(
    ("method", "path", "sent", "detail"),
    [
        ("GET", f"{LIST}?n=1000", b"", "query.n：不得大于 100"),
        ("GET", f"{LIST}?more=1", b"", "query.more：没有这个参数"),
        ("GET", "/v1/nothing", b"", "没有这个页面。"),
        ("PUT", "/v1/users", b"", "此地址不支持这种请求方式。"),
        ("POST", "/v1/chat", b"x" * 2001, "请求内容最多 2,000 字节；请分次发送。"),
        (
            "GET",
            f"{LIST}?filter=shoe%20%3D%201",
            b"",
            "没有物品带有“shoe”；物品的属性有 source, category, item_id, price, text, title。",
        ),
    ],
)
def test_what_is_refused_is_said_so_too(
    client: httpx.Client, method: str, path: str, sent: bytes, detail: str
) -> None:
    headers = {**CHINESE, "Content-Type": "application/json"}
    answer = client.request(method, path, headers=headers, content=sent)
    assert answer.status_code >= 400 and answer.headers["content-language"] == "zh"
    assert answer.json()["detail"] == detail


def test_a_problem_that_no_catalogue_words_is_marked_as_english(client: httpx.Client) -> None:
    answer = client.post("/v1/users", json={"rows": []}, headers=CHINESE)
    assert answer.status_code == 422
    assert answer.json()["message"]["args"]["why"]["code"] == "plain"


def test_notes_are_objects_with_english_text(client: httpx.Client) -> None:
    answer = client.get(LIST, headers=CHINESE)
    notes = answer.json()["notes"]
    assert notes and all(set(note) == {"code", "args", "text"} for note in notes)
    popular = message("list.popular")
    assert popular.model_dump() in notes
    assert popular in Recommendations.model_validate_json(answer.content).notes


def test_the_client_reads_messages(server: Live) -> None:
    with LimnerClient(f"http://127.0.0.1:{server.port}") as limner:
        assert all(isinstance(note, Message) for note in limner.recommend("ann", 1).notes)
        with pytest.raises(LimnerRefused) as raised:
            limner.user("eve")
    assert raised.value.message == UNKNOWN and raised.value.detail == UNKNOWN.text


def test_the_page_says_notes_in_its_language(client: httpx.Client) -> None:
    headers = {"Accept": "text/html"}
    page = client.get("/users/ann?lang=zh", headers=headers).text
    assert "对该用户所知太少；以下为其他用户中热门的物品。" in page
    page = client.get("/users/ann?lang=en", headers=headers).text
    assert message("list.popular").text in page


def test_the_page_says_errors_in_its_language(client: httpx.Client) -> None:
    headers = {"Accept": "text/html"}
    page = client.get("/users/eve?lang=zh", headers=headers)
    assert page.status_code == 404
    assert '<p class="lead" lang="zh" dir="auto">库中没有用户“eve”' in page.text
    english = html.unescape(client.get("/users/eve?lang=en", headers=headers).text)
    assert UNKNOWN.text in english
    found = client.get("/?q=age%20%3E&lang=zh", headers=headers).text
    assert "“age &gt;”之后缺少数值" in found or "“age >”之后缺少数值" in found


def test_stored_answers_do_not_depend_on_the_reader(client: httpx.Client) -> None:
    texts = [
        [note["text"] for note in json.loads(client.get(LIST, headers=one).content)["notes"]]
        for one in ({}, CHINESE)
    ]
    assert texts[0] == texts[1]
