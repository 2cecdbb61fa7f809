"""Turns text columns into clean, canonical values. A row that cannot be used is rejected with a
reason. Cells that stand for nothing were emptied before.
"""

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import compress
from operator import not_

import numpy as np
import pandas as pd
from lxml import etree
from numpy.typing import NDArray
from price_parser import Price

from limner.core.interactions import NO_TIME
from limner.core.schema import Attributes, Item, Scalar, User
from limner.core.variants import GROUP
from limner.ingest.broken_text import BROKEN_ID, NUL, cells_with, used_columns
from limner.ingest.literals import literal
from limner.ingest.mapping import (
    FIELDS,
    ROW,
    TYPE_ALIASES,
    ColumnRule,
    Layout,
    Mapping,
    TableName,
    category_name,
    plain_name,
)
from limner.ingest.read import BROKEN, LINE, RAW
from limner.ingest.times import parse_times
from limner.store import event_hash

ITEMLESS = frozenset({"search", "answer", "preference", "comment"})
"""Types that make sense without an item."""
_STATES = frozenset({"rating", "review", "like", "dislike"})
"""Event types of which an identical second row is a duplicate. Other types, such as purchases, may
repeat.
"""
_RATED = frozenset({"rating", "review"})
_ABOUT_ITEMS = frozenset({"rating", "purchase", "view"})
"""Event types that need an item, even where the row has a text."""
_MASK = (1 << 63) - 1
_LONGEST_ID = 255
_FIRST_YEAR, _LAST_YEAR = 1800, 2100
_DAY = 86_400_000
_LAYOUT = (
    "a|abbr|address|article|b|big|blockquote|br|center|cite|dd|del|div|dl|dt|em|figure|font|footer|h[1-6]|header|hr|i"
    "|iframe|img|input|ins|li|ol|p|pre|s|section|small|span|strike|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|wbr"
)
"""Elements that shops lay out reviews and descriptions with. Names of others, in prose, are what it
speaks of.
"""
_HIDDEN = {r"/?script\b": "</script", r"/?style\b": "</style", "!--": "-->"}
"""HTML parts that a browser does not show: pattern of the opening, and the end."""
_MARKUP = re.compile(
    rf"</?(?:{_LAYOUT})(?:\s[^<>=]*=[^<>]*)?\s*/?>|{'|'.join(_HIDDEN.values())}", re.IGNORECASE
)
"""Matches text that is HTML. A tag's attributes need values, so that "if a <b and c> d" does not
match.
"""
_SHOWN = etree.XPath("//text()[not(parent::script or parent::style)]")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_BROKEN = re.compile(r"[\x00\ud800-\udfff]")
_NUL = re.compile("\x00")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FLOAT_ID = re.compile(r"^(\d+)\.0$")
_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$|\s,\s(\d{4})$")
_NUMBER = re.compile(r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$")
_DECIMAL_COMMA = re.compile(r"^-?(\d{1,3}(\.\d{3})+|\d+),\d{1,2}$")
_THOUSANDS = re.compile(r"^-?\d{1,3}(,\d{3})+(\.\d+)?$")
_AMOUNT = re.compile(r"-?\d+(?:[ \u00a0\u202f'’]\d{3})*[\d.,]*")
"""A number as people write it, with blanks or apostrophes between thousands."""


def clean_name(text: str) -> str:
    """A title, category or attribute: entities read, control characters removed, white space
    folded. What looks like markup stays, since it is what the thing is called.
    """
    return _folded(html.unescape(text) if "&" in text else text)


def clean_text(text: str) -> str:
    """A review or description as a browser shows it. Angle brackets stay where they are no markup
    that lays a text out.
    """
    if "&" in text:
        text = html.unescape(text)
    if "<" in text and _MARKUP.search(text):
        text = _rendered(text)
    return _folded(text)


def _rendered(markup: str) -> str:
    """HTML as plain text, with a break between elements. Tags without layout meaning stay as
    written.
    """
    lower = markup.lower()
    hidden = (opening for opening, end in _HIDDEN.items() if end in lower)
    tags = "|".join([rf"/?(?:{_LAYOUT})\b", *hidden])
    # Entities were read before; the blank keeps cells of a table apart whose table is missing.
    source = markup.replace("&", "&amp;")
    source = re.sub(rf"<(?!{tags})", "&lt;", source, flags=re.IGNORECASE).replace("<", " <")
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    tree = etree.fromstring(f"<div>{source}</div>".encode("utf-8", "replace"), parser)
    if parser.error_log.filter_from_fatals():
        return _MARKUP.sub(" ", markup)  # nested too deep for a tree
    return " ".join(_SHOWN(tree))


def _folded(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _clean_column(values: Sequence[str], clean: Callable[[str], str]) -> list[str]:
    """Each cleaned; a value that occurs often is cleaned once."""
    known: dict[str, str] = {"": ""}
    out = []
    for value in values:
        done = known.get(value)
        if done is None:
            done = clean(value)
            if len(known) < 50_000:
                known[value] = done
        out.append(done)
    return out


def _id(cell: str) -> str:
    """A cell as an id: trimmed, with "13995.0" (a numeric column with gaps) read as "13995"."""
    cell = cell.strip()
    if cell.endswith(".0") and _FLOAT_ID.match(cell):
        return cell[:-2]
    return cell


class Cells:
    """A text column as codes into its distinct cells, so that work is done once for each distinct
    cell.
    """

    def __init__(self, column: Sequence[str] | NDArray[np.object_]) -> None:
        codes, cells = pd.factorize(np.asarray(column, dtype=object), use_na_sentinel=False)
        self.codes: NDArray[np.intp] = codes
        self.distinct: list[str] = list(cells)

    @classmethod
    def of(cls, frame: pd.DataFrame, spec: ColumnRule | None) -> "Cells":
        """The cells of a field in a chunk: its column, several columns joined, or a constant; all
        empty where the table has no such field.
        """
        if spec is None or spec.constant is not None:
            made = cls([])
            made.codes = np.zeros(len(frame), dtype=np.intp)
            made.distinct = ["" if spec is None else str(spec.constant)]
            return made
        return cls(
            _joined(frame, spec) if spec.columns else frame[spec.column].to_numpy(dtype=object)
        )

    def map(self, change: Callable[[str], str]) -> "Cells":
        """A column of as many rows, with `change` applied to each distinct cell."""
        made = object.__new__(Cells)
        made.codes, made.distinct = self.codes, [change(cell) for cell in self.distinct]
        return made

    def where(self, test: Callable[[str], object]) -> NDArray[np.bool_]:
        """[n] whether the row's cell passes."""
        return np.array([bool(test(cell)) for cell in self.distinct], dtype=bool)[self.codes]

    def all(self) -> NDArray[np.object_]:
        """[n] the cells."""
        return np.array(self.distinct, dtype=object)[self.codes]


@dataclass(frozen=True)
class Rejected:
    line: int
    reason: str
    row: dict[str, str]


@dataclass(frozen=True)
class CleanEvents:
    user_id: list[str]
    item_id: list[str | None]
    type: list[str]
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    text: list[str]
    context: list[str]
    event_id: list[str] | None
    rejected: list[Rejected]
    repeats: "NDArray[np.bool_]"
    """[n] types of which an identical second row is a duplicate."""


def clean_events(
    frame: pd.DataFrame,
    layout: Layout,
    mapping: Mapping,
    now_ms: int,
    day_first: bool = False,
    times: str = "",
    text_columns: AbstractSet[str] = frozenset(),
) -> CleanEvents:
    """Clean one chunk of an events table. A rejected row carries the first reason that applies.

    An event's type is the data's own, translated by the mapping and the known aliases. Where the
    data has none: a row with a rating is a `rating` (its review text stays with it), a row with
    only a text is a `review` if the table has ratings, and any other row is a `view`. A negative
    quantity makes a purchase a return. `times` is the pattern that times are written in, as
    `parse_times` takes it; cells of `text_columns` are text though they look like numbers.
    """
    n = len(frame)
    reason = np.full(n, "", dtype=object)

    def reject(mask: NDArray[np.bool_], why: str) -> None:
        reason[mask & (reason == "")] = why

    for why, mask in faults(frame, layout):
        reject(mask, why)
    fields = layout.fields
    user = Cells.of(frame, fields.get("user_id")).map(_id)
    reject(user.where(not_), "missing user_id")
    reject(user.where(_is_too_long), "user_id too long")
    item = Cells.of(frame, fields.get("item_id")).map(_id)
    reject(item.where(_is_too_long), "item_id too long")

    rated = "rating" in fields
    raw = Cells.of(frame, fields.get("rating" if rated else "value")).map(number_text)
    numbers = numbers_of(raw.distinct)
    value = numbers[raw.codes]
    reject(
        raw.where(bool) & ~np.isfinite(value),
        "unparseable rating" if rated else "unparseable value",
    )

    has_text = np.zeros(n, dtype=bool)
    text = [""] * n
    if "text" in fields:
        text = _clean_column(_joined(frame, fields["text"]), clean_text)
        has_text = np.array([bool(one) for one in text], dtype=bool)

    kind = _event_types(frame, Cells.of(frame, fields.get("type")), mapping, value)
    rated_type = "rating" if rated else "view"
    unrated_type = np.where(has_text & rated, "review", "view")
    guessed = np.where(np.isnan(value), unrated_type, rated_type)
    kind = np.where(kind == "", guessed, kind).astype(object)
    names = Cells(kind)
    reject(names.where(lambda one: len(one) > 64), "type too long")
    if mapping.scale is not None:
        # A scale binds what is a rating; a quantity in the same column is none.
        low, high = mapping.scale
        reject(
            names.where(_RATED.__contains__) & ((value < low) | (value > high)),
            "rating out of scale",
        )
    # What needs no item, or says something in words, is kept without one.
    loose = names.where(ITEMLESS.__contains__) | (
        has_text & ~names.where(_ABOUT_ITEMS.__contains__)
    )
    reject(item.where(not_) & ~loose, "missing item_id")

    time = np.full(n, NO_TIME, dtype=np.int64)
    if "timestamp" in fields:
        stamp = Cells.of(frame, fields["timestamp"]).map(str.strip)
        read, bad = parse_times(stamp.distinct, times, day_first)
        time = read[stamp.codes]
        reject(stamp.where(not_), "missing timestamp")
        reject(bad[stamp.codes], "unparseable timestamp")
        reject((time != NO_TIME) & ((time <= 0) | (time > now_ms + _DAY)), "impossible time")

    ids = None
    if "event_id" in fields:
        ids = Cells.of(frame, fields["event_id"]).map(_id)
        reject(ids.where(not_), "missing event_id")
        reject(ids.where(_is_too_long), "event_id too long")

    bad_rows = reason != ""
    keep = ~bad_rows
    context = _contexts(frame, layout, "events", text_columns)
    everything = bool(keep.all())

    def kept(values: list[str]) -> list[str]:
        return values if everything else list(compress(values, keep))

    kinds = kind[keep]
    named: list[str | None] = [one or None for one in item.all()[keep]]
    return CleanEvents(
        user_id=user.all()[keep].tolist(),
        item_id=named,
        type=kinds.tolist(),
        value=value[keep],
        time=time[keep],
        text=kept(text),
        context=kept(context),
        event_id=None if ids is None else ids.all()[keep].tolist(),
        rejected=rejected(frame, np.flatnonzero(bad_rows), reason),
        repeats=names.where(_STATES.__contains__)[keep],
    )


def _is_too_long(cell: str) -> bool:
    return len(cell) > _LONGEST_ID


def _event_types(
    frame: pd.DataFrame, cells: Cells, mapping: Mapping, value: NDArray[np.float64]
) -> NDArray[np.object_]:
    """[n] event types by the mapping and the aliases, "" where the data has none. A purchase of a
    negative quantity, or one that the mapping's `returns` marks, is a return.
    """
    own = {key.lower(): kind for key, kind in mapping.types.items()}
    kind = cells.map(lambda cell: _type(cell, own)).all()
    back = value < 0
    if mapping.returns:
        name, prefix = mapping.returns.split("=", 1)
        marked = Cells(frame[name].to_numpy(dtype=object))
        back |= marked.where(lambda cell: cell.startswith(prefix))
    kind[(kind == "purchase") & back] = "return"
    return kind


def faults(frame: pd.DataFrame, layout: Layout) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """(reason, [n] mask) of rows that did not parse, or hold a NUL in a column that is used, or a
    letter that is broken still.
    """
    if BROKEN in frame:
        broken = Cells(frame[BROKEN].to_numpy(dtype=object))
        for fault in broken.distinct:
            if fault:
                yield fault, broken.where(fault.__eq__)
    for name in used_columns(layout):
        cells = frame[name].to_list()
        for why, pattern in ((NUL, _NUL), (BROKEN_ID, _SURROGATE)):
            mask = cells_with(cells, pattern)
            if mask is not None:
                yield why, mask


def number_text(cell: str) -> str:
    """A number as Python writes it: "4,5" is 4.5, "1,234.50" is 1234.50; anything else as it
    came.
    """
    cell = cell.strip()
    if "," in cell:
        if _DECIMAL_COMMA.match(cell):
            return cell.replace(".", "").replace(",", ".")
        if _THOUSANDS.match(cell):
            return cell.replace(",", "")
    return cell


def numbers_of(cells: Sequence[str]) -> NDArray[np.float64]:
    """[n] NaN where a cell is no finite number."""
    found = np.array(
        pd.to_numeric(pd.Series(list(cells), dtype=object), errors="coerce"), dtype=np.float64
    )
    return np.where(np.isfinite(found), found, np.nan)


def price_of(cell: str) -> float | None:
    """The amount in a price cell, such as "$1,234.50", "12,50 €" or "9.99 USD". None for a range, a
    text, or a cell without an amount.
    """
    cell = cell.strip()
    amounts = _AMOUNT.findall(cell)
    if len(amounts) != 1 or amounts[0].startswith("-"):
        return None
    try:
        # A bare number is read as Python does: 19.999 is not nineteen thousand.
        return float(cell)
    except ValueError:
        return Price.fromstring(cell).amount_float


def _type(cell: str, own: dict[str, str]) -> str:
    word = cell.strip().lower()
    return own.get(word, TYPE_ALIASES.get(word, word))


def identify(
    events: CleanEvents, count: "Occurrences"
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """([n] id hashes, [n] true for a duplicate: a row of a state type, identical to an earlier row
    of the file).

    A made id is the hash of the canonical fields and of the row's number among identical rows of
    the file. So equal invoice lines survive, and reading the file again changes nothing. The source
    is not hashed: a renamed file brings the same events.
    """
    content = _hash_rows(events)
    number = count.number(content)
    ids = content.copy()
    for at in np.flatnonzero(number).tolist():
        ids[at] = _hash(f"{content[at]}\x1f{number[at]}")
    return ids, (number > 0) & events.repeats


def _hash_rows(events: CleanEvents) -> NDArray[np.int64]:
    digest = hashlib.blake2b
    # By their bits, which tell -0.0 from 0.0.
    codes, bits = pd.factorize(events.value.view(np.int64))
    numbers = [str(number) for number in np.asarray(bits).view(np.float64).tolist()]
    rows = zip(
        events.user_id,
        map(str, events.item_id),
        events.type,
        [numbers[code] for code in codes.tolist()],
        map(str, events.time.tolist()),
        events.text,
        events.context,
        strict=True,
    )
    texts = map("\x1f".join, rows)
    hashed = b"".join([digest(one.encode(), digest_size=8).digest() for one in texts])
    return np.frombuffer(hashed, dtype=">i8").astype(np.int64) & _MASK


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") & _MASK


class GivenIds:
    """The content of each event id that the data brings itself, over one run; 16 bytes an event."""

    def __init__(self) -> None:
        self._ids = np.empty(0, dtype=np.int64)
        self._content = np.empty(0, dtype=np.int64)

    def check(
        self, events: CleanEvents
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """([n] id hashes, [n] id and content came before, [n] the id came before with other
        content).
        """
        ids = np.array([event_hash(one) for one in events.event_id or []], dtype=np.int64)
        content = _hash_rows(events)
        distinct, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        place = np.searchsorted(self._ids, distinct)
        old = np.zeros(len(distinct), dtype=bool)
        if len(self._ids):
            old = self._ids[np.minimum(place, len(self._ids) - 1)] == distinct
        meant = content[first]
        meant[old] = self._content[place[old]]
        self._content = np.insert(self._content, place[~old], meant[~old])
        self._ids = np.insert(self._ids, place[~old], distinct[~old])
        other = content != meant[inverse]
        opening = np.zeros(len(ids), dtype=bool)
        opening[first[~old]] = True
        return ids, ~opening & ~other, other


class Occurrences:
    """Counts of earlier rows of a file by their hash; eight bytes a distinct row."""

    def __init__(self) -> None:
        self._seen = np.empty(0, dtype=np.int64)
        self._more: dict[int, int] = {}

    def number(self, base: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n] 0 for the first row of its kind, 1 for the second, …"""
        inside = pd.Series(base).groupby(base).cumcount().to_numpy()
        unique, counts = np.unique(base, return_counts=True)
        place = np.searchsorted(self._seen, unique)
        old = np.zeros(len(unique), dtype=bool)
        if len(self._seen):
            old = self._seen[np.minimum(place, len(self._seen) - 1)] == unique
        before = np.where(old, 1, 0)
        for at in np.flatnonzero(old | (counts > 1)).tolist():
            key = int(unique[at])
            if old[at]:
                before[at] = self._more.get(key, 1)
            self._more[key] = int(before[at] + counts[at])
        self._seen = np.insert(self._seen, place[~old], unique[~old])
        return (inside + before[np.searchsorted(unique, base)]).astype(np.int64)


# ---------------------------------------------------------------- users and items


def clean_items(
    frame: pd.DataFrame, layout: Layout, source: str, text_columns: AbstractSet[str] = frozenset()
) -> tuple[list[Item], list[int], list[Rejected]]:
    """(items of one chunk, the position of each in the chunk, rejected rows).

    A year that ends the title (or the attribute `original_title`) becomes the attribute `year`
    unless the item has one. The title keeps its year.
    """
    fields = layout.fields
    ids = [_id(cell) for cell in Cells.of(frame, fields.get("item_id")).all()]
    reason = _faulty(frame, layout, ids, "item_id")
    titles = _clean_column(_joined(frame, fields.get("title")), clean_name)
    texts = _clean_column(_joined(frame, fields.get("text")), clean_text)
    price_cells = Cells.of(frame, fields.get("price"))
    distinct_prices = [price_of(cell) for cell in price_cells.distinct]
    prices = [distinct_prices[code] for code in price_cells.codes.tolist()]
    categories = _lists(frame, fields.get("categories"))
    facet = category_name(fields.get("categories"))
    images, audios = (
        [cell.strip() for cell in _joined(frame, fields.get(name))] for name in ("image", "audio")
    )
    groups = [_id(cell) for cell in Cells.of(frame, fields.get("group")).all()]
    rest = _attributes(frame, layout, "items", text_columns)
    good = np.flatnonzero(reason == "").tolist()
    items: list[Item] = []
    for i in good:
        attributes = rest[i]
        if "year" not in attributes and (
            year := _year(titles[i]) or _year(attributes.get("original_title"))
        ):
            attributes["year"] = year
        if facet and categories[i]:
            attributes[facet] = categories[i]
        if groups[i]:
            attributes[GROUP] = groups[i]
        items.append(
            Item(
                item_id=ids[i],
                source=source,
                title=titles[i],
                text=texts[i],
                categories=categories[i],
                price=prices[i],
                image=images[i] or None,
                audio=audios[i] or None,
                attributes=attributes,
            )
        )
    return items, good, rejected(frame, np.flatnonzero(reason != ""), reason)


def clean_users(
    frame: pd.DataFrame, layout: Layout, source: str, text_columns: AbstractSet[str] = frozenset()
) -> tuple[list[User], list[Rejected]]:
    ids = [_id(cell) for cell in Cells.of(frame, layout.fields.get("user_id")).all()]
    reason = _faulty(frame, layout, ids, "user_id")
    rest = _attributes(frame, layout, "users", text_columns)
    users = [
        User(user_id=ids[i], source=source, attributes=rest[i])
        for i in np.flatnonzero(reason == "").tolist()
    ]
    return users, rejected(frame, np.flatnonzero(reason != ""), reason)


def _faulty(
    frame: pd.DataFrame, layout: Layout, ids: Sequence[str], name: str
) -> NDArray[np.object_]:
    """[n] why a row of items or users cannot be used; "" where it can."""
    reason = np.array(
        [
            "" if 0 < len(one) <= _LONGEST_ID else f"{name} too long" if one else f"missing {name}"
            for one in ids
        ],
        dtype=object,
    )
    for why, mask in faults(frame, layout):
        reason[mask & (reason == "")] = why
    return reason


def _year(title: object) -> int | None:
    if isinstance(title, str) and (found := _YEAR_IN_TITLE.search(title)):
        year = int(found[1] or found[2])
        return year if _FIRST_YEAR <= year <= _LAST_YEAR else None
    return None


def _extra(
    frame: pd.DataFrame, layout: Layout, table: TableName, text_columns: AbstractSet[str]
) -> dict[str, list[Scalar | list[str]]]:
    """Columns that are no canonical field, by clean name: those that the mapping names so, then the
    rest.
    """
    attributes: dict[str, list[Scalar | list[str]]] = {}
    for name, spec in layout.fields.items():
        if name not in FIELDS[table]:
            is_list = bool(spec.separator or spec.flags)
            attributes[name] = (
                list(_lists(frame, spec))
                if is_list
                else _scalars(Cells.of(frame, spec), spec.column in text_columns)
            )
    for column in layout.rest:
        name = attribute_name(column)
        # Two columns may come to one clean name; neither may be lost.
        while name in attributes:
            name += "_"
        if _is_sequence(column):
            attributes[name] = list(_lists(frame, ColumnRule(column=column, separator=" ")))
        else:
            attributes[name] = _scalars(
                Cells(frame[column].to_numpy(dtype=object)), column in text_columns
            )
    return attributes


def _scalars(cells: Cells, are_text: bool) -> list[Scalar | list[str]]:
    values = [attribute(cell, is_text=are_text) for cell in cells.distinct]
    return [values[code] for code in cells.codes.tolist()]


def _attributes(
    frame: pd.DataFrame, layout: Layout, table: TableName, text_columns: AbstractSet[str]
) -> list[Attributes]:
    rows: list[Attributes] = [{} for _ in range(len(frame))]
    for name, values in _extra(frame, layout, table, text_columns).items():
        for row, value in zip(rows, values, strict=True):
            if value != "" and value != []:
                row[name] = value
    return rows


def attribute_name(column: str) -> str:
    """A column's name as attributes have it: "Release Date" -> release_date."""
    return re.sub(r"[^\w.]+", "_", plain_name(column).strip().lower()).strip("_. ") or "column"


def _is_sequence(column: str) -> bool:
    """RecBole's token_seq: a list separated by spaces."""
    return column.endswith(":token_seq")


_NAMED_BY = ("name", "title", "label", "value", "text", "id")
"""Keys whose value stands for an object in a list, the first that it has."""


def _list_literal(cell: str) -> list[object] | None:
    """A list as JSON or as Python writes it; None for other text in brackets."""
    if not cell.endswith("]"):
        return None
    try:
        value = literal(cell)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _flattened(values: Iterable[object]) -> Iterator[str]:
    """The texts of a list: those of lists within it too, and the names of objects; an object
    without a name as JSON.
    """
    for value in values:
        if isinstance(value, list):
            yield from _flattened(value)
        elif isinstance(value, dict):
            named = next((value[key] for key in _NAMED_BY if value.get(key)), None)
            text = json.dumps(value, ensure_ascii=False, default=str) if named is None else named
            yield clean_name(str(text))
        elif value is not None:
            yield clean_name(str(value))


def attribute(cell: object, *, is_text: bool = False) -> Scalar | list[str]:
    """A cell as a number, a list or clean text; "" where it is empty. Leading zeros stay text, and
    so do all numbers if the column holds text (`is_text`).
    """
    if not isinstance(cell, str):
        return float(cell) if isinstance(cell, int | float) else str(cell)
    cell = cell.strip()
    if not is_text and _NUMBER.match(cell) and len(cell) < 16:
        return float(cell) if any(mark in cell for mark in ".eE") else int(cell)
    if cell.startswith("["):
        value = _list_literal(cell)
        if value is not None:
            return list(_flattened(value))
    return _BROKEN.sub("", clean_name(cell))


def _lists(frame: pd.DataFrame, spec: ColumnRule | None) -> list[list[str]]:
    if spec is None:
        return [[] for _ in range(len(frame))]
    if spec.flags:
        on = {
            flag: frame[flag].str.strip().isin(["1", "true", "True"]).to_list()
            for flag in spec.flags
        }
        return [[flag for flag in spec.flags if on[flag][i]] for i in range(len(frame))]
    cells = Cells.of(frame, spec)
    lists = [split_list(cell, spec.separator) for cell in cells.distinct]
    return [lists[code] for code in cells.codes.tolist()]


def split_list(cell: str, separator: str = "") -> list[str]:
    """A cell as a list of distinct clean values; without a separator "|" or ";" split, else JSON
    lists are read.
    """
    cell = cell.strip()
    if not cell or cell == "(no genres listed)":
        return []
    if not cell.startswith("[") and "&" in cell:
        # Before splitting: an entity ends in a semicolon.
        cell = html.unescape(cell)
    if cell.startswith("["):
        value = attribute(cell)
        parts = value if isinstance(value, list) else [str(value)]
    elif separator:
        parts = cell.split(separator)
    else:
        parts = re.split(r"[|;]", cell)
    return list(dict.fromkeys(one for one in (_folded(part) for part in parts) if one))


def _contexts(
    frame: pd.DataFrame, layout: Layout, table: TableName, text_columns: AbstractSet[str]
) -> list[str]:
    """[n] compact JSON objects of the columns that are no canonical field; "" where a row has
    none.
    """
    parts = []
    for name, values in _extra(frame, layout, table, text_columns).items():
        key = json.dumps(name, ensure_ascii=False) + ":"
        texts: dict[object, str] = {"": ""}
        column = []
        for value in values:
            # 1, 1.0 and True are one key of a dict.
            known = value if isinstance(value, str) else (type(value), str(value))
            if (text := texts.get(known)) is None:
                text = key + _json(value) if value != [] else ""
                texts[known] = text
            column.append(text)
        parts.append(column)
    if not parts:
        return [""] * len(frame)
    return [
        f"{{{','.join(filter(None, row))}}}" if any(row) else "" for row in zip(*parts, strict=True)
    ]


def _joined(frame: pd.DataFrame, spec: ColumnRule | None) -> list[str]:
    """A field as text: a list becomes its words, several columns are joined by a space or set into
    a form.
    """
    if spec is None or spec.constant is not None:
        return ["" if spec is None else str(spec.constant)] * len(frame)
    if not spec.columns:
        return [_flat(cell) for cell in frame[spec.column]]
    columns = [[_flat(cell) for cell in frame[one]] for one in spec.columns]
    return [
        spec.format.format(*row) if spec.format and all(row) else " ".join(filter(None, row))
        for row in zip(*columns, strict=True)
    ]


def _flat(cell: str) -> str:
    """A JSON list of texts as one text."""
    if cell[:1] == "[" and isinstance(value := attribute(cell), list):
        return " ".join(value)
    return cell


def rejected(
    frame: pd.DataFrame, rows: NDArray[np.intp], reason: NDArray[np.object_]
) -> list[Rejected]:
    """Rows with their line number and reason, as text that any file can hold."""
    if not len(rows):
        return []
    names = [str(name) for name in frame.columns if name not in (LINE, BROKEN, ROW)]
    columns = [frame[name].to_numpy(dtype=object)[rows].tolist() for name in names]
    lines = frame[LINE].to_numpy()[rows].tolist()
    return [
        Rejected(
            int(line),
            str(why),
            {
                name: cell.encode("utf-8", "backslashreplace").decode()
                for name, cell in zip(names, row, strict=True)
                if cell or name != RAW
            },
        )
        for line, why, row in zip(lines, reason[rows], zip(*columns, strict=True), strict=True)
    ]
