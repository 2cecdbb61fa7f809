"""What a column of a catalogue is to taste, by what it holds: the one decision that `limner init`
proposes from and that facets are found by.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain

import numpy as np

from limner.core.availability import SHELF
from limner.core.columns import Role
from limner.core.variants import GROUP

MIN_COVERAGE = 0.01
"""Share of items that must have an attribute for it to be a taste."""
MIN_REPEATED = 0.3
"""Share of an attribute's items that must carry a value which other items carry too; ids do not
reach it.
"""
MIN_TELLING = 0.05
"""Share of an attribute's items that must carry a value which is not on most of all items."""
FEW_NUMBERS = 12
"""A numeric attribute with at most this many different numbers is read as names, above in bands."""
MANY_NUMBERS = 50
"""Different numbers in lists above which they are ids."""
SMALL = 1000.0
"""Numbers in lists from which they are ids, however few."""
MIN_SHARED_IDS = 0.5
"""Share of different values that are ids of items from which a column holds ids."""
LONG_VALUE = 60
"""Mean characters from which an attribute is prose, not a taste."""
TOO_COMMON = 0.8
"""Share of items above which a value does not tell items apart."""
PROSE_WORDS = 4
"""Words from which a value that ends like a sentence is taken for one."""
BANDS = ("low", "mid", "high")
SAME = "the same nearly everywhere"
FIRST_YEAR, LAST_YEAR = 1850, 2100

_SPACE = re.compile(r"\s+")
_PLACEHOLDER = re.compile(
    r"\(.*\)|unknown|n/?a|none|null|nan|[^\w]+|other|not available|nr|not rated|unrated|"
    r"등급없음|미정",
    re.IGNORECASE,
)
_PERSONAL = re.compile(
    r"(?:my |all[- ]?time |personal )*fav(?:s|es?|ou?rites?)?(?: (?:\w+s|music|\d+))?|seen live"
    r"|(?:my |i )?own(?:ed)?|(?:want |have )?to[- ](?:read|watch|buy|listen|play|see|get)"
    r"|wish[- ]?list(?:ed)?|playlists?|(?:currently|already)[- ]\w+|in my \w+"
    r"|my (?:\w+ )?(?:songs?|music|list|books?|movies|films|games|collection|library|shelf|picks?)"
    r"|(?:netflix|library|dvd) queue",
    re.IGNORECASE,
)
"""Words that people file things under for themselves: of use to them, and no trait of the thing."""
_UNIT = (
    r"(?:oz|ounces?|lbs?|pounds?|kgs?|kilograms?|mg|g|grams?|grammes?|tonn?e?s?"
    r"|mm|cm|m|km|met(?:er|re)s?|in|inch(?:es)?|ft|foot|feet|yards?)"
)
_MEASURE = re.compile(
    rf"\d[\d.,/]*(?:\s*[x×*]\s*\d[\d.,/]*)*\s*{_UNIT}\.?\s*(?:[(;,x×*].*)?", re.IGNORECASE
)
"""A weight or a size: "0.3 ounces", "8.3 x 5.1 x 0.2 inches ; 0.3 ounces"."""
_CODE = re.compile(
    r"(?=\S*\d)(?=\S*[A-Z])[A-Z0-9_-]{6,}|(?=\S*\d)[0-9a-f]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4}"
)
"""A catalogue number or a hash: "B00BWDH2O6", "72d76fde-8bb3-4e00-8c23-a032dfed738c"."""
_PADDED = re.compile(r"0\d+")
_RANKED = re.compile(r"[>#]?\s*#?\d[\d,]* in [A-Z].*")
"""A place in a chart: "2 in Gift Cards (", ">#1,204 in Toys & Games"."""
_PAID_WITH = re.compile(
    r"visa|master ?card|american express|amex|discover|diners(?: club)?|jcb|union ?pay|maestro"
    r"|pay ?pal|apple pay|google pay|ali ?pay|we ?chat ?pay|klarna|cash"
    r"|(?:credit|debit|gift)[_ ]card"
    r"|bank[_ ]transfer|boleto|voucher|invoice|not[_ ]defined",
    re.IGNORECASE,
)
_PLACE_CODE = re.compile(r"[A-Z]{2,3}")
_DATE = re.compile(
    r"(1[89]\d\d|20\d\d)(?:[-/.]\d\d?){0,2}(?:[T ].*)?|\d\d?[-/. ]\w{3,9}[-/., ]+(1[89]\d\d|20\d\d)"
    r"|[A-Za-z]{3,9}\.? \d\d?,? (1[89]\d\d|20\d\d)"
)
_ID_NAME = re.compile(
    r"(?:^|[._\s-])(?:id|ids|uuid|guid|url|uri|sku|ean|isbn|asin)[:_.\s]*$|[a-z](?:Id|ID|No|Nr)$"
    r"|[a-z](?:nr|nummer)$"
    r"|^(?:imdb|tmdb)"
)
_MEASURED = frozenset(
    {
        "weight",
        "dimension",
        "width",
        "height",
        "depth",
        "diameter",
        "thickness",
        "shipping",
        "delivery",
        "parcel",
        "barcode",
        "upc",
        "gtin",
        "mpn",
    }
)
"""Words in names of attributes that give a measure, a way of delivery or a catalogue number: no
taste.
"""
_OF_A_PACKAGE = frozenset({"product", "item", "package", "cm", "mm", "inch", "in"})
_COUNTED = frozenset(
    {
        "rank",
        "ranking",
        "rating",
        "vote",
        "score",
        "star",
        "popularity",
        "count",
        "sale",
        "sold",
        "stock",
        "quantity",
        "inventory",
        "view",
        "play",
        "listen",
        "download",
        "follower",
    }
)
"""Words in names of numbers that say what others thought of an item."""
_REGISTERED = frozenset(
    {
        "available",
        "added",
        "created",
        "updated",
        "modified",
        "listed",
        "crawled",
        "scraped",
        "imported",
        "stocked",
    }
)
"""Words in names of dates that belong to the shop, not to the item."""
_PAID = frozenset({"payment", "installment", "billing", "iban", "currency"})
_REACHED = frozenset(
    {
        "address",
        "street",
        "zip",
        "zipcode",
        "postcode",
        "postal",
        "phone",
        "telephone",
        "fax",
        "email",
        "latitude",
        "longitude",
        "lat",
        "lng",
        "lon",
    }
)
"""Words in names of attributes that say where somebody or something is reached."""
_YES_OR_NO = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n"})
_SAME_IN_PLURAL = ("series", "species", "news", "goods", "cast")
_IN_IE = ("movies", "cookies", "hoodies", "pies", "ties", "calories", "selfies")


@dataclass(frozen=True)
class RoleGuess:
    """A column's role, and why, in a few words."""

    role: Role
    why: str


def guess_role(
    name: str, rows: Sequence[Sequence[str]], items: int, ids: AbstractSet[str] = frozenset()
) -> RoleGuess:
    """The role of a column of a catalogue.

    `rows`: the raw values of each item that has any, `items`: the number of all items, `ids`: the
    items' ids. A taste is read as its values, a time as decades, an amount as low, mid and high;
    an id, a fact and a text are no taste.
    """
    if not rows:
        return RoleGuess("fact", "empty")
    if (named := _by_name(name)) is not None:
        return named
    clean = [row for row in ([v for v in map(clean_value, raw) if v] for raw in rows) if row]
    values = list(chain.from_iterable(clean))
    if not values:
        is_text = mostly([value for row in rows for value in row], _is_prose, 0.5)
        return RoleGuess("text", "prose") if is_text else RoleGuess("fact", "says nothing")
    if len(clean) < 0.5 * len(rows) and mostly(list(chain(*rows)), _is_prose, 0.5):
        return RoleGuess("text", "prose")
    if len(clean) < MIN_COVERAGE * items:
        return RoleGuess("fact", f"on {len(clean) / items:.1%} only")
    guess = _by_values(values, ids, single=len(values) == len(clean))
    if guess is None and len(values) == len(clean):
        guess = _of_single_values(name, values)
    return guess or _of_groups(clean, values, items)


def is_no_taste(name: str) -> bool:
    """Whether a name alone tells that a column is no taste."""
    return _by_name(name) is not None


def _by_name(name: str) -> RoleGuess | None:
    """What a name alone tells: an id, whether it is on the shelf, a measure, payment, address."""
    words = _words_of(name)
    if _ID_NAME.search(name.strip(" :._")):
        return RoleGuess("id", "named so")
    if name.lower() in SHELF:
        return RoleGuess("fact", "comes and goes")
    if name == GROUP:
        return RoleGuess("fact", "tells which items are variants of one thing")
    if _is_measured(words):
        return RoleGuess("fact", "a measure or a number of the trade")
    if words & _PAID:
        return RoleGuess("fact", "payment")
    return RoleGuess("fact", "an address") if words & _REACHED else None


def is_registered(name: str) -> bool:
    """Whether a date by this name belongs to the shop, not to the item."""
    return bool(_REGISTERED & _words_of(name))


def _words_of(name: str) -> set[str]:
    return set(facet_name(re.sub(r"[\W_]+", " ", name)).split())


def _is_measured(words: set[str]) -> bool:
    if {"length", "size"} & words and words & _OF_A_PACKAGE:
        return True
    numbered = "number" in words and words & {
        "model",
        "part",
        "serial",
        "item",
        "catalogue",
        "catalog",
        "style",
    }
    return bool(words & _MEASURED or numbered)


def _by_values(values: Sequence[str], ids: AbstractSet[str], *, single: bool) -> RoleGuess | None:
    """What values alone tell: ids of items, codes, measures, places in charts, payment."""
    if mostly(values, _CODE.fullmatch):
        return RoleGuess("id", "codes")
    if mostly(values, _PADDED.fullmatch, 0.3) and len({len(value) for value in values}) == 1:
        return RoleGuess("id", "numbers of one length that begin with zeros")
    if mostly(values, _is_register):
        return RoleGuess("fact", "measures, links or places in a chart")
    if mostly(values, _PAID_WITH.fullmatch, 0.8) and len(set(values)) > 1:
        return RoleGuess("fact", "payment")
    numbers = [number for number in map(number_of, values) if number is not None]
    are_numbers = len(numbers) >= 0.95 * len(values)
    sizes = len(set(numbers)) <= MANY_NUMBERS and max(numbers, default=0.0) < SMALL
    many = not single and not sizes and not _are_years(values)
    if (many or not are_numbers) and ids and _share_among(values, ids) > MIN_SHARED_IDS:
        return RoleGuess("id", "ids of items")
    return RoleGuess("id", "lists of numbers") if many and are_numbers else None


def _share_among(values: Sequence[str], ids: AbstractSet[str]) -> float:
    different = set(values)
    return len(different & ids) / len(different)


def _of_single_values(name: str, values: Sequence[str]) -> RoleGuess | None:
    """The role of a column of one value an item that holds numbers or dates; None for words."""
    words = _words_of(name)
    numbers = [number for number in map(number_of, values) if number is not None]
    if len(different := {value.casefold() for value in values}) > 1 and different <= _YES_OR_NO:
        return RoleGuess("fact", "yes or no")
    if len(numbers) >= 0.95 * len(values):
        return _of_numbers(name, words, numbers, values)
    if mostly(values, _is_date):
        if is_registered(name):
            return RoleGuess("fact", "a date of the shop's")
        return RoleGuess("time", "dates")
    if {"state", "province"} & words and mostly(values, _PLACE_CODE.fullmatch):
        return RoleGuess("fact", "an address")
    return None


def _of_numbers(
    name: str, words: set[str], numbers: Sequence[float], values: Sequence[str]
) -> RoleGuess:
    if _COUNTED & words:
        return RoleGuess("fact", "what others did or thought")
    counts = Counter(numbers)
    different = len(counts)
    if different > 1 and counts.most_common(1)[0][1] > (1 - MIN_TELLING) * len(numbers):
        return RoleGuess("fact", SAME)
    if counts.keys() == {0.0, 1.0}:
        return RoleGuess("fact", "yes or no")
    whole = all(number == int(number) for number in numbers)
    if whole and different > 2 and _are_years(values):
        return RoleGuess("time", "years")
    if different <= FEW_NUMBERS and name != "price":
        if not 1 < different < len(values):
            return RoleGuess("fact", "the same everywhere" if different == 1 else "too few")
        return RoleGuess("taste", f"{different} numbers")
    if different < len(BANDS):
        return RoleGuess("fact", SAME)
    if whole and max(numbers) >= 1e8:
        return RoleGuess("id", "large numbers")
    return RoleGuess("amount", f"from {min(numbers):g} to {max(numbers):g}")


def _of_groups(rows: Sequence[Sequence[str]], values: Sequence[str], items: int) -> RoleGuess:
    """Whether words name groups of items: several items share them, and one value is not on nearly
    all.
    """
    on = carriers(rows)
    sharing = sum(any(on[value.casefold()] > 1 for value in row) for row in rows)
    if sharing < MIN_REPEATED * len(rows):
        coded = mostly(values, lambda value: " " not in value and any(map(str.isdigit, value)), 0.5)
        return RoleGuess("id" if coded else "fact", "nearly each its own")
    if (len(on) < 2 and len(rows) > 0.9 * items) or telling(rows, items) * items < (
        MIN_TELLING * len(rows)
    ):
        return RoleGuess("fact", SAME)
    return RoleGuess("taste", f"{len(on):,} values" if len(on) > 1 else "1 value")


def telling(rows: Sequence[Sequence[str]], items: int) -> float:
    """Share of all items that carry a value which is not on most of them."""
    on = carriers(rows)
    most = TOO_COMMON * items
    return sum(any(on[value.casefold()] <= most for value in row) for row in rows) / items


def carriers(rows: Sequence[Sequence[str]]) -> Counter[str]:
    """Items that carry each value, by the value in lower case."""
    return Counter(key for row in rows for key in {value.casefold() for value in row})


def facet_name(name: str) -> str:
    """An attribute's name as a facet: lower case, spaces, singular ("Genres" -> "genre")."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    head, _, last = _SPACE.sub(" ", spaced).strip().lower().rpartition(" ")
    if last not in _SAME_IN_PLURAL and last.isascii():
        last = _singular(last)
    return f"{head} {last}".strip()


def _singular(word: str) -> str:
    if word in _IN_IE:
        return word[:-1]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def clean_value(value: str) -> str:
    """A value without needless space; empty where it names no trait: a placeholder, a sentence, or
    what somebody files a thing under.
    """
    text = _SPACE.sub(" ", value).strip()
    none = _PLACEHOLDER.fullmatch(text) or _is_prose(text) or _PERSONAL.fullmatch(text)
    return "" if none else text


def _is_prose(text: str) -> bool:
    if len(text) > LONG_VALUE:
        return True
    words = text.count(" ") + 1
    if words < PROSE_WORDS:
        return text.endswith(("。", "！", "？"))
    last = text.rpartition(" ")[2]
    return last[-1] in ".!?。！？" and (
        last[0].islower() or words > PROSE_WORDS + 1 or len(last) > PROSE_WORDS + 1
    )


def _is_register(value: str) -> bool:
    return bool(
        _MEASURE.fullmatch(value)
        or _CODE.fullmatch(value)
        or _RANKED.fullmatch(value)
        or "://" in value
    )


def _is_date(value: str) -> bool:
    return _DATE.fullmatch(value) is not None


def _are_years(values: Sequence[str]) -> bool:
    return mostly(values, lambda value: year_of(value) is not None)


def number_of(value: str) -> float | None:
    """The number that a value is; None for words, infinities and NaN."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def year_of(value: str) -> int | None:
    """The year that a value is or is a date of, from 1850 to 2100."""
    match = _DATE.fullmatch(value.strip().removesuffix(".0"))
    year = int(match[1] or match[2] or match[3]) if match else 0
    return year if FIRST_YEAR <= year <= LAST_YEAR else None


def numbers_in(values: Sequence[str]) -> Iterator[float]:
    return (number for number in map(number_of, values) if number is not None)


def mostly(values: Sequence[str], test: Callable[[str], object], share: float = 0.9) -> bool:
    """Whether a test holds for at least this share of values."""
    return sum(bool(test(value)) for value in values) >= share * len(values)
