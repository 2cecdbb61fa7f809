"""One portrait or list in two wordings."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limner.cli.show.data import title_of
from limner.cli.show.layout import Wide, card, words
from limner.cli.show.portraits import made_by
from limner.core.schema import Profile, Recommendations

SIDE_BY_SIDE = 90
"""Columns from which two wordings stand side by side."""


def before_after(before: Profile, after: Profile) -> RenderableType:
    """One portrait in two wordings, row by row: side by side where there is room, else one below
    the other.
    """
    rows: list[tuple[str, str, str]] = [("summary", before.summary, after.summary)]
    worded = {(one.facet, one.value, one.polarity): one for one in after.preferences}
    for one in before.preferences:
        other = worded.get((one.facet, one.value, one.polarity))
        if other is not None:
            rows.append(
                (f"{'+' if one.polarity == 'like' else '-'} {one.value}", one.text, other.text)
            )
    return two_wordings(
        f"User {before.user_id}", rows, made_by(after.source, after.grade, after.model)
    )


def reasons_before_after(before: Recommendations, after: Recommendations) -> RenderableType:
    """Reasons for the same items in two wordings, item by item."""
    worded = {one.item.item_id: one.reason for one in after.recommendations}
    rows = []
    for one in before.recommendations:
        other = worded.get(one.item.item_id)
        if one.reason is not None and other is not None:
            rows.append((title_of(one.item), one.reason.text, other.text))
    return two_wordings(
        f"Reasons for user {before.user_id}",
        rows,
        f"words by {after.model}" if after.model else "template words",
    )


def two_wordings(title: str, rows: Sequence[tuple[str, str, str]], maker: str) -> RenderableType:
    return Wide(lambda width: _two_wordings(title, rows, maker, width))


def _two_wordings(
    title: str, rows: Sequence[tuple[str, str, str]], maker: str, width: int
) -> RenderableType:
    def after(old: str, new: str) -> Text:
        return words(new, "green") if new != old else Text("the same", style="dim")

    if width < SIDE_BY_SIDE:
        stacked: list[RenderableType] = []
        for name, old, new in rows:
            grid = Table.grid(padding=(0, 1))
            grid.add_column(style="dim", width=6)
            grid.add_column(overflow="fold")
            grid.add_row("before", words(old, "dim"))
            grid.add_row("after", after(old, new))
            stacked += [words(name, "bold"), grid, Text()]
        return card(Group(*stacked[:-1]), words(title, "bold"), words(f"after: {maker}", "dim"))
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1))
    table.add_column("", ratio=2, overflow="fold", style="bold")
    table.add_column("before: template words", ratio=5, overflow="fold")
    table.add_column(words(f"after: {maker}"), ratio=5, overflow="fold")
    for at, (name, old, new) in enumerate(rows):
        if at:
            table.add_row()
        table.add_row(words(name), words(old, "dim"), after(old, new))
    return card(table, words(title, "bold"), padding=(0, 2))
