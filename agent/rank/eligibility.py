"""Which items of the catalogue a request may see, and what to say where something asked for is not
there.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.availability import is_hidden, is_unavailable
from limner.core.errors import BadInputError, UnknownIdError
from limner.core.filters import Compare, check_names, levels, listed, names_of, parse, parse_short
from limner.core.schema import Item, RecommendationRequest


def check_context(wishes: RecommendationRequest, items: Mapping[str, Item]) -> None:
    """Raises UnknownIdError where an item of the visit is not in the catalogue."""
    for one in wishes.context:
        if one not in items:
            raise UnknownIdError(
                f"There is no item '{one}' in the store; ids are used exactly as in the data."
            )


def check_wishes(wishes: RecommendationRequest, items: Mapping[str, Item]) -> None:
    """Raises BadInputError where other wishes name what the catalogue does not have; looks through
    all of it.
    """
    if (
        wishes.price_min is not None
        and wishes.price_max is not None
        and wishes.price_min > wishes.price_max
    ):
        raise BadInputError(
            f"No price lies between {wishes.price_min:g} and {wishes.price_max:g}; swap them."
        )
    if wishes.category:
        _check_categories(wishes.category, items)
    if wishes.filter or wishes.quota or wishes.boost:
        known = names_of(items.values())
        for one in wishes.boost:
            check_names(parse_short(one), known, "items")
        if wishes.filter:
            check_names(parse(wishes.filter), known, "items")
        for name in (one.partition(":")[0] for one in wishes.quota):
            if name.casefold() not in known:
                raise BadInputError(
                    f"No item has '{name}' to set a quota on; {listed(name, known, 'items have')}."
                )


def _check_categories(asked: Sequence[str], items: Mapping[str, Item]) -> None:
    known = {category for item in items.values() for category in item.categories}
    for one in asked:
        if not any(
            _in_category([one]).fits(Item(item_id="", categories=[category])) for category in known
        ):
            names = sorted({level for category in known for level in levels(category)})
            what = listed(one, names, "there are") if names else "no item has any"
            raise BadInputError(f"No item has the category '{one}'; {what}.")


def _in_category(categories: Sequence[str]) -> Compare:
    return Compare("category", "=", tuple(categories))


def allowed(
    item_ids: Sequence[str], items: Mapping[str, Item], wishes: RecommendationRequest
) -> NDArray[np.bool_] | None:
    """[items] whether each may come back; None where all may. Items that the store does not hold
    may not.

    Read from the items as they are now, so that one that was hidden is gone at once.
    """
    condition = parse(wishes.filter) if wishes.filter else None
    category = _in_category(wishes.category) if wishes.category else None
    low = -np.inf if wishes.price_min is None else wishes.price_min
    high = np.inf if wishes.price_max is None else wishes.price_max
    priced = wishes.price_min is not None or wishes.price_max is not None

    def may(item: Item | None) -> bool:
        return (
            item is not None
            and not is_hidden(item.attributes)
            and not (wishes.available and is_unavailable(item.attributes))
            and (not priced or (item.price is not None and low <= item.price <= high))
            and (category is None or category.fits(item))
            and (condition is None or condition.fits(item))
        )

    mask = np.fromiter((may(items.get(one)) for one in item_ids), dtype=bool, count=len(item_ids))
    return None if mask.all() else mask


_OF_THE_CATALOGUE = {"category", "price_min", "price_max", "available", "filter", "quota", "boost"}


def fitting_key(wishes: RecommendationRequest) -> str:
    """The same for wishes that name the same things of the catalogue, and so allow the same items;
    of visits there are too many to look through the catalogue for each.
    """
    return wishes.model_dump_json(include=_OF_THE_CATALOGUE)


def shelf_flags(item: Item | None) -> list[str]:
    """hidden, unavailable: why an item that was asked for by its id would not be recommended."""
    if item is None:
        return []
    return ["hidden"] * is_hidden(item.attributes) + ["unavailable"] * is_unavailable(
        item.attributes
    )


def shortfall(asked: int, given: int, wishes: RecommendationRequest, fit: int) -> list[str]:
    """A note where fewer items came back than were asked for, and wishes are why, or there is none
    at all.

    fit: items of the catalogue that fit the wishes' filters, had or not.
    """
    if given >= asked:
        return []
    if not fit:
        return [
            "No item fits what was asked for."
            if wishes.filters
            else "There is no item that can be recommended."
        ]
    if wishes.quota:
        return [
            (
                f"{given:,} of {asked:,} items: the quotas, with what else was asked for, "
                "leave no more."
            )
        ]
    if not given:
        what = f"each of the {fit:,} items that fit" if wishes.filters else "every item"
        return [
            f"Nothing is left: {what} was had or excluded."
            if wishes.exclude
            else f"The user has had {what}."
        ]
    if wishes.filters:
        return [f"{given:,} of {asked:,} items: no others fit that the user has not had."]
    return []
