"""Embeddings from an OpenAI-compatible endpoint; tenacity retries as for chat."""

from collections.abc import Sequence

from agent.config import LlmSettings
from agent.errors import ModelRefusedError, ModelUnavailableError

_BATCH = 256


def embed_texts(llm: LlmSettings, model: str, texts: Sequence[str]) -> list[list[float]]:
    """One vector a text, in order. Raises ModelUnavailableError or ModelRefusedError."""
    import openai
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

    client = openai.OpenAI(
        api_key=llm.api_key or "none", base_url=llm.base_url or None, max_retries=0, timeout=llm.timeout
    )
    passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
    again = Retrying(
        retry=retry_if_exception_type(passing),
        stop=stop_after_delay(llm.retry_budget),
        wait=wait_random_exponential(multiplier=0.5, max=8),
        reraise=True,
    )
    vectors: list[list[float]] = []
    try:
        with client:
            for at in range(0, len(texts), _BATCH):
                part = list(texts[at : at + _BATCH])
                answer = again(client.embeddings.create, model=model, input=part, encoding_format="float")
                vectors += [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
    except passing as error:
        raise ModelUnavailableError(f"The embedding endpoint cannot be reached: {error}.") from error
    except openai.APIStatusError as error:
        raise ModelRefusedError(f"The embedding endpoint refused: {error.message}.") from error
    return vectors
