"""What is known of this user besides their events: attributes, and how active they are."""

from pydantic import Field

from limner.core.errors import UnknownIdError
from limner.core.filters import listed as names_listed
from limner.core.messages import message
from limner.core.schema import Attributes
from limner.engine import Engine
from limner.tools.base import Args, Result, ToolStatement, tool
from limner.tools.words import listed, phrase


class PersonArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    attribute: str = Field(
        default="", description="only this attribute, such as age; empty for all"
    )


class PersonResult(Result):
    user_id: str
    attributes: Attributes = Field(default={})


@tool(
    "user_attributes",
    "What the data say of one user beside their events: age, occupation and the like.",
    PersonArgs,
    tells="user",
)
async def user_attributes(engine: Engine, args: PersonArgs) -> PersonResult:
    """Raises UnknownIdError for an attribute that no user has."""
    held = engine.data.user(args.user_id).attributes
    if args.attribute:
        known = engine.data.names().attributes
        name = known.get(args.attribute.casefold().replace("_", " "))
        if name is None:
            there = (
                names_listed(args.attribute, sorted(known.values()), "listed.users_have")
                if known
                else message("listed.users_none")
            )
            raise UnknownIdError("user.no_attribute", attribute=args.attribute, listed=there)
        held = {name: held[name]} if name in held else {}
    parts = [_attribute(name, value) for name, value in held.items()]
    if not parts:
        none = ToolStatement(
            form="person.none", values={"user": args.user_id, "name": args.attribute or "-"}
        )
        return PersonResult(found=False, said=[none], user_id=args.user_id)
    said = [
        ToolStatement(
            form="person.attributes", values={"user": args.user_id, "values": listed(parts)}
        )
    ]
    return PersonResult(found=True, said=said, user_id=args.user_id, attributes=held)


def _attribute(name: str, value: object) -> ToolStatement:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return ToolStatement(
        form="attribute", values={"name": name.replace("_", " "), "value": phrase(shown)}
    )
