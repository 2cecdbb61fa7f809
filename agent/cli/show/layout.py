"""Boxes that everything shown is drawn with: cards, tables, headings, bullets."""

from collections.abc import Callable, Iterable

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from limner.cli.text import clean

WIDEST = 110
"""Columns that a card takes at most; longer lines are hard to read."""


class Wide:
    """Draws what `make` returns for the width at hand, at most WIDEST."""

    def __init__(self, make: Callable[[int], RenderableType]) -> None:
        self.make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDEST)
        yield from console.render(self.make(width), options.update(width=width))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(options.max_width, 30), min(options.max_width, WIDEST))


def words(text: str, style: str = "") -> Text:
    """Foreign text, harmless, as it is."""
    return Text(clean(text), style=style)


def card(
    body: RenderableType, title: Text, footer: Text | None = None, padding: tuple[int, int] = (1, 2)
) -> Panel:
    return Panel(
        body,
        title=title,
        title_align="left",
        subtitle=footer,
        subtitle_align="right",
        border_style="cyan",
        box=box.ROUNDED,
        padding=padding,
    )


def plain_table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def heading(text: str, style: str = "bold") -> Text:
    return Text(text, style=style)


def bullets(lines: Iterable[str], style: str = "") -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row("·", words(line, style))
    return grid
