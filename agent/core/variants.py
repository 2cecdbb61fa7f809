"""Variants: items that are one thing in several sizes, colours or editions, as the data group them.

An item's group stands in its attribute `item_group`. A list shows one item of a group, and a user
who had one is not offered another.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from limner.core.schema import Item

GROUP = "item_group"
"""The attribute that names an item's group."""

T = TypeVar("T")


class Variants:
    """The groups of a catalogue that have two items or more."""

    def __init__(self, items: Iterable[Item]) -> None:
        members: dict[str, list[str]] = {}
        for item in items:
            if (group := item.attributes.get(GROUP, "")) != "":
                members.setdefault(str(group), []).append(item.item_id)
        self._members = {name: ids for name, ids in members.items() if len(ids) > 1}
        self._group = {one: name for name, ids in self._members.items() for one in ids}

    def __bool__(self) -> bool:
        return bool(self._members)

    @property
    def groups(self) -> int:
        """Number of groups of two items or more."""
        return len(self._members)

    @property
    def items(self) -> int:
        """Number of items in them."""
        return len(self._group)

    def of(self, item_id: str) -> list[str]:
        """The items of an item's group, itself among them; the item alone where it has none."""
        return self._members.get(self._group.get(item_id, ""), [item_id])

    def with_variants(self, item_ids: frozenset[str]) -> frozenset[str]:
        """The items, and all variants of each."""
        if not self:
            return item_ids
        return item_ids.union(*map(self.of, item_ids))

    def distinct(self, values: Iterable[T], id_of: Callable[[T], str]) -> Iterator[T]:
        """The values without those whose item is a variant of an earlier one."""
        used: set[str] = set()
        for value in values:
            group = self._group.get(id_of(value))
            if group is None or group not in used:
                yield value
            if group is not None:
                used.add(group)


NO_VARIANTS = Variants(())
