"""Options of the command line that say what a list should be like."""

import re
from typing import Annotated

import typer
from pydantic import ValidationError

from limner.core.errors import UsageError
from limner.core.filters import boost_of
from limner.core.schema import RecommendationRequest

Category = Annotated[
    list[str] | None,
    typer.Option(
        "--category",
        metavar="NAME",
        help="Only items of this category; may be repeated for others.",
    ),
]
Price = Annotated[
    str,
    typer.Option(
        "--price", metavar="LOW..HIGH", help="Only items of such a price: 5..20, ..20, 5.."
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help='Only items that fit: "year >= 1990 and genre = Drama".',
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ITEM", help="Not this item; may be repeated."),
]
Unavailable = Annotated[
    bool,
    typer.Option(
        "--unavailable", help="Also items that cannot be had now; hidden ones never come."
    ),
]
Diversity = Annotated[
    float,
    typer.Option(
        "--diversity", min=0, max=1, help="How much items should differ from each other: 0 to 1."
    ),
]
Novelty = Annotated[
    float,
    typer.Option("--novelty", min=0, max=1, help="How much being had by few should count: 0 to 1."),
]
Quota = Annotated[
    list[str] | None,
    typer.Option(
        "--quota",
        metavar="NAME=N",
        help="At most N items of each category: category=2, category:Drama=1.",
    ),
]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        "--like",
        metavar="ITEM",
        help="An item of this visit; counts as the newest event.",
    ),
]

Boost = Annotated[
    list[str] | None,
    typer.Option(
        "--boost",
        metavar="CONDITION*FACTOR",
        help='Such items count so many times: "category:Drama*1.5"; 0 to 10.',
    ),
]


def wishes_of(
    category: list[str] | None,
    price: str,
    where: list[str] | None,
    exclude: list[str] | None,
    unavailable: bool,
    diversity: float,
    novelty: float,
    quota: list[str] | None,
    context: list[str] | None,
    boost: list[str] | None = None,
) -> RecommendationRequest:
    """Raises UsageError where an option cannot be read."""
    low, high = _prices(price)
    try:
        return RecommendationRequest(
            category=category or [],
            price_min=low,
            price_max=high,
            available=not unavailable,
            filter=joined(where),
            exclude=list(dict.fromkeys(exclude or [])),
            diversity=diversity,
            novelty=novelty,
            quota=dict(_quota(one) for one in quota or []),
            context=context or [],
            boost=dict(boost_of(one) for one in boost or []),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}: {first['msg']}.") from error


def joined(where: list[str] | None) -> str:
    """Several conditions as one that holds where all do.

    Raises UsageError for an empty one: a variable of the shell that was never set would choose
    everyone.
    """
    given = where or []
    if not all(one.strip() for one in given):
        raise UsageError("--where has no condition; leave it out to choose all.")
    return given[0] if len(given) == 1 else " and ".join(f"({one})" for one in given)


def _prices(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    number = r"(\d+(?:\.\d+)?)?"
    found = re.fullmatch(rf"\s*{number}\s*\.\.\s*{number}\s*", text)
    if found is None or not (found[1] or found[2]):
        raise UsageError(f"'--price {text}' is no range; write 5..20, ..20 or 5..")
    return (float(found[1]) if found[1] else None), (float(found[2]) if found[2] else None)


def _quota(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name.strip() or not number.strip().isdigit():
        raise UsageError(
            f"'--quota {text}' is no quota; write NAME=N or NAME:VALUE=N, as in category=2."
        )
    return name.strip(), int(number)
