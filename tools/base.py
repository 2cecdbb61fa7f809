"""What a tool is: a name, what it does, its arguments, and a small typed function over the engine.

A tool answers in statements (`ToolStatement`): a form of words by name, what fills it, and the
events it rests on. They are said in a language by `limner.tools.words`, so that a tool knows none.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from limner.core.messages import Message
from limner.core.schema import Value
from limner.engine import Engine
from limner.tools.words import ToolStatement, events_of, say

Arguments = TypeVar("Arguments", bound="Args")
Polarity = Literal["like", "dislike"]
Tells = Literal["user", "catalogue", "users"]
"""The users that a tool's answer is about: the one named by its argument `user_id`, nobody,
or any.
"""

__all__ = ["Args", "Polarity", "Result", "Tells", "Tool", "ToolStatement", "Value", "tool"]


class Args(BaseModel):
    """Arguments of a tool; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Result(BaseModel):
    """A tool's answer, short enough for a model to read."""

    model_config = ConfigDict(frozen=True)

    found: bool
    """False if the engine has nothing that answers the question."""
    said: list[ToolStatement] = Field(default=[], repr=False)
    """The result in statements, the one that answers first."""
    notes: list[Message] = Field(default=[])
    """What a person should know of how it was made, such as a model that did not help."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def answer(self) -> str:
        """The statements in English, without marks."""
        return "\n".join(say(one) for one in self.said)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def evidence(self) -> list[str]:
        """Event ids that the statements rest on, in order."""
        return list(dict.fromkeys(event for one in self.said for event in events_of(one)))


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    args: type[Args]
    run: Callable[[Engine, Args], Awaitable[Result]]
    """Raises UsageError where the arguments name what is not there, and what the engine raises."""
    tells: Tells = "users"


def tool(
    name: str, description: str, args: type[Arguments], tells: Tells = "users"
) -> Callable[[Callable[[Engine, Arguments], Awaitable[Result]]], Tool]:
    """Make a tool of a typed function; its arguments are validated before it runs."""

    def wrap(function: Callable[[Engine, Arguments], Awaitable[Result]]) -> Tool:
        async def run(engine: Engine, given: Args) -> Result:
            # Events may come meanwhile: what is counted twice is to be counted of the same.
            with engine.state.request_snapshot():
                return await function(engine, args.model_validate(given.model_dump()))

        return Tool(name, description, args, run, tells)

    return wrap
