"""What a user said in words: stated preferences, and searches that name a facet value the catalogue
knows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from limner.core.schema import Event, Fact, Polarity
from limner.facts.population import Population

STATED_CONFIDENCE = 0.9
"""A statement is nearly sure; people do change their minds."""
SEARCH_PRIOR = 4.0
"""Searches' worth of belief that a search says nothing of taste: confidence is k / (k + this)."""
STRUCK = "struck"
"""In the context of a stated preference: that it is the claim named there which is wrong."""
WITHDRAWN = "withdrawn"
"""The same: that what was said last of the claim is taken back, so that events alone speak of it
again.
"""
MAX_WORDS = 4
"""Words of the longest value that is looked for in a text."""
LONGEST = 120
"""Characters of a statement that names no known value."""

_WORDS = re.compile(r"[^\W_]+(?:[-/'’.][^\W_]+)*")
_NEGATIVE = re.compile(
    r"\b(?:no|not|never|hate|hates|dislike|avoid|without|don't|don’t|dont|nicht|kein|keine|ohne|pas|sans|odio|sin|nunca)\b"
    r"|不|别|別|讨厌|討厭|싫|않|말고|없이",
    re.IGNORECASE,
)
_NEVER = ("low", "mid", "high", "yes")
"""Values that free text uses for other things."""


def spoken_facts(
    events: Sequence[Event], population: Population, signal: Mapping[str, float]
) -> list[Fact]:
    """Facts from words: stated ones, the newest statement on a value winning, then those inferred
    from searches.
    """
    stated: dict[tuple[str, str], list[tuple[Event, str, Polarity]]] = {}
    searched: dict[tuple[str, str], list[tuple[Event, str, Polarity]]] = {}
    for event in standing(events):
        if is_strike(event):
            facet, value, polarity = _claim(event)
            key = facet, value.casefold()
            if key in stated and stated[key][-1][2] == polarity:
                del stated[key]
            if polarity == "like":
                searched.pop(key, None)
        elif event.type == "preference":
            for facet, value, polarity in _statements(
                event, population, signal.get(event.event_id, 0.0)
            ):
                stated.setdefault((facet, value.casefold()), []).append((event, value, polarity))
        elif event.type == "search":
            for facet, value in known_values(_words_of(event), population):
                searched.setdefault((facet, value.casefold()), []).append((event, value, "like"))
    facts = [_fact(facet, rows, "stated", population) for (facet, _), rows in stated.items()]
    facts += [
        _fact(facet, rows, "inferred", population)
        for key, rows in searched.items()
        if key not in stated
        for facet in (key[0],)
    ]
    order = {"stated": 0, "inferred": 1}
    return sorted(
        facts, key=lambda fact: (order[fact.basis], -fact.confidence, fact.facet, fact.value)
    )


def is_strike(event: Event) -> bool:
    """Whether an event says that a claim of the portrait is wrong."""
    return _marked(event, STRUCK)


def is_withdrawal(event: Event) -> bool:
    """Whether an event takes back what was said before."""
    return _marked(event, WITHDRAWN)


def _marked(event: Event, mark: str) -> bool:
    return event.type == "preference" and event.context.get(mark) not in (None, False, "", "false")


def standing(events: Sequence[Event]) -> Sequence[Event]:
    """Events, oldest first, without what their user took back since, and without the taking
    back.
    """
    said: dict[tuple[str, str, Polarity], list[int]] = {}
    gone: set[int] = set()
    for at, event in enumerate(events):
        if event.type == "preference" and event.context.get("value") is not None:
            facet, value, polarity = _claim(event)
            of_it = said.setdefault((facet.casefold(), value.casefold(), polarity), [])
            if not is_withdrawal(event):
                of_it.append(at)
            else:
                gone.update({at, *of_it[-1:]})
                del of_it[-1:]
    return [event for at, event in enumerate(events) if at not in gone] if gone else events


def struck(events: Sequence[Event]) -> frozenset[tuple[str, str, Polarity]]:
    """(facet, value in lower case, polarity) of claims that the user struck and has not stated
    again since.
    """
    found: set[tuple[str, str, Polarity]] = set()
    for event in standing(events):
        if event.type == "preference" and event.context.get("value") is not None:
            facet, value, polarity = _claim(event)
            key: tuple[str, str, Polarity] = (facet, value.casefold(), polarity)
            found.add(key) if is_strike(event) else found.discard(key)
    return frozenset(found)


def _claim(event: Event) -> tuple[str, str, Polarity]:
    """(facet, value, polarity) that the context names."""
    said: Polarity = "dislike" if event.context.get("polarity") == "dislike" else "like"
    return str(event.context.get("facet") or "stated"), str(event.context.get("value", "")), said


def known_values(text: str, population: Population) -> list[tuple[str, str]]:
    """(facet, value) for the longest known facet values that a text names, without overlap, in
    order.
    """
    found: list[tuple[str, str]] = []
    covered: list[tuple[int, int]] = []
    for start, end in _spans(text):
        key = text[start:end].casefold()
        if key in _NEVER or any(start < b and end > a for a, b in covered):
            continue
        codes = population.known.get(key)
        if codes:
            covered.append((start, end))
            found.extend((population.facets[code], population.values[code]) for code in codes)
    return list(dict.fromkeys(found))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of text that may be a value, longest first: runs of words; outside ASCII, runs of
    characters too.
    """
    words = [match.span() for match in _WORDS.finditer(text)]
    spans = {
        (words[i][0], words[j][1])
        for i in range(len(words))
        for j in range(i, min(i + MAX_WORDS, len(words)))
    }
    for start, end in words:
        if not text[start:end].isascii():
            spans.update(
                (a, b) for a in range(start, end) for b in range(a + 2, min(a + 9, end + 1))
            )
    return iter(sorted(spans, key=lambda span: (span[0] - span[1], span[0])))


def _words_of(event: Event) -> str:
    query = event.context.get("query", "")
    return event.text or (query if isinstance(query, str) else "")


def _statements(
    event: Event, population: Population, signal: float
) -> list[tuple[str, str, Polarity]]:
    facet, value, polarity = (event.context.get(name) for name in ("facet", "value", "polarity"))
    text = _words_of(event).strip()
    said: Polarity = "like"
    if polarity in ("like", "dislike"):
        said = "dislike" if polarity == "dislike" else "like"
    elif signal < 0 or _NEGATIVE.search(text):
        said = "dislike"
    if value is not None and not (isinstance(value, list) and not value):
        values = value if isinstance(value, list) else [str(value)]
        return [(str(facet or "stated"), one, said) for one in values]
    named = known_values(text, population)
    if named:
        return [(facet_, value_, said) for facet_, value_ in named]
    return [(str(facet or "stated"), text[:LONGEST], said)] if text else []


def _fact(
    facet: str, rows: Sequence[tuple[Event, str, Polarity]], basis: str, population: Population
) -> Fact:
    _, value, polarity = rows[-1]
    agreeing = [event for event, _, said in rows if said == polarity]
    times = [event.timestamp for event in agreeing if event.timestamp is not None]
    code = next(
        (c for c in population.known.get(value.casefold(), []) if population.facets[c] == facet),
        None,
    )
    weight = len(agreeing) / (len(agreeing) + SEARCH_PRIOR)
    stated = basis == "stated"
    return Fact(
        number=1,
        facet=facet,
        value=value,
        polarity=polarity,
        basis="stated" if stated else "inferred",
        count=len(rows),
        positive=len(agreeing) if polarity == "like" else len(rows) - len(agreeing),
        negative=len(agreeing) if polarity == "dislike" else len(rows) - len(agreeing),
        share=0.0,
        base_rate=0.0 if code is None else round(float(population.base[code]), 4),
        affinity=0.0,
        strength=1.0 if stated else round(weight, 4),
        confidence=STATED_CONFIDENCE if stated else round(weight, 4),
        trend="unknown",
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        evidence=[event.event_id for event in reversed(agreeing)][:12],
    )
