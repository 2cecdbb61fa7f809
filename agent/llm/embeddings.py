"""Embeddings from an OpenAI-compatible endpoint; tenacity retries as for chat."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from limner.core.errors import ModelRefusedError, ModelUnavailableError
from limner.core.settings import Settings
from limner.llm.dialect import Complaint
from limner.llm.endpoint import ModelEndpoint

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types import CreateEmbeddingResponse
    from tenacity import RetryCallState, Retrying

_SHORTENED = 6
"""Times that a text which the model finds too long is halved."""
_TOO_MANY = re.compile(r"batch|too many|at most|larger than|array|inputs?\b", re.IGNORECASE)


class EmbeddingClient:
    """Asks one endpoint for vectors. How many texts it takes at once, and how long they may be, is
    learned from what it refuses.
    """

    def __init__(self, settings: Settings, model: str) -> None:
        embed, self._llm, self._model = settings.embed, settings.llm, model
        own = bool(embed.base_url)
        self._endpoint = ModelEndpoint.parse(
            embed.base_url or self._llm.base_url,
            embed.api_key if own else embed.api_key or self._llm.api_key,
        )
        self._batch = embed.batch
        self._longest: int | None = None
        """Characters that a text may have; None while none was too long."""

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """One a text, in order. Raises ModelUnavailableError or ModelRefusedError."""
        vectors: list[list[float]] = []
        with self._endpoint.client(self._llm.timeout) as client:
            while len(vectors) < len(texts):
                part = texts[len(vectors) : len(vectors) + self._batch]
                vectors += self._embedded(client, part)
        return vectors

    def _embedded(self, client: "OpenAI", texts: Sequence[str]) -> list[list[float]]:
        """The vectors of these texts, or of the first of them where they are too many at once."""
        import openai

        for _ in range(_SHORTENED):
            sent = [text[: self._longest] for text in texts]
            try:
                answer = self._retrying()(
                    client.embeddings.create, model=self._model, input=sent, encoding_format="float"
                )
                return _in_order(answer, sent)
            except openai.APIStatusError as error:
                complaint = Complaint.of(error)
                if complaint.is_length and len(sent) == 1:
                    self._longest = max(1, len(sent[0]) // 2)
                elif complaint.status in (400, 413, 422) and len(sent) > 1:
                    self._batch = _smaller(complaint, len(sent))
                    texts = texts[: self._batch]
                else:
                    raise self._failure(error, complaint) from error
            except openai.APIConnectionError as error:
                raise self._away(error) from error
        raise ModelRefusedError("embedder.too_long", model=self._model, n=len(texts[0]))

    def _failure(
        self, error: "APIStatusError", complaint: Complaint
    ) -> ModelRefusedError | ModelUnavailableError:
        if complaint.is_passing:
            return self._away(error)
        return ModelRefusedError(
            "embedder.refused",
            model=self._model,
            url=self._endpoint.url,
            status=complaint.status,
            detail=complaint.detail,
        )

    def _away(self, error: Exception) -> ModelUnavailableError:
        return ModelUnavailableError("embedder.no_answer", url=self._endpoint.url, error=error)

    def _retrying(self) -> "Retrying":
        import openai
        from tenacity import Retrying, retry_if_exception, wait_random_exponential

        llm = self._llm
        backoff = wait_random_exponential(multiplier=llm.backoff, max=8)

        def passing(error: BaseException) -> bool:
            if isinstance(error, openai.APIStatusError):
                return Complaint.of(error).is_passing
            return isinstance(error, openai.APIConnectionError)

        def wait(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, openai.APIStatusError):
                return backoff(state) + (Complaint.of(error).retry_after or 0.0)
            return backoff(state)

        def stop(state: "RetryCallState") -> bool:
            return (state.seconds_since_start or 0.0) + state.upcoming_sleep > llm.retry_budget

        return Retrying(retry=retry_if_exception(passing), stop=stop, wait=wait, reraise=True)


def _smaller(complaint: Complaint, sent: int) -> int:
    """How many texts to send instead: the number that the server names, else half."""
    named = [int(n) for n in re.findall(r"(?<![\w.<])\d{1,4}(?![\w>])", complaint.text)]
    fits = [n for n in named if 0 < n < sent]
    if fits and _TOO_MANY.search(complaint.text):
        return max(fits)
    return max(1, sent // 2)


def _in_order(answer: "CreateEmbeddingResponse", texts: Sequence[str]) -> list[list[float]]:
    """By the index of each vector, or as they came where the indices do not tell them apart.

    Raises ModelUnavailableError where there is not one a text.
    """
    rows = answer.data or []
    if len(rows) != len(texts):
        raise ModelUnavailableError("embedder.wrong_count", n=len(rows), asked=len(texts))
    if {row.index for row in rows} == set(range(len(rows))):
        rows = sorted(rows, key=lambda row: row.index)
    return [row.embedding for row in rows]
