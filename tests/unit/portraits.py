"""Facts, events and grounds of one made-up user, shared by the tests of words and verification."""

from datetime import UTC, datetime

from limner.core.schema import Event, Fact, Item, Polarity, Trait, Trend, Window, WindowEvent
from limner.verify import Grounds, Lexicon, grounds_from, lexicon_from
from limner.words import load_language

AS_OF = datetime(1998, 4, 1, tzinfo=UTC)


def fact(
    number: int,
    value: str,
    polarity: Polarity = "like",
    *,
    facet: str = "genre",
    count: int = 12,
    share: float = 0.42,
    base: float = 0.30,
    trend: Trend = "steady",
    negative: int | None = None,
    last: datetime | None = None,
    evidence: tuple[str, ...] = (),
) -> Fact:
    against = negative if negative is not None else (1 if polarity == "like" else count - 2)
    return Fact(
        number=number,
        facet=facet,
        value=value,
        polarity=polarity,
        count=count,
        positive=count - against - 1 if count > against else 0,
        negative=against,
        share=share,
        base_rate=base,
        affinity=0.5,
        strength=round(count / 30, 2),
        confidence=0.8,
        trend=trend,
        first_seen=datetime(1997, 9, 20, tzinfo=UTC),
        last_seen=last or datetime(1997, 11, 5, tzinfo=UTC),
        evidence=list(evidence),
    )


def shown(
    number: int,
    title: str,
    genres: list[str],
    value: float,
    signal: float,
    day: int,
    text: str = "",
) -> WindowEvent:
    time = datetime(1998, 3, day, tzinfo=UTC)
    item = Item(item_id=f"i{number}", title=title, categories=genres)
    event = Event(
        event_id=f"e{number}",
        user_id="u1",
        item_id=item.item_id,
        type="rating",
        value=value,
        timestamp=time,
        text=text,
    )
    line = f'[{number}] {time.date()} rated {value:g} of 5 "{title}" | genre: {", ".join(genres)}'
    return WindowEvent(number=number, event=event, item=item, signal=signal, line=line)


FACTS = [
    fact(1, "Comedy", evidence=("e14",)),
    fact(2, "Horror", "dislike", count=9, share=0.1, base=0.2, negative=9),
    fact(
        3,
        "Drama",
        count=20,
        share=0.55,
        base=0.5,
        trend="rising",
        last=datetime(1998, 3, 20, tzinfo=UTC),
    ),
    fact(4, "Western", count=4, share=0.07, base=0.05, trend="fading"),
    fact(5, "1990s", facet="era", count=15, share=0.5, base=0.4),
]
EVENTS = [
    shown(12, "Star Wars (1977)", ["Action", "Sci-Fi"], 5, 1.0, 1),
    shown(13, "Scream (1996)", ["Horror", "Thriller"], 1, -1.0, 2, "Too loud and silly for me."),
    shown(14, "Full Monty, The (1997)", ["Comedy"], 4, 0.6, 3, "Warm and witty, a lovely film."),
    shown(15, "Alien (1979)", ["Sci-Fi", "Horror"], 2, -0.5, 4),
    shown(
        16,
        "Blade Runner (1982)",
        ["Sci-Fi"],
        5,
        0.9,
        5,
        "Warm and witty it is not, but what a look.",
    ),
]
TRAITS = [
    Trait(
        name="rating_habit",
        label="generous",
        value=4.2,
        detail="mean rating 4.2 over 40 ratings, usual 3.5",
        n=40,
    ),
    Trait(
        name="breadth", label="broad", value=0.9, detail="14 of 18 genre values over 40 items", n=40
    ),
]
WINDOW = Window(user_id="u1", events=EVENTS, total=40, tokens=200)
OTHERS = [
    Item(item_id="o1", title="Heat (1995)", categories=["Crime"], attributes={"country": "France"}),
    Item(
        item_id="o2",
        title="You've Got Mail (1998)",
        categories=["Romance"],
        attributes={"brand": "Northwind"},
    ),
    Item(item_id="o3", title="Titanic (1997)", categories=["Classic"]),
]


def grounds(code: str = "en", *, traits: bool = False) -> Grounds:
    return grounds_from(
        load_language(code),
        facts=FACTS,
        events=EVENTS,
        traits=TRAITS if traits else (),
        total=40,
        as_of=AS_OF,
    )


def lexicon(code: str = "en") -> Lexicon:
    return lexicon_from([*(e.item for e in EVENTS if e.item), *OTHERS], load_language(code))
