"""A request as a value, and the values that only the client knows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from limner.chat.values import Answer
from limner.core.schema import Item, Value
from limner.core.urls import segment
from limner.recommend.feedback import ClickThrough
from limner.retrieve.neighbors import Neighbor, PopularItem

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)
Parameter = str | int | float | bool | Sequence[str] | None


class ClientPage(Value, Generic[R]):
    """A page of a list."""

    rows: list[R]
    next: str | None


class Reply(Value):
    """An answer of the chat, and the conversation that goes on from it."""

    conversation_id: str
    answer: Answer


class NearItems(Value):
    """Items near an item."""

    item: Item
    neighbors: list[Neighbor]


class PopularItems(Value):
    """The items with the most users."""

    items: list[PopularItem]


class Stats(Value):
    """How lists that were shown fared."""

    rows: list[ClickThrough]


@dataclass(frozen=True)
class Ask(Generic[M]):
    """One request, and the type of the value that answers it."""

    method: str
    path: str
    answer: type[M]
    params: Mapping[str, object] = field(default_factory=dict)
    body: BaseModel | Mapping[str, object] | None = None

    def query(self) -> dict[str, list[str]]:
        """Parameters as sent: a list gives one for each element, None and "" give none."""
        found: dict[str, list[str]] = {}
        for name, value in self.params.items():
            if value is None or value == "":
                continue
            many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
            found[name] = [str(one).lower() if isinstance(one, bool) else str(one) for one in many]
        return found

    def content(self) -> bytes | None:
        if self.body is None:
            return None
        if isinstance(self.body, BaseModel):
            return self.body.model_dump_json(exclude_unset=True).encode()
        return json.dumps(self.body).encode()


def user_path(user_id: str, rest: str = "") -> str:
    return f"/v1/users/{segment(user_id)}{rest}"


def event_path(event_id: str) -> str:
    return f"/v1/events/{segment(event_id)}"


def item_path(item_id: str, rest: str = "") -> str:
    return f"/v1/items/{segment(item_id)}{rest}"
