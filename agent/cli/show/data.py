"""Drawing data sets, ingest reports and a user's history."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from limner.cli.show.layout import Wide, bullets, heading, plain_table, words
from limner.cli.text import clean, counted, day, period
from limner.core.schema import Event, IngestReport, Item, Scale, TableReport
from limner.words import last_level, listed_title

if TYPE_CHECKING:
    from limner.ingest.datasets import Dataset
    from limner.recommend.erasure import Erased


def erased(one: "Erased") -> RenderableType:
    if one.known:
        lines = [words(f"Erased user {one.user_id}, with {counted(one.events, 'event')}.")]
    elif one.removed:
        lines = [words(f"Erased what was left of {one.user_id}.")]
    else:
        lines = [words(f"Nothing was there of {one.user_id}.")]
    if one.removed:
        rows = ", ".join(f"{name} {count:,}" for name, count in one.removed.items())
        lines.append(words(f"  Removed: {rows}.", "dim"))
    left = one.residue
    read = f"{counted(left.files, 'file')}, {left.bytes / 2**20:,.1f} MB"
    if left.found:
        places = "; ".join(left.found)
        lines.append(words(f"  Residue check ({read}): FOUND in {places}.", "red"))
    else:
        lines.append(words(f"  Residue check ({read}): nothing of {one.user_id} is left.", "dim"))
    lines += [words(f"  Not checked: {why.text}", "yellow") for why in left.unchecked]
    return Group(*lines)


def datasets(known: "Sequence[Dataset]", fetched: set[str]) -> RenderableType:
    parts: list[RenderableType] = []
    for dataset in known:
        how = (
            f"limner data fetch {dataset.name}"
            if dataset.name in fetched
            else "bring your own copy"
        )
        parts.append(
            Text.assemble(
                words(dataset.name, "bold"), "  ", words(dataset.title), "  ", (how, "cyan")
            )
        )
        parts.append(Padding(words(dataset.terms, "dim"), (0, 0, 1, 2)))
    return Wide(lambda width: Group(*parts))


def ingest_report(report: IngestReport) -> RenderableType:
    table = plain_table(
        "table", "read", "kept", "merged", "rejected", right=("read", "kept", "merged", "rejected")
    )
    reasons: list[str] = []
    for name, part in (("events", report.events), ("items", report.items), ("users", report.users)):
        if not part.read:
            continue
        rejected = Text(f"{part.rejected:,}", style="yellow" if part.rejected else "")
        table.add_row(name, f"{part.read:,}", f"{part.kept:,}", f"{part.merged:,}", rejected)
        reasons += _reasons(name, part)
    parts: list[RenderableType] = [table]
    if reasons:
        parts += [heading("Rejected"), bullets(reasons)]
    if report.rejected_file:
        parts.append(
            words(
                f"  Every rejected row, with its line number and reason: {report.rejected_file}",
                "dim",
            )
        )
    if report.notes:
        parts += [Text(), heading("Worth knowing"), bullets(note.text for note in report.notes)]
    return Group(*parts)


def _reasons(name: str, part: TableReport) -> list[str]:
    return [
        f"{counted(count, name.rstrip('s') + ' row')}: {reason.replace('_', ' ')}"
        for reason, count in sorted(part.reasons.items(), key=lambda pair: -pair[1])
    ]


def what(event: Event, scales: Mapping[str, Scale]) -> str:
    """An event in a few words: `rated 4 of 5`, `purchase × 6`, `view`."""
    if event.value is None:
        return event.type
    number = f"{event.value:g}"
    if event.type in ("rating", "review"):
        scale = scales.get(event.source)
        verb = "rated" if event.type == "rating" else "reviewed,"
        return f"{verb} {number} of {scale.high:g}" if scale else f"{verb} {number}"
    return f"{event.type} × {number}"


def title_of(item: Item | None, item_id: str | None = None) -> str:
    """An item's name for a list; one without a title says so, since an id alone reads like one."""
    if item is not None and item.title:
        return listed_title(item.title)
    return f"item {item_id if item is None else item.item_id} (no title)"


def kinds_of(item: Item) -> list[str]:
    """Up to four categories that the title does not say already."""
    said = title_of(item).casefold()
    kinds = dict.fromkeys(last_level(category) for category in item.categories)
    return [kind for kind in kinds if kind.casefold() not in said][:4]


def history(
    user_id: str,
    events: Sequence[Event],
    items: Mapping[str, Item],
    scales: Mapping[str, Scale],
    total: int,
) -> RenderableType:
    table = event_table(events, items, scales, within_hours(events))
    shown = "" if total == len(events) else f"; the newest {len(events):,}"
    span = period(events[0].timestamp, events[-1].timestamp) if events else ""
    return Group(
        Text.assemble(
            ("User ", "bold"), words(user_id, "bold"), f": {counted(total, 'event')}{shown}{span}"
        ),
        table,
    )


def within_hours(events: Iterable[Event]) -> bool:
    """Whether events lie so close together that days alone do not tell them apart, and their hours
    are known.
    """
    times = [event.timestamp for event in events if event.timestamp is not None]
    known = any(time.hour or time.minute or time.second for time in times)
    return known and len(times) > 2 and len({day(time) for time in times}) <= 2


def event_table(
    events: Sequence[Event], items: Mapping[str, Item], scales: Mapping[str, Scale], hours: bool
) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for event in events:
        item = items.get(event.item_id) if event.item_id is not None else None
        title = words(title_of(item, event.item_id))
        if item is not None and (kinds := kinds_of(item)):
            title.append(f"  {clean(', '.join(kinds))}", style="dim")
        if event.text:
            title.append(f"  “{_short(event.text, 160)}”", style="italic")
        time = event.timestamp
        stamp = "" if time is None else time.strftime("%Y-%m-%d %H:%M") if hours else day(time)
        table.add_row(stamp, words(what(event, scales)), title)
    return table


def _short(text: str, limit: int) -> str:
    text = clean(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
