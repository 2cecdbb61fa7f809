"""A model's part: wording what the planner's tools returned, or, graded full, planning the calls
through langchain.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from limner.chat.compose import AnswerLine, lines_of
from limner.chat.conversation import Conversation
from limner.chat.pseudonymizer import Pseudonymizer
from limner.chat.steps import Step
from limner.chat.values import Language
from limner.core.errors import ModelError, UsageError
from limner.core.schema import ChatMessage
from limner.engine import Engine
from limner.llm import Chat, ChatRequest
from limner.llm.base import ToolSpec
from limner.llm.prompts import load_prompt
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
_PLANNED = 1200
"""Tokens of one turn of a model that plans: calls with their arguments, or the answer."""


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
    engine: Engine,
    chat: Chat,
    question: str,
    language: Language,
    talk: Conversation,
    called: CallLog,
) -> AsyncGenerator[Step | str, None]:
    """Each call as it is made, then the model's own words, unverified. `called` gets the calls and
    what they found.

    Raises ModelError where the model fails or goes round in circles.
    """
    from langchain.agents import create_agent
    from langchain_core.messages import AIMessage, HumanMessage
    from langchain_core.runnables import RunnableConfig
    from langgraph.errors import GraphRecursionError

    from limner.chat.langchain_model import LangchainModel

    pseudonymizer = Pseudonymizer.of(engine, question, talk, hosted=chat.hosted)
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
    user_id = talk.user_id

    def request(messages: Sequence[ChatMessage], tools: tuple[ToolSpec, ...]) -> ChatRequest:
        return ChatRequest(
            "chat", prompt.label, messages, user_id=user_id, max_tokens=_PLANNED, tools=tools
        )

    model = LangchainModel(chat=chat, make_request=request)
    agent = create_agent(model, tools=tools, system_prompt=system.content)
    messages: list[AnyMessage] = [
        (HumanMessage if turn.role == "user" else AIMessage)(pseudonymizer.out(turn.content))
        for turn in talk.turns
    ]
    messages.append(HumanMessage(user.content))
    text, told = "", 0
    try:
        async for update in agent.astream(
            {"messages": [*messages]}, RunnableConfig(recursion_limit=_STEPS), stream_mode="updates"
        ):
            for said in [
                one for part in update.values() if part for one in part.get("messages", [])
            ]:
                if isinstance(said, AIMessage):
                    text = str(said.text).strip()
            for step in called.steps[told:]:
                yield step
            told = len(called.steps)
    except GraphRecursionError as error:
        raise ModelError("chat.planning_failed", model=chat.name, n=_STEPS) from error
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
