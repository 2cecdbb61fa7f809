"""A second look at a layout, by what the cells hold: a name alone may mislead."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from limner.ingest.clean import number_text, numbers_of, something
from limner.ingest.mapping import ColumnRule, Layout, Mapping, alias_key
from limner.ingest.times import day_comes_first, is_clock, is_slashed, lacks_zone

LOOK = 5000
"""Rows that are looked at."""
_DATES = ("date", "day", "event_date", "purchase_date", "order_date")


@dataclass(frozen=True)
class Settled:
    layout: Layout
    day_first: bool | None = None
    """Whether slashed dates put the day first; None where they do not tell."""
    notes: tuple[str, ...] = ()


def settle_events(
    layout: Layout,
    frame: pd.DataFrame,
    mapping: Mapping,
    file: str,
    later: Callable[[str], list[str]],
    told: bool | None = None,
) -> Settled:
    """Take back what the aliases found and the cells of a file's first chunk deny; the mapping is
    not questioned.

    A `value` without numbers and a `type` that rarely repeats become context; a time of day is
    joined to the date beside it; a column of times without any is none. `later` gives the first
    cells of a column, anywhere in the file, that hold something. `told` is what earlier files of
    the table said of day and month.
    """
    fields, rest, notes = dict(layout.fields), list(layout.rest), []
    own = set(mapping.events)

    def cells(name: str) -> list[str]:
        column = frame[fields[name].column] if fields[name].column else pd.Series([], dtype=object)
        return [one for cell in column[:LOOK] if (one := something(cell))]

    def give_back(name: str) -> None:
        rest.append(fields.pop(name).column)

    if "value" in fields and "value" not in own:
        found = cells("value")
        if found and pd.isna(numbers_of([number_text(cell) for cell in found])).mean() > 0.5:
            give_back("value")
    if "type" in fields and "type" not in own:
        found = cells("type")
        if len(set(found)) > max(50, len(found) // 2):
            give_back("type")
    if "timestamp" in fields and fields["timestamp"].column:
        found = cells("timestamp") or later(fields["timestamp"].column)
        if not found:
            notes.append(f"Column '{fields['timestamp'].column}' of {file} holds no time.")
            give_back("timestamp")
        elif is_clock(found) and "timestamp" not in own:
            date = next((column for column in rest if alias_key(column) in _DATES), None)
            clock = fields["timestamp"].column
            if date is None:
                notes.append(
                    f"Column '{clock}' of {file} is a time of day without a date; it "
                    "became context."
                )
                give_back("timestamp")
            else:
                rest.remove(date)
                fields["timestamp"] = ColumnRule(columns=[date, clock])
                found = [something(cell) for cell in frame[date][:LOOK]]
    if "timestamp" in fields and fields["timestamp"].constant is None and not mapping.times:
        spec = fields["timestamp"]
        column = [something(cell) for cell in frame[spec.column or spec.columns[0]]]
        if spec.column and not any(column[:LOOK]):
            column = later(spec.column)
        if is_slashed(column[:LOOK]):
            told = day_comes_first(column) if told is None else told
            order = "day/month/year" if told else "month/day/year"
            doubt = (
                ""
                if told is not None
                else ", though no date tells; `times:` in a mapping file says otherwise"
            )
            notes.append(f"Dates of {file} were read as {order}{doubt}.")
        if lacks_zone(column[:LOOK]):
            notes.append(f"Times of {file} name no zone and were read as UTC.")
    return Settled(Layout(fields, rest), told, tuple(notes))
