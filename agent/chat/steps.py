"""What a question comes to: which tools are called with what, in which reading, or what is
missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limner.tools import Args, Tool, ToolStatement

Given = str | int | float | bool | None


@dataclass(frozen=True)
class Step:
    """One call of a tool."""

    tool: Tool
    args: Args

    def keeps_to(self, user_id: str) -> bool:
        """Whether it tells of this one user or of nobody. Counts within days, or of some ratings,
        are of somebody where few did anything.
        """
        given = self.args.model_dump()
        if self.tool.tells == "catalogue":
            return (
                given.get("since") is None
                and given.get("until") is None
                and not given.get("rating")
            )
        return self.tool.tells == "user" and given.get("user_id") == user_id

    def shown(self) -> dict[str, str]:
        """The arguments that were given, as text."""
        return {
            name: str(value) for name, value in self.args.model_dump(exclude_defaults=True).items()
        }


@dataclass(frozen=True)
class AnswerPlan:
    """The calls that answer a question, or why there are none."""

    steps: tuple[Step, ...] = ()
    readings: tuple[ToolStatement, ...] = ()
    """How the question was taken, where it could have been taken otherwise."""
    missing: ToolStatement | None = None
    """What stands in the answer's place where nothing can be called."""

    @property
    def is_empty(self) -> bool:
        return not self.steps and self.missing is None


def step(tool: Tool, **given: Given) -> Step:
    """A call with checked arguments; those that are None or empty are left out. Raises pydantic's
    ValidationError.
    """
    return Step(
        tool,
        tool.args.model_validate(
            {name: one for name, one in given.items() if one not in (None, "")}
        ),
    )


def users_of(steps: Iterable[Step]) -> list[str]:
    """The users whom calls are about, in order."""
    return [
        value
        for one in steps
        for name, value in one.args.model_dump().items()
        if name in ("user_id", "other_id") and isinstance(value, str) and value
    ]


def calls(*steps: Step, readings: tuple[ToolStatement, ...] = ()) -> AnswerPlan:
    return AnswerPlan(steps, readings)


def cannot(form: str, **values: "str | int | float | ToolStatement") -> AnswerPlan:
    return AnswerPlan(missing=ToolStatement(form=form, values=dict(values)))


Terms = Mapping[str, Given]
