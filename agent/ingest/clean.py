"""From text columns to canonical, clean values; what cannot be used gets a reason, never silence."""

import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agent.ingest.mapping import TYPE_ALIASES, Column, Layout, Mapping, plain_name
from agent.ingest.read import BROKEN, LINE
from agent.interactions import NO_TIME
from agent.schema import Attributes, Item, Scalar, User
from agent.store import event_hash

ITEMLESS = frozenset({"search", "answer", "preference", "comment"})
"""Types that make sense without an item."""
_STATES = frozenset({"rating", "review", "like", "dislike"})
"""Types of which a second, wholly identical row says nothing new; acts such as purchases may repeat."""
_MASK = (1 << 63) - 1
_DAY = 86_400_000
_TAG = re.compile(r"<[/!]?[a-zA-Z][^<>]{0,300}>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028\u2029\ufeff]")
_BROKEN = re.compile(r"[\x00\ud800-\udfff]")
_FLOAT_ID = re.compile(r"^(\d+)\.0$")
_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$|\s,\s(\d{4})$")
_NUMBER = re.compile(r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$")
_NOTHING = frozenset({"", "nan", "NaN", "NULL", "null", "None", "\\N", "N/A", "NA", "<NA>"})


def clean_text(text: str) -> str:
    """Markup, entities and control characters removed, white space folded."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    return " ".join(_CONTROL.sub(" ", text).split())


def _clean_column(values: Sequence[str]) -> list[str]:
    """`clean_text` of each; a value that occurs often is cleaned once."""
    known: dict[str, str] = {"": ""}
    out = []
    for value in values:
        done = known.get(value)
        if done is None:
            done = clean_text(value)
            if len(known) < 50_000:
                known[value] = done
        out.append(done)
    return out


def _ids(values: "pd.Series[str]") -> "pd.Series[str]":
    """Trimmed; "13995.0" from a numeric column with gaps is "13995"; the field's words for nothing are ""."""
    values = values.str.strip()
    if values.str.endswith(".0").any():
        values = values.str.replace(_FLOAT_ID, r"\1", regex=True)
    return values.where(~values.isin(_NOTHING), "")


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


def clean_events(frame: pd.DataFrame, layout: Layout, mapping: Mapping, now_ms: int) -> CleanEvents:
    """One chunk. Rejected rows carry the first reason that applies."""
    n = len(frame)
    reason = np.full(n, "", dtype=object)

    def reject(mask: "NDArray[np.bool_] | pd.Series[bool]", why: str) -> None:
        reason[np.asarray(mask, dtype=bool) & (reason == "")] = why

    if BROKEN in frame:
        for fault in frame[BROKEN].unique():
            if fault:
                reject(frame[BROKEN] == fault, fault)
    used = [c for column in layout.fields.values() for c in [column.column, *column.columns] if c]
    for name in dict.fromkeys([*used, *layout.rest]):
        column = frame[name]
        if not all(map(str.isascii, column)) or any("\x00" in cell for cell in column):
            reject(column.str.contains(_BROKEN, regex=True), "broken text (NUL or lone surrogate)")

    user = _ids(_series(frame, layout, "user_id"))
    reject(user == "", "missing user_id")
    reject(user.str.len() > 255, "user_id too long")
    has_item = "item_id" in layout.fields
    item = _ids(_series(frame, layout, "item_id"))
    reject(item.str.len() > 255, "item_id too long")

    rated = "rating" in layout.fields
    raw: pd.Series[str] = _series(frame, layout, "rating" if rated else "value").str.strip()
    raw = raw.mask(raw.isin(_NOTHING), "")
    value = _numbers(raw)
    reject((raw != "").to_numpy() & ~np.isfinite(value), "unparseable rating" if rated else "unparseable value")
    value[~np.isfinite(value)] = np.nan

    text = _clean_column(_joined(frame, layout, "text"))
    has_text = np.array([bool(one) for one in text], dtype=bool)

    if "type" in layout.fields:
        types = _types(_series(frame, layout, "type"), mapping)
        default = "rating" if rated else "view"
        types = types.where(types != "", default)
    elif rated:
        guessed = np.where(np.isnan(value), np.where(has_text, "review", "view"), "rating")
        types = pd.Series(guessed, index=frame.index, dtype=object)
    else:
        types = pd.Series("view", index=frame.index, dtype=object)
    kind = types.to_numpy(dtype=object)
    kind = _returns(kind, value, frame, mapping)
    # A scale binds what is a rating; a quantity in the same column is none.
    if mapping.scale is not None:
        low, high = mapping.scale
        reject((kind == "rating") & ((value < low) | (value > high)), "rating out of scale")
    reject(pd.Series(kind).str.len().to_numpy() > 64, "type too long")
    loose = np.isin(kind, list(ITEMLESS)) | (has_text & ~np.isin(kind, ["rating", "purchase", "view"]))
    if has_item:
        reject((item == "").to_numpy() & ~loose, "missing item_id")
    else:
        reject(~loose, "missing item_id")

    time = np.full(n, NO_TIME, dtype=np.int64)
    if "timestamp" in layout.fields:
        stamp = _series(frame, layout, "timestamp").str.strip()
        stamp = stamp.where(~stamp.isin(_NOTHING), "")
        time, bad = parse_times(stamp)
        reject((stamp == "").to_numpy(), "missing timestamp")
        reject(bad, "unparseable timestamp")
        reject((time != NO_TIME) & ((time <= 0) | (time > now_ms + _DAY)), "impossible time")

    keep = reason == ""
    rows = np.flatnonzero(keep)
    event_id = None
    if "event_id" in layout.fields:
        given = _ids(_series(frame, layout, "event_id"))
        reject(given == "", "missing event_id")
        keep = reason == ""
        rows = np.flatnonzero(keep)
        event_id = [str(one) for one in given.to_numpy(dtype=object)[rows]]
    context = _contexts(frame, layout.rest)
    items: list[str | None] = [one or None for one in item.to_numpy(dtype=object)[rows]]
    rejected = _all_rejected(frame, np.flatnonzero(~keep).tolist(), reason)
    types_kept = kind[rows]
    return CleanEvents(
        user_id=list(user.to_numpy(dtype=object)[rows]),
        item_id=items,
        type=[str(one) for one in types_kept],
        value=value[rows],
        time=time[rows],
        text=[text[i] for i in rows],
        context=[context[i] for i in rows] if context else [""] * len(rows),
        event_id=event_id,
        rejected=rejected,
        repeats=np.isin(types_kept, list(_STATES)),
    )


def _numbers(column: "pd.Series[str]") -> NDArray[np.float64]:
    """[n] NaN where a cell is no number."""
    return np.array(pd.to_numeric(column, errors="coerce"), dtype=np.float64)


def _types(column: "pd.Series[str]", mapping: Mapping) -> "pd.Series[str]":
    own = {key.lower(): value for key, value in mapping.types.items()}
    words = column.str.strip().str.lower()
    known = {word: own.get(word, TYPE_ALIASES.get(word, word)) for word in words.unique()}
    return words.map(known).where(~words.isin({w.lower() for w in _NOTHING}), "")


def _returns(
    kind: NDArray[np.object_], value: NDArray[np.float64], frame: pd.DataFrame, mapping: Mapping
) -> NDArray[np.object_]:
    """A purchase with a negative quantity, or marked so by the mapping, is a return."""
    back = (kind == "purchase") & (value < 0)
    if mapping.returns and "=" in mapping.returns:
        column, prefix = mapping.returns.split("=", 1)
        if column in frame:
            back |= (kind == "purchase") & frame[column].str.startswith(prefix).to_numpy(dtype=bool)
    return np.where(back, "return", kind)


def parse_times(stamp: "pd.Series[str]") -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """([n] epoch milliseconds UTC or NO_TIME, [n] unparseable). Numbers are seconds, or milliseconds and finer by size.

    A time without a zone is read as UTC.
    """
    number = _numbers(stamp)
    numeric = np.isfinite(number)
    # 20190704 is a date, not the year 1970.
    dates = numeric & stamp.str.fullmatch(r"(19|20)\d{6}").to_numpy(dtype=bool)
    numeric &= ~dates
    size = np.abs(number)
    scale = np.select([size < 1e11, size < 1e14, size < 1e17], [1e3, 1.0, 1e-3], 1e-6)
    out = np.full(len(stamp), NO_TIME, dtype=np.int64)
    with np.errstate(invalid="ignore", over="ignore"):
        milli = np.clip(number * scale, -9e15, 9e15)
    out[numeric] = milli[numeric].astype(np.int64)
    words = ~numeric & (stamp != "").to_numpy(dtype=bool)
    if words.any():
        cells = stamp[words].str.replace(r" UTC$", "Z", regex=True)
        parsed = pd.to_datetime(cells, utc=True, errors="coerce", format="ISO8601")
        missed = parsed.isna()
        if missed.any():
            parsed = parsed.where(~missed, pd.to_datetime(cells[missed], utc=True, errors="coerce", format="mixed"))
        good = ~parsed.isna().to_numpy()
        milliseconds = parsed.dt.as_unit("ms").astype("int64").to_numpy()
        where = np.flatnonzero(words)
        out[where[good]] = milliseconds[good]
    bad = (stamp != "").to_numpy(dtype=bool) & (out == NO_TIME)
    return out, bad


def identify(events: CleanEvents, count: "Occurrences") -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """([n] id hashes, [n] true where an identical row of a state type came before in this file).

    A made id is the hash of the canonical fields and the occurrence number among identical rows of the file, so that
    equal invoice lines survive and reading the file again changes nothing.
    """
    if events.event_id is not None:
        return np.array([event_hash(one) for one in events.event_id], dtype=np.int64), np.zeros(len(events.type), bool)
    digest = hashlib.blake2b
    fields = zip(
        events.user_id, events.item_id, events.type, events.value.tolist(), events.time.tolist(), events.text,
        events.context, strict=True,
    )  # fmt: skip
    base = np.array(
        [
            int.from_bytes(digest("\x1f".join(map(str, row)).encode(), digest_size=8).digest(), "big") & _MASK
            for row in fields
        ],
        dtype=np.int64,
    )
    number = count.number(base)
    again = np.flatnonzero(number)
    ids = base.copy()
    for at in again.tolist():
        both = f"{base[at]}\x1f{number[at]}".encode()
        ids[at] = int.from_bytes(digest(both, digest_size=8).digest(), "big") & _MASK
    return ids, (number > 0) & events.repeats


class Occurrences:
    """How often each row hash came before in a file, at eight bytes a distinct row."""

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


def clean_items(frame: pd.DataFrame, layout: Layout, source: str) -> tuple[list[Item], list[Rejected]]:
    """Items of one chunk; a title's year becomes the attribute `year` where there is none."""
    ids = list(_ids(_series(frame, layout, "item_id")))
    titles = _clean_column(_joined(frame, layout, "title"))
    texts = _clean_column(_joined(frame, layout, "text"))
    prices = pd.to_numeric(
        _series(frame, layout, "price").str.replace(r"[^\d.\-]", "", regex=True), errors="coerce"
    ).to_numpy(dtype=np.float64)
    categories = _lists(frame, layout, "categories")
    facet = _facet_name(layout.fields.get("categories"))
    images, audios = list(_series(frame, layout, "image")), list(_series(frame, layout, "audio"))
    rest = _attributes(frame, layout)
    items: list[Item] = []
    rejected: list[Rejected] = []
    for i, item_id in enumerate(ids):
        why = _id_fault(item_id, "item_id") or (
            "broken text (NUL or lone surrogate)" if _BROKEN.search(titles[i]) else ""
        )
        if why:
            rejected.append(_rejected(frame, i, why))
            continue
        attributes = rest[i]
        if "year" not in attributes and (year := _YEAR_IN_TITLE.search(titles[i])):
            attributes["year"] = int(year[1] or year[2])
        if facet and categories[i]:
            attributes[facet] = categories[i]
        price = prices[i]
        items.append(
            Item(
                item_id=item_id,
                source=source,
                title=titles[i],
                text=texts[i],
                categories=categories[i],
                price=float(price) if np.isfinite(price) else None,
                image=images[i] or None,
                audio=audios[i] or None,
                attributes=attributes,
            )
        )
    return items, rejected


def clean_users(frame: pd.DataFrame, layout: Layout, source: str) -> tuple[list[User], list[Rejected]]:
    ids = list(_ids(_series(frame, layout, "user_id")))
    rest = _attributes(frame, layout)
    users: list[User] = []
    rejected: list[Rejected] = []
    for i, user_id in enumerate(ids):
        if why := _id_fault(user_id, "user_id"):
            rejected.append(_rejected(frame, i, why))
        else:
            users.append(User(user_id=user_id, source=source, attributes=rest[i]))
    return users, rejected


def _id_fault(value: str, name: str) -> str:
    if not value:
        return f"missing {name}"
    if len(value) > 255:
        return f"{name} too long"
    return "broken text (NUL or lone surrogate)" if _BROKEN.search(value) else ""


def _facet_name(column: Column | None) -> str:
    """genres -> genre; "" where the column is just called categories."""
    if column and column.facet:
        return column.facet
    name = plain_name(column.column).lower().rsplit(".", 1)[-1] if column and column.column else ""
    if name in ("", "category", "categories", "category_code", "class", "main_category"):
        return ""
    return name.removesuffix("s") if name in ("genres", "tags") else name


def _attributes(frame: pd.DataFrame, layout: Layout) -> list[Attributes]:
    rows: list[Attributes] = [{} for _ in range(len(frame))]
    extra = {name: spec for name, spec in layout.fields.items() if name not in _KNOWN}
    named = [(name, _lists(frame, layout, name) if spec.separator or spec.flags else None, _joined(frame, layout, name))
             for name, spec in extra.items()]  # fmt: skip
    for name, lists, cells in named:
        for row, i in zip(rows, range(len(frame)), strict=True):
            value = lists[i] if lists is not None else attribute(cells[i])
            if value not in ("", []):
                row[name] = value
    for column in layout.rest:
        name = _attribute_name(column)
        values = {cell: attribute(cell) for cell in frame[column].unique()}
        for row, cell in zip(rows, frame[column], strict=True):
            value = values[cell]
            if value not in ("", []):
                row[name] = value
    return rows


_KNOWN = frozenset({"item_id", "user_id", "title", "text", "categories", "price", "image", "audio"})


def _attribute_name(column: str) -> str:
    return re.sub(r"[^\w.]+", "_", plain_name(column).strip().lower()).strip("_") or "column"


def attribute(cell: object) -> Scalar | list[str]:
    """A cell as a number, a list or clean text; "" for nothing. Leading zeros stay text."""
    if not isinstance(cell, str):
        return float(cell) if isinstance(cell, int | float) else str(cell)
    cell = cell.strip()
    if cell in _NOTHING:
        return ""
    if _NUMBER.match(cell) and len(cell) < 16:
        return float(cell) if any(mark in cell for mark in ".eE") else int(cell)
    if cell.startswith("["):
        try:
            value = json.loads(cell)
        except ValueError:
            return clean_text(cell)
        if isinstance(value, list):
            return [clean_text(str(one)) for one in value if not isinstance(one, dict | list)][:50]
    return _BROKEN.sub("", clean_text(cell))


def _lists(frame: pd.DataFrame, layout: Layout, name: str) -> list[list[str]]:
    spec = layout.fields.get(name)
    if spec is None:
        return [[] for _ in range(len(frame))]
    if spec.flags:
        on = {flag: frame[flag].str.strip().isin(["1", "true", "True"]).to_list() for flag in spec.flags}
        return [[flag for flag in spec.flags if on[flag][i]] for i in range(len(frame))]
    return [split_list(cell, spec.separator) for cell in _joined(frame, layout, name)]


def split_list(cell: str, separator: str = "") -> list[str]:
    """A cell as a list of distinct clean values; without a separator "|" or ";" split, else JSON lists are read."""
    cell = cell.strip()
    if cell in _NOTHING or cell == "(no genres listed)":
        return []
    if cell.startswith("["):
        value = attribute(cell)
        parts = value if isinstance(value, list) else [str(value)]
    elif separator:
        parts = cell.split(separator)
    else:
        parts = re.split(r"[|;]", cell)
    return list(dict.fromkeys(one for one in (clean_text(part) for part in parts) if one))


def _contexts(frame: pd.DataFrame, columns: Sequence[str]) -> list[str] | None:
    if not columns:
        return None
    names = [_attribute_name(column) for column in columns]
    known: list[dict[str, Scalar | list[str]]] = [
        {cell: attribute(cell) for cell in frame[column].unique()} for column in columns
    ]
    cells = zip(*(frame[column] for column in columns), strict=True)
    rows = []
    for row in cells:
        context = {name: values[cell] for name, values, cell in zip(names, known, row, strict=True)}
        context = {name: value for name, value in context.items() if value not in ("", [])}
        rows.append(json.dumps(context, ensure_ascii=False, separators=(",", ":")) if context else "")
    return rows


def _series(frame: pd.DataFrame, layout: Layout, name: str) -> "pd.Series[str]":
    spec = layout.fields.get(name)
    if spec is None:
        return pd.Series("", index=frame.index, dtype=object)
    if spec.constant is not None:
        return pd.Series(str(spec.constant), index=frame.index, dtype=object)
    if spec.columns:
        return pd.Series(_joined(frame, layout, name), index=frame.index, dtype=object)
    return frame[spec.column].astype(object)


def _joined(frame: pd.DataFrame, layout: Layout, name: str) -> list[str]:
    spec = layout.fields.get(name)
    if spec is None:
        return [""] * len(frame)
    if spec.constant is not None:
        return [str(spec.constant)] * len(frame)
    if spec.columns:
        columns = [frame[one] for one in spec.columns]
        return [" ".join(_flat(cell) for cell in row if cell) for row in zip(*columns, strict=True)]
    return [_flat(cell) for cell in frame[spec.column]] if name == "text" else list(frame[spec.column])


def _flat(cell: str) -> str:
    """A JSON list of texts as one text."""
    if cell.startswith("[") and isinstance(value := attribute(cell), list):
        return " ".join(value)
    return cell


def _rejected(frame: pd.DataFrame, at: int, reason: str) -> Rejected:
    names = [str(name) for name in frame.columns if name not in (LINE, BROKEN)]
    cells = {name: str(frame[name].iat[at]).encode("utf-8", "replace").decode() for name in names}
    return Rejected(int(frame[LINE].to_numpy(dtype=np.int64)[at]), reason, cells)


def _all_rejected(frame: pd.DataFrame, rows: list[int], reason: NDArray[np.object_]) -> list[Rejected]:
    """Many at once: column by column, since a frame gives up its rows slowly."""
    if not rows:
        return []
    names = [str(name) for name in frame.columns if name not in (LINE, BROKEN)]
    columns = [frame[name].to_numpy(dtype=object)[rows].tolist() for name in names]
    lines = frame[LINE].to_numpy()[rows].tolist()
    return [
        Rejected(
            int(line),
            str(reason[at]),
            {name: str(cell).encode("utf-8", "replace").decode() for name, cell in zip(names, row, strict=True)},
        )
        for at, line, row in zip(rows, lines, zip(*columns, strict=True), strict=True)
    ]
