"""A second look at a layout, by what the cells hold: a name alone may mislead."""

from collections.abc import Callable
from dataclasses import dataclass, field

from limner.core.messages import Message, message
from limner.facts.column_roles import is_no_taste
from limner.ingest.clean import attribute_name
from limner.ingest.column_profile import (
    LOOK,
    ColumnProfile,
    TableProfile,
    list_separator,
    profile_column,
)
from limner.ingest.mapping import (
    FIELDS,
    ColumnRule,
    Layout,
    Mapping,
    TableName,
    alias_key,
    plain_name,
)
from limner.ingest.times import (
    SPREADSHEET,
    are_day_numbers,
    day_comes_first,
    is_slashed,
    lacks_zone,
)

_DATES = ("date", "day", "event_date", "purchase_date", "order_date")
_FEW_TYPES = 50
_LARGE_GROUP = 20
"""Items of one group, on average, above which they are no variants of one thing."""


@dataclass
class RefinedLayout:
    """A layout on its way to what the cells of a file bear out."""

    layout: Layout
    day_first: bool | None = None
    """Whether slashed dates put the day first; None where they do not tell."""
    times: str = ""
    """How times are written, where the cells tell and the mapping does not."""
    notes: list[Message] = field(default_factory=list)

    def drop(self, name: str) -> None:
        """Let a field's column become context."""
        self.layout.rest.append(self.layout.fields.pop(name).column)


def refine_events(
    layout: Layout,
    table: TableProfile,
    mapping: Mapping,
    file: str,
    later: Callable[[str], list[str]],
    day_first: bool | None = None,
) -> RefinedLayout:
    """Correct the columns that aliases found, by the cells of a file's first chunk. Columns named
    by the mapping stay.

    A `rating` that is never a number, a `value` without numbers and a `type` that rarely repeats
    become context. A time of day is joined to the date beside it, and a time column without times
    is dropped. `later` gives the first filled cells of a column from anywhere in the file.
    `day_first` is the date order that earlier files of the table showed.
    """
    refined = RefinedLayout(Layout(dict(layout.fields), list(layout.rest)), day_first)
    for name, denied in (("value", _no_value), ("type", _no_type)):
        rule = layout.fields.get(name)
        if rule and rule.column and name not in mapping.events and denied(table[rule.column]):
            refined.drop(name)
    rating = layout.fields.get("rating")
    if rating and rating.column:
        _refine_rating(refined, _of_file(table, rating.column, later), mapping, file)
    rule = layout.fields.get("timestamp")
    if rule and rule.column:
        _refine_clock(refined, _filled(table[rule.column], later), mapping, file)
    rule = refined.layout.fields.get("timestamp")
    if rule and rule.constant is None and not mapping.times:
        _note_times(refined, table, rule, file, later)
    return refined


def _of_file(table: TableProfile, name: str, later: Callable[[str], list[str]]) -> ColumnProfile:
    """A column's profile that does not depend on how few rows the first chunk has."""
    if len(table.all_cells(name)) >= LOOK:
        return table[name]
    return profile_column(name, later(name))


def _refine_rating(
    refined: RefinedLayout, column: ColumnProfile, mapping: Mapping, file: str
) -> None:
    """Drop a rating that is never a number, and read one of -1, apart from all others, as none,
    where the mapping does not name ratings. Say so, and ask of a frequent 0.
    """
    rule = refined.layout.fields["rating"]
    if column.cells and not column.numeric and "rating" not in mapping.events:
        refined.drop("rating")
        return
    if rule.nothing or column.sentinel is None:
        return
    cell = column.sentinel_cell
    share = sum(one == cell for one in column.cells) / len(column.cells)
    is_read = column.sentinel < 0 and "rating" not in mapping.events
    if is_read:
        refined.layout.fields["rating"] = rule.model_copy(update={"nothing": [cell]})
    code = "ingest.unrated_read" if is_read else "ingest.unrated_asked"
    refined.notes.append(message(code, file=file, column=rule.column, cell=cell, share=share))


def split_lists(
    table: TableName,
    layout: Layout,
    profile: TableProfile,
    mapping: Mapping,
    file: str,
    marks: dict[tuple[str, str], str],
) -> list[Message]:
    """Split, in place, the columns that hold lists and that the mapping does not name. Gives a note
    that says which. `marks` holds what earlier files of the table were split at, by table and
    column, and takes what this one is.
    """
    split: dict[str, str] = {}
    categories = layout.fields.get("categories")
    if (
        categories
        and categories.column
        and not categories.separator
        and "categories" not in mapping.table(table)
    ):
        column = categories.column
        mark = marks.get((table, column)) or list_separator(profile.cells(column), column)
        if mark:
            layout.fields["categories"] = categories.model_copy(update={"separator": mark})
            split[column] = mark
    for column in list(layout.rest):
        name = attribute_name(column)
        mark = marks.get((table, column)) or _mark_of(profile, column)
        if mark and name not in layout.fields and name not in FIELDS[table]:
            layout.rest.remove(column)
            layout.fields[name] = ColumnRule(column=column, separator=mark)
            split[column] = mark
    fresh = {c: mark for c, mark in split.items() if (table, c) not in marks}
    marks.update({(table, column): mark for column, mark in split.items()})
    if not fresh:
        return []
    shown = ", ".join(f"{column} at '{mark}'" for column, mark in list(fresh.items())[:8])
    return [message("ingest.split_lists", file=file, columns=shown)]


def _mark_of(profile: TableProfile, column: str) -> str:
    """What separates the lists of an attribute; "" where it holds none, or a single one."""
    if is_no_taste(plain_name(column)) or plain_name(column) != column:
        return ""
    cells = profile.cells(column)
    mark = list_separator(cells, column)
    return mark if mark and sum(mark in cell for cell in cells) > 1 else ""


def by_name_notes(table: TableName, layout: Layout, mapping: Mapping, file: str) -> list[Message]:
    """A note that names the fields which only a column's name speaks for: all where a mapping names
    others; else what is easily meant otherwise.
    """
    named = mapping.table(table)
    found = [
        f"{target} ({rule.column})"
        for target, rule in layout.fields.items()
        if target not in named
        and (named or (target in _MISTAKEN and alias_key(rule.column) != target))
    ]
    return [message("ingest.by_name", file=file, fields=", ".join(found))] if found else []


_MISTAKEN = ("text", "price", "value", "image", "audio")


def refine_items(layout: Layout, table: TableProfile, mapping: Mapping) -> Layout:
    """An items layout whose group, if a name alone found it, holds variants of one thing: most
    groups are small. A wide one becomes an attribute.
    """
    rule = layout.fields.get("group")
    if rule is None or not rule.column or "group" in mapping.items:
        return layout
    column = table[rule.column]
    if column.is_key and column.distinct * _LARGE_GROUP >= len(column.cells):
        return layout
    fields = {name: one for name, one in layout.fields.items() if name != "group"}
    return Layout(fields, [*layout.rest, rule.column])


def without_events(layout: Layout, events: Layout) -> Layout:
    """An items layout of a file that is also the events table: what an event's user, rating or time
    is no attribute of the item.
    """
    of_events = {
        column
        for name, rule in events.fields.items()
        if name in FIELDS["events"] and name != "item_id"
        for column in rule.sources
    }
    return Layout(layout.fields, [column for column in layout.rest if column not in of_events])


def _no_value(column: ColumnProfile) -> bool:
    return bool(column.cells) and column.numeric < 0.5


def _no_type(column: ColumnProfile) -> bool:
    return column.distinct > max(_FEW_TYPES, len(column.cells) // 2)


def _filled(column: ColumnProfile, later: Callable[[str], list[str]]) -> ColumnProfile:
    """A column's profile; made from later rows of the file where the first ones are empty."""
    return column if column.cells else profile_column(column.name, later(column.name))


def _refine_clock(
    refined: RefinedLayout, column: ColumnProfile, mapping: Mapping, file: str
) -> None:
    """Drop a time column that is empty, or holds times of day without a date beside it."""
    if column.type == "empty":
        refined.notes.append(message("ingest.no_time", column=column.name, file=file))
        refined.drop("timestamp")
    elif column.type == "clock" and "timestamp" not in mapping.events:
        rest = refined.layout.rest
        date = next((name for name in rest if alias_key(name) in _DATES), None)
        if date is None:
            refined.notes.append(message("ingest.clock_only", column=column.name, file=file))
            refined.drop("timestamp")
        else:
            rest.remove(date)
            refined.layout.fields["timestamp"] = ColumnRule(columns=[date, column.name])


def _note_times(
    refined: RefinedLayout,
    table: TableProfile,
    rule: ColumnRule,
    file: str,
    later: Callable[[str], list[str]],
) -> None:
    """Say how slashed dates and times without a zone are read."""
    cells = table.all_cells(rule.column or rule.columns[0])
    if rule.column and not any(cells[:LOOK]):
        cells = later(rule.column)
    if rule.column and are_day_numbers(cells[:LOOK]):
        refined.times = SPREADSHEET
        refined.notes.append(message("ingest.day_numbers", file=file, column=rule.column))
    if is_slashed(cells[:LOOK]):
        if refined.day_first is None:
            refined.day_first = day_comes_first(cells)
        order = "day/month/year" if refined.day_first else "month/day/year"
        is_known = refined.day_first is not None
        code = "ingest.date_order" if is_known else "ingest.date_order_guessed"
        refined.notes.append(message(code, file=file, order=order))
    if lacks_zone(cells[:LOOK]):
        refined.notes.append(message("ingest.no_zone", file=file))
