"""Words of any script, and BM25 against its formula."""

import math

import numpy as np
import pytest

from limner.core.schema import Item
from limner.index.documents import plain_text
from limner.retrieve import BM25, History, bm25_postings, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Lion King (1994), O'Brien!", ["the", "lion", "king", "1994", "o'brien"]),
        ("京剧演员的电影", ["京剧", "演员", "的", "电影"]),
        ("宮崎駿の映画です", ["宮崎", "駿", "の", "映画", "です"]),
        ("나 홀로 집에", ["나", "홀로", "집에"]),
        ("Straße, CAFÉ", ["strasse", "café"]),
        ("  … !", []),
    ],
)
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_bm25_is_its_formula() -> None:
    texts = ["red gift card", "red red lamp", "blue gift", ""]
    channel = BM25(bm25_postings(texts, k1=1.2, b=0.75), half_life=math.inf)
    asked = History(np.array([0]), np.array([1.0], np.float32))
    mean = sum(len(text.split()) for text in texts) / len(texts)

    def of(word: str, text: str) -> float:
        n = sum(word in one.split() for one in texts)
        count = text.split().count(word)
        idf = math.log(1 + (len(texts) - n + 0.5) / (n + 0.5))
        return idf * count / (count + 1.2 * (1 - 0.75 + 0.75 * len(text.split()) / mean))

    expected = [sum(of(word, text) for word in ("red", "gift", "card")) for text in texts]
    assert channel.score([asked])[0] == pytest.approx(expected, rel=1e-5)
    disliked = History(np.array([0]), np.array([-1.0], np.float32))
    assert channel.score([disliked])[0] == pytest.approx([-one for one in expected], rel=1e-5)


def test_words_that_add_most_ask_for_a_user_with_many(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the rare", "the other", "the rare thing", "the last"]
    whole = BM25(bm25_postings(texts))
    asked = [History(np.array([0]), np.array([1.0], np.float32))]
    full = whole.score(asked)[0]
    monkeypatch.setattr("limner.retrieve.bm25._QUERY_WORDS", 1)
    few = whole.score(asked)[0]
    assert few[2] > 0 and few[1] == few[3] == 0 < full[1]


def test_nothing_is_said_without_words_or_history() -> None:
    assert bm25_postings(["", "…"]).shape == (0, 2)
    channel = BM25(bm25_postings(["one thing", "another"]))
    nobody = History(np.empty(0, np.int64), np.empty(0, np.float32))
    assert channel.score([nobody]).tolist() == [[0.0, 0.0]]


def test_an_items_words_are_its_own() -> None:
    item = Item(
        item_id="7",
        title="Lamp",
        categories=["Home"],
        text="Warm light. " * 200,
        attributes={"brand": "Lux", "colours": ["red", "blue"], "available": True, "stock": 3},
    )
    said = plain_text(item)
    assert (
        said.startswith("Lamp. Home. Lux. red. blue. ") and "True" not in said and len(said) < 900
    )
    assert plain_text(Item(item_id="7")).startswith("7")
