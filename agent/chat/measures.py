"""Orders and bounds of items by a number that they have, in English and Chinese: "the cheapest",
"longer than 90".

What a word measures (a price, a year, a length) is told apart from whether items have it: where
none has, that can be said by name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

KINDS: Mapping[str, Sequence[str]] = {
    "price": ("price",),
    "year": (
        "year",
        "release year",
        "released",
        "year released",
        "publication year",
        "year of publication",
    ),
    "length": (
        "length",
        "runtime",
        "duration",
        "running time",
        "minutes",
        "runtime minutes",
        "duration minutes",
        "pages",
        "page count",
        "num pages",
        "number of pages",
    ),
}
"""What attributes may be called in data, by what questions ask about."""


@dataclass(frozen=True)
class Bound:
    """Only items whose number is so."""

    kind: str
    """What is asked about: a kind of `KINDS`, or an attribute's own name."""
    name: str
    """The attribute as conditions call it; empty where no item has it."""
    sign: str
    value: str
    text: str
    """In the question's words."""

    @property
    def condition(self) -> str:
        return f"{self.name} {self.sign} {self.value}"


@dataclass(frozen=True)
class ItemOrder:
    """Items in the order of their number."""

    kind: str
    name: str
    descending: bool
    text: str


Span = tuple[int, int]
"""Where something stands in a text."""

_N = r"(?P<n>\d+(?:[.,]\d+)*)"
_MONEY = r"(?:dollars?|euros?|pounds?|bucks|cents?|yuan|usd|eur|gbp|cny|rmb|yen|[$€£¥])"
CURRENCY = re.compile(rf"{_MONEY}|元|块", re.IGNORECASE)
"""A word or sign for money, which data name none of."""
_UNDER = r"less than|lower than|under|below|at most|no more than|not more than|up to"
_OVER = r"more than|higher than|over|above|at least|no less than|not less than"
_SIGN = rf"(?P<sign>{_UNDER}|{_OVER}|exactly)"
_SIGNS = {
    **dict.fromkeys(
        ("less than", "lower than", "under", "below", "低于", "少于", "小于", "不到", "短于"), "<"
    ),
    **dict.fromkeys(
        ("at most", "no more than", "not more than", "up to", "不超过", "至多", "最多"), "<="
    ),
    **dict.fromkeys(
        ("more than", "higher than", "over", "above", "高于", "超过", "大于", "多于", "长于"), ">"
    ),
    **dict.fromkeys(
        ("at least", "no less than", "not less than", "至少", "不低于", "不少于"), ">="
    ),
    "exactly": "=",
    "以下": "<=",
    "以内": "<=",
    "以上": ">=",
}
_COMPARED = {
    **dict.fromkeys(("cheaper", "less expensive", "less costly", "便宜"), ("price", "<")),
    **dict.fromkeys(
        ("more expensive", "pricier", "dearer", "costlier", "more costly", "贵"), ("price", ">")
    ),
    **dict.fromkeys(("older", "老", "早", "旧"), ("year", "<")),
    **dict.fromkeys(("newer", "新", "晚"), ("year", ">")),
    "longer": ("length", ">"),
    "shorter": ("length", "<"),
    "长": ("length", ">"),
    "短": ("length", "<"),
}
_WORD = "|".join(one for one, (kind, _) in _COMPARED.items() if one.isascii() and kind != "year")
_ZH_SIGN = (
    "(?P<sign>低于|少于|小于|不到|不超过|至多|最多|高于|超过|大于|多于|至少|"
    "不低于|不少于|长于|短于)"
)
_BOUNDS = tuple(
    (kind, re.compile(form, re.IGNORECASE))
    for kind, form in (
        (
            "",
            rf"\b(?P<word>{_WORD})\s+than\s+[$€£¥]?\s*{_N}(?!\s*(?:hours?|hrs?|h)\b)"
            rf"(?:\s*(?:{_MONEY}|minutes?|mins?|pages?)(?!\w))?",
        ),
        (
            "",
            r"\b(?P<word>older|newer)\s+than\s+(?:the\s+year\s+)?(?P<n>(?:19|20)\d\d)\b"
            r"|比\s*(?P<m>(?:19|20)\d\d)年?\s*更?(?P<zh>[老早旧新晚])",
        ),
        (
            "price",
            rf"\b(?:costs?|costing|priced?|prices)(?:\s+(?:at|of|is|are))?\s+{_SIGN}\s+[$€£¥]?\s*{_N}"
            rf"(?:\s*{_MONEY}(?!\w))?",
        ),
        (
            "price",
            rf"\b(?:for\s+)?{_SIGN}\s+(?:[$€£¥]\s*{_N}|(?P<m>\d+(?:[.,]\d+)*)\s*{_MONEY}(?!\w))",
        ),
        ("length", rf"\b{_SIGN}\s+{_N}\s*(?:minutes?|mins?|pages?)\b(?:\s+long\b)?"),
        ("price", rf"价[格钱]?(?:为|是|在)?{_ZH_SIGN}\s*{_N}\s*(?:元|块钱?|美元|欧元)?"),
        ("price", rf"{_ZH_SIGN}\s*{_N}\s*(?:元|块钱?|美元|欧元)"),
        ("price", rf"{_N}\s*(?:元|块钱?|美元|欧元)\s*(?P<sign>以下|以上|以内)"),
        ("length", rf"(?:片长|时长)?{_ZH_SIGN}\s*{_N}\s*(?:分钟|页)"),
        ("", rf"比\s*{_N}\s*(?:元|块钱?|美元|欧元|分钟|页)?\s*(?:更)?(?P<word>便宜|贵|长|短)"),
    )
)
_BETWEEN = re.compile(
    rf"\b(?P<lead>(?:costs?|costing|priced?|prices)\s+)?(?:between|from)\s+(?P<cur>[$€£¥])?\s*{_N}\s+(?:and|to)\s+[$€£¥]?\s*"
    rf"(?P<m>\d+(?:[.,]\d+)*)(?P<unit>\s*{_MONEY}(?!\w))?",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:films?|movies?|items?|products?|books?|songs?|albums?|games?|shows?|videos?|"
    r"articles?|titles?|ones?)"
)
_ITEM = rf"(?=\s+(?:\w+[\s-]+){{0,2}}{_NOUN}\b)"
_OF_ITEM = r"(?=的(?!评分|打分|记录|事件|评论|行为|活动))"
_DONE = (
    r"(?!\s+(?:events?|entr(?:y|ies)|ratings?|records?|purchases?|views?|reviews?|"
    r"interactions?|actions?|\d))"
)
"""Of what was done the newest is no newest item."""
_ORDERS = tuple(
    (kind, descending, re.compile(form, re.IGNORECASE))
    for kind, descending, form in (
        (
            "price",
            True,
            r"\b(?:most\s+expensive|priciest|dearest|costliest|most\s+costly|highest[\s-]+priced?)\b"
            r"|最贵|价格最高|价钱最高|售价最高",
        ),
        (
            "price",
            False,
            r"\b(?:cheapest|least\s+expensive|least\s+costly|lowest[\s-]+priced?)\b"
            r"|最便宜|价格最低|价钱最低|售价最低",
        ),
        ("length", True, rf"\blongest{_ITEM}|[片时]长最长|最长{_OF_ITEM}"),
        ("length", False, rf"\bshortest{_ITEM}|[片时]长最短|最短{_OF_ITEM}"),
        (
            "year",
            False,
            rf"\boldest\b{_DONE}|\bearliest{_ITEM}|最老{_OF_ITEM}|(?:上映|出版|发行)最早",
        ),
        (
            "year",
            True,
            (
                rf"\bnewest\b{_DONE}|\b(?:latest|most recent){_ITEM}|最新{_OF_ITEM}|(?:上映|"
                r"出版|发行)最[新晚]"
            ),
        ),
    )
)
_MOST = (
    r"(?P<most>highest|largest|greatest|biggest|most|maximum|latest)"
    r"|(?P<least>lowest|smallest|least|minimum|fewest|earliest)"
)


def resolved(kind: str, measures: Mapping[str, str]) -> str:
    """The attribute that a kind means among those that items have, by folded name; empty where
    there is none.
    """
    names = KINDS.get(kind, (kind,))
    return next((measures[one] for one in names if one in measures), "")


def find_bounds(text: str, measures: Mapping[str, str]) -> tuple[list[Bound], list[Span]]:
    """Bounds, and where they stand. measures: attributes with numbers by folded name, as conditions
    call them.
    """
    spans: list[Span] = []
    bounds: list[Bound] = []
    for match in _BETWEEN.finditer(text):
        if match["lead"] or match["cur"] or match["unit"]:
            for sign, value in ((">=", match["n"]), ("<=", match["m"])):
                bounds.append(_bound("price", sign, value, match[0], measures))
            spans.append(match.span())
    for kind, sign, value, match in (*_worded(text), *_named(text, measures)):
        if not any(start < match.end() and match.start() < end for start, end in spans):
            bounds.append(_bound(kind, sign, value, match[0], measures))
            spans.append(match.span())
    return bounds, spans


def find_order(text: str, measures: Mapping[str, str]) -> tuple[ItemOrder, Span] | None:
    """The order that is asked for, and where that stands; None where none is."""
    for kind, descending, match in _orders(text, measures):
        return ItemOrder(kind, resolved(kind, measures), descending, match[0].strip()), match.span()
    return None


def _bound(kind: str, sign: str, value: str, text: str, measures: Mapping[str, str]) -> Bound:
    return Bound(kind, resolved(kind, measures), sign, value.replace(",", ""), text.strip())


def _worded(text: str) -> Iterator[tuple[str, str, str, re.Match[str]]]:
    for kind, form in _BOUNDS:
        for match in form.finditer(text):
            given = match.groupdict()
            word, sign = given.get("word") or given.get("zh"), given.get("sign")
            meant, by = (
                _COMPARED[" ".join(word.lower().split())]
                if word
                else (kind, _SIGNS[str(sign).lower()])
            )
            yield meant, by, str(given.get("n") or given.get("m")), match


def _named(text: str, measures: Mapping[str, str]) -> Iterator[tuple[str, str, str, re.Match[str]]]:
    """ "abv over 5", "year < 1990"."""
    for name in measures:
        called = re.escape(name).replace("\\ ", r"[\s_]")
        form = rf"(?<!\w){called}\s*(?:is\s+|of\s+)?(?:{_SIGN}|(?P<mark><=|>=|<|>|=))\s*{_N}"
        for match in re.finditer(form, text, re.IGNORECASE):
            yield name, match["mark"] or _SIGNS[match["sign"].lower()], match["n"], match


def _orders(text: str, measures: Mapping[str, str]) -> Iterator[tuple[str, bool, re.Match[str]]]:
    for kind, descending, form in _ORDERS:
        if match := form.search(text):
            yield kind, descending, match
    for name in measures:
        called = re.escape(name).replace("\\ ", r"[\s_]")
        if match := re.search(rf"\b(?:{_MOST})\s+{called}(?!\w)", text, re.IGNORECASE):
            yield name, match["most"] is not None, match
