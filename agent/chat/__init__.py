"""Questions about users in words: the only place for langchain.

A model graded `full` plans the tool calls; below that a keyword planner chooses one tool and the tool's own sentences
are the answer. Either way an answer is checked after it is written: event ids, numbers and quoted titles in it must
occur in what the tools returned, or the tools' own sentences stand in.
"""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.chat.values import Answer, CitedEvent, Conversation, Finished, Piece, TextDelta, ToolCall, ToolStarted
from agent.engine import Engine
from agent.errors import LimnerError, ModelError, UnknownIdError
from agent.privacy import Veil, masker
from agent.prompt import load_prompt
from agent.schema import Source
from tools import TOOLS, Args, Result, Tool, find_users, history, portrait, recommend

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

__all__ = [
    "Answer",
    "CitedEvent",
    "Conversation",
    "Finished",
    "Piece",
    "TextDelta",
    "ToolCall",
    "ToolStarted",
    "answer",
    "stream",
]

DONT_KNOW = "I don't know: the stored portraits and events hold nothing that answers this."


# ---------------------------------------------------------------- the keyword planner

_WHO = re.compile(
    r"\b(who|which (users?|people|customers?)|find (users?|people|customers?)|how many (users?|people))\b", re.I
)
_NEXT = re.compile(r"\b(recommend\w*|suggest\w*|should .* (see|watch|buy|read|play|get)|next)\b|推荐", re.I)
_DID = re.compile(
    r"\b(history|last|latest|recent(ly)?|events?|did .* (buy|watch|rate|view|see|do)|bought|watched|rated)\b|历史|最近",
    re.I,
)
_INTENTS: tuple[tuple[Tool, re.Pattern[str]], ...] = (
    (find_users, _WHO),
    (recommend, _NEXT),
    (history, _DID),
    (portrait, re.compile(r".", re.S)),
)
_DISLIKE = re.compile(r"\b(dislikes?|hates?|avoids?|not like|don't like|doesn't like)\b|不喜欢|讨厌", re.I)
_TREND = {
    "rising": r"\b(rising|started|more and more)\b",
    "fading": r"\b(fading|stopped|less and less|lost interest)\b",
}
_ABOUT = re.compile(
    r"\b(?:likes?|loves?|enjoys?|prefers?|dislikes?|hates?|avoids?|into|fans? of|interested in)\s+(.+?)\s*[?.!]*$", re.I
)
_COUNT = re.compile(r"\b(\d{1,2})\b")


@dataclass(frozen=True)
class Plan:
    tool: Tool
    args: Args


def words_of(question: str) -> list[str]:
    """What may be a user id in a question, in order."""
    return [word.rstrip(".:") for word in re.findall(r"[^\s,;?!\"'()]+", question)]


def users_in(question: str, known: Collection[str]) -> list[str]:
    """Stored user ids among the words of a question, in order."""
    return [word for word in words_of(question) if word in known]


def plan(question: str, known: set[str], last_user: str | None = None) -> Plan | None:
    """The tool and arguments that a question asks for; None where it names no user and needs one.

    A user is any word of the question that is a stored user id; longest first, then the last.
    """
    named = users_in(question, known)
    chosen = next(one for one, pattern in _INTENTS if pattern.search(question))
    # "who is 12?" and "who is user 12" ask for a portrait, not for a search.
    if chosen is find_users and named and re.search(r"\bwho (is|are)\b", question, re.I):
        chosen = portrait
    if chosen is find_users and (about := _ABOUT.search(question)):
        trend = next((name for name, pattern in _TREND.items() if re.search(pattern, question, re.I)), "")
        return Plan(
            find_users,
            find_users.args.model_validate(
                {"value": about[1], "polarity": "dislike" if _DISLIKE.search(question) else "like", "trend": trend}
            ),
        )
    user = named[-1] if named else last_user
    if user is None:
        return None
    if chosen is find_users:
        chosen = portrait
    if chosen is recommend:
        counts = [int(n) for n in _COUNT.findall(question) if n != user and 1 <= int(n) <= 20]
        return Plan(recommend, recommend.args.model_validate({"user_id": user, "n": counts[0] if counts else 5}))
    return Plan(chosen, chosen.args.model_validate({"user_id": user}))


# ---------------------------------------------------------------- the check after the answer

_CITED = re.compile(r"\[(e[^\]\s]+)\]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"[\"“«]([^\"”»]{2,})[\"”»]")


def unsupported(answer: str, results: Sequence[Result], question: str) -> list[str]:
    """Event ids, numbers and quoted titles of `answer` that no tool result (or the question) holds."""
    held = " ".join(result.model_dump_json() for result in results)
    said = held + " " + question
    evidence = {event for result in results for event in result.evidence}
    wrong = [cited for cited in _CITED.findall(answer) if cited[1:] not in evidence and cited not in evidence]
    numbers = set(_NUMBER.findall(said))
    listed = {str(n) for n in range(1, 21)} if re.search(r"^\s*\d+[.)]\s", answer, re.M) else set()
    body = re.sub(r"^\s*\d+[.)]\s", "", _CITED.sub("", answer), flags=re.M) if listed else _CITED.sub("", answer)
    wrong += [number for number in _NUMBER.findall(body) if number not in numbers]
    wrong += [title for title in _QUOTED.findall(answer) if title.casefold().rstrip(".,") not in said.casefold()]
    return wrong


# ---------------------------------------------------------------- answering


_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


async def stream(
    engine: Engine, question: str, conversation: Conversation | None = None
) -> AsyncGenerator[Piece, None]:
    """Answer one question piece by piece: `ToolStarted` as each tool begins, `TextDelta`s of verified text, and at the
    end exactly one `Finished`, whose `answer.text` is the deltas joined.

    Nothing that was not verified is ever yielded. Raises as `answer` does. Closing it (`aclose`) stops the work.
    """
    reply = await answer(engine, question, conversation)
    for call in reply.calls:
        yield ToolStarted(tool=call.tool, arguments=call.arguments)
    at = 0
    for mark in [*_SENTENCE.finditer(reply.text), None]:
        end = mark.end() if mark else len(reply.text)
        if end > at:
            yield TextDelta(text=reply.text[at:end])
        at = end
    yield Finished(answer=reply)


async def answer(engine: Engine, question: str, conversation: Conversation | None = None) -> Answer:
    """Answer one question; degrade to the planner when no model may plan.

    Never raises for a model's fault or an unknown user: the answer says what is missing.
    """
    talk = conversation or Conversation()
    chosen = await engine.model()
    notes = list(chosen.notes)
    reply: Answer | None = None
    if chosen.chat is not None and chosen.grade == "full":
        try:
            reply = await _by_agent(engine, question, talk)
        except (LimnerError, ModelError) as error:
            notes.append(f"The planner answered instead of the model: {error}")
    if reply is None:
        reply = await _by_planner(engine, question, talk)
    reply = reply.model_copy(update={"notes": list(dict.fromkeys([*notes, *reply.notes]))})
    talk.add(question, reply.text)
    return reply


async def _by_planner(engine: Engine, question: str, talk: Conversation) -> Answer:
    planned = plan(question, engine.known_users(words_of(question)), talk.user_id)
    if planned is None:
        return Answer(text="Which user do you mean? Name one by id. " + DONT_KNOW)
    result = await _run(engine, planned.tool, planned.args)
    _remember(talk, planned.args)
    return Answer(
        text=result.answer if result.found else f"{DONT_KNOW} {result.answer}".strip(),
        calls=[_call(planned.tool, planned.args, result)],
        evidence=result.evidence,
        notes=result.notes,
    )


async def _run(engine: Engine, tool: Tool, args: Args) -> Result:
    try:
        return await tool.run(engine, args)
    except UnknownIdError as error:
        return Result(found=False, answer=str(error))


def _call(tool: Tool, args: Args, result: Result) -> ToolCall:
    given = {name: str(value) for name, value in args.model_dump().items()}
    return ToolCall(tool=tool.name, arguments=given, found=result.found)


def _remember(talk: Conversation, args: Args) -> None:
    user = args.model_dump().get("user_id")
    if isinstance(user, str):
        talk.user_id = user


async def _by_agent(engine: Engine, question: str, talk: Conversation) -> Answer:
    """langchain's agent plans the calls; what it says is checked against what the tools returned."""
    from langchain.agents import create_agent
    from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_openai import ChatOpenAI
    from openai import OpenAIError
    from pydantic import SecretStr

    endpoint = await engine.endpoint()
    curtain = _Curtain.of(engine, question, talk, hosted=endpoint.hosted)
    seen: list[tuple[Tool, Args, Result]] = []
    model = ChatOpenAI(
        model=endpoint.name,
        base_url=endpoint.base_url,
        api_key=SecretStr(endpoint.api_key or "none"),
        temperature=0,
        max_retries=0,
        timeout=engine.settings.llm.timeout,
    )
    prompt = load_prompt("chat", engine.settings.prompts.get("chat", ""))
    system, user = prompt.render(question=curtain.out(question))
    agent = create_agent(
        model, tools=[_langchain_tool(engine, one, seen, curtain) for one in TOOLS], system_prompt=system.content
    )
    messages: list[AnyMessage] = [
        (HumanMessage if turn.role == "user" else AIMessage)(curtain.out(turn.content)) for turn in talk.turns
    ]
    messages.append(HumanMessage(user.content))
    try:
        state = await agent.ainvoke({"messages": [*messages]}, RunnableConfig(recursion_limit=12))
    except (OpenAIError, RecursionError) as error:
        raise ModelError(f"{endpoint.name} at {endpoint.base_url} failed while planning ({error}).") from error
    text = curtain.back(str(state["messages"][-1].text).strip())
    results = [result for _, _, result in seen]
    notes = list(dict.fromkeys(note for result in results for note in result.notes))
    source: Source = "llm"
    if not results:
        text, source = DONT_KNOW, "template"
        notes.append("The model called no tool, so nothing it said could be checked.")
    elif wrong := unsupported(text, results, question):
        text, source = "\n".join(result.answer for result in results), "template"
        notes.append(
            f"The model's answer held what no tool returned ({', '.join(wrong[:3])}); the tools' own words stand."
        )
    for _, args, _ in seen:
        _remember(talk, args)
    return Answer(
        text=text,
        calls=[_call(*one) for one in seen],
        evidence=list(dict.fromkeys(event for result in results for event in result.evidence)),
        source=source,
        grade="full",
        model=endpoint.name,
        notes=notes,
    )


@dataclass(frozen=True)
class _Curtain:
    """Between this machine and a hosted model: texts go out masked and without user ids, which come back shown."""

    mask: Callable[[str], str] = str
    veil: Veil | None = None

    @classmethod
    def of(cls, engine: Engine, question: str, talk: Conversation, *, hosted: bool) -> "_Curtain":
        if not hosted:
            return cls()
        hide = masker(engine.settings)
        if not engine.settings.privacy.pseudonyms:
            return cls(hide)
        veil = Veil()
        veil.learn(engine.known_users(words_of(" ".join([question, *(turn.content for turn in talk.turns)]))))
        return cls(hide, veil)

    def out(self, text: str) -> str:
        return self.veil.hide(self.mask(text)) if self.veil else self.mask(text)

    def back(self, text: str) -> str:
        return self.veil.show(text) if self.veil else text

    def told(self, result: Result) -> str:
        """A tool's result as the model reads it; users that it names are hidden from then on."""
        if self.veil:
            self.veil.learn(_users_of(result.model_dump()))
        return self.out(result.model_dump_json(exclude_none=True))


def _users_of(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "user_id" and isinstance(value, str):
                yield value
            yield from _users_of(value)
    elif isinstance(node, list):
        for part in node:
            yield from _users_of(part)


def _langchain_tool(
    engine: Engine, one: Tool, seen: list[tuple[Tool, Args, Result]], curtain: _Curtain
) -> "StructuredTool":
    from langchain_core.tools import StructuredTool

    async def call(**given: object) -> str:
        try:
            args = one.args.model_validate(
                {name: curtain.back(value) if isinstance(value, str) else value for name, value in given.items()}
            )
        except ValidationError as error:
            return f"Wrong arguments: {error.errors()[0]['msg']}"
        result = await _run(engine, one, args)
        seen.append((one, args, result))
        return curtain.told(result)

    return StructuredTool.from_function(
        coroutine=call, name=one.name, description=one.description, args_schema=one.args
    )
