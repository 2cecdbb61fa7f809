"""Any `Chat` as langchain's chat model, so that a planned conversation goes through the same
client, cache, ledger and budget as every other question to a model.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_function, convert_to_openai_tool
from pydantic import BaseModel, ConfigDict

from limner.core.schema import ChatMessage, ToolUse
from limner.llm import Chat, ChatReply, ChatRequest
from limner.llm.base import ToolSpec


class LangchainModel(BaseChatModel):
    """Asks `chat` what langchain wants to know, each time with the rest of `request`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    chat: Any
    """A `Chat`; pydantic cannot check a protocol."""
    make_request: Callable[[Sequence[ChatMessage], tuple[ToolSpec, ...]], ChatRequest]

    @property
    def _llm_type(self) -> str:
        return "limner"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may ask for."""
        return self.bind(tools=[_spec(tool) for tool in tools])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        tools: Sequence[ToolSpec] = (),
        **kwargs: Any,
    ) -> ChatResult:
        chat: Chat = self.chat
        request = self.make_request([_message(message) for message in messages], tuple(tools))
        return _result(await chat.complete(request))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("asked with `ainvoke` and `astream` only")


def _spec(tool: dict[str, Any] | type | Callable[..., Any] | BaseTool) -> ToolSpec:
    """A tool as a model is told of it. The schemas of our own tools are made once: that took half
    the time of a turn.
    """
    if isinstance(tool, BaseTool) and isinstance(tool.args_schema, type):
        return _described(tool.name, tool.description, tool.args_schema)
    function = convert_to_openai_tool(tool)["function"]
    return ToolSpec(function["name"], function["description"], function["parameters"])


@lru_cache(maxsize=256)
def _described(name: str, description: str, args: type[BaseModel]) -> ToolSpec:
    parameters = convert_to_openai_function(args)["parameters"]
    parameters.pop("additionalProperties", None)
    return ToolSpec(name, description, parameters)


def _message(message: BaseMessage) -> ChatMessage:
    text = str(message.text)
    match message:
        case SystemMessage():
            return ChatMessage(role="system", content=text)
        case AIMessage():
            uses = [
                ToolUse(id=str(call["id"]), name=call["name"], arguments=json.dumps(call["args"]))
                for call in message.tool_calls
            ]
            return ChatMessage(role="assistant", content=text, tool_uses=uses)
        case ToolMessage():
            return ChatMessage(role="tool", content=text, tool_use_id=message.tool_call_id)
        case _:
            return ChatMessage(role="user", content=text)


def _result(reply: ChatReply) -> ChatResult:
    calls: list[dict[str, Any]] = []
    broken: list[dict[str, Any]] = []
    for use in reply.tool_uses:
        try:
            args = json.loads(use.arguments or "{}")
        except ValueError as error:
            broken.append({"id": use.id, "name": use.name, "error": str(error)})
            continue
        calls.append({"id": use.id, "name": use.name, "args": args, "type": "tool_call"})
    said = AIMessage(content=reply.text, tool_calls=calls)
    return ChatResult(generations=[ChatGeneration(message=said)])
