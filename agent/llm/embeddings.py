"""Embeddings from an OpenAI-compatible endpoint; tenacity retries as for chat."""

from collections.abc import Sequence

from limner.core.errors import ModelRefusedError, ModelUnavailableError
from limner.core.settings import LlmSettings
from limner.llm.openai_chat import _retry_after

_BATCH = 256


def embed_texts(llm: LlmSettings, model: str, texts: Sequence[str]) -> list[list[float]]:
    """One vector a text, in order. Raises ModelUnavailableError or ModelRefusedError."""
    import openai
    from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

    client = openai.OpenAI(
        api_key=llm.api_key or "none",
        base_url=llm.base_url or None,
        max_retries=0,
        timeout=llm.timeout,
    )
    passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
    backoff = wait_random_exponential(multiplier=llm.backoff, max=8)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = (
            _retry_after(error.response.headers)
            if isinstance(error, openai.APIStatusError)
            else None
        )
        return backoff(state) + (asked or 0.0)

    again = Retrying(
        retry=retry_if_exception_type(passing),
        stop=lambda state: (
            (state.seconds_since_start or 0.0) + state.upcoming_sleep > llm.retry_budget
        ),
        wait=wait,
        reraise=True,
    )
    vectors: list[list[float]] = []
    try:
        with client:
            for at in range(0, len(texts), _BATCH):
                part = list(texts[at : at + _BATCH])
                answer = again(
                    client.embeddings.create, model=model, input=part, encoding_format="float"
                )
                vectors += [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
    except passing as error:
        raise ModelUnavailableError("embedder.no_answer", error=error) from error
    except openai.APIStatusError as error:
        raise ModelRefusedError(
            "embedder.refused", model=model, status=error.status_code
        ) from error
    return vectors
