"""A portrait as a card, the events behind it, and what was dropped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from limner.cli.show.data import event_table, within_hours
from limner.cli.show.layout import Wide, bullets, card, heading, plain_table, words
from limner.cli.text import clean, compact, counted, day, period
from limner.core.schema import BuiltFrom, Dropped, Event, Item, Preference, Profile, Scale, Trend
from limner.words import is_shouted

BAR = 10

UNKNOWN = "unknown"
ARROWS: dict[Trend, str] = {"rising": "↗", "steady": "→", "fading": "↘", "unknown": "·"}
ARROW_STYLE: dict[Trend, str] = {
    "rising": "green",
    "steady": "default",
    "fading": "yellow",
    "unknown": "dim",
}


def portrait(profile: Profile) -> RenderableType:
    """A portrait as a card."""
    return Wide(lambda width: _portrait(profile, width))


def _portrait(profile: Profile, width: int) -> RenderableType:
    stored = f"portrait {profile.version}" if profile.version else "portrait, not stored"
    title = Text.assemble(
        ("User ", "bold"),
        words(profile.user_id, "bold"),
        (f" · {stored} · {day(profile.as_of)}", ""),
    )
    sections = [
        *_preference_sections(profile, width - 6),
        *_habit_sections(profile),
        *_other_sections(profile),
        [_provenance(profile)],
    ]
    parts: list[RenderableType] = [words(profile.summary, "italic")]
    for section in sections:
        parts += [Text(), *section]
    return card(
        Group(*parts), title, words(made_by(profile.source, profile.grade, profile.model), "dim")
    )


Section = Sequence[RenderableType]
"""A block of a card; blank lines separate blocks."""


def _preference_sections(profile: Profile, inner: int) -> Iterator[Section]:
    for polarity, name, style in (("like", "Likes", "green"), ("dislike", "Dislikes", "red")):
        chosen = [one for one in profile.preferences if one.polarity == polarity]
        if chosen:
            yield [_head(name, style, inner), *(_preference(one, style, inner) for one in chosen)]


def _habit_sections(profile: Profile) -> Iterator[Section]:
    known = [trait for trait in profile.traits if trait.label not in ("", UNKNOWN)]
    if known:
        yield [heading("Habits"), _pairs((t.name, t.label, t.detail) for t in known)]
    if unknown := [trait for trait in profile.traits if trait.label == UNKNOWN]:
        names = ", ".join(f"{t.name.replace('_', ' ')} ({t.detail})" for t in unknown)
        yield [words(f"Too little to say: {names}.", "dim")]


def _other_sections(profile: Profile) -> Iterator[Section]:
    if profile.fields:
        rows = [
            (f.name, _value(f.value), counted(len(f.evidence), "event")) for f in profile.fields
        ]
        yield [heading("Fields"), _pairs(rows)]
    if profile.segments:
        yield [Text.assemble(("Segments  ", "bold"), words(", ".join(profile.segments)))]
    if profile.unknowns:
        yield [heading("Not known"), bullets(profile.unknowns, "dim")]


def made_by(source: str, grade: str, model: str | None) -> str:
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


def _preference(preference: Preference, style: str, inner: int) -> RenderableType:
    confident, seen = _columns(inner)
    value = (
        preference.value.lower()
        if preference.facet == "theme" and is_shouted(preference.value)
        else preference.value
    )
    name = Text.assemble("  ", words(value, "bold"), (f"  {clean(preference.facet)}", "dim"))
    if preference.kind != "taste" or preference.basis == "stated":
        labels = {preference.kind, preference.basis} - {"taste", "revealed", "inferred"}
        name.append(f" {' '.join(sorted(labels))}", style="magenta")
    cells: list[Text] = [name, bar(preference.strength, style, BAR if inner >= 44 else 5)]
    if confident:
        cells.append(Text(f"{preference.confidence:.0%}"))
    cells += [
        Text(ARROWS[preference.trend], style=ARROW_STYLE[preference.trend]),
        Text(f"{preference.count or len(preference.evidence):,}"),
    ]
    if seen:
        cells.append(Text(day(preference.last_seen), style="dim"))
    grid = _preference_grid(inner)
    grid.add_row(*cells)
    return Group(grid, Padding(words(preference.text), (0, 0, 0, 4))) if preference.text else grid


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
            f"{were(profile.dropped)} dropped."
        )
    return Text(line, style="dim")


def were(found: Sequence[object]) -> str:
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
        parts.append(Padding(event_table(known, items, scales, hours), (0, 0, 1, 2)))

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
