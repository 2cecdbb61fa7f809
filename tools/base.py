"""What a tool is: a name, what it does, its arguments, and a small typed function over the engine."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agent.engine import Engine

Arguments = TypeVar("Arguments", bound="Args")


class Args(BaseModel):
    """Arguments of a tool; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(BaseModel):
    """What a tool found, small enough to be read by a model."""

    model_config = ConfigDict(frozen=True)

    found: bool
    """False: the engine holds nothing that answers this."""
    answer: str
    """The result as plain sentences, for when no model words it."""
    evidence: list[str] = Field(default=[])
    """Event ids that the result rests on."""
    notes: list[str] = Field(default=[])
    """What a person should know of how it was made, such as a model that did not help."""


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    args: type[Args]
    run: Callable[[Engine, Args], Awaitable[Result]]


def tool(
    name: str, description: str, args: type[Arguments]
) -> Callable[[Callable[[Engine, Arguments], Awaitable[Result]]], Tool]:
    """Make a tool of a typed function; its arguments are validated before it runs."""

    def wrap(function: Callable[[Engine, Arguments], Awaitable[Result]]) -> Tool:
        async def run(engine: Engine, given: Args) -> Result:
            return await function(engine, args.model_validate(given.model_dump()))

        return Tool(name, description, args, run)

    return wrap
