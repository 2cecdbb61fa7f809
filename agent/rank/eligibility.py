"""Which items of the catalogue a request may return, and errors and notes where it asks for what is
not there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.availability import is_hidden, is_unavailable
from limner.core.errors import BadInputError, UnknownIdError
from limner.core.filters import Compare, check_names, levels, listed, names_of, parse, parse_short
from limner.core.messages import Message, message
from limner.core.schema import Item, RecommendationRequest


def check_context(wishes: RecommendationRequest, items: Mapping[str, Item]) -> None:
    """Raises UnknownIdError where an item of the visit is not in the catalogue."""
    for item_id in wishes.context:
        if item_id not in items:
            raise UnknownIdError("item.unknown", item=item_id)


def check_wishes(wishes: RecommendationRequest, items: Mapping[str, Item]) -> None:
    """Raises BadInputError where wishes other than the visit contradict each other or name what no
    item has; looks through the whole catalogue.
    """
    low, high = wishes.price_min, wishes.price_max
    if low is not None and high is not None and low > high:
        raise BadInputError("price.empty_range", low=low, high=high)
    if wishes.category:
        _check_categories(wishes.category, items)
    if wishes.filter or wishes.quota or wishes.boost:
        known = names_of(items.values())
        for condition in wishes.boost:
            check_names(parse_short(condition), known, "items")
        if wishes.filter:
            check_names(parse(wishes.filter), known, "items")
        _check_quotas(wishes.quota, known)


def _check_quotas(quota: Mapping[str, int], known: Sequence[str]) -> None:
    for text in quota:
        name = text.partition(":")[0]
        if name.casefold() not in known:
            raise BadInputError(
                "item.no_quota_attribute",
                name=name,
                listed=listed(name, known, "listed.items_have"),
            )


def _check_categories(wanted: Sequence[str], items: Mapping[str, Item]) -> None:
    known = {category for item in items.values() for category in item.categories}
    for category in wanted:
        condition = _in_category([category])
        if not any(condition.fits(Item(item_id="", categories=[name])) for name in known):
            names = sorted({level for name in known for level in levels(name)})
            what = (
                listed(category, names, "listed.there_are")
                if names
                else message("listed.no_category")
            )
            raise BadInputError("item.no_category", category=category, listed=what)


def _in_category(categories: Sequence[str]) -> Compare:
    return Compare("category", "=", tuple(categories))


def allowed(
    item_ids: Sequence[str], items: Mapping[str, Item], wishes: RecommendationRequest
) -> NDArray[np.bool_] | None:
    """[items] whether each item may come back; None where all may. Items that the store does not
    hold may not.

    Read from the items as they are now, so that one that was hidden is gone at once.
    """
    conditions = list(_conditions(wishes))

    def may(item: Item | None) -> bool:
        return item is not None and all(fits(item) for fits in conditions)

    mask = np.fromiter(map(may, map(items.get, item_ids)), dtype=bool, count=len(item_ids))
    return None if mask.all() else mask


def _conditions(wishes: RecommendationRequest) -> Iterator[Callable[[Item], bool]]:
    """Tests that an item has to pass, the cheapest first."""
    yield lambda item: not is_hidden(item.attributes)
    if wishes.available:
        yield lambda item: not is_unavailable(item.attributes)
    if wishes.price_min is not None or wishes.price_max is not None:
        low = -np.inf if wishes.price_min is None else wishes.price_min
        high = np.inf if wishes.price_max is None else wishes.price_max
        yield lambda item: item.price is not None and low <= item.price <= high
    if wishes.category:
        yield _in_category(wishes.category).fits
    if wishes.filter:
        yield parse(wishes.filter).fits


_OF_THE_CATALOGUE = {"category", "price_min", "price_max", "available", "filter", "quota", "boost"}


def fitting_key(wishes: RecommendationRequest) -> str:
    """A cache key for `allowed` and `check_wishes`: equal for wishes that select the same items.

    The visit is left out: the catalogue cannot be looked through again for each one.
    """
    return wishes.model_dump_json(include=_OF_THE_CATALOGUE)


def shelf_flags(item: Item | None) -> list[str]:
    """Why an item asked for by its id would not be recommended: `hidden`, `unavailable`."""
    if item is None:
        return []
    return ["hidden"] * is_hidden(item.attributes) + ["unavailable"] * is_unavailable(
        item.attributes
    )


def shortfall(asked: int, count: int, wishes: RecommendationRequest, fit: int) -> list[Message]:
    """A note where `count`, the number of items that came back, is below the number asked for
    because of wishes, or is 0.

    fit: number of items in the catalogue that fit the wishes' filters, had or not.
    """
    if count >= asked:
        return []
    if not fit:
        return [message("list.none_fits") if wishes.filters else message("list.none_at_all")]
    if wishes.quota:
        return [message("list.short_by_quota", given=count, asked=asked)]
    if not count:
        why = "excluded" if wishes.exclude else "had"
        if wishes.filters:
            return [message(f"list.{why}_fitting", n=fit)]
        return [message(f"list.{why}_every")]
    if wishes.filters:
        return [message("list.short", given=count, asked=asked)]
    return []
