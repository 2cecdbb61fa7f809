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
_RELATIVE = re.compile(r"\b(?:last|past|previous)\s+(?P<n>\d+\s+)?(?P<unit>day|week|month|year)s?\b", re.IGNORECASE)
_RELATIVE_ZH = re.compile(r"(?:最近|过去|近)(?P<n>\d+|一|两|三)?(?:个)?(?P<unit>天|周|星期|月|年)")
_ZH = {"天": "day", "周": "week", "星期": "week", "月": "month", "年": "year", "一": "1", "两": "2", "三": "3"}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_SINCE = re.compile(r"\b(?:since|after|from|starting)\s+(?:the\s+)?(?:year\s+)?$|自从?\s*$|从\s*$", re.IGNORECASE)
_UNTIL = re.compile(r"\b(?:until|till|before|by|up to|to|and)\s+(?:the\s+)?(?:year\s+)?$|到\s*$|至\s*$", re.IGNORECASE)
_BEFORE = re.compile(r"\bbefore\s+(?:the\s+)?(?:year\s+)?$", re.IGNORECASE)
_AFTER = re.compile(r"\bafter\s+(?:the\s+)?(?:year\s+)?$", re.IGNORECASE)
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


def find_period(text: str, newest: date | None) -> tuple[Period, list[tuple[int, int]]] | None:
    """The period of a question and where it stands in it; None where it names none.

    newest: the day of the newest event, which "last month" is counted back from.
    """
    found = _absolute(text)
    if found:
        return _between(text, found), [(one.start, _behind(text, one.end)) for one in found]
    for form in (_RELATIVE, _RELATIVE_ZH):
        if (match := form.search(text)) and newest is not None:
            n = match["n"].strip() if match["n"] else "1"
            unit = match["unit"].lower()
            days = _DAYS[_ZH.get(unit, unit)] * int(_ZH.get(n, n))
            return Period(newest - timedelta(days=days - 1), newest, relative=True), [match.span()]
    return None


def _behind(text: str, end: int) -> int:
    """The end of a date with the word behind it that says before or after."""
    return next((end + len(one) for one in (*_THEN, *_SINCE_THEN) if text.startswith(one, end)), end)


def _absolute(text: str) -> list[_Found]:
    found: list[_Found] = []
    for form in (*_FORMS, _BARE):
        for match in form.finditer(text):
            start, end = (match.start("year"), match.end("year")) if form is _BARE else match.span()
            if any(one.start < end and start < one.end for one in found):
                continue
            if (days := _days(match.groupdict())) is not None:
                found.append(_Found(start, end, *days))
    return sorted(found, key=lambda one: one.start)[:2]


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
    first = found[0]
    before, after = text[: first.start], text[first.end :].lstrip()
    if len(found) == 2:
        return Period(first.first, max(first.last, found[1].last))
    if _BEFORE.search(before) or after.startswith(_THEN):
        return Period(None, first.first - timedelta(days=1))
    if _AFTER.search(before):
        return Period(first.last + timedelta(days=1), None)
    if _SINCE.search(before) or after.startswith(_SINCE_THEN):
        return Period(first.first, None)
    if _UNTIL.search(before):
        return Period(None, first.last)
    return Period(first.first, first.last)
