"""What the columns of a store's tables mean, as a mapping file says: roles, labels, nouns."""

from typing import Literal

from pydantic import Field

from limner.core.schema import Value

Role = Literal["id", "taste", "fact", "text", "time", "amount", "ignore"]
"""What a column is: see `limner.facts.column_roles`. `ignore` is not stored."""


class ColumnMeaning(Value):
    """What one attribute is, where a mapping says so."""

    role: Role | None = None
    label: str = ""
    """What people call it; its own name where empty."""


class Nouns(Value):
    """What one and several things of the catalogue are called: film, films."""

    item: str = ""
    items: str = ""


NO_NOUNS = Nouns()


class Meanings(Value):
    """All that mapping files have said of the columns of a store."""

    items: dict[str, ColumnMeaning] = Field(default_factory=dict)
    """By attribute; `categories` and `price` are named so."""
    users: dict[str, ColumnMeaning] = Field(default_factory=dict)
    events: dict[str, ColumnMeaning] = Field(default_factory=dict)
    nouns: Nouns = NO_NOUNS
    plays: bool = False
    """Whether the amounts of events are how often something was played, and not seconds."""

    def with_those_of(self, other: "Meanings") -> "Meanings":
        """Both; of what both speak of, the other's."""
        return Meanings(
            items=self.items | other.items,
            users=self.users | other.users,
            events=self.events | other.events,
            nouns=other.nouns if other.nouns.item else self.nouns,
            plays=self.plays or other.plays,
        )
