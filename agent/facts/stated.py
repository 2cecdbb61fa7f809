"""What a user said in words: stated preferences, and searches that name a facet value the catalogue
knows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from limner.core.schema import Event, Fact, Polarity
from limner.facts.population import Population

STATED_CONFIDENCE = 0.9
"""Confidence of a stated fact: below 1, since people change their minds."""
SEARCH_PRIOR = 4.0
"""Searches' worth of belief that a search says nothing of taste: confidence is k / (k + this)."""
STRUCK = "struck"
"""Key in a preference event's context: the event says that the claim it names is wrong."""
WITHDRAWN = "withdrawn"
"""Key in a preference event's context: the event takes back the last statement about the claim it
names.
"""
MAX_WORDS = 4
"""Words of the longest value that is looked for in a text."""
LONGEST = 120
"""Characters of a statement that names no known value."""

_WORDS = re.compile(r"[^\W_]+(?:[-/'’.][^\W_]+)*")
_DISLIKING = re.compile(
    r"\b(?:hates?|dislikes?|detests?|loathes?|hasse|déteste|odio)\b|讨厌|討厭|싫", re.IGNORECASE
)
_DOUBTFUL = re.compile(
    r"\b(?:no|not|never|none|neither|nor|cannot|without|avoid|less|least|except|unless|stop(?:ped)?"
    r"|enough|tired|bored|sick|rather|than|instead|but|however|although|though|while|used to"
    r"|any ?more|if|when|only|until|maybe|sometimes|unlike|nothing|nobody|hardly|barely"
    r"|(?:my|his|her|their|our) \w+|wife|husband|kids?|child(?:ren)?|friends?"
    r"|nicht|nichts|keine?[nmrs]?|ohne|nie|nur|aber|sondern|außer|statt|lieber|wenn|weniger|genug"
    r"|pas|jamais|sans|mais|sauf|plutôt|moins|assez|si|quand|rien|plus"
    r"|nunca|sin|pero|sino|salvo|excepto|menos|cuando|nada|tampoco)\b"
    r"|n['’]t\b|\bdont\b|\bne\b|\bn['’]"
    r"|[不别別没沒无無非勿莫少但却卻而]|除了|除非|如果|要是|以外|再也|宁|寧|只"
    r"|呵呵|又是|以前|从前|曾|[爷奶妈爸]|老婆|老公|妻子|丈夫|孩子|小孩|儿子|女儿|朋友|他|她"
    r"|않|안 |못|말고|없|지만|는데|빼|제외|아니|대신|예전|별로|친구|아이|아내|남편"
    r"|ない|なく|ません|けど|しかし",
    re.IGNORECASE,
)
"""Signs of negation, contrast, condition, an earlier time or another person: what a text with one
of them says of the values that it names cannot be told from its words alone.
"""
_NEVER = ("low", "mid", "high", "yes")
"""Values that free text uses for other things."""
_Mentions = dict[tuple[str, str], list[tuple[Event, str, Polarity]]]
"""By facet and value in lower case: the events that name it, how they spell it, and its polarity,
oldest first.
"""


def spoken_facts(
    events: Sequence[Event], population: Population, signal: Mapping[str, float]
) -> list[Fact]:
    """Facts from words: stated ones, the newest statement on a value winning, then those inferred
    from searches.
    """
    stated: _Mentions = {}
    searched: _Mentions = {}
    for event in without_withdrawn(events):
        if is_strike(event):
            _strike_out(event, stated, searched)
        elif event.type == "preference":
            for facet, value, polarity in _statements(
                event, population, signal.get(event.event_id, 0.0)
            ):
                stated.setdefault((facet, value.casefold()), []).append((event, value, polarity))
        elif event.type == "search" and not _DOUBTFUL.search(_words_of(event)):
            for facet, value in known_values(_words_of(event), population):
                searched.setdefault((facet, value.casefold()), []).append((event, value, "like"))
    facts = [
        *(_fact(key[0], rows, "stated", population) for key, rows in stated.items()),
        *(
            _fact(key[0], rows, "inferred", population)
            for key, rows in searched.items()
            if key not in stated
        ),
    ]
    return sorted(facts, key=lambda f: (f.basis != "stated", -f.confidence, f.facet, f.value))


def unread_statements(events: Sequence[Event]) -> list[str]:
    """What a user said in words that are not read as a like or a dislike, since they hold signs of
    negation, contrast or condition; newest last.
    """
    said = [event for event in without_withdrawn(events) if event.type == "preference"]
    return [_words_of(event).strip() for event in said if _is_unread(event)]


def told_polarity(text: str) -> Polarity | None:
    """Whether the words of a statement like or dislike what they name; None where that cannot be
    told from them.
    """
    if _DOUBTFUL.search(text):
        return None
    return "dislike" if _DISLIKING.search(text) else "like"


def _is_unread(event: Event) -> bool:
    if event.context.get("value") not in (None, []):
        return False
    told = told_polarity(_words_of(event))
    return told is None or (told == "dislike" and event.context.get("polarity") == "like")


def _strike_out(strike: Event, stated: _Mentions, searched: _Mentions) -> None:
    """Removes the claim that a strike names from what was said before it."""
    facet, value, polarity = _claim(strike)
    key = facet, value.casefold()
    if key in stated and stated[key][-1][2] == polarity:
        del stated[key]
    if polarity == "like":
        searched.pop(key, None)


def is_strike(event: Event) -> bool:
    """Whether an event says that a claim of the portrait is wrong."""
    return _marked(event, STRUCK)


def is_withdrawal(event: Event) -> bool:
    """Whether an event takes back an earlier statement."""
    return _marked(event, WITHDRAWN)


def _marked(event: Event, mark: str) -> bool:
    return event.type == "preference" and event.context.get(mark) not in (None, False, "", "false")


def without_withdrawn(events: Sequence[Event]) -> Sequence[Event]:
    """Events, oldest first, without withdrawals and without the statements that they take back."""
    statements: dict[tuple[str, str, Polarity], list[int]] = {}
    removed: set[int] = set()
    for index, event in enumerate(events):
        if _names_claim(event):
            facet, value, polarity = _claim(event)
            earlier = statements.setdefault((facet.casefold(), value.casefold(), polarity), [])
            if not is_withdrawal(event):
                earlier.append(index)
            else:
                removed.update({index, *earlier[-1:]})
                del earlier[-1:]
    return [event for at, event in enumerate(events) if at not in removed] if removed else events


def struck(events: Sequence[Event]) -> frozenset[tuple[str, str, Polarity]]:
    """(facet, value in lower case, polarity) of claims that the user struck and has not stated
    again since.
    """
    claims: set[tuple[str, str, Polarity]] = set()
    for event in without_withdrawn(events):
        if _names_claim(event):
            facet, value, polarity = _claim(event)
            key: tuple[str, str, Polarity] = (facet, value.casefold(), polarity)
            claims.add(key) if is_strike(event) else claims.discard(key)
    return frozenset(claims)


def _names_claim(event: Event) -> bool:
    return event.type == "preference" and event.context.get("value") is not None


def _claim(event: Event) -> tuple[str, str, Polarity]:
    """(facet, value, polarity) that the context names."""
    context = event.context
    polarity: Polarity = "dislike" if context.get("polarity") == "dislike" else "like"
    return str(context.get("facet") or "stated"), str(context.get("value", "")), polarity


def known_values(text: str, population: Population) -> list[tuple[str, str]]:
    """(facet, value) for the longest known facet values that a text names, without overlap, in
    order.
    """
    named: list[tuple[str, str]] = []
    covered: list[tuple[int, int]] = []
    for start, end in _spans(text):
        key = text[start:end].casefold()
        if key in _NEVER or any(start < b and end > a for a, b in covered):
            continue
        codes = population.known.get(key)
        if codes:
            covered.append((start, end))
            named.extend((population.facets[code], population.values[code]) for code in codes)
    return list(dict.fromkeys(named))


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
    """(facet, value, polarity) of each preference that an event states.

    Values come from the context, else known values from the text, else the text itself is one. A
    text whose polarity its words alone do not tell states none.
    """
    if _is_unread(event):
        return []
    facet = str(event.context.get("facet") or "stated")
    value = event.context.get("value")
    text = _words_of(event).strip()
    polarity = _polarity(event, text, signal)
    if value is not None and value != []:
        values = value if isinstance(value, list) else [str(value)]
        return [(facet, stated_value, polarity) for stated_value in values]
    if named := known_values(text, population):
        return [(known_facet, known_value, polarity) for known_facet, known_value in named]
    return [(facet, text[:LONGEST], polarity)] if text else []


def _polarity(event: Event, text: str, signal: float) -> Polarity:
    """The context's polarity where it names one, else by the signal and the verb of the text."""
    polarity = event.context.get("polarity")
    if polarity not in ("like", "dislike"):
        return "dislike" if signal < 0 or _DISLIKING.search(text) else "like"
    return "dislike" if polarity == "dislike" else "like"


def _base_rate(facet: str, value: str, population: Population) -> float:
    """Share of user-item pairs that carry a value; 0 where the catalogue does not know it."""
    codes = population.known.get(value.casefold(), [])
    code = next((code for code in codes if population.facets[code] == facet), None)
    return 0.0 if code is None else round(float(population.base[code]), 4)


def _fact(
    facet: str,
    rows: Sequence[tuple[Event, str, Polarity]],
    basis: Literal["stated", "inferred"],
    population: Population,
) -> Fact:
    """One fact from the events that name its value, oldest first; the last one gives value and
    polarity.
    """
    _, value, polarity = rows[-1]
    agreeing = [event for event, _, said in rows if said == polarity]
    opposing = len(rows) - len(agreeing)
    positive, negative = len(agreeing), opposing
    if polarity == "dislike":
        positive, negative = negative, positive
    times = [event.timestamp for event in agreeing if event.timestamp is not None]
    weight = round(len(agreeing) / (len(agreeing) + SEARCH_PRIOR), 4)
    strength, confidence = (1.0, STATED_CONFIDENCE) if basis == "stated" else (weight, weight)
    return Fact(
        number=1,
        facet=facet,
        value=value,
        polarity=polarity,
        basis=basis,
        count=len(rows),
        positive=positive,
        negative=negative,
        share=0.0,
        base_rate=_base_rate(facet, value, population),
        affinity=0.0,
        strength=strength,
        confidence=confidence,
        trend="unknown",
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        evidence=[event.event_id for event in reversed(agreeing)][:12],
    )
