"""A model's part: wording what the planner's tools returned, or, graded full, planning the calls
through langchain.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from limner.chat.compose import AnswerLine, lines_of
from limner.chat.conversation import Conversation
from limner.chat.pseudonymizer import Pseudonymizer
from limner.chat.steps import Step
from limner.chat.values import Language
from limner.core.errors import ModelError, UsageError
from limner.core.schema import LedgerRow
from limner.engine import Engine
from limner.llm import Chat, ChatRequest
from limner.llm.cached_client import price_of
from limner.llm.prompts import Prompt, load_prompt
from limner.tools import TOOLS, Result, Tool

if TYPE_CHECKING:
    from langchain_core.messages import AnyMessage
    from langchain_core.tools import StructuredTool

PLAN, PLAN_OWN, PHRASE = "chat", "chat-own", "chat-phrase"
LANGUAGES: dict[Language, str] = {"en": "English", "zh": "Chinese"}
_STEPS = 16
"""Turns of the model and its tools, at most."""
_WORDED = 12
"""Lines that a model is given to word; a list longer than that is given as it is."""
_MAX_TOKENS = 400


@dataclass
class CallLog:
    """The calls of one answer, in order, with what they found."""

    steps: list[Step] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def add(self, step: Step, result: Result) -> None:
        self.steps.append(step)
        self.results.append(result)


async def phrased(
    engine: Engine,
    chat: Chat,
    question: str,
    results: Sequence[Result],
    lines: Sequence[AnswerLine],
    language: Language,
    talk: Conversation,
) -> str:
    """The lines of results in a model's words, unverified; empty where there is nothing that words
    could improve.

    Raises as `Chat.complete` does.
    """
    if not lines or len(lines) > _WORDED:
        return ""
    pseudonymizer = Pseudonymizer.of(engine, question, talk, hosted=chat.hosted)
    pseudonymizer.learn(results)
    prompt = load_prompt(PHRASE, engine.settings.prompts.get(PHRASE, ""))
    facts = "\n".join(f"- {line.text}" for line in lines)
    messages = prompt.render(
        question=pseudonymizer.out(question),
        facts=pseudonymizer.out(facts),
        language=LANGUAGES[language],
    )
    request = ChatRequest(
        "chat", prompt.label, messages, user_id=talk.user_id, max_tokens=_MAX_TOKENS
    )
    return pseudonymizer.back((await chat.complete(request)).text.strip())


async def planned(
    engine: Engine, question: str, language: Language, talk: Conversation, called: CallLog
) -> AsyncGenerator[Step | str, None]:
    """Each call as it is made, then the model's own words, unverified. `called` gets the calls and
    what they found.

    Raises ModelError where the model fails or goes round in circles.
    """
    from langchain.agents import create_agent
    from langchain_core.messages import AIMessage, HumanMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_openai import ChatOpenAI
    from langgraph.errors import GraphRecursionError
    from openai import OpenAIError
    from pydantic import SecretStr

    endpoint = await engine.models.endpoint()
    pseudonymizer = Pseudonymizer.of(engine, question, talk, hosted=endpoint.hosted)
    model = ChatOpenAI(
        model=endpoint.name,
        base_url=endpoint.base_url,
        api_key=SecretStr(endpoint.api_key or "none"),
        temperature=0,
        max_retries=0,
        timeout=engine.settings.llm.timeout,
    )
    name = PLAN if talk.only is None else PLAN_OWN
    prompt = load_prompt(name, engine.settings.prompts.get(name, ""))
    wanted = {
        "question": pseudonymizer.out(question),
        "language": LANGUAGES[language],
        "user": pseudonymizer.out(talk.only or ""),
    }
    system, user = prompt.render(
        **{name: wanted[name] for name in prompt.variables if name in wanted}
    )
    allowed = [one for one in TOOLS if talk.only is None or one.tells != "users"]
    tools = [langchain_tool(engine, one, called, pseudonymizer, language, talk) for one in allowed]
    agent = create_agent(model, tools=tools, system_prompt=system.content)
    messages: list[AnyMessage] = [
        (HumanMessage if turn.role == "user" else AIMessage)(pseudonymizer.out(turn.content))
        for turn in talk.turns
    ]
    messages.append(HumanMessage(user.content))
    text, told = "", 0
    ledger = _Ledger(engine, prompt, endpoint.name, talk, hosted=endpoint.hosted)
    try:
        async for update in agent.astream(
            {"messages": [*messages]}, RunnableConfig(recursion_limit=_STEPS), stream_mode="updates"
        ):
            for said in [
                one for part in update.values() if part for one in part.get("messages", [])
            ]:
                if isinstance(said, AIMessage):
                    ledger.note(said)
                    text = str(said.text).strip()
            for step in called.steps[told:]:
                yield step
            told = len(called.steps)
    except (OpenAIError, GraphRecursionError) as error:
        raise ModelError(
            "chat.planning_failed", model=endpoint.name, url=endpoint.base_url, error=error
        ) from error
    yield pseudonymizer.back(text)


def langchain_tool(
    engine: Engine,
    one: Tool,
    called: CallLog,
    pseudonymizer: Pseudonymizer,
    language: Language,
    talk: Conversation,
) -> "StructuredTool":
    """A tool as langchain calls it: arguments come back from behind the curtain, results go out
    behind it.
    """
    from langchain_core.tools import StructuredTool

    async def call(**given: object) -> str:
        shown = {
            name: pseudonymizer.back(value) if isinstance(value, str) else value
            for name, value in given.items()
        }
        try:
            step = Step(one, one.args.model_validate(shown))
        except ValidationError as error:
            return f"Wrong arguments: {error.errors()[0]['msg']}"
        if not talk.may(step):
            return "That is of other users, whom this conversation must not tell of."
        try:
            result = await one.run(engine, step.args)
        except UsageError as error:
            return pseudonymizer.out(str(error))
        called.add(step, result)
        return pseudonymizer.told(
            result, [line.text for line in lines_of(result.said, language, talk)]
        )

    return StructuredTool.from_function(
        coroutine=call, name=one.name, description=one.description, args_schema=one.args
    )


class _Ledger:
    """Writes a row for every answer of a model that langchain asked."""

    def __init__(
        self, engine: Engine, prompt: Prompt, model: str, talk: Conversation, *, hosted: bool
    ) -> None:
        self._engine, self._prompt, self._model, self._talk, self._hosted = (
            engine,
            prompt,
            model,
            talk,
            hosted,
        )
        self._began = time.monotonic()

    def note(self, said: "AnyMessage") -> None:
        usage = getattr(said, "usage_metadata", None) or {}
        now = time.monotonic()
        tokens = (int(usage.get("input_tokens", 0)), int(usage.get("output_tokens", 0)))
        self._engine.models.add_ledger(
            LedgerRow(
                purpose="chat",
                model=self._model,
                prompt=self._prompt.label,
                user_id=self._talk.user_id,
                input_tokens=tokens[0],
                output_tokens=tokens[1],
                cost=self._cost(*tokens),
                seconds=round(now - self._began, 4),
                outcome="ok",
                at=datetime.now(UTC),
            )
        )
        self._began = now

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        price = price_of(self._model, self._engine.settings.llm.prices) if self._hosted else None
        return (tokens_in * price.input + tokens_out * price.output) / 1e6 if price else 0.0
