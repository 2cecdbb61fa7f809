"""Small text for terminals: foreign text made harmless, numbers and times made readable."""

import unicodedata
from datetime import datetime

_BIDI = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """`text` on one line, without characters that steer a terminal (escapes, controls, direction
    overrides).
    """
    return "".join(_harmless(char) for char in text).strip()


def _harmless(char: str) -> str:
    if char in "\n\r\t\v\f\u2028\u2029":
        return " "
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    return "" if category == "Cc" or char in _BIDI else char


def compact(number: float) -> str:
    """1,682 · 31 k · 2.4 M · 1.1 G: at most four characters and a unit."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(number) >= size:
            scaled = number / (1e3 if unit == " k" else size)
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:,.0f}{unit}"
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def duration(seconds: float) -> str:
    """0.4 s · 12 s · 3 min 05 s · 2 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def day(time: datetime | None) -> str:
    return time.strftime("%Y-%m-%d") if time else ""


def period(first: datetime | None, last: datetime | None) -> str:
    """` from 1997-12-04 to 1998-03-10`; empty where the data has no times."""
    if first is None or last is None:
        return ""
    return f" of {day(first)}" if day(first) == day(last) else f" from {day(first)} to {day(last)}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 event`, `1,682 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def version() -> str:
    """The installed version, or that of the checkout that runs without being installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("limner")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        try:
            project = tomllib.loads(
                (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
            )
        except OSError:
            return "of unknown version, not installed"
        return f"{project['project']['version']}, run from a checkout that is not installed"
