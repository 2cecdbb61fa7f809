"""The part of a user's history that a model sees: as many lines as fit a token budget, oldest
first.

What goes in is chosen in turns, each with a share of the budget, so that no kind of event crowds
out the others: events with a text, then extreme signals, then the most recent; what is left of the
budget goes to older events, sampled evenly over the rest of the history. Repeats of one item by
events of one type are one line with a count.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from limner.core.schema import Event, Item, Scale, Window, WindowEvent
from limner.facts import Population, facets_of, in_order
from limner.llm.tokens import count, cut

TEXT_TOKENS = 60
"""Tokens of a review or query that a line shows."""
TITLE_TOKENS = 40
MAX_FACETS = 4
"""Facets of an item that a line shows."""
MAX_VALUES = 4
"""Values of one facet that a line shows."""
SHARES = ((0.35, "text"), (0.3, "extreme"), (0.6, "recent"))
"""Up to which share of the budget each turn may fill: of all that is left when the turn begins."""
EXTREME = 0.7
"""Signals at least this strong, either way, are extreme."""
_TOKENS_A_LINE = 45
"""A first guess, to cut a long history into parts before its lines are counted."""
_VERBS = {
    "view": "viewed",
    "click": "clicked",
    "like": "liked",
    "dislike": "disliked",
    "cart": "put in the cart",
    "purchase": "bought",
    "return": "returned",
    "rating": "rated",
    "review": "reviewed",
    "comment": "commented on",
    "play": "played",
    "skip": "skipped",
    "search": "searched",
    "share": "shared",
    "answer": "answered",
    "preference": "said",
}


@dataclass(frozen=True)
class _Entry:
    """Events that become one line; `last` stands for them."""

    last: Event
    times: int
    quantity: float | None
    signal: float


def cut_window(
    events: Sequence[Event],
    items: Mapping[str, Item],
    signal: Mapping[str, float],
    *,
    budget: int,
    model: str = "",
    start: int = 1,
    scales: Mapping[str, Scale] | None = None,
    population: Population | None = None,
) -> Window:
    """The lines that fit `budget` tokens of `model`'s encoding, numbered from `start`, oldest
    first.

    `signal` is by event id; `scales` by source let a rating be read ("rated 4 of 5"); a
    `population` names the facets as its facts do. The tokens of all lines, joined by line ends,
    never exceed the budget.
    """
    ordered = in_order(events)
    entries = _collapsed(ordered, signal)
    render = _Renderer(items, scales or {}, population, model)
    chosen = _choose(entries, render, budget, len(str(start + len(entries))))
    window = _numbered(sorted(chosen), entries, render, items, start)
    # Lines were counted one by one; joined they can be a token longer. The least important line
    # goes until they fit.
    while chosen and (used := count("\n".join(line.line for line in window), model)) > budget:
        chosen.pop()
        window = _numbered(sorted(chosen), entries, render, items, start)
    return Window(
        user_id=ordered[0].user_id if ordered else "",
        events=window,
        total=len(ordered),
        tokens=used if chosen else 0,
    )


def split_history(
    events: Sequence[Event],
    items: Mapping[str, Item],
    signal: Mapping[str, float],
    *,
    budget: int,
    max_parts: int,
    model: str = "",
    start: int = 1,
    scales: Mapping[str, Scale] | None = None,
    population: Population | None = None,
) -> list[Window]:
    """A long history as up to `max_parts` windows, each of a stretch of time and within `budget`,
    numbered through.

    One window where everything fits one; none for no events.
    """
    ordered = in_order(events)
    entries = len(_collapsed(ordered, signal))
    parts = max(1, min(max_parts, -(-entries * _TOKENS_A_LINE // max(budget, 1)), len(ordered)))
    windows: list[Window] = []
    for part in range(parts if ordered else 0):
        stretch = ordered[part * len(ordered) // parts : (part + 1) * len(ordered) // parts]
        window = cut_window(
            stretch,
            items,
            signal,
            budget=budget,
            model=model,
            start=start,
            scales=scales,
            population=population,
        )
        start += len(window.events)
        windows.append(window)
    return windows


def _collapsed(ordered: Sequence[Event], signal: Mapping[str, float]) -> list[_Entry]:
    """One entry a line, by time of its last event; events with a text of their own stand alone."""
    groups: dict[tuple[str, str, str], list[Event]] = {}
    for event in ordered:
        subject = (
            event.item_id
            if event.item_id is not None
            else f"\0{event.event_id if not event.text else ''}"
        )
        groups.setdefault((subject, event.type, event.text.strip()), []).append(event)
    entries = []
    for group in groups.values():
        amounts = [event.value for event in group if event.value is not None]
        strongest = max((signal.get(event.event_id, 0.0) for event in group), key=abs)
        entries.append(_Entry(group[-1], len(group), sum(amounts) if amounts else None, strongest))
    place = {id(event): at for at, event in enumerate(ordered)}
    return sorted(entries, key=lambda entry: place[id(entry.last)])


def _choose(entries: Sequence[_Entry], render: "_Renderer", budget: int, digits: int) -> list[int]:
    """Positions of the chosen entries, most important first."""
    # A number's brackets, digits (three to a token) and the line end, at most.
    frame = 3 + -(-digits // 3)
    chosen: dict[int, None] = {}
    left = budget

    def take(turn: Iterable[int], may_fill: int) -> None:
        nonlocal left
        misses = 0
        for index in turn:
            if index in chosen:
                continue
            cost = render.cost(entries[index]) + frame
            if cost > min(left, may_fill):
                # A shorter line may still fit, but a full window is not worth counting the whole
                # history for.
                misses += 1
                if misses > 8:
                    return
                continue
            chosen[index] = None
            left -= cost
            may_fill -= cost

    recent = range(len(entries) - 1, -1, -1)
    turns: dict[str, Iterable[int]] = {
        "text": (at for at in recent if entries[at].last.text.strip()),
        "extreme": _both_ways(entries, recent),
        "recent": recent,
    }
    for share, name in SHARES:
        take(turns[name], int(left * share))
    take(_evenly([at for at in range(len(entries)) if at not in chosen]), left)
    return list(chosen)


def _both_ways(entries: Sequence[_Entry], recent: Iterable[int]) -> list[int]:
    """Entries with extreme signals, the strongest first, likes and dislikes in turn."""
    strong = sorted(
        (at for at in recent if abs(entries[at].signal) >= EXTREME),
        key=lambda at: -abs(entries[at].signal),
    )
    likes = [at for at in strong if entries[at].signal > 0]
    dislikes = [at for at in strong if entries[at].signal < 0]
    return [at for pair in zip_longest(likes, dislikes) for at in pair if at is not None]


def _evenly(positions: Sequence[int]) -> Iterator[int]:
    """Every position once, each beginning of the order spread evenly: halves, then quarters, and so
    on.
    """
    seen: set[int] = set()
    step = 1
    while len(seen) < len(positions):
        step *= 2
        for at in range(1, step, 2):
            place = at * len(positions) // step
            if place not in seen:
                seen.add(place)
                yield positions[place]
        if step > 2 * len(positions):
            yield from (positions[place] for place in range(len(positions)) if place not in seen)
            return


def _numbered(
    chosen: Sequence[int],
    entries: Sequence[_Entry],
    render: "_Renderer",
    items: Mapping[str, Item],
    start: int,
) -> list[WindowEvent]:
    return [
        WindowEvent(
            number=number,
            event=entries[at].last,
            item=items.get(entries[at].last.item_id or ""),
            signal=entries[at].signal,
            line=f"[{number}] {render.line(entries[at])}",
        )
        for number, at in enumerate(chosen, start)
    ]


class _Renderer:
    """Lines of one window, each made and counted once."""

    def __init__(
        self,
        items: Mapping[str, Item],
        scales: Mapping[str, Scale],
        population: Population | None,
        model: str,
    ) -> None:
        self._items, self._scales, self._model = items, scales, model
        self._facets = population.facets_of if population is not None else facets_of
        self._first = population.primary if population is not None else "category"
        self._lines: dict[str, str] = {}
        self._costs: dict[str, int] = {}

    def cost(self, entry: _Entry) -> int:
        """Tokens of the line without its number."""
        key = entry.last.event_id
        if key not in self._costs:
            self._costs[key] = count(self.line(entry), self._model)
        return self._costs[key]

    def line(self, entry: _Entry) -> str:
        key = entry.last.event_id
        if key not in self._lines:
            self._lines[key] = self._made(entry)
        return self._lines[key]

    def _made(self, entry: _Entry) -> str:
        event = entry.last
        item = self._items.get(event.item_id) if event.item_id is not None else None
        date = f"{event.timestamp:%Y-%m-%d} " if event.timestamp is not None else ""
        parts = [f"{date}{self._did(entry)}"]
        if event.item_id is not None:
            title = _plain(item.title if item else "", TITLE_TOKENS, self._model)
            parts[0] += f' "{title}"' if title else f" item {event.item_id}"
        if entry.times > 1:
            parts[0] += f" ({entry.times} times)"
        if item is not None:
            parts += [f"{facet}: {', '.join(values)}" for facet, values in self._shown(item)]
        if text := _plain(event.text, TEXT_TOKENS, self._model):
            parts.append(f'"{text}"')
        return " | ".join(parts)

    def _shown(self, item: Item) -> list[tuple[str, list[str]]]:
        """The first few facets of an item, the main one first, none that repeats another or the
        title.
        """
        shown: dict[tuple[str, ...], str] = {}
        values_by_facet = self._facets(item)
        for facet in sorted(values_by_facet, key=lambda facet: facet != self._first):
            if facet != "theme":
                shown.setdefault(
                    tuple(dict.fromkeys(value.casefold() for value in values_by_facet[facet])),
                    facet,
                )
        return [
            (facet, values_by_facet[facet][:MAX_VALUES])
            for facet in list(shown.values())[:MAX_FACETS]
        ]

    def _did(self, entry: _Entry) -> str:
        event = entry.last
        verb = _VERBS.get(event.type, event.type)
        if event.type == "preference":
            return _stated(event, verb)
        if event.value is None:
            return verb
        if event.type in ("rating", "review"):
            scale = self._scales.get(event.source)
            return f"rated {event.value:g}" + (f" of {scale.high:g}" if scale else "")
        if event.type in ("purchase", "cart", "return") and entry.quantity is not None:
            taken_back = event.type == "purchase" and entry.quantity < 0
            return f"{'returned' if taken_back else verb} {abs(entry.quantity):g}"
        return f"{verb} ({event.value:g})"


def _stated(event: Event, verb: str) -> str:
    facet, value, polarity = (event.context.get(name) for name in ("facet", "value", "polarity"))
    if value is None:
        return verb
    what = ", ".join(value) if isinstance(value, list) else value
    return f"{verb}: {polarity or 'like'} {facet or ''} {what}".replace("  ", " ")


def _plain(text: str, tokens: int, model: str) -> str:
    """One line of text without quotation marks of its own, cut to a number of tokens."""
    flat = " ".join(text.replace('"', "'").split())
    # A token is at least one byte and hardly ever above twenty characters: most texts need no
    # counting.
    if len(flat.encode("utf-8", "replace")) <= tokens:
        return flat
    short = cut(flat[: tokens * 20], tokens, model)
    return short if short == flat else short.rstrip() + "…"
