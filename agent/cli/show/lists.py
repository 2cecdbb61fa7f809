"""Recommendations, the users of an item, and lists that went to a file."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limner.cli.show.data import kinds_of, title_of
from limner.cli.show.layout import Wide, card, plain_table, words
from limner.cli.show.portraits import made_by, were
from limner.cli.text import clean, counted
from limner.core.schema import Audience, Item, RankedUser, Recommendation, Recommendations

if TYPE_CHECKING:
    from limner.cli.tables import WrittenTable

CHANNELS = 3
"""Channels named beside a recommendation, those that place it highest."""


def recommendations(answer: Recommendations, ranked: bool = False) -> RenderableType:
    return Wide(lambda width: _recommendations(answer, width, ranked))


def _recommendations(answer: Recommendations, width: int, ranked: bool) -> RenderableType:
    items = answer.recommendations
    parts: list[RenderableType] = []
    if answer.fallback and items:
        note = "Too little is known of this user yet, so these are what is popular."
        parts += [Text(note, style="yellow"), Text()]
    if not items:
        parts.append(Text("There is nothing left to recommend.", style="yellow"))
    digits = len(str(len(items)))
    for at, item in enumerate(items, 1):
        parts.append(_recommendation(item, digits, width - 6))
        if item.reason is not None and at < len(items):
            parts.append(Text())
    if answer.dropped:
        reasons = counted(len(answer.dropped), "reason")
        line = f"{reasons} did not hold and {were(answer.dropped)} replaced."
        parts += [Text(), Text(line, style="dim")]
    return card(Group(*parts), _list_title(answer, ranked), _list_footer(answer))


def _list_title(answer: Recommendations, ranked: bool) -> Text:
    user = answer.user_id
    who = Text.assemble("For user ", words(user)) if user else Text("For a visitor")
    who.stylize("bold")
    count = counted(len(answer.recommendations), "item")
    return Text.assemble(who).append(f" · {count}{' ranked' if ranked else ''}")


def _list_footer(answer: Recommendations) -> Text | None:
    """A line on who worded the reasons; None if the list has none."""
    sources = {item.reason.source for item in answer.recommendations if item.reason is not None}
    if not sources:
        return None
    source = "llm" if "llm" in sources else "template"
    return words(made_by(source, answer.grade, answer.model), "dim")


def audience(answer: Audience, file: str = "") -> RenderableType:
    """An audience: how many users match, how they are ordered, and the first of them."""
    return Wide(lambda width: _audience(answer, file))


def _audience(answer: Audience, file: str) -> RenderableType:
    parts: list[RenderableType] = [words(line, "dim") for line in _audience_lines(answer)]
    shown = answer.users[:5] if file else answer.users
    if shown:
        parts += [Text(), _user_table(answer, shown)]
    else:
        parts += [Text(), Text("There is nobody to ask.", style="yellow")]
    if file:
        parts.append(words(f"All {len(answer.users):,} of them are in {file}.", "bold"))
    return card(Group(*parts), _audience_title(answer))


def _audience_title(answer: Audience) -> Text:
    if answer.item is not None:
        return Text.assemble(("Users for ", "bold"), words(title_of(answer.item), "bold"))
    return words(f"Users like “{answer.like}”" if answer.like else "Users that fit", "bold")


def _audience_lines(answer: Audience) -> Iterator[str]:
    among = f"{counted(answer.population, 'user')} in the store"
    if answer.filter:
        among += f"; {answer.matching:,} fit “{answer.filter}”"
    if answer.had:
        among += f"; {answer.had:,} had it already"
    yield f"{counted(answer.considered, 'user')} considered ({among})."
    yield f"In order of: {answer.definition}."
    if answer.period:
        yield f"From events of {answer.period}."


def _user_table(answer: Audience, shown: Sequence[RankedUser]) -> Table:
    measure = _measure(answer, shown)
    table = plain_table("", "user", measure, "", right=("", measure))
    for user in shown:
        table.add_row(
            str(user.rank),
            words(user.user_id, "bold"),
            _measured(user, measure),
            words(", ".join(user.flags), "yellow"),
        )
    return table


def _measure(answer: Audience, shown: Sequence[RankedUser]) -> str:
    """The name of the number that the users are ordered by."""
    if any(user.probability is not None for user in shown):
        return "probability"
    return "likeness" if answer.like else "score" if answer.item else "events"


def _measured(user: RankedUser, measure: str) -> str:
    if measure == "probability":
        return "" if user.probability is None else f"{user.probability:.1%}"
    return f"{user.score:,.0f}" if measure == "events" else f"{user.score:.3f}"


def written_table(table: "WrittenTable") -> RenderableType:
    line = Text.assemble(
        (f"{table.rows:,} rows", "bold"), f" for {counted(table.users, 'user')} are in "
    )
    line.append_text(words(table.file, "bold"))
    line.append(".")
    parts: list[RenderableType] = [line]
    if table.fallback:
        parts.append(
            words(
                f"{counted(table.fallback, 'user')} did nothing usable and got what is popular.",
                "dim",
            )
        )
    if table.short:
        parts.append(
            words(f"{counted(table.short, 'user')} got fewer items than were asked for.", "yellow")
        )
    if table.empty:
        parts.append(
            words(f"For {counted(table.empty, 'user')} nothing was left that fits.", "yellow")
        )
    return Group(*parts)


def _recommendation(recommendation: Recommendation, digits: int, inner: int) -> RenderableType:
    head, tail = _item_head(recommendation.item), _item_tail(recommendation)
    lines: list[RenderableType] = [head]
    if recommendation.reason is not None:
        lines.append(words(recommendation.reason.text))
        if recommendation.channels:
            lines.append(Text.assemble(("found by ", "dim"), tail))
    elif tail.plain.strip():
        # Without reasons a line an item: the channels stand behind the title where they fit.
        if cell_len(head.plain) + cell_len(tail.plain) + digits + 6 <= inner:
            head.append("  ")
            head.append_text(tail)
        else:
            lines.append(tail)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=digits, justify="right", style="bold cyan")
    grid.add_column(overflow="fold")
    grid.add_row(str(recommendation.rank), Group(*lines))
    return grid


def _item_head(item: Item) -> Text:
    """Title, kinds and price."""
    head = words(title_of(item), "bold")
    about = kinds_of(item)
    if item.price is not None:
        about.append(f"{item.price:,.2f}")
    if about:
        head.append(f"  {clean(', '.join(about))}", style="dim")
    return head


def _item_tail(recommendation: Recommendation) -> Text:
    """The item's channels, predicted rating and flags."""
    names, more = list(recommendation.channels)[:CHANNELS], len(recommendation.channels) - CHANNELS
    others = f" and {counted(more, 'other')}" if more > 0 else ""
    rating = (
        ""
        if recommendation.predicted_rating is None
        else f" · rating ~{recommendation.predicted_rating:.1f}"
    )
    flags = [flag for flag in recommendation.flags if flag != "fallback"]
    return Text.assemble(
        (" + ".join(names) + others, "cyan"),
        (rating, "dim"),
        (f"  {', '.join(flags)}" if flags else "", "yellow"),
    )
