"""Vectors of short passages are made once."""

from collections.abc import Sequence

import numpy as np

from limner.index.embedders import Remembering, Vectors
from limner.testing import FakeEmbedder


class Counting(FakeEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def passages(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return super().passages(texts)


def test_a_short_passage_is_embedded_once_and_a_long_one_each_time() -> None:
    inner = Counting()
    embedder, long = Remembering(inner), "a summary of many words " * 10
    texts = ["Drama (genre)", long, "War (genre)", "Drama (genre)"]
    first = embedder.passages(texts)
    assert inner.asked == ["Drama (genre)", long, "War (genre)"]
    assert np.array_equal(first, FakeEmbedder().passages(texts))
    again = embedder.passages(["War (genre)", long, "Noir (genre)"])
    assert inner.asked[3:] == [long, "Noir (genre)"]
    assert np.array_equal(again[:2], first[[2, 1]])
    assert embedder.passages([]).shape == (0, embedder.dimensions)
    assert (embedder.name, embedder.dimensions) == (inner.name, inner.dimensions)


def test_what_is_kept_is_bounded() -> None:
    inner = Counting()
    embedder = Remembering(inner)
    embedder.passages([f"{at}" for at in range(6000)])
    embedder.passages(["new"])
    before = len(inner.asked)
    embedder.passages(["new", "1"])
    assert inner.asked[before:] == ["1"]
