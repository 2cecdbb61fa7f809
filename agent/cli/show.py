"""What people see: values drawn with rich. Pure functions from values to renderables; nothing here
prints.

Foreign text (titles, ids, model words) goes through `clean` into `Text`, never through markup, so a
title that holds `[red]` or an escape sequence is shown as it is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from limner.cli.text import clean, compact, counted, day, duration, period
from limner.core.schema import (
    ApiKey,
    Audience,
    BuildReport,
    BuiltFrom,
    Check,
    Dropped,
    Estimate,
    Event,
    IngestReport,
    Item,
    Preference,
    Profile,
    Recommendation,
    Recommendations,
    RerankWeight,
    Scale,
    TableReport,
    TrainReport,
    Trend,
)
from limner.words import is_shouted, last_level, listed_title

if TYPE_CHECKING:
    from limner.cli.tables import WrittenTable
    from limner.ingest.datasets import Dataset
    from limner.recommend.edits import Erased
    from limner.store.api_keys import NewKey

WIDEST = 110
"""Columns that a card takes at most; longer lines are hard to read."""
BAR = 10
CHANNELS = 3
"""Channels named beside a recommendation, those that place it highest."""
SIDE_BY_SIDE = 90
"""Columns from which two wordings stand side by side."""
UNKNOWN = "unknown"
ARROWS: dict[Trend, str] = {"rising": "↗", "steady": "→", "fading": "↘", "unknown": "·"}
ARROW_STYLE: dict[Trend, str] = {
    "rising": "green",
    "steady": "default",
    "fading": "yellow",
    "unknown": "dim",
}


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


# ---------------------------------------------------------------- data


def erased(one: "Erased") -> RenderableType:
    return words(f"Erased user {one.user_id}, with {counted(one.events, 'event')}.")


def datasets(known: "Sequence[Dataset]", fetched: set[str]) -> RenderableType:
    parts: list[RenderableType] = []
    for one in known:
        how = f"limner data fetch {one.name}" if one.name in fetched else "bring your own copy"
        parts.append(
            Text.assemble(words(one.name, "bold"), "  ", words(one.title), "  ", (how, "cyan"))
        )
        parts.append(Padding(words(one.terms, "dim"), (0, 0, 1, 2)))
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
        parts += [Text(), heading("Worth knowing"), bullets(report.notes)]
    return Group(*parts)


def _reasons(name: str, part: TableReport) -> list[str]:
    return [
        f"{counted(count, name.rstrip('s') + ' row')}: {reason.replace('_', ' ')}"
        for reason, count in sorted(part.reasons.items(), key=lambda pair: -pair[1])
    ]


def what(event: Event, scales: Mapping[str, Scale]) -> str:
    """What an event was, in a few words: `rated 4 of 5`, `purchase × 6`, `view`."""
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
    table = _event_table(events, items, scales, within_hours(events))
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


def _event_table(
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


def _told(report: TrainReport) -> str:
    if report.probability_mean is None or report.probability_share is None:
        return ""
    return f" ({report.probability_mean:.2%} told, {report.probability_share:.2%} happened)"


def _short(text: str, limit: int) -> str:
    text = clean(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


# ---------------------------------------------------------------- training and building


def train_report(report: TrainReport) -> RenderableType:
    graded = any(channel.ndcg is not None for channel in report.channels)
    table = plain_table("channel", "what it holds", *(("ndcg@10 alone", "adds") if graded else ()))
    for channel in report.channels:
        worth = f"{channel.ndcg:.3f}" if channel.ndcg is not None else ""
        adds = f"{channel.adds:+.3f}" if channel.adds is not None else ""
        table.add_row(
            words(channel.name, "bold"), words(channel.holds), *((worth, adds) if graded else ())
        )
    if report.fusion_ndcg is not None:
        held = f"{counted(report.lessons, 'question')} of the past"
        table.add_row(
            words("learned fusion", "bold"),
            words(held),
            words(f"{report.fusion_ndcg:.3f}", "bold"),
            "",
        )
    weighed = _rerank_weight(report.rerank) if report.rerank else ()
    learned = (
        f"Learned from {counted(report.events, 'event')} of "
        f"{counted(report.users, 'user')} on {report.items:,} items"
    )
    lines = [
        f"Embeddings: {report.embedder}, {counted(report.embedded, 'item text')} embedded anew."
    ]
    if graded:
        lines.append(
            "ndcg@10 is over the candidates of users that were held out. A channel adds "
            "what the fusion loses of it "
            "where what the channel tells is shuffled among them; channels that tell the "
            "same stand in for each other."
        )
    if report.ratings is not None:
        told = report.ratings
        lines.append(
            f"Predicted ratings ({told.low:g} to {told.high:g}) are off by "
            f"{told.mae:.2f} on average; their RMSE is "
            f"{told.rmse:.3f}, that of the mean rating {told.rmse_of_mean:.3f}. By size "
            "of prediction they are off by "
            f"{told.calibration_error:.2g} on average."
        )
    if report.calibration_error is not None:
        lines.append(
            "Probabilities of an item, for a user who does anything, are off by "
            f"{report.calibration_error:.2g} on "
            f"average{_told(report)}; they count "
            f"{counted(report.unanswered, 'further question')} without an answer."
        )
    if report.activity_error is not None:
        lines.append(
            f"Those that a user does anything at all are off by {report.activity_error:.2g}."
        )
    return Group(
        Text(f"{learned} in {duration(report.seconds)} (model {report.version})."),
        table,
        *(words(line, "dim") for line in [*lines, *report.notes]),
        *weighed,
    )


def _rerank_weight(weight: RerankWeight) -> tuple[RenderableType, ...]:
    table = plain_table("history", "users asked", "weight", "ndcg@10", "95% interval")
    for one in weight.buckets:
        table.add_row(
            words(one.bucket, "bold"),
            f"{one.cases:,}",
            f"{one.weight:g}",
            "" if one.gain is None else f"{one.gain:+.3f}",
            "" if one.low is None or one.high is None else f"{one.low:+.3f} to {one.high:+.3f}",
        )
    said = (
        f"What the order of {weight.model} ({weight.method}) adds, on users of the "
        "past that the ranker did not see:"
    )
    return Text(said), table, words("With weight 0 the model is not asked for the order.", "dim")


def build_report(report: BuildReport) -> RenderableType:
    parts: list[RenderableType] = []
    calls = sum(profile.built_from.calls for profile in report.built)
    cost = sum(profile.built_from.cost for profile in report.built)
    line = Text.assemble(("Painted ", ""), (counted(len(report.built), "portrait"), "bold"))
    if report.skipped:
        line.append(f"; {report.skipped:,} were up to date")
    if report.failed:
        line.append(f"; {len(report.failed):,} failed", style="red")
    line.append(f" ({counted(calls, 'model call')}{f', ${cost:.4f}' if cost else ''}).")
    parts.append(line)
    if report.failed:
        shown = list(report.failed.items())[:10]
        parts.append(bullets((f"{user}: {reason}" for user, reason in shown), "red"))
        if len(report.failed) > len(shown):
            parts.append(Text(f"  … and {len(report.failed) - len(shown):,} more", style="red"))
    if report.stopped:
        parts.append(
            words(f"Stopped early: {report.stopped} The same command goes on from here.", "yellow")
        )
    return Group(*parts)


def estimate(value: Estimate) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row("portraits to paint", f"{value.users:,}")
    table.add_row(
        "model", words(f"{value.model} ({value.grade})" if value.model else "none: template words")
    )
    table.add_row("calls", f"{value.calls:,}")
    table.add_row("input tokens", compact(value.input_tokens))
    table.add_row("output tokens", compact(value.output_tokens))
    table.add_row("cost", f"${value.cost:,.2f}")
    table.add_row("time", duration(value.hours * 3600))
    return Group(
        heading("Estimate; nothing was painted"),
        table,
        Text(f"From a sample of {counted(value.sample, 'user')}.", "dim"),
    )


def checks(found: Sequence[Check]) -> RenderableType:
    marks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
    table = Table.grid(padding=(0, 2))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        mark, style = marks[one.state]
        table.add_row(Text(mark, style=f"bold {style}"), words(one.name, "bold"), words(one.detail))
    return table


# ---------------------------------------------------------------- the portrait


def portrait(profile: Profile) -> RenderableType:
    """A portrait as a card."""
    return Wide(lambda width: _portrait(profile, width))


def _portrait(profile: Profile, width: int) -> RenderableType:
    inner = width - 6
    parts: list[RenderableType] = [words(profile.summary, "italic")]
    for polarity, name, style in (("like", "Likes", "green"), ("dislike", "Dislikes", "red")):
        chosen = [one for one in profile.preferences if one.polarity == polarity]
        if chosen:
            parts += [Text(), _head(name, style, inner)]
            parts += [_preference(one, style, inner) for one in chosen]
    known = [trait for trait in profile.traits if trait.label not in ("", UNKNOWN)]
    if known:
        parts += [Text(), heading("Habits"), _pairs((t.name, t.label, t.detail) for t in known)]
    if unknown := [trait for trait in profile.traits if trait.label == UNKNOWN]:
        said = ", ".join(f"{t.name.replace('_', ' ')} ({t.detail})" for t in unknown)
        parts += [Text(), words(f"Too little to say: {said}.", "dim")]
    if profile.fields:
        values = [
            (f.name, _value(f.value), counted(len(f.evidence), "event")) for f in profile.fields
        ]
        parts += [Text(), heading("Fields"), _pairs(values)]
    if profile.segments:
        parts += [Text(), Text.assemble(("Segments  ", "bold"), words(", ".join(profile.segments)))]
    if profile.unknowns:
        parts += [Text(), heading("Not known"), bullets(profile.unknowns, "dim")]
    parts += [Text(), _provenance(profile)]
    stored = f"portrait {profile.version}" if profile.version else "portrait, not stored"
    title = Text.assemble(
        ("User ", "bold"),
        words(profile.user_id, "bold"),
        (f" · {stored} · {day(profile.as_of)}", ""),
    )
    return card(
        Group(*parts), title, words(_maker(profile.source, profile.grade, profile.model), "dim")
    )


def _maker(source: str, grade: str, model: str | None) -> str:
    if source == "template" or not model:
        return "template words" + (f" (model {model}, grade {grade})" if model else "")
    return f"words by {model}, grade {grade}"


def _columns(inner: int) -> tuple[bool, bool]:
    """Whether confidence and last seen fit beside the bar."""
    return inner >= 56, inner >= 72


def _head(name: str, style: str, inner: int) -> Table:
    confident, seen = _columns(inner)
    grid = _preference_grid(inner)
    cells: list[Text] = [
        Text(name, style=f"bold {style}"),
        Text("strength" if inner >= 44 else "how", style="dim"),
    ]
    if confident:
        cells.append(Text("sure", style="dim"))
    cells += [Text(), Text("events", style="dim")]
    if seen:
        cells.append(Text("last seen", style="dim"))
    grid.add_row(*cells)
    return grid


def _preference_grid(inner: int) -> Table:
    confident, seen = _columns(inner)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=BAR if inner >= 44 else 5)
    if confident:
        grid.add_column(width=5, justify="right")
    grid.add_column(width=1)
    grid.add_column(width=6, justify="right")
    if seen:
        grid.add_column(width=10, justify="right")
    return grid


def _preference(one: Preference, style: str, inner: int) -> RenderableType:
    confident, seen = _columns(inner)
    value = one.value.lower() if one.facet == "theme" and is_shouted(one.value) else one.value
    name = Text.assemble("  ", words(value, "bold"), (f"  {clean(one.facet)}", "dim"))
    if one.kind != "taste" or one.basis == "stated":
        name.append(
            f" {' '.join(sorted({one.kind, one.basis} - {'taste', 'revealed', 'inferred'}))}",
            style="magenta",
        )
    cells: list[Text] = [name, bar(one.strength, style, BAR if inner >= 44 else 5)]
    if confident:
        cells.append(Text(f"{one.confidence:.0%}"))
    cells += [Text(ARROWS[one.trend], style=ARROW_STYLE[one.trend]), Text(str(len(one.evidence)))]
    if seen:
        cells.append(Text(day(one.last_seen), style="dim"))
    grid = _preference_grid(inner)
    grid.add_row(*cells)
    return Group(grid, Padding(words(one.text), (0, 0, 0, 4))) if one.text else grid


def bar(share: float, style: str, width: int = BAR) -> Text:
    """A share in [0, 1] as a bar; clear without colour too."""
    full = min(width, max(0, round(share * width)))
    return Text.assemble(("━" * full, style), ("╌" * (width - full), "dim"))


def _pairs(rows: Iterable[tuple[str, str, str]]) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, label, detail in rows:
        grid.add_row(words(name.replace("_", " ")), words(label, "bold"), words(detail, "dim"))
    return Padding(grid, (0, 0, 0, 2))


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _provenance(profile: Profile) -> Text:
    built = profile.built_from
    line = f"From {counted(built.events, 'event')}{period(built.first_event, built.last_event)}"
    if built.window_events and built.window_events < built.events:
        line += f", {built.window_events:,} of them read by the model"
    line += "." + _paid(built)
    if profile.dropped:
        line += (
            f" {counted(len(profile.dropped), 'claim')} did not hold and "
            f"{_were(profile.dropped)} dropped."
        )
    return Text(line, style="dim")


def _were(found: Sequence[object]) -> str:
    return "was" if len(found) == 1 else "were"


def _paid(built: BuiltFrom) -> str:
    if not built.calls:
        return ""
    cost = f", ${built.cost:.4f}" if built.cost else ""
    tokens = f"{compact(built.input_tokens)} + {compact(built.output_tokens)} tokens"
    return f" {counted(built.calls, 'model call')}, {tokens}{cost}."


def why(
    profile: Profile,
    events: Mapping[str, Event],
    items: Mapping[str, Item],
    scales: Mapping[str, Scale],
) -> RenderableType:
    """Each claim with the events it rests on, and each claim that was dropped with its reason."""
    parts: list[RenderableType] = []
    hours = within_hours(events.values())

    def claim(head: Text, cited: Sequence[str]) -> None:
        known = [events[one] for one in cited if one in events]
        parts.append(head)
        parts.append(Padding(_event_table(known, items, scales, hours), (0, 0, 1, 2)))

    if profile.summary_evidence:
        claim(Text.assemble(("Summary", "bold"), (" rests on", "dim")), profile.summary_evidence)
    for one in profile.preferences:
        head = Text.assemble(
            (one.polarity, "bold green" if one.polarity == "like" else "bold red"),
            " ",
            words(one.value, "bold"),
            (f" ({clean(one.facet)}) rests on", "dim"),
        )
        claim(head, one.evidence)
    for field in profile.fields:
        claim(
            Text.assemble(
                words(field.name, "bold"), " = ", words(_value(field.value)), (" rests on", "dim")
            ),
            field.evidence,
        )
    parts.append(dropped(profile.dropped))
    if profile.prompt:
        parts.append(words(f"Prompt {profile.prompt}", "dim"))
    return Group(*parts)


def dropped(found: Sequence[Dropped]) -> RenderableType:
    if not found:
        return Text("No claim was dropped.", style="dim")
    table = plain_table("dropped", "claim", "why")
    for one in found:
        code, _, detail = one.reason.partition(":")
        table.add_row(
            one.stage,
            words(one.claim),
            Text.assemble(words(code.replace("_", " "), "yellow"), " ", words(detail)),
        )
    return table


# ---------------------------------------------------------------- recommendations


def recommendations(answer: Recommendations, ranked: bool = False) -> RenderableType:
    return Wide(lambda width: _recommendations(answer, width, ranked))


def _recommendations(answer: Recommendations, width: int, ranked: bool) -> RenderableType:
    found = answer.recommendations
    who = (
        Text.assemble("For user ", words(answer.user_id))
        if answer.user_id
        else Text("For a visitor")
    )
    who.stylize("bold")
    title = Text.assemble(who)
    title.append(f" · {counted(len(found), 'item')}{' ranked' if ranked else ''}")
    parts: list[RenderableType] = []
    if answer.fallback and found:
        note = "Too little is known of this user yet, so these are what is popular."
        parts += [Text(note, style="yellow"), Text()]
    if not found:
        parts.append(Text("There is nothing left to recommend.", style="yellow"))
    digits = len(str(len(found)))
    for at, one in enumerate(found):
        parts.append(_recommendation(one, digits, width - 6))
        if one.reason is not None and at + 1 < len(found):
            parts.append(Text())
    if answer.dropped:
        parts += [
            Text(),
            Text(
                (
                    f"{counted(len(answer.dropped), 'reason')} did not hold and "
                    f"{_were(answer.dropped)} replaced."
                ),
                style="dim",
            ),
        ]
    sources = {one.reason.source for one in found if one.reason is not None}
    footer = (
        _maker("llm" if "llm" in sources else "template", answer.grade, answer.model)
        if sources
        else ""
    )
    return card(Group(*parts), title, words(footer, "dim") if footer else None)


def audience(found: Audience, file: str = "") -> RenderableType:
    """The users of an item: how many there are, by what they are ordered, and the first of them."""
    return Wide(lambda width: _audience(found, file))


def _audience(found: Audience, file: str) -> RenderableType:
    if found.item is not None:
        title = Text.assemble(("Users for ", "bold"), words(title_of(found.item), "bold"))
    else:
        title = words(f"Users like “{found.like}”" if found.like else "Users that fit", "bold")
    of = f"{counted(found.population, 'user')} in the store"
    if found.filter:
        of += f"; {found.matching:,} fit “{found.filter}”"
    if found.had:
        of += f"; {found.had:,} had it already"
    told = [
        f"{counted(found.considered, 'user')} considered ({of}).",
        f"In order of: {found.definition}.",
    ]
    if found.period:
        told.append(f"From events of {found.period}.")
    parts: list[RenderableType] = [words(line, "dim") for line in told]
    shown = found.users if not file else found.users[:5]
    if not shown:
        parts += [Text(), Text("There is nobody to ask.", style="yellow")]
    else:
        chances = any(one.probability is not None for one in shown)
        measure = (
            "probability"
            if chances
            else "likeness"
            if found.like
            else "score"
            if found.item
            else "events"
        )
        table = plain_table("", "user", measure, "", right=("", measure))
        for one in shown:
            number = "" if one.probability is None else f"{one.probability:.1%}"
            score = f"{one.score:,.0f}" if measure == "events" else f"{one.score:.3f}"
            table.add_row(
                str(one.rank),
                words(one.user_id, "bold"),
                number if chances else score,
                words(", ".join(one.flags), "yellow"),
            )
        parts += [Text(), table]
    if file:
        parts.append(words(f"All {len(found.users):,} of them are in {file}.", "bold"))
    return card(Group(*parts), title)


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


def _recommendation(one: Recommendation, digits: int, inner: int) -> RenderableType:
    item = one.item
    head = words(title_of(item), "bold")
    about = kinds_of(item)
    if item.price is not None:
        about.append(f"{item.price:,.2f}")
    if about:
        head.append(f"  {clean(', '.join(about))}", style="dim")
    others = len(one.channels) - CHANNELS
    found_by = " + ".join(list(one.channels)[:CHANNELS]) + (
        f" and {counted(others, 'other')}" if others > 0 else ""
    )
    flags = [flag for flag in one.flags if flag != "fallback"]
    rating = "" if one.predicted_rating is None else f" · rating ~{one.predicted_rating:.1f}"
    tail = Text.assemble(
        (found_by, "cyan"), (rating, "dim"), (f"  {', '.join(flags)}" if flags else "", "yellow")
    )
    lines: list[RenderableType] = [head]
    if one.reason is not None:
        lines.append(words(one.reason.text))
        if found_by:
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
    grid.add_row(str(one.rank), Group(*lines))
    return grid


# ---------------------------------------------------------------- before and after


def before_after(before: Profile, after: Profile) -> RenderableType:
    """The same portrait in two wordings, row by row; side by side where there is room, else one
    under the other.
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
        f"User {before.user_id}", rows, _maker(after.source, after.grade, after.model)
    )


def reasons_before_after(before: Recommendations, after: Recommendations) -> RenderableType:
    """Reasons for the same items in two wordings."""
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


# ---------------------------------------------------------------- keys


def new_key(made: "NewKey") -> RenderableType:
    return Group(keys([made.key]), words(made.secret, "bold"))


def keys(found: Sequence[ApiKey]) -> RenderableType:
    if not found:
        return words("No keys yet; `limner keys create` makes one.")
    table = plain_table("key", "scope", "user", "name", "created", "revoked")
    for one in found:
        table.add_row(
            words(one.key_id),
            one.scope,
            words(one.user_id or "everyone"),
            words(one.name),
            day(one.created),
            words(day(one.revoked) if one.revoked else "", "yellow"),
        )
    return table
