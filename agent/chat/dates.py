"""Days and periods that a question names, in English and Chinese."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_MONTH = rf"(?P<month>{_MONTHS}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?<!\d)(?P<year>(?:19|20)\d\d)[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)",
        r"(?P<year>(?:19|20)\d\d)\s?年\s?(?P<number>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号]",
        r"(?P<year>(?:19|20)\d\d)\s?年\s?(?P<number>\d{1,2})\s?月",
        r"(?P<year>(?:19|20)\d\d)\s?年(?!代)",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH},?\s+{_YEAR}\b",
        rf"\b{_MONTH}\s+{_DAY},?\s+{_YEAR}\b",
        rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}\b",
        r"(?<!\d)(?P<year>(?:19|20)\d\d)-(?P<number>\d{2})(?![\d-])",
    )
)
_BARE = re.compile(
    rf"\b(?:in|during|since|before|after|from|until|till|by|of|to|and|between|year|throughout)\s+(?:the\s+year\s+)?"
    rf"{_YEAR}\b(?![-/.\d]|s\b|\s*年代)",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    rf"(?<=\d\d\d\d)(?:,?\s+or|\s+vs\.?|\s+versus|\s+than)\s+{_YEAR}\b(?![-/.\d]|s\b|\s*年代)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\b(?:last|past|previous)\s+(?P<n>\d+\s+)?(?P<unit>day|week|month|year)s?\b", re.IGNORECASE
)
_RELATIVE_ZH = re.compile(r"(?:最近|过去|近)(?P<n>\d+|一|两|三)?(?:个)?(?P<unit>天|周|星期|月|年)")
_ZH = {
    "天": "day",
    "周": "week",
    "星期": "week",
    "月": "month",
    "年": "year",
    "一": "1",
    "两": "2",
    "三": "3",
}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_SINCE = re.compile(
    r"\b(?:since|after|from|starting)\s+(?:the\s+)?(?:year\s+)?$|自从?\s*$|从\s*$", re.IGNORECASE
)
_UNTIL = re.compile(
    r"\b(?:until|till|before|by|up to|to|and)\s+(?:the\s+)?(?:year\s+)?$|到\s*$|至\s*$",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"\bbefore\s+(?:the\s+)?(?:year\s+)?$", re.IGNORECASE)
_AFTER = re.compile(r"\bafter\s+(?:the\s+)?(?:year\s+)?$", re.IGNORECASE)
_MONTH_ALONE = re.compile(
    rf"\b(?:in|during|or|and|between|from|than|vs\.?|versus|to|of)\s+(?P<bare>{_MONTH})(?!\w|\.?,?\s*(?:of\s+)?\d)",
    re.IGNORECASE,
)
_MONTH_ALONE_ZH = re.compile(r"(?<![\d年])(?P<bare>(?P<number>\d{1,2})\s?月)(?!\s?\d)")
_NEAR = 40
"""Characters between a month without a year and the date that has its year, at most."""
_TO = re.compile(
    r"\s*(?:to|until|till|through|up to|[-–—~～]|至|到)\s*(?:the\s+)?(?:year\s+)?", re.IGNORECASE
)
_AND = re.compile(r"\s*(?:and|和|与)\s*(?:the\s+)?(?:year\s+)?", re.IGNORECASE)
_OPENS = re.compile(r"(?:\b(?:between|from)(?:\s+the)?(?:\s+year)?|从|自)\s*$", re.IGNORECASE)
_OR = re.compile(
    (
        r"\b(?:or|vs\.?|versus|than|compared|but|how many|in|on|during|not)\b|还是|或|比|"
        r"多少|几|和.*在|不如|但"
    ),
    re.IGNORECASE,
)
"""Between two dates: each is a period of its own."""
_CHANGE = re.compile(
    r"\b(?:chang|develop|grow|grew|ris|rose|fall|fell|drop|declin|increas|decreas)\w*\b|变化|增长|减少",
    re.IGNORECASE,
)
""" "How did it change from January to February?": two, though "to" stands between them."""
_COMPARE = re.compile(r"\bcompar|比较|对比|相比", re.IGNORECASE)
_EACH = re.compile(
    r"\b(?:each|respectively|compare|comparison|difference|differ|more|fewer|less)\b|分别|各|更[多少]|哪[个年月一]|相比|比较|对比",
    re.IGNORECASE,
)
"""And where a question has any of these."""
_THEN = ("以前", "之前")
_SINCE_THEN = ("以来", "以后", "之后")


@dataclass(frozen=True)
class Period:
    since: date | None
    until: date | None
    """Included."""
    relative: bool = False
    """Counted back from the newest event."""


@dataclass(frozen=True)
class _Found:
    start: int
    end: int
    first: date
    last: date


Spans = list[tuple[int, int]]


def find_period(text: str, newest: date | None) -> tuple[Period, Spans] | None:
    """The one period of a question, or the first of several, and where it stands in it; None where
    it names none.
    """
    found = find_periods(text, newest)
    return (found[0][0], found[1]) if found else None


def find_periods(text: str, newest: date | None) -> tuple[list[Period], Spans] | None:
    """The periods of a question, one or two, and where they stand in it; None where it names none.

    newest: the day of the newest event, which "last month" is counted back from.
    """
    found = _absolute(text)
    if found:
        periods = [_between(text, found)]
        if len(found) == 2 and _are_two(text, *found):
            periods = [_one(text, found[0], two=True), _one(text, found[1], found[0].end, two=True)]
        return periods, [(one.start, _behind(text, one.end)) for one in found]
    for form in (_RELATIVE, _RELATIVE_ZH):
        if (match := form.search(text)) and newest is not None:
            n = match["n"].strip() if match["n"] else "1"
            unit = match["unit"].lower()
            days = _DAYS[_ZH.get(unit, unit)] * int(_ZH.get(n, n))
            return [Period(newest - timedelta(days=days - 1), newest, relative=True)], [
                match.span()
            ]
    return None


def _are_two(text: str, first: _Found, second: _Found) -> bool:
    """Whether two dates are a period each: "in 1997 or in 1998", and not "from 1997 to 1998"."""
    before, gap = text[: first.start], text[first.end : second.start]
    if _TO.fullmatch(gap) and not (
        _CHANGE.search(text) or (_COMPARE.search(text) and not _OPENS.search(before))
    ):
        return False
    if _OPENS.search(before) and _AND.fullmatch(gap):
        return False
    if _TO.fullmatch(gap):
        return True
    apart = second.first - first.last != timedelta(days=1)
    return apart or _OR.search(gap) is not None or _EACH.search(text) is not None


def _behind(text: str, end: int) -> int:
    """The end of a date with the word behind it that says before or after."""
    return next(
        (end + len(one) for one in (*_THEN, *_SINCE_THEN) if text.startswith(one, end)), end
    )


def _absolute(text: str) -> list[_Found]:
    found: list[_Found] = []
    for form in (*_FORMS, _BARE, _BESIDE):
        for match in form.finditer(text):
            start, end = (
                (match.start("year"), match.end("year"))
                if form in (_BARE, _BESIDE)
                else match.span()
            )
            if any(one.start < end and start < one.end for one in found):
                continue
            if (days := _days(match.groupdict())) is not None:
                found.append(_Found(start, end, *days))
    found += _without_year(text, found)
    return sorted(found, key=lambda one: one.start)[:2]


def _without_year(text: str, found: Sequence[_Found]) -> list[_Found]:
    """Months that leave their year to the one beside them: "January or February 1998"."""
    more: list[_Found] = []
    for form in (_MONTH_ALONE, _MONTH_ALONE_ZH):
        for match in form.finditer(text):
            start, end = match.span("bare")
            near = [one for one in found if start - one.end <= _NEAR and one.start - end <= _NEAR]
            if not near or any(one.start < end and start < one.end for one in (*found, *more)):
                continue
            beside = near[0].first
            parts = {"year": f"{beside.year}", "month": None, "number": None, **match.groupdict()}
            days = _days(parts)
            if days and (days[0] > beside) == (
                start < near[0].start
            ):  # "between December and January 1998"
                days = _days(
                    {**parts, "year": f"{beside.year + (1 if start > near[0].start else -1)}"}
                )
            if days is not None:
                more.append(_Found(start, end, *days))
    return more


def _days(parts: dict[str, str | None]) -> tuple[date, date] | None:
    year = int(parts.get("year") or 0)
    named = parts.get("month")
    month = _MONTHS_OF[named[:3].lower()] if named else int(parts.get("number") or 0)
    day = int(parts.get("day") or 0)
    if not month:
        return date(year, 1, 1), date(year, 12, 31)
    if not 1 <= month <= 12:
        return None
    last = calendar.monthrange(year, month)[1]
    if not day:
        return date(year, month, 1), date(year, month, last)
    return (date(year, month, day), date(year, month, day)) if day <= last else None


_MONTHS_OF = {name[:3]: number for number, name in enumerate(_MONTHS.split("|"), 1)}


def _between(text: str, found: Sequence[_Found]) -> Period:
    """One period: that of the one date, or from the first of two to the second."""
    if len(found) == 2:
        return Period(found[0].first, max(found[0].last, found[1].last))
    return _one(text, found[0])


def _one(text: str, found: _Found, start: int = 0, *, two: bool = False) -> Period:
    """The period of a date by the words right around it. start: where the words before it begin;
    two: of two periods, where "from 1997" is that year and no beginning.
    """
    before, after = text[start : found.start], text[found.end :].lstrip()
    if _BEFORE.search(before) or after.startswith(_THEN):
        return Period(None, found.first - timedelta(days=1))
    if _AFTER.search(before):
        return Period(found.last + timedelta(days=1), None)
    if (_SINCE.search(before) and not (two and _OPENS.search(before))) or after.startswith(
        _SINCE_THEN
    ):
        return Period(found.first, None)
    if _UNTIL.search(before) and not two:
        return Period(None, found.last)
    return Period(found.first, found.last)


def beside(period: Period, *, later: bool) -> Period | None:
    """The period of the same length right before, or after; None where there is none, since it is
    open there.

    Whole months are counted in months: before March come the 28 or 29 days of February.
    """
    since, until = period.since, period.until
    if since is None or until is None:
        if later and until is not None:
            return Period(until + timedelta(days=1), None)
        return Period(None, since - timedelta(days=1)) if since is not None and not later else None
    ends = until + timedelta(days=1)
    if since.day == 1 and ends.day == 1:
        months = (ends.year - since.year) * 12 + ends.month - since.month
        step = months if later else -months
        return Period(_months(since, step), _months(ends, step) - timedelta(days=1))
    days = ends - since
    return Period(ends, until + days) if later else Period(since - days, since - timedelta(days=1))


def _months(day: date, by: int) -> date:
    """The first of a month, so many months on."""
    year, month = divmod(day.year * 12 + day.month - 1 + by, 12)
    return date(year, month + 1, 1)
